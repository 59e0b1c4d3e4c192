use proptest::prelude::*;

use super::*;
use crate::{
    outcome::{Cause, Failure},
    task::TaskArn,
};

fn failure(id: &str, cause: Cause) -> Failure {
    Failure {
        task: TaskArn(format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{id}")),
        cause,
        stop_code: None,
        stopped_reason: Some("Essential container in task exited".to_owned()),
    }
}

fn exited(code: i64, reason: Option<&str>) -> Cause {
    Cause::Exited { container: "app".to_owned(), code, reason: reason.map(str::to_owned) }
}

#[track_caller]
fn check(reason: &Reason, expected: &str) {
    assert_eq!(reason.fit(4096), expected);
}

#[test]
fn a_failed_container_is_told_with_code_meaning_reason_and_task() {
    check(
        &Reason::failed(&[failure("1", exited(3, None))]),
        "Container app exited with code 3. Task arn:aws:ecs:us-west-2:123456789012:task/prod/1",
    );
    check(
        &Reason::failed(&[failure(
            "1",
            exited(137, Some("OutOfMemoryError: Container killed due to memory usage")),
        )]),
        "Container app exited with code 137 (SIGKILL, often out of memory). OutOfMemoryError: Container killed due to \
         memory usage. Task arn:aws:ecs:us-west-2:123456789012:task/prod/1",
    );
}

#[test]
fn each_known_exit_code_has_its_meaning() {
    for code in [126, 127, 137, 139, 143] {
        assert!(exit_code_meaning(code).is_some(), "{code}");
    }
    assert_eq!(exit_code_meaning(1), None);
}

#[test]
fn a_task_that_never_started_says_why_once() {
    let pull = "CannotPullContainerError: pull access denied";
    let cause = Cause::FailedToStart { container: Some("web".to_owned()), reason: Some(pull.to_owned()) };
    let failure = Failure { stopped_reason: Some(pull.to_owned()), ..failure("1", cause) };
    check(
        &Reason::failed(&[failure]),
        "The task failed to start, because of container web. CannotPullContainerError: pull access denied. \
         Task arn:aws:ecs:us-west-2:123456789012:task/prod/1",
    );
}

#[test]
fn a_lost_host_is_told_in_its_own_words() {
    let cause = Cause::NoExitCode { container: "app".to_owned(), reason: None };
    let failure = Failure {
        stop_code: Some("SpotInterruption".to_owned()),
        stopped_reason: Some("Your Spot Task was interrupted.".to_owned()),
        ..failure("1", cause)
    };
    check(
        &Reason::failed(&[failure]),
        "Container app ended without an exit code (SpotInterruption: AWS took the Spot capacity back). Your Spot Task \
         was interrupted. Task arn:aws:ecs:us-west-2:123456789012:task/prod/1",
    );
}

#[test]
fn every_way_to_lose_a_host_has_its_words() {
    for (code, words) in [
        ("SpotInterruption", "(SpotInterruption: AWS took the Spot capacity back)"),
        ("TerminationNotice", "(TerminationNotice: its host was about to be terminated)"),
        ("InfrastructureHealth", "(InfrastructureHealth: its host was unhealthy)"),
        ("SomethingNew", "(SomethingNew)"),
    ] {
        let cause = Cause::NoExitCode { container: "app".to_owned(), reason: None };
        let failure = Failure { stop_code: Some(code.to_owned()), ..failure("1", cause) };
        let text = Reason::failed(&[failure]).fit(4096);
        assert!(
            text.starts_with(&format!("Container app ended without an exit code {words}. Task arn:")),
            "{text}"
        );
    }
}

#[test]
fn of_several_failures_the_first_is_told_in_full() {
    let failures =
        [failure("1", exited(1, None)), failure("2", exited(2, None)), failure("3", Cause::Missing)];
    check(
        &Reason::failed(&failures),
        "Container app exited with code 1. And 2 more tasks failed. Container app exited with code 2 (task 2). ECS \
         does not know the task any more, so nobody can tell how it ended (task 3). \
         Task arn:aws:ecs:us-west-2:123456789012:task/prod/1",
    );
}

#[test]
fn log_lines_give_way_first_and_from_the_oldest_on() {
    let reason = Reason {
        log: vec!["one".to_owned(), "two".to_owned(), "three".to_owned()],
        ..Reason::new("Head").detail(Some("detail")).place("Task 1")
    };
    let whole = "Head. detail. Last log lines: one | two | three. Task 1";
    assert_eq!(reason.fit(whole.len()), whole);
    assert_eq!(reason.fit(whole.len() - 1), "Head. detail. Last log lines: two | three. Task 1");
    assert_eq!(reason.fit(40), "Head. detail. Task 1");
}

#[test]
fn then_further_failures_then_long_details_and_the_head_is_kept_to_the_last() {
    let reason =
        Reason { further: vec!["And 2 more".to_owned(), "second".to_owned()], ..Reason::new("Head") }
            .detail(Some(&"long ".repeat(100)));
    let text = reason.fit(200);
    assert!(text.starts_with("Head. long ") && text.contains("…") && text.ends_with("And 2 more"), "{text}");
    assert_eq!(Reason::new("A very long head").fit(10), "A very …");
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
        let reason = Reason { log, further, ..Reason::failed(&[failure("1", exited(3, Some(&hostile)))]) };
        let text = reason.detail(Some(&detail)).fit(room);
        prop_assert!(serialized(&text) <= room, "{} bytes in {room}", serialized(&text));
        prop_assert!(text.starts_with("Container app exited with code 3"));
    }

    #[test]
    fn a_head_that_is_too_long_is_cut_between_characters(head in any::<String>(), room in 0_usize..50) {
        let text = Reason::new(head).fit(room);
        prop_assert!(serialized(&text) <= room);
    }
}
