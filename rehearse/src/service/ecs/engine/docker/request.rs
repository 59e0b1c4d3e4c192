//! Requests to the engine, as ECS's agent would make them.

use std::{collections::HashMap, time::Duration};

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig};

use super::super::{super::HealthCheck, Job};

const MEBIBYTE: i64 = 1024 * 1024;

/// The request for a job's container, in the task with this ARN.
pub(super) fn container(
    task: &str,
    job: &Job,
    labels: HashMap<String, String>,
) -> ContainerCreateBody {
    let settings = &job.spec.settings;
    let given = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    let name = [(
        "com.amazonaws.ecs.container-name".to_owned(),
        job.spec.name.clone(),
    )];
    ContainerCreateBody {
        image: Some(job.spec.image.clone()),
        entrypoint: given(&job.entry_point),
        cmd: given(&job.command),
        env: Some(
            job.environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        user: settings.user.clone(),
        working_dir: job.spec.working_directory.clone(),
        healthcheck: settings.health_check.as_ref().map(health_config),
        // The rehearsal's labels come last, so that a template cannot replace them: cleaning up
        // relies on them.
        labels: Some(
            settings
                .labels
                .clone()
                .into_iter()
                .chain(name)
                .chain(labels)
                .collect(),
        ),
        host_config: Some(host_config(task, job)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(task: &str, job: &Job) -> HostConfig {
    let settings = &job.spec.settings;
    let memory = settings
        .memory
        .and_then(|size| i64::try_from(size).ok())
        .map(|size| size * MEBIBYTE);
    let binds = settings.mount_points.iter().map(|mount_point| {
        let mode = if mount_point.is_read_only { "ro" } else { "rw" };
        format!(
            "{}:{}:{mode}",
            volume_name(task, &mount_point.source_volume),
            mount_point.container_path
        )
    });
    HostConfig {
        // On the host's network the containers of a task reach each other at localhost, and a
        // database on this machine.
        network_mode: match settings.network_mode.as_str() {
            "awsvpc" | "host" => Some("host".to_owned()),
            "none" => Some("none".to_owned()),
            _ => None,
        },
        memory,
        // No swap: the kernel kills a container above its limit, as on Fargate.
        memory_swap: memory,
        readonly_rootfs: Some(settings.is_read_only),
        privileged: Some(settings.is_privileged),
        init: settings.has_init_process.then_some(true),
        binds: Some(binds.collect()),
        // The engine's default driver may be one that cannot be read from.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: None,
        }),
        ..HostConfig::default()
    }
}

fn health_config(check: &HealthCheck) -> HealthConfig {
    let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).ok();
    HealthConfig {
        test: Some(check.command.clone()),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        retries: i64::try_from(check.retries).ok(),
        start_period: nanoseconds(check.start_period),
        start_interval: None,
    }
}

/// A volume's name on the engine, which no other task uses.
pub(super) fn volume_name(task: &str, volume: &str) -> String {
    format!(
        "rehearse-{}-{volume}",
        task.rsplit('/').next().unwrap_or(task)
    )
}
