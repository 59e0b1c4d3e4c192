//! An item of a DynamoDB table as JSON, and a conditional change of one.
//!
//! Pure: `aws::dynamodb` types the values for the SDK.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Attributes by name: an item, a key, or the values of an expression.
pub type Attributes = Map<String, Value>;

/// A change of one item, made where it is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// Partition and sort key.
    pub key: Attributes,
    /// `SET #a = :a ADD #b :b REMOVE #c`
    pub expression: String,
    /// On which condition; none where it is empty.
    pub condition: String,
    /// The values of both, by their names with the colon.
    pub values: Attributes,
}

/// The outcome of a conditional change.
#[derive(Clone, Debug, PartialEq)]
pub enum Updated {
    /// It was made; the item as it was before.
    Done(Attributes),
    /// The condition does not hold; the item as it is.
    Refused(Attributes),
}

impl Update {
    /// The condition, if it has one.
    pub fn condition(&self) -> Option<String> {
        Some(self.condition.clone()).filter(|condition| !condition.is_empty())
    }

    /// The names that stand in its expressions behind a `#`.
    pub fn names(&self) -> BTreeSet<&str> {
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
