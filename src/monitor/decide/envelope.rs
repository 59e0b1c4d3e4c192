//! The payload of an invocation: one event, or a batch of messages from SQS or SNS. The body of a
//! message is an event, or an SNS notification with an event in it.
//!
//! Pure.

use serde_json::Value;
use time::OffsetDateTime;

use super::event::{Event, Unreadable, time};
use crate::task::read::text;

/// The payload of an invocation.
#[derive(Debug, PartialEq)]
pub struct Payload {
    /// True for a batch from SQS: the answer lists the ids of the messages that have failed. Any
    /// other payload is repeated as a whole.
    pub is_from_queue: bool,
    /// Its messages.
    pub messages: Vec<Message>,
}

/// One message of a payload.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// Its id in SQS; empty if it came without a queue.
    pub id: String,
    /// Its content.
    pub content: Content,
}

/// The content of a message.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// An event of ECS.
    Event(Box<Event>),
    /// An event of the schedule: its time, by which the monitor knows the windows that have ended.
    Tick(OffsetDateTime),
    /// A message that cannot be read.
    Unreadable(Unreadable),
}

impl Payload {
    /// Reads the payload of an invocation.
    pub fn of(mut payload: Value) -> Self {
        let Some(records) = payload
            .get_mut("Records")
            .and_then(Value::as_array_mut)
            .map(std::mem::take)
        else {
            return Self {
                is_from_queue: false,
                messages: vec![Message::new(String::new(), Ok(payload))],
            };
        };
        // SNS invokes the function with records of its own form, one at a time.
        let is_from_queue = records.iter().all(|record| record["Sns"].is_null());
        Self {
            is_from_queue,
            messages: records.into_iter().map(Message::of_record).collect(),
        }
    }
}

impl Message {
    fn of_record(record: Value) -> Self {
        let (id, body) = match record["Sns"].is_null() {
            true => (&record["messageId"], &record["body"]),
            false => (&record["Sns"]["MessageId"], &record["Sns"]["Message"]),
        };
        let id = text(id).unwrap_or_default();
        let json = match body.as_str().map(serde_json::from_str::<Value>) {
            Some(Ok(json)) => Ok(json),
            Some(Err(_)) => Err(Unreadable::new(&id, "its body is not JSON")),
            None => Err(Unreadable::new(&id, "it has no body")),
        };
        Self::new(id, json)
    }

    fn new(id: String, json: Result<Value, Unreadable>) -> Self {
        let content = json
            .and_then(|json| notified(json, &id))
            .and_then(|json| Content::of(json, &id));
        Self {
            content: content.unwrap_or_else(Content::Unreadable),
            id,
        }
    }
}

impl Content {
    fn of(json: Value, message: &str) -> Result<Self, Unreadable> {
        if json["detail-type"] == "Scheduled Event" {
            let at = time(&json["time"]);
            return at
                .map(Self::Tick)
                .ok_or_else(|| Unreadable::new(message, "it has no time"));
        }
        Event::read(json, message).map(Box::new).map(Self::Event)
    }
}

/// The message of an SNS notification; any other JSON stays as it is.
fn notified(json: Value, message: &str) -> Result<Value, Unreadable> {
    match (json["Type"].as_str(), json["Message"].as_str()) {
        (Some("Notification"), Some(body)) => serde_json::from_str(body)
            .map_err(|_| Unreadable::new(message, "its SNS notification is not JSON")),
        _ => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const EXIT_1: &str = include_str!("../../../tests/events/task-stopped-exit-1.json");
    const ID: &str = "8f07966c-b005-4a0f-9ee9-63d2c41448b3";

    /// Returns `is_from_queue`, and each message as its id with the event's id or the problem.
    fn read(payload: Value) -> (bool, Vec<String>) {
        let payload = Payload::of(payload);
        let shown = |message: Message| match message.content {
            Content::Event(event) => format!("{}: {}", message.id, event.id),
            Content::Tick(at) => format!("{}: tick at {at}", message.id),
            Content::Unreadable(unreadable) => unreadable.to_string(),
        };
        (
            payload.is_from_queue,
            payload.messages.into_iter().map(shown).collect(),
        )
    }

    fn notification() -> Value {
        json!({"Type": "Notification", "MessageId": "n", "TopicArn": "arn", "Message": EXIT_1})
    }

    #[test]
    fn a_batch_keeps_the_ids_of_its_messages() {
        let payload = json!({"Records": [
            {"messageId": "m-1", "body": EXIT_1},
            {"messageId": "m-2", "body": "no JSON"},
            {"messageId": "m-3"},
        ]});
        let expected = [
            format!("m-1: {ID}"),
            "event m-2: its body is not JSON".into(),
            "event m-3: it has no body".into(),
        ];
        assert_eq!(read(payload), (true, expected.to_vec()));
    }

    #[test]
    fn an_event_comes_by_itself_or_in_a_notification_of_sns() {
        let event: Value = serde_json::from_str(EXIT_1).expect("a fixture");
        assert_eq!(read(event), (false, vec![format!(": {ID}")]));
        assert_eq!(read(notification()), (false, vec![format!(": {ID}")]));
        let by_sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "n", "Message": EXIT_1}}]});
        assert_eq!(read(by_sns), (false, vec![format!("n: {ID}")]));
        let in_queue =
            json!({"Records": [{"messageId": "m-1", "body": notification().to_string()}]});
        assert_eq!(read(in_queue), (true, vec![format!("m-1: {ID}")]));
        let odd = json!({"Type": "Notification", "Message": "hello"});
        assert_eq!(
            read(odd),
            (
                false,
                vec!["event without an id: its SNS notification is not JSON".into()]
            )
        );
    }

    #[test]
    fn a_scheduled_event_is_the_clock() {
        let tick = json!({"source": "aws.events", "detail-type": "Scheduled Event",
            "time": "2026-11-20T10:15:00Z", "detail": {}});
        let [message] = Payload::of(tick).messages.try_into().expect("one message");
        assert_eq!(
            message.content,
            Content::Tick(datetime!(2026-11-20 10:15 UTC))
        );
    }
}
