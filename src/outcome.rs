//! The verdict: what a run's tasks, as ECS describes them, mean for the deploy.
//!
//! Pure, and derived anew from facts at every look. A failed task is an outcome, not an error of ours; each
//! failure carries the evidence that the Reason is written from.

use std::iter;

use crate::task::{Container, Task, TaskArn, TaskDefinition};

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// At least one task is not over.
    Pending,
    /// All tasks are over.
    Over {
        /// The verdict on them.
        verdict: Verdict,
        /// The fact that could still change or explain the verdict.
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

/// The verdict on a run.
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
    /// The culprit: of several containers the one that says most of why.
    pub cause: Cause,
    /// The other failures in it, in the order in which they are worth reading.
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

/// A failure in a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The task never started: an image that cannot be pulled, a secret that cannot be read, no network
    /// interface.
    FailedToStart {
        /// The container that says why, if one does.
        container: Option<String>,
        /// Its content.
        reason: Option<String>,
    },
    /// A container that counts ended with an exit code that is no success.
    Exited {
        /// Its name.
        container: String,
        /// Its exit code.
        code: i64,
        /// The agent's words about it.
        reason: Option<String>,
    },
    /// A container that counts has no exit code: it never ran, or its host was lost.
    NoExitCode {
        /// Its name.
        container: String,
        /// The agent's words about it.
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
    /// True if the run failed before any of its containers ran, so that it can be started anew without
    /// running anything twice. What somebody has stopped stays stopped.
    pub fn never_ran(&self, tasks: &[Task]) -> bool {
        let Self::Failed(failures) = self else { return false };
        let wanted = |failure: &Failure| {
            failure.cause != Cause::Missing && failure.stop_code.as_deref() != Some(STOPPED_BY_USER)
        };
        failures.iter().all(wanted) && tasks.iter().all(|task| !task.ever_ran())
    }
}

/// The name in WatchContainers that stands for every container of the task definition.
pub const EVERY_CONTAINER: &str = "*";

/// Prefixes of the containers that AWS adds to a task: GuardDuty's agent, and Service Connect's proxy.
///
/// <https://docs.aws.amazon.com/guardduty/latest/ug/how-runtime-monitoring-works-ecs-fargate.html>
pub const INJECTED: [&str; 2] = ["aws-guardduty-agent", "ecs-service-connect-"];

/// Exit codes of a container that was told to stop, or killed: SIGKILL and SIGTERM.
const ENDED_BY_SIGNAL: [i64; 2] = [137, 143];

/// The stop code of a task in which a container could not be started.
const FAILED_TO_START: &str = "TaskFailedToStart";
/// The stop code of a task that ended because one of its essential containers had ended.
const CONTAINER_EXITED: &str = "EssentialContainerExited";
/// The stop code of a task that somebody ended with StopTask.
const STOPPED_BY_USER: &str = "UserInitiated";

/// Part of the agent's reason for a container that it never started because one that it depends on had
/// failed. Such a container has exit code 143 although it never ran.
///
/// <https://github.com/aws/amazon-ecs-agent/pull/3218>
const DEPENDENCY_FAILED: &str = "container ordering dependency";

impl Cause {
    /// Its rank among causes, the most telling first: a reason of its own, then a code that
    /// the program chose, then one that it got from whoever ended it, then none at all.
    fn rank(&self) -> u8 {
        match self {
            _ if self.is_of_dependency() => 3,
            Self::Exited { reason: Some(_), .. } | Self::NoExitCode { reason: Some(_), .. } => 0,
            Self::Exited { code, .. } if !ENDED_BY_SIGNAL.contains(code) => 1,
            Self::Exited { .. } => 2,
            Self::NoExitCode { .. } => 3,
            Self::FailedToStart { .. } | Self::StoppedByUser | Self::NoContainer | Self::Missing => 4,
        }
    }

    /// True if the container failed by itself: its reason or its code says why.
    fn is_telling(&self) -> bool {
        self.rank() < 2
    }

    /// True if the container never ran because one that it depends on had failed.
    fn is_of_dependency(&self) -> bool {
        let (Self::Exited { reason, .. } | Self::NoExitCode { reason, .. }) = self else { return false };
        reason.as_deref().is_some_and(|reason| reason.contains(DEPENDENCY_FAILED))
    }

    /// True if the container never ran, and nothing that is said of itself explains it.
    fn never_ran_for_another(&self) -> bool {
        self.is_of_dependency() || matches!(self, Self::NoExitCode { reason: None, .. })
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
    /// WatchContainers: if any are named, only these decide; with [`EVERY_CONTAINER`] all of the definition.
    pub watch_containers: &'a [String],
    /// SuccessExitCodes.
    pub success_exit_codes: &'a [i64],
    /// The definition that ran, whose essential containers decide. Without it all containers count but
    /// those that AWS is known to inject and those that were only told to stop.
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
        task.containers.iter().filter(|container| self.counts(container, task)).collect()
    }

    /// The containers that do not count and did not end well, in the order of the tasks: a SUCCESS names
    /// them, so that it hides nothing.
    pub fn helpers_that_failed<'t>(&self, tasks: &'t [Task]) -> Vec<&'t Container> {
        let helpers = |task: &'t Task| {
            task.containers.iter().filter(move |one| self.is_own(one) && !self.counts(one, task))
        };
        tasks.iter().flat_map(helpers).filter(|helper| !self.ended_well(helper)).collect()
    }

    /// True if the task definition, which has not been read, could turn the verdict over these tasks.
    pub fn rest_on_definition(&self, tasks: &[Task]) -> bool {
        let names_containers = !self.watch_containers.is_empty() && !self.watches_every_container();
        if self.definition.is_some() || names_containers {
            return false;
        }
        let fails_for_sure = |task: &Task| self.failure(task).is_some() && !self.rests_on_definition(task);
        !tasks.iter().any(fails_for_sure) && tasks.iter().any(|task| self.rests_on_definition(task))
    }

    /// True if the task failed by some essential containers and not by others: only the definition says
    /// which of its containers are essential, and at least one is.
    fn rests_on_definition(&self, task: &Task) -> bool {
        if task.stop_code.as_deref() == Some(STOPPED_BY_USER) {
            return false;
        }
        let own: Vec<&Container> = task.containers.iter().filter(|one| self.is_own(one)).collect();
        let ended_well = own.iter().filter(|container| self.ended_well(container)).count();
        if self.watches_every_container() {
            // One without an exit code may be an agent that AWS has added.
            let failed_for_sure = own.iter().any(|one| one.exit_code.is_some() && !self.ended_well(one));
            return ended_well < own.len() && !failed_for_sure;
        }
        0 < ended_well && ended_well < own.len()
    }

    fn watches_every_container(&self) -> bool {
        self.watch_containers.iter().any(|name| name == EVERY_CONTAINER)
    }

    /// True if the container is in the task definition, and was not added by AWS.
    fn is_own(&self, container: &Container) -> bool {
        match self.definition {
            Some(definition) => definition.container(&container.name).is_some(),
            None => !is_injected(container),
        }
    }

    fn counts(&self, container: &Container, task: &Task) -> bool {
        if self.watches_every_container() {
            return self.is_own(container);
        }
        if !self.watch_containers.is_empty() {
            return self.watch_containers.contains(&container.name);
        }
        match self.definition {
            Some(definition) => definition.container(&container.name).is_some_and(|one| one.essential),
            None => !is_injected(container) && !was_only_told_to_stop(container, task),
        }
    }

    fn ended_well(&self, container: &Container) -> bool {
        container.exit_code.is_some_and(|code| self.success_exit_codes.contains(&code))
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
        let stop_code = task.stop_code.as_deref();
        let mut causes: Vec<Cause> = counting.iter().filter_map(|one| self.cause(one)).collect();
        causes.sort_by_key(Cause::rank);
        if stop_code == Some(FAILED_TO_START) {
            // A short task can be over before a helper has started. ECS calls that a failed start, but the
            // work is done.
            let is_done = !counting.is_empty() && causes.is_empty();
            return if is_done { causes } else { self.causes_of_failed_start(task, causes) };
        }
        if counting.is_empty() {
            let is_stopped_by_user = stop_code == Some(STOPPED_BY_USER);
            return vec![if is_stopped_by_user { Cause::StoppedByUser } else { Cause::NoContainer }];
        }
        if causes.is_empty() && stop_code == Some(STOPPED_BY_USER) {
            causes.push(Cause::StoppedByUser);
        }
        self.with_failed_dependency(task, causes)
    }

    /// The same for a task that ECS says failed to start. `causes` are those of the containers that count.
    fn causes_of_failed_start(&self, task: &Task, causes: Vec<Cause>) -> Vec<Cause> {
        let causes = self.with_failed_dependency(task, causes);
        let not_started = causes.iter().position(|cause| matches!(cause, Cause::NoExitCode { .. }));
        let culprit = causes.first().filter(|cause| cause.is_telling() || not_started.is_none());
        let start = match culprit {
            // All that ran is told by its code.
            Some(Cause::Exited { .. }) => return causes,
            Some(Cause::NoExitCode { container, reason }) => {
                Cause::FailedToStart { container: Some(container.clone()), reason: reason.clone() }
            }
            _ => {
                let telling = task.containers.iter().find(|container| container.reason.is_some());
                // The one that did not start is worth its name only beside others that did.
                let silent = not_started.filter(|_| task.ever_ran()).and_then(|at| causes[at].container());
                let container = telling.map(|telling| telling.name.as_str()).or(silent);
                let reason = telling.and_then(|telling| telling.reason.clone());
                Cause::FailedToStart { container: container.map(str::to_owned), reason }
            }
        };
        let own = start.container().map(str::to_owned);
        let others =
            causes.into_iter().filter(|cause| cause.is_telling() && cause.container() != own.as_deref());
        iter::once(start).chain(others).collect()
    }

    /// The same causes, led by a container that does not count where one that does never ran because of it:
    /// an init container is not essential, and the work cannot begin when it has failed.
    fn with_failed_dependency(&self, task: &Task, causes: Vec<Cause>) -> Vec<Cause> {
        let explains_itself =
            !matches!(task.stop_code.as_deref(), None | Some(FAILED_TO_START | CONTAINER_EXITED));
        let has_run =
            |name: &str| task.containers.iter().any(|one| one.name == name && one.runtime_id.is_some());
        let never_ran =
            |cause: &Cause| cause.never_ran_for_another() && !cause.container().is_some_and(has_run);
        let never_ran = causes.iter().any(never_ran);
        if explains_itself || !never_ran || causes.iter().any(Cause::is_telling) {
            return causes;
        }
        let helpers = task.containers.iter().filter(|one| self.is_own(one) && !self.counts(one, task));
        let failed = helpers.filter_map(|helper| self.cause(helper)).filter(Cause::is_telling);
        failed.chain(causes.iter().cloned()).collect()
    }

    /// Why a container failed, if it did.
    fn cause(&self, container: &Container) -> Option<Cause> {
        let (name, reason) = (container.name.clone(), container.reason.clone());
        match container.exit_code {
            None => Some(Cause::NoExitCode { container: name, reason }),
            Some(_) if self.ended_well(container) => None,
            Some(code) => Some(Cause::Exited { container: name, code, reason }),
        }
    }

    /// The fact that another look could still show, and that changes or explains the judgement of a task that is over.
    ///
    /// Exit codes and the stop code come with or shortly after the last state before STOPPED. A code that is
    /// missing is explained by a reason of the container or by a stop code that says the container was not at
    /// fault.
    fn awaited(&self, task: &Task) -> Awaited {
        let until = |settled| if settled { Awaited::Nothing } else { Awaited::Codes };
        if task.stop_code.as_deref() == Some(FAILED_TO_START) {
            // A container that ran has a code, which may be late; one that did not start never has one.
            let is_late = |one: &&Container| {
                one.runtime_id.is_some() && one.exit_code.is_none() && one.reason.is_none()
            };
            return until(!self.counting(task).iter().any(is_late));
        }
        let (causes, counting) = (self.causes(task), self.counting(task));
        let counts = |cause: &Cause| counting.iter().any(|one| cause.container() == Some(&one.name));
        let without_code = causes.iter().find_map(|cause| match cause {
            Cause::NoExitCode { reason, .. } => Some(reason),
            _ => None,
        });
        match (causes.first(), without_code) {
            // A code that the program chose is the culprit's; nothing that is still to come could be.
            (Some(cause @ Cause::Exited { .. }), _) if cause.is_telling() && counts(cause) => {
                Awaited::Nothing
            }
            (Some(Cause::NoExitCode { .. } | Cause::Exited { .. }), Some(reason)) => {
                let explained = reason.is_some()
                    || task.stop_code.as_deref().is_some_and(|code| code != CONTAINER_EXITED);
                until(explained && task.is_stopped())
            }
            // Who ended it stands in the stop code.
            (Some(Cause::Exited { .. }), None) => until(task.stop_code.is_some() || task.is_stopped()),
            (Some(Cause::NoContainer), _) => Awaited::Codes,
            (Some(_), _) => Awaited::Nothing,
            (None, _) if task.is_stopped() && task.stop_code.is_none() => Awaited::StopCode,
            (None, _) => {
                until(task.stop_code.is_some() && (task.is_stopped() || self.helpers_have_codes(task)))
            }
        }
    }

    /// True if the answer can name the helpers of a success with their codes.
    fn helpers_have_codes(&self, task: &Task) -> bool {
        let helpers = self.helpers_that_failed(std::slice::from_ref(task));
        helpers.iter().all(|helper| helper.exit_code.is_some() || helper.reason.is_some())
    }
}

fn is_injected(container: &Container) -> bool {
    INJECTED.iter().any(|prefix| container.name.starts_with(prefix))
}

/// True if a signal that needs no other explanation ended the container.
fn was_signalled(container: &Container) -> bool {
    container.exit_code.is_some_and(|code| ENDED_BY_SIGNAL.contains(&code)) && container.reason.is_none()
}

/// True if ECS ended the container because another one of the task had ended by itself.
fn was_only_told_to_stop(container: &Container, task: &Task) -> bool {
    let ended_by_itself = |other: &Container| {
        !is_injected(other) && !was_signalled(other) && (other.exit_code.is_some() || other.reason.is_some())
    };
    task.stop_code.as_deref() == Some(CONTAINER_EXITED)
        && was_signalled(container)
        && task.containers.iter().any(ended_by_itself)
}

#[cfg(test)]
mod tests;
