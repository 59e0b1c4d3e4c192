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
//! Calls go one way: wake, run and delete → start, follow → park, stop → find, and all of them carry one
//! `Work`.
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
mod finish;
mod follow;
mod go_on;
mod hand_over;
pub mod invocation;
mod launch;
pub mod ledger;
mod measure;
mod meter;
mod park;
mod promise;
mod remember;
pub mod render;
mod respond;
mod run;
mod start;
mod stop;
mod take_over;
mod wake;
mod work;

use serde_json::Value;
use time::Duration;
use tracing::Instrument;

use self::{
    decide::{
        answer::Answer,
        entry::Entry,
        plan::{Plan, Skip},
        texts,
    },
    follow::Ending,
    go_on::{Place, span},
    invocation::Invocation,
    ledger::{Ledger, Memory},
    measure::Metrics,
    remember::{Remembered, remember},
    run::{not_started, run, skip},
    stop::stop_marked,
};
use crate::{
    aws::Aws,
    callback::{Callback, Undelivered},
    cfn::Request,
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
                let stopped = self.stop_what_it_started(cluster.as_deref(), &reply_to, invocation).await;
                let reason = texts::what_is_left(texts::function_replaced(&error), stopped);
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
            let memory = match remember(self.ledger.as_ref(), &request, &plan, invocation).await {
                Remembered::Memory(memory) => memory,
                Remembered::Waiting(wait) => return Box::pin(self.go_on(*wait, invocation)).await,
                Remembered::Answered(body) => {
                    tracing::info!("this request has been answered before: sending the same answer again");
                    return self.send(&body, reply_to, invocation).await;
                }
                Remembered::Superseded => {
                    if let Some(cluster) = request.properties.cluster() {
                        let memory = self.memory();
                        let place = Place { cluster, families: &[], memory: &memory };
                        let work = self.work(place, invocation.soon(), reply_to, invocation);
                        Box::pin(stop_marked(&work)).await;
                    }
                    return self.answer(Answer::Failed(texts::superseded()), reply_to, invocation).await;
                }
            };
            let ending = Box::pin(self.carry_out(plan, &request, &memory, invocation));
            self.answer_ending(ending, request.properties.cluster(), reply_to, invocation).await
        }
        .instrument(span)
        .await
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
                match request.properties.cluster().filter(|_| refusal.is_out_of_time()) {
                    Some(cluster) => not_started(&work(cluster, &[], invocation.now()), reason).await,
                    None => Ending::Answered(Answer::Failed(reason)),
                }
            }
            Plan::Skip(why, earlier, handle) => {
                let cluster = request.properties.cluster().unwrap_or_default();
                skip(&work(cluster, &earlier.families, earlier.answer_by), why, &earlier, handle).await
            }
            Plan::Stop(stop) => self.stop_all(&stop, memory, &request.reply_to, invocation).await,
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
}
