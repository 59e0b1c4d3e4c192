//! A task and its containers, as the API describes them.

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::engine::Handle;
use crate::config::{arn, now};
use ecs_tasks::{epoch::milliseconds, task::family};

/// A task on the stage.
pub(super) struct StageTask {
    pub(super) arn: String,
    pub(super) cluster: String,
    pub(super) definition_arn: String,
    pub(super) started_by: String,
    pub(super) tags: Value,
    pub(super) overrides: Value,
    pub(super) last_status: &'static str,
    pub(super) desired_status: &'static str,
    pub(super) stop_code: Option<&'static str>,
    pub(super) stopped_reason: Option<String>,
    pub(super) containers: Vec<StageContainer>,
    pub(super) created_at: OffsetDateTime,
    pub(super) started_at: Option<OffsetDateTime>,
    pub(super) stopping_at: Option<OffsetDateTime>,
    pub(super) execution_stopped_at: Option<OffsetDateTime>,
    pub(super) stopped_at: Option<OffsetDateTime>,
    pub(super) version: u32,
    /// True once somebody wants the task stopped.
    pub(super) stop: watch::Sender<bool>,
}

/// A container of a task.
#[derive(Default)]
pub(super) struct StageContainer {
    pub(super) name: String,
    pub(super) last_status: &'static str,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
    pub(super) runtime_id: Option<String>,
    /// True once the container counts as healthy for those that wait for it.
    pub(super) is_healthy: bool,
    /// The means to end it, while it runs.
    pub(super) handle: Option<Handle>,
}

impl StageTask {
    /// The task's JSON, for DescribeTasks and for events. `moment` writes a time, which differs
    /// between the two.
    pub(super) fn described(&self, with_tags: bool, moment: fn(OffsetDateTime) -> Value) -> Value {
        let containers: Vec<Value> = self
            .containers
            .iter()
            .map(|container| container.described(&self.arn))
            .collect();
        let mut json = json!({
            "taskArn": self.arn,
            "clusterArn": arn("ecs", &format!("cluster/{}", self.cluster)),
            "taskDefinitionArn": self.definition_arn,
            "lastStatus": self.last_status,
            "desiredStatus": self.desired_status,
            "startedBy": self.started_by,
            "overrides": self.overrides,
            "containers": containers,
            "createdAt": moment(self.created_at),
            "group": format!("family:{}", family(&self.definition_arn)),
            "version": self.version,
        });
        let times = [
            ("startedAt", self.started_at),
            ("stoppingAt", self.stopping_at),
            ("executionStoppedAt", self.execution_stopped_at),
            ("stoppedAt", self.stopped_at),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                json[name] = moment(time);
            }
        }
        if let Some(code) = self.stop_code {
            json["stopCode"] = json!(code);
        }
        if let Some(reason) = &self.stopped_reason {
            json["stoppedReason"] = json!(reason);
        }
        // DescribeTasks returns tags on request alone, and events never have them.
        if with_tags {
            json["tags"] = self.tags.clone();
        }
        json
    }

    /// Asks the task to stop, for this reason unless it stops already.
    pub(super) fn request_stop(&mut self, code: &'static str, reason: &str) {
        if self.desired_status != "STOPPED" {
            self.desired_status = "STOPPED";
            self.stop_code = Some(code);
            self.stopped_reason = Some(reason.to_owned());
            self.stopping_at = Some(now());
        }
        self.stop.send_replace(true);
    }

    /// Kills its containers.
    pub(super) fn kill(&self) {
        self.containers
            .iter()
            .filter_map(|container| container.handle.as_ref())
            .for_each(Handle::kill);
    }
}

impl StageContainer {
    fn described(&self, task_arn: &str) -> Value {
        let mut json = json!({
            "containerArn": task_arn.replacen(":task/", ":container/", 1),
            "taskArn": task_arn,
            "name": self.name,
            "lastStatus": self.last_status,
        });
        // A container that never ran has no exit code.
        if let Some(code) = self.exit_code {
            json["exitCode"] = json!(code);
        }
        if let Some(reason) = &self.reason {
            json["reason"] = json!(reason);
        }
        if let Some(id) = &self.runtime_id {
            json["runtimeId"] = json!(id);
        }
        json
    }
}

/// A time in the API's form: seconds since the epoch.
pub(super) fn seconds(time: OffsetDateTime) -> Value {
    json!(milliseconds(time) as f64 / 1000.0)
}
