//! Attributes as JSON, and as DynamoDB's typed values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Number, Value};

use crate::item::{Attributes, Update};

pub(super) fn typed_values(update: &Update) -> Option<HashMap<String, AttributeValue>> {
    // DynamoDB refuses an empty map of values.
    (!update.values.is_empty()).then(|| typed(&update.values))
}

pub(super) fn typed(attributes: &Attributes) -> HashMap<String, AttributeValue> {
    attributes
        .iter()
        .map(|(name, value)| (name.clone(), typed_value(value)))
        .collect()
}

fn typed_value(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(*bool),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(list) => AttributeValue::L(list.iter().map(typed_value).collect()),
        Value::Object(map) => AttributeValue::M(typed(map)),
    }
}

pub(super) fn plain(attributes: HashMap<String, AttributeValue>) -> Attributes {
    attributes
        .into_iter()
        .map(|(name, value)| (name, plain_value(value)))
        .collect()
}

/// The JSON value. Sets and binary values have no counterpart in JSON and become null; this crate
/// never writes one.
fn plain_value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::Bool(bool) => bool.into(),
        AttributeValue::N(number) => number.parse::<Number>().map_or(Value::Null, Value::Number),
        AttributeValue::S(text) => text.into(),
        AttributeValue::L(list) => list.into_iter().map(plain_value).collect(),
        AttributeValue::M(map) => Value::Object(plain(map)),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_comes_back_as_it_went() {
        for value in [
            json!(null),
            json!(true),
            json!(7),
            json!(1.5),
            json!("x"),
            json!([1, "y"]),
            json!({"a": []}),
        ] {
            assert_eq!(plain_value(typed_value(&value)), value);
        }
    }
}
