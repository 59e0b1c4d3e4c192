//! What a rehearsal has made on the engine and has not removed yet, by names that it chose itself: a request
//! whose answer was lost leaves nothing behind, and nothing depends on what an engine says in its lists.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
    time::Duration,
};

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerCreateBody, VolumeCreateRequest},
    query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions},
};
use tokio::sync::RwLock;

use super::{message, request::volume_name};
use crate::protocol::lock;

/// What cannot be removed now, since it is still in use or another request removes it, is tried again.
const TRIES: u32 = 50;
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// Containers and volumes.
pub(super) struct Made {
    docker: Docker,
    containers: Mutex<BTreeSet<String>>,
    /// Each with the ARN of its task.
    volumes: Mutex<BTreeMap<String, String>>,
    /// True from the moment on from which nothing is made any more.
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

    /// Makes a container. `Err` is the container's reason.
    pub(super) async fn create_container(&self, name: &str, body: ContainerCreateBody) -> Result<(), String> {
        let is_closed = self.is_closed.read().await;
        if *is_closed {
            return Err("CannotCreateContainerError: the rehearsal has ended".to_owned());
        }
        lock(&self.containers).insert(name.to_owned());
        let options =
            CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
        let created = self.docker.create_container(Some(options), body).await;
        created.map_err(|error| format!("CannotCreateContainerError: {}", message(&error)))?;
        Ok(())
    }

    /// Makes a task's volume, unless it is there. `Err` is the container's reason.
    pub(super) async fn create_volume(
        &self,
        task: &str,
        volume: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), String> {
        let is_closed = self.is_closed.read().await;
        let name = volume_name(task, volume);
        if *is_closed || lock(&self.volumes).insert(name.clone(), task.to_owned()).is_some() {
            return Ok(());
        }
        let request =
            VolumeCreateRequest { name: Some(name), labels: Some(labels), ..VolumeCreateRequest::default() };
        let created = self.docker.create_volume(request).await;
        created.map_err(|error| format!("CannotCreateVolumeError: {}", message(&error)))?;
        Ok(())
    }

    /// Ends a container at once and removes it, with the volumes that its image asks for.
    pub(super) async fn remove_container(&self, name: &str) -> Result<(), Error> {
        // Podman's forced removal would first wait for the container to stop by itself.
        let _ = self.docker.kill_container(name, None).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        removed(self.docker.remove_container(name, Some(options)).await)?;
        lock(&self.containers).remove(name);
        Ok(())
    }

    /// Removes the volumes of a task whose containers are removed.
    pub(super) async fn remove_volumes(&self, task: &str) -> Result<(), Error> {
        let of_task = |(volume, owner): (&String, &String)| (owner == task).then(|| volume.clone());
        let volumes: Vec<String> = lock(&self.volumes).iter().filter_map(of_task).collect();
        for volume in volumes {
            removed(self.docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await)?;
            lock(&self.volumes).remove(&volume);
        }
        Ok(())
    }

    /// Removes everything, and lets nothing be made any more.
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

/// What is not there has been removed.
fn removed(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        result => result,
    }
}
