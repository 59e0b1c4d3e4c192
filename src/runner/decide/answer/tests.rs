use proptest::prelude::*;

use super::*;
use crate::{
    cfn::ResponseUrl,
    outcome::{Cause, Failure},
    task::{Container, ContainerDefinition, Task, TaskArn, TaskDefinition},
};

proptest! {
    #[test]
    fn no_answer_is_ever_longer_than_cloudformation_reads(
        detail in any::<String>(),
        log in proptest::collection::vec("[\"\\\\\u{0}-\u{1f}😀é]{0,600}", 0..60),
        id in "[a-zA-Z0-9-]{1,1024}",
    ) {
        let reply_to = ReplyTo {
            response_url: ResponseUrl::parse("https://example.com/").unwrap(),
            stack_id: "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/1".to_owned(),
            request_id: "720958cb-c5b7-4225-b12f-e7c5ab6c499b".to_owned(),
            logical_resource_id: "Migrate".to_owned(),
            physical_resource_id: id,
            no_echo: false,
            answer_by: None,
            wait_handle: None,
        };
        let log = Log { group: Some("/ecs/app".to_owned()), lines: log, ..Log::default() };
        let reason = Reason::failed(&[failure()]).detail(Some(&detail)).log(Some(&log));
        let body = Answer::Failed(reason).into_body(&reply_to);
        prop_assert!(body.len() <= 4096, "{} bytes", body.len());
        prop_assert!(body.contains("Container app exited with code 3"));
    }
}

fn failure() -> Failure {
    Failure {
        task: TaskArn("arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned()),
        cause: Cause::Exited { container: "app".to_owned(), code: 3, reason: None },
        others: Vec::new(),
        stop_code: None,
        stopped_reason: Some("Essential container in task exited".to_owned()),
    }
}

#[test]
fn the_exit_code_of_a_success_is_that_of_the_first_watched_or_essential_container() {
    let ran =
        |name: &str, code| Container { name: name.to_owned(), exit_code: Some(code), ..Container::default() };
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
        containers: vec![defined("sidecar", false), defined("app", true), defined("job", false)],
        ..TaskDefinition::default()
    };
    let watched = ["job".to_owned()];
    for (watch_containers, definition, expected) in
        [(&[][..], Some(&definition), 0), (&watched[..], Some(&definition), 3), (&watched[..], None, 3)]
    {
        let rules = Rules { watch_containers, success_exit_codes: &[0, 3], definition };
        assert_eq!(exit_code(&task, rules), Some(expected), "{watch_containers:?}");
    }
}
