//! The one step of a wait: what to do after a look, and when the next look is due.

use time::{Duration, OffsetDateTime};

use super::{FIRST_LOOK, Wait};
use crate::outcome::{Awaited, Outcome, Verdict};

/// The pause after a look that showed nothing; it doubles with each.
const FIRST_MISS: Duration = Duration::SECOND;
/// Up to so many times the first pause.
const MISSES_AT_MOST: i32 = 16;
/// How long a fact may come after the task is over.
const SETTLING: Duration = Duration::seconds(15);
/// How long the stop code may come after STOPPED, if all else says that the task succeeded. ECS gives it with
/// STOPPED, a stand-in for ECS perhaps never.
const STOP_CODE_PATIENCE: Duration = Duration::seconds(3);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sleep until then and look again.
    Look(OffsetDateTime),
    /// Sleep until then and let the next invocation go on.
    HandOver(OffsetDateTime),
    /// It is over.
    Finish(Verdict),
    /// The deadline has come: the tasks must be stopped, or if they have been told to, the answer cannot wait
    /// for them.
    DeadlineReached,
}

impl Wait {
    /// The step after a look.
    ///
    /// `hand_over_at` is when this invocation must let go; `jitter`, from 0 to 1, spreads looks of many
    /// waits.
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
            // Also beyond the deadline: without the missing fact a task that was stopped there looks like a
            // success.
            self.next_look = (now + self.interval(now, jitter)).min(settled_by);
            return self.resume(now, hand_over_at);
        }
        if now >= self.deadline {
            return Step::DeadlineReached;
        }
        self.next_look = (now + self.interval(now, jitter)).min(self.deadline);
        self.resume(now, hand_over_at)
    }

    /// The step after `misses` looks in a row, this one included, that showed nothing: throttled, timed out.
    /// They are an account's other waits too, most likely, so each makes way for the others a little longer.
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
        let longest = FIRST_MISS * 2_i32.saturating_pow(misses.saturating_sub(1)).min(MISSES_AT_MOST);
        let pause = longest * (1.0 - 0.5 * jitter.clamp(0.0, 1.0));
        let pause = self.poll_interval.map_or(pause, |seconds| pause.min(Duration::seconds(seconds.into())));
        self.next_look = (now + pause).min(self.deadline);
        self.resume(now, hand_over_at)
    }

    /// What to do when nothing new has been seen: the look that is due, or the end of this invocation before
    /// it. A look that comes late must not take the invocation beyond its own deadline.
    pub fn resume(&self, now: OffsetDateTime, hand_over_at: OffsetDateTime) -> Step {
        match self.next_look.max(now) > hand_over_at {
            true => Step::HandOver(hand_over_at),
            false => Step::Look(self.next_look),
        }
    }

    /// 5 % of the time waited, from 1 to 10 s, less up to a tenth of jitter; with PollInterval that, as it
    /// is. A fact that is missing of tasks that are over comes soon.
    fn interval(&self, now: OffsetDateTime, jitter: f64) -> Duration {
        match self.poll_interval {
            Some(seconds) if self.timed_out.is_none() => Duration::seconds(seconds.into()),
            _ if self.over_since.is_some() => FIRST_LOOK,
            _ => {
                let since = self.timed_out.as_ref().map_or(self.started_at, |timed_out| timed_out.at);
                let waited = (now - since).as_seconds_f64();
                let interval = (waited * 0.05).clamp(1.0, 10.0) * (1.0 - 0.1 * jitter.clamp(0.0, 1.0));
                Duration::seconds_f64(interval.max(1.0))
            }
        }
    }
}
