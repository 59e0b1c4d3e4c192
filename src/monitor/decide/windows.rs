//! The windows' rows in the audit table: the time of each group's last report, and the number of
//! failures since.
//!
//! Pure, as [`super::rows`] is.

use serde_json::Value;
use time::{Duration, format_description::well_known::Rfc3339};

use super::{
    event::Event,
    group::Group,
    rows::{LEASE, PARTITION, Rows, SORT_BYTES, clipped, key, values},
};
use crate::{
    epoch::milliseconds,
    item::{Attributes, Update},
};

/// The partition of all windows.
pub const WINDOWS: &str = "ecs-tasks#windows";
/// The partition of services whose tasks have ended by themselves.
const RESTARTS: &str = "ecs-tasks#restarts";
/// The partition as a query names it.
pub const WINDOWS_PARTITION: (&str, &str) = (PARTITION, WINDOWS);

/// Most bytes of a group's latest event that are stored, for the message that reports it.
const LATEST_BYTES: usize = 16 * 1024;

/// A group's window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The group.
    pub group: Group,
    /// Time of the group's last report, in RFC 3339.
    pub since: String,
    /// Its end, in milliseconds.
    pub until: i64,
    /// Number of failures since.
    pub waiting: u64,
    /// The latest of them.
    pub latest: Value,
}

impl Rows {
    /// Opens a group's window; the invocation that opens it reports at once. Refused while a window
    /// is open or has something to report, unless this invocation opened it and lost the answer.
    pub fn open(&self, group: &Group, window: Duration) -> Update {
        Update {
            key: group.key(),
            expression:
                "SET #cluster = :cluster, #service = :service, #cause = :cause, #since = :since, \
                         #until = :until, #claim = :me, #ttl = :ttl"
                    .to_owned(),
            condition: "attribute_not_exists(#until) OR #claim = :me OR \
                        (#until <= :now AND (attribute_not_exists(#waiting) OR #waiting = :zero))"
                .to_owned(),
            values: values([
                (":cluster", group.cluster.as_str().into()),
                (":service", group.service.as_str().into()),
                (":cause", group.cause.as_str().into()),
                (":me", self.me.as_str().into()),
                (":since", self.stamp().into()),
                (":until", milliseconds(self.now + window).into()),
                (":ttl", self.ttl()),
                (":now", milliseconds(self.now).into()),
                (":zero", 0.into()),
            ]),
        }
    }

    /// Opens a window that is reported at its end unless something ends it before. Refused if there
    /// is one from a later event.
    pub fn await_end(&self, group: &Group, event: &Event, patience: Duration) -> Update {
        let mut update = self.open(group, patience);
        update.expression += ", #waiting = :one, #latest = :latest";
        update.condition = "attribute_not_exists(#until) OR #since < :since".to_owned();
        update.values.extend(values([
            (":one", 1.into()),
            (":latest", event.line(LATEST_BYTES).into()),
            (":until", milliseconds(event.time + patience).into()),
            (
                ":since",
                event.time.format(&Rfc3339).unwrap_or_default().into(),
            ),
        ]));
        update.values.remove(":now");
        update.values.remove(":zero");
        update
    }

    /// Ends such a window without a report. The row stays for a while, so that a late event does
    /// not open the window again.
    pub fn end_wait(&self, group: &Group, event: &Event, patience: Duration) -> Update {
        let mut update = self.open(group, patience);
        update.expression += ", #waiting = :zero";
        update.condition = "attribute_not_exists(#until) OR #since <= :since".to_owned();
        update.values.extend(values([(
            ":since",
            event.time.format(&Rfc3339).unwrap_or_default().into(),
        )]));
        update.values.remove(":now");
        update
    }

    /// Counts ends of a service's tasks in the open window.
    pub fn count_restarts(&self, (cluster, service): (&str, &str), ends: usize) -> Update {
        Update {
            key: key(
                RESTARTS,
                &clipped(&format!("{cluster}#{service}"), SORT_BYTES),
            ),
            expression: "SET #ttl = :ttl ADD #ends :ends".to_owned(),
            condition: "#until > :now".to_owned(),
            values: values([
                (":ttl", self.ttl()),
                (":ends", ends.into()),
                (":now", milliseconds(self.now).into()),
            ]),
        }
    }

    /// Begins a window with the first ends of a service's tasks. Refused while one is open.
    pub fn begin_restarts(
        &self,
        (cluster, service): (&str, &str),
        ends: usize,
        window: Duration,
    ) -> Update {
        Update {
            expression: "SET #ttl = :ttl, #ends = :ends, #until = :until".to_owned(),
            condition: "attribute_not_exists(#until) OR #until <= :now".to_owned(),
            values: values([
                (":ttl", self.ttl()),
                (":ends", ends.into()),
                (":until", milliseconds(self.now + window).into()),
                (":now", milliseconds(self.now).into()),
            ]),
            ..self.count_restarts((cluster, service), ends)
        }
    }

    /// Ends a window now whose message was not accepted, so that the next delivery reports at once.
    pub fn end(&self, group: &Group, window: Duration) -> Update {
        Update {
            key: group.key(),
            expression: "SET #until = :now".to_owned(),
            condition: "#until = :until".to_owned(),
            values: values([
                (":now", milliseconds(self.now).into()),
                (":until", milliseconds(self.now + window).into()),
            ]),
        }
    }

    /// Adds failures to those that wait for the end of a window. Refused if there is none.
    pub fn count(&self, group: &Group, failures: usize, latest: &Event) -> Update {
        Update {
            key: group.key(),
            expression: "SET #latest = :latest, #ttl = :ttl ADD #waiting :failures".to_owned(),
            condition: "attribute_exists(#until)".to_owned(),
            values: values([
                (":latest", latest.line(LATEST_BYTES).into()),
                (":ttl", self.ttl()),
                (":failures", failures.into()),
            ]),
        }
    }

    /// Takes a window that has ended, so that no other invocation reports it at the same time.
    pub fn take(&self, window: &Window) -> Update {
        Update {
            key: window.group.key(),
            expression: "SET #lease = :lease".to_owned(),
            condition: "#until = :until AND (attribute_not_exists(#lease) OR #lease <= :now)"
                .to_owned(),
            values: values([
                (":lease", milliseconds(self.now + LEASE).into()),
                (":until", window.until.into()),
                (":now", milliseconds(self.now).into()),
            ]),
        }
    }

    /// Begins a new window after a count was reported; failures that came in the meantime wait for
    /// its end.
    pub fn reported(&self, window: &Window, next: Duration) -> Update {
        Update {
            key: window.group.key(),
            expression:
                "SET #since = :since, #until = :next, #ttl = :ttl REMOVE #lease ADD #waiting :reported"
                    .to_owned(),
            condition: "#until = :until".to_owned(),
            values: values([
                (":since", self.stamp().into()),
                (":next", milliseconds(self.now + next).into()),
                (":ttl", self.ttl()),
                (":reported", (-i64::try_from(window.waiting).unwrap_or(i64::MAX)).into()),
                (":until", window.until.into()),
            ]),
        }
    }

    /// Gives back a window whose message was not accepted.
    pub fn give_back(&self, window: &Window) -> Update {
        Update {
            key: window.group.key(),
            expression: "REMOVE #lease".to_owned(),
            condition: "#until = :until".to_owned(),
            values: values([(":until", window.until.into())]),
        }
    }

    /// Removes a window that has ended with nothing to report, provided that nothing has come
    /// since.
    pub fn close(&self, window: &Window) -> Update {
        Update {
            key: window.group.key(),
            condition: "#until = :until AND (attribute_not_exists(#waiting) OR #waiting = :zero)"
                .to_owned(),
            values: values([(":until", window.until.into()), (":zero", 0.into())]),
            ..Update::default()
        }
    }
}

impl Window {
    /// Reads a window from its row; `None` if the row is something else.
    pub fn of(row: &Attributes) -> Option<Self> {
        let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
        let latest = text("latest").and_then(|latest| serde_json::from_str(&latest).ok());
        Some(Self {
            group: Group {
                cluster: text("cluster")?,
                service: text("service")?,
                cause: text("cause")?,
            },
            since: text("since")?,
            until: row.get("until")?.as_i64()?,
            waiting: row.get("waiting").and_then(Value::as_u64).unwrap_or(0),
            latest: latest.unwrap_or_default(),
        })
    }
}

impl Group {
    fn key(&self) -> Attributes {
        let sort = format!("{}#{}#{}", self.cluster, self.service, self.cause);
        key(WINDOWS, &clipped(&sort, SORT_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_window_is_read_from_its_row_and_anything_else_is_none() {
        let read = Window::of(&row(json!({
            "cluster": "prod", "service": "web", "cause": "out of memory", "since": "then", "until": 7,
            "waiting": 12, "latest": "{}",
        })));
        assert_eq!(
            read.map(|window| (window.until, window.waiting, window.latest)),
            Some((7, 12, json!({})))
        );
        assert_eq!(Window::of(&row(json!({"cluster": "prod"}))), None);
    }

    fn row(attributes: Value) -> Attributes {
        attributes.as_object().cloned().unwrap_or_default()
    }
}
