//! How long a request may take: the properties Timeout and ServiceTimeout, and Lambda's limits on a chain of invocations.
//!
//! Pure: the clock is an argument.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// What is kept for the answer below CloudFormation's own time limit.
const ANSWER_RESERVE: Duration = Duration::seconds(30);
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
}

/// When a request that arrived `requested_at` and is first handled `now` must be answered at the latest, and why then.
///
/// `requested_at` is when CloudFormation signed the ResponseURL: its own clock runs from there.
pub fn deadline(
    timeout: u32,
    service_timeout: u32,
    requested_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> (OffsetDateTime, Limit) {
    let own = now + Duration::seconds(timeout.into());
    let service = requested_at.unwrap_or(now) + Duration::seconds(service_timeout.into()) - ANSWER_RESERVE;
    if own <= service {
        (own, Limit::Timeout(timeout))
    } else {
        (service, Limit::ServiceTimeout(service_timeout))
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
        let now = at(3);
        assert_eq!(deadline(290, 3600, Some(START), now), (at(293), Limit::Timeout(290)));
        assert_eq!(deadline(3600, 3600, Some(START), now), (at(3570), Limit::ServiceTimeout(3600)));
        assert_eq!(deadline(290, 60, Some(START), now), (at(30), Limit::ServiceTimeout(60)));
        assert_eq!(deadline(290, 60, None, now), (at(33), Limit::ServiceTimeout(60)));
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
