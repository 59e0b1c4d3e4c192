//! The alert: one SNS message for each failed task, for people, for programs or for a chat.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    monitor::decide::{
        event::{Event, TaskChange},
        settings::AlertFormat,
    },
    outcome::Failure,
    reason::Reason,
    task::definition_name,
};

/// SNS takes a subject of at most 100 ASCII characters.
const SUBJECT: usize = 100;
/// What SNS takes in all is 256 KB; the rest is left to the attributes.
const BODY: usize = 240 * 1024;
/// How much of it a Reason may fill.
const REASON: usize = 4096;

/// An alert as SNS takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The subject of a mail.
    pub subject: String,
    /// The message.
    pub body: String,
    /// What subscriptions can filter by.
    pub attributes: BTreeMap<&'static str, String>,
}

/// The alert about a failed task.
pub fn render(event: &Event, change: &TaskChange, failures: &[Failure], format: AlertFormat) -> Message {
    let reason = Reason::failed(failures);
    let subject = subject(change, reason.head());
    let reason = reason.fit(REASON);
    let body = match format {
        AlertFormat::Text => text(event, change, &reason),
        AlertFormat::Json => with_finding(event, &reason),
        AlertFormat::Chat => chat(event, change, &subject, &reason).to_string(),
    };
    let attributes = [
        ("cluster", change.cluster()),
        ("family", change.family()),
        ("group", change.group.as_deref().unwrap_or_default()),
        ("stopCode", change.task.stop_code.as_deref().unwrap_or_default()),
    ];
    // SNS refuses an attribute without a value.
    let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    Message { subject, body, attributes: attributes.map(|(name, value)| (name, value.to_owned())).collect() }
}

fn subject(change: &TaskChange, head: &str) -> String {
    let subject = format!("ECS task failed: {} on {}: {head}", change.family(), change.cluster());
    let plain = subject.chars().map(|char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' });
    let plain: String = plain.collect();
    // Plain is ASCII, so that a byte is a character.
    if plain.len() <= SUBJECT { plain } else { format!("{}...", plain[..SUBJECT - 3].trim_end()) }
}

/// What a person needs, most telling first.
fn text(event: &Event, change: &TaskChange, reason: &str) -> String {
    let task = &change.task;
    let ran = task.started_at.zip(task.ended_at());
    let ran =
        ran.map(|(from, to)| format!(" (ran {} s)", (to - from).whole_seconds().max(0))).unwrap_or_default();
    let lines = [
        ("Task", Some(task.arn.0.clone())),
        ("Cluster", Some(change.cluster().to_owned())),
        ("Task definition", Some(definition_name(&task.task_definition_arn).to_owned())),
        ("Group", change.group.clone()),
        ("Started by", change.started_by.clone()),
        ("Stop code", task.stop_code.clone()),
        ("Started", task.started_at.map(minutes)),
        ("Stopped", task.stopped_at.map(|at| format!("{}{ran}", minutes(at)))),
        ("Account", Some(format!("{}, {}", event.account, event.region))),
        ("Event", Some(event.id.clone())),
    ];
    let lines = lines
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value.filter(|one| !one.is_empty())?)));
    format!("{reason}.\n\n{}\n", lines.collect::<Vec<_>>().join("\n"))
}

/// The event with the finding; of one that is too large for SNS what the finding rests on.
fn with_finding(event: &Event, reason: &str) -> String {
    let finding = json!({ "result": "failed", "reason": reason });
    let mut whole = event.json.clone();
    whole["finding"] = finding.clone();
    let whole = whole.to_string();
    if whole.len() <= BODY {
        return whole;
    }
    json!({ "id": event.id, "detail-type": event.detail_type, "resources": [event.resource], "finding": finding, "cut": true })
        .to_string()
}

/// <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
fn chat(event: &Event, change: &TaskChange, subject: &str, reason: &str) -> Value {
    let task = &change.task;
    let group = change.group.as_deref().map_or_else(String::new, |group| format!(" ({group})"));
    json!({
        "version": "1.0",
        "source": "custom",
        "id": event.id,
        "content": {
            "textType": "client-markdown",
            "title": format!(":x: {subject}"),
            "description": format!("{reason}.\n\n*Task* `{}`{group}", task.arn.0),
            "keywords": [change.cluster(), change.family()],
        },
        "metadata": {
            "threadId": format!("{}/{}", change.cluster(), change.family()),
            "summary": subject,
            "eventType": "ECS task failed",
            "relatedResources": [task.arn.0, task.task_definition_arn],
        },
    })
}

fn minutes(time: OffsetDateTime) -> String {
    time.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{
        decide::{finding::Finding, pattern},
        tests::event,
    };

    fn alert(event: &Event, format: AlertFormat) -> Message {
        let change = event.change.as_ref().expect("a task");
        match Finding::of(change, &pattern::default()) {
            Finding::Failed(failures) => render(event, change, &failures, format),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_text_says_what_failed_first_and_where_to_look_after_it() {
        let message = alert(&event("task-stopped-exit-1.json"), AlertFormat::Text);
        assert_eq!(
            message.subject,
            "ECS task failed: wpunconfiguredfail on eventStreamTestCluster: Container web exited with code 1"
        );
        assert_eq!(
            message.body,
            "Container web exited with code 1. Task \
             arn:aws:ecs:us-east-1:123456789012:task/cdf83842-a918-482b-908b-857e667ce328.\n\n\
             Task: arn:aws:ecs:us-east-1:123456789012:task/cdf83842-a918-482b-908b-857e667ce328\n\
             Cluster: eventStreamTestCluster\n\
             Task definition: wpunconfiguredfail:1\n\
             Started: 2016-10-17 20:29:14 UTC\n\
             Stopped: 2016-10-17 20:29:14 UTC (ran 0 s)\n\
             Account: 244698725403, us-east-1\n\
             Event: 8f07966c-b005-4a0f-9ee9-63d2c41448b3\n"
        );
        assert_eq!(message.attributes.keys().copied().collect::<Vec<_>>(), ["cluster", "family"]);
    }

    #[test]
    fn a_subject_is_short_and_plain_whatever_the_names_are() {
        let mut event = event("task-stopped-exit-1.json");
        let change = event.change.as_mut().expect("a task");
        change.cluster_arn = format!("cluster/{}\nX", "ü".repeat(120));
        let subject = alert(&event, AlertFormat::Text).subject;
        assert!(
            subject.len() <= SUBJECT && subject.chars().all(|char| char == ' ' || char.is_ascii_graphic()),
            "{subject}"
        );
    }

    #[test]
    fn json_is_the_event_with_the_finding() {
        let event = event("task-failed-to-start.json");
        let message = alert(&event, AlertFormat::Json);
        let body: Value = serde_json::from_str(&message.body).expect("JSON");
        assert_eq!((&body["id"], &body["detail"]), (&event.json["id"], &event.json["detail"]));
        assert_eq!(body["finding"]["result"], "failed");
        assert_eq!(message.attributes.get("stopCode").map(String::as_str), Some("TaskFailedToStart"));
    }

    #[test]
    fn an_event_that_is_too_large_for_sns_is_told_all_the_same() {
        let mut event = event("task-stopped-exit-1.json");
        event.json["detail"]["overrides"] = "x".repeat(256 * 1024).into();
        for format in [AlertFormat::Text, AlertFormat::Json, AlertFormat::Chat] {
            let body = alert(&event, format).body;
            assert!(body.len() < BODY && body.contains("exited with code 1"), "{format:?}");
        }
    }

    #[test]
    fn chat_is_a_custom_notification() {
        let body: Value =
            serde_json::from_str(&alert(&event("task-stopped-exit-1.json"), AlertFormat::Chat).body)
                .expect("JSON");
        assert_eq!((&body["version"], &body["source"]), (&json!("1.0"), &json!("custom")));
        let description = body["content"]["description"].as_str().expect("a description");
        assert!(description.starts_with("Container web exited with code 1"), "{description}");
    }
}
