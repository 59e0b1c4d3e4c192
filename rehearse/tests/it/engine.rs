//! `rehearse --docker` without an engine: its error, before anything starts.

use std::process::Command;

/// Returns the stderr of a rehearsal of the example, given these variables.
#[track_caller]
fn check(variables: &[(&str, &str)], expected: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/../cfn/example.yml"),
            "--docker",
        ])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(2), 0),
        "{output:?}"
    );
    assert_eq!(
        String::from_utf8(output.stderr).unwrap().trim_end(),
        format!("rehearse: --docker: {expected}")
    );
}

#[test]
fn an_engine_that_does_not_answer_is_named_with_the_cause() {
    check(
        &[("DOCKER_HOST", "unix:///no/such.sock")],
        "no container engine answers at unix:///no/such.sock (from DOCKER_HOST): no such file",
    );
    check(
        &[("DOCKER_HOST", "tcp://127.0.0.1:1")],
        "no container engine answers at tcp://127.0.0.1:1 (from DOCKER_HOST): Connection refused (os \
         error 111)",
    );
}

#[test]
fn a_docker_host_that_is_not_supported_is_refused() {
    let expected = |host: &str| {
        format!(
            "DOCKER_HOST is {host}, but must be unix://PATH, tcp://HOST:PORT or http://HOST:PORT (without \
             TLS)"
        )
    };
    check(&[("DOCKER_HOST", "ssh://build")], &expected("ssh://build"));
    check(
        &[("DOCKER_HOST", "/run/docker.sock")],
        &expected("/run/docker.sock"),
    );
    let with_tls = [
        ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
        ("DOCKER_TLS_VERIFY", "1"),
    ];
    check(&with_tls, &expected("tcp://127.0.0.1:2376"));
}
