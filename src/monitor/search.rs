//! Puts every event into the search index.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{
    in_flight::{InFlight, Shortfall, Sink},
    render::index,
    sinks::Sinks,
};
use crate::aws::{CallError, fitting};

/// Most bytes in one `_bulk`. OpenSearch accepts 10 MB and more, but works best with less.
const BULK_BYTES: usize = 5 * 1024 * 1024;

impl Sinks {
    /// Indexes the events, and returns those that failed. A document that OpenSearch will never
    /// accept is logged and left out: the audit trail has its event.
    pub(super) async fn index(
        &self,
        in_flight: &[InFlight<'_>],
        now: OffsetDateTime,
    ) -> Vec<Shortfall> {
        let (Some(search), Some(settings)) = (&self.search, &self.settings.index) else {
            return Vec::new();
        };
        search
            .prepare(&settings.name, &index::template(&settings.name), now)
            .await;
        let mut failures = Vec::new();
        let lines: Vec<String> = in_flight
            .iter()
            .map(|one| index::render(one.event, one.finding.as_ref(), &settings.name))
            .collect();
        let mut from = 0;
        while from < lines.len() {
            let to = from + fitting(&lines[from..], 0, BULK_BYTES);
            let answer = search.bulk(&lines[from..to].concat(), now).await;
            let refused = answer
                .as_ref()
                .map(index::refused)
                .unwrap_or_else(|_| BTreeMap::new());
            for (id, one) in in_flight.iter().enumerate().take(to).skip(from) {
                match (&answer, refused.get(&one.event.id)) {
                    (Err(error), _) => failures.push((id, Sink::Index, error.clone())),
                    (Ok(_), Some(refused)) if refused.for_good => tracing::error!(
                        event_id = one.event.id,
                        sink = Sink::Index.name(),
                        "OpenSearch rejects this document permanently, so the function skips it: {}",
                        refused.why
                    ),
                    (Ok(_), Some(refused)) => {
                        failures.push((
                            id,
                            Sink::Index,
                            CallError::refused("es:ESHttpPost", &refused.why),
                        ));
                    }
                    (Ok(_), None) => {}
                }
            }
            from = to;
        }
        failures
    }
}
