//! Reads a value by its shape: converts it, checks it, and collects every error instead of stopping
//! at the first.
//!
//! CloudFormation sends every scalar as a string, at any depth, so `"30"` counts as a number if the
//! shape asks for one. The result has ECS's names and native types. An error never quotes a value,
//! because a text can be a secret. Only numbers and booleans that cannot be read are quoted.

use serde_json::{Map, Number, Value};

use super::{
    PropertyError,
    shape::{Absent, Field, Shape},
};

/// Reads `value` by `shape`. `path` is its place in the properties. Returns `None` after an error,
/// which `errors` then holds.
pub(super) fn read(
    value: &Value,
    shape: &Shape,
    path: &str,
    errors: &mut Vec<PropertyError>,
) -> Option<Value> {
    let mut refuse = |problem: String| {
        errors.push(PropertyError::at(path, problem));
        None
    };
    match shape {
        Shape::Anything => Some(value.clone()),
        Shape::Text { min, max } => match scalar(value) {
            None => refuse(format!("must be a string, not {}", kind(value))),
            Some(text) => match text.chars().count() {
                0 if *min > 0 => refuse("must not be empty".to_owned()),
                count if count > *max => refuse(format!(
                    "has {count} characters, but at most {max} are allowed"
                )),
                _ => Some(Value::String(text)),
            },
        },
        Shape::Integer { min, max } => match integer(value) {
            Some(number) if (*min..=*max).contains(&number) => Some(Value::Number(number.into())),
            _ => refuse(format!(
                "must be a whole number from {min} to {max}, not {}",
                shown(value)
            )),
        },
        Shape::Boolean => match boolean(value) {
            Some(boolean) => Some(Value::Bool(boolean)),
            None => refuse(format!("must be true or false, not {}", shown(value))),
        },
        Shape::List { of, min, max } => match value {
            Value::Array(items) if items.len() < *min => refuse(
                "must have at least one element: add one, or leave the property out".to_owned(),
            ),
            Value::Array(items) if items.len() > *max => refuse(format!(
                "has {} elements, but at most {max} are allowed",
                items.len()
            )),
            Value::Array(items) => {
                let read: Vec<Option<Value>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| read(item, of, &format!("{path}[{index}]"), errors))
                    .collect();
                read.into_iter()
                    .collect::<Option<Vec<_>>>()
                    .map(Value::Array)
            }
            _ => refuse(format!("must be a list, not {}", kind(value))),
        },
        Shape::Object(fields) => match value {
            Value::Object(object) => read_object(object, fields, path, errors),
            _ => refuse(format!("must be an object, not {}", kind(value))),
        },
    }
}

fn read_object(
    object: &Map<String, Value>,
    fields: &[Field],
    path: &str,
    errors: &mut Vec<PropertyError>,
) -> Option<Value> {
    let before = errors.len();
    let at_top = path.is_empty();
    let within = |name: &str| {
        if at_top {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    // Below the top both spellings count: ECS writes containerOverrides, and templates mostly write
    // ContainerOverrides, as AWS::ECS::TaskDefinition does.
    let spells =
        |field: &Field, name: &str| name == field.name || !at_top && name == field.other_spelling();

    // Names in the errors are spelled as the template spells its own.
    let is_camel = !object.is_empty()
        && object
            .keys()
            .all(|name| name.starts_with(char::is_lowercase));
    let spelling = |field: &Field| spelled(field, is_camel && !at_top);

    for name in object.keys() {
        if !fields.iter().any(|field| spells(field, name)) {
            errors.push(PropertyError::unknown(
                path,
                &within(name),
                name,
                &hint(name, fields, &spelling),
            ));
        }
    }
    let mut read_fields = Map::new();
    for field in fields {
        let given: Vec<(&String, &Value)> =
            // Null counts as absent, because some tools write it for a value that is not set.
            object.iter().filter(|(name, value)| spells(field, name) && !value.is_null()).collect();
        let value = match (given.as_slice(), &field.rule.absent) {
            ([(name, value)], _) => read(value, &field.rule.shape, &within(name), errors),
            ([], Absent::Nothing) => None,
            ([], Absent::Default(text)) => {
                let default = serde_json::from_str(text).unwrap_or(Value::Null);
                read(&default, &field.rule.shape, &within(field.name), errors)
            }
            ([], Absent::Refused) => {
                errors.push(PropertyError::missing(path, &within(&spelling(field))));
                None
            }
            (_, _) => {
                let problem = format!("is given twice, also as {}", field.other_spelling());
                errors.push(PropertyError::at(&within(field.name), problem));
                None
            }
        };
        if let Some(value) = value {
            read_fields.insert(field.name.to_owned(), value);
        }
    }
    (errors.len() == before).then_some(Value::Object(read_fields))
}

/// A hint for an unknown name: the structure that it belongs in, or the name that was probably
/// meant.
fn hint(name: &str, fields: &[Field], spelling: &impl Fn(&Field) -> String) -> String {
    // No property has a longer name, and a comparison takes time by the length.
    if name.len() > 80 {
        return String::new();
    }
    let is_misspelt = fields
        .iter()
        .any(|field| field.name.eq_ignore_ascii_case(name));
    if let Some(home) = home(name, fields).filter(|_| !is_misspelt) {
        return format!(", which belongs in {home}");
    }
    nearest(name, fields).map_or_else(String::new, |nearest| {
        format!(" (did you mean {}?)", spelling(nearest))
    })
}

/// The structure below these fields that has a member of this name: Subnets belongs in
/// `NetworkConfiguration.AwsvpcConfiguration`. `None` unless exactly one has it on the highest
/// level.
fn home(name: &str, fields: &[Field]) -> Option<String> {
    let mut level: Vec<(String, &[Field])> = vec![(String::new(), fields)];
    while !level.is_empty() {
        let mut below = Vec::new();
        for (path, fields) in &level {
            for field in *fields {
                let (shape, list) = match &field.rule.shape {
                    Shape::List { of, .. } => (*of, "[]"),
                    shape => (shape, ""),
                };
                if let Shape::Object(members) = shape {
                    let dot = if path.is_empty() { "" } else { "." };
                    below.push((
                        format!("{path}{dot}{}{list}", spelled(field, false)),
                        *members,
                    ));
                }
            }
        }
        let has = |fields: &[Field]| {
            fields
                .iter()
                .any(|field| field.name.eq_ignore_ascii_case(name))
        };
        let mut homes = below.iter().filter(|(_, members)| has(members));
        if let Some((home, _)) = homes.next() {
            return homes.next().is_none().then(|| home.clone());
        }
        level = below;
    }
    None
}

/// The field's name in ECS's spelling, or in CloudFormation's.
fn spelled(field: &Field, is_camel: bool) -> String {
    if field.name.starts_with(char::is_lowercase) == is_camel {
        return field.name.to_owned();
    }
    field.other_spelling()
}

/// The known field whose name is most like an unknown one.
fn nearest<'f>(name: &str, fields: &'f [Field]) -> Option<&'f Field> {
    let likeness =
        |field: &&Field| strsim::jaro_winkler(&name.to_lowercase(), &field.name.to_lowercase());
    let best = fields
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&best) > 0.8).then_some(best)
}

/// A scalar as the string that CloudFormation would send.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, native or as a text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| whole(number)),
        _ => None,
    }
}

/// Some JSON writers know only floating-point numbers, so 30.0 counts as 30.
fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 1e15).then(|| format!("{float:.0}").parse().ok())?
}

/// true, false, yes or no in any case, native or as a text.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(boolean) => Some(*boolean),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            // YAML 1.1 reads an unquoted yes or no as a boolean, so people write them as such.
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A number or boolean that cannot be read, as in the template. A long text is not shown: it can be
/// anything, a secret included.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text.chars().count() <= 20 => {
            format!("\"{text}\"")
        }
        Value::Number(number) => number.to_string(),
        _ => kind(value).to_owned(),
    }
}
