//! Reads recorded events from a file, in the forms in which people have them: an event, a list,
//! JSON lines, an SQS batch, the data of a CloudWatch Logs subscription, and the output of `aws sqs
//! receive-message` or `aws logs filter-log-events`, whole or message by message.

use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Value};

/// Envelopes of events: the name of the list, and the member of an element that holds the event as
/// text.
const ENVELOPES: [(&str, &str); 4] = [
    ("Records", "body"),
    ("Messages", "Body"),
    ("events", "message"),
    ("logEvents", "message"),
];

/// The reason why a file has no readable events.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file is not JSON.
    #[error(
        "{}: line {line}: not JSON: pass events as ECS sends them to EventBridge: one event, a list, or one event per line",
        path.display()
    )]
    NotJson {
        /// The file.
        path: PathBuf,
        /// The first line that is not JSON.
        line: usize,
    },
    /// The file is JSON without an event in it.
    #[error("{}: there is no event in it", .0.display())]
    Empty(PathBuf),
}

/// Reads the events of a file. The monitor decides whether an event is one of ECS.
pub fn read(path: &Path) -> Result<Vec<Value>, RecordedError> {
    let unreadable = |error| RecordedError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let events = events(&text).map_err(|line| RecordedError::NotJson {
        path: path.to_owned(),
        line,
    })?;
    if events.is_empty() {
        Err(RecordedError::Empty(path.to_owned()))
    } else {
        Ok(events)
    }
}

/// `Err` is the number of the first line that is not JSON.
fn events(text: &str) -> Result<Vec<Value>, usize> {
    let mut events = Vec::new();
    for value in Deserializer::from_str(text).into_iter() {
        events.extend(unwrapped(value.map_err(|error| error.line())?));
    }
    Ok(events)
}

fn unwrapped(value: Value) -> Vec<Value> {
    if let Value::Array(list) = value {
        return list.into_iter().flat_map(unwrapped).collect();
    }
    // An event of EventBridge can have a member of any name.
    if value["source"].is_string() {
        return vec![value];
    }
    let held = ENVELOPES
        .iter()
        .find_map(|(list, body)| Some((value[*list].as_array()?, *body)));
    if let Some((list, body)) = held {
        return list.iter().map(|one| content(one, body)).collect();
    }
    let body = ENVELOPES
        .iter()
        .find(|(_, body)| value[*body].is_string())
        .map(|(_, body)| *body);
    vec![body.map_or_else(|| value.clone(), |body| content(&value, body))]
}

/// The event in a message.
fn content(message: &Value, body: &str) -> Value {
    // SQS and SNS both call their list Records; SNS's elements hold the event in another place.
    let text = if message["Sns"].is_object() {
        &message["Sns"]["Message"]
    } else {
        &message[body]
    };
    let json = text
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    // A body that is not JSON goes to the monitor as it is: a person wants to see how it reports
    // that.
    json.unwrap_or_else(|| text.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(events(text).map(Value::from), Ok(expected));
    }

    #[test]
    fn every_form_of_recorded_events_is_read() {
        check(r#"{"id": 1}"#, json!([{"id": 1}]));
        check(
            "[{\"id\": 1},\n [{\"id\": 2}]]",
            json!([{"id": 1}, {"id": 2}]),
        );
        check(
            "{\"id\": 1}\n\n{\"id\": 2}\n",
            json!([{"id": 1}, {"id": 2}]),
        );
        check(
            r#"{"Records": [{"messageId": "m", "body": "{\"id\": 1}"}]}"#,
            json!([{"id": 1}]),
        );
        check(
            r#"{"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{\"id\": 1}"}}]}"#,
            json!([{"id": 1}]),
        );
        check(
            r#"{"Messages": [{"Body": "{\"id\": 1}"}, {"Body": "no event"}]}"#,
            json!([{"id": 1}, "no event"]),
        );
        check(
            r#"{"events": [{"timestamp": 1, "message": "{\"id\": 1}"}]}"#,
            json!([{"id": 1}]),
        );
        // A subscription of CloudWatch Logs, unpacked.
        check(
            r#"{"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": "{\"id\": 1}"}]}"#,
            json!([{"id": 1}]),
        );
        // Messages without their envelope, as `--query` or jq leave them.
        check(
            r#"[{"MessageId": "m", "Body": "{\"id\": 1}"}, {"messageId": "m", "body": "{\"id\": 2}"}]"#,
            json!([{"id": 1}, {"id": 2}]),
        );
        check(
            r#"{"timestamp": 1, "message": "{\"id\": 1}"}"#,
            json!([{"id": 1}]),
        );
        // An event of EventBridge stays as it is, whatever members it has.
        let own = json!({"source": "aws.ecs", "message": "{}", "events": []});
        check(&own.to_string(), json!([own]));
        check("", json!([]));
    }

    #[test]
    fn a_file_that_is_not_json_is_reported_with_its_line() {
        assert_eq!(events("{\"id\": 1}\nResources:\n"), Err(2));
        assert_eq!(events("{"), Err(1));
    }
}
