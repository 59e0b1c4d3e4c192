//! Writes the audit trail, and claims the rows of tasks that have ended.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use tokio::time::timeout;

use super::{
    decide::rows::{ALERTED, Claim, LOGGED, PARTITION, Progress, Rows, SORT},
    in_flight::{InFlight, Shortfall, Sink},
    sinks::{AT_ONCE, Sinks},
};
use crate::aws::{
    CallError, CallErrorKind,
    dynamodb::{Attributes, BATCH_ITEMS, Table, Transacted, Update},
};

/// Time limit for the table in each of two rounds. A table that hangs must not keep people from
/// being alerted, and the template gives the function a minute.
const ROUND: Duration = Duration::from_secs(10);

/// From this number of claims on they are made in transactions. These save calls, and cost twice
/// the write units.
const STORM: usize = 10;
/// Claims in one transaction: in a larger one, more would fail together.
const CLAIMS: usize = 25;

impl Sinks {
    /// Claims the events that are reported or counted, and writes every event to the audit trail.
    pub(super) async fn write_audit(&self, in_flight: &mut [InFlight<'_>], rows: &Rows) {
        let Some(table) = &self.table else {
            return self.count_restarts(in_flight, rows).await;
        };
        let items = |in_flight: &[InFlight<'_>], claimed: bool| -> Vec<(usize, Attributes)> {
            let of_round = in_flight
                .iter()
                .enumerate()
                .filter(|(_, one)| one.key.is_some() == claimed);
            of_round
                .filter_map(|(id, one)| Some((id, one.shown()?)))
                .collect()
        };
        let unclaimed = items(in_flight, false);
        let (claims, mut failures) =
            tokio::join!(claim(table, in_flight, rows), put(table, unclaimed));
        let mut leaders: BTreeMap<String, usize> = BTreeMap::new();
        let mut claims = claims;
        for (id, one) in in_flight.iter_mut().enumerate() {
            let Some(key) = one.key.as_ref().map(|key| format!("{key:?}")) else {
                continue;
            };
            let leader = *leaders.entry(key).or_insert(id);
            if leader != id {
                one.led_by = Some(leader);
                continue;
            }
            match claims
                .remove(&id)
                .unwrap_or_else(|| Err(CallError::no_answer("dynamodb:UpdateItem")))
            {
                Ok(Claim::Elsewhere) => {
                    tracing::info!(
                        event_id = one.event.id,
                        sink = Sink::Claim.name(),
                        "another invocation is at work on this task, so the event will be delivered again"
                    );
                    one.claim = Claim::Elsewhere;
                    one.failed_sinks.push(Sink::Claim);
                }
                Ok(claim) => one.claim = claim,
                // People are alerted all the same: a second alert is better than none.
                Err(error) => one.fail(Sink::Claim, &error),
            }
        }
        self.count_restarts(in_flight, rows).await;
        for id in 0..in_flight.len() {
            if let Some(leader) = in_flight[id].led_by {
                in_flight[id].claim = in_flight[leader].claim.clone();
            }
        }
        failures.extend(put(table, items(in_flight, true)).await);
        for (id, sink, error) in failures {
            in_flight[id].fail(sink, &error);
        }
    }
}

impl InFlight<'_> {
    /// Its item, with what has been done about it before.
    fn shown(&self) -> Option<Attributes> {
        let mut item = self.item.as_ref()?.whole();
        if let Claim::Mine(progress) | Claim::Finished(progress) = &self.claim {
            for (name, at) in [(ALERTED, &progress.alerted), (LOGGED, &progress.logged)] {
                item.extend(at.as_ref().map(|at| (name.to_owned(), at.as_str().into())));
            }
        }
        Some(item)
    }
}

/// Claims the rows and returns each result by event id. If two events share a row, the first claims
/// it.
async fn claim(
    table: &Table,
    in_flight: &[InFlight<'_>],
    rows: &Rows,
) -> BTreeMap<usize, Result<Claim, CallError>> {
    let mut firsts: BTreeMap<String, (usize, &Attributes)> = BTreeMap::new();
    for (id, one) in in_flight.iter().enumerate() {
        if let Some(key) = &one.key {
            firsts.entry(format!("{key:?}")).or_insert((id, key));
        }
    }
    let firsts: Vec<(usize, &Attributes)> = firsts.into_values().collect();
    let portion = if firsts.len() < STORM { 1 } else { CLAIMS };
    let claims =
        stream::iter(firsts.chunks(portion)).map(|claims| claim_portion(table, claims, rows));
    let claims = claims
        .buffer_unordered(AT_ONCE)
        .take_until(tokio::time::sleep(ROUND));
    claims
        .collect::<Vec<_>>()
        .await
        .concat()
        .into_iter()
        .collect()
}

/// Claims some rows: in one transaction if all of them are new, otherwise one by one.
async fn claim_portion(
    table: &Table,
    claims: &[(usize, &Attributes)],
    rows: &Rows,
) -> Vec<(usize, Result<Claim, CallError>)> {
    if claims.len() > 1 {
        let updates: Vec<Update> = claims.iter().map(|(_, key)| rows.claim_new(key)).collect();
        let token = format!("{:032x}", fastrand::u128(..));
        if let Ok(Transacted::Done) = table.transact(&updates, &token).await {
            return claims
                .iter()
                .map(|(id, _)| (*id, Ok(Claim::Mine(Progress::default()))))
                .collect();
        }
    }
    let each = claims.iter().map(async |(id, key)| {
        let result = table.update(&rows.claim(key)).await;
        (*id, result.map(|result| rows.claimed(result)))
    });
    join_all(each).await
}

/// Writes items, as many in one call as possible, and returns those that failed.
async fn put(table: &Table, items: Vec<(usize, Attributes)>) -> Vec<Shortfall> {
    let ids: Vec<usize> = items.iter().map(|(id, _)| *id).collect();
    let mut by_key: BTreeMap<String, (Attributes, Vec<usize>)> = BTreeMap::new();
    for (id, item) in items {
        // One call accepts a key once: if an event was delivered twice, the later item stands for
        // both.
        let key = format!("{:?} {:?}", item.get(PARTITION), item.get(SORT));
        let entry = by_key.entry(key).or_default();
        entry.0 = item;
        entry.1.push(id);
    }
    let items: Vec<(Attributes, Vec<usize>)> = by_key.into_values().collect();
    let puts = stream::iter(items.chunks(BATCH_ITEMS)).map(|chunk| put_chunk(table, chunk));
    let all = puts.buffer_unordered(AT_ONCE).concat();
    let no_answer = || CallError::no_answer("dynamodb:BatchWriteItem");
    match timeout(ROUND, all).await {
        Ok(failures) => failures,
        Err(_) => ids
            .into_iter()
            .map(|id| (id, Sink::Audit, no_answer()))
            .collect(),
    }
}

async fn put_chunk(table: &Table, chunk: &[(Attributes, Vec<usize>)]) -> Vec<Shortfall> {
    let items: Vec<&Attributes> = chunk.iter().map(|(item, _)| item).collect();
    let failed = |ids: &[usize], error: &CallError| -> Vec<Shortfall> {
        ids.iter()
            .map(|id| (*id, Sink::Audit, error.clone()))
            .collect()
    };
    match table.put_all(&items).await {
        Ok(()) => Vec::new(),
        // One item that DynamoDB refuses must not keep the others out.
        Err(error) if error.kind == CallErrorKind::Final => {
            let mut failures = Vec::new();
            for (item, ids) in chunk {
                if let Err(error) = table.put(item).await {
                    failures.extend(failed(ids, &error));
                }
            }
            failures
        }
        Err(error) => chunk
            .iter()
            .flat_map(|(_, ids)| failed(ids, &error))
            .collect(),
    }
}
