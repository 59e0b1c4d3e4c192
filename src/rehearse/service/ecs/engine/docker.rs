//! Containers from their images, on whatever answers Docker's Engine API: Docker or Podman.
//!
//! Everything that a rehearsal makes on the engine has the label [`LABEL`] with the rehearsal's own id, so that
//! [`DockerEngine::close`] finds it, and so does a person if the rehearsal itself was killed.
//!
//! <https://docs.docker.com/reference/api/engine/>

mod connect;
mod container;
mod image;
mod output;
mod request;

use std::{collections::HashMap, fmt, time::Duration};

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerSummary, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptions, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use tokio::sync::RwLock;

pub use self::connect::EngineError;
pub(in super::super) use self::container::{DockerContainer, DockerHandle};
use super::{Job, LineSink};
use crate::rehearse::{
    report::{Report, Reporter},
    setting::random_hex,
};

/// The label of all that a rehearsal makes; its value is the rehearsal's id.
const LABEL: &str = "ecs-tasks.rehearsal";
/// The label that ECS's own agent gives a container.
const TASK_LABEL: &str = "com.amazonaws.ecs.task-arn";
/// How long an engine may take to remove what is left.
const PATIENCE: Duration = Duration::from_secs(30);
/// A removal that another request has begun is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A container engine.
pub struct DockerEngine {
    docker: Docker,
    /// The id of this rehearsal.
    id: String,
    reporter: Reporter,
    /// True from the moment on from which nothing may be made any more.
    is_closed: RwLock<bool>,
}

/// What a rehearsal could not remove from the engine.
#[derive(Debug, thiserror::Error)]
#[error(
    "containers or volumes may be left on the engine: {cause}; remove them with `docker rm --force --volumes $(docker \
     ps --all --quiet --filter label={LABEL}={id})`"
)]
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
        Ok(Self { docker, id: random_hex(12), reporter, is_closed: RwLock::new(false) })
    }

    /// Pulls the image unless it is there.
    pub(super) async fn prepare(&self, job: &Job) -> Result<(), String> {
        let image = &job.spec.image;
        if self.docker.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        self.note(format!("container {}: pulling image {image}", job.spec.name));
        image::pull(&self.docker, image).await.map_err(|error| {
            self.note(format!(
                "image {image} is not on this machine and cannot be pulled: build it under this name, or give one \
                 that you have its name with `docker tag`"
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
        // Held until the container has an id: what close() lists is complete.
        let is_closed = self.is_closed.read().await;
        if *is_closed {
            return Err("CannotCreateContainerError: the rehearsal has ended".to_owned());
        }
        let labels = self.labels(task);
        for mount_point in &job.spec.settings.mount_points {
            let volume = VolumeCreateRequest {
                name: Some(request::volume_name(task, &mount_point.source_volume)),
                labels: Some(labels.clone()),
                ..VolumeCreateRequest::default()
            };
            let created = self.docker.create_volume(volume).await;
            created.map_err(|error| format!("CannotCreateVolumeError: {}", message(&error)))?;
        }
        let options = CreateContainerOptions {
            name: Some(format!("rehearse-{}-{}", job.spec.name, random_hex(12))),
            ..CreateContainerOptions::default()
        };
        let created =
            self.docker.create_container(Some(options), request::container(task, job, labels)).await;
        let id = created.map_err(|error| format!("CannotCreateContainerError: {}", message(&error)))?.id;
        drop(is_closed);
        if let Err(error) = self.docker.start_container(&id, None).await {
            remove(&self.docker, &id).await;
            return Err(format!("CannotStartContainerError: {}", message(&error)));
        }
        Ok(DockerContainer::follow(self.docker.clone(), id, job, lines))
    }

    /// Removes a task's volumes.
    pub(super) async fn release(&self, task: &str) {
        // What cannot be removed now is tried again by close(), which reports it.
        let _ = self.remove_volumes(&format!("{TASK_LABEL}={task}")).await;
    }

    /// Removes all that the rehearsal has made.
    pub(super) async fn close(&self) -> Result<(), LeftBehind> {
        let left_behind = |cause: String| LeftBehind { cause, id: self.id.clone() };
        let removed = tokio::time::timeout(PATIENCE, self.remove_all()).await;
        removed
            .map_err(|_| left_behind("the engine does not answer".to_owned()))?
            .map_err(|error| left_behind(message(&error)))
    }

    async fn remove_all(&self) -> Result<(), Error> {
        *self.is_closed.write().await = true;
        let label = format!("{LABEL}={}", self.id);
        loop {
            let containers = self.containers(&label).await?;
            if containers.is_empty() {
                break;
            }
            for id in containers.iter().filter_map(|container| container.id.as_deref()) {
                remove(&self.docker, id).await;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.remove_volumes(&label).await
    }

    async fn containers(&self, label: &str) -> Result<Vec<ContainerSummary>, Error> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&by_label(label)).build();
        self.docker.list_containers(Some(options)).await
    }

    async fn remove_volumes(&self, label: &str) -> Result<(), Error> {
        let options = ListVolumesOptionsBuilder::default().filters(&by_label(label)).build();
        let volumes = self.docker.list_volumes(Some(options)).await?.volumes.unwrap_or_default();
        for volume in volumes {
            self.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await?;
        }
        Ok(())
    }

    fn labels(&self, task: &str) -> HashMap<String, String> {
        [(LABEL, self.id.as_str()), (TASK_LABEL, task)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    fn note(&self, note: String) {
        (self.reporter)(Report::Note(note));
    }
}

fn by_label(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}

/// Ends a container at once and removes it with its own volumes. One that is not there any more is no error, and one
/// that stays is found by its label.
async fn remove(docker: &Docker, id: &str) {
    // Podman's forced removal would first wait for the container to stop by itself.
    let _ = docker.kill_container(id, None).await;
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let _ = docker.remove_container(id, Some(options)).await;
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
