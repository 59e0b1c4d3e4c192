use proptest::prelude::*;

use super::*;
use crate::{
    cfn::fixtures,
    outcome::{Cause, Failure},
    reason::NoLog,
    task::{Container, ContainerDefinition, Task, TaskArn, TaskDefinition},
};

proptest! {
    #[test]
    fn no_answer_is_ever_longer_than_cloudformation_reads(
        detail in any::<String>(),
        log in proptest::collection::vec("[\"\\\\\u{0}-\u{1f}😀é]{0,600}", 0..60),
        id in "[a-zA-Z0-9-]{1,1024}",
    ) {
        let reply_to = reply_to(id);
        let log = Log { group: Some("/ecs/app".to_owned()), lines: log, ..Log::default() };
        let reason = Reason::failed(&[failure()], Particulars::default(), Some(&log)).fact(Some(&detail));
        let body = Answer::Failed(reason).into_body(&reply_to);
        prop_assert!(body.len() <= 4096, "{} bytes", body.len());
        prop_assert!(body.contains("Container app exited with code 3"));
    }
}

fn reply_to(physical_resource_id: String) -> ReplyTo {
    ReplyTo {
        physical_resource_id,
        ..fixtures::reply_to("r-1")
    }
}

fn failure() -> Failure {
    Failure {
        task: TaskArn("arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned()),
        cause: Cause::Exited {
            container: "app".to_owned(),
            code: 3,
            reason: None,
        },
        others: Vec::new(),
        stop_code: None,
        stopped_reason: Some("Essential container in task exited".to_owned()),
        ended_by: None,
        image: None,
        launch_type: None,
        capacity_provider: None,
    }
}

#[test]
fn the_exit_code_of_a_success_is_that_of_the_first_watched_or_essential_container() {
    let ran = |name: &str, code| Container {
        name: name.to_owned(),
        exit_code: Some(code),
        ..Container::default()
    };
    let defined = |name: &str, essential| ContainerDefinition {
        name: name.to_owned(),
        essential,
        ..ContainerDefinition::default()
    };
    let task = Task {
        containers: vec![ran("sidecar", 137), ran("job", 3), ran("app", 0)],
        ..Task::unseen(TaskArn("task".to_owned()))
    };
    let definition = TaskDefinition {
        containers: vec![
            defined("sidecar", false),
            defined("app", true),
            defined("job", false),
        ],
        ..TaskDefinition::default()
    };
    let watched = ["job".to_owned()];
    for (watch_containers, definition, expected) in [
        (&[][..], Some(&definition), 0),
        (&watched[..], Some(&definition), 3),
        (&watched[..], None, 3),
    ] {
        let rules = Rules {
            watch_containers,
            success_exit_codes: &[0, 3],
            definition,
        };
        assert_eq!(
            exit_code(&task, rules),
            Some(expected),
            "{watch_containers:?}"
        );
    }
}

#[test]
fn a_secret_that_lacks_a_key_is_named_from_the_definition() {
    let secret = "arn:aws:secretsmanager:us-west-2:123456789012:secret:prod/db-AbCdEf";
    let source = format!("{secret}:password::");
    let definition = TaskDefinition {
        containers: vec![ContainerDefinition {
            secrets: [("DB_PASSWORD".to_owned(), source)].into(),
            ..ContainerDefinition::default()
        }],
        ..TaskDefinition::default()
    };
    let failure = Failure {
        cause: Cause::FailedToStart {
            container: None,
            reason: None,
        },
        stop_code: Some("TaskFailedToStart".to_owned()),
        stopped_reason: Some(
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from \
             asm: retrieved secret from Secrets Manager did not contain json key password"
                .to_owned(),
        ),
        ..failure()
    };
    let evidence = Evidence {
        definition: Some(&definition),
        log: None,
        network: None,
    };
    let answer = Answer::failed(&[failure], evidence);
    assert_eq!(
        answer.summary(),
        "The secret prod/db-AbCdEf has no JSON key password"
    );
}

fn returning(log: Log) -> (String, Data) {
    let data = Data {
        ran: true,
        ..Data::default()
    };
    let answer = Answer::Succeeded(texts::succeeded(1, Some(12)), Box::new(data));
    let response = answer
        .returning(Some("app"), &log)
        .into_response(&reply_to("id".to_owned()));
    let data = response.data().expect("attributes").clone();
    (response.reason, data)
}

#[test]
fn the_last_line_becomes_output_without_its_colours() {
    let lines = vec![
        "migrating".to_owned(),
        "\u{1b}[32m v42 \u{1b}[0m\r".to_owned(),
    ];
    let (reason, data) = returning(Log {
        lines,
        ..Log::default()
    });
    assert_eq!(
        (reason.as_str(), data.output.as_str()),
        ("The task succeeded after 12 s", "v42")
    );
    assert!(data.ran, "the other attributes stay");
}

#[test]
fn an_output_that_is_too_long_is_cut_and_the_reason_says_so() {
    let (reason, data) = returning(Log {
        lines: vec!["é".repeat(1025)],
        ..Log::default()
    });
    assert_eq!(data.output, "é".repeat(1024));
    assert_eq!(
        reason,
        "The task succeeded after 12 s. Output is cut to 1024 characters"
    );
    let (reason, data) = returning(Log {
        lines: vec!["é".repeat(1024)],
        ..Log::default()
    });
    assert_eq!(
        (reason.as_str(), data.output.len()),
        ("The task succeeded after 12 s", 2048)
    );
}

#[test]
fn an_output_that_cannot_be_had_is_empty_and_the_reason_says_why() {
    let missing = Some(NoLog::NotAwslogs(Some("splunk".to_owned())));
    let (reason, data) = returning(Log {
        missing,
        ..Log::default()
    });
    assert_eq!(data.output, "");
    let expected = "The task succeeded after 12 s. Output is empty, because no line of container app could be read. \
                    Its log is not in CloudWatch Logs: look for it where its log driver splunk sends it";
    assert_eq!(reason, expected);
}

proptest! {
    #[test]
    fn no_output_makes_an_answer_longer_than_cloudformation_reads(
        line in "[\"\\\\x😀é]{0,1100}",
        arns in 1..11_usize,
        id in "[a-zA-Z0-9-]{1,1024}",
    ) {
        let reply_to = reply_to(id);
        let task_arns = vec![failure().task.0; arns].join(",");
        let data = Data { task_arn: failure().task.0, task_arns, ..Data::default() };
        let answer = Answer::Succeeded(texts::succeeded(arns, Some(12)), Box::new(data));
        let log = Log { lines: vec![line.clone()], ..Log::default() };
        let response = answer.returning(Some("app"), &log).into_response(&reply_to);
        let body = response.body();
        prop_assert!(body.len() <= 4096, "{} bytes", body.len());
        let output = &response.data().unwrap().output;
        prop_assert!(line.starts_with(output.as_str()));
        let is_whole = output.chars().count() == line.chars().count();
        prop_assert_eq!(is_whole, !response.reason.contains("Output is cut to"));
    }
}
