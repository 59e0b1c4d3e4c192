//! The task definitions that verdicts rest on, read once each: a revision never changes.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{
    decide::{event::Event, finding::wanted_definition},
    sinks::{AT_ONCE, Definitions, Sinks},
};
use crate::task::TaskDefinition;

/// Time limit for the definitions of one batch. A task is judged without its definition rather than
/// late.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most definitions that an instance remembers.
const REMEMBERED: usize = 500;

impl Sinks {
    /// Returns the definitions that the verdicts on these events need, as far as they can be read
    /// in time.
    pub(super) async fn definitions(&self, events: &[Event]) -> Definitions {
        let mut wanted: Vec<&str> = events.iter().filter_map(wanted_definition).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let read = stream::iter(wanted)
            .map(async |arn| Some((arn.to_owned(), self.definition(arn).await?)));
        let read = read
            .buffer_unordered(AT_ONCE)
            .take_until(tokio::time::sleep(PATIENCE));
        read.filter_map(async |read| read).collect().await
    }

    /// Returns a task definition from memory or from ECS; `None` if it cannot be read.
    pub(super) async fn definition(&self, arn: &str) -> Option<Arc<TaskDefinition>> {
        let known = self
            .known_definitions
            .lock()
            .ok()
            .and_then(|known| known.get(arn).cloned());
        if known.is_some() {
            return known;
        }
        let read = timeout(PATIENCE, self.aws().describe_task_definition(arn))
            .await
            .ok()?;
        let read = read.inspect_err(|error| {
            tracing::debug!("cannot read the task definition, so every container counts: {error}")
        });
        let definition = Arc::new(read.ok()?);
        if let Ok(mut known) = self.known_definitions.lock() {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(arn.to_owned(), Arc::clone(&definition));
        }
        Some(definition)
    }
}
