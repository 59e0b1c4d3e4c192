//! A container that runs on the engine, until it is removed.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::{
    Docker,
    errors::Error,
    models::HealthStatusEnum,
    query_parameters::{StopContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use tokio::runtime;

use super::{
    super::{Exit, Job, LineSink},
    made::Made,
    message,
    output::Output,
};

/// A connection that follows a container must live as long as the container.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An engine that does not answer gets this many requests, this far apart.
const TRIES: u32 = 10;
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// The exit code after SIGKILL: 128 + 9.
const KILLED: i64 = 137;

/// A running container and its output.
pub(in super::super::super) struct DockerContainer {
    handle: DockerHandle,
    output: Output,
    has_memory_limit: bool,
    made: Arc<Made>,
}

/// The means to end a container.
#[derive(Clone)]
pub(in super::super::super) struct DockerHandle {
    docker: Docker,
    name: String,
    stop_timeout: Duration,
    /// True once the stage has asked it to stop, so its end is no surprise.
    was_ended: Arc<AtomicBool>,
}

impl DockerContainer {
    /// Follows a container that has started.
    pub(super) fn follow(
        docker: &Docker,
        made: Arc<Made>,
        name: String,
        job: &Job,
        lines: LineSink,
    ) -> Self {
        let docker = docker.clone().with_timeout(DAY);
        Self {
            output: Output::follow(docker.clone(), name.clone(), lines),
            has_memory_limit: job.spec.settings.memory.is_some(),
            made,
            handle: DockerHandle {
                docker,
                name,
                stop_timeout: job.spec.stop_timeout,
                was_ended: Arc::default(),
            },
        }
    }

    pub(in super::super::super) fn handle(&self) -> DockerHandle {
        self.handle.clone()
    }

    /// Waits for the end, reads the rest of the output, and removes the container.
    pub(in super::super::super) async fn end(self) -> Exit {
        let Self {
            handle,
            output,
            has_memory_limit,
            made,
        } = self;
        let ended = handle.ended().await;
        output.end().await;
        let exit = match ended {
            Ok(code) => {
                let out_of_memory = handle.was_killed_by_kernel(code, has_memory_limit)
                    || handle.met_memory_limit().await;
                let reason = "OutOfMemoryError: Container killed due to memory usage";
                Exit {
                    code: i32::try_from(code).ok(),
                    reason: out_of_memory.then(|| reason.to_owned()),
                }
            }
            Err(error) => {
                let reason = format!("CannotInspectContainerError: {}", message(&error));
                Exit {
                    code: None,
                    reason: Some(reason),
                }
            }
        };
        // The end of the rehearsal removes a container that cannot be removed now.
        let _ = made.remove_container(&handle.name).await;
        exit
    }
}

impl DockerHandle {
    /// Sends the image's stop signal, or SIGTERM. The engine kills the container after its
    /// stopTimeout.
    pub(in super::super::super) fn stop(&self) {
        let seconds = i32::try_from(self.stop_timeout.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        self.end_with(move |handle| async move {
            let _ = handle
                .docker
                .stop_container(&handle.name, Some(options))
                .await;
        });
    }

    pub(in super::super::super) fn kill(&self) {
        self.end_with(|handle| async move {
            let _ = handle.docker.kill_container(&handle.name, None).await;
        });
    }

    /// Waits until the engine finds the container healthy. Never returns for one that has ended.
    pub(in super::super::super) async fn healthy(&self) {
        loop {
            let container = self.docker.inspect_container(&self.name, None).await;
            let health = container
                .ok()
                .and_then(|container| container.state?.health?.status);
            if health == Some(HealthStatusEnum::HEALTHY) {
                return;
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// Sends a request without waiting: `ended` sees its effect.
    fn end_with<F: Future<Output = ()> + Send + 'static>(&self, request: impl FnOnce(Self) -> F) {
        self.was_ended.store(true, Ordering::Relaxed);
        // Without a runtime the rehearsal is over, and close() has removed the container.
        if let Ok(runtime) = runtime::Handle::try_current() {
            runtime.spawn(request(self.clone()));
        }
    }

    /// Waits for the exit code.
    async fn ended(&self) -> Result<i64, Error> {
        let mut tries = 0;
        loop {
            let options = WaitContainerOptionsBuilder::default()
                .condition("not-running")
                .build();
            let mut waiting = pin!(self.docker.wait_container(&self.name, Some(options)));
            match waiting.next().await {
                Some(Ok(ended)) => return Ok(ended.status_code),
                // bollard reports an exit code other than 0 as an error.
                Some(Err(Error::DockerContainerWaitError { code, .. })) => return Ok(code),
                // Somebody has removed the container, so its exit code is lost.
                Some(Err(
                    error @ Error::DockerResponseServerError {
                        status_code: 404, ..
                    },
                )) => {
                    return Err(error);
                }
                Some(Err(error)) if tries == TRIES => return Err(error),
                None if tries == TRIES => {
                    let error = "the engine does not say how the container ended".to_owned();
                    return Err(Error::DockerStreamError { error });
                }
                _ => tries += 1,
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// Podman does not always report the OOM killer. If the stage did not kill a container with a
    /// limit, only the kernel can have sent SIGKILL.
    fn was_killed_by_kernel(&self, code: i64, has_memory_limit: bool) -> bool {
        code == KILLED && has_memory_limit && !self.was_ended.load(Ordering::Relaxed)
    }

    /// True if the engine has seen the container run out of memory.
    async fn met_memory_limit(&self) -> bool {
        let container = self.docker.inspect_container(&self.name, None).await.ok();
        container
            .and_then(|container| container.state?.oom_killed)
            .unwrap_or(false)
    }
}
