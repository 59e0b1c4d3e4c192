//! The rows that the monitor keeps for itself in the audit table. Their partition keys begin with
//! `ecs-tasks#`.
//!
//! Pure: each function returns a conditional change, which the table then accepts or refuses.
//!
//! A task's row says what has been done about its end, so that the end is counted and reported
//! once, however often it is delivered. An invocation that works on a failure holds a lease on its
//! row, for no longer than an invocation can take. [`super::windows`] has the rows of windows.

use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    event::{About, Event},
    finding::Finding,
};
use crate::{
    epoch::milliseconds,
    item::{Attributes, Update, Updated},
};

/// Most bytes of a partition key.
pub const PARTITION_BYTES: usize = 2048;
/// Most bytes of a sort key.
pub const SORT_BYTES: usize = 1024;

/// The partition key.
pub const PARTITION: &str = "taskDefinitionArn";
/// The sort key.
pub const SORT: &str = "change";
/// Time of the alert; absent until then.
pub const ALERTED: &str = "alerted";
/// Time of the line in the log group; absent until then.
pub const LOGGED: &str = "logged";

/// The function's timeout in the template: no invocation works on a failure for longer.
pub(super) const LEASE: Duration = Duration::seconds(60);

/// Makes the changes of one invocation.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The invocation's name.
    pub me: String,
    /// Its start.
    pub now: OffsetDateTime,
    /// Days that rows are kept.
    pub retention_days: u32,
}

/// The result of an attempt to claim the row of a task's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// There is no row: nothing had to be claimed, or the table did not answer.
    #[default]
    Unknown,
    /// This invocation has the row, and does what is left to do.
    Mine(Progress),
    /// Everything has been done.
    Finished(Progress),
    /// Another invocation is at work on it.
    Elsewhere,
}

/// The part of the work on a task's end that has been done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its metric line was written.
    pub counted: bool,
    /// Time of its report, alone or as part of a count.
    pub alerted: Option<String>,
    /// Time of its line in the log group.
    pub logged: Option<String>,
}

impl Rows {
    /// Returns the key of the row that an event claims, if it is counted or reported. `is_restart`
    /// marks the end of a service's task, which is reported if there are more of them.
    pub fn key_of(
        event: &Event,
        finding: Option<&Finding>,
        is_restart: bool,
    ) -> Option<Attributes> {
        let sort = match finding? {
            Finding::Moving | Finding::Awaiting => return None,
            // Only the count shows whether it is one restart of several.
            Finding::Succeeded if is_restart => "failed",
            Finding::Succeeded | Finding::Excused(..) => "ended",
            Finding::Failed(_) | Finding::Impaired | Finding::Restarting => "failed",
        };
        let partition = match &event.about {
            About::Task(change) => format!("ecs-tasks#task#{}", change.task.arn),
            About::Service(_) | About::Other => format!("ecs-tasks#event#{}", event.id),
        };
        Some(key(&clipped(&partition, PARTITION_BYTES), sort))
    }

    /// Claims a row. The claim finishes a row that is only counted; a row to report is leased until
    /// it is settled.
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

    /// Claims a new row in a transaction, whose answer does not show an earlier row.
    pub fn claim_new(&self, key: &Attributes) -> Update {
        let mut update = self.claim(key);
        update.condition = format!("attribute_not_exists(#{SORT})");
        update.values.remove(":now");
        update
    }

    /// The result of a claim.
    pub fn claimed(&self, result: Updated) -> Claim {
        match result {
            Updated::Done(before) => Claim::Mine(Progress::of(&before)),
            // The answer to the first attempt was lost on its way.
            Updated::Refused(row) if row.get("claim") == Some(&self.me.as_str().into()) => {
                Claim::Mine(Progress::default())
            }
            Updated::Refused(row) if row.contains_key("finished") => {
                Claim::Finished(Progress::of(&row))
            }
            Updated::Refused(_) => Claim::Elsewhere,
        }
    }

    /// Writes down what has been done, and gives the lease back. A `finished` row is never claimed
    /// again.
    pub fn settle(&self, key: &Attributes, progress: &Progress, finished: bool) -> Update {
        let mut sets = progress.sets();
        if finished {
            sets.push(("finished", self.me.as_str()));
        }
        let counted = if progress.counted {
            ", #counted = :me"
        } else {
            ""
        };
        let mut update = set(key, &sets);
        update.expression = format!(
            "SET #claim = :me{counted}{} REMOVE #lease",
            update.expression
        );
        update.condition = "#claim = :me".to_owned();
        update
            .values
            .insert(":me".to_owned(), self.me.as_str().into());
        update
    }

    /// Shows in an item of the audit trail what has been done; `None` if there is nothing to show.
    pub fn show(item: &Attributes, progress: &Progress) -> Option<Update> {
        let mut update = set(item, &progress.sets());
        update.expression = format!("SET {}", update.expression.strip_prefix(", ")?);
        Some(update)
    }

    /// The start of the invocation, in RFC 3339.
    pub fn stamp(&self) -> String {
        self.now.format(&Rfc3339).unwrap_or_default()
    }

    pub(super) fn ttl(&self) -> Value {
        (self.now + Duration::days(self.retention_days.into()))
            .unix_timestamp()
            .into()
    }
}

impl Progress {
    fn of(row: &Attributes) -> Self {
        let time = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            counted: row.contains_key("counted"),
            alerted: time(ALERTED),
            logged: time(LOGGED),
        }
    }

    fn sets(&self) -> Vec<(&'static str, &str)> {
        let times = [
            (ALERTED, self.alerted.as_deref()),
            (LOGGED, self.logged.as_deref()),
        ];
        times
            .into_iter()
            .filter_map(|(name, at)| Some((name, at?)))
            .collect()
    }
}

/// The keys of an item.
pub fn key(partition: &str, sort: &str) -> Attributes {
    [
        (PARTITION.to_owned(), partition.into()),
        (SORT.to_owned(), sort.into()),
    ]
    .into_iter()
    .collect()
}

/// Returns the beginning of a text: DynamoDB refuses a longer key at every attempt.
pub fn clipped(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

/// Sets each name to its value. The expression is a list of `, #name = :name`, which its caller
/// completes.
fn set(key: &Attributes, sets: &[(&str, &str)]) -> Update {
    Update {
        key: key.clone(),
        expression: sets
            .iter()
            .map(|(name, _)| format!(", #{name} = :{name}"))
            .collect(),
        values: sets
            .iter()
            .map(|(name, value)| (format!(":{name}"), (*value).into()))
            .collect(),
        ..Update::default()
    }
}

pub(super) fn values<const N: usize>(values: [(&str, Value); N]) -> Attributes {
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests;
