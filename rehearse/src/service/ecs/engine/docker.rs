//! Containers from their images, on whatever answers Docker's Engine API: Docker or Podman.
//!
//! Everything that a rehearsal makes on the engine has the label [`LABEL`] with the rehearsal's own id, by
//! which a person finds it if the rehearsal itself was killed.
//!
//! <https://docs.docker.com/reference/api/engine/>

mod connect;
mod container;
mod image;
mod made;
mod output;
mod request;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bollard::{Docker, errors::Error};

pub use self::connect::EngineError;
pub(in super::super) use self::container::{DockerContainer, DockerHandle};
use self::made::Made;
use super::{Job, LineSink};
use crate::{
    config::random_hex,
    report::{Report, Reporter},
};

/// The label of all that a rehearsal makes; its value is the rehearsal's id.
const LABEL: &str = "ecs-tasks.rehearsal";
/// The label that ECS's own agent gives a container.
const TASK_LABEL: &str = "com.amazonaws.ecs.task-arn";
/// How long an engine may take to remove what is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container engine.
pub struct DockerEngine {
    docker: Docker,
    made: Arc<Made>,
    /// The id of this rehearsal.
    id: String,
    reporter: Reporter,
}

/// What a rehearsal could not remove from the engine.
#[derive(Debug, thiserror::Error)]
#[error("containers and volumes with the label {LABEL}={id} may be left on the engine: {cause}")]
pub struct LeftBehind {
    cause: String,
    id: String,
}

impl fmt::Debug for DockerEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DockerEngine").field("id", &self.id).finish_non_exhaustive()
    }
}

impl DockerEngine {
    /// Finds an engine that answers.
    pub(super) async fn connect(reporter: Reporter) -> Result<Self, EngineError> {
        let docker = connect::connect().await?;
        Ok(Self { made: Arc::new(Made::new(docker.clone())), docker, id: random_hex(12), reporter })
    }

    /// Pulls the image unless it is there.
    pub(super) async fn prepare(&self, job: &Job) -> Result<(), String> {
        let image = &job.spec.image;
        if self.docker.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        self.note(format!("image {image} is not on this machine: pulling it"));
        image::pull(&self.docker, image).await.map_err(|error| {
            self.note(format!(
                "to rehearse without pulling it, build an image with this name, or name one by `docker tag \
                 IMAGE {image}`"
            ));
            format!("CannotPullContainerError: {}", message(&error))
        })
    }

    /// Creates and starts a container, whose image is there.
    pub(super) async fn start(
        &self,
        task: &str,
        job: &Job,
        lines: LineSink,
    ) -> Result<DockerContainer, String> {
        let labels: HashMap<String, String> = [(LABEL, self.id.as_str()), (TASK_LABEL, task)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for mount_point in &job.spec.settings.mount_points {
            self.made.create_volume(task, &mount_point.source_volume, labels.clone()).await?;
        }
        let name = format!("rehearse-{}-{}", job.spec.name, random_hex(12));
        self.made.create_container(&name, request::container(task, job, labels)).await?;
        if let Err(error) = self.docker.start_container(&name, None).await {
            // One that cannot be removed now is removed at the end.
            let _ = self.made.remove_container(&name).await;
            return Err(format!("CannotStartContainerError: {}", message(&error)));
        }
        Ok(DockerContainer::follow(&self.docker, Arc::clone(&self.made), name, job, lines))
    }

    /// Removes a task's volumes. What cannot be removed now is removed at the end.
    pub(super) async fn release(&self, task: &str) {
        let _ = self.made.remove_volumes(task).await;
    }

    /// Removes all that the rehearsal has made.
    pub(super) async fn close(&self) -> Result<(), LeftBehind> {
        let left_behind = |cause: String| LeftBehind { cause, id: self.id.clone() };
        let removed = tokio::time::timeout(PATIENCE, self.made.remove_all()).await;
        removed
            .map_err(|_| {
                left_behind(format!("the engine has not removed them within {} s", PATIENCE.as_secs()))
            })?
            .map_err(|error| left_behind(message(&error)))
    }

    fn note(&self, note: String) {
        (self.reporter)(Report::Note(note));
    }
}

/// What went wrong in the engine's own words, on one line.
fn message(error: &Error) -> String {
    let message = match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
