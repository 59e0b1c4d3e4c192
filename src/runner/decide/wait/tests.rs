use time::macros::datetime;

use super::*;
use crate::{
    cfn::fixtures,
    outcome::{Awaited, Cause, Outcome, Verdict},
    task::{Container, Observation, Task},
};

const START: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

/// The facts of one look, without a definition.
fn known(seen: &Observation) -> Facts<'_> {
    Facts {
        seen,
        definition: None,
        definition_may_come: false,
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    START + Duration::seconds(seconds)
}

fn wait() -> Wait {
    Wait {
        version: 1,
        reply_to: ReplyTo {
            given_up_at: Some(at(3600)),
            ..fixtures::reply_to("720958cb-c5b7-4225-b12f-e7c5ab6c499b")
        },
        request_type: RequestType::Create,
        goal: Goal::Success,
        cluster: "prod".to_owned(),
        tasks: vec![TaskArn(
            "arn:aws:ecs:us-west-2:123456789012:task/prod/0123".to_owned(),
        )],
        started_at: START,
        deadline: at(1800),
        limit: Limit::Timeout(1800),
        poll_interval: None,
        next_look: at(1),
        over_since: None,
        hop: 0,
        watch_containers: vec!["app".to_owned()],
        success_exit_codes: vec![0, 3],
        log_lines: 10,
        return_output: false,
        network: None,
        missing_since: None,
        settle_by: at(3570),
        timed_out: None,
        definition: None,
        may_restart: false,
    }
}

fn task(last_status: &str, exit_code: Option<i64>) -> Task {
    let status = if last_status == "RUNNING" {
        "RUNNING"
    } else {
        "STOPPED"
    };
    Task {
        last_status: last_status.to_owned(),
        containers: vec![Container {
            name: "app".to_owned(),
            last_status: status.to_owned(),
            exit_code,
            ..Container::default()
        }],
        ..Task::unseen(wait().tasks[0].clone())
    }
}

fn seen(task: Task) -> Observation {
    Observation {
        tasks: vec![task],
        missing: vec![],
    }
}

const FAR: i64 = 1_000_000;

#[test]
fn looks_come_every_second_at_first_and_every_ten_at_last() {
    for (waited, expected) in [
        (0, 1.0),
        (10, 1.0),
        (20, 1.0),
        (40, 2.0),
        (100, 5.0),
        (200, 10.0),
        (1500, 10.0),
    ] {
        let mut wait = wait();
        let step = wait.step(&Outcome::Pending, at(waited), at(FAR), 0.0);
        assert_eq!(
            step,
            Step::Look(at(waited) + Duration::seconds_f64(expected)),
            "after {waited} s"
        );
    }
}

#[test]
fn jitter_brings_looks_forward_by_a_tenth_at_most_and_never_below_a_second() {
    let interval =
        |waited, jitter| match wait().step(&Outcome::Pending, at(waited), at(FAR), jitter) {
            Step::Look(then) => (then - at(waited)).as_seconds_f64(),
            other => panic!("{other:?}"),
        };
    assert_eq!(interval(400, 1.0), 9.0);
    assert_eq!(interval(1, 1.0), 1.0);
}

#[test]
fn a_poll_interval_is_kept_to_also_across_invocations() {
    let mut wait = Wait {
        poll_interval: Some(60),
        ..wait()
    };
    assert_eq!(
        wait.step(&Outcome::Pending, at(1), at(30), 0.5),
        Step::HandOver(at(30))
    );
    assert_eq!(wait.next_look, at(61));
    assert_eq!(wait.resume(at(2), at(90)), Step::Look(at(61)));
    assert_eq!(wait.resume(at(2), at(60)), Step::HandOver(at(60)));
    assert_eq!(
        wait.resume(at(91), at(90)),
        Step::HandOver(at(90)),
        "a look that comes late"
    );
}

#[test]
fn the_last_look_is_at_the_deadline_and_then_the_deadline_is_reached() {
    let mut wait = wait();
    assert_eq!(
        wait.step(&Outcome::Pending, at(1799), at(FAR), 0.0),
        Step::Look(at(1800))
    );
    assert_eq!(
        wait.step(&Outcome::Pending, at(1800), at(FAR), 0.0),
        Step::DeadlineReached
    );
}

#[test]
fn a_task_that_is_over_at_the_deadline_gets_its_verdict() {
    let mut wait = wait();
    let stop_code = Some("EssentialContainerExited".to_owned());
    let outcome = wait.assess(
        known(&seen(Task {
            stop_code,
            ..task("STOPPED", Some(0))
        })),
        at(1800),
    );
    assert_eq!(
        wait.step(&outcome, at(1800), at(FAR), 0.0),
        Step::Finish(Verdict::Succeeded)
    );
}

#[test]
fn a_fact_that_is_missing_is_waited_for_beyond_the_deadline_and_a_long_poll_interval() {
    let mut wait = Wait {
        poll_interval: Some(60),
        ..wait()
    };
    let outcome = wait.assess(known(&seen(task("STOPPED", Some(0)))), at(1800));
    assert_eq!(
        wait.step(&outcome, at(1800), at(FAR), 0.0),
        Step::Look(at(1803))
    );
    assert_eq!(
        wait.step(&outcome, at(1803), at(FAR), 0.0),
        Step::Finish(Verdict::Succeeded)
    );
}

#[test]
fn the_stop_code_of_a_stopped_task_that_succeeded_is_waited_for_three_seconds_second_by_second() {
    let mut wait = wait();
    let outcome = wait.assess(known(&seen(task("STOPPED", Some(0)))), at(1000));
    for second in [1000, 1001, 1002] {
        assert_eq!(
            wait.step(&outcome, at(second), at(FAR), 0.0),
            Step::Look(at(second + 1))
        );
    }
    assert_eq!(
        wait.step(&outcome, at(1003), at(FAR), 0.0),
        Step::Finish(Verdict::Succeeded)
    );
}

#[test]
fn a_fact_that_is_missing_is_waited_for_fifteen_seconds() {
    let mut wait = wait();
    let outcome = wait.assess(known(&seen(task("DEPROVISIONING", Some(0)))), at(100));
    assert!(matches!(
        wait.step(&outcome, at(100), at(FAR), 0.0),
        Step::Look(_)
    ));
    assert!(matches!(
        wait.step(&outcome, at(114), at(FAR), 0.0),
        Step::Look(_)
    ));
    assert_eq!(
        wait.step(&outcome, at(115), at(FAR), 0.0),
        Step::Finish(Verdict::Succeeded)
    );
}

#[test]
fn a_missing_task_is_tolerated_for_a_minute_and_later_for_half_a_minute_on_end() {
    let missing = Observation {
        tasks: vec![],
        missing: wait().tasks,
    };
    let judged = |since: i64, now: i64| {
        let mut wait = wait();
        wait.observe(&missing, at(since));
        wait.observe(&missing, at(now));
        wait.assess(known(&missing), at(now))
    };
    for (since, now) in [(1, 59), (40, 69), (500, 500), (500, 529)] {
        assert_eq!(
            judged(since, now),
            Outcome::Pending,
            "missing from {since} s to {now} s"
        );
    }
    for (since, now) in [(1, 60), (40, 70), (500, 530)] {
        let Outcome::Over {
            verdict: Verdict::Failed(failures),
            ..
        } = judged(since, now)
        else {
            panic!("a failure")
        };
        assert_eq!(
            failures[0].cause,
            Cause::Missing,
            "missing from {since} s to {now} s"
        );
    }
}

#[test]
fn a_task_that_turns_up_again_was_never_missing() {
    let mut wait = wait();
    let missing = Observation {
        tasks: vec![],
        missing: wait.tasks.clone(),
    };
    wait.observe(&missing, at(500));
    wait.observe(&seen(task("RUNNING", None)), at(510));
    wait.observe(&missing, at(529));
    assert_eq!(wait.assess(known(&missing), at(535)), Outcome::Pending);
}

#[test]
fn a_verdict_that_the_definition_could_turn_waits_for_it_until_the_deadline() {
    let verdict = Verdict::Failed(Vec::new());
    let outcome = Outcome::Over {
        verdict: verdict.clone(),
        awaited: Awaited::Definition,
    };
    let mut wait = wait();
    assert!(matches!(
        wait.step(&outcome, at(100), at(FAR), 0.0),
        Step::Look(_)
    ));
    assert!(matches!(
        wait.step(&outcome, at(1799), at(FAR), 0.0),
        Step::Look(_)
    ));
    assert_eq!(
        wait.step(&outcome, at(1800), at(FAR), 0.0),
        Step::Finish(verdict)
    );
}

#[test]
fn after_the_deadline_the_end_is_waited_for_as_long_as_cloudformation_waits() {
    let mut wait = Wait {
        poll_interval: Some(60),
        ..wait()
    };
    assert_eq!(
        wait.step(&Outcome::Pending, at(1800), at(FAR), 0.0),
        Step::DeadlineReached
    );
    let timed_out = TimedOut {
        at: wait.deadline,
        limit: wait.limit,
        running: String::new(),
        container: None,
        task: None,
        trouble: None,
        at_deadline: AtDeadline::default(),
    };
    wait.time_out(timed_out, at(1801));
    assert_eq!(wait.resume(at(1801), at(FAR)), Step::Look(at(1802)));
    assert_eq!(
        wait.step(&Outcome::Pending, at(1802), at(FAR), 0.0),
        Step::Look(at(1803))
    );
    assert_eq!(
        wait.step(&Outcome::Pending, at(3570), at(FAR), 0.0),
        Step::DeadlineReached
    );
}

#[test]
fn a_missing_task_beside_one_that_runs_is_waited_for() {
    let wait = wait();
    let seen = Observation {
        tasks: vec![task("RUNNING", None)],
        missing: wait.tasks.clone(),
    };
    assert_eq!(wait.assess(known(&seen), at(100)), Outcome::Pending);
}

#[test]
fn delete_waits_until_the_network_interface_is_free_and_does_not_mind_how_a_task_ended() {
    let wait = Wait {
        goal: Goal::Stopped,
        ..wait()
    };
    assert_eq!(
        wait.assess(known(&seen(task("DEPROVISIONING", Some(1)))), at(5)),
        Outcome::Pending
    );
    let gone = Outcome::Over {
        verdict: Verdict::Succeeded,
        awaited: Awaited::Nothing,
    };
    assert_eq!(
        wait.assess(known(&seen(task("STOPPED", Some(1)))), at(5)),
        gone
    );
    let missing = Observation {
        tasks: vec![],
        missing: wait.tasks.clone(),
    };
    assert_eq!(wait.assess(known(&missing), at(5)), gone);
}

#[test]
fn the_shape_is_that_of_its_fixture() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../../tests/wait/v1.json")).unwrap();
    assert_eq!(Wait::read(&fixture).unwrap(), wait());
    assert_eq!(serde_json::to_value(wait()).unwrap(), fixture);
}

#[test]
fn another_version_and_another_shape_are_refused() {
    let mut value = serde_json::to_value(wait()).unwrap();
    value["version"] = 2.into();
    assert_eq!(Wait::read(&value), Err(WaitError::Version(2)));
    let mut value = serde_json::to_value(wait()).unwrap();
    value.as_object_mut().unwrap().remove("settle_by");
    assert_eq!(Wait::read(&value), Err(WaitError::Form));
}

#[test]
fn a_wait_for_an_earlier_requests_tasks_ends_when_no_container_runs() {
    let wait = Wait::for_end(&wait().reply_to, "prod", &wait().tasks, at(100), at(5));
    assert_eq!(wait.resume(at(5), at(FAR)), Step::Look(at(5)));
    assert_eq!(
        wait.assess(known(&seen(task("RUNNING", None))), at(6)),
        Outcome::Pending
    );
    let over = Outcome::Over {
        verdict: Verdict::Succeeded,
        awaited: Awaited::Nothing,
    };
    assert_eq!(
        wait.assess(known(&seen(task("DEPROVISIONING", Some(137)))), at(6)),
        over
    );
}

#[test]
fn a_wait_shows_no_secret() {
    let mut value = serde_json::to_value(wait()).unwrap();
    value["hop"] = value["reply_to"]["response_url"].clone();
    assert!(
        !Wait::read(&value)
            .unwrap_err()
            .to_string()
            .contains("secret")
    );
    assert!(!format!("{:?}", wait()).contains("secret"));
}

#[test]
fn tasks_that_ended_before_the_deadline_get_their_verdict_after_it() {
    let ended = |at| {
        let stop_code = Some("EssentialContainerExited".to_owned());
        Task {
            execution_stopped_at: Some(at),
            stop_code,
            ..task("STOPPED", Some(0))
        }
    };
    let verdict = |task| wait().ended_in_time(known(&seen(task)), at(1803));
    assert_eq!(verdict(ended(at(1799))), Some(Verdict::Succeeded));
    assert_eq!(
        verdict(ended(at(1801))),
        None,
        "it ended after the deadline"
    );
    assert_eq!(
        verdict(Task {
            execution_stopped_at: None,
            ..ended(at(1799))
        }),
        None,
        "when it ended is not known"
    );
    assert_eq!(verdict(task("RUNNING", None)), None);
    assert!(matches!(
        verdict(Task {
            stop_code: Some("UserInitiated".into()),
            ..ended(at(1799))
        }),
        Some(Verdict::Failed(_))
    ));
}

#[test]
fn looks_that_show_nothing_come_less_and_less_often_and_the_deadline_is_kept() {
    let pause = |misses, jitter| match wait().step_after_misses(misses, at(100), at(FAR), jitter) {
        Step::Look(then) => (then - at(100)).as_seconds_f64(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [1, 2, 3, 4, 5, 6, 99].map(|misses| pause(misses, 0.0)),
        [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]
    );
    assert_eq!(pause(5, 1.0), 8.0);
    let polled = &mut Wait {
        poll_interval: Some(5),
        ..wait()
    };
    assert_eq!(
        polled.step_after_misses(9, at(100), at(FAR), 0.0),
        Step::Look(at(105))
    );
    assert_eq!(
        wait().step_after_misses(9, at(1799), at(FAR), 0.0),
        Step::Look(at(1800))
    );
    assert_eq!(
        wait().step_after_misses(9, at(1800), at(FAR), 0.0),
        Step::DeadlineReached
    );
    assert_eq!(
        wait().step_after_misses(9, at(100), at(110), 0.0),
        Step::HandOver(at(110))
    );
}
