//! Settings of a container definition that need an image. Local processes ignore them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

/// The settings of one container.
#[derive(Clone, Debug, Default)]
pub struct ContainerSettings {
    /// The network mode of its task: `awsvpc`, `bridge`, `host` or `none`.
    pub network_mode: String,
    /// The user, in place of the image's.
    pub user: Option<String>,
    /// The hard limit in MiB: the container's own, or else the task's.
    pub memory: Option<u64>,
    /// The container cannot write to its root file system.
    pub is_read_only: bool,
    /// The container has root's rights on the machine.
    pub is_privileged: bool,
    /// The first process is an init that reaps zombies.
    pub has_init_process: bool,
    /// Labels that the template gives it.
    pub labels: BTreeMap<String, String>,
    /// The mounts of the task's volumes.
    pub mount_points: Vec<MountPoint>,
    /// The health check, if there is one.
    pub health_check: Option<HealthCheck>,
}

/// A command in the container that exits with 0 if the container is healthy.
///
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `CMD` or `CMD-SHELL`, then the command.
    pub command: Vec<String>,
    /// Time between two tries.
    pub interval: Duration,
    /// Time limit of one try.
    pub timeout: Duration,
    /// Number of failed tries that make the container unhealthy.
    pub retries: u64,
    /// Time after the start in which failed tries do not count.
    pub start_period: Duration,
}

/// A mount of a task's volume in a container.
#[derive(Clone, Debug)]
pub struct MountPoint {
    /// The volume's name in the task definition.
    pub source_volume: String,
    /// The path in the container.
    pub container_path: String,
    /// The container cannot write to it.
    pub is_read_only: bool,
}

impl ContainerSettings {
    /// Reads a container definition of a task definition, both with ECS's names and types.
    pub(super) fn read(container: &Value, definition: &Value) -> Self {
        let labels = container["dockerLabels"].as_object().into_iter().flatten();
        let mount_points = container["mountPoints"].as_array().into_iter().flatten();
        Self {
            // bridge is ECS's default on Linux.
            network_mode: definition["networkMode"]
                .as_str()
                .unwrap_or("bridge")
                .to_owned(),
            user: container["user"].as_str().map(str::to_owned),
            // A container without a limit of its own may use the memory of its task.
            memory: container["memory"]
                .as_u64()
                .or_else(|| mebibytes(&definition["memory"])),
            is_read_only: boolean(&container["readonlyRootFilesystem"]),
            is_privileged: boolean(&container["privileged"]),
            has_init_process: boolean(&container["linuxParameters"]["initProcessEnabled"]),
            labels: labels
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            mount_points: mount_points.filter_map(MountPoint::read).collect(),
            health_check: HealthCheck::read(&container["healthCheck"]),
        }
    }

    /// Applies a ContainerOverride.
    pub(super) fn overridden(mut self, container_override: &Value) -> Self {
        self.memory = container_override["memory"].as_u64().or(self.memory);
        self
    }
}

impl HealthCheck {
    fn read(json: &Value) -> Option<Self> {
        let words = json["command"].as_array()?;
        let number = |name: &str, default: u64| {
            json[name]
                .as_u64()
                .or_else(|| json[name].as_str()?.parse().ok())
                .unwrap_or(default)
        };
        Some(Self {
            command: words
                .iter()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
            // The defaults are ECS's.
            interval: Duration::from_secs(number("interval", 30)),
            timeout: Duration::from_secs(number("timeout", 5)),
            retries: number("retries", 3),
            start_period: Duration::from_secs(number("startPeriod", 0)),
        })
    }
}

impl MountPoint {
    fn read(json: &Value) -> Option<Self> {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        Some(Self {
            source_volume: text("sourceVolume")?,
            container_path: text("containerPath")?,
            is_read_only: boolean(&json["readOnly"]),
        })
    }
}

/// A task's memory in MiB, from `512`, `"512"`, `"0.5GB"` or `"1 GB"`.
fn mebibytes(memory: &Value) -> Option<u64> {
    let text = match memory {
        Value::Number(number) => return number.as_u64(),
        other => other.as_str()?.trim().to_ascii_uppercase(),
    };
    match text.strip_suffix("GB") {
        Some(gibibytes) => gibibytes
            .trim()
            .parse::<f64>()
            .ok()
            .map(|size| (size * 1024.0) as u64),
        None => text.parse().ok(),
    }
}

/// Reads a boolean, which a template may give as text.
fn boolean(json: &Value) -> bool {
    json.as_bool().unwrap_or_else(|| {
        json.as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(container: Value, task_memory: Value, expected: Option<u64>) {
        let settings = ContainerSettings::read(&container, &json!({ "memory": task_memory }));
        assert_eq!(settings.memory, expected);
    }

    #[test]
    fn a_container_is_limited_by_its_own_memory_or_by_the_tasks() {
        check(json!({}), Value::Null, None);
        check(json!({"memory": 128}), json!("512"), Some(128));
        check(json!({}), json!("512"), Some(512));
        check(json!({}), json!(512), Some(512));
        check(json!({}), json!("0.5 GB"), Some(512));
        check(json!({}), json!("2GB"), Some(2048));
    }

    #[test]
    fn a_health_check_has_the_defaults_of_ecs() {
        assert_eq!(HealthCheck::read(&Value::Null), None);
        let check = HealthCheck::read(&json!({"command": ["CMD", "pg_isready"], "interval": "5"}));
        let expected = HealthCheck {
            command: vec!["CMD".to_owned(), "pg_isready".to_owned()],
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            retries: 3,
            start_period: Duration::ZERO,
        };
        assert_eq!(check, Some(expected));
    }

    #[test]
    fn an_override_sets_the_limit_anew() {
        let settings = ContainerSettings {
            memory: Some(128),
            ..ContainerSettings::default()
        };
        assert_eq!(
            settings.clone().overridden(&json!({"memory": 64})).memory,
            Some(64)
        );
        assert_eq!(settings.overridden(&json!({})).memory, Some(128));
    }
}
