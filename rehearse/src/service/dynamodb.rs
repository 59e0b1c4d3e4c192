//! DynamoDB with two tables: the ledger by its name, and the monitor's by any other. It plays
//! single items, batches, transactions, and queries of a partition or of the ledger's index.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html>

mod expression;
mod index;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use serde_json::{Map, Value, json};

use self::expression::Placeholders;
use crate::{
    protocol::{AwsError, lock},
    report::{Report, Reporter},
};

/// The name of the ledger's table.
pub const LEDGER: &str = "ledger";
/// The keys of the monitor's table, as the template makes it.
const AUDIT_KEYS: [&str; 2] = ["taskDefinitionArn", "change"];
/// The keys of the ledger.
const LEDGER_KEYS: [&str; 2] = ["resource", "request"];
/// The monitor's own bookkeeping has partition keys with this prefix.
const BOOKKEEPING: &str = "ecs-tasks#";

type Key = [String; 2];

/// DynamoDB with the ledger and the monitor's table.
pub struct DynamoDb {
    audit: Mutex<StoredTable>,
    ledger: Mutex<StoredTable>,
    reporter: Reporter,
}

struct StoredTable {
    keys: [&'static str; 2],
    items: BTreeMap<Key, Value>,
    /// The tokens of past transactions.
    tokens: BTreeSet<String>,
}

impl DynamoDb {
    /// Makes empty tables. `reporter` gets every item of the audit trail.
    pub fn new(reporter: Reporter) -> Self {
        let table = |keys| {
            Mutex::new(StoredTable {
                keys,
                items: BTreeMap::new(),
                tokens: BTreeSet::new(),
            })
        };
        Self {
            audit: table(AUDIT_KEYS),
            ledger: table(LEDGER_KEYS),
            reporter,
        }
    }

    /// The items of the ledger, with plain values for their attributes, in the order of their keys.
    pub fn ledger(&self) -> Vec<Value> {
        lock(&self.ledger).items.values().map(plain_item).collect()
    }

    /// The items of the audit trail, with plain values for their attributes, in the order of their
    /// keys.
    pub fn items(&self) -> Vec<Value> {
        self.all()
            .into_iter()
            .filter(|item| !is_bookkeeping(item))
            .collect()
    }

    /// The monitor's own bookkeeping, likewise.
    pub fn bookkeeping(&self) -> Vec<Value> {
        self.all().into_iter().filter(is_bookkeeping).collect()
    }

    fn all(&self) -> Vec<Value> {
        lock(&self.audit).items.values().map(plain_item).collect()
    }

    /// Removes all items of the audit trail.
    pub fn clear(&self) {
        lock(&self.audit).items.clear();
    }

    /// Answers an operation of the API. `Err` is DynamoDB's error.
    pub fn call(&self, operation: &str, body: &Value) -> Result<Value, AwsError> {
        let is_ledger = body["TableName"] == LEDGER || body["RequestItems"][LEDGER].is_object();
        let mut table = lock(if is_ledger { &self.ledger } else { &self.audit });
        match operation {
            "PutItem" => {
                table.check(&body["Item"], body)?;
                self.put(&mut table, &body["Item"])
            }
            "UpdateItem" => table.update_item(body),
            "DeleteItem" => {
                table.check(&body["Key"], body)?;
                let key = table.key(&body["Key"])?;
                table.items.remove(&key);
                Ok(json!({}))
            }
            "GetItem" => {
                let key = table.key(&body["Key"])?;
                Ok(table
                    .items
                    .get(&key)
                    .map_or(json!({}), |item| json!({ "Item": item })))
            }
            "BatchGetItem" => table.batch_get_item(body),
            "BatchWriteItem" => self.batch_write_item(&mut table, body),
            "TransactWriteItems" => table.transact_write_items(body),
            "Query" => table.query(body),
            _ => Err(AwsError::unknown_operation(operation)),
        }
    }

    fn put(&self, table: &mut StoredTable, item: &Value) -> Result<Value, AwsError> {
        let key = table.key(item)?;
        let known = table.items.insert(key, item.clone()).is_some();
        let item = plain_item(item);
        // The bookkeeping holds no findings, so the console does not show it.
        if table.keys == AUDIT_KEYS && !is_bookkeeping(&item) {
            (self.reporter)(Report::Audited { item, known });
        }
        Ok(json!({}))
    }

    fn batch_write_item(&self, table: &mut StoredTable, body: &Value) -> Result<Value, AwsError> {
        let requests: Vec<&Value> = body["RequestItems"]
            .as_object()
            .into_iter()
            .flat_map(Map::values)
            .flat_map(|list| list.as_array().into_iter().flatten())
            .collect();
        let items: Vec<&Value> = requests
            .iter()
            .map(|request| &request["PutRequest"]["Item"])
            .collect();
        table.different_keys(&items, 25, "BatchWriteItem")?;
        for item in items {
            self.put(table, item)?;
        }
        Ok(json!({ "UnprocessedItems": {} }))
    }
}

impl StoredTable {
    fn key(&self, attributes: &Value) -> Result<Key, AwsError> {
        let part = |name: &str| {
            attributes[name]["S"]
                .as_str()
                .filter(|value| !value.is_empty())
        };
        match self.keys.map(part) {
            [Some(partition), Some(sort)] => Ok([partition.to_owned(), sort.to_owned()]),
            _ => Err(AwsError::new(
                "ValidationException",
                "One of the required keys was not given a value",
            )),
        }
    }

    /// Fails if the request's condition does not hold for the item with this key.
    fn check(&self, key_of: &Value, body: &Value) -> Result<(), AwsError> {
        let Some(condition) = body["ConditionExpression"].as_str() else {
            return Ok(());
        };
        let known = self.items.get(&self.key(key_of)?);
        if Placeholders::of(body).hold(condition, known.unwrap_or(&json!({})))? {
            return Ok(());
        }
        let error = AwsError::new(
            "ConditionalCheckFailedException",
            "The conditional request failed",
        );
        match known.filter(|_| body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD") {
            Some(known) => Err(AwsError {
                members: vec![("Item", known.clone())],
                ..error
            }),
            None => Err(error),
        }
    }

    fn update_item(&mut self, body: &Value) -> Result<Value, AwsError> {
        self.check(&body["Key"], body)?;
        let key = self.key(&body["Key"])?;
        let before = self.items.get(&key).cloned();
        let changed = before.clone().unwrap_or_else(|| body["Key"].clone());
        let mut changed = changed.as_object().cloned().unwrap_or_default();
        let expression = body["UpdateExpression"].as_str().unwrap_or_default();
        Placeholders::of(body).update(expression, &mut changed)?;
        self.items.insert(key, Value::Object(changed));
        // A row that the update has made had no attributes before, so DynamoDB returns none.
        match before.filter(|_| body["ReturnValues"] == "ALL_OLD") {
            Some(before) => Ok(json!({ "Attributes": before })),
            None => Ok(json!({})),
        }
    }

    fn transact_write_items(&mut self, body: &Value) -> Result<Value, AwsError> {
        let token = body["ClientRequestToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        // DynamoDB makes the transaction of a token once, and answers a repetition like the first.
        if !token.is_empty() && self.tokens.contains(&token) {
            return Ok(json!({}));
        }
        let updates: Vec<&Value> = body["TransactItems"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| &item["Update"])
            .collect();
        let keys: BTreeSet<Key> = updates
            .iter()
            .map(|update| self.key(&update["Key"]))
            .collect::<Result<_, _>>()?;
        if !(1..=100).contains(&updates.len()) || keys.len() < updates.len() {
            return Err(AwsError::new(
                "ValidationException",
                "Transaction request cannot include multiple operations on one item",
            ));
        }
        let mut refused = false;
        let mut reasons = Vec::new();
        // Every condition is checked before any row changes: a transaction is made as a whole or
        // not at all.
        for update in &updates {
            reasons.push(match self.check(&update["Key"], update) {
                Ok(()) => json!({ "Code": "None" }),
                Err(error) if error.code == "ConditionalCheckFailedException" => {
                    refused = true;
                    json!({ "Code": "ConditionalCheckFailed", "Message": error.message })
                }
                Err(error) => return Err(error),
            });
        }
        if refused {
            let error = AwsError::new(
                "TransactionCanceledException",
                "Transaction cancelled, see the reasons",
            );
            return Err(AwsError {
                members: vec![("CancellationReasons", reasons.into())],
                ..error
            });
        }
        for update in updates {
            self.update_item(update)?;
        }
        self.tokens.insert(token);
        Ok(json!({}))
    }

    /// The keys that a batch names. DynamoDB refuses a batch that names one of them twice.
    fn different_keys(
        &self,
        of: &[&Value],
        most: usize,
        operation: &str,
    ) -> Result<BTreeSet<Key>, AwsError> {
        let refused = |message: String| Err(AwsError::new("ValidationException", message));
        if !(1..=most).contains(&of.len()) {
            return refused(format!("Too many items requested for the {operation} call"));
        }
        let keys: BTreeSet<Key> = of
            .iter()
            .map(|one| self.key(one))
            .collect::<Result<_, _>>()?;
        match keys.len() < of.len() {
            true => refused("Provided list of item keys contains duplicates".to_owned()),
            false => Ok(keys),
        }
    }

    fn batch_get_item(&self, body: &Value) -> Result<Value, AwsError> {
        let tables = body["RequestItems"].as_object().into_iter().flatten();
        let mut responses = Map::new();
        for (table, desired) in tables {
            let keys: Vec<&Value> = desired["Keys"].as_array().into_iter().flatten().collect();
            let different = self.different_keys(&keys, 100, "BatchGetItem")?;
            let items = different
                .iter()
                .filter_map(|key| self.items.get(key).cloned());
            responses.insert(table.clone(), items.collect());
        }
        Ok(json!({ "Responses": responses, "UnprocessedKeys": {} }))
    }

    /// Queries a partition of the table, or of the ledger's index up to a sort key. The functions
    /// send queries of these two forms alone.
    fn query(&self, body: &Value) -> Result<Value, AwsError> {
        let values = &body["ExpressionAttributeValues"];
        let partition = values[":partition"]["S"].as_str();
        match (
            body["KeyConditionExpression"].as_str(),
            partition,
            body["IndexName"].as_str(),
        ) {
            (Some("#partition = :partition"), Some(partition), None) => {
                let from = self.items.range([partition.to_owned(), String::new()]..);
                let items: Vec<&Value> = from
                    .take_while(|(key, _)| key[0] == partition)
                    .map(|(_, item)| item)
                    .collect();
                Ok(json!({ "Count": items.len(), "Items": items }))
            }
            (
                Some("#partition = :partition AND #sort <= :up_to"),
                Some(partition),
                Some("Open"),
            ) => {
                let Some(up_to) = number(&values[":up_to"]) else {
                    return Err(AwsError::new(
                        "ValidationException",
                        ":up_to must be a number",
                    ));
                };
                Ok(index::page(&self.items, (partition, up_to), body))
            }
            _ => {
                let message = "the stage plays the query of a partition, and of the index Open up to a number";
                Err(AwsError::new("ValidationException", message))
            }
        }
    }
}

fn number(attribute: &Value) -> Option<i64> {
    attribute["N"]
        .as_str()
        .and_then(|number| number.parse().ok())
}

fn is_bookkeeping(item: &Value) -> bool {
    item[AUDIT_KEYS[0]]
        .as_str()
        .is_some_and(|partition| partition.starts_with(BOOKKEEPING))
}

fn plain_item(item: &Value) -> Value {
    item.as_object()
        .into_iter()
        .flatten()
        .map(|(name, attribute)| (name.clone(), plain(attribute)))
        .collect()
}

/// `{"S": "x"}` is `"x"`.
fn plain(attribute: &Value) -> Value {
    match attribute.as_object().and_then(|typed| typed.iter().next()) {
        Some((kind, value)) => match kind.as_str() {
            "N" => value
                .as_str()
                .and_then(|number| number.parse().ok())
                .unwrap_or_else(|| value.clone()),
            "NULL" => Value::Null,
            "L" => value.as_array().into_iter().flatten().map(plain).collect(),
            "M" => plain_item(value),
            _ => value.clone(),
        },
        None => Value::Null,
    }
}
