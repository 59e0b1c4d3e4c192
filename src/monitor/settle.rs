//! Writes down the work on failures: in the rows of their tasks, in the windows of their groups,
//! and in the audit trail for its readers.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{
    decide::{
        group::Group,
        rows::{Claim, Progress, Rows, SORT},
    },
    in_flight::{InFlight, Shortfall, Sink},
    sinks::Sinks,
};
use crate::aws::{
    CallError,
    dynamodb::{TRANSACTION_UPDATES, Table, Transacted, Update, Updated},
};

/// Time limit for the table. An event whose work is not written down comes back.
const SETTLE: Duration = Duration::from_secs(10);
/// Failures in one transaction: each has a row and an item, and there may be a window.
const AT_A_TIME: usize = (TRANSACTION_UPDATES - 1) / 2;

/// The failures of one group in a batch, by their ids.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) group: Group,
    pub(super) members: Vec<usize>,
    /// True if this invocation has claimed their rows. Failures whose rows the table did not give
    /// are reported without a window.
    pub(super) claimed: bool,
}

/// The result of reporting a group.
#[derive(Clone, Debug)]
pub(super) enum Publication {
    /// The message went out.
    Published,
    /// Its window is open, so its failures are to be counted.
    ToBeCounted,
    /// The message did not go out.
    Failed(CallError),
}

/// Results of the log group for the events with these ids.
pub(super) type Logged = BTreeMap<usize, Result<(), CallError>>;

/// The work that is to be written down.
pub(super) struct Done<'d, 'e> {
    pub(super) in_flight: &'d [InFlight<'e>],
    pub(super) rows: &'d Rows,
    pub(super) logged: &'d Logged,
}

/// Failures that are written down together, and the group whose window counts them.
struct Portion<'d> {
    members: Vec<(usize, bool)>,
    counted_in: Option<&'d Gathered>,
}

/// The result.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    /// Events whose work could not be written down.
    pub(super) failures: Vec<Shortfall>,
    /// Groups whose window was closed in the meantime, and which are to be reported now.
    pub(super) gone: Vec<Gathered>,
}

impl Sinks {
    /// Writes down what was done about these groups, and about the claimed failures at these ids,
    /// which belong to no group.
    pub(super) async fn settle(
        &self,
        done: &Done<'_, '_>,
        published: &[(Gathered, Publication)],
        others: &[usize],
    ) -> Outstanding {
        let Some(table) = &self.table else {
            return Outstanding::default();
        };
        let mut at_once: Vec<(usize, bool)> = others.iter().map(|id| (*id, false)).collect();
        let mut parts = Vec::new();
        for (gathered, publication) in published.iter().filter(|(gathered, _)| gathered.claimed) {
            let is_alerted = !matches!(publication, Publication::Failed(_));
            let members = gathered.members.iter().map(|id| (*id, is_alerted));
            if matches!(publication, Publication::ToBeCounted) {
                let members: Vec<_> = members.collect();
                parts.extend(members.chunks(AT_A_TIME).map(|members| Portion {
                    members: members.to_vec(),
                    counted_in: Some(gathered),
                }));
            } else {
                at_once.extend(members);
            }
        }
        parts.extend(at_once.chunks(AT_A_TIME).map(|members| Portion {
            members: members.to_vec(),
            counted_in: None,
        }));
        let mut settled = Outstanding::default();
        for part in join_all(
            parts
                .into_iter()
                .map(|part| self.settle_part(table, done, part)),
        )
        .await
        {
            settled.failures.extend(part.failures);
            settled.gone.extend(part.gone);
        }
        settled
    }

    async fn settle_part(
        &self,
        table: &Table,
        done: &Done<'_, '_>,
        mut part: Portion<'_>,
    ) -> Outstanding {
        let mut settled = Outstanding::default();
        let failed = |members: &[(usize, bool)], error: &CallError| -> Vec<Shortfall> {
            members
                .iter()
                .map(|(id, _)| (*id, Sink::Mark, error.clone()))
                .collect()
        };
        while !part.members.is_empty() {
            let updates = self.updates(done, &part);
            let token = format!("{:032x}", fastrand::u128(..));
            let made = timeout(SETTLE, table.transact(&updates, &token)).await;
            let made = made.unwrap_or_else(|_| Err(CallError::no_answer("dynamodb:UpdateItem")));
            let refused = match made {
                Ok(Transacted::Done) => return settled,
                Ok(Transacted::Refused(refused)) => refused,
                Err(error) => {
                    settled
                        .failures
                        .extend(self.settle_rows(table, done, &part, &error).await);
                    return settled;
                }
            };
            let first = usize::from(part.counted_in.is_some());
            if let Some(gathered) = part.counted_in.filter(|_| refused.contains(&0)) {
                let members = part.members.iter().map(|(id, _)| *id).collect();
                settled.gone.push(Gathered {
                    members,
                    ..gathered.clone()
                });
                return settled;
            }
            // The rows come first, and then the items that only show them.
            let lost: Vec<usize> = refused.iter().map(|at| at - first).collect();
            let mut kept = Vec::new();
            for (at, member) in part.members.iter().enumerate() {
                if lost.contains(&at) {
                    settled.failures.extend(failed(&[*member], &taken_over()));
                } else {
                    kept.push(*member);
                }
            }
            if kept.len() == part.members.len() {
                settled.failures.extend(failed(&kept, &taken_over()));
                return settled;
            }
            part.members = kept;
        }
        settled
    }

    /// Writes row by row what a transaction could not: anything that was measured, reported or
    /// logged stays done. Failures that only a window counts come back to be counted.
    async fn settle_rows(
        &self,
        table: &Table,
        done: &Done<'_, '_>,
        part: &Portion<'_>,
        error: &CallError,
    ) -> Vec<Shortfall> {
        let is_counted = part.counted_in.is_some();
        let rows = part.members.iter().map(async |(id, is_alerted)| {
            for update in self
                .of_one(done, *id, *is_alerted && !is_counted)
                .into_iter()
                .flatten()
            {
                match table.update(&update).await {
                    Ok(Updated::Done(_)) => {}
                    Ok(Updated::Refused(_)) => return Some((*id, Sink::Mark, taken_over())),
                    Err(error) => return Some((*id, Sink::Mark, error)),
                }
            }
            is_counted.then(|| (*id, Sink::Mark, error.clone()))
        });
        match timeout(SETTLE, join_all(rows)).await {
            Ok(failures) => failures.into_iter().flatten().collect(),
            Err(_) => part
                .members
                .iter()
                .map(|(id, _)| (*id, Sink::Mark, error.clone()))
                .collect(),
        }
    }

    /// The changes of a portion: its window, its tasks' rows, and the audit items that show them.
    fn updates(&self, done: &Done<'_, '_>, part: &Portion<'_>) -> Vec<Update> {
        let (mut updates, mut shown) = (Vec::new(), Vec::new());
        let latest = part
            .members
            .iter()
            .max_by_key(|(id, _)| done.in_flight[*id].event.time);
        if let (Some(gathered), Some((latest, _))) = (part.counted_in, latest) {
            let event = done.in_flight[*latest].event;
            updates.push(done.rows.count(&gathered.group, part.members.len(), event));
        }
        for (id, is_alerted) in &part.members {
            let [row, item] = self.of_one(done, *id, *is_alerted);
            updates.extend(row);
            shown.extend(item);
        }
        updates.extend(shown);
        updates
    }

    /// The changes of one failure: its row, and its item in the audit trail.
    fn of_one(&self, done: &Done<'_, '_>, id: usize, is_alerted: bool) -> [Option<Update>; 2] {
        let one = &done.in_flight[id];
        let (Some(key), Claim::Mine(progress)) = (&one.key, &one.claim) else {
            return [None, None];
        };
        let mut progress = progress.clone();
        if is_alerted {
            progress.alerted.get_or_insert_with(|| done.rows.stamp());
        }
        if done.logged.get(&id).is_some_and(Result::is_ok) {
            progress.logged.get_or_insert_with(|| done.rows.stamp());
        }
        let is_finished = !one.is_alarming() || self.is_finished(&progress);
        let row = done.rows.settle(key, &progress, is_finished);
        [
            Some(row),
            one.item
                .as_ref()
                .and_then(|item| Rows::show(&item.key(), &progress)),
        ]
    }

    /// True if everything that this monitor does about a failure has been done.
    fn is_finished(&self, progress: &Progress) -> bool {
        (self.topic.is_none() || progress.alerted.is_some())
            && (self.log_group.is_none() || progress.logged.is_some())
    }
}

fn taken_over() -> CallError {
    CallError::refused(
        "dynamodb:UpdateItem",
        "another invocation has taken the task over",
    )
}

impl InFlight<'_> {
    /// True if this invocation leases its row, and so has to settle it.
    pub(super) fn is_leased(&self) -> bool {
        let is_failure = self
            .key
            .as_ref()
            .is_some_and(|key| key.get(SORT).is_some_and(|sort| sort == "failed"));
        is_failure && self.led_by.is_none() && matches!(self.claim, Claim::Mine(_))
    }
}
