use serde_json::Value;

use super::*;
use crate::task::ContainerDefinition;

const STOPPED: &str = "STOPPED";

/// A container that ended with this code, or without one.
fn container(name: &str, exit_code: Option<i64>) -> Container {
    let last_status = STOPPED.to_owned();
    Container { name: name.to_owned(), last_status, exit_code, ..Container::default() }
}

fn because(reason: &str, container: Container) -> Container {
    Container { reason: Some(reason.to_owned()), ..container }
}

fn task(last_status: &str, stop_code: Option<&str>, containers: Vec<Container>) -> Task {
    Task {
        last_status: last_status.to_owned(),
        stop_code: stop_code.map(str::to_owned),
        containers,
        ..Task::unseen(TaskArn("arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned()))
    }
}

/// app is essential, sidecar is not.
fn definition() -> TaskDefinition {
    let container = |name: &str, essential| ContainerDefinition {
        name: name.to_owned(),
        essential,
        ..Default::default()
    };
    TaskDefinition {
        containers: vec![container("app", true), container("sidecar", false)],
        ..TaskDefinition::default()
    }
}

fn with_definition(definition: &TaskDefinition) -> Rules<'_> {
    Rules { watch_containers: &[], success_exit_codes: &[0], definition: Some(definition) }
}

const WITHOUT_DEFINITION: Rules<'_> =
    Rules { watch_containers: &[], success_exit_codes: &[0], definition: None };

/// The cause of the one failure; none for a success.
#[track_caller]
fn check(rules: Rules<'_>, task: Task, expected: Option<Cause>, expected_awaited: Awaited) {
    let Outcome::Over { verdict, awaited } = Outcome::of(&[task], rules) else { panic!("the task is over") };
    let cause = match verdict {
        Verdict::Succeeded => None,
        Verdict::Failed(failures) => Some(failures[0].cause.clone()),
    };
    assert_eq!((cause, awaited), (expected, expected_awaited));
}

fn exited(name: &str, code: i64) -> Option<Cause> {
    Some(Cause::Exited { container: name.to_owned(), code, reason: None })
}

fn no_code(name: &str, reason: Option<&str>) -> Option<Cause> {
    Some(Cause::NoExitCode { container: name.to_owned(), reason: reason.map(str::to_owned) })
}

#[test]
fn a_run_is_pending_until_every_task_is_over() {
    let over = task(STOPPED, Some("EssentialContainerExited"), vec![container("app", Some(1))]);
    let running = task(
        "RUNNING",
        None,
        vec![Container { last_status: "RUNNING".to_owned(), ..container("app", None) }],
    );
    assert_eq!(Outcome::of(&[over, running], WITHOUT_DEFINITION), Outcome::Pending);
}

#[test]
fn a_zero_exit_succeeds_and_a_nonzero_exit_fails_the_run() {
    let ended = |code| task(STOPPED, Some("EssentialContainerExited"), vec![container("app", Some(code))]);
    check(WITHOUT_DEFINITION, ended(0), None, Awaited::Nothing);
    check(WITHOUT_DEFINITION, ended(3), exited("app", 3), Awaited::Nothing);
    check(Rules { success_exit_codes: &[0, 3], ..WITHOUT_DEFINITION }, ended(3), None, Awaited::Nothing);
    check(
        Rules { success_exit_codes: &[3], ..WITHOUT_DEFINITION },
        ended(0),
        exited("app", 0),
        Awaited::Nothing,
    );
}

#[test]
fn a_task_that_failed_to_start_is_told_first_with_its_containers_reason() {
    let pull = "CannotPullContainerError: pull access denied";
    let failed = task(
        STOPPED,
        Some("TaskFailedToStart"),
        vec![container("sidecar", Some(1)), because(pull, container("app", None))],
    );
    let expected = Cause::FailedToStart { container: Some("app".to_owned()), reason: Some(pull.to_owned()) };
    check(with_definition(&definition()), failed, Some(expected), Awaited::Nothing);
    let silent = task(STOPPED, Some("TaskFailedToStart"), vec![]);
    check(
        WITHOUT_DEFINITION,
        silent,
        Some(Cause::FailedToStart { container: None, reason: None }),
        Awaited::Nothing,
    );
}

#[test]
fn a_container_that_failed_before_others_could_start_is_reported_with_them() {
    let depended_on = vec![container("app", None), container("init", Some(2)), container("log", Some(137))];
    let failed = task(STOPPED, Some("TaskFailedToStart"), depended_on);
    let Outcome::Over { verdict: Verdict::Failed(failures), .. } = Outcome::of(&[failed], WITHOUT_DEFINITION)
    else {
        panic!("it failed")
    };
    assert_eq!(failures[0].cause, Cause::FailedToStart { container: None, reason: None });
    let init = Cause::Exited { container: "init".to_owned(), code: 2, reason: None };
    assert_eq!(failures[0].others, [init]);
}

#[test]
fn containers_that_aws_injected_never_count() {
    let guard = container("aws-guardduty-agent-x1", None);
    let ended = |code| {
        task(STOPPED, Some("EssentialContainerExited"), vec![guard.clone(), container("app", Some(code))])
    };
    check(WITHOUT_DEFINITION, ended(0), None, Awaited::Nothing);
    check(with_definition(&definition()), ended(0), None, Awaited::Nothing);
    let other = task(STOPPED, None, vec![container("aws-something-new", Some(1)), container("app", Some(0))]);
    check(with_definition(&definition()), other.clone(), None, Awaited::StopCode);
    check(WITHOUT_DEFINITION, other, exited("aws-something-new", 1), Awaited::Nothing);
}

#[test]
fn a_sidecar_that_ecs_ended_is_excused_and_one_that_failed_is_not() {
    let definition = definition();
    let rules = with_definition(&definition);
    let ended = |app, sidecar: Container| {
        task(STOPPED, Some("EssentialContainerExited"), vec![container("app", Some(app)), sidecar])
    };
    for code in [137, 143] {
        check(rules, ended(0, container("sidecar", Some(code))), None, Awaited::Nothing);
    }
    check(rules, ended(0, container("sidecar", Some(2))), exited("sidecar", 2), Awaited::Nothing);
    let oom = "OutOfMemoryError: Container killed due to memory usage";
    let expected = Cause::Exited { container: "sidecar".to_owned(), code: 137, reason: Some(oom.to_owned()) };
    check(rules, ended(0, because(oom, container("sidecar", Some(137)))), Some(expected), Awaited::Nothing);
    check(
        rules,
        task(STOPPED, None, vec![container("app", Some(137)), container("sidecar", Some(0))]),
        exited("app", 137),
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        ended(0, container("sidecar", Some(143))),
        exited("sidecar", 143),
        Awaited::Nothing,
    );
}

#[test]
fn watched_containers_alone_decide() {
    let watch = ["sidecar".to_owned()];
    let definition = definition();
    let rules = Rules { watch_containers: &watch, ..with_definition(&definition) };
    let ended = |app, sidecar| {
        task(
            STOPPED,
            Some("EssentialContainerExited"),
            vec![container("app", app), container("sidecar", sidecar)],
        )
    };
    check(rules, ended(Some(1), Some(0)), None, Awaited::Nothing);
    check(rules, ended(Some(0), Some(143)), exited("sidecar", 143), Awaited::Nothing);
    check(rules, ended(None, Some(0)), None, Awaited::Nothing);
}

#[test]
fn a_missing_exit_code_fails_the_run_and_is_looked_for_again_where_nothing_explains_it() {
    let ended = |status: &str, stop_code: Option<&str>, app: Container| task(status, stop_code, vec![app]);
    let app = || container("app", None);
    check(
        WITHOUT_DEFINITION,
        ended(STOPPED, Some("EssentialContainerExited"), app()),
        no_code("app", None),
        Awaited::Codes,
    );
    check(WITHOUT_DEFINITION, ended(STOPPED, None, app()), no_code("app", None), Awaited::Codes);
    check(
        WITHOUT_DEFINITION,
        ended(STOPPED, Some("SpotInterruption"), app()),
        no_code("app", None),
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        ended("DEPROVISIONING", Some("SpotInterruption"), app()),
        no_code("app", None),
        Awaited::Codes,
    );
    let reason = "CannotStartContainerError: no such file";
    check(
        WITHOUT_DEFINITION,
        ended(STOPPED, None, because(reason, app())),
        no_code("app", Some(reason)),
        Awaited::Nothing,
    );
    let both = task(STOPPED, None, vec![container("sidecar", None), container("app", Some(1))]);
    check(WITHOUT_DEFINITION, both, exited("app", 1), Awaited::Nothing);
}

#[test]
fn a_task_that_somebody_stopped_fails_whatever_its_exit_codes() {
    let ended = |code| task(STOPPED, Some("UserInitiated"), vec![container("app", Some(code))]);
    check(WITHOUT_DEFINITION, ended(0), Some(Cause::StoppedByUser), Awaited::Nothing);
    check(WITHOUT_DEFINITION, ended(143), exited("app", 143), Awaited::Nothing);
    check(
        WITHOUT_DEFINITION,
        task(STOPPED, Some("UserInitiated"), vec![]),
        Some(Cause::StoppedByUser),
        Awaited::Nothing,
    );
}

#[test]
fn a_success_that_ends_early_waits_for_its_stop_code_and_a_failure_does_not() {
    let early = |stop_code, code| task("DEPROVISIONING", stop_code, vec![container("app", Some(code))]);
    check(WITHOUT_DEFINITION, early(None, 0), None, Awaited::Codes);
    check(WITHOUT_DEFINITION, task(STOPPED, None, vec![container("app", Some(0))]), None, Awaited::StopCode);
    check(WITHOUT_DEFINITION, early(Some("EssentialContainerExited"), 0), None, Awaited::Nothing);
    check(WITHOUT_DEFINITION, early(None, 1), exited("app", 1), Awaited::Nothing);
}

#[test]
fn a_task_without_a_container_that_counts_fails() {
    check(WITHOUT_DEFINITION, task(STOPPED, None, vec![]), Some(Cause::NoContainer), Awaited::Codes);
    let renamed = task(STOPPED, None, vec![container("other", Some(0))]);
    check(with_definition(&definition()), renamed, Some(Cause::NoContainer), Awaited::Codes);
}

#[test]
fn every_failed_task_is_told_in_the_order_of_the_tasks() {
    let ended = |id: &str, code| Task {
        arn: TaskArn(format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{id}")),
        ..task(STOPPED, Some("EssentialContainerExited"), vec![container("app", Some(code))])
    };
    let outcome = Outcome::of(&[ended("a", 0), ended("b", 1), ended("c", 2)], WITHOUT_DEFINITION);
    let Outcome::Over { verdict: Verdict::Failed(failures), awaited: Awaited::Nothing } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(failures.iter().map(|failure| failure.task.id()).collect::<Vec<_>>(), ["b", "c"]);
}

/// The parts of an event's `detail` that the verdict is made from, as DescribeTasks would give them.
fn task_of_event(event: &str) -> Task {
    let event: Value = serde_json::from_str(event).unwrap();
    Task::read(&event["detail"]).unwrap()
}

#[test]
fn events_as_aws_sends_them_are_judged() {
    let exit_1 = task_of_event(include_str!("../../tests/events/task-stopped-exit-1.json"));
    check(WITHOUT_DEFINITION, exit_1, exited("web", 1), Awaited::Nothing);
    let drained = task_of_event(include_str!("../../tests/events/task-drained.json"));
    check(WITHOUT_DEFINITION, drained, exited("web", 137), Awaited::Nothing);
    let not_started = task_of_event(include_str!("../../tests/events/task-failed-to-start.json"));
    let reason = not_started.containers[0].reason.clone();
    check(
        WITHOUT_DEFINITION,
        not_started,
        Some(Cause::FailedToStart { container: Some("web".to_owned()), reason }),
        Awaited::Nothing,
    );
}

#[test]
fn only_a_run_whose_containers_never_ran_may_be_started_anew() {
    let never_ran = |task: Task| match Outcome::of(std::slice::from_ref(&task), WITHOUT_DEFINITION) {
        Outcome::Over { verdict, .. } => verdict.never_ran(&[task]),
        Outcome::Pending => panic!("the task is over"),
    };
    let pull = || because("CannotPullContainerError", container("app", None));
    assert!(never_ran(task(STOPPED, Some("TaskFailedToStart"), vec![pull()])));
    assert!(never_ran(task(STOPPED, Some("SpotInterruption"), vec![container("app", None)])));
    assert!(never_ran(task(STOPPED, Some("TaskFailedToStart"), vec![])));
    assert!(!never_ran(task(STOPPED, Some("TaskFailedToStart"), vec![pull(), container("init", Some(0))])));
    let lost = Container { runtime_id: Some("id".to_owned()), ..container("app", None) };
    assert!(!never_ran(task(STOPPED, Some("SpotInterruption"), vec![lost])));
    assert!(!never_ran(task(STOPPED, Some("UserInitiated"), vec![container("app", None)])));
    assert!(!never_ran(task(STOPPED, Some("EssentialContainerExited"), vec![container("app", Some(0))])));
}

/// The names of what failed in a task, in the order in which they are reported.
#[track_caller]
fn told(containers: Vec<Container>) -> Vec<String> {
    let task = task(STOPPED, Some("EssentialContainerExited"), containers);
    let Outcome::Over { verdict: Verdict::Failed(failures), .. } = Outcome::of(&[task], WITHOUT_DEFINITION)
    else {
        panic!("a failure")
    };
    let causes = iter::once(&failures[0].cause).chain(&failures[0].others);
    causes.filter_map(|cause| cause.container().map(str::to_owned)).collect()
}

#[test]
fn the_culprit_is_the_one_that_says_most_of_why() {
    assert_eq!(told(vec![container("app", Some(143)), container("agent", Some(1))]), ["agent", "app"]);
    assert_eq!(
        told(vec![container("agent", Some(1)), because("OutOfMemoryError", container("app", Some(137)))]),
        ["app", "agent"]
    );
    assert_eq!(
        told(vec![container("a", None), container("b", Some(137)), container("c", Some(2))]),
        ["c", "b", "a"]
    );
    assert_eq!(told(vec![container("first", Some(3)), container("second", Some(4))]), ["first", "second"]);
}

#[test]
fn containers_that_aws_adds_never_count() {
    for name in ["aws-guardduty-agent-a1b2", "ecs-service-connect-x1"] {
        let task = task(
            STOPPED,
            Some("EssentialContainerExited"),
            vec![container("app", Some(0)), container(name, None)],
        );
        check(WITHOUT_DEFINITION, task, None, Awaited::Nothing);
    }
}

#[test]
fn a_verdict_that_the_definition_could_turn_rests_on_it() {
    let failed = |containers| {
        let task = task(STOPPED, Some("EssentialContainerExited"), containers);
        match Outcome::of(&[task], WITHOUT_DEFINITION) {
            Outcome::Over { verdict, .. } => verdict,
            Outcome::Pending => panic!("the task is over"),
        }
    };
    let killed = failed(vec![container("app", Some(0)), container("sidecar", Some(137))]);
    assert!(killed.rests_on_definition(WITHOUT_DEFINITION));
    assert!(!killed.rests_on_definition(with_definition(&definition())));
    let exited = failed(vec![container("app", Some(1)), container("sidecar", Some(137))]);
    assert!(!exited.rests_on_definition(WITHOUT_DEFINITION));
}

/// The essential container whose own end is behind a failure.
fn ender(definition: &TaskDefinition, containers: Vec<Container>) -> Option<(String, i64)> {
    let watch = ["app".to_owned()];
    let rules = Rules { watch_containers: &watch, ..with_definition(definition) };
    let task = task(STOPPED, Some("EssentialContainerExited"), containers);
    let Outcome::Over { verdict: Verdict::Failed(failures), .. } = Outcome::of(&[task], rules) else {
        panic!("a failure")
    };
    failures[0].ender().map(|ender| (ender.container.clone(), ender.code))
}

#[test]
fn an_essential_container_that_ended_by_itself_is_known_and_another_stops_nothing() {
    let mut definition = definition();
    let containers = |code| vec![container("app", Some(143)), container("sidecar", Some(code))];
    assert_eq!(ender(&definition, containers(1)), None, "sidecar is not essential");
    definition.containers[1].essential = true;
    assert_eq!(ender(&definition, containers(0)), Some(("sidecar".to_owned(), 0)));
    assert_eq!(ender(&definition, containers(1)), Some(("sidecar".to_owned(), 1)));
    assert_eq!(ender(&definition, containers(143)), None, "nobody known");
    let own = vec![container("app", Some(1)), container("sidecar", Some(0))];
    assert_eq!(ender(&definition, own), None, "a code of its own needs no ender");
}
