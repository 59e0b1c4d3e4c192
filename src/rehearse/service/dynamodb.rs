//! DynamoDB, as far as the monitor's audit table goes: PutItem on condition that the item is new, and UpdateItem that
//! sets attributes.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html>

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Map, Value};

use crate::rehearse::{
    report::{Report, Reporter},
    wire::{AwsError, lock},
};

/// The table's keys, as the template makes it.
const KEYS: [&str; 2] = ["taskDefinitionArn", "change"];

/// A table, whatever name it is called by.
pub struct DynamoDb {
    items: Mutex<BTreeMap<[String; 2], Value>>,
    reporter: Reporter,
}

impl DynamoDb {
    pub(in crate::rehearse) fn new(reporter: Reporter) -> Self {
        Self { items: Mutex::default(), reporter }
    }

    /// The items, with plain values for their attributes, in the order of their keys.
    pub fn items(&self) -> Vec<Value> {
        lock(&self.items).values().map(plain_item).collect()
    }

    /// Takes all items away.
    pub fn clear(&self) {
        lock(&self.items).clear();
    }

    pub(in crate::rehearse) fn call(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        match operation {
            "PutItem" => self.put_item(body),
            "UpdateItem" => self.update_item(body),
            _ => Err(AwsError::unknown_operation(operation)),
        }
    }

    fn put_item(&self, body: &Value) -> Result<Value, AwsError> {
        let item = &body["Item"];
        let key = key(item)?;
        let mut items = lock(&self.items);
        let known = items.get(&key).cloned();
        (self.reporter)(Report::Audited { item: plain_item(item), known: known.is_some() });
        match known {
            // The one condition that is played: that there is no such item.
            Some(known) if body["ConditionExpression"].is_string() => {
                let error =
                    AwsError::new("ConditionalCheckFailedException", "The conditional request failed");
                Err(AwsError { members: vec![("Item", known)], ..error })
            }
            _ => {
                items.insert(key, item.clone());
                Ok(Value::Object(Map::new()))
            }
        }
    }

    fn update_item(&self, body: &Value) -> Result<Value, AwsError> {
        let key = key(&body["Key"])?;
        let expression = body["UpdateExpression"].as_str().unwrap_or_default();
        let Some(sets) = expression.strip_prefix("SET ") else {
            return Err(AwsError::new("ValidationException", "the stage plays SET alone"));
        };
        let mut items = lock(&self.items);
        let item = items.entry(key).or_insert_with(|| body["Key"].clone());
        for (name, value) in sets.split(',').filter_map(|set| set.split_once('=')) {
            item[name.trim()] = body["ExpressionAttributeValues"][value.trim()].clone();
        }
        Ok(Value::Object(Map::new()))
    }
}

fn key(attributes: &Value) -> Result<[String; 2], AwsError> {
    let [partition, sort] = KEYS.map(|name| attributes[name]["S"].as_str().filter(|value| !value.is_empty()));
    match (partition, sort) {
        (Some(partition), Some(sort)) => Ok([partition.to_owned(), sort.to_owned()]),
        _ => Err(AwsError::new("ValidationException", "One of the required keys was not given a value")),
    }
}

fn plain_item(item: &Value) -> Value {
    item.as_object().into_iter().flatten().map(|(name, attribute)| (name.clone(), plain(attribute))).collect()
}

/// `{"S": "x"}` is `"x"`.
fn plain(attribute: &Value) -> Value {
    match attribute.as_object().and_then(|typed| typed.iter().next()) {
        Some((kind, value)) => match kind.as_str() {
            "N" => value.as_str().and_then(|number| number.parse().ok()).unwrap_or_else(|| value.clone()),
            "NULL" => Value::Null,
            "L" => value.as_array().into_iter().flatten().map(plain).collect(),
            "M" => plain_item(value),
            _ => value.clone(),
        },
        None => Value::Null,
    }
}
