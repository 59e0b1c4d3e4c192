//! The wait for a run's tasks: the continuation that travels from one invocation to the next, and its one step.
//!
//! ```text
//!            ┌────────── Look at ──────────┐
//!            ▼                             │
//! start ─► a look ─► step ─┬─ Finish ─► the answer
//!            ▲             ├─ GiveUp ─► stop the tasks ─► a look (until they have stopped) ─► the answer
//!            └─ next hop ◄─┴─ HandOver
//! ```
//!
//! Pure: the clock is an argument. A [`Wait`] is a serialized format: new fields get defaults, and every shape that
//! was ever shipped keeps its fixture in `tests/wait/`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{
    limit::Limit,
    plan::{Run, Stop},
};
use crate::{
    cfn::{ReplyTo, Request, RequestType},
    outcome::{Awaited, Cause, Failure, Outcome, Rules, Verdict},
    task::{Observation, Task, TaskArn, TaskDefinition},
};

/// The format's version.
const VERSION: u32 = 1;
/// When the first look is due, after the start.
const FIRST_LOOK: Duration = Duration::SECOND;
/// How long no look follows one that showed nothing; it doubles from miss to miss, up to so many times as long.
const FIRST_MISS: Duration = Duration::SECOND;
const MISSES_AT_MOST: i32 = 16;
/// How long on end ECS may not know a task before it counts as lost.
const MISSING_PATIENCE: Duration = Duration::seconds(30);
/// How long ECS may not know a task that it has just started.
pub(in crate::runner) const MISSING_TOLERANCE: Duration = Duration::seconds(60);
/// How long a fact may come after the task is over.
const SETTLING: Duration = Duration::seconds(15);
/// How long tasks that have been told to stop at their deadline are looked at, where CloudFormation waits no longer.
const LAST_WORDS: Duration = Duration::seconds(10);
/// How long the stop code may come after STOPPED, if all else says that the task succeeded. ECS gives it with STOPPED, a
/// stand-in for ECS perhaps never.
const STOP_CODE_PATIENCE: Duration = Duration::seconds(3);

/// A wait that goes on, over as many invocations as it takes. Holds no property and no environment value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// The format's version; this is 1.
    pub version: u32,
    /// Who is answered.
    pub reply_to: ReplyTo,
    /// What CloudFormation wants done; for the log.
    pub request_type: RequestType,
    /// What is waited for.
    pub goal: Goal,
    /// Name or ARN of the cluster.
    pub cluster: String,
    /// The tasks.
    pub tasks: Vec<TaskArn>,
    /// When the wait began, right after the tasks were started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it must end.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    /// What set the deadline.
    pub limit: Limit,
    /// PollInterval in seconds, if it was given.
    #[serde(default)]
    pub poll_interval: Option<u32>,
    /// When the next look is due.
    #[serde(with = "time::serde::rfc3339")]
    pub next_look: OffsetDateTime,
    /// Since when the tasks are over while a fact was missing.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub over_since: Option<OffsetDateTime>,
    /// How many invocations came before this one.
    pub hop: u32,
    /// WatchContainers.
    #[serde(default)]
    pub watch_containers: Vec<String>,
    /// SuccessExitCodes.
    #[serde(default = "zero_alone")]
    pub success_exit_codes: Vec<i64>,
    /// LogLines.
    #[serde(default)]
    pub log_lines: u32,
    /// Subnets, security groups and public address of the run, for the Reason of a task that could not reach something.
    #[serde(default)]
    pub network: Option<String>,
    /// Since when ECS does not know one of the tasks.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub missing_since: Option<OffsetDateTime>,
    /// By when CloudFormation must be answered, however long the tasks take to stop.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub answer_by: Option<OffsetDateTime>,
    /// The deadline has passed, and the tasks have been told to stop.
    #[serde(default)]
    pub timed_out: Option<TimedOut>,
}

/// A run that did not end in time, as it stood at its deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedOut {
    /// The deadline.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What set it.
    pub limit: Limit,
    /// What was still running, in words.
    pub running: String,
    /// The container whose log says most, if one was running.
    #[serde(default)]
    pub container: Option<String>,
    /// Its task.
    #[serde(default)]
    pub task: Option<TaskArn>,
    /// Why the last look before it showed nothing.
    #[serde(default)]
    pub trouble: Option<String>,
}

fn zero_alone() -> Vec<i64> {
    vec![0]
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Create and Update: every container has stopped, and well.
    Success,
    /// Delete: every task has let go of its network interface, however it ended.
    #[serde(rename = "Gone")]
    Stopped,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sleep until then and look again.
    Look(OffsetDateTime),
    /// Sleep until then and let the next invocation go on.
    HandOver(OffsetDateTime),
    /// It is over.
    Finish(Verdict),
    /// The deadline has come: the tasks must be stopped, or if they have been told to, the answer cannot wait for them.
    GiveUp,
}

/// Why a continuation cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// It is not what this function writes.
    #[error("it does not have the form that this function writes")]
    Form,
    /// Another version of this function has written it.
    #[error("version {0} of it is unknown, this function knows version {VERSION}")]
    Version(u64),
}

impl Wait {
    /// The wait for a run that has just been started.
    ///
    /// `deadline` and `limit` are those of [`super::limit::Limits::deadline`] when the start began.
    pub fn for_success(
        run: &Run,
        request: &Request,
        tasks: Vec<TaskArn>,
        (deadline, limit): (OffsetDateTime, Limit),
        now: OffsetDateTime,
    ) -> Self {
        let poll_interval = run.properties.poll_interval;
        let first =
            poll_interval.map_or(FIRST_LOOK, |seconds| Duration::seconds(seconds.into()).min(FIRST_LOOK));
        Self {
            version: VERSION,
            reply_to: request.reply_to.clone(),
            request_type: request.request_type,
            goal: Goal::Success,
            cluster: run.properties.cluster.clone(),
            tasks,
            started_at: now,
            deadline,
            limit,
            poll_interval,
            next_look: (now + first).min(deadline),
            over_since: None,
            hop: 0,
            watch_containers: run.properties.watch_containers().to_vec(),
            success_exit_codes: run.properties.success_exit_codes.clone(),
            log_lines: run.properties.log_lines,
            network: run.properties.network_configuration.as_ref().map(ToString::to_string),
            missing_since: None,
            answer_by: Some(run.limits.answer_by()),
            timed_out: None,
        }
    }

    /// The wait for tasks that have been told to stop.
    pub fn for_stop(stop: &Stop, reply_to: &ReplyTo, tasks: Vec<TaskArn>, now: OffsetDateTime) -> Self {
        Self {
            version: VERSION,
            reply_to: reply_to.clone(),
            request_type: RequestType::Delete,
            goal: Goal::Stopped,
            cluster: stop.cluster.clone().unwrap_or_default(),
            tasks,
            started_at: now,
            deadline: stop.deadline,
            limit: stop.limit,
            poll_interval: None,
            next_look: (now + FIRST_LOOK).min(stop.deadline),
            over_since: None,
            hop: 0,
            watch_containers: Vec::new(),
            success_exit_codes: zero_alone(),
            log_lines: 0,
            network: None,
            missing_since: None,
            answer_by: Some(stop.deadline),
            timed_out: None,
        }
    }

    /// Reads a continuation of any shape that was ever shipped.
    pub fn read(value: &Value) -> Result<Self, WaitError> {
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => Err(WaitError::Version(version)),
            // serde's own words would quote the value, which can be the ResponseURL.
            _ => serde_json::from_value(value.clone()).map_err(|_| WaitError::Form),
        }
    }

    /// The rules that its tasks are judged by, given the definition that they ran from.
    pub fn rules<'a>(&'a self, definition: Option<&'a TaskDefinition>) -> Rules<'a> {
        Rules {
            watch_containers: &self.watch_containers,
            success_exit_codes: &self.success_exit_codes,
            definition,
        }
    }

    /// Takes note of what a look has shown that later looks are judged by.
    pub fn observe(&mut self, observation: &Observation, now: OffsetDateTime) {
        self.missing_since = match observation.missing.is_empty() {
            true => None,
            false => Some(self.missing_since.unwrap_or(now)),
        };
    }

    /// What the tasks have come to, after [`Wait::observe`].
    ///
    /// A task that ECS does not know is waited for during the first minute, and later while it has not been unknown for
    /// 30 s on end: one answer without it proves nothing. Then it fails the run.
    pub fn judge(&self, observation: &Observation, rules: Rules<'_>, now: OffsetDateTime) -> Outcome {
        let Observation { tasks, missing } = observation;
        if self.may_turn_up(now) {
            return Outcome::Pending;
        }
        if self.goal == Goal::Stopped {
            return match tasks.iter().all(Task::is_stopped) {
                true => Outcome::Over { verdict: Verdict::Succeeded, awaited: Awaited::Nothing },
                false => Outcome::Pending,
            };
        }
        let missing = missing.iter().map(|task| Failure {
            task: task.clone(),
            cause: Cause::Missing,
            others: Vec::new(),
            stop_code: None,
            stopped_reason: None,
        });
        match Outcome::of(tasks, rules) {
            Outcome::Over { verdict, awaited } => {
                let failures: Vec<Failure> = match verdict {
                    Verdict::Succeeded => missing.collect(),
                    Verdict::Failed(failures) => failures.into_iter().chain(missing).collect(),
                };
                let verdict =
                    if failures.is_empty() { Verdict::Succeeded } else { Verdict::Failed(failures) };
                Outcome::Over { verdict, awaited }
            }
            pending => pending,
        }
    }

    /// Whether a task that ECS does not know may still turn up.
    fn may_turn_up(&self, now: OffsetDateTime) -> bool {
        self.missing_since.is_some_and(|since| {
            let just_started = self.goal == Goal::Success && now - self.started_at < MISSING_TOLERANCE;
            just_started || now - since < MISSING_PATIENCE
        })
    }

    /// The container that a time-out is about: the first that counts and still runs.
    pub fn running<'t>(
        &self,
        tasks: &'t [Task],
        definition: Option<&TaskDefinition>,
    ) -> Option<(&'t Task, &'t str)> {
        tasks.iter().find_map(|task| {
            let counting = self.rules(definition).counting(task).into_iter();
            let running = counting.into_iter().find(|container| container.last_status == "RUNNING")?;
            Some((task, running.name.as_str()))
        })
    }

    /// The deadline has come, and the tasks have been told to stop: from now on their end is waited for as far as
    /// CloudFormation waits for an answer, since a container may take its stopTimeout to die, and what is deployed next
    /// must not meet it.
    pub fn time_out(&mut self, timed_out: TimedOut, now: OffsetDateTime) {
        self.deadline = self.answer_by.unwrap_or(now).max(now + LAST_WORDS);
        self.next_look = now + FIRST_LOOK;
        self.over_since = None;
        self.timed_out = Some(timed_out);
    }

    /// The verdict over tasks that turn out to have ended before the deadline, when the looks before it showed nothing.
    pub fn ended_in_time(
        &self,
        seen: &Observation,
        rules: Rules<'_>,
        now: OffsetDateTime,
    ) -> Option<Verdict> {
        let deadline = self.timed_out.as_ref().map_or(self.deadline, |timed_out| timed_out.at);
        let ended = |task: &Task| task.ended_at().is_some_and(|at| at <= deadline);
        match self.judge(seen, rules, now) {
            Outcome::Over { verdict, awaited: Awaited::Nothing }
                if !seen.tasks.is_empty() && seen.missing.is_empty() && seen.tasks.iter().all(ended) =>
            {
                Some(verdict)
            }
            _ => None,
        }
    }

    /// The step after a look.
    ///
    /// `hand_over_at` is when this invocation must let go; `jitter`, from 0 to 1, spreads looks of many waits.
    pub fn step(
        &mut self,
        outcome: &Outcome,
        now: OffsetDateTime,
        hand_over_at: OffsetDateTime,
        jitter: f64,
    ) -> Step {
        if let Outcome::Over { verdict, awaited } = outcome {
            let over_since = *self.over_since.get_or_insert(now);
            let settled_by = match awaited {
                Awaited::Nothing => now,
                Awaited::StopCode => over_since + STOP_CODE_PATIENCE,
                Awaited::Codes => over_since + SETTLING,
                Awaited::Definition => self.deadline,
            };
            if now >= settled_by {
                return Step::Finish(verdict.clone());
            }
            // Also beyond the deadline: without the missing fact a task that was stopped there looks like a success.
            self.next_look = (now + self.interval(now, jitter)).min(settled_by);
            return self.resume(hand_over_at);
        }
        if now >= self.deadline {
            return Step::GiveUp;
        }
        self.next_look = (now + self.interval(now, jitter)).min(self.deadline);
        self.resume(hand_over_at)
    }

    /// The step after `misses` looks in a row, this one included, that showed nothing: throttled, timed out. They are an
    /// account's other waits too, most likely, so each makes way for the others a little longer.
    pub fn step_after_misses(
        &mut self,
        misses: u32,
        now: OffsetDateTime,
        hand_over_at: OffsetDateTime,
        jitter: f64,
    ) -> Step {
        if now >= self.deadline {
            return Step::GiveUp;
        }
        let longest = FIRST_MISS * 2_i32.saturating_pow(misses.saturating_sub(1)).min(MISSES_AT_MOST);
        let pause = longest * (1.0 - 0.5 * jitter.clamp(0.0, 1.0));
        let pause = self.poll_interval.map_or(pause, |seconds| pause.min(Duration::seconds(seconds.into())));
        self.next_look = (now + pause).min(self.deadline);
        self.resume(hand_over_at)
    }

    /// What to do when nothing new has been seen: the look that is due, or the end of this invocation before it.
    pub fn resume(&self, hand_over_at: OffsetDateTime) -> Step {
        if self.next_look > hand_over_at { Step::HandOver(hand_over_at) } else { Step::Look(self.next_look) }
    }

    /// 5 % of the time waited, from 1 to 10 s, less up to a tenth of jitter; with PollInterval that, as it is. A fact
    /// that is missing of tasks that are over comes soon.
    fn interval(&self, now: OffsetDateTime, jitter: f64) -> Duration {
        match self.poll_interval {
            Some(seconds) if self.timed_out.is_none() => Duration::seconds(seconds.into()),
            _ if self.over_since.is_some() => FIRST_LOOK,
            _ => {
                let since = self.timed_out.as_ref().map_or(self.started_at, |timed_out| timed_out.at);
                let waited = (now - since).as_seconds_f64();
                let interval = (waited * 0.05).clamp(1.0, 10.0) * (1.0 - 0.1 * jitter.clamp(0.0, 1.0));
                Duration::seconds_f64(interval.max(1.0))
            }
        }
    }
}

#[cfg(test)]
mod tests;
