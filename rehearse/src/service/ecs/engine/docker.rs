//! Containers from their images, on an engine with Docker's API: Docker or Podman.
//!
//! Everything that a rehearsal makes on the engine has the label `ecs-tasks.rehearsal` with the
//! rehearsal's id. A person can find it by this label if the rehearsal was killed.
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

/// The label of everything that a rehearsal makes. Its value is the rehearsal's id.
const LABEL: &str = "ecs-tasks.rehearsal";
/// The label by which ECS's agent marks a task's containers.
const TASK_LABEL: &str = "com.amazonaws.ecs.task-arn";
/// Time limit for removing everything at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A container engine.
pub struct DockerEngine {
    docker: Docker,
    made: Arc<Made>,
    /// The id of this rehearsal.
    id: String,
    reporter: Reporter,
}

/// Containers or volumes that could not be removed from the engine.
#[derive(Debug, thiserror::Error)]
#[error("containers and volumes with the label {LABEL}={id} may be left on the engine: {cause}")]
pub struct LeftBehind {
    cause: String,
    id: String,
}

impl fmt::Debug for DockerEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DockerEngine")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl DockerEngine {
    /// Finds an engine that answers.
    pub(super) async fn connect(reporter: Reporter) -> Result<Self, EngineError> {
        let docker = connect::connect().await?;
        Ok(Self {
            made: Arc::new(Made::new(docker.clone())),
            docker,
            id: random_hex(12),
            reporter,
        })
    }

    /// Pulls the image, unless the engine has it.
    pub(super) async fn prepare(&self, job: &Job) -> Result<(), String> {
        let image = &job.spec.image;
        if self.docker.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        self.note(format!("image {image} is not on this machine: pulling it"));
        image::pull(&self.docker, image).await.map_err(|error| {
            // Without access to the registry the run still works with a local image of this name.
            self.note(format!(
                "to rehearse without pulling it, build an image with this name, or tag an existing one: `docker tag \
                 IMAGE {image}`"
            ));
            format!("CannotPullContainerError: {}", message(&error))
        })
    }

    /// Creates and starts a container. The engine must have its image.
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
            self.made
                .create_volume(task, &mount_point.source_volume, labels.clone())
                .await?;
        }
        let name = format!("rehearse-{}-{}", job.spec.name, random_hex(12));
        self.made
            .create_container(&name, request::container(task, job, labels))
            .await?;
        if let Err(error) = self.docker.start_container(&name, None).await {
            // The end of the rehearsal removes a container that cannot be removed now.
            let _ = self.made.remove_container(&name).await;
            return Err(format!("CannotStartContainerError: {}", message(&error)));
        }
        Ok(DockerContainer::follow(
            &self.docker,
            Arc::clone(&self.made),
            name,
            job,
            lines,
        ))
    }

    /// Removes a task's volumes. The end of the rehearsal removes those that are still in use.
    pub(super) async fn release(&self, task: &str) {
        let _ = self.made.remove_volumes(task).await;
    }

    /// Removes everything that the rehearsal has made.
    pub(super) async fn close(&self) -> Result<(), LeftBehind> {
        let left_behind = |cause: String| LeftBehind {
            cause,
            id: self.id.clone(),
        };
        let removed = tokio::time::timeout(PATIENCE, self.made.remove_all()).await;
        removed
            .map_err(|_| {
                left_behind(format!(
                    "the engine has not removed them within {} s",
                    PATIENCE.as_secs()
                ))
            })?
            .map_err(|error| left_behind(message(&error)))
    }

    fn note(&self, note: String) {
        (self.reporter)(Report::Note(note));
    }
}

/// An error in the engine's own words, on one line.
fn message(error: &Error) -> String {
    let message = match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
