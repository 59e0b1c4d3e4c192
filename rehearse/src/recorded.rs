//! Reads recorded events from a file, in the forms in which people have them: an event, a list,
//! JSON lines, an SQS batch, and the output of `aws sqs receive-message` or `aws logs
//! filter-log-events`.

use std::path::{Path, PathBuf};

use serde_json::{Deserializer, Value};

/// Envelopes of events: the name of the list, and the member of an element that holds the event as
/// text.
const ENVELOPES: [(&str, &str); 3] = [
    ("Records", "body"),
    ("Messages", "Body"),
    ("events", "message"),
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
        match value.map_err(|error| error.line())? {
            Value::Array(list) => events.extend(list.into_iter().flat_map(unwrapped)),
            value => events.extend(unwrapped(value)),
        }
    }
    Ok(events)
}

fn unwrapped(value: Value) -> Vec<Value> {
    let held = ENVELOPES
        .iter()
        .find_map(|(list, body)| Some((value[*list].as_array()?, *body)));
    let Some((list, body)) = held else {
        return vec![value];
    };
    let event = |element: &Value| {
        // SQS and SNS both call their list Records; SNS's elements hold the event in another place.
        let told = if element["Sns"].is_object() {
            &element["Sns"]["Message"]
        } else {
            &element[body]
        };
        let json = told
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        // A body that is not JSON goes to the monitor as it is: a person wants to see how it
        // reports that.
        json.unwrap_or_else(|| told.clone())
    };
    list.iter().map(event).collect()
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
            "[{\"id\": 1},\n {\"id\": 2}]",
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
        check("", json!([]));
    }

    #[test]
    fn a_file_that_is_not_json_is_reported_with_its_line() {
        assert_eq!(events("{\"id\": 1}\nResources:\n"), Err(2));
        assert_eq!(events("{"), Err(1));
    }
}
