//! Where containers run. One file for each engine; everything that depends on which one it is stands in this
//! one.
//!
//! An engine starts a container and gives a [`Running`], whose end is waited for in one place and which
//! cleans up behind itself there, and a [`Handle`], by which anybody can end it before.

mod docker;

use std::sync::Arc;

use self::docker::{DockerContainer, DockerEngine, DockerHandle};
pub use self::docker::{EngineError, LeftBehind};
use super::{
    ContainerSpec,
    job::{Exit, Job, LineSink},
    process::{Process, ProcessGroup},
};
use crate::report::Reporter;

/// An engine.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// Each container is a process group of this machine.
    #[default]
    Processes,
    /// Each container runs from its image, by Docker's Engine API.
    Docker(Arc<DockerEngine>),
}

/// A container that runs.
pub(super) enum Running {
    Process(Process),
    Docker(DockerContainer),
}

/// The way to end a container that runs.
#[derive(Clone)]
pub(super) enum Handle {
    Process(ProcessGroup),
    Docker(DockerHandle),
}

impl Engine {
    /// The container engine that DOCKER_HOST or one of the usual sockets leads to.
    pub async fn docker(reporter: Reporter) -> Result<Self, EngineError> {
        Ok(Self::Docker(Arc::new(DockerEngine::connect(reporter).await?)))
    }

    /// Says that a container's image does nothing here, if so.
    pub(super) fn ignored_image(&self, spec: &ContainerSpec) -> Option<String> {
        let (name, image) = (&spec.name, &spec.image);
        match self {
            Self::Processes => Some(format!(
                "container {name} runs as a local process, without its image {image} (--docker runs the \
                 image)"
            )),
            Self::Docker(_) => None,
        }
    }

    /// Gets what a container needs before it can start: its image. May take minutes, and can be given up at
    /// any time. `Err` is the container's reason.
    pub(super) async fn prepare(&self, job: &Job) -> Result<(), String> {
        match self {
            Self::Processes => Ok(()),
            Self::Docker(engine) => engine.prepare(job).await,
        }
    }

    /// Whether it is seen that a container becomes healthy; else it is from its start on.
    pub(super) fn checks_health(&self, spec: &ContainerSpec) -> bool {
        matches!(self, Self::Docker(_)) && spec.settings.health_check.is_some()
    }

    /// Starts a container of the task with this ARN. `Err` is the container's reason, such as
    /// `CannotStartContainerError: …`.
    pub(super) async fn start(&self, task: &str, job: &Job, lines: LineSink) -> Result<Running, String> {
        match self {
            Self::Processes => Process::start(job, lines).map(Running::Process),
            Self::Docker(engine) => engine.start(task, job, lines).await.map(Running::Docker),
        }
    }

    /// Removes what a task leaves behind, once its containers have ended.
    pub(super) async fn release(&self, task: &str) {
        match self {
            Self::Processes => {}
            Self::Docker(engine) => engine.release(task).await,
        }
    }

    /// Removes all that this rehearsal has left on the engine, whatever runs, and starts nothing from then
    /// on.
    pub async fn close(&self) -> Result<(), LeftBehind> {
        match self {
            Self::Processes => Ok(()),
            Self::Docker(engine) => engine.close().await,
        }
    }
}

impl Running {
    pub(super) fn handle(&self) -> Handle {
        match self {
            Self::Process(process) => Handle::Process(process.group()),
            Self::Docker(container) => Handle::Docker(container.handle()),
        }
    }

    /// Waits for the end, takes all that was printed, and removes what the container leaves behind.
    pub(super) async fn end(self) -> Exit {
        match self {
            Self::Process(process) => process.end().await,
            Self::Docker(container) => container.end().await,
        }
    }
}

impl Handle {
    /// Asks the container to stop: SIGTERM, or the signal that its image names. One that has ended is no
    /// error.
    pub(super) fn stop(&self) {
        match self {
            Self::Process(group) => group.terminate(),
            Self::Docker(container) => container.stop(),
        }
    }

    /// Waits until its health check succeeds, if it has one.
    pub(super) async fn healthy(&self, spec: &ContainerSpec) {
        if let (Self::Docker(container), Some(_)) = (self, &spec.settings.health_check) {
            container.healthy().await;
        }
    }

    /// Ends it at once: SIGKILL. One that has ended is no error.
    pub(super) fn kill(&self) {
        match self {
            Self::Process(group) => group.kill(),
            Self::Docker(container) => container.kill(),
        }
    }
}
