//! Work on one request within one invocation: everything that each step needs, and the retries of
//! calls to AWS.

use std::time::Duration as StdDuration;

use backon::{ExponentialBuilder, Retryable};
use time::{Duration, OffsetDateTime};

use super::{
    invocation::Invocation,
    ledger::{FRESH_ROLE, History},
};
use crate::{
    aws::Aws,
    call::{CallError, CallErrorKind},
    cfn::ReplyTo,
    task::TaskArn,
};

/// The longest pause of a throttled start. ECS lets an account start 40 tasks a second, and a
/// throttled start is most likely one of hundreds: with pauses of this length most of them succeed
/// at the next attempt.
const CROWD: StdDuration = StdDuration::from_secs(30);
/// The time reserved for sending an answer before CloudFormation stops waiting for it.
const TO_ANSWER: Duration = Duration::seconds(5);
/// The pause between looks for tasks that are about to appear.
pub(super) const LOOK: StdDuration = StdDuration::from_secs(1);

/// The work on one request within one invocation.
#[derive(Clone, Copy)]
pub(super) struct Work<'w> {
    pub(super) aws: &'w Aws,
    pub(super) invocation: &'w Invocation,
    /// The address and identity of the reply.
    pub(super) reply_to: &'w ReplyTo,
    /// Name or ARN of the cluster.
    pub(super) cluster: &'w str,
    /// The families of the resource's tasks: stopped tasks are listed by family.
    pub(super) families: &'w [String],
    /// The ledger's rows around the request.
    pub(super) history: &'w History<'w>,
    /// Tasks of other requests. Their tags may not show it, because StopTask may clear tags.
    pub(super) foreign_tasks: &'w [TaskArn],
    /// The deadline of the work.
    pub(super) deadline: OffsetDateTime,
    /// The shortest time for a call, if less is left before the deadline.
    pub(super) shortest_call: Duration,
}

/// An error that a call to AWS may have caused, so that the call can be made again.
pub(super) trait CausedByCall: From<CallError> {
    /// The failed call; `None` if another attempt is no help.
    fn call(&self) -> Option<&CallError>;
}

impl CausedByCall for CallError {
    fn call(&self) -> Option<&CallError> {
        Some(self)
    }
}

/// The account starts more tasks at once than ECS allows.
fn is_crowded_out(error: &CallError) -> bool {
    error.operation == "ecs:RunTask" && error.is_throttled()
}

impl<'w> Work<'w> {
    pub(super) fn on(self, cluster: &'w str) -> Self {
        Self { cluster, ..self }
    }

    pub(super) fn until(self, deadline: OffsetDateTime) -> Self {
        Self { deadline, ..self }
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.invocation.now()
    }

    /// Another look would come after the deadline.
    pub(super) fn is_last_look(&self) -> bool {
        self.now() + LOOK >= self.deadline
    }

    /// The time limit for stopping the tasks of a failed run: the invocation's, and early enough for
    /// CloudFormation to read the answer, if it still waits for one.
    pub(super) fn stop_deadline(&self) -> OffsetDateTime {
        let (by, now) = (self.invocation.stop_deadline(), self.now());
        let given_up_at = self.reply_to.given_up_at.filter(|at| *at > now);
        given_up_at.map_or(by, |at| by.min((at - TO_ANSWER).max(now)))
    }

    /// `startedBy` of the tasks of the request's resource.
    pub(super) fn started_by(&self) -> String {
        self.reply_to.started_by()
    }

    /// Returns a call's result if it comes before the deadline, or within `shortest_call` if less is
    /// left.
    /// A call that hangs must not take the invocation beyond its own deadline.
    pub(super) async fn within<T, E: CausedByCall>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let left = (self.deadline - self.now()).max(self.shortest_call);
        let timed = tokio::time::timeout(left.try_into().unwrap_or_default(), call).await;
        timed.unwrap_or_else(|_| Err(CallError::no_answer("AWS").into()))
    }

    /// Calls AWS as [`Work::ride_out`] does, but a denial is final: for calls that are not worth
    /// the wait for a new role.
    pub(super) async fn ride_out_unless_denied<T, Fut>(
        &self,
        mut call: impl FnMut() -> Fut,
    ) -> Result<T, CallError>
    where
        Fut: Future<Output = Result<T, CallError>>,
    {
        let final_if_denied = |error: CallError| match error.is_denied() {
            true => CallError {
                kind: CallErrorKind::Final,
                ..error
            },
            false => error,
        };
        self.ride_out(|| {
            let called = call();
            async move { called.await.map_err(final_if_denied) }
        })
        .await
    }

    /// Calls AWS until a call succeeds. Throttling, 5xx and time-outs are tried again with backoff
    /// until the deadline, a denial for 15 s. Any other error is final.
    pub(super) async fn ride_out<T, E, Fut>(&self, mut call: impl FnMut() -> Fut) -> Result<T, E>
    where
        E: CausedByCall + std::fmt::Display,
        Fut: Future<Output = Result<T, E>>,
    {
        let denied_until = self.deadline.min(self.now() + FRESH_ROLE);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(StdDuration::from_millis(500))
            .with_max_delay(StdDuration::from_secs(5))
            .without_max_times()
            .with_jitter();
        // One throttled attempt does not prove that hundreds start at once, so the pauses begin
        // short and double.
        let mut crowd = StdDuration::from_secs(1);
        (|| self.within(Box::pin(call())))
            .retry(backoff)
            .adjust(|error, delay| {
                let error = error.call()?;
                let until = match error.kind {
                    CallErrorKind::Transient => self.deadline,
                    CallErrorKind::Denied => denied_until,
                    CallErrorKind::Final => return None,
                };
                // The last attempt comes right at the deadline, because a call after it would be
                // too late.
                let left = StdDuration::try_from(until - self.now())
                    .ok()
                    .filter(|left| !left.is_zero())?;
                if is_crowded_out(error) {
                    let delay = crowd.mul_f64(fastrand::f64());
                    crowd = (crowd * 2).min(CROWD);
                    return Some(delay.min(left));
                }
                delay.map(|delay| delay.min(left))
            })
            .notify(|error, delay| {
                tracing::warn!("{error}; trying again in {} ms", delay.as_millis())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use aws_config::{BehaviorVersion, SdkConfig};

    use super::*;
    use crate::{cfn::fixtures, function::clock::Clock};

    fn error(kind: CallErrorKind) -> CallError {
        CallError {
            operation: "ecs:RunTask",
            code: "Code".to_owned(),
            message: "message".to_owned(),
            kind,
        }
    }

    /// The result of work that may take `seconds`, and the seconds that it took.
    async fn worked<T>(seconds: i64, work: impl AsyncFnOnce(Work<'_>) -> T) -> (T, i64) {
        let clock = Clock::start();
        let invocation = Invocation::begin(clock, clock.now() + Duration::seconds(900), "arn");
        let aws = Aws::new(
            SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .build(),
        );
        let began = invocation.now();
        let one = Work {
            aws: &aws,
            invocation: &invocation,
            reply_to: &fixtures::reply_to("r-1"),
            cluster: "prod",
            families: &[],
            history: &History::default(),
            foreign_tasks: &[],
            deadline: began + Duration::seconds(seconds),
            shortest_call: Duration::SECOND,
        };
        let result = work(one).await;
        (result, (invocation.now() - began).whole_seconds())
    }

    /// The seconds and the calls of a call that always fails.
    async fn tried(kind: CallErrorKind, seconds: i64) -> (i64, u32) {
        let calls = Cell::new(0);
        let failing = async |work: Work<'_>| {
            let call = || {
                calls.set(calls.get() + 1);
                async { Err::<(), _>(error(kind)) }
            };
            work.ride_out(call).await
        };
        let (result, took) = worked(seconds, failing).await;
        assert_eq!(result, Err(error(kind)));
        (took, calls.get())
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
        let hanging = async |work: Work<'_>| {
            work.ride_out(std::future::pending::<Result<(), CallError>>)
                .await
        };
        let (result, took) = worked(7, hanging).await;
        assert_eq!(result, Err(CallError::no_answer("AWS")));
        assert!((7..=9).contains(&took), "{took} s");
    }

    /// Without the feature `std` the backoff's generator has the same seed in every process, and
    /// instances that start together would try again in step.
    #[test]
    fn two_backoffs_do_not_wait_in_step() {
        use backon::BackoffBuilder;

        let delays = || {
            ExponentialBuilder::default()
                .with_jitter()
                .build()
                .take(3)
                .collect::<Vec<_>>()
        };
        assert_ne!(delays(), delays());
    }
}
