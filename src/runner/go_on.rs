//! A wait that goes on, and how all work on a request ends: with its one answer, handed over, or by a panic.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use time::OffsetDateTime;
use tracing::Instrument;

use super::{
    Runner,
    decide::{answer::Answer, plan::Stop, texts, wait::Wait},
    delete::delete,
    follow::{Ending, follow},
    invocation::Invocation,
    ledger::Memory,
    run::stop_what_it_started,
    work::Work,
};
use crate::{
    aws::CallError,
    callback::Undelivered,
    cfn::{ReplyTo, RequestType},
    task::TaskArn,
};

/// Where the tasks of a request run, the families that they run from, and what is remembered of them.
#[derive(Clone, Copy)]
pub(super) struct Place<'w> {
    pub(super) cluster: &'w str,
    pub(super) families: &'w [String],
    pub(super) memory: &'w Memory<'w>,
}

impl Runner {
    /// Goes on with a wait until it has an answer, or until another invocation goes on with it.
    pub(super) async fn go_on(&self, wait: Wait, invocation: &Invocation) -> Result<(), Undelivered> {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let span = span(wait.request_type, &reply_to, wait.hop);
        let memory = self.memory();
        let place = Place { cluster: &cluster, families: &[], memory: &memory };
        let work = self.work(place, wait.deadline, &reply_to, invocation);
        let ending = Box::pin(follow(&work, wait));
        self.answer_ending(ending, Some(&cluster), &reply_to, invocation).instrument(span).await
    }

    /// Answers when there is an answer, and also when there is none because of a panic: then whatever the
    /// request has started is stopped first.
    pub(super) async fn answer_ending(
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
                let stopped = self.stop_what_it_started(cluster, reply_to, invocation).await;
                Answer::Failed(texts::what_is_left(texts::own_fault(), stopped))
            }
        };
        self.answer(answer, reply_to, invocation).await
    }

    /// Ends everything that a resource runs.
    pub(super) async fn stop_all(
        &self,
        stop: &Stop,
        memory: &Memory<'_>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Ending {
        let Some(cluster) = &stop.cluster else {
            let reason = texts::nothing_to_stop("the properties name no Cluster");
            return Ending::Answered(Answer::nothing_ran(reason));
        };
        let place = Place { cluster, families: &stop.families, memory };
        delete(&self.work(place, stop.deadline, reply_to, invocation), stop).await
    }

    /// The ledger alone, for callers that have nothing to do with other requests.
    pub(super) fn memory(&self) -> Memory<'_> {
        Memory { ledger: self.ledger.as_ref(), ..Memory::default() }
    }

    /// Stops whatever a request may have started. Without a cluster it can have started nothing.
    pub(super) async fn stop_what_it_started(
        &self,
        cluster: Option<&str>,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<Vec<(TaskArn, CallError)>, CallError> {
        let Some(cluster) = cluster else { return Ok(Vec::new()) };
        let memory = self.memory();
        let place = Place { cluster, families: &[], memory: &memory };
        let work = self.work(place, invocation.ends_at(), reply_to, invocation);
        Box::pin(stop_what_it_started(&work)).await
    }

    /// Work on a request until its deadline, or until this invocation must let go of it.
    pub(super) fn work<'w>(
        &'w self,
        place: Place<'w>,
        deadline: OffsetDateTime,
        reply_to: &'w ReplyTo,
        invocation: &'w Invocation,
    ) -> Work<'w> {
        let Place { cluster, families, memory } = place;
        let until = invocation.until(deadline);
        Work { aws: &self.aws, invocation, reply_to, cluster, families, memory, others: &[], until }
    }
}

/// What every line about a request carries.
pub(super) fn span(request_type: RequestType, reply_to: &ReplyTo, hop: u32) -> tracing::Span {
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
