//! The properties of a deployment's hook: those of Custom::ECSTask that make sense without a stack,
//! completed from the service revision that is being deployed.
//!
//! Pure.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Properties, PropertyError, PropertyErrors, read, service::ServicePlacement, shape::Shape,
};
use crate::task::cluster_name;

/// The longest Timeout of a hook, in seconds: a minute less than the 1,440 minutes for which ECS
/// waits for a Lambda hook.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>
pub const MAX_HOOK_TIMEOUT: u32 = 86_340;
/// Stands for a name that the service revision gives, until the revision has been read.
const FROM_REVISION: &str = "the service's";

/// The properties that a hook cannot have, each with the reason.
const NOT_FOR_HOOKS: [(&str, &str); 11] = [
    ("ServiceToken", "HookTargetArn names the function"),
    (
        "ServiceTimeout",
        "ECS waits as long as TimeoutConfiguration of the hook says",
    ),
    ("RunOnUpdate", "a hook runs in every deployment"),
    (
        "RunOnRollback",
        "ECS does not invoke the stage in a rollback",
    ),
    (
        "UpdateCriteria",
        "there are no old properties to compare with: a hook runs in every deployment",
    ),
    ("WaitHandle", "ECS waits for the hook itself"),
    ("Triggers", "a hook runs in every deployment"),
    ("NoEcho", "a hook has no attributes"),
    ("ReturnOutput", "a hook has no attributes"),
    (
        "Service",
        "the task takes network and launch type from the service that is deployed",
    ),
    (
        "Instances",
        "StartTask has no client token, so a second invocation would start a second task",
    ),
];

/// A service revision: what a deployment deploys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceRevision {
    /// The cluster's ARN.
    pub cluster: String,
    /// The task definition's ARN.
    pub task_definition: String,
    /// The placement of its tasks.
    pub placement: ServicePlacement,
    /// The time at which ECS made it.
    pub created_at: Option<OffsetDateTime>,
}

impl Properties {
    /// Reads `ECSTask` of a hook's details. Cluster, TaskDefinition and the placement may be absent:
    /// [`Properties::deployed_as`] takes them from the revision.
    pub fn read_for_hook(task: &Value) -> Result<Self, PropertyErrors> {
        let Some(given) = task.as_object() else {
            let error = PropertyError::at("ECSTask", "must be an object with properties");
            return Err(PropertyErrors(vec![error]));
        };
        let mut given = given.clone();
        let mut errors: Vec<PropertyError> = NOT_FOR_HOOKS
            .iter()
            .filter(|(name, _)| given.remove(*name).is_some_and(|value| !value.is_null()))
            .map(|(name, why)| PropertyError::at(name, format!("cannot be given to a hook: {why}")))
            .collect();
        // Its limits differ from those of a custom resource.
        let timeout = timeout(given.remove("Timeout").as_ref(), &mut errors);
        // The service stands for the members of the network that are missing.
        for name in ["ServiceToken", "Service"] {
            given.insert(name.to_owned(), json!(FROM_REVISION));
        }
        for name in ["Cluster", "TaskDefinition"] {
            let absent = given.get(name).is_none_or(Value::is_null);
            if absent {
                given.insert(name.to_owned(), json!(FROM_REVISION));
            }
        }
        let properties = match Self::read(&Value::Object(given)) {
            Ok(properties) => properties,
            Err(PropertyErrors(more)) => {
                errors.extend(more);
                return Err(PropertyErrors(errors));
            }
        };
        match errors.is_empty() {
            true => Ok(Self {
                timeout: timeout.unwrap_or(properties.timeout),
                service: None,
                ..properties
            }),
            false => Err(PropertyErrors(errors)),
        }
    }

    /// The cluster, if the hook's details name one.
    pub fn own_cluster(&self) -> Option<&str> {
        Some(self.cluster.as_str()).filter(|name| *name != FROM_REVISION)
    }

    /// Completes the properties of a hook from the revision that is being deployed.
    #[must_use]
    pub fn deployed_as(self, revision: &ServiceRevision) -> Self {
        let or_the_revisions = |given: String, revisions: &str| match given == FROM_REVISION {
            true => revisions.to_owned(),
            false => given,
        };
        Self {
            cluster: or_the_revisions(self.cluster.clone(), cluster_name(&revision.cluster)),
            task_definition: or_the_revisions(
                self.task_definition.clone(),
                &revision.task_definition,
            ),
            ..self
        }
        .placed_as(revision.placement.clone())
    }
}

/// Reads Timeout, which must be at least 1: ECS waits for the verdict. `None` if it is absent or
/// wrong.
fn timeout(given: Option<&Value>, errors: &mut Vec<PropertyError>) -> Option<u32> {
    let shape = Shape::integer(1, MAX_HOOK_TIMEOUT.into());
    let given = given.filter(|given| !given.is_null())?;
    let seconds = read::read(given, &shape, "Timeout", errors)?;
    seconds.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(task: Value) -> String {
        Properties::read_for_hook(&task)
            .expect_err("wrong properties")
            .to_string()
    }

    fn revision() -> ServiceRevision {
        ServiceRevision {
            cluster: "arn:aws:ecs:us-west-2:123456789012:cluster/prod".to_owned(),
            task_definition: "arn:aws:ecs:us-west-2:123456789012:task-definition/web:7".to_owned(),
            placement: ServicePlacement {
                launch_type: Some("FARGATE".to_owned()),
                ..ServicePlacement::default()
            },
            created_at: None,
        }
    }

    #[test]
    fn a_hook_takes_from_the_revision_what_its_details_lack() {
        let read = Properties::read_for_hook(&json!({})).unwrap();
        assert_eq!(read.own_cluster(), None);
        let run = read.deployed_as(&revision());
        assert_eq!(run.cluster, "prod");
        assert_eq!(run.task_definition, revision().task_definition);
        assert_eq!(
            (run.launch_type.as_deref(), run.timeout),
            (Some("FARGATE"), 290)
        );
    }

    #[test]
    fn a_name_in_the_details_wins_over_the_revision() {
        let task = json!({"Cluster": "other", "TaskDefinition": "migrate:3", "Timeout": "86340"});
        let read = Properties::read_for_hook(&task).unwrap();
        assert_eq!(read.own_cluster(), Some("other"));
        let run = read.deployed_as(&revision());
        assert_eq!(
            (
                run.cluster.as_str(),
                run.task_definition.as_str(),
                run.timeout
            ),
            ("other", "migrate:3", 86_340)
        );
    }

    #[test]
    fn security_groups_alone_are_completed_from_the_revision() {
        let task =
            json!({"NetworkConfiguration": {"AwsvpcConfiguration": {"SecurityGroups": ["sg-1"]}}});
        assert!(Properties::read_for_hook(&task).is_ok());
    }

    #[test]
    fn each_property_of_a_custom_resource_alone_is_refused_with_its_reason() {
        for (name, why) in NOT_FOR_HOOKS {
            let said = errors(json!({ name: "x" }));
            assert_eq!(said, format!("{name} cannot be given to a hook: {why}"));
        }
    }

    #[test]
    fn all_errors_are_told_together() {
        let said = errors(json!({"Timeout": 0, "Instances": ["i"], "Overides": {}, "Count": 11}));
        for part in [
            "Timeout must be a whole number from 1 to 86340, not 0",
            "Instances cannot be given to a hook",
            "unknown property Overides",
            "Count must be a whole number from 0 to 10",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(
            errors(json!("x")),
            "ECSTask must be an object with properties"
        );
    }
}
