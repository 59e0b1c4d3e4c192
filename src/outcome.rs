//! The verdict on a run, from its tasks as ECS describes them.
//!
//! Pure, and derived again at every look. A failed task is a result and not an error of ours. Each
//! failure carries the evidence for its Reason.

mod failure;
mod rules;

pub use failure::{Cause, Ender, Failure};
pub use rules::{EVERY_CONTAINER, INJECTED, Rules};

use crate::task::{CONTAINER_EXITED, Container, FAILED_TO_START, STOPPED_BY_USER, Task};

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// At least one task can still run.
    Pending,
    /// No task can run any more.
    Over {
        /// The verdict on them.
        verdict: Verdict,
        /// The evidence that could still change or explain the verdict.
        awaited: Awaited,
    },
}

/// Evidence that may still arrive after a task's end. The last variant is worth the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// No further evidence can change the verdict.
    Nothing,
    /// The stop code of a task that is STOPPED and otherwise succeeded: somebody may have stopped
    /// it.
    StopCode,
    /// A stop code or an exit code. ECS gives both with STOPPED, or shortly after.
    Codes,
    /// The task definition, which says whether the failed container counts.
    Definition,
}

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every container that counts ended with a success exit code.
    Succeeded,
    /// At least one task failed. Holds the failures in the order of the tasks.
    Failed(Vec<Failure>),
}

impl Verdict {
    /// True if the run failed before any of its containers ran, so that it can be started again
    /// without running anything twice. False if somebody stopped it: it must stay stopped.
    pub fn never_ran(&self, tasks: &[Task]) -> bool {
        let Self::Failed(failures) = self else {
            return false;
        };
        let wanted = |failure: &Failure| {
            failure.cause != Cause::Missing && failure.stop_code.as_deref() != Some(STOPPED_BY_USER)
        };
        failures.iter().all(wanted) && tasks.iter().all(|task| !task.ever_ran())
    }
}

impl Outcome {
    /// The verdict on the tasks of one run. `tasks` are all that were started and are known to ECS.
    pub fn of(tasks: &[Task], rules: Rules<'_>) -> Self {
        // No verdict before every task is over: an answer would let the next deployment start
        // beside a task that still runs.
        if tasks.iter().any(|task| !task.is_over()) {
            return Self::Pending;
        }
        let failures: Vec<Failure> = tasks
            .iter()
            .filter_map(|task| rules.failure(task))
            .collect();
        let awaited = tasks
            .iter()
            .map(|task| rules.awaited(task))
            .max()
            .unwrap_or(Awaited::Nothing);
        let verdict = if failures.is_empty() {
            Verdict::Succeeded
        } else {
            Verdict::Failed(failures)
        };
        Self::Over { verdict, awaited }
    }
}

impl Rules<'_> {
    /// True if the task definition, which has not been read, could change the verdict on these
    /// tasks.
    pub fn rest_on_definition(&self, tasks: &[Task]) -> bool {
        let names_containers = !self.watch_containers.is_empty() && !self.watches_every_container();
        if self.definition.is_some() || names_containers {
            return false;
        }
        let fails_for_sure =
            |task: &Task| self.failure(task).is_some() && !self.rests_on_definition(task);
        !tasks.iter().any(fails_for_sure) && tasks.iter().any(|task| self.rests_on_definition(task))
    }

    /// True if some containers of the task failed and others succeeded. Only the definition says
    /// which are essential; at least one is.
    fn rests_on_definition(&self, task: &Task) -> bool {
        if task.stop_code.as_deref() == Some(STOPPED_BY_USER) {
            return false;
        }
        let own: Vec<&Container> = task
            .containers
            .iter()
            .filter(|one| self.is_own(one))
            .collect();
        let ended_well = own
            .iter()
            .filter(|container| self.ended_well(container))
            .count();
        if self.watches_every_container() {
            // A container without an exit code may be an agent that AWS injected.
            let failed_for_sure = own
                .iter()
                .any(|one| one.exit_code.is_some() && !self.ended_well(one));
            return ended_well < own.len() && !failed_for_sure;
        }
        0 < ended_well && ended_well < own.len()
    }

    /// The evidence that another look could show, and that would change or explain the verdict on a
    /// task that is over.
    ///
    /// Exit codes and the stop code come with STOPPED, or shortly after. A missing exit code is
    /// explained by the container's reason, or by a stop code that does not blame a container.
    fn awaited(&self, task: &Task) -> Awaited {
        let until = |settled| {
            if settled {
                Awaited::Nothing
            } else {
                Awaited::Codes
            }
        };
        if task.stop_code.as_deref() == Some(FAILED_TO_START) {
            // A container that ran has a code, which may be late. One that did not start never has
            // one.
            let is_late = |one: &&Container| {
                one.runtime_id.is_some() && one.exit_code.is_none() && one.reason.is_none()
            };
            return until(!self.counting(task).iter().any(is_late));
        }
        let (causes, counting) = (self.causes(task), self.counting(task));
        let counts = |cause: &Cause| {
            counting
                .iter()
                .any(|one| cause.container() == Some(&one.name))
        };
        let without_code = causes.iter().find_map(|cause| match cause {
            Cause::NoExitCode { reason, .. } => Some(reason),
            _ => None,
        });
        match (causes.first(), without_code) {
            // The program chose this code, so no later evidence can make another container the
            // culprit.
            (Some(cause @ Cause::Exited { .. }), _) if cause.is_telling() && counts(cause) => {
                Awaited::Nothing
            }
            (Some(Cause::NoExitCode { .. } | Cause::Exited { .. }), Some(reason)) => {
                let explained = reason.is_some()
                    || task
                        .stop_code
                        .as_deref()
                        .is_some_and(|code| code != CONTAINER_EXITED);
                until(explained && task.is_stopped())
            }
            // The reason explains the culprit. Codes of the others come with STOPPED.
            (Some(Cause::FailedToStart { .. }), _) => until(task.is_stopped()),
            // The stop code tells who sent the signal.
            (Some(Cause::Exited { .. }), None) => {
                until(task.stop_code.is_some() || task.is_stopped())
            }
            // A task without containers is described incompletely, and another look may show them.
            (Some(Cause::NoContainer), _) => Awaited::Codes,
            (Some(_), _) => Awaited::Nothing,
            // A clean exit after SIGTERM looks like a success until the stop code says
            // UserInitiated (docs/decisions/0008).
            (None, _) if task.is_stopped() && task.stop_code.is_none() => Awaited::StopCode,
            (None, _) => until(
                task.stop_code.is_some() && (task.is_stopped() || self.helpers_have_codes(task)),
            ),
        }
    }

    /// True if a SUCCESS can name its failed helpers with their codes.
    fn helpers_have_codes(&self, task: &Task) -> bool {
        let helpers = self.helpers_that_failed(std::slice::from_ref(task));
        helpers
            .iter()
            .all(|helper| helper.exit_code.is_some() || helper.reason.is_some())
    }
}

#[cfg(test)]
mod tests;
