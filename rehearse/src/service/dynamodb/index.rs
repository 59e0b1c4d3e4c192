//! The ledger's index `Open`. It holds keys alone, as cfn/provider.yml declares it, and is read in
//! pages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Key, LEDGER_KEYS, number};

const OPEN_KEYS: [&str; 2] = ["open", "next_look"];
/// Bytes that one query reads. DynamoDB's limit is 1 MB.
const PAGE_BYTES: usize = 1_000_000;

/// The index's sort key, then the table's key, which orders items with an equal sort key.
type IndexKey = (i64, Key);

/// One page: the items of a partition up to this sort key, after `ExclusiveStartKey`.
pub(super) fn page(
    items: &BTreeMap<Key, Value>,
    (partition, up_to): (&str, i64),
    body: &Value,
) -> Value {
    let after = place(&body["ExclusiveStartKey"]);
    let limit = body["Limit"]
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    // The index is sparse: a row without `open` is not in it.
    let here = items
        .values()
        .filter(|item| item[OPEN_KEYS[0]]["S"] == partition);
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
    let read: Vec<&Value> = placed
        .iter()
        .take(limit)
        .take_while(fits)
        .map(|(_, item)| item)
        .collect();
    let mut page = json!({ "Count": read.len() });
    // DynamoDB names the last key of a full page even if nothing follows.
    if let Some(last) = read
        .last()
        .filter(|_| read.len() == limit || read.len() < placed.len())
    {
        page["LastEvaluatedKey"] = (*last).clone();
    }
    if body["Select"] != "COUNT" {
        page["Items"] = read.into_iter().cloned().collect();
    }
    page
}

/// The attributes that the index holds of an item.
fn projected(item: &Value) -> Value {
    let names = LEDGER_KEYS.iter().chain(&OPEN_KEYS);
    names
        .map(|name| ((*name).to_owned(), item[*name].clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn place(attributes: &Value) -> Option<IndexKey> {
    let key = LEDGER_KEYS.map(|name| {
        attributes[name]["S"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    number(&attributes[OPEN_KEYS[1]]).map(|sort| (sort, key))
}
