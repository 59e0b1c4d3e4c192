//! A container that runs on the engine, until it is removed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerState, ContainerStateStatusEnum},
    query_parameters::{StopContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use tokio::{runtime, task::JoinHandle};

use super::{
    super::{Exit, Job, LineSink},
    message, output, remove,
};

/// A connection that follows a container lives as long as the container does.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the last lines may take once the container has ended.
const LAST_LINES: Duration = Duration::from_secs(10);
/// An engine that does not answer is asked again so often, and so long after.
const TRIES: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// 128 + SIGKILL.
const KILLED: i64 = 137;

/// A container and what it prints.
pub(in super::super::super) struct DockerContainer {
    handle: DockerHandle,
    output: JoinHandle<()>,
    has_memory_limit: bool,
}

/// The way to end it.
#[derive(Clone)]
pub(in super::super::super) struct DockerHandle {
    docker: Docker,
    id: String,
    stop_timeout: Duration,
    /// It did not end by itself.
    was_ended: Arc<AtomicBool>,
}

impl DockerContainer {
    /// Follows a container that has started.
    pub(super) fn follow(docker: Docker, id: String, job: &Job, lines: LineSink) -> Self {
        let docker = docker.with_timeout(DAY);
        Self {
            output: output::follow(docker.clone(), id.clone(), lines),
            has_memory_limit: job.spec.settings.memory.is_some(),
            handle: DockerHandle {
                docker,
                id,
                stop_timeout: job.spec.stop_timeout,
                was_ended: Arc::default(),
            },
        }
    }

    pub(in super::super::super) fn handle(&self) -> DockerHandle {
        self.handle.clone()
    }

    /// Waits for the end, takes all that was printed, and removes the container.
    pub(in super::super::super) async fn end(mut self) -> Exit {
        let state = self.handle.ended().await;
        if tokio::time::timeout(LAST_LINES, &mut self.output).await.is_err() {
            self.output.abort();
        }
        remove(&self.handle.docker, &self.handle.id).await;
        match state {
            Ok(state) => Exit {
                reason: self
                    .is_out_of_memory(&state)
                    .then(|| "OutOfMemoryError: Container killed due to memory usage".to_owned()),
                code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
            },
            Err(error) => {
                let reason = format!("CannotInspectContainerError: {}", message(&error));
                Exit { code: None, reason: Some(reason) }
            }
        }
    }

    /// Podman does not notice it everywhere. But only the kernel kills a container with a limit if the stage does not.
    fn is_out_of_memory(&self, state: &ContainerState) -> bool {
        let was_killed = state.exit_code == Some(KILLED) && !self.handle.was_ended.load(Ordering::Relaxed);
        state.oom_killed == Some(true) || (self.has_memory_limit && was_killed)
    }
}

impl DockerHandle {
    /// Asks it to stop by its image's stop signal, or SIGTERM; the engine kills it after its stopTimeout.
    pub(in super::super::super) fn stop(&self) {
        let seconds = i32::try_from(self.stop_timeout.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        self.end_with(move |handle| async move {
            let _ = handle.docker.stop_container(&handle.id, Some(options)).await;
        });
    }

    /// Kills it.
    pub(in super::super::super) fn kill(&self) {
        self.end_with(|handle| async move {
            let _ = handle.docker.kill_container(&handle.id, None).await;
        });
    }

    /// Sends a request on its way. What comes of it is seen where the container's end is waited for.
    fn end_with<F: Future<Output = ()> + Send + 'static>(&self, request: impl FnOnce(Self) -> F) {
        self.was_ended.store(true, Ordering::Relaxed);
        // Without a runtime nothing of the rehearsal runs any more, and close() has removed the container.
        if let Ok(runtime) = runtime::Handle::try_current() {
            runtime.spawn(request(self.clone()));
        }
    }

    /// How it was when it had ended.
    async fn ended(&self) -> Result<ContainerState, Error> {
        let mut tries = 0;
        loop {
            let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
            // An exit code other than 0 is an error here: the container itself is asked for it.
            let _ = self.docker.wait_container(&self.id, Some(options)).next().await;
            match self.docker.inspect_container(&self.id, None).await {
                Ok(container) => {
                    tries = 0;
                    let state = container.state.unwrap_or_default();
                    let ends = [ContainerStateStatusEnum::EXITED, ContainerStateStatusEnum::DEAD];
                    if state.status.is_some_and(|status| ends.contains(&status)) {
                        return Ok(state);
                    }
                }
                Err(error @ Error::DockerResponseServerError { status_code: 404, .. }) => return Err(error),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
