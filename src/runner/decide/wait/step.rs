//! The one step of a wait: the action after a look, and the time of the next look.

use time::{Duration, OffsetDateTime};

use super::{FIRST_LOOK, Wait};
use crate::outcome::{Awaited, Outcome, Verdict};

/// The pause after a failed look; it doubles with each further one.
const FIRST_MISS: Duration = Duration::SECOND;
/// The longest pause, as a multiple of the first.
const MISSES_AT_MOST: i32 = 16;
/// The time to wait for a missing fact after the tasks are over.
const SETTLING: Duration = Duration::seconds(15);
/// The time to wait for a stop code after STOPPED, if all else says that the task succeeded. ECS
/// gives it with STOPPED; a stand-in for ECS may never give it.
const STOP_CODE_PATIENCE: Duration = Duration::seconds(3);

/// The next action of a wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sleep until then and look again.
    Look(OffsetDateTime),
    /// Sleep until then and invoke the function to continue.
    HandOver(OffsetDateTime),
    /// The wait is over, with this verdict.
    Finish(Verdict),
    /// The deadline has passed: stop the tasks, or, if they are being stopped already, answer
    /// without waiting for them.
    DeadlineReached,
}

impl Wait {
    /// The step after a look.
    ///
    /// `hand_over_at` is the last moment for a look in this invocation; `jitter`, from 0 to 1,
    /// spreads the looks of many waits.
    pub fn step(
        &mut self,
        outcome: &Outcome,
        now: OffsetDateTime,
        hand_over_at: OffsetDateTime,
        jitter: f64,
    ) -> Step {
        if let Outcome::Over { verdict, awaited } = outcome {
            let over_since = *self.over_since.get_or_insert(now);
            let settled_by = match awaited {
                Awaited::Nothing => now,
                Awaited::StopCode => over_since + STOP_CODE_PATIENCE,
                Awaited::Codes => over_since + SETTLING,
                Awaited::Definition => self.deadline,
            };
            if now >= settled_by {
                return Step::Finish(verdict.clone());
            }
            // This holds beyond the deadline, too: without the missing fact a task that was stopped
            // there looks like a success.
            self.next_look = (now + self.interval(now, jitter)).min(settled_by);
            return self.resume(now, hand_over_at);
        }
        if now >= self.deadline {
            return Step::DeadlineReached;
        }
        self.next_look = (now + self.interval(now, jitter)).min(self.deadline);
        self.resume(now, hand_over_at)
    }

    /// The step after `misses` looks in a row, this one included, that failed: throttled or timed
    /// out.
    pub fn step_after_misses(
        &mut self,
        misses: u32,
        now: OffsetDateTime,
        hand_over_at: OffsetDateTime,
        jitter: f64,
    ) -> Step {
        if now >= self.deadline {
            return Step::DeadlineReached;
        }
        // The other waits of the account are most likely throttled, too. Longer pauses leave calls
        // for them.
        let longest = FIRST_MISS
            * 2_i32
                .saturating_pow(misses.saturating_sub(1))
                .min(MISSES_AT_MOST);
        let pause = longest * (1.0 - 0.5 * jitter.clamp(0.0, 1.0));
        let pause = self.poll_interval.map_or(pause, |seconds| {
            pause.min(Duration::seconds(seconds.into()))
        });
        self.next_look = (now + pause).min(self.deadline);
        self.resume(now, hand_over_at)
    }

    /// The step without a new observation: the next look, or the hand-over if that look would come
    /// too late.
    pub fn resume(&self, now: OffsetDateTime, hand_over_at: OffsetDateTime) -> Step {
        // A late look must not take the invocation beyond its own deadline.
        match self.next_look.max(now) > hand_over_at {
            true => Step::HandOver(hand_over_at),
            false => Step::Look(self.next_look),
        }
    }

    /// The pause between looks: 5 % of the time waited, from 1 to 10 s, less up to a tenth of
    /// jitter; or PollInterval. A fact that is missing after the tasks are over comes soon, so the
    /// pause for it is short.
    fn interval(&self, now: OffsetDateTime, jitter: f64) -> Duration {
        match self.poll_interval {
            Some(seconds) if self.timed_out.is_none() => Duration::seconds(seconds.into()),
            _ if self.over_since.is_some() => FIRST_LOOK,
            _ => {
                let since = self
                    .timed_out
                    .as_ref()
                    .map_or(self.started_at, |timed_out| timed_out.at);
                let waited = (now - since).as_seconds_f64();
                let interval =
                    (waited * 0.05).clamp(1.0, 10.0) * (1.0 - 0.1 * jitter.clamp(0.0, 1.0));
                Duration::seconds_f64(interval.max(1.0))
            }
        }
    }
}
