//! Dependencies between the containers of a task.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html>

use super::{ContainerSpec, task::StageContainer};

const CONDITIONS: [&str; 4] = ["START", "COMPLETE", "SUCCESS", "HEALTHY"];

/// The state of a container that has not started.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Every dependency is met.
    Ready,
    /// A dependency is not met yet.
    Waiting,
    /// A dependency can never be met. Holds the stoppedReason of the failed start.
    Hopeless(String),
}

/// Refuses a dependency on an unknown container, on itself, in a circle, or with an unknown
/// condition.
pub(super) fn check(containers: &[ContainerSpec]) -> Result<(), String> {
    for container in containers {
        for (name, condition) in &container.depends_on {
            if !containers.iter().any(|one| one.name == *name) {
                return Err(format!(
                    "Container {} depends on {name}, which is no container of it.",
                    container.name
                ));
            }
            if !CONDITIONS.contains(&condition.as_str()) {
                return Err(format!(
                    "The condition of {}'s dependency on {name} should be one of [{}], not {condition}.",
                    container.name,
                    CONDITIONS.join(", ")
                ));
            }
        }
    }
    // Each round removes the containers that can start; the rest of the last round waits for
    // itself.
    let mut left: Vec<&ContainerSpec> = containers.iter().collect();
    loop {
        let waits = |one: &&ContainerSpec| {
            one.depends_on
                .iter()
                .any(|(name, _)| left.iter().any(|of| of.name == *name))
        };
        let next: Vec<&ContainerSpec> = left.iter().copied().filter(waits).collect();
        match next.len() {
            0 => return Ok(()),
            many if many == left.len() => {
                let names: Vec<&str> = left.iter().map(|one| one.name.as_str()).collect();
                return Err(format!(
                    "The dependencies of {} form a circle.",
                    names.join(", ")
                ));
            }
            _ => left = next,
        }
    }
}

/// The state of a container in its task.
pub(super) fn readiness(spec: &ContainerSpec, containers: &[StageContainer]) -> Readiness {
    let mut all = Readiness::Ready;
    for (name, condition) in &spec.depends_on {
        let container = containers.iter().find(|container| container.name == *name);
        match container.map_or(Readiness::Waiting, |container| of_one(container, condition)) {
            Readiness::Ready => {}
            Readiness::Waiting => all = Readiness::Waiting,
            hopeless @ Readiness::Hopeless(_) => return hopeless,
        }
    }
    all
}

fn of_one(container: &StageContainer, condition: &str) -> Readiness {
    let name = &container.name;
    match (condition, container.last_status) {
        // ECS then stops the task without starting the dependent container.
        ("SUCCESS", "STOPPED") if container.exit_code != Some(0) => Readiness::Hopeless(format!(
            "Dependent container {name} did not exit successfully"
        )),
        ("HEALTHY", "STOPPED") => Readiness::Hopeless(format!(
            "Dependent container {name} stopped instead of becoming healthy"
        )),
        ("COMPLETE" | "SUCCESS", "STOPPED") => Readiness::Ready,
        ("HEALTHY", _) if container.is_healthy => Readiness::Ready,
        // START waits as well: a pending container has not started.
        ("COMPLETE" | "SUCCESS" | "HEALTHY", _) | (_, "PENDING") => Readiness::Waiting,
        _ => Readiness::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        condition: &str,
        last_status: &'static str,
        exit_code: Option<i32>,
        expected: Readiness,
    ) {
        let container = StageContainer {
            name: "db".to_owned(),
            last_status,
            exit_code,
            ..StageContainer::default()
        };
        assert_eq!(of_one(&container, condition), expected);
    }

    #[test]
    fn each_condition_has_its_moment() {
        for condition in ["START", "COMPLETE", "SUCCESS", "HEALTHY"] {
            check(condition, "PENDING", None, Readiness::Waiting);
        }
        check("START", "RUNNING", None, Readiness::Ready);
        check("START", "STOPPED", Some(1), Readiness::Ready);
        for condition in ["COMPLETE", "SUCCESS", "HEALTHY"] {
            check(condition, "RUNNING", None, Readiness::Waiting);
        }
        check("COMPLETE", "STOPPED", Some(1), Readiness::Ready);
        check("SUCCESS", "STOPPED", Some(0), Readiness::Ready);
    }

    #[test]
    fn a_hopeless_dependency_is_not_waited_for() {
        let failed =
            Readiness::Hopeless("Dependent container db did not exit successfully".to_owned());
        check("SUCCESS", "STOPPED", Some(1), failed);
        let stopped = "Dependent container db stopped instead of becoming healthy".to_owned();
        check("HEALTHY", "STOPPED", Some(0), Readiness::Hopeless(stopped));
    }

    #[test]
    fn a_dependency_on_health_waits_for_a_healthy_container() {
        let container = StageContainer {
            last_status: "RUNNING",
            is_healthy: true,
            ..Default::default()
        };
        assert_eq!(of_one(&container, "HEALTHY"), Readiness::Ready);
    }
}
