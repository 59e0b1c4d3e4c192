//! Containers from their images, and the lives of their tasks.

use std::{io::Read, net::TcpListener, process::Command};

use serde_json::json;

use crate::rehearsal::{BUSYBOX, Rehearsal, containers, podman, wait_for};

#[test]
fn the_image_gives_the_settings_that_the_definition_lacks() {
    let rehearsed = Rehearsal::of(json!({"Name": "plain", "Image": BUSYBOX}))
        .run(&[])
        .succeeded();
    assert_eq!(rehearsed.printed("plain"), ["the command of the image"]);
    assert_eq!(containers("plain"), [""; 0]);
}

#[test]
fn a_command_is_given_to_the_entry_point_of_the_image() {
    let container = json!({
        "Name": "worded", "Image": BUSYBOX,
        "Command": ["echo $FROM_IMAGE; pwd; id -u; echo both >&2; printf unended"],
    });
    let rehearsed = Rehearsal::of(container).run(&[]).succeeded();
    let mut printed = rehearsed.printed("worded");
    printed.sort_unstable();
    assert_eq!(printed, ["/tmp", "0", "both", "unended", "yes"]);
}

#[test]
fn every_line_of_a_container_that_ends_at_once_is_shown() {
    let container = json!({"Name": "quick", "Image": BUSYBOX, "Command": ["seq 1 5000"]});
    let rehearsed = Rehearsal::of(container).run(&[]).succeeded();
    let mut printed: Vec<u32> = rehearsed
        .printed("quick")
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
    // Podman may follow some lines too late to have them in order.
    printed.sort_unstable();
    assert_eq!(printed, (1..=5000).collect::<Vec<_>>());
}

#[test]
fn a_definition_sets_entry_point_directory_user_variables_and_secrets() {
    let container = json!({
        "Name": "set", "Image": BUSYBOX,
        "EntryPoint": ["/bin/sh", "-c", "echo $0 $(pwd) $(id -u):$(id -g) $PLAIN $PASSWORD"],
        "Command": ["argument"],
        "WorkingDirectory": "/srv/app",
        "User": "1000:1001",
        "Environment": [{"Name": "PLAIN", "Value": "a b"}],
        "Secrets": [{"Name": "PASSWORD", "ValueFrom": "arn:aws:ssm:us-west-2:123456789012:parameter/p"}],
    });
    let rehearsed = Rehearsal::of(container)
        .variable("PASSWORD", "from here")
        .run(&[])
        .succeeded();
    assert_eq!(
        rehearsed.printed("set"),
        ["argument /srv/app 1000:1001 a b from here"]
    );
}

#[test]
fn an_override_replaces_command_and_memory() {
    let container =
        json!({"Name": "overridden", "Image": BUSYBOX, "Command": ["echo no"], "Memory": 512});
    let limit =
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    let rehearsal = Rehearsal::of_task(
        json!({"ContainerDefinitions": [container]}),
        json!({"Overrides": {"ContainerOverrides": [
            {"Name": "overridden", "Command": [format!("echo yes; {limit}; true")], "Memory": 64},
        ]}}),
    );
    let rehearsed = rehearsal.run(&[]).succeeded();
    assert_eq!(rehearsed.printed("overridden"), ["yes", "67108864"]);
}

#[test]
fn a_server_on_this_machine_can_be_reached() {
    for network_mode in ["awsvpc", "host"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let caller = std::thread::spawn(move || {
            let mut said = String::new();
            listener
                .accept()
                .unwrap()
                .0
                .read_to_string(&mut said)
                .unwrap();
            said
        });
        let container = json!({
            "Name": "caller", "Image": BUSYBOX, "Command": [format!("echo hello | nc 127.0.0.1 {port}")],
        });
        let network = json!({"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}});
        let more = if network_mode == "awsvpc" {
            json!({"NetworkConfiguration": network})
        } else {
            json!({})
        };
        let definition = json!({"NetworkMode": network_mode, "ContainerDefinitions": [container]});
        Rehearsal::of_task(definition, more).run(&[]).succeeded();
        assert_eq!(caller.join().unwrap(), "hello\n", "{network_mode}");
    }
}

#[test]
fn containers_start_in_order_share_volumes_and_end_with_the_essential_one() {
    let container = |name: &str, more: serde_json::Value| {
        let mut container = json!({
            "Name": name, "Image": BUSYBOX, "Essential": false,
            "MountPoints": [{"SourceVolume": "shared-by-three", "ContainerPath": "/shared"}],
        });
        container
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        container
    };
    let last = container(
        "last",
        json!({
            "Essential": true, "Command": ["cat /shared/greeting; touch /shared/x"],
            "MountPoints": [{"SourceVolume": "shared-by-three", "ContainerPath": "/shared",
                "ReadOnly": true}],
            "DependsOn": [
                {"ContainerName": "first", "Condition": "SUCCESS"},
                {"ContainerName": "beside", "Condition": "START"},
            ],
        }),
    );
    let first = container(
        "first",
        json!({"Command": ["echo good morning > /shared/greeting"]}),
    );
    let beside = container(
        "beside",
        json!({"Command": ["trap 'echo stopped; exit 0' INT; while :; do sleep 0.1; done"]}),
    );
    let definition = json!({
        "NetworkMode": "host", "Volumes": [{"Name": "shared-by-three"}],
        "ContainerDefinitions": [last, first, beside],
    });
    let rehearsed = Rehearsal::of_task(definition, json!({})).run(&[]);
    let failure = rehearsed.failure();
    assert!(
        failure.contains("Container last exited with code 1"),
        "{failure}"
    );
    let printed = rehearsed.printed("last");
    assert_eq!(printed[0], "good morning");
    assert!(printed[1].contains("Read-only file system"), "{printed:?}");
    assert_eq!(
        rehearsed.printed("beside"),
        ["stopped"],
        "by the image's stop signal"
    );
    for name in ["last", "first", "beside"] {
        assert_eq!(containers(name), [""; 0]);
    }
    assert!(!podman(&["volume", "ls", "--quiet"]).contains("shared-by-three"));
}

#[test]
fn a_container_waits_until_the_one_that_it_depends_on_is_healthy() {
    let server = json!({
        "Name": "server", "Image": BUSYBOX, "Essential": false, "StopTimeout": 2,
        "Command": ["touch /tmp/up; echo up; exec sleep 600"],
        "HealthCheck": {"Command": ["CMD-SHELL", "test -e /tmp/up"], "Interval": 5},
    });
    let client = json!({
        "Name": "client", "Image": BUSYBOX, "Command": ["echo connected"],
        "DependsOn": [{"ContainerName": "server", "Condition": "HEALTHY"}],
    });
    let definition = json!({"NetworkMode": "host", "ContainerDefinitions": [client, server]});
    let rehearsal = Rehearsal::of_task(definition, json!({}));
    let mut child = rehearsal.start(&[]);
    wait_for(&mut child, "server | up");
    // Podman leaves the times of a health check to systemd, whose part the test plays.
    let [server] = &containers("server")[..] else {
        panic!("one container of the server")
    };
    assert_eq!(containers("client"), [""; 0], "it waits");
    let check = || {
        Command::new("podman")
            .args(["healthcheck", "run", server])
            .status()
            .unwrap()
            .success()
    };
    while !check() {}
    let rehearsed = rehearsal.ended(child).succeeded();
    assert_eq!(rehearsed.printed("client"), ["connected"]);
}

#[test]
fn a_container_that_ends_instead_of_becoming_healthy_fails_the_task() {
    let server = json!({
        "Name": "crashed", "Image": BUSYBOX, "Essential": false, "Command": ["exit 0"],
        "HealthCheck": {"Command": ["CMD", "true"], "Interval": 30},
    });
    let client = json!({
        "Name": "waiting", "Image": BUSYBOX,
        "DependsOn": [{"ContainerName": "crashed", "Condition": "HEALTHY"}],
    });
    let definition = json!({"NetworkMode": "host", "ContainerDefinitions": [client, server]});
    let rehearsed = Rehearsal::of_task(definition, json!({})).run(&[]);
    let failure = rehearsed.failure();
    assert!(
        failure.contains("Dependent container crashed stopped instead of becoming healthy"),
        "{failure}"
    );
}
