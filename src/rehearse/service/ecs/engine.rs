//! Where containers run. One file for each engine; everything that depends on which one it is stands in this one.
//!
//! An engine starts a container and gives a [`Running`], whose end is waited for in one place and which cleans up behind
//! itself there, and a [`Handle`], by which anybody can end it before.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ContainerSpec,
    process::{Process, ProcessGroup},
};

/// An engine.
#[derive(Clone, Copy, Debug, Default)]
pub enum Engine {
    /// Each container is a process group of this machine.
    #[default]
    Processes,
}

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

/// A container that runs.
pub(super) enum Running {
    Process(Process),
}

/// The way to end a container that runs.
#[derive(Clone)]
pub(super) enum Handle {
    Process(ProcessGroup),
}

/// How a container ended.
pub(super) struct Exit {
    /// The exit code; 128 + n for a signal.
    pub(super) code: i32,
    /// The container's reason, where there is one: `OutOfMemoryError: …`.
    pub(super) reason: Option<String>,
}

impl Engine {
    /// Starts a container. `Err` is the container's reason, such as `CannotStartContainerError: …`.
    pub(super) async fn start(self, job: &Job, lines: LineSink) -> Result<Running, String> {
        match self {
            Self::Processes => Process::start(job, lines).map(Running::Process),
        }
    }
}

impl Running {
    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::Process(process) => Handle::Process(process.group()),
        }
    }

    /// Waits for the end, takes all that was printed, and removes what the container leaves behind.
    pub(super) async fn end(self) -> Exit {
        match self {
            Self::Process(process) => process.end().await,
        }
    }
}

impl Handle {
    /// Asks the container to stop: SIGTERM. One that has ended is no error.
    pub(super) fn stop(&self) {
        match self {
            Self::Process(group) => group.terminate(),
        }
    }

    /// Ends it at once: SIGKILL. One that has ended is no error.
    pub(super) fn kill(&self) {
        match self {
            Self::Process(group) => group.kill(),
        }
    }
}
