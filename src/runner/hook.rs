//! A hook of a deployment: ECS invokes the function until its run has ended. Each invocation makes
//! one step (start, look, stop) and answers at once, because ECS keeps the state.
//!
//! The steps are those of a custom resource: clear, start, look, conclude. [`decide::hook`] holds
//! the state and the answer.
//!
//! [`decide::hook`]: super::decide::hook

use std::collections::BTreeMap;

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;

use super::{
    Runner,
    clear::{Cleared, clear_the_way},
    conclude::{Seen, conclude, lost_sight, reason_for_timeout},
    decide::{
        answer::Answer,
        hook::{Hook, HookRun, HookStatus},
        plan::{Earlier, Skip},
        texts,
        wait::Step,
    },
    invocation::Invocation,
    ledger::History,
    respond::{Panicked, caught, caught_call_within, log_unknown},
    run::unknown_watch_containers,
    start::{Start, Started, Tried, start_once},
    tasks::{RUN_FAILED, own_tasks, stop},
    wait::{look, time_out},
    work::Work,
};
use crate::{
    call::CallError,
    cfn::ReplyTo,
    properties::{Properties, hook::ServiceRevision},
    reason::Reason,
    task::{TaskArn, cluster_name, family},
};

/// The longest time for one question to AWS, which can be several calls. The next invocation asks
/// again.
const ASK: Duration = Duration::seconds(20);
/// The share of an invocation's time for one question, so that there is time to stop tasks.
const SHARE: i32 = 3;
/// The time after which a task that was told to stop has ended: on Fargate its stopTimeout is 120 s
/// at most. Until then a task that stops and cannot be described holds a start back.
const STOPPING: Duration = Duration::seconds(150);
/// The pause before a failed start is tried again. The delay of the answer is the same.
const AGAIN: Duration = Duration::seconds(5);
/// ECS keeps a hook's state, so the ledger has no row of it.
static NO_HISTORY: History<'static> = History {
    ledger: None,
    attempts: 0,
    is_first: false,
    delivery: 0,
    earlier_rows: Vec::new(),
};
/// The longest Reason in the log and in the message, in bytes.
const REASON: usize = 4000;

impl Runner {
    /// Handles one invocation of a hook. Returns the function's result for ECS, whatever happens.
    pub(super) async fn hook(&self, hook: &Hook, invocation: &Invocation) -> Value {
        // The span has the highest level, so that each line has its fields at any log level.
        let span = tracing::error_span!(
            "hook",
            service = hook.service,
            deployment = hook.deployment,
            stage = hook.stage
        );
        async {
            let status = self.step(hook, invocation).await;
            match &status {
                HookStatus::InProgress(run) => {
                    tracing::info!(count = run.tasks.len(), "in progress: ECS invokes again");
                }
                HookStatus::Done(answer) => self.tell(hook, answer, invocation).await,
            }
            hook.answer(&status, invocation.now())
        }
        .instrument(span)
        .await
    }

    /// Makes one step under the guard, within the invocation's time.
    async fn step(&self, hook: &Hook, invocation: &Invocation) -> HookStatus {
        let left = invocation.answer_reserve_at() - invocation.now();
        let advancing = Box::pin(self.advance(hook, invocation));
        let advancing = tokio::time::timeout(left.try_into().unwrap_or_default(), advancing);
        match caught(advancing).await {
            Ok(Ok(status)) => status,
            Ok(Err(_)) => {
                let run = hook.run.clone();
                let run = run.unwrap_or_else(|| HookRun::begin(&hook.stage, invocation.now()));
                let goes_on = run.may_go_on(invocation.now());
                later(run, goes_on, texts::hook_out_of_time())
            }
            Err(Panicked) => {
                tracing::error!("an internal error ended the work on this hook");
                let stopping = Box::pin(self.stop_hook(hook, texts::own_fault(), invocation));
                let answer = caught(stopping).await;
                HookStatus::Done(
                    answer.unwrap_or_else(|Panicked| Answer::Failed(texts::own_fault())),
                )
            }
        }
    }

    async fn advance(&self, hook: &Hook, invocation: &Invocation) -> HookStatus {
        if let Some(reason) = hook.run.as_ref().and_then(|run| run.failed.as_deref()) {
            return HookStatus::Done(self.stop_hook(hook, reason.clone(), invocation).await);
        }
        let properties = match hook.properties() {
            Ok(properties) => properties,
            Err(reason) => return failed(*reason),
        };
        if properties.tasks() == 0 {
            let reason = texts::skipped(Skip::CountIsZero);
            return HookStatus::Done(Answer::success_without_run(reason));
        }
        let run = hook.run.clone();
        let run = run.unwrap_or_else(|| HookRun::begin(&hook.stage, invocation.now()));
        let is_started = run.is_started(&properties);
        let (run, is_repeated) = match is_started {
            true => (run, false),
            false => match self
                .start_run(hook, run.clone(), &properties, invocation)
                .await
            {
                Begun::Repeated(run) => (*run, true),
                // ECS may invoke the function twice at one moment, and the other invocation may be
                // about to start the tasks that this one could not. The next one finds them.
                Begun::First(HookStatus::Done(Answer::Failed(reason))) => {
                    tracing::warn!("{}; the next invocation fails the hook", reason.head());
                    return HookStatus::InProgress(Box::new(run.failing(reason)));
                }
                Begun::First(status) => return status,
            },
        };
        // An invocation whose answer was lost may have started tasks that the state does not name.
        let may_have_others = is_repeated || properties.start_retries > 0;
        match self.look_at_run(hook, run, &properties, invocation).await {
            HookStatus::Done(Answer::Failed(reason)) if may_have_others => {
                HookStatus::Done(self.stop_hook(hook, reason, invocation).await)
            }
            status => status,
        }
    }

    /// Starts the tasks that have not started, after those of an earlier deployment have ended.
    async fn start_run(
        &self,
        hook: &Hook,
        run: HookRun,
        properties: &Properties,
        invocation: &Invocation,
    ) -> Begun {
        let now = invocation.now();
        let unknown = hook.reply_to(None);
        let asking = self.work_on_hook("", &[], &unknown, invocation);
        let asked = asking
            .within(self.aws.describe_service_revision(&hook.revision))
            .await;
        let revision = match asked {
            Ok(Some(revision)) => revision,
            // ECS is eventually consistent.
            Ok(None) => {
                let reason = texts::no_revision(&hook.revision, None);
                let may_pass = run.may_start_later(now, properties);
                return Begun::First(later(run, may_pass, reason));
            }
            Err(error) => {
                let may_pass = may_pass(&error, &run, now, properties);
                let reason = texts::no_revision(&hook.revision, Some(&error));
                return Begun::First(later(run, may_pass, reason));
            }
        };
        let properties = properties.clone().deployed_as(&revision);
        let families = [family(&properties.task_definition).to_owned()];
        let reply_to = hook.reply_to(revision.created_at);
        let work = self.work_on_hook(&properties.cluster, &families, &reply_to, invocation);
        // A later attempt has done this, and has tasks of its own.
        if run.tasks.is_empty()
            && run.attempt == 0
            && let Some(status) = clear(&work, &run, &properties).await
        {
            return Begun::First(status);
        }
        // An invocation that ECS has repeated may have started what this attempt would start again.
        if run.attempt > 0 && run.retries == 0 {
            match alive_tasks(&work).await {
                Ok(alive) if alive.len() >= properties.tasks() => {
                    let attempt = run.attempt;
                    let run = run.started(alive, attempt, (&properties, &revision));
                    return Begun::Repeated(Box::new(run.timing(&properties, now)));
                }
                Ok(_) => {}
                Err(error) => {
                    let may_pass = may_pass(&error, &run, now, &properties);
                    return Begun::First(later(run, may_pass, texts::earlier_unknown(&error)));
                }
            }
        }
        if let Some(reason) = unknown_watch_containers(&work, &properties).await {
            return Begun::First(failed(reason));
        }
        launch(&work, run, (&properties, &revision)).await
    }

    /// Looks at the tasks once, and does what the look asks for.
    async fn look_at_run(
        &self,
        hook: &Hook,
        mut run: HookRun,
        properties: &Properties,
        invocation: &Invocation,
    ) -> HookStatus {
        let reply_to = hook.reply_to(run.revision_created_at());
        let cluster = run.cluster().to_owned();
        let work = self.work_on_hook(&cluster, &[], &reply_to, invocation);
        let mut wait = run.wait(properties, reply_to.clone());
        let mut seen = Seen::of(&wait);
        let looked = look(&work, &mut wait, &mut seen).await;
        let now = invocation.now();
        // A run that was found again began when its tasks did.
        let began_at = seen
            .last
            .tasks
            .iter()
            .filter_map(|task| task.created_at)
            .min();
        run = run.begun_at(began_at, properties);
        if wait.timed_out.is_none() {
            wait.deadline = run.deadline.unwrap_or(wait.deadline);
        }
        // Each invocation looks once, so no step hands over.
        let hand_over_at = now + Duration::DAY;
        let step = match looked {
            Ok(Some(outcome)) => wait.step(&outcome, now, hand_over_at, 0.0),
            Ok(None) => wait.step_after_misses(1, now, hand_over_at, 0.0),
            Err(error) => {
                return HookStatus::Done(lost_sight(&work, &wait, &seen, &error).await);
            }
        };
        match step {
            Step::Look(_) | Step::HandOver(_) => {
                HookStatus::InProgress(Box::new(run.seen(wait, seen.definition.as_ref())))
            }
            Step::Finish(verdict) => {
                let never_ran = wait.timed_out.is_none() && verdict.never_ran(&seen.last.tasks);
                if let Some(run) = never_ran.then(|| run.anew(properties, now)).flatten() {
                    tracing::warn!(
                        retries = run.retries,
                        "no container ever ran: starting the tasks again"
                    );
                    return HookStatus::InProgress(Box::new(run));
                }
                HookStatus::Done(conclude(&work, &wait, &verdict, &seen).await)
            }
            Step::DeadlineReached if wait.timed_out.is_none() => {
                let refused = time_out(&work, &mut wait, &seen).await;
                if refused.is_empty() {
                    let run = run.seen(wait, seen.definition.as_ref());
                    return HookStatus::InProgress(Box::new(run));
                }
                let may_pass = refused.iter().all(|(_, error)| error.is_transient());
                if may_pass && now < wait.settle_by {
                    // The next invocation stops them.
                    return HookStatus::InProgress(Box::new(run));
                }
                let reason = reason_for_timeout(&work, &wait, &seen, false).await;
                failed(texts::not_stopped(reason, &refused))
            }
            Step::DeadlineReached => {
                let reason = reason_for_timeout(&work, &wait, &seen, false).await;
                failed(texts::hook_still_stopping(reason))
            }
        }
    }

    /// Stops the tasks that a hook may have started, and fails it.
    async fn stop_hook(&self, hook: &Hook, reason: Reason, invocation: &Invocation) -> Answer {
        let run = hook.run.as_ref();
        let reply_to = hook.reply_to(run.and_then(HookRun::revision_created_at));
        let named = hook.properties().ok();
        let named = named.as_ref().and_then(Properties::own_cluster);
        let known = run.map(HookRun::cluster).filter(|known| !known.is_empty());
        let cluster = known.or(named).or(hook.cluster_name());
        if let (Some(run), Some(cluster)) = (run, cluster) {
            let work = self.work_on_hook(cluster, &[], &reply_to, invocation);
            stop(&work, &run.tasks, RUN_FAILED).await;
        }
        self.stop_and_fail(cluster, &reply_to, invocation, reason)
            .await
    }

    /// The work of one step: each call has its time, and nothing is waited for.
    fn work_on_hook<'w>(
        &'w self,
        cluster: &'w str,
        families: &'w [String],
        reply_to: &'w ReplyTo,
        invocation: &'w Invocation,
    ) -> Work<'w> {
        let now = invocation.now();
        let left = invocation.answer_reserve_at() - invocation.began_at();
        Work {
            shortest_call: (left / SHARE).min(ASK),
            ..self.work(cluster, families, &NO_HISTORY, now, reply_to, invocation)
        }
    }

    /// Tells how the run has ended wherever a person looks, because ECS does not: the log, the
    /// metrics and, if it failed, the topic.
    async fn tell(&self, hook: &Hook, answer: &Answer, invocation: &Invocation) {
        let answer = answer.clone().from_function(invocation.function_arn());
        log_unknown(&answer);
        let status = answer.status();
        let reply_to = hook.reply_to(None);
        invocation
            .metrics()
            .record_answer(&reply_to, answer.run_end());
        let Answer::Failed(reason) = &answer else {
            tracing::info!(status = ?status, reason = answer.summary(), "answering");
            return;
        };
        // A stack's events show the Reason of a custom resource. Nothing shows that of a hook, so
        // the log has all of it.
        let text = reason.fit(REASON);
        tracing::error!(status = ?status, reason = text, "answering");
        let Some(topic) = &self.alarm_topic else {
            return;
        };
        let named = hook.cluster_name().unwrap_or_default();
        let cluster = hook
            .run
            .as_ref()
            .map_or(named, |run| cluster_name(run.cluster()));
        let cluster = if cluster.is_empty() { named } else { cluster };
        let subject = texts::hook_subject(hook.service_name(), cluster, reason.head());
        let body = texts::hook_message(hook, &text, invocation.function_arn());
        let attributes = BTreeMap::new();
        let publishing = Box::pin(topic.publish(&subject, &body, &attributes));
        let limit = invocation.remaining() / 3;
        let published = caught_call_within(limit, "sns:Publish", publishing).await;
        if let Err(error) = published {
            tracing::error!("cannot publish the message about this failure: {error}");
        }
    }
}

/// Ends what an earlier deployment has left running. `None` if nothing is left.
async fn clear(work: &Work<'_>, run: &HookRun, properties: &Properties) -> Option<HookStatus> {
    let now = work.now();
    let earlier = Earlier {
        clusters: vec![work.cluster.to_owned()],
        families: work.families.to_vec(),
        waited: true,
        answer_deadline: run.started_at + STOPPING,
    };
    match clear_the_way(work, &earlier).await {
        Cleared::Done { .. } => None,
        Cleared::Superseded => Some(failed(texts::hook_superseded())),
        Cleared::Unseen(error) => {
            let is_unknown = error.is("MISSING") && run.may_clear_later(now);
            let may_pass = is_unknown || may_pass(&error, run, now, properties);
            Some(later(run.clone(), may_pass, texts::earlier_unknown(&error)))
        }
        Cleared::Unstopped { refused, tasks } => {
            let may_pass = refused.is_empty() && run.may_clear_later(now);
            let reason = texts::not_all_stopped(texts::earlier_runs(), &refused, &tasks);
            Some(later(run.clone(), may_pass, reason))
        }
    }
}

/// The outcome of one attempt to start the tasks.
enum Begun {
    /// The first one that started them all, or one that did not.
    First(HookStatus),
    /// An earlier invocation had started them all.
    Repeated(Box<HookRun>),
}

/// Makes one attempt to start the tasks that have not started.
async fn launch(work: &Work<'_>, run: HookRun, run_of: (&Properties, &ServiceRevision)) -> Begun {
    let (properties, now) = (run_of.0, work.now());
    let mut started = Started {
        tasks: run.tasks.clone(),
        attempt: run.attempt,
        ..Started::default()
    };
    let tried = Tried {
        // The stack that makes the service often makes its roles, too.
        is_new_stack: true,
        may_go_on: run.may_start_later(now + AGAIN, properties),
        may_ask_again: run.may_ask_again(now + AGAIN, properties),
        is_repeated: run.attempt > 0,
        began_at: run.started_at,
    };
    match start_once(work, properties, &mut started, tried).await {
        Some(Start::Failed(reason)) => Begun::First(failed(reason)),
        Some(Start::Complete(started)) => {
            let began_at = started.began_at();
            // ECS replays the answer to a used token without the time of creation.
            let is_first = began_at.is_some_and(|at| at >= work.invocation.began_at());
            let run = run.started(started.tasks, started.attempt, run_of);
            let run = run.timing(properties, began_at.map_or(now, |at| at.min(work.now())));
            match is_first {
                true => Begun::First(HookStatus::InProgress(Box::new(run))),
                false => Begun::Repeated(Box::new(run)),
            }
        }
        None => {
            let run = run.started(started.tasks, started.attempt, run_of);
            Begun::First(HookStatus::InProgress(Box::new(run)))
        }
    }
}

/// Looks for the hook's tasks that are not over.
async fn alive_tasks(work: &Work<'_>) -> Result<Vec<TaskArn>, CallError> {
    let own = own_tasks(work).await?.into_iter();
    let alive = own.filter(|task| !task.is_over());
    Ok(alive.map(|task| task.arn).collect())
}

/// IN_PROGRESS if the obstacle may pass, or else FAILED.
fn later(run: HookRun, may_pass: bool, reason: Reason) -> HookStatus {
    if !may_pass {
        return failed(reason);
    }
    tracing::warn!("{}; the next invocation tries again", reason.head());
    HookStatus::InProgress(Box::new(run))
}

fn failed(reason: Reason) -> HookStatus {
    HookStatus::Done(Answer::Failed(reason))
}

/// The same call may work later: AWS is in trouble, or a new role has not taken effect yet.
fn may_pass(error: &CallError, run: &HookRun, now: OffsetDateTime, of: &Properties) -> bool {
    error.is_transient() && run.may_ask_again(now, of)
        || error.is_denied() && run.may_start_later(now, of)
}
