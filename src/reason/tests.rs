use proptest::prelude::*;

use super::*;
use crate::{
    failures::Particulars,
    outcome::{Cause, Ender, Failure},
    task::TaskArn,
};

fn failure(id: &str, cause: Cause) -> Failure {
    Failure {
        task: TaskArn(format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{id}")),
        cause,
        others: Vec::new(),
        stop_code: None,
        stopped_reason: Some("Essential container in task exited".to_owned()),
        ended_by: None,
        image: None,
        launch_type: None,
        capacity_provider: None,
    }
}

fn exited(code: i64, reason: Option<&str>) -> Cause {
    Cause::Exited {
        container: "app".to_owned(),
        code,
        reason: reason.map(str::to_owned),
    }
}

fn no_code(reason: Option<&str>) -> Cause {
    Cause::NoExitCode {
        container: "app".to_owned(),
        reason: reason.map(str::to_owned),
    }
}

#[test]
fn failed_tasks_read_from_top_to_bottom() {
    let essential = (
        Some("EssentialContainerExited"),
        Some("Essential container in task exited"),
    );
    let pull = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve \
                ref docker.io/library/app:9: not found";
    let failed_to_start = Cause::FailedToStart {
        container: Some("app".to_owned()),
        reason: Some(pull.to_owned()),
    };
    let agent = Cause::Exited {
        container: "datadog-agent".to_owned(),
        code: 1,
        reason: None,
    };
    let secret = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                  retrieval failed: unable to retrieve secret from asm: AccessDeniedException";
    let mut page = String::new();
    for (about, cause, others, (stop_code, stopped_reason)) in [
        ("exit code", exited(3, None), vec![], essential),
        (
            "out of memory",
            exited(
                137,
                Some("OutOfMemoryError: Container killed due to memory usage"),
            ),
            vec![],
            essential,
        ),
        (
            "killed, nobody knows by whom",
            exited(137, None),
            vec![],
            essential,
        ),
        (
            "a sidecar took it down",
            agent,
            vec![exited(143, None)],
            essential,
        ),
        (
            "two that failed by themselves",
            exited(2, None),
            vec![Cause::Exited {
                container: "job".to_owned(),
                code: 4,
                reason: None,
            }],
            essential,
        ),
        (
            "an image that is not there",
            failed_to_start,
            vec![],
            (Some("TaskFailedToStart"), Some(pull)),
        ),
        (
            "a secret",
            Cause::FailedToStart {
                container: None,
                reason: None,
            },
            vec![],
            (Some("TaskFailedToStart"), Some(secret)),
        ),
        (
            "Spot",
            no_code(None),
            vec![],
            (
                Some("SpotInterruption"),
                Some("Your Spot Task was interrupted."),
            ),
        ),
        (
            "host",
            exited(137, None),
            vec![],
            (
                Some("TerminationNotice"),
                Some("Host EC2 (instance i-1) terminated."),
            ),
        ),
        (
            "somebody",
            exited(143, None),
            vec![],
            (Some("UserInitiated"), Some("Task stopped by user")),
        ),
        (
            "stopped at its deadline by another delivery",
            exited(137, None),
            vec![],
            (
                Some("UserInitiated"),
                Some("ecs-tasks: not finished within Timeout of 290 s"),
            ),
        ),
        (
            "somebody, exit 0",
            Cause::StoppedByUser,
            vec![],
            (Some("UserInitiated"), Some("Task stopped by user")),
        ),
        (
            "no exit code",
            no_code(None),
            vec![],
            (Some("SomethingNew"), None),
        ),
        (
            "architecture",
            exited(255, Some("exec /app: exec format error")),
            vec![],
            essential,
        ),
        ("unknown task", Cause::Missing, vec![], (None, None)),
    ] {
        let failure = Failure {
            others,
            stop_code: stop_code.map(str::to_owned),
            stopped_reason: stopped_reason.map(str::to_owned),
            ..failure("1", cause)
        };
        page.push_str(&format!(
            "# {about}\n{}\n\n",
            Reason::failed(&[failure], Particulars::default(), None).fit(4096)
        ));
    }
    let log = Log {
        group: Some("/ecs/app".to_owned()),
        stream: Some("app/app/1".to_owned()),
        ..Log::default()
    };
    let last = Log {
        lines: vec!["KeyError: 'DB_URL'".to_owned()],
        ..log.clone()
    };
    for (about, log) in [("its log", log), ("its last log lines", last)] {
        let failed = failure("1", exited(3, None));
        let text = Reason::failed(&[failed], Particulars::default(), Some(&log)).fit(4096);
        page.push_str(&format!("# exit code, and {about}\n{text}\n\n"));
    }
    let several = [
        failure("1", exited(1, None)),
        failure("2", exited(2, None)),
        failure("3", Cause::Missing),
    ];
    page.push_str(&format!(
        "# several tasks\n{}\n\n",
        Reason::failed(&several, Particulars::default(), None).fit(4096)
    ));
    insta::assert_snapshot!(page);
}

#[test]
fn a_log_that_cannot_be_had_says_why() {
    let why = |text: &str| text.to_owned();
    let mut page = String::new();
    for missing in [
        NoLog::NoDefinition(why(
            "ecs:DescribeTaskDefinition: AccessDeniedException: not authorized",
        )),
        NoLog::NotAwslogs(None),
        NoLog::NotAwslogs(Some("splunk".to_owned())),
        NoLog::FireLens(Some("/ecs/app".to_owned())),
        NoLog::FireLens(None),
        NoLog::Denied(why(
            "logs:GetLogEvents: AccessDeniedException: not authorized",
        )),
        NoLog::NoStream,
        NoLog::Empty,
        NoLog::Unread(why("logs:GetLogEvents: ThrottlingException: Rate exceeded")),
    ] {
        let group = (!matches!(
            missing,
            NoLog::NotAwslogs(_) | NoLog::NoDefinition(_) | NoLog::FireLens(_)
        ))
        .then(|| "/ecs/app".to_owned());
        let stream = group.as_ref().map(|_| "app/app/1".to_owned());
        let log = Log {
            group,
            stream,
            missing: Some(missing),
            ..Log::default()
        };
        page.push_str(&format!(
            "{}\n\n",
            Reason::new("Container app exited with code 1")
                .log(Some(&log))
                .fit(4096)
        ));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn log_lines_give_way_first_and_from_the_oldest_on() {
    let reason = Reason {
        log: vec!["one".to_owned(), "two".to_owned(), "three".to_owned()],
        ..Reason::new("Lead")
            .step("Step")
            .said(Some("words"))
            .place("Task 1")
            .about("killed")
    };
    let whole = "Lead. Step. Last log lines: one | two | three. AWS says: words. Task 1 [killed]";
    assert_eq!(reason.fit(whole.len()), whole);
    let cut = "Lead. Step. Last log lines: two | three. AWS says: words. Task 1 [killed]";
    assert_eq!(reason.fit(whole.len() - 1), cut);
    assert_eq!(reason.fit(40), "Lead. Step. AWS says: words. Task 1");
    assert_eq!(reason.fit(12), "Lead. Step");
}

#[test]
fn then_further_failures_then_long_words_and_the_lead_is_kept_to_the_last() {
    let reason = Reason {
        further: vec!["And 2 more".to_owned(), "second".to_owned()],
        ..Reason::new("Lead").step("Step")
    }
    .said(Some(&"long ".repeat(100)));
    let text = reason.fit(200);
    assert!(
        text.starts_with("Lead. Step. And 2 more. AWS says: long ") && text.ends_with('…'),
        "{text}"
    );
    assert_eq!(Reason::new("A very long lead").fit(10), "A very …");
}

#[test]
fn no_fact_stands_twice() {
    let pull = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
                docker.io/library/app:9: not found";
    let cause = Cause::FailedToStart {
        container: Some("app".to_owned()),
        reason: Some(pull.to_owned()),
    };
    let failure = Failure {
        stopped_reason: Some(pull.to_owned()),
        ..failure("1", cause)
    };
    let text = Reason::failed(&[failure], Particulars::default(), None).fit(4096);
    assert_eq!(text.matches("AWS says").count(), 1, "{text}");
    assert_eq!(text.matches("failed to resolve").count(), 1, "{text}");
    assert!(!text.contains("retried"), "{text}");
}

#[test]
fn what_is_not_known_is_told_in_full() {
    let words = "Error response from daemon: something new has been retried 3 time(s)";
    let cause = Cause::FailedToStart {
        container: Some("app".to_owned()),
        reason: Some(words.to_owned()),
    };
    let reason = Reason::failed(&[failure("1", cause)], Particulars::default(), None);
    assert_eq!(reason.unknown().as_deref(), Some(words));
    assert!(
        reason
            .fit(4096)
            .contains(&format!("AWS says: {words}. Task")),
        "{}",
        reason.fit(4096)
    );
}

#[test]
fn an_essential_container_that_ended_first_is_named_and_another_is_not() {
    let ender = |code| {
        Some(Ender {
            container: "proxy".to_owned(),
            code,
        })
    };
    for code in [0, 1] {
        let failure = Failure {
            ended_by: ender(code),
            ..failure("1", exited(143, None))
        };
        let text = Reason::failed(&[failure], Particulars::default(), None).fit(4096);
        let expected = format!(
            "Container proxy, which is essential, exited with code {code}, so ECS stopped container app (exit code \
             143). If proxy may end before app, set Essential: false on proxy and Essential: true on app"
        );
        assert!(text.starts_with(&expected), "{text}");
    }
    // No essential container is known, so the other one's end stops nothing.
    let sidecar = Cause::Exited {
        container: "sidecar".to_owned(),
        code: 1,
        reason: None,
    };
    let failure = Failure {
        others: vec![exited(143, None)],
        ..failure("1", sidecar)
    };
    let text = Reason::failed(&[failure], Particulars::default(), None).fit(4096);
    assert!(!text.contains("because"), "{text}");
}

#[test]
fn a_log_of_another_region_is_printed_from_there() {
    let log = Log {
        group: Some("/ecs/app".to_owned()),
        region: Some("eu-west-1".to_owned()),
        ..Log::default()
    };
    let command = "aws logs tail /ecs/app --region eu-west-1 --since 1d";
    assert_eq!(log.tail().as_deref(), Some(command));
}

#[test]
fn the_function_whose_role_lacks_a_permission_is_named() {
    let missing = Log {
        missing: Some(NoLog::Denied(String::new())),
        ..Log::default()
    };
    let text = Reason::new("Lead")
        .log(Some(&missing))
        .by_function("ecsTasks")
        .fit(4096);
    assert!(text.contains("to the role of function ecsTasks"), "{text}");
}

fn serialized(text: &str) -> usize {
    serde_json::to_string(text).unwrap().len() - 2
}

proptest! {
    #[test]
    fn whatever_it_is_made_of_a_reason_fits_and_keeps_container_and_code(
        detail in any::<String>(),
        hostile in "[\"\\\\\u{0}-\u{1f}😀é]{0,3000}",
        log in proptest::collection::vec(any::<String>(), 0..20),
        further in proptest::collection::vec("\\PC{0,200}", 0..9),
        room in 100_usize..4096,
    ) {
        let failed = Reason::failed(&[failure("1", exited(3, Some(&hostile)))], Particulars::default(), None);
        let reason = Reason { log, further, ..failed };
        let text = reason.fact(Some(&detail)).fit(room);
        prop_assert!(serialized(&text) <= room, "{} bytes in {room}", serialized(&text));
        prop_assert!(text.starts_with("Container app exited with code 3"));
    }

    #[test]
    fn a_head_that_is_too_long_is_cut_between_characters(head in any::<String>(), room in 0_usize..50) {
        let text = Reason::new(head).fit(room);
        prop_assert!(serialized(&text) <= room);
    }
}
