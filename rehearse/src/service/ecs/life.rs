//! The life of one task: PROVISIONING → PENDING → RUNNING → DEPROVISIONING → STOPPED.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html>

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, mpsc, watch};

use super::{
    ContainerSpec, EcsInner,
    dependency::{Readiness, readiness},
    engine::Handle,
    event,
    job::{Exit, Job, LineSink},
    task::StageTask,
};
use crate::{
    config::{now, random_hex},
    protocol::lock,
    report::Report,
};

/// The end of a container.
struct ContainerEnd {
    index: usize,
    exit: Exit,
}

/// Plays the life of the task with this ARN.
pub(super) async fn live(
    shared: Arc<EcsInner>,
    arn: String,
    jobs: Vec<Job>,
    mut stop: watch::Receiver<bool>,
) {
    let life = Arc::new(Life {
        shared,
        arn,
        became_healthy: Notify::new(),
    });
    let pace = life.shared.pace;
    for status in ["PROVISIONING", "PENDING"] {
        life.change(|task| task.last_status = status);
        tokio::select! {
            () = tokio::time::sleep(pace.start) => {}
            () = asked_to_stop(&mut stop) => return life.deprovision(pace.deprovision).await,
        }
    }
    let (ended, mut ends) = mpsc::unbounded_channel();
    if let Err(reason) = life
        .start_containers(&jobs, &ended, &mut ends, &mut stop)
        .await
    {
        life.change(|task| {
            // A StopTask during the start has already set its own stop code and reason.
            if task.desired_status != "STOPPED" {
                task.request_stop("TaskFailedToStart", &reason);
            }
        });
        life.stop_containers(&jobs, &mut ends).await;
        return life.deprovision(pace.deprovision).await;
    }
    life.change(|task| {
        task.last_status = "RUNNING";
        task.started_at = Some(now());
    });
    life.run(&jobs, &mut ends, &mut stop).await;
    life.stop_containers(&jobs, &mut ends).await;
    life.deprovision(pace.deprovision).await;
}

async fn asked_to_stop(stop: &mut watch::Receiver<bool>) {
    // A closed channel means that the task is gone, so nothing is left to stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Life {
    shared: Arc<EcsInner>,
    arn: String,
    /// Wakes containers that wait for another one to become healthy.
    became_healthy: Notify,
}

impl Life {
    fn change(&self, change: impl FnOnce(&mut StageTask)) {
        let mut state = lock(&self.shared.state);
        if let Some(task) = state.tasks.iter_mut().find(|task| task.arn == self.arn) {
            change(task);
            // Consumers order events by this number: ECS promises no order.
            task.version += 1;
            if task.desired_status == "STOPPED" {
                self.shared.task_ends.send_replace(());
            }
            if let Some(events) = &self.shared.events {
                events(event::state_change(task));
            }
        }
    }

    fn read<T>(&self, read: impl FnOnce(&StageTask) -> T) -> Option<T> {
        lock(&self.shared.state)
            .tasks
            .iter()
            .find(|task| task.arn == self.arn)
            .map(read)
    }

    /// Starts the containers in the order of their dependencies. `Err` is the stoppedReason of a
    /// failed start.
    async fn start_containers(
        self: &Arc<Self>,
        jobs: &[Job],
        ended: &mpsc::UnboundedSender<ContainerEnd>,
        ends: &mut mpsc::UnboundedReceiver<ContainerEnd>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), String> {
        let mut waiting: Vec<usize> = (0..jobs.len()).collect();
        while !waiting.is_empty() {
            let waiting_for = self.read(|task| {
                let of_job = |index: &usize| readiness(&jobs[*index].spec, &task.containers);
                waiting.iter().map(of_job).collect::<Vec<_>>()
            });
            let waiting_for = waiting_for.unwrap_or_default();
            if let Some(Readiness::Hopeless(reason)) = waiting_for
                .iter()
                .find(|one| matches!(one, Readiness::Hopeless(_)))
            {
                return Err(reason.clone());
            }
            let ready = waiting_for.iter().position(|one| *one == Readiness::Ready);
            match ready {
                Some(position) => {
                    let index = waiting.remove(position);
                    // A pull may take minutes, and StopTask must end it.
                    tokio::select! {
                        prepared = self.prepare(index, &jobs[index]) => prepared?,
                        () = asked_to_stop(stop) => {
                            return Err("Task stopped before it had started".to_owned());
                        }
                    }
                    self.start_container(index, &jobs[index], ended).await?;
                }
                None => tokio::select! {
                    Some(end) = ends.recv() => self.container_ended(&end),
                    () = self.became_healthy.notified() => {}
                    () = asked_to_stop(stop) => {
                            return Err("Task stopped before it had started".to_owned());
                        }
                },
            }
        }
        Ok(())
    }

    /// Gets a container's image, if the engine needs one.
    async fn prepare(&self, index: usize, job: &Job) -> Result<(), String> {
        if let Some(note) = self.shared.engine.ignored_image(&job.spec)
            // Tasks often share containers: one note for each is enough.
            && lock(&self.shared.state).ignored_images.insert(note.clone())
        {
            (self.shared.reporter)(Report::Note(note));
        }
        self.shared
            .engine
            .prepare(job)
            .await
            .inspect_err(|error| self.set_reason(index, error))
    }

    fn set_reason(&self, index: usize, reason: &str) {
        self.change(|task| task.containers[index].reason = Some(reason.to_owned()));
    }

    async fn start_container(
        self: &Arc<Self>,
        index: usize,
        job: &Job,
        ended: &mpsc::UnboundedSender<ContainerEnd>,
    ) -> Result<(), String> {
        let engine = &self.shared.engine;
        let container = engine
            .start(&self.arn, job, self.line_sink(&job.spec))
            .await;
        let container = container.inspect_err(|error| self.set_reason(index, error))?;
        let (handle, checks_health) = (container.handle(), engine.checks_health(&job.spec));
        self.change(|task| {
            let container = &mut task.containers[index];
            container.last_status = "RUNNING";
            container.runtime_id = Some(format!("{}-{}", random_hex(32), random_hex(10)));
            container.handle = Some(handle.clone());
            // A container without a check that this engine runs must not block those that wait for
            // HEALTHY.
            container.is_healthy = !checks_health;
        });
        let (life, spec) = (Arc::clone(self), job.spec.clone());
        let checking = checks_health.then(|| {
            tokio::spawn(async move {
                handle.healthy(&spec).await;
                life.change(|task| task.containers[index].is_healthy = true);
                life.became_healthy.notify_one();
            })
        });
        let ended = ended.clone();
        tokio::spawn(async move {
            let exit = container.end().await;
            checking.inspect(tokio::task::JoinHandle::abort);
            // Nobody receives this once the stage has closed.
            let _ = ended.send(ContainerEnd { index, exit });
        });
        Ok(())
    }

    fn line_sink(&self, spec: &ContainerSpec) -> LineSink {
        let id = self.arn.rsplit('/').next().unwrap_or_default();
        let stream = spec
            .logs
            .as_ref()
            .map(|(group, prefix)| (group.clone(), format!("{prefix}/{}/{id}", spec.name)));
        let (shared, container) = (Arc::clone(&self.shared), spec.name.clone());
        Arc::new(move |line| {
            if let Some((group, stream)) = &stream {
                shared.logs.put(group, stream, now(), line);
            }
            (shared.reporter)(Report::Line {
                container: container.clone(),
                text: line.to_owned(),
            });
        })
    }

    /// Runs until an essential container or every container has ended, or the task is stopped.
    async fn run(
        &self,
        jobs: &[Job],
        ends: &mut mpsc::UnboundedReceiver<ContainerEnd>,
        stop: &mut watch::Receiver<bool>,
    ) {
        let essential_ended = || {
            self.read(|task| {
                let mut containers = task.containers.iter().zip(jobs);
                containers.any(|(container, job)| {
                    job.spec.essential && container.last_status == "STOPPED"
                })
            })
            // A task that is gone needs no further waiting.
            .unwrap_or(true)
        };
        while !essential_ended() {
            tokio::select! {
                Some(end) = ends.recv() => self.container_ended(&end),
                () = asked_to_stop(stop) => return,
            }
        }
        self.change(|task| {
            task.request_stop(
                "EssentialContainerExited",
                "Essential container in task exited",
            )
        });
    }

    fn container_ended(&self, end: &ContainerEnd) {
        self.change(|task| {
            let container = &mut task.containers[end.index];
            container.last_status = "STOPPED";
            container.exit_code = end.exit.code;
            container.handle = None;
            // A reason from the start says more than that of the end.
            if container.reason.is_none() {
                container.reason.clone_from(&end.exit.reason);
            }
        });
    }

    /// Sends SIGTERM to every running container, and SIGKILL to each that outlives its stopTimeout.
    async fn stop_containers(
        &self,
        jobs: &[Job],
        ends: &mut mpsc::UnboundedReceiver<ContainerEnd>,
    ) {
        let handles = || -> Vec<Option<Handle>> {
            self.read(|task| {
                task.containers
                    .iter()
                    .map(|container| container.handle.clone())
                    .collect()
            })
            .unwrap_or_default()
        };
        handles().iter().flatten().for_each(Handle::stop);
        let kill_after = |index: usize| {
            let timeout = jobs
                .get(index)
                .map_or(Duration::from_secs(30), |job| job.spec.stop_timeout);
            tokio::time::sleep(timeout)
        };
        let kills = handles()
            .into_iter()
            .enumerate()
            .filter_map(|(index, handle)| {
                let kill = kill_after(index);
                handle.map(|handle| async move {
                    kill.await;
                    handle.kill();
                })
            });
        let kills: Vec<_> = kills.map(tokio::spawn).collect();
        while handles().iter().any(Option::is_some) {
            let Some(end) = ends.recv().await else { break };
            self.container_ended(&end);
        }
        kills.iter().for_each(tokio::task::JoinHandle::abort);
        self.change(|task| {
            task.containers
                .iter_mut()
                .for_each(|container| container.last_status = "STOPPED")
        });
    }

    async fn deprovision(&self, pace: Duration) {
        // The engine releases volumes only after the last container.
        self.shared.engine.release(&self.arn).await;
        // Exit codes and stopCode are complete in this state; on Fargate the network interface
        // takes some 20 s more.
        self.change(|task| {
            task.last_status = "DEPROVISIONING";
            task.execution_stopped_at = Some(now());
            task.containers
                .iter_mut()
                .for_each(|container| container.last_status = "STOPPED");
        });
        tokio::time::sleep(pace).await;
        self.change(|task| {
            task.last_status = "STOPPED";
            task.stopped_at = Some(now());
        });
    }
}
