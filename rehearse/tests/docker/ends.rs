//! Containers that do not start, fail, or do not stop by themselves.

use std::process::Command;

use serde_json::{Value, json};

use crate::rehearsal::{BUSYBOX, Rehearsal, containers, podman, wait_for};

fn script(name: &str, script: &str) -> Value {
    json!({"Name": name, "Image": BUSYBOX, "Command": [script]})
}

#[test]
fn a_container_over_its_memory_limit_is_killed() {
    let mut hungry = script("hungry", "x=aaaaaaaa; while :; do x=$x$x; done");
    hungry["Memory"] = json!(16);
    let rehearsed = Rehearsal::of(hungry).run(&[]);
    let failure = rehearsed.failure();
    assert!(
        failure.contains("Container hungry") && failure.contains("code 137"),
        "{failure}"
    );
    assert!(
        failure.contains("OutOfMemoryError: Container killed due to memory usage"),
        "{failure}"
    );
    assert_eq!(containers("hungry"), [""; 0]);
}

#[test]
fn a_task_that_does_not_stop_is_killed_after_its_stop_timeout_and_not_for_its_memory() {
    let mut stubborn = script(
        "stubborn",
        "trap '' INT TERM; echo up; while :; do sleep 1; done",
    );
    stubborn["Memory"] = json!(64);
    stubborn["StopTimeout"] = json!(2);
    let definition = json!({"NetworkMode": "host", "ContainerDefinitions": [stubborn]});
    // This is long enough for a busy machine to start the container before the task is stopped.
    let rehearsed = Rehearsal::of_task(definition, json!({"Timeout": 20})).run(&[]);
    let failure = rehearsed.failure();
    assert!(
        failure.contains("so ECS killed it (exit code 137)"),
        "{failure}"
    );
    assert!(!failure.contains("OutOfMemory"), "{failure}");
    assert_eq!(rehearsed.printed("stubborn"), ["up"]);
    assert_eq!(containers("stubborn"), [""; 0]);
}

#[test]
fn a_command_that_the_image_does_not_have_is_a_task_that_failed_to_start() {
    let mut absent = script("absent", "");
    absent["EntryPoint"] = json!(["no-such-program"]);
    let rehearsed = Rehearsal::of(absent).run(&[]);
    let failure = rehearsed.failure();
    assert!(failure.contains("ontainer absent"), "{failure}");
    assert!(failure.contains("CannotStartContainerError: "), "{failure}");
    assert!(
        failure.contains("\"no-such-program\": executable file not found"),
        "{failure}"
    );
    assert_eq!(containers("absent"), [""; 0]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_a_task_that_failed_to_start() {
    // Nothing listens at this address.
    let image = "127.0.0.1:1/shop/absent:1";
    let rehearsed = Rehearsal::of(json!({"Name": "unpulled", "Image": image})).run(&[]);
    let failure = rehearsed.failure();
    assert!(failure.contains("container unpulled"), "{failure}");
    assert!(
        failure.contains("CannotPullContainerError: ") && failure.contains("connection refused"),
        "{failure}"
    );
    assert!(
        rehearsed
            .text
            .contains(&format!("image {image} is not on this machine: pulling it"))
    );
    assert!(
        rehearsed
            .text
            .contains(&format!("tag an existing one: `docker tag IMAGE {image}`"))
    );
}

#[test]
fn an_interrupted_rehearsal_leaves_nothing_behind() {
    for (signal, name) in [
        ("INT", "interrupted"),
        ("TERM", "terminated"),
        ("HUP", "hung-up"),
    ] {
        let definition = json!({
            "NetworkMode": "host",
            "Volumes": [{"Name": format!("of-{name}")}],
            "ContainerDefinitions": [{
                "Name": name, "Image": BUSYBOX,
                "Command": ["trap '' INT TERM; echo up; while :; do sleep 1; done"],
                "MountPoints": [{"SourceVolume": format!("of-{name}"), "ContainerPath": "/data"}],
            }],
        });
        let rehearsal = Rehearsal::of_task(definition, json!({}));
        let mut child = rehearsal.start(&[]);
        wait_for(&mut child, "| up");
        let [running] = &containers(name)[..] else {
            panic!("one container of {name}")
        };
        let labels = podman(&["inspect", "--format", "{{.Config.Labels}}", running]);
        assert!(labels.contains("ecs-tasks.rehearsal:"), "{labels}");
        assert!(podman(&["volume", "ls", "--quiet"]).contains(&format!("of-{name}")));
        let killed = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let rehearsed = rehearsal.ended(child);
        assert_eq!(rehearsed.status, Some(130), "{}", rehearsed.text);
        assert!(
            rehearsed.text.contains("rehearse: interrupted"),
            "{}",
            rehearsed.text
        );
        assert_eq!(containers(name), [""; 0], "after {signal}");
        assert!(!podman(&["volume", "ls", "--quiet"]).contains(&format!("of-{name}")));
    }
}
