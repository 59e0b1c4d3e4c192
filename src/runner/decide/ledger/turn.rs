//! The queue of the starts that ECS has throttled: each starts a moment after the one before.
//!
//! One item of the ledger holds the time of the next turn. An account may start 100 tasks at once
//! and then 40 a second, and may call DescribeTasks 20 times a second
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>).

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::item::{attributes, key, ttl};
use crate::{
    epoch::{at_milliseconds, milliseconds},
    item::{Attributes, Update},
};

/// The time from one turn to the next: 20 starts a second, half of what ECS allows. A look follows
/// every start, and each new request calls once before it queues.
const PACE: Duration = Duration::milliseconds(50);

/// The write that takes the last place in the queue. It is refused if the queue is empty.
pub fn behind_the_last(now: OffsetDateTime) -> Update {
    let values = json!({ ":pace": PACE.whole_milliseconds() as i64, ":now": milliseconds(now) });
    Update {
        key: queue(),
        expression: "ADD #next_turn :pace".to_owned(),
        condition: "#next_turn > :now".to_owned(),
        values: attributes(values),
    }
}

/// The write that takes the first place. It is refused if another start has that place.
pub fn first(now: OffsetDateTime) -> Update {
    let values = json!({
        ":next": milliseconds(now + PACE),
        ":now": milliseconds(now),
        ":ttl": ttl(milliseconds(now)),
    });
    Update {
        key: queue(),
        expression: "SET #next_turn = :next, #ttl = :ttl".to_owned(),
        condition: "attribute_not_exists(#next_turn) OR #next_turn <= :now".to_owned(),
        values: attributes(values),
    }
}

/// The turn of a start that took the last place, from the item as it was before.
pub fn taken(before: &Attributes) -> Option<OffsetDateTime> {
    at_milliseconds(before.get("next_turn")?.as_i64()?)
}

fn queue() -> Attributes {
    key("starts", "queue")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_turn_is_when_the_one_before_it_has_put_it() {
        let now = datetime!(2026-11-27 12:00 UTC);
        let first = first(now);
        let left = json!({ "next_turn": first.values[":next"] });
        assert_eq!(taken(&attributes(left)), Some(now + PACE));
        assert_eq!(taken(&Attributes::new()), None);
        assert_eq!(first.key, behind_the_last(now).key);
    }
}
