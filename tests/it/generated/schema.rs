//! A JSON schema of Custom::ECSTask, made from the shapes that the function reads by.
//!
//! It is written for cfn-lint, which resolves intrinsic functions and accepts numbers in strings.
//! Its keywords `requiredXor` and `dependentExcluded` are ignored by other validators.

use ecs_tasks::{
    cfn::Data,
    properties::{
        Properties,
        shape::{Absent, Field, Shape},
    },
};
use serde_json::{Map, Value, json};

/// The schema of the properties.
pub(crate) fn schema() -> Value {
    let mut schema = of(&Properties::SHAPE, true);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Properties of Custom::ECSTask");
    schema["dependentExcluded"] = json!({ "LaunchType": ["CapacityProviderStrategy"] });
    schema["readOnlyProperties"] = attributes();
    schema
}

/// Returns the attributes that `Fn::GetAtt` gives, in the form of CloudFormation's own resource
/// schemas.
fn attributes() -> Value {
    let Ok(Value::Object(data)) = serde_json::to_value(Data::default()) else {
        return Value::Null;
    };
    data.keys()
        .map(|name| json!(format!("/properties/{name}")))
        .collect()
}

fn of(shape: &Shape, at_top: bool) -> Value {
    match shape {
        Shape::Anything => json!({}),
        Shape::Text { min, max } => {
            let mut schema = json!({ "type": "string" });
            if *min > 0 {
                schema["minLength"] = json!(min);
            }
            if *max < usize::MAX {
                schema["maxLength"] = json!(max);
            }
            schema
        }
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Boolean => {
            let words = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo])$";
            json!({ "type": ["boolean", "string"], "pattern": words })
        }
        Shape::List { of: item, min, max } => {
            let mut schema = json!({ "type": "array", "items": of(item, false) });
            if *min > 0 {
                schema["minItems"] = json!(min);
            }
            if *max < usize::MAX {
                schema["maxItems"] = json!(max);
            }
            schema
        }
        Shape::Object(fields) => object(fields, at_top),
    }
}

fn object(fields: &[Field], at_top: bool) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = of(&field.rule.shape, false);
        schema["description"] = json!(field.doc.trim());
        if !at_top {
            properties.insert(field.other_spelling(), schema.clone());
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let mut schema =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let required = fields
        .iter()
        .filter(|field| matches!(field.rule.absent, Absent::Refused));
    if at_top {
        schema["required"] = required.map(|field| json!(field.name)).collect();
    } else {
        let either: Vec<Value> = required
            .map(|field| json!({ "requiredXor": [field.name, field.other_spelling()] }))
            .collect();
        if !either.is_empty() {
            schema["allOf"] = json!(either);
        }
    }
    schema
}
