//! The one place that answers CloudFormation and signals a WaitHandle, and the guard around all
//! work on a request. With a ledger an answer is written, on a condition, before it is sent.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use time::{Duration, OffsetDateTime};
use tracing::Instrument;

use super::{
    Runner,
    decide::{
        answer::{Answer, RunEnd},
        ledger as rows, texts,
        wait::Wait,
    },
    invocation::Invocation,
    ledger::{History, Written},
    metrics::Sent,
    tasks::{Certainty, stop_tasks_of_request},
    wait::{Ending, follow},
    work::Work,
};
use crate::{
    call::CallError,
    callback::Undelivered,
    cfn::{ReplyTo, RequestType, WaitHandle},
    reason::Reason,
};

// The guard works only where a panic unwinds. Tests do not notice a release that aborts.
#[cfg(not(panic = "unwind"))]
compile_error!("a panic must become a FAILED answer: build with panic = \"unwind\"");

/// A caught panic. The panic hook has logged its place.
pub(super) struct Panicked;

/// The guard: turns a panic in this work into a value.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|_panic| Panicked)
}

/// The guard around one AWS call: turns a panic in it into the call's error.
pub(super) async fn caught_call<T>(
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    caught(call)
        .await
        .unwrap_or_else(|Panicked| Err(CallError::own_fault()))
}

/// The guard around one AWS call that has only so long. `service` is named if it does not answer.
///
/// Give the call in a box: each wrapper of a future holds it by value, twice while it is moved in.
pub(super) async fn caught_call_within<T>(
    limit: std::time::Duration,
    service: &'static str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let timed = tokio::time::timeout(limit, call);
    caught_call(async {
        timed
            .await
            .unwrap_or_else(|_| Err(CallError::no_answer(service)))
    })
    .await
}

impl Runner {
    /// Does work on a request under the guard, and sends the answer that it returns. False if the
    /// work has not settled the request.
    ///
    /// A panic becomes a FAILED answer, after the tasks that the request has started are stopped.
    pub(super) async fn settle(
        &self,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
        work: impl Future<Output = Option<Ending>>,
    ) -> Result<bool, Undelivered> {
        let ending = match caught(work).await {
            Ok(Some(ending)) => ending,
            Ok(None) => return Ok(false),
            Err(Panicked) => {
                tracing::error!("an internal error ended the work on this request");
                let failing = self.stop_and_fail(cluster, reply_to, invocation, texts::own_fault());
                Ending::Answered(Box::pin(failing).await)
            }
        };
        match ending {
            Ending::ContinuesElsewhere => Ok(()),
            Ending::Answered(answer) | Ending::NeverRan(answer) => {
                Box::pin(self.answer(answer, reply_to, invocation)).await
            }
            Ending::Repeated(body) => {
                tracing::info!(
                    "this request has been answered before: sending the same answer again"
                );
                Box::pin(self.send(&body, reply_to, invocation)).await
            }
            Ending::Skipped(answer, handle) => {
                Box::pin(self.answer_and_signal(answer, &handle, reply_to, invocation)).await
            }
            Ending::Promised(answer, wait) => {
                // The metrics count the run at its end.
                let answered = Box::pin(self.answer_of(None, answer, reply_to, invocation)).await;
                let signalled = Box::pin(self.resume(*wait, invocation)).await;
                answered.and(signalled)
            }
        }
        .map(|()| true)
    }

    /// Resumes a wait until it has an answer, or until another invocation continues.
    pub(super) async fn resume(
        &self,
        wait: Wait,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let span = span(wait.request_type, &reply_to, wait.hop);
        let history = self.history();
        let work = self.work(
            &cluster,
            &[],
            &history,
            wait.deadline,
            &reply_to,
            invocation,
        );
        let following = async { Some(Box::pin(follow(&work, wait)).await) };
        let settling = Box::pin(self.settle(Some(&cluster), &reply_to, invocation, following));
        settling.instrument(span).await.map(drop)
    }

    /// Stops the tasks that a request may have started, and answers FAILED.
    pub(super) async fn fail(
        &self,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        reason: Reason,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let failing = async {
            Some(Ending::Answered(
                self.stop_and_fail(cluster, reply_to, invocation, reason)
                    .await,
            ))
        };
        self.settle(cluster, reply_to, invocation, Box::pin(failing))
            .await
            .map(drop)
    }

    /// Stops the tasks that a request may have started, and fails it. Without a cluster there can
    /// be none.
    pub(super) async fn stop_and_fail(
        &self,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
        reason: Reason,
    ) -> Answer {
        let Some(cluster) = cluster else {
            return Answer::Failed(reason);
        };
        let history = self.history();
        let work = self.work(
            cluster,
            &[],
            &history,
            invocation.ends_at(),
            reply_to,
            invocation,
        );
        let stopping = Box::pin(stop_tasks_of_request(&work, Certainty::Likely, None));
        let stopped = caught_call(stopping).await;
        Answer::Failed(texts::what_is_left(reason, stopped, cluster, reply_to))
    }

    /// The work on a request, until `deadline` or the end of this invocation's waiting.
    pub(super) fn work<'w>(
        &'w self,
        cluster: &'w str,
        families: &'w [String],
        history: &'w History<'w>,
        deadline: OffsetDateTime,
        reply_to: &'w ReplyTo,
        invocation: &'w Invocation,
    ) -> Work<'w> {
        let deadline = invocation.clamp(deadline);
        Work {
            aws: &self.aws,
            invocation,
            reply_to,
            cluster,
            families,
            history,
            foreign_tasks: &[],
            deadline,
            shortest_call: Duration::SECOND,
        }
    }

    /// The ledger alone, for work that does not involve other requests.
    pub(super) fn history(&self) -> History<'_> {
        History {
            ledger: self.ledger.as_ref(),
            ..History::default()
        }
    }

    /// Sends an answer again that was not delivered. The result is in the log and in the metrics.
    pub(super) async fn send_again(
        &self,
        body: &str,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> bool {
        self.send(body, reply_to, invocation).await.is_ok()
    }

    /// Sends the answer, and counts its run in the metrics.
    async fn answer(
        &self,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let run = answer.run_end();
        Box::pin(self.answer_of(run, answer, reply_to, invocation)).await
    }

    /// Decides in the ledger if this is the request's answer, and sends it. The metrics count `run`
    /// with the answer.
    async fn answer_of(
        &self,
        run: Option<RunEnd>,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        // The Reason quotes the container's last lines, which may hold secrets, so the log gets its
        // first sentence alone.
        let answer = answer.from_function(invocation.function_arn());
        let why = answer.summary().to_owned();
        let status = answer.status();
        log_unknown(&answer);
        let body = answer.into_body(reply_to);
        let mut is_kept = false;
        if let Some(ledger) = &self.ledger {
            let answering = Box::pin(ledger.answer(reply_to, &body, invocation.now()));
            // The PUT needs most of the invocation's remaining time.
            let limit = invocation.remaining() / 3;
            match caught_call_within(limit, "DynamoDB", answering).await {
                Ok(Written::Done) => is_kept = true,
                // CloudFormation ignores the answer to a request for which it has stopped waiting,
                // so sending does no harm.
                Ok(Written::NoRow | Written::Superseded | Written::Taken) => {}
                Ok(Written::Answered) => {
                    tracing::info!(
                        reason = why,
                        "not answering: another invocation has already answered"
                    );
                    return Ok(());
                }
                // Two answers are better than none, and both rest on the same tasks.
                Err(error) => tracing::warn!(
                    "cannot use the ledger, so CloudFormation may get this answer twice: {error}"
                ),
            }
        }
        tracing::info!(status = ?status, reason = why, "answering");
        let delivered = self.send(&body, reply_to, invocation).await;
        // If the ledger does not hold the answer, the next delivery sends one and counts it.
        if is_kept || delivered.is_ok() {
            invocation.metrics().record_answer(reply_to, run);
        }
        delivered
    }

    /// Answers a request that runs no task, and signals its WaitHandle: the WaitCondition would
    /// otherwise wait until its timeout.
    async fn answer_and_signal(
        &self,
        answer: Answer,
        handle: &WaitHandle,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let signalled = reply_to.signalling(handle);
        let signal = answer
            .clone()
            .from_function(invocation.function_arn())
            .into_body(&signalled);
        if let Some(ledger) = &self.ledger {
            let row = rows::Row::signalled(&signalled, &signal, invocation.now());
            if let Err(error) = caught_call(ledger.insert_or_get(&row)).await {
                tracing::warn!(
                    "the signal is sent once, because the ledger cannot save it: {error}"
                );
            }
        }
        let answered = self.answer(answer, reply_to, invocation).await;
        let sent = self.send(&signal, &signalled, invocation).await;
        answered.and(sent)
    }

    /// PUTs an answer, and ends the request if the bucket accepts it.
    async fn send(
        &self,
        body: &str,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let delivering =
            self.callback
                .deliver(body, reply_to, invocation.clock(), invocation.ends_at());
        let delivered = caught(Box::pin(delivering))
            .await
            .unwrap_or(Err(Undelivered::Panicked));
        let sent = if delivered.is_ok() {
            Sent::Delivered(invocation.now())
        } else {
            Sent::Undelivered
        };
        invocation.metrics().record_sent(reply_to, sent);
        match (&delivered, &self.ledger) {
            (Err(error), _) => tracing::error!("{error}"),
            (Ok(()), Some(ledger)) => {
                // A failure is harmless, because the watch ends a row that stays open.
                let _ = caught(ledger.settle(reply_to, body, invocation.remaining())).await;
            }
            (Ok(()), None) => {}
        }
        delivered
    }
}

/// Logs a failure that the catalogue does not know. A metric filter counts this line, so that the
/// catalogue grows from the failures that people meet.
pub(super) fn log_unknown(answer: &Answer) {
    if let Some(words) = answer.unknown() {
        tracing::warn!(
            words,
            "the catalogue does not know this failure; please report it"
        );
    }
}

/// The log fields of every line about a request.
pub(super) fn span(request_type: RequestType, reply_to: &ReplyTo, hop: u32) -> tracing::Span {
    // The span has the highest level, so that each line about the request has its fields at any log
    // level.
    tracing::error_span!(
        "request",
        request_id = reply_to.request_id,
        request_type = request_type.name(),
        stack_id = reply_to.stack_id,
        logical_resource_id = reply_to.logical_resource_id,
        hop
    )
}
