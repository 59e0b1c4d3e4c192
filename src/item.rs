//! An item of a DynamoDB table as JSON, and a conditional change of one.
//!
//! Pure: `aws::dynamodb` types the values for the SDK.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Attributes by name: an item, a key, or the values of an expression.
pub type Attributes = Map<String, Value>;

/// A change of one item. DynamoDB creates the item if it is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// The partition key and the sort key.
    pub key: Attributes,
    /// The update expression: `SET #a = :a ADD #b :b REMOVE #c`.
    pub expression: String,
    /// The condition expression; empty for an unconditional change.
    pub condition: String,
    /// The values of both expressions; their names begin with a colon.
    pub values: Attributes,
}

/// The outcome of a conditional change.
#[derive(Clone, Debug, PartialEq)]
pub enum Updated {
    /// The change was made. Holds the item before it.
    Done(Attributes),
    /// The condition does not hold. Holds the item as it is.
    Refused(Attributes),
}

impl Update {
    /// The condition expression, `None` for an unconditional change.
    pub fn condition(&self) -> Option<String> {
        Some(self.condition.clone()).filter(|condition| !condition.is_empty())
    }

    /// The attribute names that the two expressions use behind a `#`.
    pub fn names(&self) -> BTreeSet<&str> {
        // DynamoDB refuses a call whose names include one that no expression uses.
        let pieces = |text| str::split(text, '#').skip(1);
        let ends = |char: char| !(char.is_ascii_alphanumeric() || char == '_');
        let name = |piece: &'_ str| piece.find(ends).unwrap_or(piece.len());
        let all = pieces(&self.expression).chain(pieces(&self.condition));
        all.map(|piece| &piece[..name(piece)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_an_expression_are_found() {
        let update = Update {
            expression: "SET #ttl = :ttl, #told_at=:x ADD #waiting :n REMOVE #lease".to_owned(),
            condition: "attribute_not_exists(#until) OR #ttl < :now".to_owned(),
            ..Update::default()
        };
        let names: Vec<&str> = update.names().into_iter().collect();
        assert_eq!(names, ["lease", "told_at", "ttl", "until", "waiting"]);
    }
}
