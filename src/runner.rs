//! The runner's flow: a payload becomes a request or a wait that goes on, tasks are started and followed, and
//! CloudFormation gets its one answer, from here and from nowhere else.
//!
//! ```text
//! payload ─┬─ request ─► Plan ─┬─ Refuse, Skip ───────────────► answer
//!          │                   ├─ Run ──► start ──► follow ─┬─► answer
//!          │                   └─ Stop ─► stop ──► follow ──┤
//!          └─ {"Wait": …} ────────────────────────► follow ─┴─► the next invocation
//! ```
//!
//! Retry policy: an invocation fails only if its answer could not be delivered. Lambda then delivers the request
//! again, and since starting is idempotent, nothing runs twice.

mod ask;
pub mod decide;
mod find;
mod follow;
pub mod invocation;
mod start;
mod stop;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use serde_json::Value;
use time::OffsetDateTime;
use tracing::Instrument;

use self::{
    decide::{
        answer::Answer,
        plan::{Plan, Run},
        wait::{Wait, WaitError},
    },
    invocation::Invocation,
};
use crate::{
    aws::Aws,
    callback::{Callback, Undelivered},
    cfn::{Received, ReplyTo, Request, RequestType},
    identity,
    properties::Properties,
    reason::Reason,
};

/// The runner: the clients, and what of the environment it goes by.
#[derive(Debug)]
pub struct Runner {
    aws: Aws,
    callback: Callback,
    /// `RECURSIVE_LOOP=Allow`: the function may invoke itself as often as it likes.
    recursive_loop_allowed: bool,
}

/// How a request's part in one invocation ends.
enum End {
    /// With its answer.
    Answer(Answer),
    /// With the answer that no container ever ran; StartRetries may start the run anew instead.
    NeverRan(Answer),
    /// The next invocation goes on.
    HandedOver,
}

impl Runner {
    /// A runner over these clients.
    pub fn new(aws: Aws, callback: Callback, recursive_loop_allowed: bool) -> Self {
        Self { aws, callback, recursive_loop_allowed }
    }

    /// Handles one payload of whatever kind.
    ///
    /// `Err` means that an answer could not be delivered; everything else, a failed task included, is `Ok`.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<(), Undelivered> {
        if let Some(wait) = payload.get("Wait") {
            return match Wait::read(wait) {
                Ok(wait) => self.go_on(wait, invocation).await,
                Err(error) => self.unreadable(wait, &error, invocation).await,
            };
        }
        match Received::of(payload) {
            Received::Unanswerable { problem } => {
                tracing::warn!("dropped a payload that nobody can be answered for: {problem}");
                Ok(())
            }
            Received::Garbled { reply_to, problem } => {
                tracing::error!(request_id = reply_to.request_id, "{problem}");
                self.answer(Answer::Failed(Reason::new(problem)), &reply_to, invocation).await
            }
            Received::Request(request) => self.request(request, invocation).await,
        }
    }

    async fn request(&self, mut request: Request, invocation: &Invocation) -> Result<(), Undelivered> {
        request.reply_to.no_echo = Properties::no_echo_of(&request.properties.0);
        let reply_to = &request.reply_to;
        let span = span(request.request_type, reply_to, 0);
        async {
            if let Some(expired) =
                reply_to.response_url.expires_at().filter(|expiry| *expiry <= invocation.now())
            {
                tracing::error!(
                    "dropped: the ResponseURL expired at {expired}, nobody waits for an answer any more"
                );
                return Ok(());
            }
            let ending = Box::pin(self.end(&request, invocation));
            self.finish(ending, request.properties.cluster(), reply_to, invocation).await
        }
        .instrument(span)
        .await
    }

    async fn go_on(&self, wait: Wait, invocation: &Invocation) -> Result<(), Undelivered> {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let span = span(wait.request_type, &reply_to, wait.hop);
        let ending = Box::pin(self.follow(wait, invocation));
        self.finish(ending, Some(&cluster), &reply_to, invocation).instrument(span).await
    }

    /// A continuation of another version of this function, most likely. Who waits is answered, if that can be made out,
    /// and nothing is left running.
    async fn unreadable(
        &self,
        wait: &Value,
        error: &WaitError,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let Ok(reply_to) = serde_json::from_value::<ReplyTo>(wait["reply_to"].clone()) else {
            tracing::error!("dropped a continuation that cannot be read: {error}");
            return Ok(());
        };
        tracing::error!(request_id = reply_to.request_id, "a continuation cannot be read: {error}");
        let cluster = wait["cluster"].as_str();
        let reason =
            self.stop_request(Reason::function_replaced(error), cluster, &reply_to, invocation).await;
        self.answer(Answer::Failed(reason), &reply_to, invocation).await
    }

    /// Answers when there is an answer, and also when there is none because of a panic: then whatever the request has
    /// started is stopped first.
    async fn finish(
        &self,
        ending: impl Future<Output = End>,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let answer = match AssertUnwindSafe(ending).catch_unwind().await {
            Ok(End::HandedOver) => return Ok(()),
            Ok(End::Answer(answer) | End::NeverRan(answer)) => answer,
            Err(_panic) => {
                Answer::Failed(self.stop_request(Reason::own_fault(), cluster, reply_to, invocation).await)
            }
        };
        self.answer(answer, reply_to, invocation).await
    }

    async fn end(&self, request: &Request, invocation: &Invocation) -> End {
        match Plan::of(request, invocation.means(self.recursive_loop_allowed)) {
            Plan::Refuse(refusal) if refusal.comes_with_time() => {
                self.not_started(Reason::refused(&refusal), invocation.now(), request, invocation).await
            }
            Plan::Refuse(refusal) => End::Answer(Answer::Failed(Reason::refused(&refusal))),
            Plan::Skip(skip) => End::Answer(Answer::nothing_ran(Reason::skipped(skip))),
            Plan::Stop(stop) => self.delete(stop, request, invocation).await,
            Plan::Run(run) => self.run(*run, request, invocation).await,
        }
    }

    async fn run(&self, mut run: Run, request: &Request, invocation: &Invocation) -> End {
        let until = invocation.until(run.deadline);
        match self.reason_to_skip(&run, request, until, invocation).await {
            Ok(None) => {}
            Ok(Some(skip)) => return End::Answer(Answer::nothing_ran(Reason::skipped(skip))),
            Err(reason) => return self.not_started(reason, until, request, invocation).await,
        }
        match self.placement(&run.properties, until, invocation).await {
            Ok(placement) => run.properties = run.properties.placed_as(placement),
            Err(reason) => return self.not_started(reason, until, request, invocation).await,
        }
        let (mut attempt, mut retries) = (0, run.properties.start_retries);
        loop {
            let started = match self.start(&run, request, &mut attempt, invocation).await {
                Ok(started) => started,
                Err(reason) => return self.not_started(reason, until, request, invocation).await,
            };
            if run.properties.timeout == 0 {
                return End::Answer(self.fire_and_forget(&run, started, invocation).await);
            }
            let wait = Wait::for_success(&run, request, started.tasks, invocation.now());
            match self.follow(wait, invocation).await {
                End::NeverRan(_) if retries > 0 && invocation.now() < until => {
                    tracing::warn!(retries, "no container ever ran: starting anew");
                    (attempt, retries) = (attempt + 1, retries - 1);
                }
                end => return end,
            }
        }
    }

    /// The answer of a delivery that knows of no tasks. Where its time ran out, there may be some all the same: a call
    /// without an answer has started them, or an earlier delivery whose invocation died.
    async fn not_started(
        &self,
        reason: Reason,
        until: OffsetDateTime,
        request: &Request,
        invocation: &Invocation,
    ) -> End {
        let reason = match invocation.now() + invocation::LOOK < until {
            true => reason,
            false => {
                self.stop_request(reason, request.properties.cluster(), &request.reply_to, invocation).await
            }
        };
        End::Answer(Answer::Failed(reason))
    }

    /// The only place that answers CloudFormation.
    async fn answer(
        &self,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        // Not the whole Reason: the container's last lines in it may hold what must never be in our log.
        let why = answer.summary().to_owned();
        let response = answer.into_response(reply_to);
        tracing::info!(status = ?response.status, reason = why, "answering");
        let url = &reply_to.response_url;
        let delivered = self.callback.deliver(&response, url, invocation.clock(), invocation.ends_at()).await;
        if let Err(error) = &delivered {
            tracing::error!("{error}");
        }
        delivered
    }
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

/// `startedBy` of the tasks of a request's resource.
fn started_by(reply_to: &ReplyTo) -> String {
    identity::started_by(&reply_to.stack_id, &reply_to.logical_resource_id)
}

#[cfg(test)]
#[cfg(feature = "rehearse")]
mod tests;
