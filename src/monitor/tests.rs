use std::{fs, path::Path};

use serde_json::Value;

use super::event::{Event, Payload};

/// A recorded event.
pub(super) fn event(file: &str) -> Event {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events").join(file);
    let json: Value = serde_json::from_str(&fs::read_to_string(path).expect("a fixture")).expect("JSON");
    match Payload::of(json) {
        Payload::Event(Ok(event)) => *event,
        other => panic!("{other:?}"),
    }
}
