//! Conditions, and rules, which are conditions on parameters that must hold.

use serde_json::Value;

use super::{
    error::TemplateErrors,
    node::Node,
    resolve::{Scope, arguments},
};

/// Functions of rules that ask AWS about the value of a parameter.
const ASKS_AWS: [&str; 3] = ["Fn::ValueOf", "Fn::ValueOfAll", "Fn::RefAll"];

impl Scope<'_> {
    /// True if a condition holds, given as a name or an expression.
    pub fn holds(&self, condition: &Node) -> Result<bool, TemplateErrors> {
        self.holds_within(condition, 0)
    }

    /// Checks the template's rules.
    pub fn check_rules(&self) -> Result<(), TemplateErrors> {
        let mut errors = TemplateErrors::default();
        for (name, rule) in &self.template.rules {
            if let Some(condition) = rule.field("RuleCondition")
                && errors.take(self.holds(condition)) != Some(true)
            {
                continue;
            }
            let assertions = rule
                .field("Assertions")
                .ok_or_else(|| rule.error(format!("rule {name} has no Assertions")));
            let Some(assertions) = errors.take(assertions) else {
                continue;
            };
            for assertion in errors
                .take(assertions.items("Assertions"))
                .unwrap_or_default()
            {
                let Some(assert) = assertion.field("Assert") else {
                    continue;
                };
                if !asks_aws(assert) && errors.take(self.holds(assert)) == Some(false) {
                    let why = assertion
                        .field("AssertDescription")
                        .and_then(Node::text)
                        .unwrap_or("it has no AssertDescription");
                    errors.add(assert.error(format!("rule {name} failed: {why}")));
                }
            }
        }
        errors.or(())
    }

    fn holds_within(&self, condition: &Node, depth: usize) -> Result<bool, TemplateErrors> {
        // CloudFormation refuses a circle of conditions, and this would follow it for ever.
        if depth > 50 {
            return Err(condition
                .error("the conditions refer to each other in a cycle")
                .into());
        }
        if let Some(name) = condition.text() {
            let unknown = || condition.error(format!("the template has no condition {name}"));
            return self.holds_within(
                self.template.conditions.get(name).ok_or_else(unknown)?,
                depth + 1,
            );
        }
        let wrong = || {
            condition.error("a condition must be Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition")
        };
        let (name, argument) = condition.single().ok_or_else(wrong)?;
        let all = |argument: &Node| -> Result<Vec<bool>, TemplateErrors> {
            argument
                .items(name)?
                .iter()
                .map(|one| self.holds_within(one, depth + 1))
                .collect()
        };
        match name {
            "Condition" => self.holds_within(argument, depth + 1),
            "Fn::Equals" => {
                let [one, other] = arguments(argument, name)?;
                Ok(self.resolve(one)? == self.resolve(other)?)
            }
            "Fn::And" => Ok(all(argument)?.iter().all(|holds| *holds)),
            "Fn::Or" => Ok(all(argument)?.iter().any(|holds| *holds)),
            "Fn::Not" => {
                let [one] = arguments(argument, name)?;
                Ok(!self.holds_within(one, depth + 1)?)
            }
            "Fn::Contains" => {
                let [list, value] = arguments(argument, name)?;
                let value = self.resolve(value)?.unwrap_or_default();
                Ok(self.list_of(list, name)?.contains(&value))
            }
            "Fn::EachMemberEquals" => {
                let [list, value] = arguments(argument, name)?;
                let value = self.resolve(value)?.unwrap_or_default();
                Ok(self.list_of(list, name)?.iter().all(|item| *item == value))
            }
            "Fn::EachMemberIn" => {
                let [items, list] = arguments(argument, name)?;
                let list: Vec<Value> = self.list_of(list, name)?;
                Ok(self
                    .list_of(items, name)?
                    .iter()
                    .all(|item| list.contains(item)))
            }
            other => Err(condition
                .error(format!(
                    "the rehearsal does not support the condition function {other}"
                ))
                .into()),
        }
    }
}

/// True if an assertion asks AWS, so that it cannot be checked here.
fn asks_aws(node: &Node) -> bool {
    match &node.kind {
        super::node::NodeKind::Map(fields) => fields
            .iter()
            .any(|(name, value)| ASKS_AWS.contains(&name.as_str()) || asks_aws(value)),
        super::node::NodeKind::List(items) => items.iter().any(asks_aws),
        _ => false,
    }
}
