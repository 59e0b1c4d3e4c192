//! DynamoDB: the audit table.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use serde_json::Value;

use super::{CallError, in_region_of};
use crate::monitor::render::audit::{ALERTED, Item, LOGGED, PARTITION, SORT};

/// The audit table.
#[derive(Debug)]
pub struct AuditTable {
    client: Client,
    name: String,
}

/// What the table knows of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The item was there before: this is a redelivery.
    pub known: bool,
    /// The alert has gone out.
    pub alerted: bool,
    /// The event has been written to the log group.
    pub logged: bool,
}

impl AuditTable {
    /// The table of this name or ARN.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(&in_region_of(name, config)), name: name.to_owned() }
    }

    /// Writes an item if it is not there yet, and tells what is known of it.
    pub async fn put(&self, item: &Item) -> Result<Standing, CallError> {
        let attributes = item.attributes.iter().map(|(name, value)| (name.clone(), attribute(value)));
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(attributes.collect()))
            .item(PARTITION, AttributeValue::S(item.partition.clone()))
            .item(SORT, AttributeValue::S(item.change.clone()))
            .condition_expression("attribute_not_exists(#sort)")
            .expression_attribute_names("#sort", SORT)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Standing::default()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(exists)) => {
                    let is_marked = |name: &str| exists.item().is_some_and(|item| item.contains_key(name));
                    Ok(Standing { known: true, alerted: is_marked(ALERTED), logged: is_marked(LOGGED) })
                }
                _ => Err(CallError::of("dynamodb:PutItem", error)),
            },
        }
    }

    /// Marks what has been done about an event; `at` is RFC 3339.
    pub async fn mark(&self, item: &Item, marks: &[&str], at: &str) -> Result<(), CallError> {
        let sets: Vec<String> = marks.iter().map(|mark| format!("{mark} = :at")).collect();
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION, AttributeValue::S(item.partition.clone()))
            .key(SORT, AttributeValue::S(item.change.clone()))
            .update_expression(format!("SET {}", sets.join(", ")))
            .expression_attribute_values(":at", AttributeValue::S(at.to_owned()));
        call.send().await.map_err(|error| CallError::of("dynamodb:UpdateItem", error))?;
        Ok(())
    }
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(*bool),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(list) => AttributeValue::L(list.iter().map(attribute).collect()),
        Value::Object(map) => {
            AttributeValue::M(map.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}
