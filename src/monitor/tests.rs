use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use time::macros::datetime;

use super::{
    decide::{
        envelope::{Content, Payload},
        event::Event,
        finding::Finding,
        group::Failing,
        pattern,
        rows::{PARTITION, Rows, SORT},
        settings::AlertFormat,
    },
    render::{alert::Failures, audit, index, metrics},
};

/// A recorded event.
pub(super) fn event(file: &str) -> Event {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/events")
        .join(file);
    let json: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("a fixture")).expect("JSON");
    Event::read(json, "").expect("an event")
}

/// A value that may take the place of the right one.
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

/// Puts `odd` at the path `at`, or at the last place on it that exists.
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

    /// An event of any shape is reported, or dropped with its id. Nothing panics, and no output is
    /// longer than its receiver accepts.
    #[test]
    fn an_event_of_any_shape_is_handled(
        file in select(vec!["task-drained.json", "task-failed-to-start.json", "task-stopped-exit-1.json"]),
        changes in vec((vec(any::<usize>(), 1..7), odd()), 1..5),
        count in 1..2000_u64,
    ) {
        let mut json = event(file).json;
        for (at, odd) in changes {
            put(&mut json, at.into_iter(), odd);
        }
        let message = Payload::of(json).messages.pop();
        let Some(Content::Event(event)) = message.map(|message| message.content) else { return Ok(()) };
        let now = datetime!(2026-11-20 10:15 UTC);
        let finding = Finding::of(&event, &pattern::default());
        let item = audit::render(&event, finding.as_ref(), 14, now);
        let keys = [Some(item.key()), Rows::key_of(&event, finding.as_ref(), false)];
        for key in keys.into_iter().flatten() {
            let length = |name: &str| key[name].as_str().map_or(0, str::len);
            prop_assert!((1..=2048).contains(&length(PARTITION)));
            prop_assert!((1..=1024).contains(&length(SORT)));
        }
        let lines = index::render(&event, finding.as_ref(), "ecs-events");
        prop_assert_eq!(lines.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2);
        prop_assert!(!event.line(1000).contains('\n'));
        if let (Some(change), Some(finding)) = (event.change(), &finding)
            && let Some(line) = metrics::render(change, finding, true, now)
        {
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok());
        }
        let Some(failing) = Failing::of(&event, finding.as_ref()) else { return Ok(()) };
        let group = failing.group();
        for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
            let named = vec![failing.arn(); 5];
            let failures = Failures { failing, group: &group, count, named, since: None, log: None };
            let notice = failures.render(format);
            prop_assert!(notice.subject.len() <= 100 && notice.subject.is_ascii());
            prop_assert!(!notice.body.is_empty() && notice.body.len() <= 256 * 1024);
            prop_assert!(notice.attributes.values().all(|value| !value.is_empty()));
        }
    }
}
