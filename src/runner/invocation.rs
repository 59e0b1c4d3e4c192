//! One invocation of the function: its clock, its end, and what can be ridden out within it.

use std::time::Duration as StdDuration;

use backon::{ExponentialBuilder, Retryable};
use time::{Duration, OffsetDateTime};

use super::decide::plan::Means;
use crate::{
    aws::{CallError, CallErrorKind},
    function::clock::Clock,
};

/// How long a role may take to take effect: IAM is eventually consistent, and a stack often makes the role itself.
pub(super) const FRESH_ROLE: Duration = Duration::seconds(15);
/// How often tasks are looked at that are about to appear, or to go.
pub(super) const LOOK: StdDuration = StdDuration::from_secs(1);
/// What an invocation keeps for its end: words, answer, or the next invocation.
const MARGIN: Duration = Duration::seconds(10);
/// The longest that a function can run: what is assumed where a local tool gives a deadline that has passed.
const LONGEST: Duration = Duration::seconds(900);

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    clock: Clock,
    began_at: OffsetDateTime,
    ends_at: OffsetDateTime,
    function_arn: String,
}

impl Invocation {
    /// An invocation that begins now. `ends_at` is Lambda's deadline, `function_arn` the ARN it was invoked by, alias
    /// or version included.
    pub fn begin(clock: Clock, ends_at: OffsetDateTime, function_arn: impl Into<String>) -> Self {
        let began_at = clock.now();
        let ends_at = if ends_at > began_at { ends_at } else { began_at + LONGEST };
        Self { clock, began_at, ends_at, function_arn: function_arn.into() }
    }

    /// The time now.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Lambda's deadline.
    pub fn ends_at(&self) -> OffsetDateTime {
        self.ends_at
    }

    /// When waiting must end, so that there is time to answer or to hand over: 10 s before the deadline, or a quarter
    /// of a shorter Lambda timeout.
    pub fn hand_over_at(&self) -> OffsetDateTime {
        self.ends_at - self.margin()
    }

    /// How long a request may be worked on here: to its own deadline, or to the end of this invocation's waiting.
    pub fn until(&self, deadline: OffsetDateTime) -> OffsetDateTime {
        deadline.min(self.hand_over_at())
    }

    /// When last words must have been said, so that the answer still gets out.
    pub fn last_words_at(&self) -> OffsetDateTime {
        self.ends_at - self.margin() / 2
    }

    /// By when what a failed run has started must have been told to stop: within 15 s, since CloudFormation may be about
    /// to give up, and early enough to answer.
    pub fn soon(&self) -> OffsetDateTime {
        self.last_words_at().min(self.now() + Duration::seconds(15))
    }

    /// The ARN to invoke for the next hop.
    pub fn function_arn(&self) -> &str {
        &self.function_arn
    }

    /// What a plan has to work with.
    pub fn means(&self, recursive_loop_allowed: bool) -> Means {
        // A function's timeout is in whole seconds, a little of which has passed on the way here.
        let lambda_timeout = Duration::seconds((self.ends_at - self.began_at).as_seconds_f64().ceil() as i64);
        let usable = lambda_timeout - self.margin();
        Means { now: self.began_at, lambda_timeout, usable, recursive_loop_allowed }
    }

    fn margin(&self) -> Duration {
        MARGIN.min((self.ends_at - self.began_at) / 4)
    }

    /// What a call came to by `until`, or within a second where that is sooner. One that hangs must not take the
    /// invocation beyond its deadline.
    pub async fn within<T>(
        &self,
        until: OffsetDateTime,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let left = (until - self.now()).max(Duration::SECOND);
        let timed = tokio::time::timeout(left.try_into().unwrap_or_default(), call).await;
        timed.unwrap_or_else(|_| Err(CallError::no_answer("AWS")))
    }

    /// Calls AWS until it works. Throttling, 5xx and time-outs are ridden out with backoff until `until`, a denial for
    /// 15 s; anything else is final.
    pub async fn ride_out<T, Fut>(
        &self,
        until: OffsetDateTime,
        mut call: impl FnMut() -> Fut,
    ) -> Result<T, CallError>
    where
        Fut: Future<Output = Result<T, CallError>>,
    {
        let denied_until = until.min(self.now() + FRESH_ROLE);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(StdDuration::from_millis(500))
            .with_max_delay(StdDuration::from_secs(5))
            .without_max_times()
            .with_jitter();
        (|| self.within(until, Box::pin(call())))
            .retry(backoff)
            .adjust(|error, delay| {
                let until = match error.kind {
                    CallErrorKind::Transient => until,
                    CallErrorKind::Denied => denied_until,
                    CallErrorKind::Final => return None,
                };
                // The last attempt is made at the end, not beyond it.
                let left = StdDuration::try_from(until - self.now()).ok().filter(|left| !left.is_zero())?;
                delay.map(|delay| delay.min(left))
            })
            .notify(|error, delay| tracing::warn!("{error}; trying again in {} ms", delay.as_millis()))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn error(kind: CallErrorKind) -> CallError {
        CallError { operation: "ecs:RunTask", code: "Code".to_owned(), message: "message".to_owned(), kind }
    }

    fn invocation(lambda_timeout: i64) -> Invocation {
        let clock = Clock::start();
        Invocation::begin(clock, clock.now() + Duration::seconds(lambda_timeout), "arn")
    }

    /// How long and how often a call that always fails is tried.
    async fn tried(kind: CallErrorKind, seconds: i64) -> (i64, u32) {
        let invocation = invocation(900);
        let (start, calls) = (invocation.now(), Cell::new(0));
        let until = start + Duration::seconds(seconds);
        let result: Result<(), CallError> = invocation
            .ride_out(until, || {
                calls.set(calls.get() + 1);
                async move { Err(error(kind)) }
            })
            .await;
        assert_eq!(result, Err(error(kind)));
        ((invocation.now() - start).whole_seconds(), calls.get())
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_ridden_out_and_a_denial_for_fifteen_seconds() {
        let (seconds, calls) = tried(CallErrorKind::Transient, 120).await;
        assert!(seconds == 120 && calls > 12, "{seconds} s, {calls} calls");
        let (seconds, calls) = tried(CallErrorKind::Denied, 120).await;
        assert!(seconds == 15 && calls > 2, "{seconds} s, {calls} calls");
        assert_eq!(tried(CallErrorKind::Final, 120).await, (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_cut_off() {
        let invocation = invocation(900);
        let (start, until) = (invocation.now(), invocation.now() + Duration::seconds(7));
        let result: Result<(), CallError> = invocation.ride_out(until, std::future::pending).await;
        assert_eq!(result, Err(CallError::no_answer("AWS")));
        assert!((7..=9).contains(&(invocation.now() - start).whole_seconds()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_margin_is_ten_seconds_or_a_quarter_of_a_shorter_timeout() {
        for (lambda_timeout, margin) in [(900, 10.0), (40, 10.0), (20, 5.0), (3, 0.75)] {
            let invocation = invocation(lambda_timeout);
            assert_eq!((invocation.ends_at() - invocation.hand_over_at()).as_seconds_f64(), margin);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_taken_for_the_longest() {
        let clock = Clock::start();
        let invocation = Invocation::begin(clock, OffsetDateTime::UNIX_EPOCH, "arn");
        assert_eq!(invocation.ends_at() - clock.now(), LONGEST);
    }
}
