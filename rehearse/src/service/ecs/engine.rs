//! Container engines, with a file for each. The differences between them stand in this file alone.
//!
//! An engine starts a container and returns two things: a `Running`, which waits for its end and
//! cleans up, and a `Handle`, which ends it earlier.

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

/// An engine, on which containers run.
#[derive(Clone, Debug, Default)]
pub enum Engine {
    /// Each container is a process group of this machine.
    #[default]
    Processes,
    /// Each container runs from its image, by Docker's Engine API.
    Docker(Arc<DockerEngine>),
}

/// A running container.
pub(super) enum Running {
    Process(Process),
    Docker(DockerContainer),
}

/// The means to end a running container.
#[derive(Clone)]
pub(super) enum Handle {
    Process(ProcessGroup),
    Docker(DockerHandle),
}

impl Engine {
    /// The container engine that DOCKER_HOST or one of the usual sockets leads to.
    pub async fn docker(reporter: Reporter) -> Result<Self, EngineError> {
        Ok(Self::Docker(Arc::new(
            DockerEngine::connect(reporter).await?,
        )))
    }

    /// A note that the engine ignores a container's image, if so.
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

    /// Gets a container's image, which may take minutes. The future can be dropped at any time.
    /// `Err` is the container's reason.
    pub(super) async fn prepare(&self, job: &Job) -> Result<(), String> {
        match self {
            Self::Processes => Ok(()),
            Self::Docker(engine) => engine.prepare(job).await,
        }
    }

    /// True if the engine runs a container's health check; otherwise the container counts as
    /// healthy from its start.
    pub(super) fn checks_health(&self, spec: &ContainerSpec) -> bool {
        matches!(self, Self::Docker(_)) && spec.settings.health_check.is_some()
    }

    /// Starts a container of the task with this ARN. `Err` is the container's reason, such as
    /// `CannotStartContainerError: …`.
    pub(super) async fn start(
        &self,
        task: &str,
        job: &Job,
        lines: LineSink,
    ) -> Result<Running, String> {
        match self {
            Self::Processes => Process::start(job, lines).map(Running::Process),
            Self::Docker(engine) => engine.start(task, job, lines).await.map(Running::Docker),
        }
    }

    /// Removes a task's volumes, once its containers have ended.
    pub(super) async fn release(&self, task: &str) {
        match self {
            Self::Processes => {}
            Self::Docker(engine) => engine.release(task).await,
        }
    }

    /// Removes everything of this rehearsal from the engine, running containers too. Nothing can
    /// start afterwards.
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

    /// Waits for the end, reads the rest of the output, and cleans up.
    pub(super) async fn end(self) -> Exit {
        match self {
            Self::Process(process) => process.end().await,
            Self::Docker(container) => container.end().await,
        }
    }
}

impl Handle {
    /// Asks the container to stop, by SIGTERM or the image's own signal. Harmless after its end.
    pub(super) fn stop(&self) {
        match self {
            Self::Process(group) => group.terminate(),
            Self::Docker(container) => container.stop(),
        }
    }

    /// Waits until the health check succeeds, if there is one.
    pub(super) async fn healthy(&self, spec: &ContainerSpec) {
        if let (Self::Docker(container), Some(_)) = (self, &spec.settings.health_check) {
            container.healthy().await;
        }
    }

    /// Ends the container at once, by SIGKILL. Harmless after its end.
    pub(super) fn kill(&self) {
        match self {
            Self::Process(group) => group.kill(),
            Self::Docker(container) => container.kill(),
        }
    }
}
