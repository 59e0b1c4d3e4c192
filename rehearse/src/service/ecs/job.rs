//! What an engine is given for a container, and what it gives back of its end.

use std::{collections::BTreeMap, sync::Arc};

use super::ContainerSpec;

/// What a container is to run: its definition with the overrides applied.
pub(super) struct Job {
    pub(super) spec: ContainerSpec,
    /// In place of the image's.
    pub(super) entry_point: Vec<String>,
    /// In place of the image's.
    pub(super) command: Vec<String>,
    /// Plain variables and secrets.
    pub(super) environment: BTreeMap<String, String>,
}

/// Takes each line that a container prints, without its end.
pub(super) type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// How a container ended.
pub(super) struct Exit {
    /// The exit code, 128 + n for a signal; none if the engine could not say.
    pub(super) code: Option<i32>,
    /// The container's reason, where there is one: `OutOfMemoryError: …`.
    pub(super) reason: Option<String>,
}
