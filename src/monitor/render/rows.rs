//! The monitor's own rows in the audit table, under partition keys that begin with `ecs-tasks#`.
//!
//! Pure: each function makes a conditional change, which the table then makes or refuses.
//!
//! - A task's row says what has been done about its end, so that it is counted and reported once, whatever
//!   delivers it how often. Who works on a failure holds a lease on its row, which outlives no invocation.
//! - A window's row says when the failures of a group were reported last, and how many have come since.

use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::audit::{ALERTED, Item, LOGGED, PARTITION, PARTITION_BYTES, SORT, clipped, key};
use crate::{
    aws::dynamodb::{Attributes, Update, Updated},
    epoch::milliseconds,
    monitor::decide::{
        event::{About, Event},
        finding::Finding,
        group::Group,
    },
};

/// The partition of all windows.
pub const WINDOWS: &str = "ecs-tasks#windows";
/// The template's timeout of the function: no invocation works on a failure for longer.
const LEASE: Duration = Duration::seconds(60);
/// How much of a group's latest event is kept, for the message that reports it.
const LATEST_BYTES: usize = 16 * 1024;

/// Makes the changes of one invocation.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Names the invocation.
    pub me: String,
    /// When it began.
    pub now: OffsetDateTime,
    /// How long rows are kept.
    pub retention_days: u32,
}

/// What a row lets its reader do about a task's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// There is no row: nothing was to be claimed, or the table did not answer.
    #[default]
    Unknown,
    /// It is this invocation's, which does what is left.
    Mine(Progress),
    /// All has been done.
    Finished(Progress),
    /// Another invocation is at work on it.
    Elsewhere,
}

/// What has been done about a task's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// It has been measured.
    pub counted: bool,
    /// When it was reported, by itself or in a count.
    pub alerted: Option<String>,
    /// When it was written to the log group.
    pub logged: Option<String>,
}

/// A group's window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The group.
    pub group: Group,
    /// When the group was reported last, in RFC 3339.
    pub since: String,
    /// When it ends, in milliseconds.
    pub until: i64,
    /// How many failures have come since.
    pub waiting: u64,
    /// The latest of them.
    pub latest: Value,
}

impl Rows {
    /// The key of the row that an event is claimed by, if it is one that is counted or reported.
    pub fn key_of(event: &Event, finding: Option<&Finding>) -> Option<Attributes> {
        let sort = match finding? {
            Finding::Moving => return None,
            Finding::Succeeded | Finding::Excused(..) => "ended",
            Finding::Failed(_) | Finding::Impaired => "failed",
        };
        let partition = match &event.about {
            About::Task(change) => format!("ecs-tasks#task#{}", change.task.arn),
            About::Service(_) | About::Other => format!("ecs-tasks#event#{}", event.id),
        };
        Some(key(&clipped(&partition, PARTITION_BYTES), sort))
    }

    /// Claims a row. One that only counts is finished by that; one that is reported is leased until it is
    /// settled.
    pub fn claim(&self, key: &Attributes) -> Update {
        let mut update = Update {
            key: key.clone(),
            values: values([(":me", self.me.clone().into()), (":ttl", self.ttl())]),
            ..Update::default()
        };
        if key[SORT] == "ended" {
            update.expression = "SET #claim = :me, #finished = :me, #ttl = :ttl".to_owned();
            update.condition = format!("attribute_not_exists(#{SORT})");
        } else {
            update.expression = "SET #claim = :me, #lease = :lease, #ttl = :ttl".to_owned();
            update.condition = "attribute_not_exists(#finished) AND \
                                (attribute_not_exists(#lease) OR #lease <= :now OR #claim = :me)"
                .to_owned();
            update.values.extend(values([
                (":lease", milliseconds(self.now + LEASE).into()),
                (":now", milliseconds(self.now).into()),
            ]));
        }
        update
    }

    /// What came of a claim.
    pub fn claimed(&self, result: Updated) -> Standing {
        match result {
            Updated::Done(before) => Standing::Mine(Progress::of(&before)),
            // The answer to the first attempt was lost on its way.
            Updated::Refused(row) if row.get("claim") == Some(&self.me.as_str().into()) => {
                Standing::Mine(Progress::default())
            }
            Updated::Refused(row) if row.contains_key("finished") => Standing::Finished(Progress::of(&row)),
            Updated::Refused(_) => Standing::Elsewhere,
        }
    }

    /// Writes down what has been done, and gives the lease back. What is `finished` is never claimed again.
    pub fn settle(&self, key: &Attributes, progress: &Progress, finished: bool) -> Update {
        let mut sets = progress.sets();
        if finished {
            sets.push(("finished", self.me.as_str()));
        }
        let counted = if progress.counted { ", #counted = :me" } else { "" };
        let mut update = set(key, &sets);
        update.expression = format!("SET #claim = :me{counted}{} REMOVE #lease", update.expression);
        update.condition = "#claim = :me".to_owned();
        update.values.insert(":me".to_owned(), self.me.as_str().into());
        update
    }

    /// Shows in the audit trail what has been done; nothing where there is nothing to show.
    pub fn show(item: &Item, progress: &Progress) -> Option<Update> {
        let mut update = set(&item.key(), &progress.sets());
        update.expression = format!("SET {}", update.expression.strip_prefix(", ")?);
        Some(update)
    }

    /// Opens a group's window: whoever does reports at once. Refused while one is open, or has something to
    /// report; not where the answer to a first attempt was lost on its way.
    pub fn open(&self, group: &Group, window: Duration) -> Update {
        Update {
            key: group.key(),
            expression: "SET #cluster = :cluster, #who = :who, #words = :words, #since = :since, #until = \
                         :until, #claim = :me, #ttl = :ttl"
                .to_owned(),
            condition: "attribute_not_exists(#until) OR #claim = :me OR \
                        (#until <= :now AND (attribute_not_exists(#waiting) OR #waiting = :zero))"
                .to_owned(),
            values: values([
                (":cluster", group.cluster.as_str().into()),
                (":who", group.who.as_str().into()),
                (":words", group.words.as_str().into()),
                (":me", self.me.as_str().into()),
                (":since", self.stamp().into()),
                (":until", milliseconds(self.now + window).into()),
                (":ttl", self.ttl()),
                (":now", milliseconds(self.now).into()),
                (":zero", 0.into()),
            ]),
        }
    }

    /// Lets a window end now that was opened and whose message was not taken, so that the next delivery
    /// reports at once.
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

    /// Adds failures to those that wait for the end of a window. Refused where there is none.
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
            condition: "#until = :until AND (attribute_not_exists(#lease) OR #lease <= :now)".to_owned(),
            values: values([
                (":lease", milliseconds(self.now + LEASE).into()),
                (":until", window.until.into()),
                (":now", milliseconds(self.now).into()),
            ]),
        }
    }

    /// Begins a new window after a count was reported; what has come meanwhile waits on.
    pub fn told(&self, window: &Window, next: Duration) -> Update {
        Update {
            key: window.group.key(),
            expression: "SET #since = :since, #until = :next, #ttl = :ttl REMOVE #lease ADD #waiting :told"
                .to_owned(),
            condition: "#until = :until".to_owned(),
            values: values([
                (":since", self.stamp().into()),
                (":next", milliseconds(self.now + next).into()),
                (":ttl", self.ttl()),
                (":told", (-i64::try_from(window.waiting).unwrap_or(i64::MAX)).into()),
                (":until", window.until.into()),
            ]),
        }
    }

    /// Gives back a window whose message was not taken.
    pub fn give_back(&self, window: &Window) -> Update {
        Update {
            key: window.group.key(),
            expression: "REMOVE #lease".to_owned(),
            condition: "#until = :until".to_owned(),
            values: values([(":until", window.until.into())]),
        }
    }

    /// Removes a window that has ended without anything to report, on condition that it is still so.
    pub fn close(&self, window: &Window) -> Update {
        Update {
            key: window.group.key(),
            condition: "#until = :until AND (attribute_not_exists(#waiting) OR #waiting = :zero)".to_owned(),
            values: values([(":until", window.until.into()), (":zero", 0.into())]),
            ..Update::default()
        }
    }

    /// When the invocation began, in RFC 3339.
    pub fn stamp(&self) -> String {
        self.now.format(&Rfc3339).unwrap_or_default()
    }

    fn ttl(&self) -> Value {
        (self.now + Duration::days(self.retention_days.into())).unix_timestamp().into()
    }
}

impl Progress {
    fn of(row: &Attributes) -> Self {
        let time = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { counted: row.contains_key("counted"), alerted: time(ALERTED), logged: time(LOGGED) }
    }

    fn sets(&self) -> Vec<(&'static str, &str)> {
        let times = [(ALERTED, self.alerted.as_deref()), (LOGGED, self.logged.as_deref())];
        times.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }
}

impl Window {
    /// From its row, if it is one.
    pub fn of(row: &Attributes) -> Option<Self> {
        let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
        let latest = text("latest").and_then(|latest| serde_json::from_str(&latest).ok());
        Some(Self {
            group: Group { cluster: text("cluster")?, who: text("who")?, words: text("words")? },
            since: text("since")?,
            until: row.get("until")?.as_i64()?,
            waiting: row.get("waiting").and_then(Value::as_u64).unwrap_or(0),
            latest: latest.unwrap_or_default(),
        })
    }
}

impl Group {
    fn key(&self) -> Attributes {
        let sort = format!("{}#{}#{}", self.cluster, self.who, self.words);
        key(WINDOWS, &clipped(&sort, 1024))
    }
}

/// `, #name = :name` for each, which an expression begins in front of.
fn set(key: &Attributes, sets: &[(&str, &str)]) -> Update {
    Update {
        key: key.clone(),
        expression: sets.iter().map(|(name, _)| format!(", #{name} = :{name}")).collect(),
        values: sets.iter().map(|(name, value)| (format!(":{name}"), (*value).into())).collect(),
        ..Update::default()
    }
}

fn values<const N: usize>(values: [(&str, Value); N]) -> Attributes {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The partition as a query names it.
pub const WINDOWS_PARTITION: (&str, &str) = (PARTITION, WINDOWS);

#[cfg(test)]
mod tests;
