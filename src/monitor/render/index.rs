//! The search index: every event goes to OpenSearch's `_bulk` under the event's own id, so that a
//! redelivery changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::monitor::decide::{event::Event, finding::Finding};

/// Renders the two lines of one event: its destination, and the event with its finding.
pub fn render(event: &Event, finding: Option<&Finding>, index: &str) -> String {
    let month = format!(
        "{index}-{:04}.{:02}",
        event.time.year(),
        u8::from(event.time.month())
    );
    let action = json!({ "index": { "_index": month, "_id": event.id } });
    let mut document = event.json.clone();
    if let Some(finding) = finding {
        document["finding"] = finding.name().into();
    }
    format!("{action}\n{document}\n")
}

/// A document that OpenSearch rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// OpenSearch's words.
    pub why: String,
    /// True if OpenSearch will never accept it: the document is at fault, and a retry does not
    /// help.
    pub for_good: bool,
}

/// Reads OpenSearch's answer to `_bulk`, and returns the rejected documents by the ids of their
/// events.
pub fn refused(answer: &Value) -> BTreeMap<String, Refused> {
    let items = answer["items"].as_array().into_iter().flatten();
    let results = items.filter_map(|item| item.as_object()?.values().next());
    results
        .filter(|result| result["status"].as_u64().is_none_or(|status| status >= 300))
        .map(|result| {
            let id = result["_id"].as_str().unwrap_or_default().to_owned();
            let word = |name: &str| result["error"][name].as_str().unwrap_or("no reason given");
            let why = format!("{}: {}", word("type"), word("reason"));
            (
                id,
                Refused {
                    why,
                    for_good: result["status"] == 400,
                },
            )
        })
        .collect()
}

/// The index template. Only the fields that hold dates are dates, whatever the first value of
/// another field looks like; any other text is a keyword.
pub fn template(index: &str) -> Value {
    let date = json!({ "type": "date", "ignore_malformed": true });
    let dates = [
        "createdAt",
        "startedAt",
        "stoppingAt",
        "stoppedAt",
        "executionStoppedAt",
        "updatedAt",
    ];
    let dates: Value = dates
        .map(|name| (name.to_owned(), date.clone()))
        .into_iter()
        .collect();
    json!({
        "index_patterns": [format!("{index}-*")],
        "template": {
            "settings": { "index.mapping.ignore_malformed": true },
            "mappings": {
                "date_detection": false,
                "numeric_detection": false,
                "dynamic_templates": [{ "texts": {
                    "match_mapping_type": "string",
                    "mapping": { "type": "keyword", "ignore_above": 8191 },
                } }],
                "properties": {
                    "time": date,
                    "detail": { "properties": dates },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::tests::event;

    #[test]
    fn an_event_is_two_lines_under_its_own_id_and_in_the_index_of_its_month() {
        let event = event("task-stopped-exit-1.json");
        let rendered = render(&event, Some(&Finding::Moving), "ecs-events");
        let lines: Vec<Value> = rendered
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        assert_eq!(
            lines[0],
            json!({"index": {"_index": "ecs-events-2016.10", "_id": event.id}})
        );
        assert_eq!(
            (&lines[1]["detail"], &lines[1]["finding"]),
            (&event.json["detail"], &json!("moving"))
        );
        assert!(rendered.ends_with('\n') && lines.len() == 2);
    }

    #[test]
    fn rejected_documents_are_returned_by_id() {
        let answer = json!({"errors": true, "items": [
            {"index": {"_id": "a", "status": 201}},
            {"index": {"_id": "b", "status": 429, "error": {"type": "rejected", "reason": "queue is full"}}},
            {"create": {"_id": "c", "status": 400,
                "error": {"type": "mapper_parsing_exception", "reason": "no date"}}},
        ]});
        let shown: Vec<String> = refused(&answer)
            .iter()
            .map(|(id, one)| format!("{id} {} {}", one.for_good, one.why))
            .collect();
        assert_eq!(
            shown,
            [
                "b false rejected: queue is full",
                "c true mapper_parsing_exception: no date"
            ]
        );
    }
}
