use std::iter;

use serde_json::Value;

use super::*;
use crate::task::{ContainerDefinition, TaskArn, TaskDefinition};

const STOPPED: &str = "STOPPED";

/// A container that ended with this code, or without one.
fn container(name: &str, exit_code: Option<i64>) -> Container {
    let last_status = STOPPED.to_owned();
    Container {
        name: name.to_owned(),
        last_status,
        exit_code,
        ..Container::default()
    }
}

fn because(reason: &str, container: Container) -> Container {
    Container {
        reason: Some(reason.to_owned()),
        ..container
    }
}

fn task(last_status: &str, stop_code: Option<&str>, containers: Vec<Container>) -> Task {
    Task {
        last_status: last_status.to_owned(),
        stop_code: stop_code.map(str::to_owned),
        containers,
        ..Task::unseen(TaskArn(
            "arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned(),
        ))
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
    Rules {
        watch_containers: &[],
        success_exit_codes: &[0],
        definition: Some(definition),
    }
}

const WITHOUT_DEFINITION: Rules<'_> = Rules {
    watch_containers: &[],
    success_exit_codes: &[0],
    definition: None,
};

/// The cause of the only failure, `None` for a success.
#[track_caller]
fn check(rules: Rules<'_>, task: Task, expected: Option<Cause>, expected_awaited: Awaited) {
    let Outcome::Over { verdict, awaited } = Outcome::of(&[task], rules) else {
        panic!("the task is over")
    };
    let cause = match verdict {
        Verdict::Succeeded => None,
        Verdict::Failed(failures) => Some(failures[0].cause.clone()),
    };
    assert_eq!((cause, awaited), (expected, expected_awaited));
}

fn exited(name: &str, code: i64) -> Option<Cause> {
    Some(Cause::Exited {
        container: name.to_owned(),
        code,
        reason: None,
    })
}

fn no_code(name: &str, reason: Option<&str>) -> Option<Cause> {
    Some(Cause::NoExitCode {
        container: name.to_owned(),
        reason: reason.map(str::to_owned),
    })
}

#[test]
fn a_run_is_pending_until_every_task_is_over() {
    let over = task(
        STOPPED,
        Some("EssentialContainerExited"),
        vec![container("app", Some(1))],
    );
    let running = task(
        "RUNNING",
        None,
        vec![Container {
            last_status: "RUNNING".to_owned(),
            ..container("app", None)
        }],
    );
    assert_eq!(
        Outcome::of(&[over, running], WITHOUT_DEFINITION),
        Outcome::Pending
    );
}

#[test]
fn a_zero_exit_succeeds_and_a_nonzero_exit_fails_the_run() {
    let ended = |code| {
        task(
            STOPPED,
            Some("EssentialContainerExited"),
            vec![container("app", Some(code))],
        )
    };
    check(WITHOUT_DEFINITION, ended(0), None, Awaited::Nothing);
    check(
        WITHOUT_DEFINITION,
        ended(3),
        exited("app", 3),
        Awaited::Nothing,
    );
    check(
        Rules {
            success_exit_codes: &[0, 3],
            ..WITHOUT_DEFINITION
        },
        ended(3),
        None,
        Awaited::Nothing,
    );
    check(
        Rules {
            success_exit_codes: &[3],
            ..WITHOUT_DEFINITION
        },
        ended(0),
        exited("app", 0),
        Awaited::Nothing,
    );
}

#[test]
fn containers_that_aws_injected_never_count() {
    let guard = container("aws-guardduty-agent-x1", None);
    let ended = |code| {
        task(
            STOPPED,
            Some("EssentialContainerExited"),
            vec![guard.clone(), container("app", Some(code))],
        )
    };
    check(WITHOUT_DEFINITION, ended(0), None, Awaited::Nothing);
    check(
        with_definition(&definition()),
        ended(0),
        None,
        Awaited::Nothing,
    );
    let other = task(
        STOPPED,
        None,
        vec![
            container("aws-something-new", Some(1)),
            container("app", Some(0)),
        ],
    );
    check(
        with_definition(&definition()),
        other.clone(),
        None,
        Awaited::StopCode,
    );
    check(
        WITHOUT_DEFINITION,
        other,
        exited("aws-something-new", 1),
        Awaited::Nothing,
    );
}

/// A task that ECS stopped because one of its essential containers had ended.
fn ended(containers: Vec<Container>) -> Task {
    task(STOPPED, Some("EssentialContainerExited"), containers)
}

fn failed_to_start(containers: Vec<Container>) -> Task {
    task(STOPPED, Some("TaskFailedToStart"), containers)
}

fn not_started(container: Option<&str>, reason: Option<&str>) -> Option<Cause> {
    Some(Cause::FailedToStart {
        container: container.map(str::to_owned),
        reason: reason.map(str::to_owned),
    })
}

/// All failures in a task, the culprit first.
fn failed(rules: Rules<'_>, task: Task) -> Vec<Cause> {
    match Outcome::of(&[task], rules) {
        Outcome::Over {
            verdict: Verdict::Failed(mut failures),
            ..
        } => {
            let Failure { cause, others, .. } = failures.remove(0);
            iter::once(cause).chain(others).collect()
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_failed_start_is_explained_by_the_container_that_has_a_reason() {
    let pull = "CannotPullContainerError: pull access denied";
    let task = failed_to_start(vec![
        container("sidecar", Some(1)),
        because(pull, container("app", None)),
    ]);
    let definition = definition();
    check(
        with_definition(&definition),
        task,
        not_started(Some("app"), Some(pull)),
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        failed_to_start(vec![]),
        not_started(None, None),
        Awaited::Nothing,
    );
    let nothing_ran = vec![container("app", None), container("sidecar", None)];
    check(
        with_definition(&definition),
        failed_to_start(nothing_ran),
        not_started(None, None),
        Awaited::Nothing,
    );
    let helper = vec![
        container("app", None),
        because(pull, container("sidecar", None)),
    ];
    let expected = not_started(Some("sidecar"), Some(pull));
    check(
        with_definition(&definition),
        failed_to_start(helper),
        expected,
        Awaited::Nothing,
    );
}

#[test]
fn a_task_that_was_over_before_its_helper_started_is_judged_by_its_own_containers() {
    let definition = definition();
    let app = ["app".to_owned()];
    let over = |code| {
        failed_to_start(vec![
            container("app", Some(code)),
            container("sidecar", None),
        ])
    };
    for rules in [
        with_definition(&definition),
        Rules {
            watch_containers: &app,
            ..with_definition(&definition)
        },
        Rules {
            watch_containers: &app,
            ..WITHOUT_DEFINITION
        },
    ] {
        check(rules, over(0), None, Awaited::Nothing);
        check(rules, over(1), exited("app", 1), Awaited::Nothing);
        check(rules, over(137), exited("app", 137), Awaited::Nothing);
        check(
            Rules {
                success_exit_codes: &[0, 1],
                ..rules
            },
            over(1),
            None,
            Awaited::Nothing,
        );
    }
    check(
        WITHOUT_DEFINITION,
        over(0),
        not_started(Some("sidecar"), None),
        Awaited::Nothing,
    );
    let all = ["*".to_owned()];
    let rules = Rules {
        watch_containers: &all,
        ..with_definition(&definition)
    };
    check(
        rules,
        over(0),
        not_started(Some("sidecar"), None),
        Awaited::Nothing,
    );
    check(rules, over(1), exited("app", 1), Awaited::Nothing);
}

#[test]
fn a_container_that_counts_and_could_not_start_fails_a_run_whose_others_had_succeeded() {
    let proxy = ContainerDefinition {
        name: "proxy".to_owned(),
        essential: true,
        ..Default::default()
    };
    let definition = TaskDefinition {
        containers: [definition().containers, vec![proxy]].concat(),
        ..definition()
    };
    let rules = with_definition(&definition);
    let over = |proxy| failed_to_start(vec![container("app", Some(0)), proxy]);
    check(
        rules,
        over(container("proxy", None)),
        not_started(Some("proxy"), None),
        Awaited::Nothing,
    );
    let pull = "CannotPullContainerError: not found";
    let expected = not_started(Some("proxy"), Some(pull));
    check(
        rules,
        over(because(pull, container("proxy", None))),
        expected,
        Awaited::Nothing,
    );
    let killed = failed_to_start(vec![container("app", Some(137)), container("proxy", None)]);
    check(
        rules,
        killed,
        not_started(Some("proxy"), None),
        Awaited::Nothing,
    );
}

#[test]
fn a_failed_start_waits_for_the_code_of_a_container_that_ran() {
    let definition = definition();
    let ran = Container {
        runtime_id: Some("id".to_owned()),
        ..container("app", None)
    };
    let over = failed_to_start(vec![ran.clone(), container("sidecar", None)]);
    check(
        with_definition(&definition),
        over,
        not_started(Some("app"), None),
        Awaited::Codes,
    );
    let explained = failed_to_start(vec![because("CannotStartContainerError", ran)]);
    let expected = not_started(Some("app"), Some("CannotStartContainerError"));
    check(
        with_definition(&definition),
        explained,
        expected,
        Awaited::Nothing,
    );
}

#[test]
fn a_container_that_the_agent_could_not_start_never_ran_whatever_its_exit_code() {
    let definition = definition();
    for reason in [
        "CannotStartContainerError: Error response from daemon: container init was OOM-killed",
        "CannotCreateContainerError: API error (500): devmapper: Thin Pool has 0 free data blocks",
        "ResourceInitializationError: failed to validate logger args",
        "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s",
    ] {
        for (stop_code, code) in [
            ("TaskFailedToStart", 128),
            ("EssentialContainerExited", 128),
            ("EssentialContainerExited", 143),
            ("ServiceSchedulerInitiated", 127),
        ] {
            let created = Container {
                runtime_id: Some("id".to_owned()),
                ..because(reason, container("app", Some(code)))
            };
            let over = task(
                STOPPED,
                Some(stop_code),
                vec![container("sidecar", Some(0)), created],
            );
            let expected = not_started(Some("app"), Some(reason));
            check(
                with_definition(&definition),
                over,
                expected,
                Awaited::Nothing,
            );
        }
    }
    let memory = because(
        "OutOfMemoryError: Container killed due to memory usage",
        container("app", Some(137)),
    );
    assert!(matches!(
        failed(WITHOUT_DEFINITION, ended(vec![memory]))[0],
        Cause::Exited { .. }
    ));
}

#[test]
fn a_task_that_failed_without_naming_a_container_names_its_images() {
    let image = |name: &str, image: &str| Container {
        image: Some(image.to_owned()),
        ..container(name, None)
    };
    let definition = definition();
    for (containers, expected) in [
        (
            vec![
                image("app", "app:1"),
                image("aws-guardduty-agent-x", "agent:1"),
            ],
            Some("app:1"),
        ),
        (
            vec![image("app", "app:1"), image("sidecar", "app:1")],
            Some("app:1"),
        ),
        (
            vec![image("app", "app:1"), image("sidecar", "proxy:2")],
            Some("app:1 or proxy:2"),
        ),
        (vec![container("app", None)], None),
    ] {
        for rules in [with_definition(&definition), WITHOUT_DEFINITION] {
            let over = failed_to_start(containers.clone());
            let Outcome::Over {
                verdict: Verdict::Failed(failures),
                ..
            } = Outcome::of(&[over], rules)
            else {
                panic!("it failed")
            };
            assert_eq!(failures[0].image.as_deref(), expected);
        }
    }
}

#[test]
fn an_init_container_that_failed_is_the_culprit_of_what_never_ran_because_of_it() {
    let agent = "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency \
                 [sidecar(image) (STOPPED->RUNNING) - Exit: 2] for target [app(image) (NONE->RUNNING)]";
    let definition = definition();
    for rules in [with_definition(&definition), WITHOUT_DEFINITION] {
        let never_ran = [
            container("app", None),
            because(agent, container("app", Some(143))),
        ];
        for (stop_code, app) in ["TaskFailedToStart", "EssentialContainerExited"]
            .into_iter()
            .zip(never_ran)
        {
            let task = task(
                STOPPED,
                Some(stop_code),
                vec![app, container("sidecar", Some(2))],
            );
            assert_eq!(
                failed(rules, task)[0],
                exited("sidecar", 2).unwrap(),
                "{stop_code}"
            );
        }
    }
    let oom = "OutOfMemoryError: Container killed due to memory usage";
    let init = because(oom, container("sidecar", Some(137)));
    let causes = failed(
        with_definition(&definition),
        failed_to_start(vec![container("app", None), init]),
    );
    assert_eq!(causes[0].container(), Some("sidecar"));
    // These have another explanation than the helper.
    let ran = Container {
        runtime_id: Some("id".to_owned()),
        ..container("app", None)
    };
    let lost = ended(vec![ran, container("sidecar", Some(2))]);
    check(
        with_definition(&definition),
        lost,
        no_code("app", None),
        Awaited::Codes,
    );
    let spot = task(
        STOPPED,
        Some("SpotInterruption"),
        vec![container("app", None), container("sidecar", Some(2))],
    );
    check(
        with_definition(&definition),
        spot,
        no_code("app", None),
        Awaited::Nothing,
    );
}

#[test]
fn a_helper_that_ended_early_explains_nothing_while_codes_may_still_come() {
    let early = |app| {
        task(
            "DEPROVISIONING",
            None,
            vec![app, container("sidecar", Some(2))],
        )
    };
    let definition = definition();
    let app = container("app", None);
    check(
        with_definition(&definition),
        early(app),
        exited("sidecar", 2),
        Awaited::Codes,
    );
}

#[test]
fn essential_containers_decide_whatever_helpers_end_with() {
    let definition = definition();
    let rules = with_definition(&definition);
    let oom = "OutOfMemoryError: Container killed due to memory usage";
    let codes = [0, 1, 2, 130, 137, 143, 255]
        .map(Some)
        .into_iter()
        .chain([None]);
    for helper in codes.map(|code| container("sidecar", code)) {
        for helper in [because(oom, helper.clone()), helper] {
            let with = |app| ended(vec![container("app", Some(app)), helper.clone()]);
            check(rules, with(0), None, Awaited::Nothing);
            check(rules, with(7), exited("app", 7), Awaited::Nothing);
            check(rules, with(143), exited("app", 143), Awaited::Nothing);
        }
    }
}

#[test]
fn a_star_in_watch_containers_makes_every_container_of_the_definition_count() {
    let definition = definition();
    for watch in [vec!["*".to_owned()], vec!["app".to_owned(), "*".to_owned()]] {
        let rules = Rules {
            watch_containers: &watch,
            ..with_definition(&definition)
        };
        for code in [1, 2, 130, 137, 143, 255] {
            let task = ended(vec![
                container("app", Some(0)),
                container("sidecar", Some(code)),
            ]);
            check(
                rules,
                task.clone(),
                exited("sidecar", code),
                Awaited::Nothing,
            );
            check(
                Rules {
                    definition: None,
                    ..rules
                },
                task,
                exited("sidecar", code),
                Awaited::Nothing,
            );
        }
        let agent = container("aws-guardduty-agent-x1", None);
        let task = ended(vec![
            container("app", Some(0)),
            container("sidecar", Some(0)),
            agent,
        ]);
        check(rules, task.clone(), None, Awaited::Nothing);
        check(
            Rules {
                definition: None,
                ..rules
            },
            task,
            None,
            Awaited::Nothing,
        );
    }
}

#[test]
fn without_a_definition_a_container_that_was_only_told_to_stop_does_not_count() {
    let oom = "OutOfMemoryError: Container killed due to memory usage";
    for code in [137, 143] {
        let helper = container("sidecar", Some(code));
        let with = |other| ended(vec![other, helper.clone()]);
        check(
            WITHOUT_DEFINITION,
            with(container("app", Some(0))),
            None,
            Awaited::Nothing,
        );
        check(
            WITHOUT_DEFINITION,
            with(container("app", Some(3))),
            exited("app", 3),
            Awaited::Nothing,
        );
        assert_eq!(
            failed(WITHOUT_DEFINITION, with(container("app", Some(3)))).len(),
            1
        );
        // No evidence that another container ended first.
        check(
            WITHOUT_DEFINITION,
            ended(vec![helper.clone()]),
            exited("sidecar", code),
            Awaited::Nothing,
        );
        check(
            WITHOUT_DEFINITION,
            with(container("app", Some(137))),
            exited("app", 137),
            Awaited::Nothing,
        );
        check(
            WITHOUT_DEFINITION,
            with(container("app", None)),
            exited("sidecar", code),
            Awaited::Codes,
        );
        let agent = container("aws-guardduty-agent-x1", Some(0));
        check(
            WITHOUT_DEFINITION,
            with(agent),
            exited("sidecar", code),
            Awaited::Nothing,
        );
        let killed = because(oom, helper.clone());
        let expected = Cause::Exited {
            container: "sidecar".to_owned(),
            code,
            reason: Some(oom.to_owned()),
        };
        let task = ended(vec![container("app", Some(0)), killed]);
        check(WITHOUT_DEFINITION, task, Some(expected), Awaited::Nothing);
        let stopped = task_of(
            "ServiceSchedulerInitiated",
            vec![container("app", Some(0)), helper.clone()],
        );
        check(
            WITHOUT_DEFINITION,
            stopped,
            exited("sidecar", code),
            Awaited::Nothing,
        );
    }
}

fn task_of(stop_code: &str, containers: Vec<Container>) -> Task {
    task(STOPPED, Some(stop_code), containers)
}

#[test]
fn watched_containers_alone_decide() {
    let watch = ["sidecar".to_owned()];
    let definition = definition();
    let rules = Rules {
        watch_containers: &watch,
        ..with_definition(&definition)
    };
    let ended = |app, sidecar| ended(vec![container("app", app), container("sidecar", sidecar)]);
    check(rules, ended(Some(1), Some(0)), None, Awaited::Nothing);
    check(
        rules,
        ended(Some(0), Some(143)),
        exited("sidecar", 143),
        Awaited::Nothing,
    );
    check(rules, ended(None, Some(0)), None, Awaited::Nothing);
}

#[test]
fn a_success_knows_the_helpers_that_ended_badly() {
    let definition = definition();
    let rules = with_definition(&definition);
    let agent = container("aws-guardduty-agent-x1", None);
    let helper = |code| {
        ended(vec![
            container("app", Some(0)),
            container("sidecar", code),
            agent.clone(),
        ])
    };
    let tasks = [helper(Some(0)), helper(Some(2)), helper(None)];
    let helpers = rules.helpers_that_failed(&tasks);
    assert_eq!(
        helpers.iter().map(|one| one.exit_code).collect::<Vec<_>>(),
        [Some(2), None]
    );
    assert!(helpers.iter().all(|one| one.name == "sidecar"));
    // The helper's code may come with STOPPED, and the answer names it.
    let early = Task {
        last_status: "DEPROVISIONING".to_owned(),
        ..helper(None)
    };
    check(rules, early.clone(), None, Awaited::Codes);
    check(
        rules,
        Task {
            stop_code: Some("TaskFailedToStart".to_owned()),
            ..early
        },
        None,
        Awaited::Nothing,
    );
}

#[test]
fn a_missing_exit_code_fails_the_run_and_is_looked_for_again_where_nothing_explains_it() {
    let ended =
        |status: &str, stop_code: Option<&str>, app: Container| task(status, stop_code, vec![app]);
    let app = || container("app", None);
    check(
        WITHOUT_DEFINITION,
        ended(STOPPED, Some("EssentialContainerExited"), app()),
        no_code("app", None),
        Awaited::Codes,
    );
    check(
        WITHOUT_DEFINITION,
        ended(STOPPED, None, app()),
        no_code("app", None),
        Awaited::Codes,
    );
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
        not_started(Some("app"), Some(reason)),
        Awaited::Nothing,
    );
    let both = task(
        STOPPED,
        None,
        vec![container("sidecar", None), container("app", Some(1))],
    );
    check(WITHOUT_DEFINITION, both, exited("app", 1), Awaited::Nothing);
}

#[test]
fn a_task_that_somebody_stopped_fails_whatever_its_exit_codes() {
    let ended = |code| {
        task(
            STOPPED,
            Some("UserInitiated"),
            vec![container("app", Some(code))],
        )
    };
    check(
        WITHOUT_DEFINITION,
        ended(0),
        Some(Cause::StoppedByUser),
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        ended(143),
        exited("app", 143),
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        task(STOPPED, Some("UserInitiated"), vec![]),
        Some(Cause::StoppedByUser),
        Awaited::Nothing,
    );
}

#[test]
fn a_success_that_ends_early_waits_for_its_stop_code_and_a_failure_does_not() {
    let early = |stop_code, code| {
        task(
            "DEPROVISIONING",
            stop_code,
            vec![container("app", Some(code))],
        )
    };
    check(WITHOUT_DEFINITION, early(None, 0), None, Awaited::Codes);
    check(
        WITHOUT_DEFINITION,
        task(STOPPED, None, vec![container("app", Some(0))]),
        None,
        Awaited::StopCode,
    );
    check(
        WITHOUT_DEFINITION,
        early(Some("EssentialContainerExited"), 0),
        None,
        Awaited::Nothing,
    );
    check(
        WITHOUT_DEFINITION,
        early(None, 1),
        exited("app", 1),
        Awaited::Nothing,
    );
}

#[test]
fn a_task_without_a_container_that_counts_fails() {
    check(
        WITHOUT_DEFINITION,
        task(STOPPED, None, vec![]),
        Some(Cause::NoContainer),
        Awaited::Codes,
    );
    let renamed = task(STOPPED, None, vec![container("other", Some(0))]);
    check(
        with_definition(&definition()),
        renamed,
        Some(Cause::NoContainer),
        Awaited::Codes,
    );
}

#[test]
fn every_failed_task_is_told_in_the_order_of_the_tasks() {
    let ended = |id: &str, code| Task {
        arn: TaskArn(format!("arn:aws:ecs:us-west-2:123456789012:task/prod/{id}")),
        ..task(
            STOPPED,
            Some("EssentialContainerExited"),
            vec![container("app", Some(code))],
        )
    };
    let outcome = Outcome::of(
        &[ended("a", 0), ended("b", 1), ended("c", 2)],
        WITHOUT_DEFINITION,
    );
    let Outcome::Over {
        verdict: Verdict::Failed(failures),
        awaited: Awaited::Nothing,
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        failures
            .iter()
            .map(|failure| failure.task.id())
            .collect::<Vec<_>>(),
        ["b", "c"]
    );
}

/// The parts of an event's `detail` that the verdict needs, as DescribeTasks gives them.
fn task_of_event(event: &str) -> Task {
    let event: Value = serde_json::from_str(event).unwrap();
    Task::read(&event["detail"]).unwrap()
}

#[test]
fn events_as_aws_sends_them_are_judged() {
    let exit_1 = task_of_event(include_str!("../../tests/events/task-stopped-exit-1.json"));
    check(
        WITHOUT_DEFINITION,
        exit_1,
        exited("web", 1),
        Awaited::Nothing,
    );
    let drained = task_of_event(include_str!("../../tests/events/task-drained.json"));
    check(
        WITHOUT_DEFINITION,
        drained,
        exited("web", 137),
        Awaited::Nothing,
    );
    let not_started = task_of_event(include_str!("../../tests/events/task-failed-to-start.json"));
    let reason = not_started.containers[0].reason.clone();
    check(
        WITHOUT_DEFINITION,
        not_started,
        Some(Cause::FailedToStart {
            container: Some("web".to_owned()),
            reason,
        }),
        Awaited::Nothing,
    );
}

#[test]
fn only_a_run_whose_containers_never_ran_may_be_started_anew() {
    let never_ran = |task: Task| match Outcome::of(std::slice::from_ref(&task), WITHOUT_DEFINITION)
    {
        Outcome::Over { verdict, .. } => verdict.never_ran(&[task]),
        Outcome::Pending => panic!("the task is over"),
    };
    let pull = || because("CannotPullContainerError", container("app", None));
    assert!(never_ran(task(
        STOPPED,
        Some("TaskFailedToStart"),
        vec![pull()]
    )));
    assert!(never_ran(task(
        STOPPED,
        Some("SpotInterruption"),
        vec![container("app", None)]
    )));
    assert!(never_ran(task(STOPPED, Some("TaskFailedToStart"), vec![])));
    assert!(!never_ran(task(
        STOPPED,
        Some("TaskFailedToStart"),
        vec![pull(), container("init", Some(0))]
    )));
    let lost = Container {
        runtime_id: Some("id".to_owned()),
        ..container("app", None)
    };
    assert!(!never_ran(task(
        STOPPED,
        Some("SpotInterruption"),
        vec![lost]
    )));
    assert!(!never_ran(task(
        STOPPED,
        Some("UserInitiated"),
        vec![container("app", None)]
    )));
    assert!(!never_ran(task(
        STOPPED,
        Some("EssentialContainerExited"),
        vec![container("app", Some(0))]
    )));
}

/// The failed containers of a task, in the order of the report.
#[track_caller]
fn told(containers: Vec<Container>) -> Vec<String> {
    let task = task(STOPPED, Some("EssentialContainerExited"), containers);
    let Outcome::Over {
        verdict: Verdict::Failed(failures),
        ..
    } = Outcome::of(&[task], WITHOUT_DEFINITION)
    else {
        panic!("a failure")
    };
    let causes = iter::once(&failures[0].cause).chain(&failures[0].others);
    causes
        .filter_map(|cause| cause.container().map(str::to_owned))
        .collect()
}

#[test]
fn the_culprit_is_the_one_that_says_most_of_why() {
    assert_eq!(
        told(vec![
            container("app", Some(143)),
            container("agent", Some(1))
        ]),
        ["agent"]
    );
    assert_eq!(
        told(vec![
            container("agent", Some(1)),
            because("OutOfMemoryError", container("app", Some(137)))
        ]),
        ["app", "agent"]
    );
    assert_eq!(
        told(vec![
            container("a", None),
            container("b", Some(137)),
            container("c", Some(2))
        ]),
        ["c", "a"]
    );
    assert_eq!(
        told(vec![
            container("first", Some(3)),
            container("second", Some(4))
        ]),
        ["first", "second"]
    );
}

#[test]
fn a_verdict_rests_on_the_definition_where_helpers_and_essential_containers_end_apart() {
    let all = ["*".to_owned()];
    let app = ["app".to_owned()];
    let every = Rules {
        watch_containers: &all,
        ..WITHOUT_DEFINITION
    };
    let one = |name: &str, code| container(name, code);
    let both = |app, sidecar| ended(vec![one("app", app), one("sidecar", sidecar)]);
    for (rules, task, expected) in [
        (WITHOUT_DEFINITION, both(Some(0), Some(137)), true),
        (WITHOUT_DEFINITION, both(Some(0), Some(1)), true),
        (WITHOUT_DEFINITION, both(Some(0), None), true),
        (WITHOUT_DEFINITION, both(Some(137), Some(0)), true),
        (WITHOUT_DEFINITION, both(Some(0), Some(0)), false),
        (WITHOUT_DEFINITION, both(Some(1), Some(137)), false),
        (WITHOUT_DEFINITION, ended(vec![one("app", None)]), false),
        (
            WITHOUT_DEFINITION,
            failed_to_start(vec![one("app", Some(0)), one("sidecar", None)]),
            true,
        ),
        (
            WITHOUT_DEFINITION,
            failed_to_start(vec![one("app", None), one("sidecar", None)]),
            false,
        ),
        (
            WITHOUT_DEFINITION,
            task_of(
                "UserInitiated",
                vec![one("app", Some(0)), one("sidecar", Some(1))],
            ),
            false,
        ),
        (every, both(Some(0), Some(1)), false),
        (every, both(Some(0), None), true),
        (
            Rules {
                watch_containers: &app,
                ..WITHOUT_DEFINITION
            },
            both(Some(0), Some(1)),
            false,
        ),
        (
            with_definition(&definition()),
            both(Some(0), Some(1)),
            false,
        ),
    ] {
        assert_eq!(
            rules.rest_on_definition(std::slice::from_ref(&task)),
            expected,
            "{rules:?} {task:?}"
        );
    }
    let surely_failed = both(Some(1), Some(1));
    assert!(!WITHOUT_DEFINITION.rest_on_definition(&[both(Some(0), Some(1)), surely_failed]));
}

/// The essential container that ended by itself and so caused a failure.
fn ender(definition: &TaskDefinition, containers: Vec<Container>) -> Option<(String, i64)> {
    let watch = ["app".to_owned()];
    let rules = Rules {
        watch_containers: &watch,
        ..with_definition(definition)
    };
    let task = task(STOPPED, Some("EssentialContainerExited"), containers);
    let Outcome::Over {
        verdict: Verdict::Failed(failures),
        ..
    } = Outcome::of(&[task], rules)
    else {
        panic!("a failure")
    };
    failures[0]
        .ender()
        .map(|ender| (ender.container.clone(), ender.code))
}

#[test]
fn an_essential_container_that_ended_by_itself_is_known_and_another_stops_nothing() {
    let mut definition = definition();
    let containers = |code| {
        vec![
            container("app", Some(143)),
            container("sidecar", Some(code)),
        ]
    };
    assert_eq!(
        ender(&definition, containers(1)),
        None,
        "sidecar is not essential"
    );
    definition.containers[1].essential = true;
    assert_eq!(
        ender(&definition, containers(0)),
        Some(("sidecar".to_owned(), 0))
    );
    assert_eq!(
        ender(&definition, containers(1)),
        Some(("sidecar".to_owned(), 1))
    );
    assert_eq!(ender(&definition, containers(143)), None, "nobody known");
    let own = vec![container("app", Some(1)), container("sidecar", Some(0))];
    assert_eq!(
        ender(&definition, own),
        None,
        "a code of its own needs no ender"
    );
}
