//! What the ledger says of a request that is delivered, before anything is done about it.

use backon::{ConstantBuilder, Retryable};

use super::{
    decide::{
        ledger::{Redelivery, Row},
        plan::Plan,
        wait::Wait,
    },
    invocation::Invocation,
    ledger::{First, Ledger, Memory},
    work::FRESH_ROLE,
};
use crate::{
    aws::CallError,
    cfn::{Request, RequestType},
};

/// What a delivered request goes on with.
pub(super) enum Remembered<'l> {
    /// What it asks for.
    Memory(Memory<'l>),
    /// The wait of an earlier delivery.
    Waiting(Box<Wait>),
    /// The answer that it has had.
    Answered(String),
    /// Nothing: a later request has taken over.
    Superseded,
}

/// What the ledger says of a request; its row is written where there is none.
pub(super) async fn remember<'l>(
    ledger: Option<&'l Ledger>,
    request: &Request,
    plan: &Plan,
    invocation: &Invocation,
) -> Remembered<'l> {
    let Some(ledger) = ledger else { return Remembered::Memory(Memory::default()) };
    let row = Row::planned(plan, request, invocation.now(), invocation.ends_at());
    let first = match plan {
        Plan::Run(run) if run.properties.instances().is_some() => first_at_last(ledger, &row).await,
        _ => ledger.first(&row).await,
    };
    let is_first = matches!(first, Ok(First::New));
    let own = match first {
        Ok(First::New) => row,
        Ok(First::Seen(own)) => match own.redelivered() {
            Redelivery::Repeat(body) => return Remembered::Answered(body),
            Redelivery::Superseded => return Remembered::Superseded,
            Redelivery::GoOn => match own.waits_for() {
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
    let others = ledger.rows(&own.resource).await.unwrap_or_else(|error| {
        tracing::warn!("earlier requests are looked for in ECS alone: {error}");
        Vec::new()
    });
    // Lambda may have kept this delivery back while CloudFormation gave the request up and sent another.
    let is_superseded = others.iter().any(|row| row.is_after(&own));
    if is_superseded && request.request_type != RequestType::Delete && own.tasks.is_empty() {
        return Remembered::Superseded;
    }
    let others = others.into_iter().filter(|row| row.is_before(&own)).collect();
    let delivery = fastrand::u64(..);
    Remembered::Memory(Memory { ledger: Some(ledger), attempts: own.attempts, is_first, delivery, others })
}

/// The same for a request that StartTask will be called for: a role that is made in the same moment may take
/// that long to allow the write. Without its row another delivery would start the tasks a second time.
async fn first_at_last(ledger: &Ledger, row: &Row) -> Result<First, CallError> {
    let pauses = FRESH_ROLE.unsigned_abs() / 10;
    (|| ledger.first(row))
        .retry(ConstantBuilder::default().with_delay(pauses).with_max_times(10))
        .when(CallError::is_denied)
        .await
}
