//! Following a run's tasks from look to look, until the verdict, the deadline or the end of this invocation.

use std::time::Duration as StdDuration;

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{
    End, Runner,
    decide::{
        answer::Answer,
        wait::{Goal, MAX_HOPS, Observation, Step, Wait},
    },
    invocation::{FRESH_ROLE, Invocation},
};
use crate::{
    aws::{CallError, CallErrorKind},
    outcome::{Outcome, Rules, Verdict},
    reason::{Log, Reason},
    task::{Task, TaskArn, TaskDefinition},
};

/// How long tasks that have been told to stop are listened to.
const LAST_WORDS: Duration = Duration::seconds(10);
/// How long a task definition is tried to be read; the verdict goes without it then.
const DEFINITION_PATIENCE: Duration = Duration::seconds(10);

/// How long a failed container's log is waited for.
const LOG_PATIENCE: Duration = Duration::seconds(3);
/// Between two attempts at it.
const LOG_DELAY: StdDuration = StdDuration::from_secs(1);

/// What the looks of one invocation have shown.
#[derive(Default)]
struct Seen {
    last: Observation,
    definition: Option<TaskDefinition>,
    /// Why the last look showed nothing.
    trouble: Option<CallError>,
    /// How many looks in a row showed nothing, half of which one that shows something makes good.
    misses: u32,
}

impl Runner {
    /// Follows a wait to its end, or to the end of this invocation.
    pub(super) async fn follow(&self, mut wait: Wait, invocation: &Invocation) -> End {
        let mut seen = Seen::default();
        let mut step = wait.resume(invocation.hand_over_at());
        loop {
            step = match step {
                Step::Look(at) => {
                    invocation.clock().sleep_until(at).await;
                    let looked = self.look(&wait, &mut seen, invocation).await;
                    let (now, hand_over_at, jitter) =
                        (invocation.now(), invocation.hand_over_at(), fastrand::f64());
                    match looked {
                        Ok(Some(outcome)) => wait.step(&outcome, now, hand_over_at, jitter),
                        Ok(None) => wait.step_after_misses(seen.misses, now, hand_over_at, jitter),
                        Err(error) => return End::Answer(self.lost_sight(&wait, &error, invocation).await),
                    }
                }
                Step::HandOver(at) => {
                    invocation.clock().sleep_until(at).await;
                    return self.hand_over(wait, &seen, invocation).await;
                }
                Step::Finish(verdict) => {
                    let answer = self.finished(&wait, &verdict, &seen, invocation).await;
                    let never_ran = wait.goal == Goal::Success && verdict.never_ran(&seen.last.tasks);
                    return if never_ran { End::NeverRan(answer) } else { End::Answer(answer) };
                }
                Step::GiveUp => return End::Answer(self.give_up(&wait, &seen, invocation).await),
            };
        }
    }

    /// One look. Throttling, 5xx and time-outs are no observation, `None`; `Err` is what no further look will mend.
    async fn look(
        &self,
        wait: &Wait,
        seen: &mut Seen,
        invocation: &Invocation,
    ) -> Result<Option<Outcome>, CallError> {
        let now = invocation.now();
        let until = invocation.until(wait.deadline);
        match invocation.within(until, self.aws.describe_tasks(&wait.cluster, &wait.tasks)).await {
            Ok(observation) => {
                seen.last = observation;
                seen.trouble = None;
                seen.misses /= 2;
            }
            Err(error) if wait.goal == Goal::Gone && error.is("ClusterNotFoundException") => {
                seen.last = Observation::default();
            }
            Err(error) => {
                let may_pass = match error.kind {
                    CallErrorKind::Transient => true,
                    CallErrorKind::Denied => now - wait.started_at < FRESH_ROLE,
                    CallErrorKind::Final => false,
                };
                if !may_pass {
                    return Err(error);
                }
                tracing::warn!("a look showed nothing: {error}");
                seen.trouble = Some(error);
                seen.misses += 1;
                return Ok(None);
            }
        }
        let statuses: Vec<&str> = seen.last.tasks.iter().map(|task| task.last_status.as_str()).collect();
        tracing::debug!(
            waited_s = (now - wait.started_at).whole_seconds(),
            statuses = statuses.join(","),
            "looked"
        );
        let outcome = wait.judge(&seen.last, wait.rules(seen.definition.as_ref()), now);
        if outcome == Outcome::Pending || wait.goal == Goal::Gone || seen.definition.is_some() {
            return Ok(Some(outcome));
        }
        // Which containers count, and where their output went, stands in the definition alone.
        let until = invocation.until(now + DEFINITION_PATIENCE);
        seen.definition = self.definition(seen.last.tasks.first(), until, invocation).await;
        Ok(Some(wait.judge(&seen.last, wait.rules(seen.definition.as_ref()), now)))
    }

    /// The definition that a task ran from, if it can be read.
    async fn definition(
        &self,
        task: Option<&Task>,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Option<TaskDefinition> {
        self.definition_of(task.map(|task| task.task_definition_arn.as_str())?, until, invocation).await
    }

    /// The definition of this name, if it can be read.
    pub(super) async fn definition_of(
        &self,
        name: &str,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Option<TaskDefinition> {
        if name.is_empty() {
            return None;
        }
        // An attempt without an answer must leave time for another.
        let attempt = || invocation.until(invocation.now() + DEFINITION_PATIENCE / 4);
        let read = async || match invocation.within(attempt(), self.aws.describe_task_definition(name)).await
        {
            // A denial may pass, too, but it is not worth the time: the verdict can do without the definition.
            Err(error) if error.kind == CallErrorKind::Denied => {
                Err(CallError { kind: CallErrorKind::Final, ..error })
            }
            result => result,
        };
        let definition = invocation.ride_out(until, read).await;
        definition.inspect_err(|error| tracing::warn!("going on without the task definition: {error}")).ok()
    }

    async fn finished(&self, wait: &Wait, verdict: &Verdict, seen: &Seen, invocation: &Invocation) -> Answer {
        for task in &seen.last.tasks {
            for container in &task.containers {
                tracing::info!(
                    cluster = wait.cluster,
                    task_arn = task.arn.0,
                    container = container.name,
                    exit_code = container.exit_code,
                    stop_code = task.stop_code,
                    waited_s = (invocation.now() - wait.started_at).whole_seconds(),
                    "ended"
                );
            }
        }
        let definition = seen.definition.as_ref();
        match (wait.goal, verdict) {
            (Goal::Gone, _) => Answer::nothing_ran(Reason::all_stopped()),
            (Goal::Success, Verdict::Succeeded) => {
                Answer::succeeded(&seen.last.tasks, wait.rules(definition))
            }
            (Goal::Success, Verdict::Failed(failures)) => {
                let failed =
                    failures.first().and_then(|failure| Some((&failure.task, failure.cause.container()?)));
                let log = self.log(wait, failed, definition, invocation).await;
                Answer::failed(failures, log.as_ref())
            }
        }
    }

    /// Where a container's output is, and its last lines as far as they can be had in time. Never changes a verdict.
    async fn log(
        &self,
        wait: &Wait,
        container: Option<(&TaskArn, &str)>,
        definition: Option<&TaskDefinition>,
        invocation: &Invocation,
    ) -> Option<Log> {
        let (task, container) = container?;
        let logs = definition?.container(container)?.logs.as_ref()?;
        let log = Log { group: logs.group.clone(), stream: logs.stream(container, task), lines: Vec::new() };
        let Some(stream) = log.stream.as_ref().filter(|_| wait.log_lines > 0) else { return Some(log) };
        let until = invocation.last_words_at().min(invocation.now() + LOG_PATIENCE);
        let lines = loop {
            let read = self.aws.log_tail(logs.region.as_deref(), &logs.group, stream, wait.log_lines);
            let read = invocation.within(until, read).await;
            // The driver hands lines over with a delay, and makes the stream with the first of them.
            let may_come = match &read {
                Ok(lines) => lines.is_empty(),
                Err(error) => error.is("ResourceNotFoundException"),
            };
            if !may_come || invocation.now() + LOG_DELAY >= until {
                break read;
            }
            tokio::time::sleep(LOG_DELAY).await;
        };
        match &lines {
            Ok(lines) if lines.is_empty() => tracing::info!(container, "the container's log stream is empty"),
            Ok(_) => {}
            Err(error) => tracing::warn!(container, "going on without the container's log: {error}"),
        }
        Some(Log { lines: lines.unwrap_or_default(), ..log })
    }

    /// The deadline has come: the tasks are stopped, and listened to a little longer. Those of a Delete have been told to
    /// stop before, and a Delete fails only where AWS refuses that: a stack that is stuck would be worse.
    async fn give_up(&self, wait: &Wait, seen: &Seen, invocation: &Invocation) -> Answer {
        let mut reason = match wait.goal {
            Goal::Success => Reason::timed_out(&wait.limit, &seen.last.tasks),
            Goal::Gone => Reason::not_gone(&wait.limit, &seen.last.tasks),
        };
        if let Some(trouble) = &seen.trouble {
            reason = reason.last_look_failed(trouble);
        }
        if wait.goal == Goal::Gone {
            tracing::warn!("{} is over, and the tasks have not stopped yet", wait.limit);
            return Answer::nothing_ran(reason);
        }
        tracing::warn!("{} is over: stopping the tasks", wait.limit);
        let why = format!("ecs-tasks: not finished within {}", wait.limit);
        let until = invocation.soon();
        let reason = self.stop_tasks(reason, &wait.cluster, &wait.tasks, &why, until, invocation).await;
        let until = until.min(invocation.now() + LAST_WORDS);
        let words = self.last_words(&wait.cluster, &wait.tasks, until, invocation).await.unwrap_or_default();
        let definition =
            self.definition(words.tasks.first().or(seen.last.tasks.first()), until, invocation).await;
        if let Some(verdict) = wait.ended_in_time(&words, wait.rules(definition.as_ref()), invocation.now()) {
            let seen = Seen { last: words, definition, ..Seen::default() };
            return self.finished(wait, &verdict, &seen, invocation).await;
        }
        let reason = reason.last_words(&words.tasks);
        let running = running(&seen.last.tasks, wait.rules(definition.as_ref()));
        Answer::Failed(reason.log(self.log(wait, running, definition.as_ref(), invocation).await.as_ref()))
    }

    /// No further look is possible: the tasks are stopped where that is.
    async fn lost_sight(&self, wait: &Wait, error: &CallError, invocation: &Invocation) -> Answer {
        if wait.goal == Goal::Gone {
            tracing::warn!("the tasks have been told to stop, but cannot be looked at: {error}");
            return Answer::nothing_ran(Reason::told_to_stop(error));
        }
        let reason = Reason::lost_sight(error, &wait.cluster, &wait.tasks);
        Answer::Failed(self.stop_unwatched(wait, reason, invocation).await)
    }

    /// Lets the next invocation go on, with all that it needs and nothing else.
    async fn hand_over(&self, mut wait: Wait, seen: &Seen, invocation: &Invocation) -> End {
        if i64::from(wait.hop) >= MAX_HOPS && !self.recursive_loop_allowed {
            // Lambda would drop the next hop without a word.
            tracing::warn!("the chain of {MAX_HOPS} self-invocations is used up");
            return End::Answer(self.give_up(&wait, seen, invocation).await);
        }
        wait.hop += 1;
        tracing::info!(waited_s = (invocation.now() - wait.started_at).whole_seconds(), "handing over");
        let payload = json!({ "Wait": wait }).to_string().into_bytes();
        // An attempt without an answer must leave time for another, and for the end if none works. One that has worked
        // all the same does no harm: two waits for the same tasks come to the same verdict.
        let left = invocation.last_words_at() - invocation.now();
        let until = invocation.now() + left * 3 / 4;
        let call = || {
            let invoke = self.aws.invoke_event(invocation.function_arn(), payload.clone());
            invocation.within(invocation.now() + left / 2, invoke)
        };
        match invocation.ride_out(until, call).await {
            Ok(()) => End::HandedOver,
            Err(error) => {
                let reason = Reason::no_next_hop(&error);
                End::Answer(Answer::Failed(self.stop_unwatched(&wait, reason, invocation).await))
            }
        }
    }

    async fn stop_unwatched(&self, wait: &Wait, reason: Reason, invocation: &Invocation) -> Reason {
        let why = "ecs-tasks: it can no longer be waited for";
        self.stop_tasks(reason, &wait.cluster, &wait.tasks, why, invocation.soon(), invocation).await
    }
}

/// The container that a time-out is about: the first that counts and still runs.
fn running<'t>(tasks: &'t [Task], rules: Rules<'_>) -> Option<(&'t TaskArn, &'t str)> {
    tasks.iter().find_map(|task| {
        let running =
            rules.counting(task).into_iter().find(|container| container.last_status == "RUNNING")?;
        Some((&task.arn, running.name.as_str()))
    })
}
