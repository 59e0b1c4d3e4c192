//! Services whose tasks end with exit code 0 again and again. Each end by itself is a success, but
//! several within a window are not: a service is meant to run.

use std::collections::BTreeMap;

use time::Duration;

use super::{
    decide::{
        finding::RESTARTS,
        rows::{Claim, Rows},
    },
    in_flight::{InFlight, Sink},
    sinks::Sinks,
};
use crate::aws::{
    CallError,
    dynamodb::{Table, Updated},
};

/// Attempts at a window that another invocation opens or closes in the meantime.
const ATTEMPTS: usize = 3;

impl Sinks {
    /// Counts the ends of services' tasks, and changes the finding on those that are one restart of
    /// several. Without a table only those of one batch are counted.
    pub(super) async fn count_restarts(&self, in_flight: &mut [InFlight<'_>], rows: &Rows) {
        let mut services: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (id, one) in in_flight.iter_mut().enumerate() {
            let Some(service) = one.restart_of.filter(|_| one.led_by.is_none()) else {
                continue;
            };
            match &one.claim {
                // A delivery that could not report it has counted it.
                Claim::Mine(progress) if progress.counted => one.find_restarting(),
                // The same item is written again, with the same finding.
                Claim::Finished(progress)
                    if progress.alerted.is_some() || progress.logged.is_some() =>
                {
                    one.find_restarting();
                }
                Claim::Mine(_) => services.entry(service).or_default().push(id),
                Claim::Unknown if self.table.is_none() => {
                    services.entry(service).or_default().push(id)
                }
                _ => {}
            }
        }
        for (service, ids) in services {
            let before = match &self.table {
                Some(table) => {
                    count(
                        table,
                        rows,
                        service,
                        ids.len(),
                        self.settings.restart_window(),
                    )
                    .await
                }
                None => Ok(0),
            };
            match before {
                Ok(before) => {
                    let later = ids
                        .iter()
                        .zip(before + 1..)
                        .filter(|(_, number)| *number >= RESTARTS);
                    later.for_each(|(id, _)| in_flight[*id].find_restarting());
                }
                Err(error) => {
                    for id in ids {
                        // Its row stays leased, and the next delivery counts it.
                        in_flight[id].claim = Claim::Elsewhere;
                        in_flight[id].fail(Sink::Claim, &error);
                    }
                }
            }
        }
    }
}

/// Adds ends of a service's tasks to its window, and returns how many it had before.
async fn count(
    table: &Table,
    rows: &Rows,
    service: (&str, &str),
    ends: usize,
    window: Duration,
) -> Result<u64, CallError> {
    for _ in 0..ATTEMPTS {
        if let Updated::Done(before) = table.update(&rows.count_restarts(service, ends)).await? {
            return Ok(before
                .get("ends")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0));
        }
        if let Updated::Done(_) = table
            .update(&rows.begin_restarts(service, ends, window))
            .await?
        {
            return Ok(0);
        }
    }
    Err(CallError::refused(
        "dynamodb:UpdateItem",
        "the window of a service's restarts changes all the time",
    ))
}
