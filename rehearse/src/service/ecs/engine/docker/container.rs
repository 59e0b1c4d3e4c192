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

/// A connection that follows a container lives as long as the container does.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An engine that does not answer is asked again so often, and so long after.
const TRIES: u32 = 10;
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// 128 + SIGKILL.
const KILLED: i64 = 137;

/// A container and what it prints.
pub(in super::super::super) struct DockerContainer {
    handle: DockerHandle,
    output: Output,
    has_memory_limit: bool,
    made: Arc<Made>,
}

/// The way to end it.
#[derive(Clone)]
pub(in super::super::super) struct DockerHandle {
    docker: Docker,
    name: String,
    stop_timeout: Duration,
    /// It did not end by itself.
    was_ended: Arc<AtomicBool>,
}

impl DockerContainer {
    /// Follows a container that has started.
    pub(super) fn follow(docker: &Docker, made: Arc<Made>, name: String, job: &Job, lines: LineSink) -> Self {
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

    /// Waits for the end, takes all that was printed, and removes the container.
    pub(in super::super::super) async fn end(self) -> Exit {
        let Self { handle, output, has_memory_limit, made } = self;
        let ended = handle.ended().await;
        output.end().await;
        let exit = match ended {
            Ok(code) => {
                let out_of_memory =
                    handle.was_killed_by_kernel(code, has_memory_limit) || handle.met_memory_limit().await;
                let reason = "OutOfMemoryError: Container killed due to memory usage";
                Exit { code: i32::try_from(code).ok(), reason: out_of_memory.then(|| reason.to_owned()) }
            }
            Err(error) => {
                let reason = format!("CannotInspectContainerError: {}", message(&error));
                Exit { code: None, reason: Some(reason) }
            }
        };
        // One that cannot be removed now is removed at the end.
        let _ = made.remove_container(&handle.name).await;
        exit
    }
}

impl DockerHandle {
    /// Asks it to stop by its image's stop signal, or SIGTERM; the engine kills it after its stopTimeout.
    pub(in super::super::super) fn stop(&self) {
        let seconds = i32::try_from(self.stop_timeout.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        self.end_with(move |handle| async move {
            let _ = handle.docker.stop_container(&handle.name, Some(options)).await;
        });
    }

    /// Kills it.
    pub(in super::super::super) fn kill(&self) {
        self.end_with(|handle| async move {
            let _ = handle.docker.kill_container(&handle.name, None).await;
        });
    }

    /// Waits until the engine has found it healthy; one that has ended never is.
    pub(in super::super::super) async fn healthy(&self) {
        loop {
            let container = self.docker.inspect_container(&self.name, None).await;
            let health = container.ok().and_then(|container| container.state?.health?.status);
            if health == Some(HealthStatusEnum::HEALTHY) {
                return;
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    /// Sends a request on its way. What comes of it is seen where the container's end is waited for.
    fn end_with<F: Future<Output = ()> + Send + 'static>(&self, request: impl FnOnce(Self) -> F) {
        self.was_ended.store(true, Ordering::Relaxed);
        // Without a runtime nothing of the rehearsal runs any more, and close() has removed the container.
        if let Ok(runtime) = runtime::Handle::try_current() {
            runtime.spawn(request(self.clone()));
        }
    }

    /// The exit code, once there is one.
    async fn ended(&self) -> Result<i64, Error> {
        let mut tries = 0;
        loop {
            let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
            let mut waiting = pin!(self.docker.wait_container(&self.name, Some(options)));
            match waiting.next().await {
                Some(Ok(ended)) => return Ok(ended.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => return Ok(code),
                Some(Err(error @ Error::DockerResponseServerError { status_code: 404, .. })) => {
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

    /// Only the kernel kills a container that has a limit when the stage has not: Podman does not notice it
    /// everywhere.
    fn was_killed_by_kernel(&self, code: i64, has_memory_limit: bool) -> bool {
        code == KILLED && has_memory_limit && !self.was_ended.load(Ordering::Relaxed)
    }

    /// The engine has seen it run out of memory.
    async fn met_memory_limit(&self) -> bool {
        let container = self.docker.inspect_container(&self.name, None).await.ok();
        container.and_then(|container| container.state?.oom_killed).unwrap_or(false)
    }
}
