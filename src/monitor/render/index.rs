//! The search index: every event, by OpenSearch's `_bulk`, under the event's own id, so that a redelivery changes nothing.

use serde_json::{Value, json};

use crate::monitor::decide::{event::Event, finding::Finding};

/// The two lines of one event: where it goes, and the event with its finding.
pub fn render(event: &Event, finding: Option<&Finding>, index: &str) -> String {
    let month = format!("{index}-{:04}.{:02}", event.time.year(), u8::from(event.time.month()));
    let action = json!({ "index": { "_index": month, "_id": event.id } });
    let mut document = event.json.clone();
    if let Some(finding) = finding {
        document["finding"] = finding.name().into();
    }
    format!("{action}\n{document}\n")
}

/// The events, by their ids, that OpenSearch did not take, and why; from its answer to `_bulk`.
pub fn refused(answer: &Value) -> Vec<(String, String)> {
    let items = answer["items"].as_array().into_iter().flatten();
    let results = items.filter_map(|item| item.as_object()?.values().next());
    results
        .filter(|result| result["status"].as_u64().is_none_or(|status| status >= 300))
        .map(|result| {
            let id = result["_id"].as_str().unwrap_or_default().to_owned();
            let error = &result["error"];
            let word = |name: &str| error[name].as_str().unwrap_or("no reason given").to_owned();
            (id, format!("{}: {}", word("type"), word("reason")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::tests::event;

    #[test]
    fn an_event_is_two_lines_under_its_own_id_and_in_the_index_of_its_month() {
        let event = event("task-stopped-exit-1.json");
        let rendered = render(&event, Some(&Finding::Moving), "ecs-events");
        let lines: Vec<Value> =
            rendered.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert_eq!(lines[0], json!({"index": {"_index": "ecs-events-2016.10", "_id": event.id}}));
        assert_eq!((&lines[1]["detail"], &lines[1]["finding"]), (&event.json["detail"], &json!("moving")));
        assert!(rendered.ends_with('\n') && lines.len() == 2);
    }

    #[test]
    fn what_opensearch_did_not_take_is_told_by_id() {
        let answer = json!({"errors": true, "items": [
            {"index": {"_id": "a", "status": 201}},
            {"index": {"_id": "b", "status": 429, "error": {"type": "rejected", "reason": "queue is full"}}},
            {"create": {"_id": "c", "status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no date"}}},
        ]});
        let expected = [("b", "rejected: queue is full"), ("c", "mapper_parsing_exception: no date")];
        assert_eq!(refused(&answer), expected.map(|(id, why)| (id.to_owned(), why.to_owned())));
    }
}
