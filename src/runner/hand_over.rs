//! Handing a wait over to the next invocation, which the function makes of itself.

use serde_json::json;

use super::{
    decide::{limit::MAX_HOPS, wait::Wait},
    work::Work,
};
use crate::aws::CallError;

/// Why the next invocation does not go on.
pub(super) enum NoNextHop {
    /// Lambda would drop the next hop without an error: the chain of self-invocations is used up.
    ChainUsedUp,
    /// The function could not invoke itself.
    Refused(CallError),
}

/// Lets the next invocation go on, with all that it needs and nothing else.
pub(super) async fn hand_over(work: &Work<'_>, mut wait: Wait) -> Result<(), NoNextHop> {
    let invocation = work.invocation;
    if i64::from(wait.hop) >= MAX_HOPS && !invocation.may_recurse() {
        tracing::warn!("the chain of {MAX_HOPS} self-invocations is used up");
        return Err(NoNextHop::ChainUsedUp);
    }
    wait.hop += 1;
    tracing::info!(waited_s = (work.now() - wait.started_at).whole_seconds(), "handing over");
    let payload = json!({ "Wait": wait }).to_string().into_bytes();
    // An attempt without an answer must leave time for another, and for the end if none works. One that has
    // worked all the same does no harm: two waits for the same tasks come to the same verdict.
    let left = invocation.last_words_at() - work.now();
    let call = || {
        let invoke = work.aws.invoke_event(invocation.function_arn(), payload.clone());
        let attempt = work.due(work.now() + left / 2);
        async move { attempt.within(invoke).await }
    };
    work.due(work.now() + left * 3 / 4).ride_out(call).await.map_err(NoNextHop::Refused)
}
