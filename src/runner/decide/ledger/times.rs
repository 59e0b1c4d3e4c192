//! When the watch looks at a row, and who it belongs to until then.

use time::{Duration, OffsetDateTime};

use super::super::wait::Wait;
use crate::{epoch::at_milliseconds, item::Attributes};

/// A wait whose deadline is nearer is polled and not parked.
const WORTH_PARKING: Duration = Duration::seconds(120);
/// How old the watch's heartbeat may be while its next round is relied upon; it comes once a minute.
const HEARTBEAT: Duration = Duration::seconds(150);
/// The watch keeps a deadline this near itself: the round after the next would come too late for it.
const NEAR: Duration = Duration::seconds(120);
/// When the looks at a parked wait are due after each other, in minutes; the last goes on.
const LOOKS: [i64; 4] = [1, 2, 4, 5];
/// How long an invocation may be late to end, beyond Lambda's deadline for it, before another takes over.
pub(super) const GRACE: Duration = Duration::seconds(60);
/// How long tasks may take to stop, and their invocation to answer: a container's stopTimeout is 120 s at
/// most.
const STOPPING: Duration = Duration::seconds(180);
/// How long an answer may be on its way before it is sent again.
pub(super) const ANSWERING: Duration = Duration::MINUTE;

/// Until when the watch is known to live, by the items of its partition.
pub fn watched_until(items: &[Attributes]) -> Option<OffsetDateTime> {
    let beat = items.iter().filter_map(|item| item.get("beat")?.as_i64()).max()?;
    Some(at_milliseconds(beat)? + HEARTBEAT)
}

/// Whether a wait is worth parking: there is time, and nothing that only polling settles is open.
pub fn is_worth_parking(wait: &Wait, now: OffsetDateTime) -> bool {
    wait.deadline - now >= WORTH_PARKING
        && wait.timed_out.is_none()
        && wait.over_since.is_none()
        && wait.missing_since.is_none()
}

/// Whether the watch keeps the deadline of a wait by itself now.
pub fn is_near(wait: &Wait, now: OffsetDateTime) -> bool {
    wait.deadline - now <= NEAR
}

/// When a parked wait is looked at next: after 1, 2, 4 and then every 5 minutes, and in time to keep its
/// deadline.
pub fn next_look(wait: &Wait, now: OffsetDateTime) -> OffsetDateTime {
    let mut due = wait.started_at;
    let mut pauses = LOOKS.into_iter().chain(std::iter::repeat(LOOKS[LOOKS.len() - 1]));
    while due <= now {
        due += Duration::minutes(pauses.next().unwrap_or(1));
    }
    due.min((wait.deadline - NEAR).max(now))
}

/// When the watch may assume that the owning invocation has crashed: a minute after its Lambda deadline or the
/// wait's deadline, whichever is earlier.
pub fn takes_over_at(ends_at: OffsetDateTime, wait: &Wait) -> OffsetDateTime {
    ends_at.min(wait.deadline) + GRACE
}

/// When the watch takes over from an invocation that waits for the end of tasks which it has told to stop
/// now.
pub fn stopped_by(now: OffsetDateTime) -> OffsetDateTime {
    now + STOPPING
}

/// When an answer that the bucket did not take is sent again: in the next round of the watch, which began this
/// one at `round`. A full minute would miss the next round by a moment, every time.
pub fn answers_again_at(round: OffsetDateTime) -> OffsetDateTime {
    round + ANSWERING / 2
}
