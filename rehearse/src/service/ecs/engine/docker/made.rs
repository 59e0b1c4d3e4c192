//! Everything that a rehearsal has made on the engine and has not removed yet. The rehearsal
//! chooses the names itself, so a request whose answer is lost leaves nothing behind, and cleaning
//! up needs no list from the engine.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerCreateBody, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};
use tokio::sync::RwLock;

use super::{message, request::volume_name};
use crate::protocol::lock;

/// Removal fails while a container is in use or another request removes it, so it is tried again.
const TRIES: u32 = 50;
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The containers and volumes of a rehearsal.
pub(super) struct Made {
    docker: Docker,
    containers: Mutex<BTreeSet<String>>,
    /// Each with the ARN of its task.
    volumes: Mutex<BTreeMap<String, String>>,
    /// True once nothing may be made any more.
    is_closed: RwLock<bool>,
}

impl Made {
    pub(super) fn new(docker: Docker) -> Self {
        Self {
            docker,
            containers: Mutex::default(),
            volumes: Mutex::default(),
            is_closed: RwLock::new(false),
        }
    }

    /// Creates a container. `Err` is the container's reason.
    pub(super) async fn create_container(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<(), String> {
        // Held across the request: nothing may be made while `remove_all` runs.
        let is_closed = self.is_closed.read().await;
        if *is_closed {
            return Err("CannotCreateContainerError: the rehearsal has ended".to_owned());
        }
        // Noted before the request: its answer may be lost.
        lock(&self.containers).insert(name.to_owned());
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        let created = self.docker.create_container(Some(options), body).await;
        created.map_err(|error| format!("CannotCreateContainerError: {}", message(&error)))?;
        Ok(())
    }

    /// Creates a task's volume, unless it exists. `Err` is the container's reason.
    pub(super) async fn create_volume(
        &self,
        task: &str,
        volume: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), String> {
        let is_closed = self.is_closed.read().await;
        let name = volume_name(task, volume);
        if *is_closed
            || lock(&self.volumes)
                .insert(name.clone(), task.to_owned())
                .is_some()
        {
            return Ok(());
        }
        let request = VolumeCreateRequest {
            name: Some(name),
            labels: Some(labels),
            ..VolumeCreateRequest::default()
        };
        let created = self.docker.create_volume(request).await;
        created.map_err(|error| format!("CannotCreateVolumeError: {}", message(&error)))?;
        Ok(())
    }

    /// Ends a container at once and removes it, with its anonymous volumes.
    pub(super) async fn remove_container(&self, name: &str) -> Result<(), Error> {
        // Podman's forced removal would first wait for the container to stop.
        let _ = self.docker.kill_container(name, None).await;
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        removed(self.docker.remove_container(name, Some(options)).await)?;
        lock(&self.containers).remove(name);
        Ok(())
    }

    /// Removes the volumes of a task without containers.
    pub(super) async fn remove_volumes(&self, task: &str) -> Result<(), Error> {
        let of_task = |(volume, owner): (&String, &String)| (owner == task).then(|| volume.clone());
        let volumes: Vec<String> = lock(&self.volumes).iter().filter_map(of_task).collect();
        for volume in volumes {
            removed(
                self.docker
                    .remove_volume(&volume, None::<RemoveVolumeOptions>)
                    .await,
            )?;
            lock(&self.volumes).remove(&volume);
        }
        Ok(())
    }

    /// Removes everything. Nothing can be made afterwards.
    pub(super) async fn remove_all(&self) -> Result<(), Error> {
        *self.is_closed.write().await = true;
        let mut tries = 0;
        while let Err(error) = self.try_to_remove_all().await {
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
        Ok(())
    }

    async fn try_to_remove_all(&self) -> Result<(), Error> {
        let containers = lock(&self.containers).clone();
        for container in &containers {
            self.remove_container(container).await?;
        }
        let tasks: BTreeSet<String> = lock(&self.volumes).values().cloned().collect();
        for task in &tasks {
            self.remove_volumes(task).await?;
        }
        Ok(())
    }
}

/// Counts a container or volume that no longer exists as removed.
fn removed(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(()),
        result => result,
    }
}
