//! A payload of any form from EventBridge or a queue becomes an event that every sink accepts, or it
//! is dropped with its id.

#![no_main]

use ecs_tasks::monitor::{
    decide::{
        envelope::{Content, Payload},
        event::Event,
        finding::Finding,
        group::Failing,
        pattern,
        settings::AlertFormat,
    },
    render::{alert::Failures, audit, index, metrics},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use time::OffsetDateTime;

fuzz_target!(|bytes: &[u8]| {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else { return };
    for message in Payload::of(payload).messages {
        match message.content {
            Content::Event(event) => handled(&event),
            Content::Unreadable(unreadable) => assert!(!unreadable.to_string().is_empty()),
            Content::Tick(_) => {}
        }
    }
});

fn handled(event: &Event) {
    let now = OffsetDateTime::UNIX_EPOCH;
    let finding = Finding::of(event, &pattern::default());
    let item = audit::render(event, finding.as_ref(), 14, now);
    assert!((1..=2048).contains(&item.partition.len()) && (1..=1024).contains(&item.change.len()));
    assert_eq!(index::render(event, finding.as_ref(), "ecs-events").lines().count(), 2);
    assert!(!event.line(1000).contains('\n'));
    if let (Some(change), Some(finding)) = (event.change(), &finding) {
        metrics::render(change, finding, true, now);
    }
    let Some(failing) = Failing::of(event, finding.as_ref()) else { return };
    let group = failing.group();
    for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
        let failures =
            Failures { failing, group: &group, count: 2, named: vec![failing.arn()], since: None, log: None };
        let notice = failures.render(format);
        assert!(notice.subject.len() <= 100 && notice.subject.is_ascii() && !notice.body.is_empty());
    }
}
