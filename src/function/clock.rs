//! The clock of one invocation: it takes the time once, at the beginning, and adds the runtime's
//! clock to it.
//!
//! A test that pauses the runtime's clock therefore pauses this one, too. Each invocation makes its
//! own clock, because Lambda freezes the process between two invocations.

use std::time::SystemTime;

use time::OffsetDateTime;
use tokio::time::Instant;

/// The time in one invocation.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: OffsetDateTime,
    since: Instant,
}

impl Clock {
    /// Starts at the system's time.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the wall for the time"
    )]
    pub fn start() -> Self {
        Self::at(OffsetDateTime::from(SystemTime::now()))
    }

    /// Starts at `origin`.
    #[expect(
        clippy::disallowed_methods,
        reason = "and this is the one place that asks the runtime for it"
    )]
    pub fn at(origin: OffsetDateTime) -> Self {
        Self {
            origin,
            since: Instant::now(),
        }
    }

    /// The time now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        self.origin + self.since.elapsed()
    }

    /// Sleeps until `then`. Returns at once if `then` is past.
    pub async fn sleep_until(&self, then: OffsetDateTime) {
        let wait = then - self.now();
        tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
    }
}
