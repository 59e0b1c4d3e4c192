//! Why tasks could not be started, in words.

use super::denied::allowance;
use crate::{
    call::CallError,
    properties::Properties,
    reason::{FailureClass, Reason},
    task::LaunchFailure,
    task::{TaskArn, TaskDefinition},
};

/// What a start was asked for, and how it went.
#[derive(Clone, Copy, Debug)]
pub struct StartTried<'s> {
    /// What was to run, and where.
    pub properties: &'s Properties,
    /// The stack's ARN, which says in which region and account.
    pub stack_id: &'s str,
    /// The definition, where it could be read.
    pub definition: Option<&'s TaskDefinition>,
    /// What did start.
    pub started: &'s [TaskArn],
    /// How many attempts there were, and over how many seconds.
    pub attempts: u32,
    /// See `attempts`.
    pub seconds: i64,
}

/// ECS started fewer tasks than it was asked for.
pub fn not_all_started(tried: &StartTried<'_>, failures: &[LaunchFailure]) -> Reason {
    let head = match (tried.started.len(), tried.properties.tasks()) {
        (0, 1) => "The task could not be started".to_owned(),
        (0, expected) => format!("None of the {expected} tasks could be started"),
        (started, expected) => {
            format!("Only {started} of {expected} tasks could be started, and those {started} were stopped")
        }
    };
    let Some(first) = failures.first() else {
        let hint = "ECS has not said why; deploy again";
        return Reason::new(head).of_class(FailureClass::Start).detail(Some(hint));
    };
    let (why, next) = in_words(tried, first);
    let often =
        (tried.attempts > 1).then(|| format!("It was tried {} times in {} s", tried.attempts, tried.seconds));
    let mut said: Vec<String> = failures.iter().map(as_said).collect();
    said.dedup();
    let said = (said != [why.as_str()]).then(|| format!("ECS says: {}", said.join("; ")));
    Reason::new(format!("{head}: {why}"))
        .of_class(FailureClass::Start)
        .detail(often.as_deref())
        .detail(next.as_deref())
        .detail(said.as_deref())
}

/// ECS's own words, with what they are about where it is more than a code.
fn as_said(failure: &LaunchFailure) -> String {
    let extra: Vec<&str> =
        [&failure.detail, &failure.arn].into_iter().flatten().map(String::as_str).collect();
    let extra = if extra.is_empty() { String::new() } else { format!(" ({})", extra.join(", ")) };
    format!("{}{extra}", failure.reason)
}

/// A failure's cause, and what to do about it.
fn in_words(tried: &StartTried<'_>, failure: &LaunchFailure) -> (String, Option<String>) {
    let cluster = &tried.properties.cluster;
    let named = |unnamed: &str| failure.arn.clone().unwrap_or_else(|| unnamed.to_owned());
    if let Some((why, next)) = unfit(tried, &failure.reason) {
        return (format!("no container instance of cluster {cluster} {why}"), Some(next));
    }
    let (why, next) = match failure.reason.as_str() {
        "AGENT" => (
            format!("the ECS agent of a container instance of cluster {cluster} is not connected"),
            "Look at the ECS agent on that instance, and at its way to the ECS endpoints",
        ),
        "MISSING" => (
            format!("{} is not registered in cluster {cluster}", named("a container instance")),
            "Check Cluster and Instances: the instance may have been deregistered",
        ),
        "INACTIVE" => (
            format!("{} is not active any more", named("the container instance")),
            "Name instances that are active",
        ),
        reason if reason.starts_with("Capacity is unavailable") => (
            format!("AWS has no capacity for it {}", tried.place()),
            "Name subnets in more availability zones or another capacity provider, or deploy again later",
        ),
        reason if reason.starts_with("No Container Instances") => (
            format!("cluster {cluster} has no container instances{}", tried.as_ec2()),
            "For Fargate set LaunchType: FARGATE; for EC2 let the resource depend on what adds instances",
        ),
        other => return (other.to_owned(), None),
    };
    (why, Some(next.to_owned()))
}

/// Why no container instance takes the task, by ECS's code for it, and what to do about that
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).
fn unfit(tried: &StartTried<'_>, code: &str) -> Option<(String, String)> {
    let wait = "Wait for other tasks to end, add container instances, or larger ones";
    let asked = |what: &str, unit: &str| {
        let amount = tried.asks_for(what).map_or_else(String::new, |amount| format!("{amount} {unit} of "));
        format!("has the {amount}{what} free that the task asks for")
    };
    let (why, next) = match code {
        "RESOURCE:MEMORY" => (asked("memory", "MiB"), format!("{wait}, or lower the task's memory")),
        "RESOURCE:CPU" => (asked("CPU", "units"), format!("{wait}, or lower the task's cpu")),
        "RESOURCE:GPU" => ("has the GPUs free that the task asks for".to_owned(), wait.to_owned()),
        "RESOURCE:ENI" => (
            "has a network interface free, of which every awsvpc task takes one".to_owned(),
            format!("{wait}, or switch on ENI trunking (awsvpcTrunking) and replace the instances"),
        ),
        "RESOURCE:PORTS" => (
            "has the host ports free that the task maps".to_owned(),
            "Wait for other tasks to end, add container instances, or map dynamic host ports (hostPort 0, in \
             network mode bridge)"
                .to_owned(),
        ),
        "ATTRIBUTE" => (
            "has every attribute that the task definition requires".to_owned(),
            "Compare requiresAttributes of the task definition with the attributes of the instances".to_owned(),
        ),
        "LOCATION" => (
            match tried.subnets() {
                Some(subnets) => format!("is in an Availability Zone of the task's subnets ({subnets})"),
                None => "is in an Availability Zone of the task's subnets".to_owned(),
            },
            "Name subnets in the Availability Zones of the instances, or add instances there".to_owned(),
        ),
        code if code.starts_with("MemberOf placement constraint") => (
            "meets the placement constraints".to_owned(),
            "Compare PlacementConstraints, and those of the task definition, with the attributes of the \
             instances"
                .to_owned(),
        ),
        _ => return None,
    };
    Some((why, next))
}

/// RunTask or StartTask did not work.
pub fn start_refused(tried: &StartTried<'_>, error: &CallError) -> Reason {
    let properties = tried.properties;
    let (cluster, name) = (&properties.cluster, &properties.task_definition);
    let (region, account) = tried.region_and_account();
    let said = error.message.as_str();
    let (head, next) = if error.is("ClusterNotFoundException") {
        (
            format!("There is no cluster {cluster} in region {region} of account {account}"),
            Some("Check Cluster, and that the cluster is in the function's region and account".to_owned()),
        )
    } else if said.to_ascii_lowercase().contains("taskdefinition is inactive") {
        (
            format!("The task definition {name} is not active: it has been deregistered"),
            Some("Name an active revision, or register a new one".to_owned()),
        )
    } else if said.contains("Override for container named") {
        let known = tried.definition.map(|definition| {
            let names: Vec<&str> = definition.containers.iter().map(|one| one.name.as_str()).collect();
            format!("The task definition {name} has the containers {}", names.join(", "))
        });
        ("Overrides names a container that the task definition does not have".to_owned(), known)
    } else if said.contains("Unable to describe task definition") || said.contains("TaskDefinition not found")
    {
        (
            format!("There is no task definition {name} in region {region} of account {account}"),
            Some("Check TaskDefinition: its family, and its revision if it names one".to_owned()),
        )
    } else {
        let next = match allowance(error) {
            None if error.is_throttled() => Some(
                "ECS throttled every attempt until the time was up: deploy again, or start fewer tasks at \
                 once"
                    .to_owned(),
            ),
            None if error.is_transient() => {
                Some("AWS did not answer until the time was up; deploy again".to_owned())
            }
            None if said.contains("Network Configuration must be provided") => Some(
                "Set NetworkConfiguration: AwsvpcConfiguration with Subnets and SecurityGroups".to_owned(),
            ),
            allowance => allowance,
        };
        (format!("No task of definition {name} could be started on cluster {cluster}"), next)
    };
    Reason::new(head).of_class(FailureClass::Start).detail(next.as_deref()).detail(Some(&error.to_string()))
}

/// WatchContainers names containers that the task definition does not have.
pub fn unknown_containers(unknown: &[&str], definition: &TaskDefinition) -> Reason {
    let known: Vec<&str> = definition.containers.iter().map(|container| container.name.as_str()).collect();
    Reason::new(format!(
        "Nothing was started: WatchContainers names {}, but the task definition {} has {}",
        unknown.join(", "),
        definition.arn,
        known.join(", ")
    ))
    .of_class(FailureClass::Refused)
}

/// The service that the placement is to be taken from is not there, or cannot be asked for.
pub fn no_service(service: &str, cluster: &str, error: Option<&CallError>) -> Reason {
    let head = match error {
        None => {
            format!("Nothing was started: Service names {service}, but cluster {cluster} has no such service")
        }
        Some(_) => format!("Nothing was started: service {service} on cluster {cluster} cannot be read"),
    };
    Reason::new(head)
        .of_class(FailureClass::Refused)
        .detail(error.and_then(allowance).as_deref())
        .detail(error.map(ToString::to_string).as_deref())
}

impl StartTried<'_> {
    /// How much of `memory` (MiB) or `cpu` (units) the task asks for, as far as its overrides and definition
    /// say.
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

    /// The subnets that it names.
    fn subnets(&self) -> Option<String> {
        let network = self.properties.network_configuration.as_ref()?;
        Some(network.awsvpc_configuration.subnets.as_ref()?.join(", "))
    }

    /// That it was started as EC2, where no property says so.
    fn as_ec2(&self) -> &'static str {
        let properties = self.properties;
        match properties.launch_type.is_none() && properties.capacity_provider_strategy.is_none() {
            true => ", and without LaunchType or CapacityProviderStrategy the launch type is EC2",
            false => "",
        }
    }

    /// By what and where capacity was looked for.
    fn place(&self) -> String {
        let properties = self.properties;
        let by = match (&properties.launch_type, &properties.capacity_provider_strategy) {
            (Some(launch_type), _) => format!("(launch type {launch_type})"),
            (None, Some(strategy)) => {
                let names: Vec<&str> = strategy.iter().map(|item| item.capacity_provider.as_str()).collect();
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
        (parts.next().unwrap_or("unknown"), parts.next().unwrap_or("unknown"))
    }
}
