use serde_json::json;
use time::{Duration, macros::datetime};

use super::*;
use crate::{
    cfn::{Received, Request, RequestType, ResponseUrl},
    epoch::milliseconds,
    runner::decide::{
        limit::Limit,
        wait::{Goal, Wait, WaitError},
    },
};

const NOW: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);
const CREATE: &str = include_str!("../../../../tests/events/create.json");
const WAIT: &str = include_str!("../../../../tests/wait/v1.json");

fn at(seconds: i64) -> OffsetDateTime {
    NOW + Duration::seconds(seconds)
}

fn request() -> Request {
    match Received::of(&serde_json::from_str(CREATE).unwrap()) {
        Received::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// A wait with a deadline in half an hour.
fn wait() -> Wait {
    Wait::read(&serde_json::from_str(WAIT).unwrap()).unwrap()
}

fn row(state: RowState) -> Row {
    Row {
        state,
        tasks: wait().tasks,
        ..Row::new(&request(), Some(&wait()), NOW, at(900))
    }
}

fn answered(state: RowState) -> Row {
    Row {
        answer: Some("body".to_owned()),
        ..row(state)
    }
}

#[test]
fn a_row_that_is_printed_has_no_response_url() {
    let row = row(RowState::Waiting);
    assert!(row.reply_to.contains("X-Amz-Signature"));
    let printed = format!("{row:?}");
    assert!(printed.contains("Waiting"), "{printed}");
    assert!(!printed.contains("X-Amz-Signature"), "{printed}");
}

#[test]
fn a_row_is_the_same_after_the_table_has_kept_it() {
    let row = answered(RowState::Answering);
    let item = row.item();
    assert_eq!(item["ttl"], json!(at(1800 + 86_400).unix_timestamp()));
    assert_eq!(item[OPEN], json!(OPEN));
    assert_eq!(Row::read(item), Some(row));
    assert!(
        !self::row(RowState::Ended).item().contains_key(OPEN),
        "the sparse index loses it"
    );
    assert_eq!(Row::read(heartbeat(NOW)), None);
}

#[test]
fn a_row_holds_no_property_and_no_environment_value() {
    let mut payload: Value = serde_json::from_str(CREATE).unwrap();
    payload["ResourceProperties"]["Overrides"] = json!({"containerOverrides": [{"name": "app",
        "environment": [{"name": "KEY", "value": "t0psecret"}]}]});
    let Received::Request(request) = Received::of(&payload) else {
        panic!("a good request")
    };
    let row = Row::new(&request, Some(&wait()), NOW, at(900));
    assert!(!json!(row.item()).to_string().contains("t0psecret"));
}

#[test]
fn a_redelivery_does_what_is_still_to_be_done() {
    for (row, expected) in [
        (row(RowState::Starting), Redelivery::Start),
        (
            row(RowState::Waiting),
            Redelivery::Resume(Box::new(Wait { hop: 0, ..wait() })),
        ),
        (
            answered(RowState::Answering),
            Redelivery::Repeat("body".to_owned()),
        ),
        (
            answered(RowState::Ended),
            Redelivery::Repeat("body".to_owned()),
        ),
        (row(RowState::Ended), Redelivery::Superseded),
        (
            Row {
                version: 2,
                state: RowState::Unknown,
                ..row(RowState::Starting)
            },
            Redelivery::Fail(WaitError::Version(2)),
        ),
    ] {
        assert_eq!(row.redelivered(), expected, "{row:?}");
    }
}

#[test]
fn the_watch_does_what_a_row_that_is_due_needs() {
    let boxed = || Box::new(wait());
    let timed_out = || {
        let mut wait = wait();
        wait.time_out(timed_out(), at(1800));
        wait
    };
    let stopping = Row {
        wait: serde_json::to_string(&timed_out()).ok(),
        ..row(RowState::Waiting)
    };
    let wait_of_version_2 = Row {
        wait: Some(r#"{"version": 2}"#.to_owned()),
        ..row(RowState::Waiting)
    };
    for (row, expected) in [
        (row(RowState::Starting), WatchAction::Recover),
        (row(RowState::Waiting), WatchAction::Look(boxed())),
        (
            answered(RowState::Answering),
            WatchAction::Repeat("body".to_owned()),
        ),
        (row(RowState::Ended), WatchAction::End),
        (stopping, WatchAction::Resume(Box::new(timed_out()))),
        (
            Row {
                wait: None,
                ..row(RowState::Waiting)
            },
            WatchAction::Fail(WaitError::Form),
        ),
        (wait_of_version_2, WatchAction::Fail(WaitError::Version(2))),
        (
            Row {
                version: 2,
                ..row(RowState::Starting)
            },
            WatchAction::Fail(WaitError::Version(2)),
        ),
    ] {
        assert_eq!(row.action(), expected, "{row:?}");
    }
}

#[test]
fn the_watch_keeps_a_deadline_that_the_round_after_the_next_would_miss() {
    assert!(
        !is_near(&wait(), at(1679)) && is_near(&wait(), at(1680)) && is_near(&wait(), at(1900))
    );
}

#[test]
fn an_answer_that_was_not_taken_is_due_in_the_next_round() {
    for took in [1, 25] {
        let next = answers_again_at(at(0));
        assert!(
            next > at(took) && next < at(59),
            "a round that took {took} s"
        );
    }
}

fn timed_out() -> crate::runner::decide::wait::TimedOut {
    crate::runner::decide::wait::TimedOut {
        at: NOW,
        limit: Limit::Timeout(1800),
        running: String::new(),
        container: None,
        task: None,
        trouble: None,
        at_deadline: crate::runner::decide::wait::AtDeadline::default(),
    }
}

#[test]
fn only_a_wait_with_time_and_without_doubt_is_parked() {
    let stopping = || {
        let mut wait = wait();
        wait.time_out(timed_out(), NOW);
        Wait {
            deadline: at(1800),
            ..wait
        }
    };
    for (wait, now, expected) in [
        (wait(), 0, true),
        (wait(), 1680, true),
        (wait(), 1681, false),
        (
            Wait {
                missing_since: Some(NOW),
                ..wait()
            },
            0,
            false,
        ),
        (
            Wait {
                over_since: Some(NOW),
                ..wait()
            },
            0,
            false,
        ),
        (stopping(), 0, false),
    ] {
        assert_eq!(
            is_worth_parking(&wait, at(now)),
            expected,
            "{wait:?} at {now} s"
        );
    }
}

#[test]
fn looks_are_due_after_one_two_four_and_then_every_five_minutes_and_before_the_deadline() {
    let minutes = |wait: &Wait, now: i64| (next_look(wait, at(now)) - NOW).whole_seconds();
    let long = Wait {
        deadline: at(43_000),
        ..wait()
    };
    for (now, expected) in [
        (0, 60),
        (59, 60),
        (60, 180),
        (180, 420),
        (420, 720),
        (720, 1020),
        (40_000, 40_020),
    ] {
        assert_eq!(minutes(&long, now), expected, "at {now} s");
    }
    assert_eq!(minutes(&wait(), 1500), 1620);
    assert_eq!(minutes(&wait(), 1650), 1680, "in time to keep the deadline");
    assert_eq!(minutes(&wait(), 1750), 1750, "never in the past");
}

#[test]
fn the_watch_is_relied_upon_for_two_and_a_half_minutes_after_its_heartbeat() {
    assert_eq!(watched_until(&[]), None);
    assert_eq!(
        watched_until(&[heartbeat(at(-60)), heartbeat(NOW)]),
        Some(at(150))
    );
}

#[test]
fn requests_before_this_one_are_others_and_its_signal_is_not() {
    let own = row(RowState::Starting);
    let other = |request: &str, seconds| Row {
        request: request.to_owned(),
        first_seen: milliseconds(at(seconds)),
        ..row(RowState::Waiting)
    };
    assert!(other("r-1", -5).is_before(&own));
    assert!(
        other("r-1", 0).is_before(&own),
        "both came at once: the tags say which is later"
    );
    assert!(!other("r-1", 5).is_before(&own));
    assert!(!other(&format!("{}/WaitHandle", own.request), -5).is_before(&own));
}

#[test]
fn a_signal_has_a_row_of_its_own() {
    let url = "http://127.0.0.1/Handle?X-Amz-Date=20261120T101500Z&X-Amz-Expires=43199&X-Amz-Signature=secret";
    let handle = WaitHandle::parse(url, "us-west-2").unwrap();
    let request = request();
    let reply_to = request.reply_to.signalling(&handle);
    let wait = Wait {
        reply_to: reply_to.clone(),
        deadline: at(40_000),
        ..wait()
    };
    let (own, signal) = (
        Row::new(&request, Some(&wait), NOW, at(900)),
        Row::promised(&wait, NOW, at(960)),
    );
    assert_eq!(own.resource, signal.resource);
    assert_eq!(
        (own.request_id(), signal.request_id()),
        (&*own.request, &*own.request)
    );
    assert_ne!(own.key(), signal.key());
    assert_eq!(
        (own.key(), signal.key()),
        (key_of(&request.reply_to), key_of(&reply_to))
    );
    assert!(
        own.deadline < signal.deadline,
        "the request is answered long before"
    );
    assert!(signal.signals(&handle) && !own.signals(&handle));
    assert_eq!(signal.continuation().unwrap().unwrap().tasks, wait.tasks);
    assert!(!format!("{:?}", signal.reply_to()).contains("secret"));
}

#[test]
fn each_step_is_written_on_condition_that_it_is_still_to_be_made() {
    let reply_to = request().reply_to;
    let open = "#state = :starting OR #state = :waiting";
    assert_eq!(saved(&wait(), at(60)).condition, open);
    assert_eq!(
        answering(&reply_to, "body", "1", NOW).condition,
        "attribute_exists(#request) AND #state <> :answering AND #state <> :ended"
    );
    let call = StartTaskCall {
        number: 1,
        delivery: 7,
    };
    assert_eq!(
        attempted(&reply_to, call).condition,
        format!("({open}) AND (#attempts < :attempts OR #delivery = :delivery)"),
        "of two deliveries one calls StartTask"
    );
    assert_eq!(
        due_again(&row(RowState::Waiting), at(60)).condition,
        "#state = :state"
    );
    assert_eq!(
        due_again(&row(RowState::Unknown), at(60)).condition,
        "#state <> :state",
        "an answer in a row of another version is sent again"
    );
    assert!(
        ended(row(RowState::Answering).key())
            .expression
            .contains("REMOVE #open")
    );
    assert_eq!(
        superseded(row(RowState::Starting).key()).condition,
        "#state = :starting"
    );
    assert_eq!(
        saved(
            &Wait {
                may_restart: true,
                ..wait()
            },
            NOW
        )
        .values[":state"],
        "starting"
    );
}

#[test]
fn a_row_of_another_version_that_has_an_answer_is_answered_by_it_again() {
    let row = Row {
        wait: Some("no JSON".to_owned()),
        ..answered(RowState::Unknown)
    };
    let body = row.answer.clone().unwrap();
    assert_eq!(row.action(), WatchAction::Repeat(body.clone()));
    assert_eq!(row.redelivered(), Redelivery::Repeat(body));
}

#[test]
fn an_answer_is_of_the_write_that_has_made_it_and_of_no_other_with_the_same_bytes() {
    let row = Row {
        answered_by: Some("1".to_owned()),
        ..answered(RowState::Answering)
    };
    let body = row.answer.clone().unwrap();
    assert!(row.is_answered_by("1", &body) && !row.is_answered_by("2", &body));
    let ended = Row {
        state: RowState::Ended,
        ..row
    };
    assert!(
        ended.is_answered_by("1", &body),
        "a later request has taken over before it was sent"
    );
    assert!(
        !ended.is_answered_by("1", "another's"),
        "another answer was taken"
    );
}

#[test]
fn a_task_that_has_lost_its_tags_gets_back_those_of_its_row() {
    let row = row(RowState::Waiting);
    let mut task = Task::unseen(row.tasks[0].clone());
    restore_tags(&mut task, std::slice::from_ref(&row));
    assert_eq!(task.tags["ecs-tasks:request-id"], row.request);
    assert_eq!(task.tags["ecs-tasks:waits"], "true");
    let mut other = Task::unseen(TaskArn("other".to_owned()));
    restore_tags(&mut other, &[row]);
    assert!(other.tags.is_empty());
}

#[test]
fn a_row_of_a_delete_waits_for_nothing_until_its_tasks_are_known() {
    let row = Row::new(&request(), None, NOW, at(900));
    assert!(!row.is_waited_for());
    assert_eq!(row.action(), WatchAction::Recover);
    let stopped = Wait {
        goal: Goal::Stopped,
        request_type: RequestType::Delete,
        ..wait()
    };
    let kept = Row {
        wait: serde_json::to_string(&stopped).ok(),
        state: RowState::Waiting,
        ..row
    };
    assert_eq!(kept.action(), WatchAction::Look(Box::new(stopped)));
    let url = ResponseUrl::parse("https://example.com/").unwrap();
    assert_ne!(kept.reply_to().unwrap().response_url, Some(url));
}

#[test]
fn a_row_of_another_version_or_shape_can_still_be_answered() {
    let good = row(RowState::Waiting);
    for (name, value) in [
        ("version", json!(2)),
        ("version", json!("two")),
        ("state", json!("hibernating")),
        ("tasks", json!(null)),
        ("wait", json!(7)),
        ("deadline", json!([])),
        ("first_seen", json!("yesterday")),
    ] {
        let mut item = good.item();
        item.insert(name.to_owned(), value);
        let read = Row::read(item).unwrap_or_else(|| panic!("a row with another {name}"));
        let who = |row: &Row| row.reply_to().map(|reply_to| reply_to.request_id);
        assert_eq!(
            (who(&read), &read.cluster),
            (who(&good), &good.cluster),
            "{name}"
        );
        assert!(matches!(read.action(), WatchAction::Fail(_)), "{name}");
        assert!(read.is_unanswered(), "{name}");
    }
}

/// A row of another request of the resource. CloudFormation sent it `sent` seconds after the
/// fixture's, and it was first delivered at `seen`.
fn sent_after(sent: i64, seen: i64) -> Row {
    let mut request = request();
    request.reply_to.request_id = "another".to_owned();
    let signed_at = request.reply_to.sent_at().unwrap() + Duration::seconds(sent);
    let date = signed_at
        .format(time::macros::format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap();
    let url = format!("https://bucket.s3.us-west-2.amazonaws.com/key?X-Amz-Date={date}");
    request.reply_to.response_url = ResponseUrl::parse(&url).ok();
    Row::new(&request, None, at(seen), at(900))
}

#[test]
fn of_two_requests_the_later_one_is_that_which_was_sent_later() {
    let own = row(RowState::Starting);
    for (sent, seen, before, after) in [
        (-60, -60, true, false),
        (20, -10, false, true),
        (0, -1, true, false),
        (0, 1, false, false),
        (-60, 1, false, false),
    ] {
        let other = sent_after(sent, seen);
        assert_eq!(
            (other.is_before(&own), other.is_after(&own)),
            (before, after),
            "{sent} {seen}"
        );
    }
    assert!(!own.is_before(&own) && !own.is_after(&own));
}

#[test]
fn a_row_whose_invocation_dies_is_taken_over_before_cloudformation_gives_up() {
    let given_up_at = |seconds| {
        let mut request = request();
        request.reply_to.given_up_at = Some(at(seconds));
        Row::new(&request, Some(&wait()), NOW, at(900)).next_look
    };
    assert_eq!(given_up_at(370), milliseconds(at(370)));
    assert_eq!(given_up_at(3570), milliseconds(at(960)));
    let near = Wait {
        deadline: at(100),
        ..wait()
    };
    assert_eq!(takes_over_at(at(900), &near), at(160));
    assert_eq!(takes_over_at(at(900), &wait()), at(960));
}
