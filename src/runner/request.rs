//! A request of CloudFormation: reads how far earlier deliveries have got, and does what is left.

use tracing::Instrument;

use super::{
    Runner,
    decide::{
        answer::Answer,
        ledger::{Redelivery, Row},
        marks::SUPERSEDES,
        plan::{Plan, Skip},
        texts,
    },
    delete::delete,
    invocation::Invocation,
    ledger::{History, in_half_of},
    respond::span,
    run::{not_started, run, skip},
    tasks::{Certainty, stop_tasks_of_request},
    wait::{Ending, follow},
};
use crate::{
    call::CallError,
    callback::Undelivered,
    cfn::{Request, RequestType, ResponseUrl},
};

/// The progress of earlier deliveries of a request.
enum Recorded<'l> {
    /// The request has not got further than starting its tasks.
    Open(History<'l>),
    /// The request has got further, and this work is left.
    Further(Redelivery),
}

impl Runner {
    /// Handles a request of CloudFormation. It is answered unless its ResponseURL has expired.
    pub(super) async fn request(
        &self,
        request: Request,
        invocation: &Invocation,
    ) -> Result<(), Undelivered> {
        let reply_to = &request.reply_to;
        let span = span(request.request_type, reply_to, 0);
        async {
            let expired = reply_to.address().and_then(ResponseUrl::expires_at).filter(|expiry| *expiry <= invocation.now());
            if let Some(expired) = expired {
                tracing::error!(
                    "dropped: the ResponseURL expired at {expired}, so CloudFormation no longer waits for an \
                     answer"
                );
                return Ok(());
            }
            let work = async { Some(self.carry_out(&request, invocation).await) };
            self.settle(request.properties.cluster(), reply_to, invocation, Box::pin(work)).await.map(drop)
        }
        .instrument(span)
        .await
    }

    /// Carries out the part of a request that earlier deliveries have not.
    async fn carry_out(&self, request: &Request, invocation: &Invocation) -> Ending {
        let plan = Plan::for_request(request, invocation.means(self.ledger.is_some()));
        let history = match self.recorded(request, &plan, invocation).await {
            Recorded::Open(history) => history,
            Recorded::Further(redelivery) => {
                return self.redelivered(redelivery, request, invocation).await;
            }
        };
        let work = |cluster, families, deadline| {
            self.work(
                cluster,
                families,
                &history,
                deadline,
                &request.reply_to,
                invocation,
            )
        };
        match plan {
            Plan::Refuse(refusal) => {
                let reason = texts::refused(&refusal);
                match request
                    .properties
                    .cluster()
                    .filter(|_| refusal.is_out_of_time())
                {
                    Some(cluster) => {
                        not_started(&work(cluster, &[], invocation.now()), reason).await
                    }
                    None => Ending::Answered(Answer::Failed(reason)),
                }
            }
            Plan::Skip(why, earlier, handle) => {
                let cluster = request.properties.cluster().unwrap_or_default();
                let work = work(cluster, &earlier.families, earlier.answer_deadline);
                skip(&work, why, &earlier, handle).await
            }
            Plan::Stop(stop) => match &stop.cluster {
                Some(cluster) => delete(&work(cluster, &stop.families, stop.deadline), &stop).await,
                None => {
                    let reason = texts::nothing_to_stop("the properties name no Cluster");
                    Ending::Answered(Answer::success_without_run(reason))
                }
            },
            // The ledger could not be written. A run that nobody could wait for must not start.
            Plan::Run(plan) if plan.wait_handle.is_some() && history.ledger.is_none() => {
                let work = work(&plan.properties.cluster, &[], plan.earlier.answer_deadline);
                not_started(&work, texts::not_remembered(None)).await
            }
            // A handle serves once: its WaitCondition has a verdict, so a second run could not
            // report its end.
            Plan::Run(plan) if history.has_signalled(plan.wait_handle.as_ref()) => {
                let cluster = &plan.properties.cluster;
                let work = work(
                    cluster,
                    &plan.earlier.families,
                    plan.earlier.answer_deadline,
                );
                skip(&work, Skip::HandleUsed, &plan.earlier, None).await
            }
            Plan::Run(plan) => {
                let (cluster, families) = (
                    plan.properties.cluster.clone(),
                    plan.earlier.families.clone(),
                );
                let work = work(&cluster, &families, plan.earlier.answer_deadline);
                Box::pin(run(&work, *plan, request)).await
            }
        }
    }

    /// Writes the request's row in the ledger, or reads how far an earlier delivery has got.
    async fn recorded(
        &self,
        request: &Request,
        plan: &Plan,
        invocation: &Invocation,
    ) -> Recorded<'_> {
        let Some(ledger) = &self.ledger else {
            return Recorded::Open(History::default());
        };
        let row = Row::planned(plan, request, invocation.now(), invocation.ends_at());
        let left = invocation.remaining();
        let inserted = match plan {
            // StartTask has no client token, so the row alone prevents a second start.
            Plan::Run(run) if run.properties.instances().is_some() => {
                in_half_of(left, ledger.insert_with_retry(&row)).await
            }
            _ => in_half_of(left, ledger.insert_or_get(&row)).await,
        };
        let there = match inserted {
            Ok(there) => there,
            Err(error) => {
                tracing::warn!("cannot use the ledger, so this invocation polls: {error}");
                return Recorded::Open(History::default());
            }
        };
        let is_first = there.is_none();
        let own = there.unwrap_or(row);
        if !is_first {
            match own.redelivered() {
                Redelivery::Start => {}
                // A Delete rests on nothing that a row says.
                Redelivery::Fail(_) if request.request_type == RequestType::Delete => {}
                further => return Recorded::Further(further),
            }
        }
        let others = ledger
            .rows(&own.resource)
            .await
            .unwrap_or_else(|error: CallError| {
                tracing::warn!("cannot read earlier requests in the ledger, so only ECS is searched for their tasks: {error}");
                Vec::new()
            });
        // Lambda may have delayed this delivery while CloudFormation cancelled the request and sent
        // another.
        let is_superseded = others.iter().any(|row| row.is_after(&own));
        if is_superseded && request.request_type != RequestType::Delete && own.tasks.is_empty() {
            return Recorded::Further(Redelivery::Superseded);
        }
        Recorded::Open(History {
            ledger: Some(ledger),
            attempts: own.attempts,
            is_first,
            delivery: fastrand::u64(..),
            earlier_rows: others
                .into_iter()
                .filter(|row| row.is_before(&own))
                .collect(),
        })
    }

    /// Carries out a further delivery of a request that has got beyond the start of its tasks.
    async fn redelivered(
        &self,
        redelivery: Redelivery,
        request: &Request,
        invocation: &Invocation,
    ) -> Ending {
        let (history, reply_to) = (self.history(), &request.reply_to);
        match redelivery {
            Redelivery::Repeat(body) => Ending::Repeated(body),
            Redelivery::Resume(wait) => {
                let cluster = wait.cluster.clone();
                let work = self.work(&cluster, &[], &history, wait.deadline, reply_to, invocation);
                Box::pin(follow(&work, *wait)).await
            }
            Redelivery::Fail(error) => {
                tracing::error!("cannot read the request's row in the ledger: {error}");
                let (cluster, reason) = (
                    request.properties.cluster(),
                    texts::function_replaced(&error),
                );
                let failing = self.stop_and_fail(cluster, reply_to, invocation, reason);
                Ending::Answered(Box::pin(failing).await)
            }
            Redelivery::Superseded | Redelivery::Start => {
                // The later request may have looked for tasks before ECS let the start of an
                // earlier delivery through. Only tags tell those tasks from its own.
                if let Some(cluster) = request.properties.cluster() {
                    let by = invocation.stop_deadline();
                    let work = self.work(cluster, &[], &history, by, reply_to, invocation);
                    let stopping =
                        stop_tasks_of_request(&work, Certainty::Tagged, Some(SUPERSEDES));
                    if let Err(error) = Box::pin(stopping).await {
                        tracing::warn!(
                            "cannot look for tasks that this request has started before: {error}"
                        );
                    }
                }
                Ending::Answered(Answer::Failed(texts::superseded()))
            }
        }
    }
}
