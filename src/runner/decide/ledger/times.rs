//! The times of a row: its next look, and the end of its invocation's claim to it.

use time::{Duration, OffsetDateTime};

use super::super::wait::Wait;
use crate::{epoch::at_milliseconds, item::Attributes};

/// The least time before a deadline for which a wait is parked. A shorter wait is polled.
const WORTH_PARKING: Duration = Duration::seconds(120);
/// The greatest age of a heartbeat that the runner relies on. The watch writes one each minute.
const HEARTBEAT: Duration = Duration::seconds(150);
/// The watch's own invocation follows a wait whose deadline is this near: the round after the next
/// would come after the deadline.
const NEAR: Duration = Duration::seconds(120);
/// The pauses between the looks at a parked wait, in minutes. The last one repeats.
const LOOKS: [i64; 4] = [1, 2, 4, 5];
/// The time that an invocation may outlive its Lambda deadline before the watch resumes its
/// request.
pub(super) const GRACE: Duration = Duration::seconds(60);
/// The time that tasks may need to stop, and their invocation to answer. A container's stopTimeout
/// is 120 s at most.
const STOPPING: Duration = Duration::seconds(180);
/// The pause before an answer that was not delivered is sent again.
pub(super) const ANSWERING: Duration = Duration::MINUTE;

/// The end of the last heartbeat's validity, from the items of the heartbeat's partition. `None` if
/// the watch has never written one.
pub fn watched_until(items: &[Attributes]) -> Option<OffsetDateTime> {
    let beat = items
        .iter()
        .filter_map(|item| item.get("beat")?.as_i64())
        .max()?;
    Some(at_milliseconds(beat)? + HEARTBEAT)
}

/// The wait is worth parking: its deadline is two minutes away or more, and it needs no polling.
pub fn is_worth_parking(wait: &Wait, now: OffsetDateTime) -> bool {
    // A stop in progress, a missing fact or a missing task settles within seconds. The watch looks
    // once a minute.
    wait.deadline - now >= WORTH_PARKING
        && wait.timed_out.is_none()
        && wait.over_since.is_none()
        && wait.missing_since.is_none()
}

/// The deadline is so near that the watch's own invocation must follow the wait.
pub fn is_near(wait: &Wait, now: OffsetDateTime) -> bool {
    wait.deadline - now <= NEAR
}

/// The next look at a parked wait: 1, 2, 4 and then every 5 minutes after its start, and in time
/// for its deadline.
pub fn next_look(wait: &Wait, now: OffsetDateTime) -> OffsetDateTime {
    // Counted from the start of the wait, so that a look that comes late does not delay those after
    // it.
    let mut due = wait.started_at;
    let mut pauses = LOOKS
        .into_iter()
        .chain(std::iter::repeat(LOOKS[LOOKS.len() - 1]));
    while due <= now {
        due += Duration::minutes(pauses.next().unwrap_or(1));
    }
    due.min((wait.deadline - NEAR).max(now))
}

/// The time after which the watch may assume that the owning invocation has crashed: a minute after
/// its Lambda deadline or the wait's deadline, whichever is earlier.
pub fn takes_over_at(ends_at: OffsetDateTime, wait: &Wait) -> OffsetDateTime {
    ends_at.min(wait.deadline) + GRACE
}

/// The time after which the watch resumes a wait whose tasks an invocation stops now.
pub fn stopped_by(now: OffsetDateTime) -> OffsetDateTime {
    now + STOPPING
}

/// The time to send an answer again that was not delivered. `round` is the start of the watch's
/// round.
pub fn answers_again_at(round: OffsetDateTime) -> OffsetDateTime {
    // A full minute would miss the next round by a moment, every time.
    round + ANSWERING / 2
}
