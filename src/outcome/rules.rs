//! The rules of a run: which of a task's containers count, and which exit codes are a success.

use crate::task::{CONTAINER_EXITED, Container, Task, TaskDefinition};

/// The name in WatchContainers that stands for every container of the task definition.
pub const EVERY_CONTAINER: &str = "*";

/// Prefixes of the containers that AWS adds to a task: GuardDuty's agent, and Service Connect's
/// proxy.
///
/// <https://docs.aws.amazon.com/guardduty/latest/ug/how-runtime-monitoring-works-ecs-fargate.html>
pub const INJECTED: [&str; 2] = ["aws-guardduty-agent", "ecs-service-connect-"];

/// The rules for the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// WatchContainers. If it names any, only these decide; [`EVERY_CONTAINER`] stands for all of
    /// the task definition.
    pub watch_containers: &'a [String],
    /// SuccessExitCodes.
    pub success_exit_codes: &'a [i64],
    /// The task definition of the run. Its essential containers decide. Without it every container
    /// counts, except those that AWS is known to inject and those that ECS told to stop.
    pub definition: Option<&'a TaskDefinition>,
}

impl Rules<'_> {
    /// The containers of a task that decide, in the task's order.
    pub fn counting<'t>(&self, task: &'t Task) -> Vec<&'t Container> {
        task.containers
            .iter()
            .filter(|container| self.counts(container, task))
            .collect()
    }

    /// The containers that do not count and failed, in the order of the tasks. A SUCCESS names
    /// them, so that it hides nothing.
    pub fn helpers_that_failed<'t>(&self, tasks: &'t [Task]) -> Vec<&'t Container> {
        let helpers = |task: &'t Task| {
            task.containers
                .iter()
                .filter(move |one| self.is_own(one) && !self.counts(one, task))
        };
        tasks
            .iter()
            .flat_map(helpers)
            .filter(|helper| !self.ended_well(helper))
            .collect()
    }

    pub(super) fn watches_every_container(&self) -> bool {
        self.watch_containers
            .iter()
            .any(|name| name == EVERY_CONTAINER)
    }

    /// True if the container is in the task definition, and AWS did not inject it.
    pub(super) fn is_own(&self, container: &Container) -> bool {
        match self.definition {
            Some(definition) => definition.container(&container.name).is_some(),
            None => !is_injected(container),
        }
    }

    pub(super) fn counts(&self, container: &Container, task: &Task) -> bool {
        if self.watches_every_container() {
            // AWS's own agents often have no exit code, and must not fail a run that watches every
            // container.
            return self.is_own(container);
        }
        if !self.watch_containers.is_empty() {
            return self.watch_containers.contains(&container.name);
        }
        match self.definition {
            Some(definition) => definition
                .container(&container.name)
                .is_some_and(|one| one.essential),
            None => !is_injected(container) && !was_only_told_to_stop(container, task),
        }
    }

    pub(super) fn ended_well(&self, container: &Container) -> bool {
        container
            .exit_code
            .is_some_and(|code| self.success_exit_codes.contains(&code))
    }
}

fn is_injected(container: &Container) -> bool {
    INJECTED
        .iter()
        .any(|prefix| container.name.starts_with(prefix))
}

/// True if ECS stopped the container because another one of the task had ended by itself.
fn was_only_told_to_stop(container: &Container, task: &Task) -> bool {
    let ended_by_itself = |other: &Container| {
        !is_injected(other)
            && !other.was_signalled()
            && (other.exit_code.is_some() || other.reason.is_some())
    };
    task.stop_code.as_deref() == Some(CONTAINER_EXITED)
        && container.was_signalled()
        && task.containers.iter().any(ended_by_itself)
}
