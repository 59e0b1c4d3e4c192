//! The only place that answers CloudFormation, and signals a WaitHandle. With a ledger the answer is one
//! conditional write before it is sent.

use super::{
    Runner,
    decide::{answer::Answer, ledger as rows},
    invocation::Invocation,
    ledger::Written,
    render::metrics::{RunEnd, Sent},
};
use crate::{
    aws::CallError,
    callback::Undelivered,
    cfn::{ReplyTo, WaitHandle},
};

impl Runner {
    /// Answers, and counts the run that the answer is about.
    pub(super) async fn answer(
        &self,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let run = answer.run_end();
        Box::pin(self.answer_of(run, answer, reply_to, invocation)).await
    }

    /// Decides in the ledger whether this is the request's answer, and sends it. `run` is how the run ended
    /// that is counted with the answer.
    pub(super) async fn answer_of(
        &self,
        run: Option<RunEnd>,
        answer: Answer,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        // Not the whole Reason: the container's last lines in it may hold what must never be in our log.
        let answer = answer.from_function(invocation.function_arn());
        let why = answer.summary().to_owned();
        let status = answer.status();
        if let Some(words) = answer.unknown() {
            // Counted by a metric filter, so that the catalogue grows from what people meet.
            tracing::warn!(words, "the catalogue does not know this failure; please report it");
        }
        let body = answer.into_body(reply_to);
        let mut is_kept = false;
        if let Some(ledger) = &self.ledger {
            let answering = ledger.answer(reply_to, &body, invocation.now());
            // What is left of the invocation is the PUT's above all.
            let answering = tokio::time::timeout(invocation.left() / 3, answering).await;
            match answering.unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB"))) {
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

    /// Answers a request that has nothing to run, and signals its WaitHandle the same: the condition would
    /// wait for it in vain.
    pub(super) async fn answer_and_signal(
        &self,
        answer: Answer,
        handle: &WaitHandle,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let signalled = reply_to.signalling(handle);
        let signal = answer.clone().from_function(invocation.function_arn()).into_body(&signalled);
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
    pub(super) async fn send(
        &self,
        body: &str,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let delivering = self.callback.deliver(body, reply_to, invocation.clock(), invocation.ends_at());
        let delivered = Box::pin(delivering).await;
        let sent = if delivered.is_ok() { Sent::Delivered(invocation.now()) } else { Sent::Undelivered };
        invocation.meter().sent(reply_to, sent);
        match (&delivered, &self.ledger) {
            (Err(error), _) => tracing::error!("{error}"),
            (Ok(()), Some(ledger)) => {
                ledger.settle(reply_to, body, invocation.left()).await;
            }
            (Ok(()), None) => {}
        }
        delivered
    }
}
