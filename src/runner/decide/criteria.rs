//! UpdateCriteria: the changes of a task definition that make an Update run.
//!
//! Pure. Containers and variables are compared by name, so their order does not matter.

use crate::{properties::UpdateCriterion, task::TaskDefinition};

/// Returns true if any criterion is met: a named variable (plain or from `secrets`) or the image
/// differs between the old and the new task definition. A container that only one of them has meets
/// its criterion.
pub fn met(criteria: &[UpdateCriterion], old: &TaskDefinition, new: &TaskDefinition) -> bool {
    criteria.iter().any(|criterion| {
        let [old, new] = [old, new].map(|definition| definition.container(&criterion.container));
        let (Some(old), Some(new)) = (old, new) else {
            return old.is_some() || new.is_some();
        };
        let keys = criterion.environment_keys.as_deref().unwrap_or_default();
        criterion.image && old.image != new.image
            || keys.iter().any(|key| {
                old.environment.get(key) != new.environment.get(key)
                    || old.secrets.get(key) != new.secrets.get(key)
            })
    })
}

/// The containers that criteria name and the definition does not have. They are most likely typing
/// errors, so the caller logs them.
pub fn unknown_containers<'c>(
    criteria: &'c [UpdateCriterion],
    new: &TaskDefinition,
) -> Vec<&'c str> {
    criteria
        .iter()
        .map(|criterion| criterion.container.as_str())
        .filter(|container| new.container(container).is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::task::ContainerDefinition;

    fn definition(
        image: &str,
        environment: &[(&str, &str)],
        secrets: &[(&str, &str)],
    ) -> TaskDefinition {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        TaskDefinition {
            containers: vec![ContainerDefinition {
                name: "app".to_owned(),
                image: image.to_owned(),
                environment: map(environment),
                secrets: map(secrets),
                ..ContainerDefinition::default()
            }],
            ..TaskDefinition::default()
        }
    }

    fn criterion(container: &str, keys: &[&str], image: bool) -> UpdateCriterion {
        UpdateCriterion {
            container: container.to_owned(),
            environment_keys: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
            image,
        }
    }

    #[track_caller]
    fn check(
        criterion: &UpdateCriterion,
        old: &TaskDefinition,
        new: &TaskDefinition,
        expected: bool,
    ) {
        assert_eq!(met(std::slice::from_ref(criterion), old, new), expected);
    }

    #[test]
    fn only_named_variables_count_and_never_their_order() {
        let old = definition("a:1", &[("DB_HOST", "one"), ("X", "1")], &[]);
        let new = definition("a:2", &[("X", "2"), ("DB_HOST", "one")], &[]);
        check(&criterion("app", &["DB_HOST"], false), &old, &new, false);
        check(&criterion("app", &["X"], false), &old, &new, true);
        check(
            &criterion("app", &["DB_HOST", "X"], false),
            &old,
            &new,
            true,
        );
    }

    #[test]
    fn a_variable_that_comes_or_goes_has_changed() {
        let without = definition("a", &[], &[]);
        let with = definition("a", &[("DB_HOST", "")], &[]);
        check(
            &criterion("app", &["DB_HOST"], false),
            &without,
            &with,
            true,
        );
        check(
            &criterion("app", &["DB_HOST"], false),
            &with,
            &without,
            true,
        );
        check(&criterion("app", &["OTHER"], false), &with, &without, false);
    }

    #[test]
    fn secrets_count_as_variables_do() {
        let old = definition("a", &[], &[("DB_PASSWORD", "arn:1")]);
        let new = definition("a", &[], &[("DB_PASSWORD", "arn:2")]);
        check(&criterion("app", &["DB_PASSWORD"], false), &old, &new, true);
    }

    #[test]
    fn the_image_counts_where_it_is_asked_for() {
        let (old, new) = (definition("a:1", &[], &[]), definition("a:2", &[], &[]));
        check(&criterion("app", &[], true), &old, &new, true);
        check(&criterion("app", &[], true), &old, &old, false);
        check(&criterion("app", &["X"], false), &old, &new, false);
    }

    #[test]
    fn a_container_that_only_one_definition_has_differs() {
        let definition = definition("a", &[], &[]);
        check(
            &criterion("app", &["X"], false),
            &TaskDefinition::default(),
            &definition,
            true,
        );
        check(
            &criterion("other", &["X"], false),
            &definition,
            &definition,
            false,
        );
        assert_eq!(
            unknown_containers(&[criterion("other", &[], true)], &definition),
            ["other"]
        );
    }
}
