//! The failure of one task: the container that caused it, and the evidence for its Reason.
//!
//! Several containers of a task can fail, mostly one by itself and the others because of it.

use std::iter;

use super::Rules;
use crate::task::{
    CONTAINER_EXITED, Container, ENDED_BY_SIGNAL, FAILED_TO_START, STOPPED_BY_USER, Task, TaskArn,
};

/// One task that failed, with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The task's ARN.
    pub task: TaskArn,
    /// The culprit: of several failed containers the one that explains most.
    pub cause: Cause,
    /// The other failures in the task, the most useful first.
    pub others: Vec<Cause>,
    /// ECS's stop code.
    pub stop_code: Option<String>,
    /// ECS's stoppedReason.
    pub stopped_reason: Option<String>,
    /// The essential container whose own end made ECS stop the others. `None` if there is none, or
    /// if the task definition is not known.
    pub ended_by: Option<Ender>,
    /// The culprit's image, if ECS names it. If the culprit is not known, the images that it can be,
    /// as `a or b`.
    pub image: Option<String>,
    /// FARGATE, EC2 or EXTERNAL.
    pub launch_type: Option<String>,
    /// The capacity provider that the task ran on, if any.
    pub capacity_provider: Option<String>,
}

/// An essential container that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ender {
    /// Its name.
    pub container: String,
    /// Its exit code, which may be a success.
    pub code: i64,
}

/// A failure in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The task or one of its containers never started: an image that cannot be pulled, a secret
    /// that cannot be read, no network interface, a command that is not in the image.
    FailedToStart {
        /// The container with a reason, if there is one.
        container: Option<String>,
        /// The agent's text.
        reason: Option<String>,
    },
    /// A container that counts ended with an exit code that is not a success.
    Exited {
        /// Its name.
        container: String,
        /// Its exit code.
        code: i64,
        /// The agent's text about it.
        reason: Option<String>,
    },
    /// A container that counts has no exit code: it never ran, or its host was lost.
    NoExitCode {
        /// Its name.
        container: String,
        /// The agent's text about it.
        reason: Option<String>,
    },
    /// Somebody stopped the task.
    StoppedByUser,
    /// The task shows no container that counts.
    NoContainer,
    /// ECS does not know the task.
    Missing,
}

/// Part of the agent's reason for a container that it never started, because a container that it
/// depends on had failed. It has exit code 143 although it never ran.
///
/// <https://github.com/aws/amazon-ecs-agent/pull/3218>
const DEPENDENCY_FAILED: &str = "container ordering dependency";

/// The beginnings of the agent's reasons for a container that it could not start. Docker gives many
/// of these containers an exit code, mostly 128, although no program of theirs ran.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>
const NEVER_STARTED: [&str; 6] = [
    "CannotStartContainer",
    "CannotCreateContainer",
    "CannotCreateVolume",
    "CannotPull",
    "DockerTimeoutError: Could not transition to ",
    "ResourceInitializationError",
];

impl Cause {
    /// The rank among causes, 0 explains most: a reason from the agent, then an exit code that the
    /// program chose, then the code of a signal, then no code at all.
    fn rank(&self) -> u8 {
        match self {
            // Its reason only points to another container, which tells more.
            _ if self.is_of_dependency() => 3,
            Self::Exited {
                reason: Some(_), ..
            }
            | Self::NoExitCode {
                reason: Some(_), ..
            }
            | Self::FailedToStart {
                reason: Some(_), ..
            } => 0,
            Self::Exited { code, .. } if !ENDED_BY_SIGNAL.contains(code) => 1,
            Self::Exited { .. } => 2,
            Self::NoExitCode { .. } => 3,
            Self::FailedToStart { .. }
            | Self::StoppedByUser
            | Self::NoContainer
            | Self::Missing => 4,
        }
    }

    /// True if the container failed by itself: its reason or its code says why.
    pub(super) fn is_telling(&self) -> bool {
        self.rank() < 2
    }

    /// True if the container never ran because one that it depends on had failed.
    fn is_of_dependency(&self) -> bool {
        self.reason()
            .is_some_and(|reason| reason.contains(DEPENDENCY_FAILED))
    }

    /// The agent's text about it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::FailedToStart { reason, .. }
            | Self::Exited { reason, .. }
            | Self::NoExitCode { reason, .. } => reason.as_deref(),
            Self::StoppedByUser | Self::NoContainer | Self::Missing => None,
        }
    }

    /// The container that failed, if the cause is a container's.
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::FailedToStart { container, .. } => container.as_deref(),
            Self::Exited { container, .. } | Self::NoExitCode { container, .. } => Some(container),
            Self::StoppedByUser | Self::NoContainer | Self::Missing => None,
        }
    }
}

impl Failure {
    /// The texts of the agent and of ECS about the failure.
    pub fn said(&self) -> impl Iterator<Item = &str> {
        [self.cause.reason(), self.stopped_reason.as_deref()]
            .into_iter()
            .flatten()
    }

    /// The stoppedReason, unless it only says that the task has ended.
    pub fn telling_stopped_reason(&self) -> Option<&str> {
        const COMMONPLACE: [&str; 3] = [
            "Essential container in task exited",
            "Task failed to start",
            "Task stopped by user",
        ];
        let reason = self.stopped_reason.as_deref()?.trim();
        (!reason.is_empty() && !COMMONPLACE.contains(&reason.trim_end_matches('.')))
            .then_some(reason)
    }

    /// True if a signal ended the culprit, or it has no exit code. The cause is then outside the
    /// container.
    pub fn was_told_to_stop(&self) -> bool {
        matches!(
            &self.cause,
            Cause::Exited {
                code: 137 | 143,
                ..
            } | Cause::NoExitCode { .. }
        )
    }

    /// The container whose end made ECS stop the culprit, if it is another container.
    pub fn ender(&self) -> Option<&Ender> {
        let is_effect = matches!(
            &self.cause,
            Cause::Exited {
                code: 137 | 143,
                reason: None,
                ..
            }
        );
        self.ended_by
            .as_ref()
            .filter(|ender| is_effect && self.cause.container() != Some(&ender.container))
    }
}

impl Rules<'_> {
    /// The failure of a task with its evidence. `None` if the task succeeded.
    pub(super) fn failure(&self, task: &Task) -> Option<Failure> {
        let mut causes = self.causes(task).into_iter();
        let cause = causes.next()?;
        let culprit = task
            .containers
            .iter()
            .find(|container| Some(container.name.as_str()) == cause.container());
        Some(Failure {
            task: task.arn.clone(),
            image: match culprit {
                Some(container) => container.image.clone(),
                None => self.images(task),
            },
            cause,
            others: causes.collect(),
            stop_code: task.stop_code.clone(),
            stopped_reason: task.stopped_reason.clone(),
            ended_by: self.ended_by(task),
            launch_type: task.launch_type.clone(),
            capacity_provider: task.capacity_provider.clone(),
        })
    }

    /// The images of a task that failed without naming a container, without those of AWS's own
    /// containers. `None` for a task with so many that a list of them tells nothing.
    fn images(&self, task: &Task) -> Option<String> {
        const TOLD: usize = 3;
        let own = task.containers.iter().filter(|one| self.is_own(one));
        let mut images: Vec<&str> = own
            .filter(|one| !self.ended_well(one))
            .filter_map(|one| one.image.as_deref())
            .collect();
        images.sort_unstable();
        images.dedup();
        ((1..=TOLD).contains(&images.len())).then(|| images.join(" or "))
    }

    /// The essential container that ended by itself. Only the task definition says which are
    /// essential; the end of any other stops nothing.
    fn ended_by(&self, task: &Task) -> Option<Ender> {
        let definition = self
            .definition
            .filter(|_| task.stop_code.as_deref() == Some(CONTAINER_EXITED))?;
        let essential = |container: &&Container| {
            definition
                .container(&container.name)
                .is_some_and(|container| container.essential)
        };
        let mut own = task
            .containers
            .iter()
            .filter(essential)
            .filter_map(|container| {
                let code = container
                    .exit_code
                    .filter(|code| !ENDED_BY_SIGNAL.contains(code))?;
                Some(Ender {
                    container: container.name.clone(),
                    code,
                })
            });
        own.next()
    }

    /// All failures in a task, the culprit first.
    pub(super) fn causes(&self, task: &Task) -> Vec<Cause> {
        let counting = self.counting(task);
        let stop_code = task.stop_code.as_deref();
        let mut causes: Vec<Cause> = counting.iter().filter_map(|one| self.cause(one)).collect();
        // The sort is stable, so containers of one rank keep the task's order and two answers are
        // equal.
        causes.sort_by_key(Cause::rank);
        if stop_code == Some(FAILED_TO_START) {
            // A short task can end before a helper has started. ECS calls that a failed start, but
            // the work is done.
            let is_done = !counting.is_empty() && causes.is_empty();
            return if is_done {
                causes
            } else {
                self.causes_of_failed_start(task, causes)
            };
        }
        if counting.is_empty() {
            let is_stopped_by_user = stop_code == Some(STOPPED_BY_USER);
            return vec![if is_stopped_by_user {
                Cause::StoppedByUser
            } else {
                Cause::NoContainer
            }];
        }
        if causes.is_empty() && stop_code == Some(STOPPED_BY_USER) {
            // A container that handles SIGTERM exits with 0, but its work was cut short.
            causes.push(Cause::StoppedByUser);
        }
        self.with_failed_dependency(task, causes)
    }

    /// All failures in a task that ECS reports as a failed start. `causes` are those of the
    /// containers that count.
    fn causes_of_failed_start(&self, task: &Task, causes: Vec<Cause>) -> Vec<Cause> {
        let causes = self.with_failed_dependency(task, causes);
        let not_started = causes
            .iter()
            .position(|cause| matches!(cause, Cause::NoExitCode { .. }));
        let culprit = causes
            .first()
            .filter(|cause| cause.is_telling() || not_started.is_none());
        let start = match culprit {
            // The culprit ran, so its exit code tells more than the stop code.
            Some(Cause::Exited { .. }) => return causes,
            Some(start @ Cause::FailedToStart { .. }) => start.clone(),
            Some(Cause::NoExitCode { container, reason }) => Cause::FailedToStart {
                container: Some(container.clone()),
                reason: reason.clone(),
            },
            _ => {
                let telling = task
                    .containers
                    .iter()
                    .find(|container| container.reason.is_some());
                // Without a reason the name helps only if other containers did start.
                let silent = not_started
                    .filter(|_| task.ever_ran())
                    .and_then(|at| causes[at].container());
                let container = telling.map(|telling| telling.name.as_str()).or(silent);
                let reason = telling.and_then(|telling| telling.reason.clone());
                Cause::FailedToStart {
                    container: container.map(str::to_owned),
                    reason,
                }
            }
        };
        let own = start.container().map(str::to_owned);
        let others = causes
            .into_iter()
            .filter(|cause| cause.is_telling() && cause.container() != own.as_deref());
        iter::once(start).chain(others).collect()
    }

    /// Puts a failed helper first if a container that counts never ran because of it. An init
    /// container is not essential, but the work cannot begin if it fails.
    fn with_failed_dependency(&self, task: &Task, causes: Vec<Cause>) -> Vec<Cause> {
        // Any other stop code already tells what ended the task.
        let explains_itself = !matches!(
            task.stop_code.as_deref(),
            None | Some(FAILED_TO_START | CONTAINER_EXITED)
        );
        let has_run = |name: &str| {
            task.containers
                .iter()
                .any(|one| one.name == name && one.runtime_id.is_some())
        };
        // The agent also gives an exit code to a container that it never started. A code that is
        // missing can be late, so there the runtime id decides.
        let never_ran = |cause: &Cause| {
            let is_silent = matches!(cause, Cause::NoExitCode { reason: None, .. });
            cause.is_of_dependency() || is_silent && !cause.container().is_some_and(has_run)
        };
        let never_ran = causes.iter().any(never_ran);
        if explains_itself || !never_ran || causes.iter().any(Cause::is_telling) {
            return causes;
        }
        let helpers = task
            .containers
            .iter()
            .filter(|one| self.is_own(one) && !self.counts(one, task));
        let failed = helpers
            .filter_map(|helper| self.cause(helper))
            .filter(Cause::is_telling);
        failed.chain(causes.iter().cloned()).collect()
    }

    /// The container's failure, if it failed.
    fn cause(&self, container: &Container) -> Option<Cause> {
        let (name, reason) = (container.name.clone(), container.reason.clone());
        if never_started(container) && !self.ended_well(container) {
            return Some(Cause::FailedToStart {
                container: Some(name),
                reason,
            });
        }
        match container.exit_code {
            None => Some(Cause::NoExitCode {
                container: name,
                reason,
            }),
            Some(_) if self.ended_well(container) => None,
            Some(code) => Some(Cause::Exited {
                container: name,
                code,
                reason,
            }),
        }
    }
}

/// True if the agent's reason says that no program of the container ever ran.
fn never_started(container: &Container) -> bool {
    container.reason.as_deref().is_some_and(|reason| {
        NEVER_STARTED
            .iter()
            .any(|start| reason.trim_start().starts_with(start))
    })
}
