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
    query_parameters::{StopContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use tokio::{runtime, task::JoinHandle};

use super::{
    super::{Exit, Job, LineSink},
    made::Made,
    message, output,
};

/// A connection that follows a container lives as long as the container does.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the last lines may take once the container has ended.
const LAST_LINES: Duration = Duration::from_secs(10);
/// An engine that does not answer is asked again so often, and so long after.
const TRIES: u32 = 10;
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// 128 + SIGKILL.
const KILLED: i64 = 137;

/// A container and what it prints.
pub(in super::super::super) struct DockerContainer {
    handle: DockerHandle,
    output: JoinHandle<()>,
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
            output: output::follow(docker.clone(), name.clone(), lines),
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
    pub(in super::super::super) async fn end(mut self) -> Exit {
        let ended = self.handle.ended().await;
        if tokio::time::timeout(LAST_LINES, &mut self.output).await.is_err() {
            self.output.abort();
        }
        let exit = match ended {
            Ok(code) => Exit { code: i32::try_from(code).ok(), reason: self.reason(code).await },
            Err(error) => {
                let reason = format!("CannotInspectContainerError: {}", message(&error));
                Exit { code: None, reason: Some(reason) }
            }
        };
        // One that cannot be removed now is removed at the end.
        let _ = self.made.remove_container(&self.handle.name).await;
        exit
    }

    /// ECS's words if it ran out of memory. Podman does not notice that everywhere, but only the kernel kills a container
    /// with a limit when the stage has not.
    async fn reason(&self, code: i64) -> Option<String> {
        let was_killed = code == KILLED && !self.handle.was_ended.load(Ordering::Relaxed);
        let is_out_of_memory = (self.has_memory_limit && was_killed) || self.handle.met_memory_limit().await;
        is_out_of_memory.then(|| "OutOfMemoryError: Container killed due to memory usage".to_owned())
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

    /// The engine has seen it run out of memory.
    async fn met_memory_limit(&self) -> bool {
        let container = self.docker.inspect_container(&self.name, None).await.ok();
        container.and_then(|container| container.state?.oom_killed).unwrap_or(false)
    }
}
