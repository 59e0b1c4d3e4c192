//! One invocation of the function: its clock, and the shares of its time.

use std::{sync::Arc, time::Duration as StdDuration};

use time::{Duration, OffsetDateTime};

use super::{decide::plan::Means, metrics::Metrics};
use crate::function::clock::Clock;

/// The time that an invocation reserves for its end: the answer, or the hand-over to the next
/// invocation.
const MARGIN: Duration = Duration::seconds(10);
/// The template's function timeout, for a local tool that gives a deadline in the past.
const ASSUMED: Duration = Duration::seconds(900);

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    clock: Clock,
    began_at: OffsetDateTime,
    ends_at: OffsetDateTime,
    function_arn: String,
    may_recurse: bool,
    metrics: Arc<Metrics>,
}

impl Invocation {
    /// Begins an invocation. `ends_at` is Lambda's deadline. `function_arn` is the invoked ARN,
    /// with its alias or version.
    pub fn begin(clock: Clock, ends_at: OffsetDateTime, function_arn: impl Into<String>) -> Self {
        let began_at = clock.now();
        let ends_at = if ends_at > began_at {
            ends_at
        } else {
            began_at + ASSUMED
        };
        Self {
            clock,
            began_at,
            ends_at,
            function_arn: function_arn.into(),
            may_recurse: false,
            metrics: Arc::default(),
        }
    }

    /// The same invocation of a function that Lambda lets invoke itself without a limit. The
    /// environment variable `RECURSIVE_LOOP=Allow` declares it.
    #[must_use]
    pub fn with_recursive_loop(self, allowed: bool) -> Self {
        Self {
            may_recurse: allowed,
            ..self
        }
    }

    /// The current time of the invocation's clock, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The clock of the invocation, for sleeps and for the time limit of a PUT.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The start of the invocation.
    pub fn began_at(&self) -> OffsetDateTime {
        self.began_at
    }

    /// The deadline at which Lambda ends the invocation.
    pub fn ends_at(&self) -> OffsetDateTime {
        self.ends_at
    }

    /// The time until Lambda's deadline; zero after it.
    pub fn remaining(&self) -> StdDuration {
        (self.ends_at - self.now()).try_into().unwrap_or_default()
    }

    /// The end of the invocation's waiting, which leaves time to answer or to hand over: 10 s
    /// before the deadline, or a quarter of a shorter Lambda timeout.
    pub fn hand_over_at(&self) -> OffsetDateTime {
        self.ends_at - self.margin()
    }

    /// A request's deadline, or the end of this invocation's waiting if that comes first.
    pub fn clamp(&self, deadline: OffsetDateTime) -> OffsetDateTime {
        deadline.min(self.hand_over_at())
    }

    /// The start of the time that is reserved for sending the answer.
    pub fn answer_reserve_at(&self) -> OffsetDateTime {
        self.ends_at - self.margin() / 2
    }

    /// The time limit for stopping the tasks of a failed run: 15 s, because CloudFormation may be
    /// about to stop waiting, and early enough to answer.
    pub fn stop_deadline(&self) -> OffsetDateTime {
        self.answer_reserve_at()
            .min(self.now() + Duration::seconds(15))
    }

    /// The invoked ARN, with its alias or version. The function invokes itself by it for the next
    /// part of a wait.
    pub fn function_arn(&self) -> &str {
        &self.function_arn
    }

    /// Lambda does not stop this function's chain of self-invocations.
    pub fn may_recurse(&self) -> bool {
        self.may_recurse
    }

    /// The metrics of the requests that this invocation handles.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The limits that a plan must respect. `remembers` says that the function has a ledger.
    pub fn means(&self, remembers: bool) -> Means {
        // Lambda sets timeouts in whole seconds, and a part of the first has passed before the
        // clock started.
        let lambda_timeout =
            Duration::seconds((self.ends_at - self.began_at).as_seconds_f64().ceil() as i64);
        let usable = lambda_timeout - self.margin();
        Means {
            now: self.began_at,
            lambda_timeout,
            usable,
            recursive_loop_allowed: self.may_recurse,
            remembers,
        }
    }

    fn margin(&self) -> Duration {
        MARGIN.min((self.ends_at - self.began_at) / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(lambda_timeout: i64) -> Invocation {
        let clock = Clock::start();
        Invocation::begin(
            clock,
            clock.now() + Duration::seconds(lambda_timeout),
            "arn",
        )
    }

    #[tokio::test(start_paused = true)]
    async fn the_margin_is_ten_seconds_or_a_quarter_of_a_shorter_timeout() {
        for (lambda_timeout, margin) in [(900, 10.0), (40, 10.0), (20, 5.0), (3, 0.75)] {
            let invocation = invocation(lambda_timeout);
            assert_eq!(
                (invocation.ends_at() - invocation.hand_over_at()).as_seconds_f64(),
                margin
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_taken_for_the_longest() {
        let clock = Clock::start();
        let invocation = Invocation::begin(clock, OffsetDateTime::UNIX_EPOCH, "arn");
        assert_eq!(invocation.ends_at() - clock.now(), ASSUMED);
    }
}
