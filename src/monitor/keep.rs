//! The audit trail is written, and the rows of tasks that have ended are claimed.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{
    passing::{Passing, Shortfall, Sink},
    render::{
        audit::{ALERTED, LOGGED},
        rows::{Rows, Standing},
    },
    sinks::{AT_ONCE, Sinks},
};
use crate::aws::{
    CallError, CallErrorKind,
    dynamodb::{Attributes, BATCH_ITEMS, Table},
};

/// How long the table may take for each of two rounds. A table that hangs must not keep people from being
/// alerted, and the template gives the function a minute.
const ROUND: Duration = Duration::from_secs(10);

impl Sinks {
    /// Claims what is reported and counted, and writes every event to the audit trail.
    pub(super) async fn keep(&self, passing: &mut [Passing<'_>], rows: &Rows) {
        let Some(table) = &self.table else { return };
        let items = |passing: &[Passing<'_>], claimed: bool| -> Vec<(usize, Attributes)> {
            let of_round = passing.iter().enumerate().filter(|(_, one)| one.key.is_some() == claimed);
            of_round.filter_map(|(place, one)| Some((place, one.shown()?))).collect()
        };
        let unclaimed = items(passing, false);
        let (claims, mut failures) = tokio::join!(claim(table, passing, rows), put(table, unclaimed));
        let mut leaders: BTreeMap<String, usize> = BTreeMap::new();
        let mut claims = claims;
        for (place, one) in passing.iter_mut().enumerate() {
            let Some(key) = one.key.as_ref().map(|key| format!("{key:?}")) else { continue };
            let leader = *leaders.entry(key).or_insert(place);
            if leader != place {
                one.led_by = Some(leader);
                continue;
            }
            match claims.remove(&place).unwrap_or_else(|| Err(CallError::no_answer("dynamodb:UpdateItem"))) {
                Ok(Standing::Elsewhere) => {
                    tracing::info!(
                        event_id = one.event.id,
                        sink = Sink::Claim.name(),
                        "another invocation is at work on this task, and the event will come back"
                    );
                    one.claim = Standing::Elsewhere;
                    one.undone.push(Sink::Claim);
                }
                Ok(claim) => one.claim = claim,
                // People are alerted all the same: a second alert is better than none.
                Err(error) => one.fail(Sink::Claim, &error),
            }
        }
        for place in 0..passing.len() {
            if let Some(leader) = passing[place].led_by {
                passing[place].claim = passing[leader].claim.clone();
            }
        }
        failures.extend(put(table, items(passing, true)).await);
        for (place, sink, error) in failures {
            passing[place].fail(sink, &error);
        }
    }
}

impl Passing<'_> {
    /// Its item, which shows what has been done about it before.
    fn shown(&self) -> Option<Attributes> {
        let mut item = self.item.as_ref()?.whole();
        if let Standing::Mine(progress) | Standing::Finished(progress) = &self.claim {
            for (name, at) in [(ALERTED, &progress.alerted), (LOGGED, &progress.logged)] {
                item.extend(at.as_ref().map(|at| (name.to_owned(), at.as_str().into())));
            }
        }
        Some(item)
    }
}

/// Claims the rows; what came of it by place. Of two events with one row the first claims it.
async fn claim(
    table: &Table,
    passing: &[Passing<'_>],
    rows: &Rows,
) -> BTreeMap<usize, Result<Standing, CallError>> {
    let mut firsts: BTreeMap<String, (usize, &Attributes)> = BTreeMap::new();
    for (place, one) in passing.iter().enumerate() {
        if let Some(key) = &one.key {
            firsts.entry(format!("{key:?}")).or_insert((place, key));
        }
    }
    let claims = stream::iter(firsts.into_values()).map(async |(place, key)| {
        let result = table.update(&rows.claim(key)).await;
        (place, result.map(|result| rows.claimed(result)))
    });
    claims.buffer_unordered(AT_ONCE).take_until(tokio::time::sleep(ROUND)).collect().await
}

/// Writes items, as many in one call as it takes; those that could not be written.
async fn put(table: &Table, items: Vec<(usize, Attributes)>) -> Vec<Shortfall> {
    let places: Vec<usize> = items.iter().map(|(place, _)| *place).collect();
    let mut by_key: BTreeMap<String, (Attributes, Vec<usize>)> = BTreeMap::new();
    for (place, item) in items {
        // One call takes a key once: of two deliveries of one event the later stands for both.
        let key = format!(
            "{:?} {:?}",
            item.get(super::render::audit::PARTITION),
            item.get(super::render::audit::SORT)
        );
        let entry = by_key.entry(key).or_default();
        entry.0 = item;
        entry.1.push(place);
    }
    let items: Vec<(Attributes, Vec<usize>)> = by_key.into_values().collect();
    let puts = stream::iter(items.chunks(BATCH_ITEMS)).map(|chunk| put_chunk(table, chunk));
    let all = puts.buffer_unordered(AT_ONCE).concat();
    let no_answer = || CallError::no_answer("dynamodb:BatchWriteItem");
    match timeout(ROUND, all).await {
        Ok(failures) => failures,
        Err(_) => places.into_iter().map(|place| (place, Sink::Audit, no_answer())).collect(),
    }
}

async fn put_chunk(table: &Table, chunk: &[(Attributes, Vec<usize>)]) -> Vec<Shortfall> {
    let items: Vec<&Attributes> = chunk.iter().map(|(item, _)| item).collect();
    let failed = |places: &[usize], error: &CallError| -> Vec<Shortfall> {
        places.iter().map(|place| (*place, Sink::Audit, error.clone())).collect()
    };
    match table.put_all(&items).await {
        Ok(()) => Vec::new(),
        // One item that DynamoDB does not take must not keep the others out.
        Err(error) if error.kind == CallErrorKind::Final => {
            let mut failures = Vec::new();
            for (item, places) in chunk {
                if let Err(error) = table.put(item).await {
                    failures.extend(failed(places, &error));
                }
            }
            failures
        }
        Err(error) => chunk.iter().flat_map(|(_, places)| failed(places, &error)).collect(),
    }
}
