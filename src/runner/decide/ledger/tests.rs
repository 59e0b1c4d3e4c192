use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::{
    cfn::{Received, RequestType, ResponseUrl},
    runner::decide::{limit::Limit, wait::Goal},
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

/// A wait of half an hour, from now on.
fn wait() -> Wait {
    Wait::read(&serde_json::from_str(WAIT).unwrap()).unwrap()
}

fn row(state: RowState) -> Row {
    Row { state, tasks: wait().tasks, ..Row::first(&request(), Some(&wait()), NOW, at(900)) }
}

fn answered(state: RowState) -> Row {
    Row { answer: Some("body".to_owned()), ..row(state) }
}

#[test]
fn a_row_is_the_same_after_the_table_has_kept_it() {
    let row = answered(RowState::Answering);
    let item = row.item();
    assert_eq!(item["ttl"], json!(at(1800 + 86_400).unix_timestamp()));
    assert_eq!(item[OPEN], json!(OPEN));
    assert_eq!(Row::read(item), Some(row));
    assert!(!self::row(RowState::Ended).item().contains_key(OPEN), "the sparse index loses it");
    assert_eq!(Row::read(heartbeat(NOW)), None);
}

#[test]
fn a_row_holds_no_property_and_no_environment_value() {
    let mut payload: Value = serde_json::from_str(CREATE).unwrap();
    payload["ResourceProperties"]["Overrides"] = json!({"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": "t0psecret"}]}]});
    let Received::Request(request) = Received::of(&payload) else { panic!("a good request") };
    let row = Row::first(&request, Some(&wait()), NOW, at(900));
    assert!(!json!(row.item()).to_string().contains("t0psecret"));
}

#[test]
fn a_redelivery_does_what_is_still_to_be_done() {
    for (row, expected) in [
        (row(RowState::Starting), Redelivery::Start),
        (row(RowState::Waiting), Redelivery::Look),
        (answered(RowState::Answering), Redelivery::Repeat("body".to_owned())),
        (answered(RowState::Ended), Redelivery::Repeat("body".to_owned())),
        (row(RowState::Ended), Redelivery::Superseded),
    ] {
        assert_eq!(row.redelivered(), expected, "{row:?}");
    }
}

#[test]
fn the_watch_does_what_a_row_that_is_due_needs() {
    let boxed = || Box::new(Wait { hop: 0, ..wait() });
    let of_version_2 = Row { wait: Some(r#"{"version": 2}"#.to_owned()), ..row(RowState::Waiting) };
    for (row, now, expected) in [
        (row(RowState::Starting), 960, Due::Adopt),
        (row(RowState::Waiting), 60, Due::Look(boxed())),
        (row(RowState::Waiting), 1709, Due::Look(boxed())),
        (row(RowState::Waiting), 1710, Due::Poll(boxed())),
        (answered(RowState::Answering), 60, Due::Repeat("body".to_owned())),
        (row(RowState::Ended), 60, Due::End),
        (of_version_2, 60, Due::Unreadable(WaitError::Version(2))),
    ] {
        assert_eq!(row.due(at(now)), expected, "{row:?}");
    }
}

#[test]
fn only_a_wait_with_time_and_without_doubt_is_parked() {
    let timed_out = || {
        let mut wait = wait();
        let of = super::super::wait::TimedOut {
            at: NOW,
            limit: Limit::Timeout(1800),
            running: String::new(),
            container: None,
            task: None,
            trouble: None,
        };
        wait.time_out(of, NOW);
        Wait { deadline: at(1800), ..wait }
    };
    for (wait, now, expected) in [
        (wait(), 0, true),
        (wait(), 1680, true),
        (wait(), 1681, false),
        (Wait { missing_since: Some(NOW), ..wait() }, 0, false),
        (Wait { over_since: Some(NOW), ..wait() }, 0, false),
        (timed_out(), 0, false),
    ] {
        assert_eq!(is_worth_parking(&wait, at(now)), expected, "{wait:?} at {now} s");
    }
}

#[test]
fn looks_are_due_after_one_two_four_and_then_every_five_minutes_and_before_the_deadline() {
    let minutes = |wait: &Wait, now: i64| (next_look(wait, at(now)) - NOW).whole_seconds();
    let long = Wait { deadline: at(43_000), ..wait() };
    for (now, expected) in
        [(0, 60), (59, 60), (60, 180), (180, 420), (420, 720), (720, 1020), (40_000, 40_020)]
    {
        assert_eq!(minutes(&long, now), expected, "at {now} s");
    }
    assert_eq!(minutes(&wait(), 1500), 1620);
    assert_eq!(minutes(&wait(), 1650), 1710, "in time to keep the deadline");
    assert_eq!(minutes(&wait(), 1750), 1750, "never in the past");
}

#[test]
fn the_watch_is_relied_upon_for_two_and_a_half_minutes_after_its_heartbeat() {
    assert_eq!(watched_until(&[]), None);
    assert_eq!(watched_until(&[heartbeat(at(-60)), heartbeat(NOW)]), Some(at(150)));
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
    assert!(other("r-1", 0).is_before(&own), "both came at once: the tags say which is later");
    assert!(!other("r-1", 5).is_before(&own));
    assert!(!other(&format!("{}/WaitHandle", own.request), -5).is_before(&own));
}

#[test]
fn a_signal_has_a_row_of_its_own() {
    let url =
        "http://127.0.0.1/Handle?X-Amz-Date=20261120T101500Z&X-Amz-Expires=43199&X-Amz-Signature=secret";
    let handle = WaitHandle::parse(url, "us-west-2").unwrap();
    let request = request();
    let reply_to = request.reply_to.signalling(&handle);
    let wait = Wait { reply_to: reply_to.clone(), deadline: at(40_000), ..wait() };
    let (own, signal) = (Row::first(&request, Some(&wait), NOW, at(900)), Row::promised(&wait, NOW, at(960)));
    assert_eq!(own.resource, signal.resource);
    assert_eq!((own.request_id(), signal.request_id()), (&*own.request, &*own.request));
    assert_ne!(own.key(), signal.key());
    assert_eq!((own.key(), signal.key()), (key_of(&request.reply_to), key_of(&reply_to)));
    assert!(own.deadline < signal.deadline, "the request is answered long before");
    assert!(signal.signals(&handle) && !own.signals(&handle));
    assert_eq!(signal.waits_for().unwrap().unwrap().tasks, wait.tasks);
    assert!(!format!("{:?}", signal.reply_to()).contains("secret"));
}

#[test]
fn each_step_is_written_on_condition_that_it_is_still_to_be_made() {
    let reply_to = request().reply_to;
    let open = "#state = :starting OR #state = :waiting";
    assert_eq!(kept(&wait(), at(60)).condition, open);
    assert_eq!(
        answering(&reply_to, "body", "1", NOW).condition,
        "attribute_exists(#state) AND #state <> :answering AND #state <> :ended"
    );
    let call = StartTaskCall { number: 1, delivery: 7 };
    assert_eq!(
        attempted(&reply_to, call).condition,
        format!("({open}) AND (#attempts < :attempts OR #delivery = :delivery)"),
        "of two deliveries one calls StartTask"
    );
    assert_eq!(due_again(&row(RowState::Waiting), at(60)).condition, "#state = :state");
    assert!(ended(row(RowState::Answering).key()).expression.contains("REMOVE #open"));
    assert_eq!(kept(&Wait { may_restart: true, ..wait() }, NOW).values[":state"], "starting");
}

#[test]
fn an_answer_is_of_the_write_that_has_made_it_and_of_no_other_with_the_same_bytes() {
    let row = Row { answered_by: Some("1".to_owned()), ..answered(RowState::Answering) };
    assert!(row.is_being_answered_by("1") && !row.is_being_answered_by("2"));
    assert!(!Row { state: RowState::Ended, ..row }.is_being_answered_by("1"));
}

#[test]
fn a_task_that_has_lost_its_tags_gets_back_those_of_its_row() {
    let row = row(RowState::Waiting);
    let mut task = Task::unseen(row.tasks[0].clone());
    remember(&mut task, std::slice::from_ref(&row));
    assert_eq!(task.tags["ecs-tasks:request-id"], row.request);
    assert_eq!(task.tags["ecs-tasks:waits"], "true");
    let mut other = Task::unseen(TaskArn("other".to_owned()));
    remember(&mut other, &[row]);
    assert!(other.tags.is_empty());
}

#[test]
fn a_row_of_a_delete_waits_for_nothing_until_its_tasks_are_known() {
    let row = Row::first(&request(), None, NOW, at(900));
    assert!(!row.is_waited_for());
    assert_eq!(row.due(at(960)), Due::Adopt);
    let stopped = Wait { goal: Goal::Stopped, request_type: RequestType::Delete, ..wait() };
    let kept = Row { wait: serde_json::to_string(&stopped).ok(), state: RowState::Waiting, ..row };
    assert_eq!(kept.due(at(60)), Due::Look(Box::new(Wait { hop: 0, ..stopped })));
    let url = ResponseUrl::parse("https://example.com/").unwrap();
    assert_ne!(kept.reply_to().unwrap().response_url, url);
}
