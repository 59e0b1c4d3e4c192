//! The runner's flow: a payload becomes a request or a wait that goes on, tasks are started and followed, and
//! CloudFormation gets its one answer, from here and from nowhere else.
//!
//! ```text
//! payload ─► Entry ─┬─ request ─► Plan ─┬─ Refuse, Skip ───────────────► answer
//!                   │                   ├─ Run ──► start ──► follow ─┬─► answer
//!                   │                   └─ Stop ─► delete ─► follow ─┤
//!                   ├─ {"Wait": …} ────────────────────────► follow ─┼─► the next invocation
//!                   └─ an event, {"Watch": {}} ─► wake ─► follow ────┴─► the ledger
//! ```
//!
//! Calls go one way: wake, run and delete → start, follow → park, stop → find, and all of them carry one `Work`.
//!
//! With a ledger a request is remembered from its first delivery on, and its answer is one conditional write
//! before it is sent: of several invocations that come to it, one answers.
//!
//! Retry policy: an invocation fails only if its answer could not be delivered. Lambda then delivers the
//! request again, and since starting is idempotent, nothing runs twice.

mod ask;
pub mod decide;
mod delete;
mod evidence;
mod find;
mod follow;
mod hand_over;
pub mod invocation;
pub mod ledger;
mod measure;
mod meter;
mod park;
mod promise;
pub mod render;
mod run;
mod start;
mod stop;
mod wake;
mod work;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;

use self::{
    decide::{
        answer::Answer,
        entry::Entry,
        ledger::{self as rows, Redelivery},
        plan::{Plan, Skip},
        texts,
        wait::Wait,
    },
    delete::delete,
    follow::{Ending, follow},
    invocation::Invocation,
    ledger::{First, Ledger, Memory, Written},
    measure::Metrics,
    render::metrics::{RunEnd, Sent},
    run::{not_started, run, skip, without_tasks},
    work::Work,
};
use crate::{
    aws::Aws,
    callback::{Callback, Undelivered},
    cfn::{ReplyTo, Request, RequestType, WaitHandle},
    properties::Properties,
    reason::{FailureClass, Reason},
};

/// The runner: its clients.
#[derive(Debug)]
pub struct Runner {
    aws: Aws,
    callback: Callback,
    ledger: Option<Ledger>,
    metrics: Metrics,
}

impl Runner {
    /// A runner over these clients, without a ledger.
    pub fn new(aws: Aws, callback: Callback) -> Self {
        Self { aws, callback, ledger: None, metrics: Metrics::default() }
    }

    /// The same runner, which remembers its requests in this table, if there is one.
    #[must_use]
    pub fn with_ledger(self, ledger: Option<Ledger>) -> Self {
        Self { ledger, ..self }
    }

    /// Handles one payload of whatever kind.
    ///
    /// `Err` means that an answer could not be delivered; everything else, a failed task included, is `Ok`.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        let handled = self.enter(payload, invocation).await;
        self.report(invocation);
        handled
    }

    async fn enter(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        match Entry::read(payload) {
            Entry::Request(request) => Box::pin(self.request(*request, invocation)).await,
            Entry::GoOn(wait) => Box::pin(self.go_on(*wait, invocation)).await,
            Entry::Changed(task) => {
                Box::pin(self.task_changed(*task, invocation)).await;
                Ok(())
            }
            Entry::Watch => {
                Box::pin(self.watch(invocation)).await;
                Ok(())
            }
            Entry::Unreadable { reply_to, cluster, error } => {
                tracing::error!(request_id = reply_to.request_id, "a continuation cannot be read: {error}");
                let reason = texts::function_replaced(&error);
                let reason = self.without_tasks(reason, cluster.as_deref(), &reply_to, invocation).await;
                self.answer(Answer::Failed(reason), &reply_to, invocation).await
            }
            Entry::Garbled { reply_to, problem } => {
                tracing::error!(request_id = reply_to.request_id, "{problem}");
                let reason = Reason::new(problem).of_class(FailureClass::Refused);
                self.answer(Answer::Failed(reason), &reply_to, invocation).await
            }
            Entry::Dropped { problem } => {
                tracing::warn!("{problem}");
                Ok(())
            }
        }
    }

    async fn request(&self, mut request: Request, invocation: &Invocation) -> Result<(), Undelivered> {
        request.reply_to.no_echo = Properties::no_echo_of(&request.properties.0);
        let service_timeout = Duration::seconds(Properties::service_timeout_of(&request.properties.0).into());
        request.reply_to.answer_by =
            request.reply_to.response_url.signed_at().map(|signed_at| signed_at + service_timeout);
        let reply_to = &request.reply_to;
        let span = span(request.request_type, reply_to, 0);
        async {
            let expired = reply_to.response_url.expires_at().filter(|expiry| *expiry <= invocation.now());
            if let Some(expired) = expired {
                tracing::error!(
                    "dropped: the ResponseURL expired at {expired}, nobody waits for an answer any more"
                );
                return Ok(());
            }
            let plan = Plan::for_request(&request, invocation.means(self.ledger.is_some()));
            let memory = match self.remember(&request, &plan, invocation).await {
                Remembered::Memory(memory) => memory,
                Remembered::Waiting(wait) => return Box::pin(self.go_on(*wait, invocation)).await,
                Remembered::Answered(body) => {
                    tracing::info!("this request has been answered before: sending the same answer again");
                    return self.send(&body, reply_to, invocation).await;
                }
                Remembered::Superseded => {
                    return self.answer(Answer::Failed(texts::taken_over()), reply_to, invocation).await;
                }
            };
            let ending = Box::pin(self.carry_out(plan, &request, &memory, invocation));
            self.finish(ending, request.properties.cluster(), reply_to, invocation).await
        }
        .instrument(span)
        .await
    }

    async fn go_on(&self, wait: Wait, invocation: &Invocation) -> Result<(), Undelivered> {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let span = span(wait.request_type, &reply_to, wait.hop);
        let memory = self.memory();
        let place = Place { cluster: &cluster, families: &[], memory: &memory };
        let work = self.work(place, wait.deadline, &reply_to, invocation);
        let ending = Box::pin(follow(&work, wait));
        self.finish(ending, Some(&cluster), &reply_to, invocation).instrument(span).await
    }

    /// Does what a request asks for.
    async fn carry_out(
        &self,
        plan: Plan,
        request: &Request,
        memory: &Memory<'_>,
        invocation: &Invocation,
    ) -> Ending {
        let work = |cluster, families, deadline| {
            self.work(Place { cluster, families, memory }, deadline, &request.reply_to, invocation)
        };
        match plan {
            Plan::Refuse(refusal) => {
                let reason = texts::refused(&refusal);
                match request.properties.cluster().filter(|_| refusal.comes_with_time()) {
                    Some(cluster) => not_started(&work(cluster, &[], invocation.now()), reason).await,
                    None => Ending::Answered(Answer::Failed(reason)),
                }
            }
            Plan::Skip(why, earlier, handle) => {
                let cluster = request.properties.cluster().unwrap_or_default();
                skip(&work(cluster, &earlier.families, earlier.answer_by), why, &earlier, handle).await
            }
            Plan::Stop(stop) => match &stop.cluster {
                Some(cluster) => delete(&work(cluster, &stop.families, stop.deadline), &stop).await,
                None => {
                    let reason = texts::nothing_to_stop("the properties name no Cluster");
                    Ending::Answered(Answer::nothing_ran(reason))
                }
            },
            Plan::Run(plan) if plan.wait_handle.is_some() && memory.ledger.is_none() => {
                let work = work(&plan.properties.cluster, &[], plan.earlier.answer_by);
                not_started(&work, texts::not_remembered(None)).await
            }
            Plan::Run(plan) if memory.has_signalled(plan.wait_handle.as_ref()) => {
                let cluster = &plan.properties.cluster;
                let work = work(cluster, &plan.earlier.families, plan.earlier.answer_by);
                skip(&work, Skip::HandleUsed, &plan.earlier, None).await
            }
            Plan::Run(plan) => {
                let (cluster, families) = (plan.properties.cluster.clone(), plan.earlier.families.clone());
                let work = work(&cluster, &families, plan.earlier.answer_by);
                Box::pin(run(&work, *plan, request)).await
            }
        }
    }

    /// Answers when there is an answer, and also when there is none because of a panic: then whatever the
    /// request has started is stopped first.
    async fn finish(
        &self,
        ending: impl Future<Output = Ending>,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let answer = match AssertUnwindSafe(ending).catch_unwind().await {
            Ok(Ending::HandedOver) => return Ok(()),
            Ok(Ending::Answered(answer) | Ending::NeverRan(answer)) => answer,
            Ok(Ending::Promised(answer, wait)) => {
                // The run is counted when it has ended.
                let answered = self.answer_of(None, answer, reply_to, invocation).await;
                // Boxed: what is waited for ends here, too.
                let signalled = Box::pin(self.go_on(*wait, invocation)).await;
                return answered.and(signalled);
            }
            Ok(Ending::Skipped(answer, handle)) => {
                return self.answer_and_signal(answer, &handle, reply_to, invocation).await;
            }
            Err(_panic) => {
                let reason = texts::own_fault();
                Answer::Failed(self.without_tasks(reason, cluster, reply_to, invocation).await)
            }
        };
        self.answer(answer, reply_to, invocation).await
    }

    /// Answers, and counts the run that the answer is about.
    async fn answer(
        &self,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let run = answer.run_end();
        Box::pin(self.answer_of(run, answer, reply_to, invocation)).await
    }

    /// The only place that answers CloudFormation. `run` is how the run ended that is counted with the answer.
    async fn answer_of(
        &self,
        run: Option<RunEnd>,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        // Not the whole Reason: the container's last lines in it may hold what must never be in our log.
        let why = answer.summary().to_owned();
        let status = answer.status();
        let body = answer.into_body(reply_to);
        let mut is_kept = false;
        if let Some(ledger) = &self.ledger {
            match ledger.answer(reply_to, &body, invocation.now()).await {
                Ok(Written::Done) => is_kept = true,
                // CloudFormation does not read the answer to a request that it has given up.
                Ok(Written::NoRow | Written::Superseded | Written::Taken) => {}
                Ok(Written::Answered) => {
                    tracing::info!(reason = why, "not answering: another invocation has");
                    return Ok(());
                }
                // Two answers are better than none; they come of the same tasks.
                Err(error) => tracing::warn!("answering without the ledger: {error}"),
            }
        }
        tracing::info!(status = ?status, reason = why, "answering");
        let delivered = self.send(&body, reply_to, invocation).await;
        // What the ledger does not hold is answered anew by the next delivery, and counted then.
        if is_kept || delivered.is_ok() {
            invocation.meter().ended(reply_to, run);
        }
        delivered
    }

    /// Answers a request that has nothing to run, and signals its WaitHandle the same: the condition would wait for
    /// it in vain.
    async fn answer_and_signal(
        &self,
        answer: Answer,
        handle: &WaitHandle,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let signalled = reply_to.signalling(handle);
        let signal = answer.clone().into_body(&signalled);
        if let Some(ledger) = &self.ledger
            && let Err(error) =
                ledger.first(&rows::Row::signalled(&signalled, &signal, invocation.now())).await
        {
            tracing::warn!("the signal is sent once, because the ledger cannot keep it: {error}");
        }
        let answered = self.answer(answer, reply_to, invocation).await;
        let sent = self.send(&signal, &signalled, invocation).await;
        answered.and(sent)
    }

    /// PUTs an answer, and ends the request where that went well.
    async fn send(&self, body: &str, reply_to: &ReplyTo, invocation: &Invocation) -> Result<(), Undelivered> {
        let delivering = self.callback.deliver(body, reply_to, invocation.clock(), invocation.ends_at());
        let delivered = Box::pin(delivering).await;
        let sent = if delivered.is_ok() { Sent::Delivered(invocation.now()) } else { Sent::Undelivered };
        invocation.meter().sent(reply_to, sent);
        match (&delivered, &self.ledger) {
            (Err(error), _) => tracing::error!("{error}"),
            (Ok(()), Some(ledger)) => {
                ledger.end(rows::key_of(reply_to)).await;
            }
            (Ok(()), None) => {}
        }
        delivered
    }

    /// What the ledger says of a request; its row is written where there is none.
    async fn remember(&self, request: &Request, plan: &Plan, invocation: &Invocation) -> Remembered<'_> {
        let Some(ledger) = &self.ledger else { return Remembered::Memory(Memory::default()) };
        let row = rows::Row::planned(plan, request, invocation.now(), invocation.ends_at());
        let first = ledger.first(&row).await;
        let is_first = matches!(first, Ok(First::New));
        let own = match first {
            Ok(First::New) => row,
            Ok(First::Seen(own)) => match own.redelivered() {
                Redelivery::Repeat(body) => return Remembered::Answered(body),
                Redelivery::Superseded => return Remembered::Superseded,
                Redelivery::Look => match own.waits_for() {
                    Ok(Some(wait)) => return Remembered::Waiting(Box::new(wait)),
                    Ok(None) | Err(_) => *own,
                },
                Redelivery::Start => *own,
            },
            Err(error) => {
                tracing::warn!("going on without the ledger, by polling: {error}");
                return Remembered::Memory(Memory::default());
            }
        };
        let others = match request.request_type {
            // Nothing of its resource came before it.
            RequestType::Create => Ok(Vec::new()),
            RequestType::Update | RequestType::Delete => ledger.rows(&own.resource).await,
        };
        let others = others.unwrap_or_else(|error| {
            tracing::warn!("earlier requests are looked for in ECS alone: {error}");
            Vec::new()
        });
        let others = others.into_iter().filter(|row| row.is_before(&own)).collect();
        let delivery = fastrand::u64(..);
        Remembered::Memory(Memory {
            ledger: Some(ledger),
            attempts: own.attempts,
            is_first,
            delivery,
            others,
        })
    }

    /// The ledger alone, for who has nothing to do with other requests.
    fn memory(&self) -> Memory<'_> {
        Memory { ledger: self.ledger.as_ref(), ..Memory::default() }
    }

    /// Stops whatever a request may have started. Without a cluster it can have started nothing.
    async fn without_tasks(
        &self,
        reason: Reason,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Reason {
        let Some(cluster) = cluster else { return reason };
        let memory = self.memory();
        let place = Place { cluster, families: &[], memory: &memory };
        let work = self.work(place, invocation.ends_at(), reply_to, invocation);
        Box::pin(without_tasks(&work, reason)).await
    }

    /// Work on a request until its deadline, or until this invocation must let go of it.
    fn work<'w>(
        &'w self,
        place: Place<'w>,
        deadline: OffsetDateTime,
        reply_to: &'w ReplyTo,
        invocation: &'w Invocation,
    ) -> Work<'w> {
        let Place { cluster, families, memory } = place;
        let until = invocation.until(deadline);
        Work { aws: &self.aws, invocation, reply_to, cluster, families, memory, until }
    }
}

/// Where the tasks of a request run, the families that they run from, and what is remembered of them.
#[derive(Clone, Copy)]
struct Place<'w> {
    cluster: &'w str,
    families: &'w [String],
    memory: &'w Memory<'w>,
}

/// What a delivered request goes on with.
enum Remembered<'l> {
    /// What it asks for.
    Memory(Memory<'l>),
    /// The wait of an earlier delivery.
    Waiting(Box<Wait>),
    /// The answer that it has had.
    Answered(String),
    /// Nothing: a later request has taken over.
    Superseded,
}

/// What every line about a request carries.
fn span(request_type: RequestType, reply_to: &ReplyTo, hop: u32) -> tracing::Span {
    // Of the highest level, so that it is on every line that is written at all.
    tracing::error_span!(
        "request",
        request_id = reply_to.request_id,
        request_type = request_type.name(),
        stack_id = reply_to.stack_id,
        logical_resource_id = reply_to.logical_resource_id,
        hop
    )
}

#[cfg(test)]
#[cfg(feature = "rehearse")]
mod tests;
