//! The clock of one invocation: the wall's time at its beginning, and from there on the runtime's.
//!
//! Tests that pause the runtime's clock so pause this one. It is made anew for each invocation, because
//! Lambda freezes the process between two of them.

use std::time::SystemTime;

use time::OffsetDateTime;
use tokio::time::Instant;

/// Says what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: OffsetDateTime,
    since: Instant,
}

impl Clock {
    /// Starts at the wall's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the wall for the time")]
    pub fn start() -> Self {
        Self::at(OffsetDateTime::from(SystemTime::now()))
    }

    /// Starts at this time.
    #[expect(clippy::disallowed_methods, reason = "and this is the one place that asks the runtime for it")]
    pub fn at(origin: OffsetDateTime) -> Self {
        Self { origin, since: Instant::now() }
    }

    /// The time now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        self.origin + self.since.elapsed()
    }

    /// Sleeps until then; not at all where then is past.
    pub async fn sleep_until(&self, then: OffsetDateTime) {
        let wait = then - self.now();
        tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
    }
}
