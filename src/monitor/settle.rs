//! What was done about failures is written down: in the rows of their tasks, in the windows of their groups, and in the
//! audit trail for whoever reads it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{
    Monitor,
    passing::{Failure, Passing, Sink},
    render::{
        audit::SORT,
        rows::{Claim, Progress, Rows},
    },
    tell::{Gathered, Logged, Telling},
};
use crate::aws::{
    CallError,
    dynamodb::{TRANSACTION_UPDATES, Table, Transacted, Update},
};

/// How long the table may take. What is not written down comes back.
const SETTLE: Duration = Duration::from_secs(10);
/// How many failures go into one transaction: each has a row and an item, and there may be a window.
const AT_A_TIME: usize = (TRANSACTION_UPDATES - 1) / 2;

/// What there is to write down.
pub(super) struct Done<'d, 'e> {
    pub(super) passing: &'d [Passing<'e>],
    pub(super) rows: &'d Rows,
    pub(super) logged: &'d Logged,
}

/// Failures that are written down together, and the group whose window counts them.
struct Part<'d> {
    members: Vec<(usize, bool)>,
    counted_in: Option<&'d Gathered>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What could not be written down.
    pub(super) failures: Vec<Failure>,
    /// Groups whose window was closed meanwhile, and who are to be told.
    pub(super) gone: Vec<Gathered>,
}

impl Monitor {
    /// Writes down what became of these groups, and of the claimed failures at these places, which belong to none.
    pub(super) async fn settle(
        &self,
        done: &Done<'_, '_>,
        told: &[(Gathered, Telling)],
        others: &[usize],
    ) -> Settled {
        let Some(table) = &self.table else { return Settled::default() };
        let mut at_once: Vec<(usize, bool)> = others.iter().map(|place| (*place, false)).collect();
        let mut parts = Vec::new();
        for (gathered, telling) in told.iter().filter(|(gathered, _)| gathered.claimed) {
            let is_alerted = !matches!(telling, Telling::Failed(_));
            let members = gathered.members.iter().map(|place| (*place, is_alerted));
            if matches!(telling, Telling::ToBeCounted) {
                let members: Vec<_> = members.collect();
                parts.extend(
                    members
                        .chunks(AT_A_TIME)
                        .map(|members| Part { members: members.to_vec(), counted_in: Some(gathered) }),
                );
            } else {
                at_once.extend(members);
            }
        }
        parts.extend(
            at_once.chunks(AT_A_TIME).map(|members| Part { members: members.to_vec(), counted_in: None }),
        );
        let mut settled = Settled::default();
        for part in join_all(parts.into_iter().map(|part| self.settle_part(table, done, part))).await {
            settled.failures.extend(part.failures);
            settled.gone.extend(part.gone);
        }
        settled
    }

    async fn settle_part(&self, table: &Table, done: &Done<'_, '_>, mut part: Part<'_>) -> Settled {
        let mut settled = Settled::default();
        let failed = |members: &[(usize, bool)], error: &CallError| -> Vec<Failure> {
            members.iter().map(|(place, _)| (*place, Sink::Mark, error.clone())).collect()
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
                    settled.failures.extend(failed(&part.members, &error));
                    return settled;
                }
            };
            let first = usize::from(part.counted_in.is_some());
            if let Some(gathered) = part.counted_in.filter(|_| refused.contains(&0)) {
                let members = part.members.iter().map(|(place, _)| *place).collect();
                settled.gone.push(Gathered { members, ..gathered.clone() });
                return settled;
            }
            // The rows come first, the items that only show it after them.
            let lost: Vec<usize> = refused.iter().map(|at| at - first).collect();
            let taken =
                CallError::refused("dynamodb:UpdateItem", "another invocation has taken the task over");
            let mut kept = Vec::new();
            for (at, member) in part.members.iter().enumerate() {
                if lost.contains(&at) {
                    settled.failures.extend(failed(&[*member], &taken));
                } else {
                    kept.push(*member);
                }
            }
            if kept.len() == part.members.len() {
                settled.failures.extend(failed(&kept, &taken));
                return settled;
            }
            part.members = kept;
        }
        settled
    }

    /// The changes of a part: its window, the rows of its tasks, and what the audit trail shows of it.
    fn updates(&self, done: &Done<'_, '_>, part: &Part<'_>) -> Vec<Update> {
        let (mut updates, mut shown) = (Vec::new(), Vec::new());
        let latest = part.members.iter().max_by_key(|(place, _)| done.passing[*place].event.time);
        if let (Some(gathered), Some((latest, _))) = (part.counted_in, latest) {
            let event = done.passing[*latest].event;
            updates.push(done.rows.count(&gathered.group, part.members.len(), event));
        }
        for (place, is_alerted) in &part.members {
            let one = &done.passing[*place];
            let (Some(key), Claim::Mine(progress)) = (&one.key, &one.claim) else { continue };
            let mut progress = progress.clone();
            if *is_alerted {
                progress.alerted.get_or_insert_with(|| done.rows.stamp());
            }
            if done.logged.get(place).is_some_and(Result::is_ok) {
                progress.logged.get_or_insert_with(|| done.rows.stamp());
            }
            updates.push(done.rows.settle(key, &progress, self.is_finished(&progress)));
            shown.extend(one.item.as_ref().and_then(|item| Rows::show(item, &progress)));
        }
        updates.extend(shown);
        updates
    }

    /// Whether all has been done about a failure that this monitor does.
    fn is_finished(&self, progress: &Progress) -> bool {
        (self.topic.is_none() || progress.alerted.is_some())
            && (self.log_group.is_none() || progress.logged.is_some())
    }
}

impl Passing<'_> {
    /// Whether its row is leased by this invocation, which then settles it.
    pub(super) fn is_leased(&self) -> bool {
        let is_failure =
            self.key.as_ref().is_some_and(|key| key.get(SORT).is_some_and(|sort| sort == "failed"));
        is_failure && self.led_by.is_none() && matches!(self.claim, Claim::Mine(_))
    }
}
