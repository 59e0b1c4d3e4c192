//! Reasons of tasks that could not be started.

use super::{called, denied::denial};
use crate::{
    call::CallError,
    failures::{self, Particulars, Recognised},
    properties::Properties,
    reason::{FailureClass, Reason},
    task::{LaunchFailure, TaskArn, TaskDefinition, definition_name},
};

/// The request for a start, and its outcome.
#[derive(Clone, Copy, Debug)]
pub struct StartTried<'s> {
    /// The properties of the run.
    pub properties: &'s Properties,
    /// The stack's ARN, which holds the Region and the account.
    pub stack_id: &'s str,
    /// The task definition, if it could be read.
    pub definition: Option<&'s TaskDefinition>,
    /// The tasks that started.
    pub started: &'s [TaskArn],
    /// True if there were several attempts.
    pub was_repeated: bool,
    /// The seconds that the attempts took.
    pub seconds: i64,
}

/// ECS started fewer tasks than the run needs.
pub fn not_all_started(tried: &StartTried<'_>, failures: &[LaunchFailure]) -> Reason {
    let Some(first) = failures.first() else {
        let reason = Reason::new("ECS did not start the task, and gave no reason")
            .of_class(FailureClass::Start);
        return tried.how(reason.step("Deploy again"));
    };
    let recognised = failures::of_launch(&first.reason);
    let instance = first.arn.as_deref().map(last_part);
    let reason = Reason::of(&recognised, &tried.facts().with("instance", instance));
    let mut said: Vec<String> = failures
        .iter()
        .map(|failure| as_said(failure, &recognised))
        .collect();
    said.dedup();
    tried.how(reason).said(Some(&said.join("; ")))
}

/// ECS's own words, with the resource they are about if it is more than a code.
fn as_said(failure: &LaunchFailure, recognised: &Recognised) -> String {
    // The text before it may have named the instance.
    let about = failure
        .arn
        .as_deref()
        .filter(|_| !recognised.entry.lead.contains("{instance}"));
    let about = about.map(|arn| match arn.contains(":container-instance/") {
        true => format!("container instance {}", last_part(arn)),
        false => arn.to_owned(),
    });
    let extra: Vec<&str> = [failure.detail.as_deref(), about.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let extra = if extra.is_empty() {
        String::new()
    } else {
        format!(" ({})", extra.join(", "))
    };
    format!("{}{extra}", failure.reason)
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// RunTask or StartTask failed.
pub fn start_refused(tried: &StartTried<'_>, error: &CallError) -> Reason {
    if error.is("Refused") {
        // The function's own refusal needs no explanation from the catalogue.
        return Reason::new(format!("Nothing was started: {}", error.message))
            .of_class(FailureClass::Start);
    }
    let recognised = failures::of_call(&error.code, &error.message);
    let denial = denial(error);
    let facts = tried.facts().with("operation", Some(error.operation));
    let facts = facts.with("allow", denial.as_ref().map(|denial| denial.allow.as_str()));
    let reason = Reason::of(&recognised, &facts).of_class(FailureClass::Start);
    let said = denial
        .is_none_or(|denial| !denial.is_all)
        .then(|| format!("{}: {}", error.code, error.message));
    tried.how(reason).said(said.as_deref())
}

/// WatchContainers names containers that the task definition does not have.
pub fn unknown_containers(unknown: &[&str], definition: &TaskDefinition) -> Reason {
    let facts = Particulars::default()
        .with("unknown", Some(&unknown.join(", ")))
        .with("definition", Some(definition_name(&definition.arn)))
        .with("containers", Some(&containers(definition)));
    Reason::of(&Recognised::of("watch-containers"), &facts)
}

/// The service that the placement comes from does not exist, or cannot be described.
pub fn no_service(service: &str, cluster: &str, error: Option<&CallError>) -> Reason {
    match error {
        None => {
            let facts = Particulars::default()
                .with("service", Some(service))
                .with("cluster", Some(cluster));
            Reason::of(&Recognised::of("service-not-found"), &facts)
        }
        Some(error) => {
            let lead = format!(
                "Nothing was started: the function could not read service {service} on cluster {cluster}"
            );
            called(Reason::new(lead).of_class(FailureClass::Refused), error)
        }
    }
}

fn containers(definition: &TaskDefinition) -> String {
    let names: Vec<&str> = definition
        .containers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    names.join(", ")
}

impl StartTried<'_> {
    /// Adds the number of started tasks, and of attempts.
    fn how(&self, reason: Reason) -> Reason {
        let count = match (self.started.len(), self.properties.tasks()) {
            (0, 1) => None,
            (0, expected) => Some(format!("ECS started none of the {expected} tasks")),
            (started, expected) => Some(format!(
                "ECS started only {started} of {expected} tasks, and the function stopped them: their work may be \
                 half done"
            )),
        };
        let long = self
            .was_repeated
            .then(|| format!("The function tried for {} s", self.seconds));
        reason.fact(count.as_deref()).fact(long.as_deref())
    }

    /// The names for a text about this start.
    fn facts(&self) -> Particulars {
        let properties = self.properties;
        let (region, account) = self.region_and_account();
        let providers = properties
            .capacity_provider_strategy
            .as_ref()
            .map(|strategy| {
                strategy
                    .iter()
                    .map(|item| item.capacity_provider.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            });
        let definition = self
            .definition
            .map_or(properties.task_definition.as_str(), |read| {
                read.arn.as_str()
            });
        let network = properties
            .network_configuration
            .as_ref()
            .map(ToString::to_string);
        let as_ec2 =
            properties.launch_type.is_none() && properties.capacity_provider_strategy.is_none();
        Particulars::default()
            .about(None)
            .with(
                "cluster",
                Some(crate::task::cluster_name(&properties.cluster)),
            )
            .with("definition", Some(definition_name(definition)))
            .with("region", Some(region))
            .with("account", Some(account))
            .with("memory", self.asks_for("memory").as_deref())
            .with("cpu", self.asks_for("cpu").as_deref())
            .with("subnets", self.subnets().as_deref())
            .with("network", network.as_deref())
            .with("place", Some(&self.place()))
            .with("providers", providers.as_deref())
            // LATEST is what ECS takes without it.
            .with(
                "platformVersion",
                properties
                    .platform_version
                    .as_deref()
                    .filter(|version| *version != "LATEST"),
            )
            .with("containers", self.definition.map(containers).as_deref())
            .with(
                "asEc2",
                as_ec2.then_some(
                    "ECS chose EC2, because the resource names no launch type and the cluster has no default \
                     capacity provider strategy",
                ),
            )
            .on(properties.launch_type.as_deref())
    }

    /// The amount of `memory` (MiB) or `cpu` (units) that the task needs, according to its
    /// overrides and its definition.
    fn asks_for(&self, what: &str) -> Option<String> {
        let overrides = self.properties.overrides.as_ref();
        let definition = self.definition;
        match what {
            "memory" => overrides
                .and_then(|overrides| overrides.memory.clone())
                .or_else(|| definition.and_then(|definition| definition.memory.clone())),
            _ => overrides
                .and_then(|overrides| overrides.cpu.clone())
                .or_else(|| definition.and_then(|definition| definition.cpu.clone())),
        }
    }

    /// The subnets of the run.
    fn subnets(&self) -> Option<String> {
        let network = self.properties.network_configuration.as_ref()?;
        Some(network.awsvpc_configuration.subnets.as_ref()?.join(", "))
    }

    /// The launch type or the capacity providers, and the place, of the start.
    fn place(&self) -> String {
        let properties = self.properties;
        let by = match (
            &properties.launch_type,
            &properties.capacity_provider_strategy,
        ) {
            (Some(launch_type), _) => format!("(launch type {launch_type})"),
            (None, Some(strategy)) => {
                let names: Vec<&str> = strategy
                    .iter()
                    .map(|item| item.capacity_provider.as_str())
                    .collect();
                format!("(capacity providers {})", names.join(", "))
            }
            (None, None) => "(the cluster's default capacity)".to_owned(),
        };
        match self.subnets() {
            Some(subnets) => format!("in {subnets} {by}"),
            None => by,
        }
    }

    fn region_and_account(&self) -> (&str, &str) {
        let mut parts = self.stack_id.split(':').skip(3);
        (
            parts.next().unwrap_or("unknown"),
            parts.next().unwrap_or("unknown"),
        )
    }
}
