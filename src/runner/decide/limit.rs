//! The time that a request may take: the properties Timeout and ServiceTimeout, and Lambda's limit
//! on a chain of invocations.
//!
//! Pure: the clock is an argument.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The time reserved for the answer before CloudFormation's own time limit.
const ANSWER_RESERVE: Duration = Duration::seconds(30);
/// The time reserved for the signal before a WaitHandle expires.
pub const SIGNAL_RESERVE: Duration = Duration::seconds(60);
/// The number of self-invocations that Lambda allows without `RecursiveLoop: Allow`. It stops a
/// chain after about 16.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
pub const MAX_HOPS: i64 = 15;
/// The property that sets a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// The property Timeout, in seconds.
    Timeout(u32),
    /// The property ServiceTimeout, in seconds, less the time that an answer takes.
    ServiceTimeout(u32),
    /// The expiry of the WaitHandle, less the time that a signal takes.
    WaitHandle,
}

/// The time limits of one request.
///
/// CloudFormation's clock starts when it signs the ResponseURL. Timeout counts from the start of
/// the tasks, because tasks of earlier requests must stop first, however long that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The property Timeout, in seconds; 0 if the request does not wait for the end.
    pub timeout: u32,
    /// The property ServiceTimeout, in seconds.
    pub service_timeout: u32,
    /// The time at which CloudFormation sent the request, or else the time of its first delivery.
    pub requested_at: OffsetDateTime,
    /// The deadline of a run that signals a WaitHandle. Its request is answered as soon as the
    /// tasks have started.
    pub signal_by: Option<OffsetDateTime>,
}

impl Limits {
    /// The deadline of the answer, even if tasks still run then.
    pub fn answer_deadline(&self) -> OffsetDateTime {
        self.given_up_at() - ANSWER_RESERVE
    }

    /// The last moment for the verdict of the run, for its request or its WaitHandle.
    pub fn settle_by(&self) -> OffsetDateTime {
        self.signal_by.map_or(self.answer_deadline(), |signal_by| {
            signal_by + SIGNAL_RESERVE / 2
        })
    }

    /// The time at which CloudFormation stops waiting for an answer.
    pub fn given_up_at(&self) -> OffsetDateTime {
        self.requested_at + Duration::seconds(self.service_timeout.into())
    }

    /// The deadline of tasks that start now, and the property that sets it. A run with a Timeout of
    /// 0 may use all of ServiceTimeout for its start.
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

/// The number of self-invocations that a wait of `wait` needs if each invocation can use `usable`
/// of it.
pub fn hops(wait: Duration, usable: Duration) -> i64 {
    let (wait, usable) = (
        wait.whole_milliseconds(),
        usable.whole_milliseconds().max(1),
    );
    i64::try_from((wait - 1).max(0) / usable).unwrap_or(i64::MAX)
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(seconds) => write!(f, "Timeout of {seconds} s"),
            Self::WaitHandle => {
                write!(
                    f,
                    "WaitHandle lifetime (minus {} s for the signal)",
                    SIGNAL_RESERVE.whole_seconds()
                )
            }
            Self::ServiceTimeout(seconds) => {
                write!(
                    f,
                    "ServiceTimeout of {seconds} s (minus {} s for the answer)",
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
            let limits = Limits {
                timeout,
                service_timeout,
                requested_at: START,
                signal_by: None,
            };
            assert_eq!(limits.deadline(at(3)), expected, "{limits:?}");
        }
    }

    #[test]
    fn a_wait_handle_lets_a_run_outlast_service_timeout() {
        for (timeout, expected) in [
            (40_000, (at(40_003), Limit::Timeout(40_000))),
            (43_139, (at(43_100), Limit::WaitHandle)),
        ] {
            let signal_by = Some(at(43_100));
            let limits = Limits {
                timeout,
                service_timeout: 3600,
                requested_at: START,
                signal_by,
            };
            assert_eq!(limits.deadline(at(3)), expected, "{limits:?}");
        }
    }

    #[test]
    fn hops_are_the_invocations_after_the_first() {
        let seconds = Duration::seconds;
        for (wait, usable, expected) in [
            (290, 890, 0),
            (890, 890, 0),
            (891, 890, 1),
            (3570, 890, 4),
            (1, 0, 999),
        ] {
            assert_eq!(
                hops(seconds(wait), seconds(usable)),
                expected,
                "{wait} s in {usable} s"
            );
        }
    }
}
