//! The verdict: what a run's tasks, as ECS describes them, mean for the deploy.
//!
//! Pure, and derived anew from facts at every look. A failed task is an outcome, not an error of ours; each
//! failure carries the evidence that the Reason is written from.

use std::iter;

use crate::task::{Container, Task, TaskArn, TaskDefinition};

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// At least one task is not over.
    Pending,
    /// All tasks are over.
    Over {
        /// What they came to.
        verdict: Verdict,
        /// What could still change or explain the verdict.
        awaited: Awaited,
    },
}

/// Facts that may still arrive after a task is over, those worth the longest wait last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// None that matters.
    Nothing,
    /// The stop code of a task that is STOPPED and otherwise succeeded: somebody may have stopped it.
    StopCode,
    /// A stop code or an exit code that comes with STOPPED at the latest, or shortly after it.
    Codes,
    /// The task definition, which says whether a container that failed counts at all.
    Definition,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every container that counts ended well.
    Succeeded,
    /// At least one task failed, in the order of the tasks.
    Failed(Vec<Failure>),
}

/// One task that failed, with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which task.
    pub task: TaskArn,
    /// What failed: of several containers the one that says most of why.
    pub cause: Cause,
    /// What else failed in it, in the order in which it is worth reading.
    pub others: Vec<Cause>,
    /// ECS's stop code.
    pub stop_code: Option<String>,
    /// ECS's words for why the task stopped.
    pub stopped_reason: Option<String>,
    /// The essential container that ended by itself, which made ECS stop the others; nothing where none did,
    /// or the task definition is not known.
    pub ended_by: Option<Ender>,
    /// The culprit's image, where ECS names it.
    pub image: Option<String>,
    /// FARGATE, EC2 or EXTERNAL.
    pub launch_type: Option<String>,
}

/// An essential container that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ender {
    /// Its name.
    pub container: String,
    /// Its exit code, which may be a success.
    pub code: i64,
}

/// What failed in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The task never started: an image that cannot be pulled, a secret that cannot be read, no network
    /// interface.
    FailedToStart {
        /// The container that says why, if one does.
        container: Option<String>,
        /// What it says.
        reason: Option<String>,
    },
    /// A container that counts ended with an exit code that is no success.
    Exited {
        /// Its name.
        container: String,
        /// Its exit code.
        code: i64,
        /// What the agent says of it.
        reason: Option<String>,
    },
    /// A container that counts has no exit code: it never ran, or its host was lost.
    NoExitCode {
        /// Its name.
        container: String,
        /// What the agent says of it.
        reason: Option<String>,
    },
    /// Somebody stopped the task.
    StoppedByUser,
    /// The task shows no container that counts.
    NoContainer,
    /// ECS does not know the task.
    Missing,
}

impl Verdict {
    /// Whether a verdict that was reached without the task definition could turn out otherwise with it: a
    /// container that was ended by a signal may not be essential, and one without an exit code may be one
    /// that AWS has added.
    pub fn rests_on_definition(&self, rules: Rules<'_>) -> bool {
        let Self::Failed(failures) = self else { return false };
        let may_turn = |failure: &Failure| {
            failure.cause.rests_on_definition() && failure.others.iter().all(Cause::rests_on_definition)
        };
        rules.definition.is_none() && rules.watch_containers.is_empty() && failures.iter().all(may_turn)
    }

    /// Whether the run failed before any of its containers ran, so that it can be started anew without
    /// running anything twice. What somebody has stopped stays stopped.
    pub fn never_ran(&self, tasks: &[Task]) -> bool {
        let Self::Failed(failures) = self else { return false };
        let wanted = |failure: &Failure| {
            failure.cause != Cause::Missing && failure.stop_code.as_deref() != Some("UserInitiated")
        };
        failures.iter().all(wanted) && tasks.iter().all(|task| !task.ever_ran())
    }
}

/// What the names of containers begin with that AWS adds to a task: GuardDuty's agent, and Service Connect's
/// proxy.
///
/// <https://docs.aws.amazon.com/guardduty/latest/ug/how-runtime-monitoring-works-ecs-fargate.html>
pub const INJECTED: [&str; 2] = ["aws-guardduty-agent", "ecs-service-connect-"];

/// Exit codes of a container that was told to stop, or killed: SIGKILL and SIGTERM.
const ENDED_BY_SIGNAL: [i64; 2] = [137, 143];

impl Cause {
    /// How much it says of why a task failed, the most telling first: a reason of its own, then a code that
    /// the program chose, then one that it got from whoever ended it, then none at all.
    fn rank(&self) -> u8 {
        match self {
            Self::Exited { reason: Some(_), .. } | Self::NoExitCode { reason: Some(_), .. } => 0,
            Self::Exited { code, .. } if !ENDED_BY_SIGNAL.contains(code) => 1,
            Self::Exited { .. } => 2,
            Self::NoExitCode { .. } => 3,
            Self::FailedToStart { .. } | Self::StoppedByUser | Self::NoContainer | Self::Missing => 4,
        }
    }

    /// Whether the task definition could show that the container does not count, or was ended by ECS.
    fn rests_on_definition(&self) -> bool {
        matches!(self.rank(), 2 | 3)
    }

    /// What the agent says of it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::FailedToStart { reason, .. }
            | Self::Exited { reason, .. }
            | Self::NoExitCode { reason, .. } => reason.as_deref(),
            Self::StoppedByUser | Self::NoContainer | Self::Missing => None,
        }
    }

    /// The container that failed, where it was one.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::FailedToStart { container, .. } => container.as_deref(),
            Self::Exited { container, .. } | Self::NoExitCode { container, .. } => Some(container),
            Self::StoppedByUser | Self::NoContainer | Self::Missing => None,
        }
    }
}

impl Failure {
    /// What the agent and ECS say of it.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        [self.cause.reason(), self.stopped_reason.as_deref()].into_iter().flatten()
    }

    /// The stoppedReason, unless it says no more than that the task has ended.
    pub fn telling_stopped_reason(&self) -> Option<&str> {
        const COMMONPLACE: [&str; 3] =
            ["Essential container in task exited", "Task failed to start", "Task stopped by user"];
        let reason = self.stopped_reason.as_deref()?.trim();
        (!reason.is_empty() && !COMMONPLACE.contains(&reason.trim_end_matches('.'))).then_some(reason)
    }

    /// Whether the culprit ended by a signal, so that who sent it is the cause.
    pub fn was_told_to_stop(&self) -> bool {
        matches!(&self.cause, Cause::Exited { code: 137 | 143, .. } | Cause::NoExitCode { .. })
    }

    /// The container whose end made ECS stop the culprit, where it was another one.
    pub fn ender(&self) -> Option<&Ender> {
        let is_effect = matches!(&self.cause, Cause::Exited { code: 137 | 143, reason: None, .. });
        self.ended_by.as_ref().filter(|ender| is_effect && self.cause.container() != Some(&ender.container))
    }
}

/// The rules that a run is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// WatchContainers: if any are named, only these decide.
    pub watch_containers: &'a [String],
    /// SuccessExitCodes.
    pub success_exit_codes: &'a [i64],
    /// The definition that ran; without it all containers but the ones that AWS is known to inject count.
    pub definition: Option<&'a TaskDefinition>,
}

impl Outcome {
    /// Judges the tasks of one run. `tasks` are all that were started and are known to ECS.
    pub fn of(tasks: &[Task], rules: Rules<'_>) -> Self {
        if tasks.iter().any(|task| !task.is_over()) {
            return Self::Pending;
        }
        let failures: Vec<Failure> = tasks.iter().filter_map(|task| rules.failure(task)).collect();
        let awaited = tasks.iter().map(|task| rules.awaited(task)).max().unwrap_or(Awaited::Nothing);
        let verdict = if failures.is_empty() { Verdict::Succeeded } else { Verdict::Failed(failures) };
        Self::Over { verdict, awaited }
    }
}

impl Rules<'_> {
    /// The containers of a task that decide, in the task's order.
    pub fn counting<'t>(&self, task: &'t Task) -> Vec<&'t Container> {
        task.containers.iter().filter(|container| self.counts(container)).collect()
    }

    fn counts(&self, container: &Container) -> bool {
        if !self.watch_containers.is_empty() {
            return self.watch_containers.contains(&container.name);
        }
        match self.definition {
            Some(definition) => definition.container(&container.name).is_some(),
            None => !INJECTED.iter().any(|prefix| container.name.starts_with(prefix)),
        }
    }

    /// ECS ends the other containers when an essential one has exited: such an end is no failure of theirs.
    fn was_ended_by_ecs(&self, container: &Container) -> bool {
        self.watch_containers.is_empty()
            && container.exit_code.is_some_and(|code| ENDED_BY_SIGNAL.contains(&code))
            && container.reason.is_none()
            && self
                .definition
                .and_then(|definition| definition.container(&container.name))
                .is_some_and(|container| !container.essential)
    }

    fn failure(&self, task: &Task) -> Option<Failure> {
        let mut causes = self.causes(task).into_iter();
        let cause = causes.next()?;
        let culprit =
            task.containers.iter().find(|container| Some(container.name.as_str()) == cause.container());
        Some(Failure {
            task: task.arn.clone(),
            image: culprit.and_then(|container| container.image.clone()),
            cause,
            others: causes.collect(),
            stop_code: task.stop_code.clone(),
            stopped_reason: task.stopped_reason.clone(),
            ended_by: self.ended_by(task),
            launch_type: task.launch_type.clone(),
        })
    }

    /// The essential container whose end was its own. The task definition alone says which are essential, and
    /// a container that is not stops nothing.
    fn ended_by(&self, task: &Task) -> Option<Ender> {
        let definition =
            self.definition.filter(|_| task.stop_code.as_deref() == Some("EssentialContainerExited"))?;
        let essential = |container: &&Container| {
            definition.container(&container.name).is_some_and(|container| container.essential)
        };
        let mut own = task.containers.iter().filter(essential).filter_map(|container| {
            let code = container.exit_code.filter(|code| !ENDED_BY_SIGNAL.contains(code))?;
            Some(Ender { container: container.name.clone(), code })
        });
        own.next()
    }

    /// Everything that failed in a task, the culprit first.
    fn causes(&self, task: &Task) -> Vec<Cause> {
        let counting = self.counting(task);
        if task.stop_code.as_deref() == Some("TaskFailedToStart") {
            let telling =
                counting.iter().copied().chain(&task.containers).find(|container| container.reason.is_some());
            let start = Cause::FailedToStart {
                container: telling.map(|container| container.name.clone()),
                reason: telling.and_then(|container| container.reason.clone()),
            };
            // A container that others depend on: they could not start because it had failed.
            let before = counting.into_iter().filter(|container| {
                container.exit_code.is_some() && telling.is_none_or(|telling| telling.name != container.name)
            });
            let before = before.filter_map(|container| self.cause(container));
            return iter::once(start).chain(before.filter(|cause| cause.rank() < 2)).collect();
        }
        let stopped_by_user = task.stop_code.as_deref() == Some("UserInitiated");
        if counting.is_empty() {
            return vec![if stopped_by_user { Cause::StoppedByUser } else { Cause::NoContainer }];
        }
        let mut causes: Vec<Cause> =
            counting.into_iter().filter_map(|container| self.cause(container)).collect();
        causes.sort_by_key(Cause::rank);
        if causes.is_empty() && stopped_by_user {
            causes.push(Cause::StoppedByUser);
        }
        causes
    }

    /// What failed in a container that counts.
    fn cause(&self, container: &Container) -> Option<Cause> {
        let (name, reason) = (container.name.clone(), container.reason.clone());
        let Some(code) = container.exit_code else {
            return Some(Cause::NoExitCode { container: name, reason });
        };
        let failed = !self.success_exit_codes.contains(&code) && !self.was_ended_by_ecs(container);
        failed.then_some(Cause::Exited { container: name, code, reason })
    }

    /// What another look could still show that changes or explains the judgement of a task that is over.
    ///
    /// Exit codes and the stop code come with or shortly after the last state before STOPPED. A code that is
    /// missing is explained by a reason of the container or by a stop code that says the container was not at
    /// fault.
    fn awaited(&self, task: &Task) -> Awaited {
        let until = |settled| if settled { Awaited::Nothing } else { Awaited::Codes };
        if task.stop_code.as_deref() == Some("TaskFailedToStart") {
            return Awaited::Nothing;
        }
        let causes = self.causes(task);
        let without_code = causes.iter().find_map(|cause| match cause {
            Cause::NoExitCode { reason, .. } => Some(reason),
            _ => None,
        });
        match (causes.first(), without_code) {
            // A code that the program chose is the culprit's; nothing that is still to come could be.
            (Some(Cause::Exited { .. }), _) if causes[0].rank() < 2 => Awaited::Nothing,
            (Some(Cause::NoExitCode { .. } | Cause::Exited { .. }), Some(reason)) => {
                let explained = reason.is_some()
                    || task.stop_code.as_deref().is_some_and(|code| code != "EssentialContainerExited");
                until(explained && task.is_stopped())
            }
            // Who ended it stands in the stop code.
            (Some(Cause::Exited { .. }), None) => until(task.stop_code.is_some() || task.is_stopped()),
            (Some(Cause::NoContainer), _) => Awaited::Codes,
            (Some(_), _) => Awaited::Nothing,
            (None, _) if task.is_stopped() && task.stop_code.is_none() => Awaited::StopCode,
            (None, _) => until(task.stop_code.is_some()),
        }
    }
}

#[cfg(test)]
mod tests;
