use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use time::macros::datetime;

use super::{
    decide::{
        event::{Event, Payload},
        finding::Finding,
        pattern,
        settings::AlertFormat,
    },
    render::{alert, audit, index, metrics},
};

/// A recorded event.
pub(super) fn event(file: &str) -> Event {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events").join(file);
    let json: Value = serde_json::from_str(&fs::read_to_string(path).expect("a fixture")).expect("JSON");
    match Payload::of(json) {
        Payload::Event(Ok(event)) => *event,
        other => panic!("{other:?}"),
    }
}

/// What may stand where something else should.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1e300)),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!("ü".repeat(3000))),
        Just(json!("STOPPED")),
        Just(json!("2026-11-20T10:15:00Z")),
        Just(json!([])),
        Just(json!([null, "x", 1, [], {}])),
        Just(json!({})),
        Just(json!({"name": [], "value": {}, "environment": 7})),
    ]
}

/// Puts something odd in the place that `at` leads to, as far as it leads.
fn put(json: &mut Value, mut at: impl Iterator<Item = usize>, odd: Value) {
    let place = at.next().map(|at| match json {
        Value::Array(list) if !list.is_empty() => {
            let length = list.len();
            list.get_mut(at % length)
        }
        Value::Object(map) if !map.is_empty() => {
            let length = map.len();
            map.values_mut().nth(at % length)
        }
        _ => None,
    });
    match place {
        Some(Some(place)) => put(place, at, odd),
        _ => *json = odd,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever an event looks like, it is told or it is dropped with its id: nothing panics, and nothing is longer
    /// than whoever gets it takes.
    #[test]
    fn an_event_of_any_shape_is_handled(
        file in select(vec!["task-drained.json", "task-failed-to-start.json", "task-stopped-exit-1.json"]),
        changes in vec((vec(any::<usize>(), 1..7), odd()), 1..5),
    ) {
        let mut json = event(file).json;
        for (at, odd) in changes {
            put(&mut json, at.into_iter(), odd);
        }
        let Payload::Event(read) = Payload::of(json) else { return Ok(()) };
        let Ok(event) = read else { return Ok(()) };
        let now = datetime!(2026-11-20 10:15 UTC);
        let finding = event.change.as_ref().map(|change| Finding::of(change, &pattern::default()));
        let item = audit::render(&event, finding.as_ref(), 14, now);
        prop_assert!((1..=2048).contains(&item.partition.len()) && (1..=1024).contains(&item.change.len()));
        let lines = index::render(&event, finding.as_ref(), "ecs-events");
        prop_assert_eq!(lines.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2);
        prop_assert!(event.line(1000).len() <= event.json.to_string().len().max(1000) && !event.line(1000).contains('\n'));
        let (Some(change), Some(finding)) = (&event.change, &finding) else { return Ok(()) };
        if let Some(line) = metrics::render(change, finding, now) {
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok());
        }
        let Finding::Failed(failures) = finding else { return Ok(()) };
        for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
            let message = alert::render(&event, change, failures, format);
            prop_assert!(message.subject.len() <= 100 && message.subject.is_ascii());
            prop_assert!(!message.body.is_empty() && message.body.len() <= 256 * 1024);
            prop_assert!(message.attributes.values().all(|value| !value.is_empty()));
        }
    }
}
