//! Time in milliseconds since the epoch, as AWS's APIs count it. Pure.

use time::OffsetDateTime;

/// Milliseconds since the epoch, rounded down.
pub fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

/// The time at this many milliseconds since the epoch. `None` beyond the calendar's range.
pub fn at_milliseconds(milliseconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}
