//! The ledger's sparse index `Open`, of which the template makes keys alone. It comes in pages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Key, LEDGER_KEYS, number};

/// The index's keys.
const OPEN_KEYS: [&str; 2] = ["open", "next_look"];
/// How much a query reads for one page.
const PAGE_BYTES: usize = 1_000_000;

/// The sort key of the index, and the table's key where that is the same.
type IndexKey = (i64, Key);

/// One page: what stands in a partition up to this number, after the place where the page before it ended.
pub(super) fn page(items: &BTreeMap<Key, Value>, (partition, up_to): (&str, i64), body: &Value) -> Value {
    let after = place(&body["ExclusiveStartKey"]);
    let limit = body["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let here = items.values().filter(|item| item[OPEN_KEYS[0]]["S"] == partition);
    let mut placed: Vec<(IndexKey, Value)> = here
        .filter_map(|item| Some((place(item)?, projected(item))))
        .filter(|(place, _)| place.0 <= up_to && after.as_ref().is_none_or(|after| place > after))
        .collect();
    placed.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut bytes = 0;
    let fits = |(_, item): &&(IndexKey, Value)| {
        let has_room = bytes < PAGE_BYTES;
        bytes += item.to_string().len();
        has_room
    };
    let read: Vec<&Value> = placed.iter().take(limit).take_while(fits).map(|(_, item)| item).collect();
    let mut page = json!({ "Count": read.len() });
    // As DynamoDB does, it says where it has stopped even if nothing follows.
    if let Some(last) = read.last().filter(|_| read.len() == limit || read.len() < placed.len()) {
        page["LastEvaluatedKey"] = (*last).clone();
    }
    if body["Select"] != "COUNT" {
        page["Items"] = read.into_iter().cloned().collect();
    }
    page
}

/// What the index holds of an item.
fn projected(item: &Value) -> Value {
    let names = LEDGER_KEYS.iter().chain(&OPEN_KEYS);
    names.map(|name| ((*name).to_owned(), item[*name].clone())).collect::<Map<_, _>>().into()
}

fn place(attributes: &Value) -> Option<IndexKey> {
    let key = LEDGER_KEYS.map(|name| attributes[name]["S"].as_str().unwrap_or_default().to_owned());
    number(&attributes[OPEN_KEYS[1]]).map(|sort| (sort, key))
}
