//! Whatever EventBridge or a queue hands over: an event that every sink can take, or one that is dropped with its id.

#![no_main]

use ecs_tasks::monitor::{decide::{event::{Event, Payload}, finding::Finding, pattern, settings::AlertFormat}, render::{alert, audit, index, metrics}};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use time::OffsetDateTime;

fuzz_target!(|bytes: &[u8]| {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else { return };
    match Payload::of(payload) {
        Payload::Event(Ok(event)) => handled(&event),
        Payload::Event(Err(unreadable)) => assert!(!unreadable.to_string().is_empty()),
        Payload::Batch(messages) => messages.iter().filter_map(|(_, event)| event.as_ref().ok()).for_each(handled),
    }
});

fn handled(event: &Event) {
    let now = OffsetDateTime::UNIX_EPOCH;
    let finding = event.change.as_ref().map(|change| Finding::of(change, &pattern::default()));
    let item = audit::render(event, finding.as_ref(), 14, now);
    assert!((1..=2048).contains(&item.partition.len()) && (1..=1024).contains(&item.change.len()));
    assert_eq!(index::render(event, finding.as_ref(), "ecs-events").lines().count(), 2);
    assert!(!event.line(1000).contains('\n'));
    let (Some(change), Some(finding)) = (&event.change, &finding) else { return };
    metrics::render(change, finding, now);
    let Finding::Failed(failures) = finding else { return };
    for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
        let message = alert::render(event, change, failures, format);
        assert!(message.subject.len() <= 100 && message.subject.is_ascii() && !message.body.is_empty());
    }
}
