//! How long a request may take: the properties Timeout and ServiceTimeout, and Lambda's limits on a chain of
//! invocations.
//!
//! Pure: the clock is an argument.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// What is kept for the answer below CloudFormation's own time limit.
const ANSWER_RESERVE: Duration = Duration::seconds(30);
/// What is kept for the signal below the life of a WaitHandle.
pub const SIGNAL_RESERVE: Duration = Duration::seconds(60);
/// Self-invocations that Lambda lets pass without `RecursiveLoop: Allow`: it stops a chain of about 16.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
pub const MAX_HOPS: i64 = 15;
/// What set a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// The property Timeout, in seconds.
    Timeout(u32),
    /// The property ServiceTimeout, in seconds, less the time that an answer takes.
    ServiceTimeout(u32),
    /// The end of WaitHandle's life, less the time that a signal takes.
    WaitHandle,
}

/// How long one request may take.
///
/// CloudFormation's own clock runs from when it signed the ResponseURL, the property Timeout from when its
/// tasks are started: what an earlier request has left must stop before that, and takes as long as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The property Timeout, in seconds; 0 where no end is waited for.
    pub timeout: u32,
    /// The property ServiceTimeout, in seconds.
    pub service_timeout: u32,
    /// When CloudFormation sent the request, else when it was first handled.
    pub requested_at: OffsetDateTime,
    /// Until when the run's end is waited for, where a WaitHandle is to be signalled; the request itself is
    /// answered when its tasks have started.
    pub signal_by: Option<OffsetDateTime>,
}

impl Limits {
    /// The last moment at which the request may be answered, whatever its tasks do.
    pub fn answer_deadline(&self) -> OffsetDateTime {
        self.given_up_at() - ANSWER_RESERVE
    }

    /// The last moment at which the run may be settled, for the request or for its WaitHandle.
    pub fn settle_by(&self) -> OffsetDateTime {
        self.signal_by.map_or(self.answer_deadline(), |signal_by| signal_by + SIGNAL_RESERVE / 2)
    }

    /// When CloudFormation stops waiting for an answer.
    pub fn given_up_at(&self) -> OffsetDateTime {
        self.requested_at + Duration::seconds(self.service_timeout.into())
    }

    /// When tasks that are started now must have ended, and what sets that. Where no end is waited for, the
    /// start still has all the time that CloudFormation gives.
    pub fn deadline(&self, now: OffsetDateTime) -> (OffsetDateTime, Limit) {
        let own = now + Duration::seconds(self.timeout.into());
        let last = self.signal_by.unwrap_or(self.answer_deadline());
        if self.timeout > 0 && own <= last {
            (own, Limit::Timeout(self.timeout))
        } else if self.signal_by.is_some() {
            (last, Limit::WaitHandle)
        } else {
            (last, Limit::ServiceTimeout(self.service_timeout))
        }
    }
}

/// How many self-invocations a wait of `wait` takes when each invocation has `usable` of it.
pub fn hops(wait: Duration, usable: Duration) -> i64 {
    let (wait, usable) = (wait.whole_milliseconds(), usable.whole_milliseconds().max(1));
    i64::try_from((wait - 1).max(0) / usable).unwrap_or(i64::MAX)
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(seconds) => write!(f, "Timeout of {seconds} s"),
            Self::WaitHandle => {
                write!(f, "WaitHandle's life (less {} s to signal)", SIGNAL_RESERVE.whole_seconds())
            }
            Self::ServiceTimeout(seconds) => {
                write!(
                    f,
                    "ServiceTimeout of {seconds} s (less {} s to answer)",
                    ANSWER_RESERVE.whole_seconds()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    fn at(seconds: i64) -> OffsetDateTime {
        START + Duration::seconds(seconds)
    }

    #[test]
    fn the_deadline_is_timeouts_or_service_timeouts_whichever_comes_first() {
        for (timeout, service_timeout, expected) in [
            (290, 3600, (at(293), Limit::Timeout(290))),
            (3600, 3600, (at(3570), Limit::ServiceTimeout(3600))),
            (290, 60, (at(30), Limit::ServiceTimeout(60))),
            (0, 3600, (at(3570), Limit::ServiceTimeout(3600))),
        ] {
            let limits = Limits { timeout, service_timeout, requested_at: START, signal_by: None };
            assert_eq!(limits.deadline(at(3)), expected, "{limits:?}");
        }
    }

    #[test]
    fn a_wait_handle_lets_a_run_outlast_service_timeout() {
        for (timeout, expected) in
            [(40_000, (at(40_003), Limit::Timeout(40_000))), (43_139, (at(43_100), Limit::WaitHandle))]
        {
            let signal_by = Some(at(43_100));
            let limits = Limits { timeout, service_timeout: 3600, requested_at: START, signal_by };
            assert_eq!(limits.deadline(at(3)), expected, "{limits:?}");
        }
    }

    #[test]
    fn hops_are_the_invocations_after_the_first() {
        let seconds = Duration::seconds;
        for (wait, usable, expected) in
            [(290, 890, 0), (890, 890, 0), (891, 890, 1), (3570, 890, 4), (1, 0, 999)]
        {
            assert_eq!(hops(seconds(wait), seconds(usable)), expected, "{wait} s in {usable} s");
        }
    }
}
