use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::monitor::{decide::pattern, tests::event};

fn rows() -> Rows {
    Rows {
        me: "me".to_owned(),
        now: datetime!(2026-11-20 10:15 UTC),
        retention_days: 14,
    }
}

fn row(attributes: Value) -> Attributes {
    attributes.as_object().cloned().unwrap_or_default()
}

#[test]
fn a_task_has_one_row_for_all_versions_and_a_failure_another_than_an_end() {
    let key_of = |file: &str| {
        let event = event(file);
        Rows::key_of(
            &event,
            Finding::of(&event, &pattern::default()).as_ref(),
            false,
        )
        .expect("a row")
    };
    let failed = key_of("task-stopped-exit-1.json");
    assert_eq!(failed, key_of("task-failed-to-start.json"));
    let partition = "ecs-tasks#task#arn:aws:ecs:us-east-1:123456789012:task/cdf83842-a918-482b-908b-857e667ce328";
    assert_eq!(
        Value::Object(failed),
        json!({"taskDefinitionArn": partition, "change": "failed"})
    );
    assert_eq!(key_of("task-drained.json")[SORT], "ended");
    assert_eq!(
        Rows::key_of(&event("task-drained.json"), Some(&Finding::Moving), false),
        None
    );
}

#[test]
fn a_claim_is_read() {
    let alerted = Progress {
        alerted: Some("then".to_owned()),
        ..Progress::default()
    };
    for (result, expected) in [
        (
            Updated::Done(Attributes::new()),
            Claim::Mine(Progress::default()),
        ),
        (
            Updated::Done(row(json!({"alerted": "then"}))),
            Claim::Mine(alerted.clone()),
        ),
        (
            Updated::Refused(row(json!({"claim": "me"}))),
            Claim::Mine(Progress::default()),
        ),
        (
            Updated::Refused(row(
                json!({"claim": "x", "alerted": "then", "finished": "x"}),
            )),
            Claim::Finished(alerted),
        ),
        (
            Updated::Refused(row(json!({"claim": "x"}))),
            Claim::Elsewhere,
        ),
    ] {
        assert_eq!(rows().claimed(result.clone()), expected, "{result:?}");
    }
}

#[test]
fn the_work_that_was_done_is_settled_and_shown() {
    let progress = Progress {
        counted: true,
        alerted: Some("then".to_owned()),
        logged: None,
    };
    let update = rows().settle(&key("p", "failed"), &progress, true);
    assert_eq!(
        update.expression,
        "SET #claim = :me, #counted = :me, #alerted = :alerted, #finished = :finished REMOVE #lease"
    );
    let item = key("p", "c");
    assert_eq!(
        Rows::show(&item, &progress).map(|update| update.expression),
        Some("SET #alerted = :alerted".to_owned())
    );
    assert_eq!(Rows::show(&item, &Progress::default()), None);
}
