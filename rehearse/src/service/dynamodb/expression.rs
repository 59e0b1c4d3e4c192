//! DynamoDB's expressions, as far as the functions write them: conditions of comparisons, AND, OR
//! and parentheses, and updates by SET, ADD and REMOVE.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html>

use serde_json::{Map, Value, json};

use crate::protocol::AwsError;

/// Placeholders in an expression: `#name` for an attribute's name, `:name` for a value.
pub(super) struct Placeholders<'b> {
    names: &'b Value,
    values: &'b Value,
}

impl<'b> Placeholders<'b> {
    /// The placeholders that a request defines.
    pub(super) fn of(body: &'b Value) -> Self {
        Self {
            names: &body["ExpressionAttributeNames"],
            values: &body["ExpressionAttributeValues"],
        }
    }

    fn name(&self, token: &str) -> Result<String, AwsError> {
        match token.strip_prefix('#') {
            None => Ok(token.to_owned()),
            Some(_) => self.names[token]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| undefined(token)),
        }
    }

    fn value(&self, token: &str) -> Result<&'b Value, AwsError> {
        Some(&self.values[token])
            .filter(|value| value.is_object())
            .ok_or_else(|| undefined(token))
    }

    /// True if a condition holds for an item. An item that does not exist is an empty one.
    pub(super) fn hold(&self, condition: &str, item: &Value) -> Result<bool, AwsError> {
        let tokens = tokens(condition);
        let mut reader = Reader {
            tokens: &tokens,
            at: 0,
            item,
            placeholders: self,
        };
        let holds = reader.alternatives()?;
        if reader.at == tokens.len() {
            Ok(holds)
        } else {
            Err(reader.unexpected())
        }
    }

    /// Applies an update expression to an item.
    pub(super) fn update(
        &self,
        expression: &str,
        item: &mut Map<String, Value>,
    ) -> Result<(), AwsError> {
        let mut action = String::new();
        for clause in tokens(expression).split(|token| token == ",") {
            let mut clause = clause;
            if let [first, rest @ ..] = clause
                && matches!(first.as_str(), "SET" | "ADD" | "REMOVE")
            {
                action.clone_from(first);
                clause = rest;
            }
            // The next action begins without a comma, as in `SET #a = :a REMOVE #b`.
            while let Some(next) = clause
                .iter()
                .skip(1)
                .position(|token| matches!(token.as_str(), "SET" | "ADD" | "REMOVE"))
            {
                let (done, rest) = clause.split_at(next + 1);
                self.act(&action, done, item)?;
                action.clone_from(&rest[0]);
                clause = &rest[1..];
            }
            self.act(&action, clause, item)?;
        }
        Ok(())
    }

    fn act(
        &self,
        action: &str,
        clause: &[String],
        item: &mut Map<String, Value>,
    ) -> Result<(), AwsError> {
        let texts: Vec<&str> = clause.iter().map(String::as_str).collect();
        match (action, texts.as_slice()) {
            ("SET", [name, "=", value]) => {
                item.insert(self.name(name)?, self.value(value)?.clone());
            }
            ("ADD", [name, value]) => {
                let name = self.name(name)?;
                // DynamoDB counts from 0 if the attribute is missing.
                let before = item.get(&name).map_or(0.0, number);
                item.insert(
                    name,
                    json!({ "N": (before + number(self.value(value)?)).to_string() }),
                );
            }
            ("REMOVE", [name]) => {
                item.remove(&self.name(name)?);
            }
            // An expression that the stage cannot play is refused: ignoring it would hide a bug of
            // the functions.
            _ => return Err(invalid(&format!("{action} {}", texts.join(" ")))),
        }
        Ok(())
    }
}

struct Reader<'r, 'b> {
    tokens: &'r [String],
    at: usize,
    item: &'r Value,
    placeholders: &'r Placeholders<'b>,
}

impl Reader<'_, '_> {
    fn alternatives(&mut self) -> Result<bool, AwsError> {
        // AND binds closer than OR.
        let mut holds = self.all()?;
        while self.takes("OR") {
            holds |= self.all()?;
        }
        Ok(holds)
    }

    fn all(&mut self) -> Result<bool, AwsError> {
        let mut holds = self.one()?;
        while self.takes("AND") {
            holds &= self.one()?;
        }
        Ok(holds)
    }

    fn one(&mut self) -> Result<bool, AwsError> {
        if self.takes("NOT") {
            return Ok(!self.one()?);
        }
        if self.takes("(") {
            let holds = self.alternatives()?;
            return if self.takes(")") {
                Ok(holds)
            } else {
                Err(self.unexpected())
            };
        }
        let first = self.next()?;
        if matches!(first.as_str(), "attribute_exists" | "attribute_not_exists") {
            let (open, name, close) = (self.takes("("), self.next()?, self.takes(")"));
            let exists = self.attribute(&name)?.is_some();
            return if open && close {
                Ok(exists == (first == "attribute_exists"))
            } else {
                Err(self.unexpected())
            };
        }
        let (operator, right) = (self.next()?, self.next()?);
        let (left, right) = (self.operand(&first)?, self.operand(&right)?);
        // DynamoDB finds a missing attribute neither equal to anything nor less.
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(operator == "<>");
        };
        let order = match (left["S"].as_str(), right["S"].as_str()) {
            (Some(left), Some(right)) => left.cmp(right),
            _ => number(&left).total_cmp(&number(&right)),
        };
        match operator.as_str() {
            "=" => Ok(order.is_eq()),
            "<>" => Ok(order.is_ne()),
            "<" => Ok(order.is_lt()),
            "<=" => Ok(order.is_le()),
            ">" => Ok(order.is_gt()),
            ">=" => Ok(order.is_ge()),
            _ => Err(self.unexpected()),
        }
    }

    fn operand(&self, token: &str) -> Result<Option<Value>, AwsError> {
        match token.starts_with(':') {
            true => Ok(Some(self.placeholders.value(token)?.clone())),
            false => self.attribute(token),
        }
    }

    fn attribute(&self, token: &str) -> Result<Option<Value>, AwsError> {
        Ok(self.item.get(self.placeholders.name(token)?).cloned())
    }

    fn next(&mut self) -> Result<String, AwsError> {
        let token = self
            .tokens
            .get(self.at)
            .cloned()
            .ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(token)
    }

    fn takes(&mut self, desired: &str) -> bool {
        let takes = self
            .tokens
            .get(self.at)
            .is_some_and(|token| token == desired);
        self.at += usize::from(takes);
        takes
    }

    fn unexpected(&self) -> AwsError {
        invalid(self.tokens.get(self.at).map_or("<EOF>", String::as_str))
    }
}

fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = expression.chars().peekable();
    while let Some(char) = chars.next() {
        if char.is_ascii_alphanumeric() || matches!(char, '#' | ':' | '_' | '.') {
            word.push(char);
            continue;
        }
        tokens.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        if char.is_whitespace() {
            continue;
        }
        let second = chars.next_if(|next| matches!((char, next), ('<', '=' | '>') | ('>', '=')));
        tokens.push([Some(char), second].into_iter().flatten().collect());
    }
    tokens.extend(Some(word).filter(|word| !word.is_empty()));
    tokens
}

fn number(attribute: &Value) -> f64 {
    attribute["N"]
        .as_str()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

fn undefined(token: &str) -> AwsError {
    AwsError::new(
        "ValidationException",
        format!("An expression attribute used in expression is not defined: {token}"),
    )
}

fn invalid(token: &str) -> AwsError {
    AwsError::new(
        "ValidationException",
        format!("Invalid expression: Syntax error; token: \"{token}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({
            "ExpressionAttributeNames": {"#until": "until", "#n": "waiting"},
            "ExpressionAttributeValues": {":now": {"N": "10"}, ":a": {"S": "a"}, ":one": {"N": "1"}},
        })
    }

    #[track_caller]
    fn check(condition: &str, item: Value, expected: bool) {
        assert_eq!(
            Placeholders::of(&request())
                .hold(condition, &item)
                .expect("a condition"),
            expected,
            "{condition}"
        );
    }

    #[test]
    fn conditions_hold_as_in_dynamodb() {
        check("attribute_not_exists(#until)", json!({}), true);
        check(
            "attribute_exists(#until)",
            json!({"until": {"N": "9"}}),
            true,
        );
        check(
            "attribute_not_exists(#until) OR (#until <= :now AND #n = :one)",
            json!({"until": {"N": "9"}}),
            false,
        );
        let item = json!({"until": {"N": "9"}, "waiting": {"N": "1"}});
        check(
            "attribute_not_exists(#until) OR (#until <= :now AND #n = :one)",
            item.clone(),
            true,
        );
        check("NOT #until > :now AND #n <> :now", item.clone(), true);
        check("name = :a", json!({"name": {"S": "a"}}), true);
        check("#until < :now", json!({}), false);
    }

    #[test]
    fn an_invalid_expression_is_refused() {
        let request = request();
        let placeholders = Placeholders::of(&request);
        for wrong in [
            "#until <",
            "#unknown = :now",
            "#until = :unknown",
            "(#until = :now",
            "#until = :now :now",
        ] {
            assert!(
                placeholders
                    .hold(wrong, &json!({"until": {"N": "1"}}))
                    .is_err(),
                "{wrong}"
            );
        }
        assert!(placeholders.update("SET #until", &mut Map::new()).is_err());
    }

    #[test]
    fn an_update_sets_adds_and_removes() {
        let request = request();
        let mut item = json!({"until": {"N": "9"}, "old": {"S": "x"}})
            .as_object()
            .expect("an item")
            .clone();
        let expression = "SET #until = :now, name = :a ADD #n :one REMOVE old";
        for _ in 0..2 {
            Placeholders::of(&request)
                .update(expression, &mut item)
                .expect("an update");
        }
        let expected = json!({"until": {"N": "10"}, "name": {"S": "a"}, "waiting": {"N": "2"}});
        assert_eq!(Value::Object(item), expected);
    }
}
