//! The audit trail: one item in DynamoDB for each state change, kept for RETENTION_DAYS.
//!
//! A redelivery writes the same item again. The rows of [`crate::monitor::decide::rows`] say what
//! has been done about an event, and the item shows it to readers of the trail.

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    item::Attributes,
    monitor::decide::{
        event::{About, Event, TaskChange},
        finding::Finding,
        rows::{PARTITION_BYTES, clipped, key},
    },
};

/// Most bytes of the id in the middle of a sort key.
const ID_BYTES: usize = 900;

/// An item of the audit table.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The task definition; for an event that is not about a task, its subject.
    pub partition: String,
    /// `time#task id#version`: by the time alone, one of two tasks that change in the same second
    /// would be lost.
    pub change: String,
    /// Everything else that is known.
    pub attributes: Map<String, Value>,
}

/// Renders the item of an event. `finding` is absent for an event that is not judged.
pub fn render(
    event: &Event,
    finding: Option<&Finding>,
    retention_days: u32,
    now: OffsetDateTime,
) -> Item {
    let time = event.time.format(&Rfc3339).unwrap_or_default();
    let about = event.resource.as_deref().unwrap_or(&event.detail_type);
    let (partition, id) = match event.change() {
        Some(change) if !change.task.task_definition_arn.is_empty() => (
            change.task.task_definition_arn.as_str(),
            change.task.arn.id(),
        ),
        Some(change) => (change.task.arn.0.as_str(), change.task.arn.id()),
        None => (about, event.id.as_str()),
    };
    let mut attributes = json!({
        "eventId": event.id,
        "time": time,
        "detailType": event.detail_type,
        "account": event.account,
        "region": event.region,
        "finding": finding.map(Finding::name),
        "excuse": finding.and_then(Finding::excuse).map(ToString::to_string),
        // DynamoDB's TTL is in whole seconds. It counts from now, since an event can be old.
        "ttl": (now + Duration::days(retention_days.into())).unix_timestamp(),
    });
    let of_kind = match &event.about {
        About::Task(change) => of_task(change),
        About::Service(service) => json!({
            "cluster": service.cluster,
            "group": service.kind.is_of_service().then(|| format!("service:{}", service.service)),
            "eventType": service.event_type,
            "eventName": service.event_name,
            "reason": service.reason,
        }),
        About::Other => Value::Null,
    };
    if let (Value::Object(of_kind), Some(all)) = (of_kind, attributes.as_object_mut()) {
        all.extend(of_kind);
    }
    let known = attributes
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null());
    Item {
        partition: clipped(partition, PARTITION_BYTES),
        change: format!("{time}#{}#{}", clipped(id, ID_BYTES), event.version),
        attributes: known
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

fn of_task(change: &TaskChange) -> Value {
    let task = &change.task;
    let containers = task.containers.iter().map(|container| {
        let mut shown = json!({ "name": container.name, "lastStatus": container.last_status });
        if let Some(code) = container.exit_code {
            shown["exitCode"] = code.into();
        }
        if let Some(reason) = &container.reason {
            shown["reason"] = reason.as_str().into();
        }
        shown
    });
    json!({
        "taskArn": task.arn.0,
        "cluster": change.cluster(),
        "group": change.group,
        "startedBy": task.started_by,
        "desiredStatus": Some(&task.desired_status).filter(|status| !status.is_empty()),
        "lastStatus": task.last_status,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
        "containers": containers.collect::<Vec<_>>(),
    })
}

impl Item {
    /// Its keys.
    pub fn key(&self) -> Attributes {
        key(&self.partition, &self.change)
    }

    /// The whole item, keys included.
    pub fn whole(&self) -> Attributes {
        let mut whole = self.attributes.clone();
        whole.extend(self.key());
        whole
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::monitor::{
        decide::{pattern, rows::ALERTED},
        tests::event,
    };

    const NOW: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    #[test]
    fn an_item_holds_what_is_known_of_the_change() {
        let event = event("task-drained.json");
        let finding = Finding::of(&event, &pattern::default());
        let item = render(&event, finding.as_ref(), 14, NOW);
        assert_eq!(
            item.partition,
            "arn:aws:ecs:us-east-1:123456789012:task-definition/wpunconfiguredfail:1"
        );
        assert_eq!(
            item.change,
            "2016-10-17T20:29:14Z#cdf83842-a918-482b-908b-857e667ce328#3"
        );
        let attribute = |name: &str| item.attributes.get(name).cloned().unwrap_or_default();
        assert_eq!(attribute("finding"), "excused");
        assert_eq!(
            attribute("excuse"),
            "stoppedReason matches *container instance is in DRAINING state*"
        );
        assert_eq!(
            attribute("ttl"),
            (NOW + Duration::days(14)).unix_timestamp()
        );
        assert_eq!(
            attribute("containers"),
            json!([{"name": "web", "lastStatus": "STOPPED", "exitCode": 137}])
        );
        for (name, value) in [
            ("cluster", "eventStreamTestCluster"),
            ("stopCode", "ServiceSchedulerInitiated"),
        ] {
            assert_eq!(attribute(name), value);
        }
        assert!(!item.attributes.contains_key("group") && !item.attributes.contains_key(ALERTED));
    }

    #[test]
    fn keys_are_no_longer_than_dynamodb_accepts() {
        let mut event = event("task-drained.json");
        let About::Task(change) = &mut event.about else {
            panic!("a task")
        };
        change.task.arn.0 = format!("task/{}", "ü".repeat(2000));
        change.task.task_definition_arn = "ü".repeat(3000);
        let item = render(&event, None, 14, NOW);
        assert_eq!(
            (item.partition.len(), item.change.len() <= 1024),
            (2048, true)
        );
        assert!(item.change.ends_with("#3"));
    }

    #[test]
    fn an_event_without_a_task_is_stored_under_its_subject() {
        let mut event = event("task-drained.json");
        event.about = About::Other;
        event.detail_type = "ECS Container Instance State Change".to_owned();
        event.resource =
            Some("arn:aws:ecs:us-east-1:123456789012:container-instance/prod/a".to_owned());
        let item = render(&event, None, 14, NOW);
        assert_eq!(
            item.partition,
            "arn:aws:ecs:us-east-1:123456789012:container-instance/prod/a"
        );
        assert_eq!(
            item.change,
            "2016-10-17T20:29:14Z#8f07966c-b005-4a0f-9ee9-63d2c41448b3#3"
        );
        assert!(!item.attributes.contains_key("finding"));
    }
}
