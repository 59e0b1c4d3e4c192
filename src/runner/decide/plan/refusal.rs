//! Why a request fails before anything starts, in the words of its Reason.

use crate::{
    cfn::WaitHandleError,
    properties::PropertyErrors,
    runner::decide::limit::{self, Limit},
};

/// Why a request fails before anything starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The properties are wrong.
    #[error("the properties are not valid: {0}")]
    Properties(PropertyErrors),
    /// Lambda would silently stop the chain of invocations before the wait is over.
    #[error(
        "a wait of {wait_s} s takes {hops} self-invocations, since one invocation waits {usable_s} s at a \
         Lambda timeout of {lambda_timeout_s} s, and Lambda stops a function after {max} of them: raise the \
         function's timeout, or set RecursiveLoop: Allow and the environment variable \
         RECURSIVE_LOOP=Allow on it",
        max = limit::MAX_HOPS
    )]
    TooManyHops {
        /// How long the wait may take.
        wait_s: i64,
        /// How many self-invocations that is.
        hops: i64,
        /// How much of the wait one invocation takes.
        usable_s: i64,
        /// The function's own time limit.
        lambda_timeout_s: i64,
    },
    /// CloudFormation would give up before a task could be waited for.
    #[error(
        "the {0} leaves no time to wait for a task: raise ServiceTimeout, or set Timeout to 0 to wait for \
         none"
    )]
    NoTime(Limit),
    /// Only the ledger remembers a wait for so long.
    #[error(
        "WaitHandle needs the ledger, and this function has none: deploy cfn/provider.yml with Ledger set to \
         true, or leave WaitHandle out"
    )]
    NoLedger,
    /// Nobody knows who would be signalled.
    #[error("{0}")]
    WaitHandle(#[from] WaitHandleError),
    /// The handle takes no signal any more.
    #[error(
        "WaitHandle has expired, {late_s} s ago: rename the handle, its WaitCondition and the resource, so \
         that the next deploy makes new ones"
    )]
    HandleExpired {
        /// For how long it has taken none.
        late_s: i64,
    },
    /// The handle would expire before the run may end.
    #[error(
        "Timeout of {timeout_s} s is longer than WaitHandle takes a signal, {life_s} s from its creation on: \
         it may be {most_s} at most"
    )]
    OutlivesHandle {
        /// The property Timeout.
        timeout_s: u32,
        /// For how long the handle takes signals.
        life_s: i64,
        /// The longest Timeout that it takes.
        most_s: i64,
    },
    /// The request was delivered so late that CloudFormation has given up: what started now would run unseen.
    #[error(
        "the request reached the function {late_s} s after CloudFormation had sent it, later than its \
         ServiceTimeout of {service_timeout_s} s: deploy again, and if it happens again look at the \
         function's concurrency and throttles"
    )]
    TooLate {
        /// How old the request is.
        late_s: i64,
        /// How long CloudFormation waited.
        service_timeout_s: u32,
    },
}

impl Refusal {
    /// Whether it is the time that has run out, so that an earlier delivery of the same request may have
    /// started tasks before its invocation died.
    pub fn is_out_of_time(&self) -> bool {
        matches!(self, Self::NoTime(_) | Self::TooLate { .. })
    }
}
