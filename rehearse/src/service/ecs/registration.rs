//! Rules of RegisterTaskDefinition: each member that has a rule in AWS's API reference.
//!
//! A rule stands here if the reference states it, or if ECS is known to refuse. Lists of values
//! that AWS extends from time to time (operating systems, isolation modes) are left to AWS.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html>

mod container;
mod task;

use core::fmt;

use serde_json::Value;

/// A rule that a task definition breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The member in CloudFormation's spelling, such as
    /// `ContainerDefinitions[0].HealthCheck.Interval`. Empty for the whole definition.
    pub path: String,
    /// ECS's words, as near as they are known.
    pub message: String,
}

/// All rules that a task definition breaks, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl core::error::Error for Refusals {}

impl From<String> for Refusals {
    fn from(message: String) -> Self {
        Self(vec![Refusal {
            path: String::new(),
            message,
        }])
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            write!(
                f,
                "{}{}",
                if index == 0 { "" } else { " " },
                refusal.message
            )?;
        }
        Ok(())
    }
}

/// Members of a definition on which several rules depend.
pub(super) struct Facts<'d> {
    pub(super) definition: &'d Value,
    pub(super) network_mode: &'d str,
    pub(super) is_for_fargate: bool,
    pub(super) is_windows: bool,
}

/// Checks a definition in ECS's spelling.
pub(super) fn check(definition: &Value, network_mode: &str, is_for_fargate: bool) -> Vec<Refusal> {
    let family = definition["runtimePlatform"]["operatingSystemFamily"]
        .as_str()
        .unwrap_or("LINUX");
    let facts = Facts {
        definition,
        network_mode,
        is_for_fargate,
        is_windows: family.starts_with("WINDOWS"),
    };
    let mut broken = Broken(Vec::new());
    task::check(&facts, &mut broken);
    for (index, one) in items(&definition["containerDefinitions"]).enumerate() {
        container::check(
            &facts,
            one,
            &format!("ContainerDefinitions[{index}]"),
            &mut broken,
        );
    }
    broken.0
}

/// The refusals so far.
pub(super) struct Broken(Vec<Refusal>);

impl Broken {
    /// Adds a refusal if its rule is broken.
    pub(super) fn when(
        &mut self,
        is_broken: bool,
        path: impl Into<String>,
        message: impl FnOnce() -> String,
    ) {
        if is_broken {
            self.0.push(Refusal {
                path: path.into(),
                message: message(),
            });
        }
    }

    /// Checks that a member has one of these values, if it is given.
    pub(super) fn one_of(&mut self, value: &Value, known: &[&str], path: String, name: &str) {
        if let Some(other) = value.as_str().filter(|other| !known.contains(other)) {
            self.when(true, path, || {
                format!(
                    "{name} should be one of [{}], not {other}.",
                    known.join(", ")
                )
            });
        }
    }

    /// Checks that a number lies between these or is one of them, if it is given.
    pub(super) fn between(&mut self, value: &Value, from: i64, to: i64, path: String, name: &str) {
        if let Some(other) = value.as_i64().filter(|other| !(from..=to).contains(other)) {
            self.when(true, path, || {
                format!("{name} must be from {from} to {to}, not {other}.")
            });
        }
    }
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// True for `true`, also as a text: CloudFormation makes texts of values.
pub(super) fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| {
        value
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    })
}

/// Letters, digits, hyphens and underscores, at most 255.
pub(super) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
}

#[cfg(test)]
mod tests;
