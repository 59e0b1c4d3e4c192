//! The assessment of a wait's tasks, from the facts of its looks.

use time::OffsetDateTime;

use super::{Goal, MISSING_PATIENCE, MISSING_TOLERANCE, Wait};
use crate::{
    outcome::{Awaited, Cause, Failure, Outcome, Verdict},
    task::{Observation, Task, TaskDefinition},
};

/// The facts about a wait's tasks.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The result of the last look that succeeded.
    pub seen: &'f Observation,
    /// The definition that the tasks run from, once it has been read.
    pub definition: Option<&'f TaskDefinition>,
    /// Another attempt may still read the definition.
    pub definition_may_come: bool,
}

impl Wait {
    /// The container that a time-out is about: the first that counts and still runs.
    pub fn running<'t>(
        &self,
        tasks: &'t [Task],
        definition: Option<&TaskDefinition>,
    ) -> Option<(&'t Task, &'t str)> {
        tasks.iter().find_map(|task| {
            let counting = self.rules(definition).counting(task).into_iter();
            let running = counting
                .into_iter()
                .find(|container| container.last_status == "RUNNING")?;
            Some((task, running.name.as_str()))
        })
    }

    /// Records what a look has shown about missing tasks, for later looks.
    pub fn observe(&mut self, observation: &Observation, now: OffsetDateTime) {
        self.missing_since = match observation.missing.is_empty() {
            true => None,
            false => Some(self.missing_since.unwrap_or(now)),
        };
    }

    /// The one assessment of a wait: pending, or over with a verdict, which may await one more
    /// fact. Call it after [`Wait::observe`].
    ///
    /// A task that ECS does not know keeps the wait pending during the first minute, and later
    /// until it has been unknown for 30 s without a break. Then it fails the run.
    pub fn assess(&self, facts: Facts<'_>, now: OffsetDateTime) -> Outcome {
        // ECS is eventually consistent: one answer without a task proves nothing.
        if self.may_turn_up(now) {
            return Outcome::Pending;
        }
        let has_ended = match self.goal {
            Goal::Success => return self.assess_run(facts),
            Goal::Stopped => Task::is_stopped,
            Goal::Over => Task::is_over,
        };
        match facts.seen.tasks.iter().all(has_ended) {
            true => Outcome::Over {
                verdict: Verdict::Succeeded,
                awaited: Awaited::Nothing,
            },
            false => Outcome::Pending,
        }
    }

    /// The verdict over a run. A verdict that the task definition could change awaits the
    /// definition.
    fn assess_run(&self, facts: Facts<'_>) -> Outcome {
        let Observation { tasks, missing } = facts.seen;
        let rules = self.rules(facts.definition);
        let missing = missing.iter().map(|task| Failure {
            task: task.clone(),
            cause: Cause::Missing,
            others: Vec::new(),
            stop_code: None,
            stopped_reason: None,
            ended_by: None,
            image: None,
            launch_type: None,
            capacity_provider: None,
        });
        match Outcome::of(tasks, rules) {
            Outcome::Over { verdict, awaited } => {
                let failures: Vec<Failure> = match verdict {
                    Verdict::Succeeded => missing.collect(),
                    Verdict::Failed(failures) => failures.into_iter().chain(missing).collect(),
                };
                let verdict = if failures.is_empty() {
                    Verdict::Succeeded
                } else {
                    Verdict::Failed(failures)
                };
                // A missing task fails the run whatever the definition says, so nobody needs to
                // wait for it.
                let may_turn = facts.seen.missing.is_empty() && rules.rest_on_definition(tasks);
                match facts.definition_may_come && may_turn {
                    true => Outcome::Over {
                        verdict,
                        awaited: Awaited::Definition,
                    },
                    false => Outcome::Over { verdict, awaited },
                }
            }
            pending => pending,
        }
    }

    /// A task that ECS does not know may still appear.
    fn may_turn_up(&self, now: OffsetDateTime) -> bool {
        self.missing_since.is_some_and(|since| {
            let just_started =
                self.goal != Goal::Stopped && now - self.started_at < MISSING_TOLERANCE;
            just_started || now - since < MISSING_PATIENCE
        })
    }

    /// The verdict over tasks that had ended before the deadline, although the looks before it
    /// showed nothing.
    pub fn ended_in_time(&self, facts: Facts<'_>, now: OffsetDateTime) -> Option<Verdict> {
        let seen = facts.seen;
        let deadline = self
            .timed_out
            .as_ref()
            .map_or(self.deadline, |timed_out| timed_out.at);
        let ended = |task: &Task| task.ended_at().is_some_and(|at| at <= deadline);
        match self.assess(
            Facts {
                definition_may_come: false,
                ..facts
            },
            now,
        ) {
            // A throttled look must not turn a success into a time-out: the tasks' own times
            // decide.
            Outcome::Over {
                verdict,
                awaited: Awaited::Nothing,
            } if !seen.tasks.is_empty()
                && seen.missing.is_empty()
                && seen.tasks.iter().all(ended) =>
            {
                Some(verdict)
            }
            _ => None,
        }
    }
}
