//! The input and the result of a container's run, for every engine.

use std::{collections::BTreeMap, sync::Arc};

use super::ContainerSpec;

/// The run of a container: its definition with the overrides applied.
pub(super) struct Job {
    pub(super) spec: ContainerSpec,
    /// The entry point, in place of the image's.
    pub(super) entry_point: Vec<String>,
    /// The command, in place of the image's.
    pub(super) command: Vec<String>,
    /// Plain variables and secrets, by name.
    pub(super) environment: BTreeMap<String, String>,
}

/// Receives each line of a container, without its end.
pub(super) type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The end of a container.
pub(super) struct Exit {
    /// The exit code, 128 + n after signal n. `None` if the engine could not say.
    pub(super) code: Option<i32>,
    /// The container's reason, such as `OutOfMemoryError: …`.
    pub(super) reason: Option<String>,
}
