//! Refusals: the reasons for which a request fails before any task starts, as their Reasons say
//! them.

use crate::{
    cfn::WaitHandleError,
    properties::PropertyErrors,
    runner::decide::limit::{self, Limit},
};

/// The reason for which a request fails before any task starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The properties are wrong.
    #[error("the properties are not valid: {0}")]
    Properties(PropertyErrors),
    /// Lambda would stop the chain of self-invocations without an error before the wait ends.
    #[error(
        "raise the function's timeout, which is {lambda_timeout_s} s, or set RecursiveLoop: Allow and the \
         environment variable RECURSIVE_LOOP=Allow on the function: the wait for Timeout ({wait_s} s) would take \
         {hops} self-invocations of {usable_s} s each, but Lambda stops a function after {max}",
        max = limit::MAX_HOPS
    )]
    TooManyHops {
        /// The longest time that the wait may take, in seconds.
        wait_s: i64,
        /// The number of self-invocations in that time.
        hops: i64,
        /// The seconds of the wait that one invocation covers.
        usable_s: i64,
        /// The timeout of the function, in seconds.
        lambda_timeout_s: i64,
    },
    /// CloudFormation would stop waiting before the runner could wait for a task.
    #[error(
        "the {0} leaves no time to wait for a task: raise ServiceTimeout, or set Timeout to 0 so that the function \
         does not wait"
    )]
    NoTime(Limit),
    /// A run with a WaitHandle waits in the ledger, and the function has none.
    #[error(
        "WaitHandle needs the ledger, but this function has none: deploy cfn/provider.yml with Ledger set to true, \
         or leave WaitHandle out"
    )]
    NoLedger,
    /// The property WaitHandle has no address that can be signalled.
    #[error("{0}")]
    WaitHandle(#[from] WaitHandleError),
    /// The WaitHandle has expired.
    #[error(
        "WaitHandle expired {late_s} s ago: rename the handle, its WaitCondition and the resource, so that the next \
         deploy creates new ones"
    )]
    HandleExpired {
        /// The seconds since its expiry.
        late_s: i64,
    },
    /// The WaitHandle would expire before the end of Timeout.
    #[error(
        "Timeout is {timeout_s} s, but WaitHandle accepts a signal for only {life_s} s after its creation: set \
         Timeout to at most {most_s}"
    )]
    OutlivesHandle {
        /// The property Timeout.
        timeout_s: u32,
        /// The seconds from the creation of the handle to its expiry.
        life_s: i64,
        /// The longest Timeout that the handle allows, in seconds.
        most_s: i64,
    },
    /// Lambda delivered the request after CloudFormation had stopped waiting: a task that starts
    /// now would run unseen.
    #[error(
        "the request reached the function {late_s} s after CloudFormation had sent it, later than its ServiceTimeout \
         of {service_timeout_s} s: deploy again, and if it happens again check the function's concurrency and \
         throttles"
    )]
    TooLate {
        /// The age of the request, in seconds.
        late_s: i64,
        /// The property ServiceTimeout, in seconds.
        service_timeout_s: u32,
    },
}

impl Refusal {
    /// The refusal is for lack of time. An earlier delivery of the request may then have started
    /// tasks before its invocation crashed.
    pub fn is_out_of_time(&self) -> bool {
        matches!(self, Self::NoTime(_) | Self::TooLate { .. })
    }
}
