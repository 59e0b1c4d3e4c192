//! A deployment's lifecycle hook: ECS invokes the function at a stage of a service's deployment,
//! until the function says how its run has ended.
//!
//! Pure. [`Hook`] is an invocation, [`HookRun`] is the state that ECS keeps for the next one, and
//! [`HookStatus`] is the answer.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{
    answer::Answer,
    limit::Limit,
    texts,
    wait::{self, Goal, TimedOut, Wait},
};
use crate::{
    cfn::{ReplyTo, RequestType},
    identity,
    properties::{Properties, hook::ServiceRevision},
    reason::Reason,
    task::{TaskArn, TaskDefinition},
};

/// The stages at which a task can run. ECS invokes each of them once in a deployment.
pub const STAGES: [&str; 5] = [
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "RECONCILE_SERVICE",
    "POST_TEST_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];
/// The version of the state that ECS keeps. A state of another version counts as lost.
const VERSION: u32 = 1;
/// The time for which a refused start is tried again over several invocations, for example without
/// capacity. A call that AWS does not answer is repeated for all of Timeout.
const START_PATIENCE: Duration = Duration::seconds(60);
/// The time that tasks of an earlier deployment have to end.
const CLEAR_PATIENCE: Duration = Duration::minutes(10);
/// The time that timed-out tasks have to end. ECS kills a container after its stopTimeout, which is
/// 120 s at most on Fargate.
const STOP_PATIENCE: Duration = Duration::minutes(10);
/// The time after the start in which the looks are frequent.
const FIRST_MINUTE: Duration = Duration::MINUTE;

/// One invocation of a hook by ECS.
#[derive(Clone, PartialEq)]
pub struct Hook {
    /// The service deployment's ARN.
    pub deployment: String,
    /// The service's ARN.
    pub service: String,
    /// The lifecycle stage, `PRE_SCALE_UP`.
    pub stage: String,
    /// The ARN of the service revision that is being deployed.
    pub revision: String,
    /// The details as the service has them. They hold environment values.
    details: Value,
    /// The member that the invocation lacks, although ECS always gives it.
    lacks: Option<&'static str>,
    /// The state that an earlier invocation has left. `None` on the first one, and if it was lost.
    pub run: Option<HookRun>,
}

/// The state of a hook's run, which ECS keeps from one invocation to the next. It holds no
/// environment value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookRun {
    /// The format's version; this is 1.
    version: u32,
    /// The stage that it belongs to. Whether ECS keeps the details from stage to stage is not
    /// documented.
    stage: String,
    /// The tasks that have started.
    pub tasks: Vec<TaskArn>,
    /// The client token's number, counted from 0.
    pub attempt: u32,
    /// How often the run has been started anew, for StartRetries.
    #[serde(default)]
    pub retries: u32,
    /// The time of the first invocation, or of the last start.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// The end of Timeout, once the tasks have started.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub deadline: Option<OffsetDateTime>,
    /// Name or ARN of the cluster.
    #[serde(default)]
    cluster: String,
    /// The creation time of the service revision.
    #[serde(default, with = "time::serde::rfc3339::option")]
    revision_created_at: Option<OffsetDateTime>,
    /// Subnets, security groups and public address, for the Reason.
    #[serde(default)]
    network: Option<String>,
    /// The task definition without its environment, once it has been read.
    #[serde(default)]
    definition: Option<Box<TaskDefinition>>,
    /// The first look that showed all tasks over while a fact was missing.
    #[serde(default, with = "time::serde::rfc3339::option")]
    over_since: Option<OffsetDateTime>,
    /// The first look at which ECS did not know one of the tasks.
    #[serde(default, with = "time::serde::rfc3339::option")]
    missing_since: Option<OffsetDateTime>,
    /// The state of the run at its deadline, if the tasks are being stopped.
    #[serde(default)]
    timed_out: Option<TimedOut>,
    /// The Reason of the start that has failed for good. The next invocation stops what was started
    /// beside it, and answers FAILED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Box<Reason>>,
}

/// The answer to an invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum HookStatus {
    /// SUCCEEDED, and the deployment goes on; or FAILED, and ECS rolls it back.
    Done(Answer),
    /// IN_PROGRESS: ECS invokes the function again.
    InProgress(Box<HookRun>),
}

impl HookStatus {
    /// The function's result for FAILED.
    pub fn failed() -> Value {
        json!({"hookStatus": "FAILED"})
    }
}

impl Hook {
    /// The payload is an invocation by ECS, whatever it lacks.
    pub fn is_one(payload: &Value) -> bool {
        payload.get("lifecycleStage").is_some() || payload.get("executionDetails").is_some()
    }

    /// Reads an invocation. What it lacks is told by [`Hook::properties`].
    pub fn read(payload: &Value) -> Self {
        let text = |name: &str| {
            // An older form of the payload has all members at its top.
            let places = [&payload["executionDetails"][name], &payload[name]];
            let text = places.into_iter().find_map(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let mut lacks = None;
        let mut needed = |name: &'static str| {
            text(name).unwrap_or_else(|| {
                lacks = lacks.or(Some(name));
                String::new()
            })
        };
        let given = &payload["hookDetails"];
        // A template gives the details as a text.
        let read = given
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        let mut details = read.unwrap_or_else(|| given.clone());
        let run = details
            .as_object_mut()
            .and_then(|details| details.remove("Run"));
        let stage = needed("lifecycleStage");
        let (deployment, service) = (needed("resourceArn"), needed("serviceArn"));
        let revision = needed("targetServiceRevisionArn");
        Self {
            run: run.and_then(|run| HookRun::read(&run, &stage)),
            deployment,
            service,
            stage,
            revision,
            details,
            lacks,
        }
    }

    /// The properties of its run, as far as the details give them. `Err` is the Reason why the hook
    /// can never run.
    pub fn properties(&self) -> Result<Properties, Box<Reason>> {
        if let Some(name) = self.lacks {
            return Err(Box::new(texts::hook_lacks(name)));
        }
        if !STAGES.contains(&self.stage.as_str()) {
            return Err(Box::new(texts::stage_refused(&self.stage)));
        }
        let Some(task) = self.details.get("ECSTask") else {
            return Err(Box::new(texts::no_ecs_task(&self.details)));
        };
        let wrong = |errors| Box::new(texts::hook_details_refused(&errors));
        Properties::read_for_hook(task).map_err(wrong)
    }

    /// The one who asks, as the tasks' marks name it. `revision_created_at` tells an earlier
    /// deployment from a later one.
    ///
    /// All deployments of a service share `startedBy` at a stage, so that each finds what an earlier
    /// one has left running. The RequestId, from which the client token derives, names the
    /// deployment, and a digest of stage and details: each invocation of the hook derives the same.
    pub fn reply_to(&self, revision_created_at: Option<OffsetDateTime>) -> ReplyTo {
        ReplyTo {
            response_url: None,
            stack_id: self.service.clone(),
            request_id: identity::hook_request_id(
                &self.deployment,
                &self.stage,
                &self.details.to_string(),
            ),
            logical_resource_id: self.stage.clone(),
            physical_resource_id: String::new(),
            no_echo: false,
            given_up_at: None,
            wait_handle: None,
            revision_created_at,
        }
    }

    /// The name of the cluster, from the service's ARN: `service/<cluster>/<name>`. `None` for the
    /// older form of the ARN, which lacks it.
    pub fn cluster_name(&self) -> Option<&str> {
        match self.service.split('/').collect::<Vec<_>>()[..] {
            [_, cluster, _] => Some(cluster),
            _ => None,
        }
    }

    /// The service's name.
    pub fn service_name(&self) -> &str {
        self.service.rsplit('/').next().unwrap_or_default()
    }

    /// The result of the function for ECS.
    ///
    /// The details of the service go along with the run's state: AWS says that it merges them, and
    /// not how deeply.
    pub fn answer(&self, status: &HookStatus, now: OffsetDateTime) -> Value {
        match status {
            HookStatus::Done(Answer::Succeeded(..)) => json!({"hookStatus": "SUCCEEDED"}),
            HookStatus::Done(Answer::Failed(_)) => HookStatus::failed(),
            HookStatus::InProgress(run) => {
                let mut details = match &self.details {
                    Value::Object(_) => self.details.clone(),
                    _ => json!({}),
                };
                details["Run"] = json!(run);
                json!({
                    "hookStatus": "IN_PROGRESS",
                    "callBackDelay": run.delay(now),
                    "hookDetails": details,
                })
            }
        }
    }
}

impl HookRun {
    /// The run at this stage, before anything has started.
    pub fn begin(stage: &str, now: OffsetDateTime) -> Self {
        Self {
            version: VERSION,
            stage: stage.to_owned(),
            tasks: Vec::new(),
            attempt: 0,
            retries: 0,
            started_at: now,
            deadline: None,
            cluster: String::new(),
            revision_created_at: None,
            network: None,
            definition: None,
            over_since: None,
            missing_since: None,
            timed_out: None,
            failed: None,
        }
    }

    /// Reads the state. A state of another version or form counts as lost: the client token finds
    /// the tasks again. One of another stage is not this run's.
    fn read(value: &Value, stage: &str) -> Option<Self> {
        let run: Self = serde_json::from_value(value.clone()).ok()?;
        (run.version == VERSION && run.stage == stage).then_some(run)
    }

    /// All tasks of these properties have started.
    pub fn is_started(&self, properties: &Properties) -> bool {
        !self.tasks.is_empty() && self.tasks.len() >= properties.tasks()
    }

    /// A start that failed for now may be tried again: for a minute and never past Timeout.
    pub fn may_start_later(&self, now: OffsetDateTime, properties: &Properties) -> bool {
        let timeout = Duration::seconds(properties.timeout.into());
        now - self.started_at < timeout.min(START_PATIENCE)
    }

    /// A call that AWS did not answer may be made again: for all of Timeout.
    pub fn may_ask_again(&self, now: OffsetDateTime, properties: &Properties) -> bool {
        let timeout = Duration::seconds(properties.timeout.into());
        now - self.started_at < timeout.max(START_PATIENCE)
    }

    /// A step that this invocation had no time for may be made by a later one.
    pub fn may_go_on(&self, now: OffsetDateTime) -> bool {
        match self.deadline {
            Some(deadline) => now < deadline + STOP_PATIENCE,
            None => self.may_clear_later(now),
        }
    }

    /// Tasks of an earlier deployment may still end.
    pub fn may_clear_later(&self, now: OffsetDateTime) -> bool {
        now - self.started_at < CLEAR_PATIENCE
    }

    /// The start is over, or its next attempt has this number. Remembers what later looks need.
    #[must_use]
    pub fn started(
        self,
        tasks: Vec<TaskArn>,
        attempt: u32,
        (properties, revision): (&Properties, &ServiceRevision),
    ) -> Self {
        let network = properties.network_configuration.as_ref();
        Self {
            tasks,
            attempt,
            cluster: properties.cluster.clone(),
            revision_created_at: revision.created_at,
            network: network.map(ToString::to_string),
            ..self
        }
    }

    /// The start has failed for good.
    #[must_use]
    pub fn failing(self, reason: Reason) -> Self {
        Self {
            failed: Some(Box::new(reason)),
            ..self
        }
    }

    /// Timeout counts from `began_at`.
    #[must_use]
    pub fn timing(self, properties: &Properties, began_at: OffsetDateTime) -> Self {
        let timeout = Duration::seconds(properties.timeout.into());
        Self {
            started_at: began_at,
            // A run that is started anew keeps its deadline.
            deadline: self.deadline.or(Some(began_at + timeout)),
            ..self
        }
    }

    /// The tasks were created at this time, which counts if it is earlier than the known one.
    #[must_use]
    pub fn begun_at(self, created_at: Option<OffsetDateTime>, properties: &Properties) -> Self {
        let Some(created_at) = created_at.filter(|at| *at < self.started_at) else {
            return self;
        };
        let deadline = created_at + Duration::seconds(properties.timeout.into());
        Self {
            started_at: created_at,
            deadline: self.deadline.map(|known| known.min(deadline)),
            ..self
        }
    }

    /// The run is started anew, because no container of it ever ran. `None` if StartRetries or
    /// Timeout is used up.
    pub fn anew(&self, properties: &Properties, now: OffsetDateTime) -> Option<Self> {
        let may = self.retries < properties.start_retries
            && self.deadline.is_some_and(|deadline| now < deadline);
        may.then(|| Self {
            attempt: self.attempt + 1,
            retries: self.retries + 1,
            deadline: self.deadline,
            ..Self::begin(&self.stage, now)
        })
    }

    /// The name or ARN of its cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The creation time of the service revision.
    pub fn revision_created_at(&self) -> Option<OffsetDateTime> {
        self.revision_created_at
    }

    /// The wait for its tasks.
    pub fn wait(&self, properties: &Properties, reply_to: ReplyTo) -> Wait {
        let deadline = self.deadline.unwrap_or(self.started_at);
        let settle_by = deadline + STOP_PATIENCE;
        Wait {
            version: wait::VERSION,
            reply_to,
            // No text shows it: a hook has no request.
            request_type: RequestType::Update,
            goal: Goal::Success,
            cluster: self.cluster.clone(),
            tasks: self.tasks.clone(),
            started_at: self.started_at,
            deadline: match &self.timed_out {
                Some(_) => settle_by,
                None => deadline,
            },
            limit: Limit::Timeout(properties.timeout),
            poll_interval: None,
            next_look: self.started_at,
            over_since: self.over_since,
            hop: 0,
            watch_containers: properties.watch_containers().to_vec(),
            success_exit_codes: properties.success_exit_codes.clone(),
            log_lines: properties.log_lines,
            return_output: false,
            network: self.network.clone(),
            missing_since: self.missing_since,
            settle_by,
            timed_out: self.timed_out.clone(),
            definition: self.definition.clone(),
            may_restart: false,
        }
    }

    /// The state after a look.
    #[must_use]
    pub fn seen(self, wait: Wait, definition: Option<&TaskDefinition>) -> Self {
        Self {
            definition: self.definition.or(definition.cloned().map(Box::new)),
            over_since: wait.over_since,
            missing_since: wait.missing_since,
            timed_out: wait.timed_out,
            ..self
        }
    }

    /// The seconds until the next invocation: 5 in the first minute, 15 after it, and never beyond
    /// the deadline.
    fn delay(&self, now: OffsetDateTime) -> i64 {
        let pause = match now - self.started_at < FIRST_MINUTE || self.timed_out.is_some() {
            true => 5,
            false => 15,
        };
        let left = self.deadline.filter(|_| self.timed_out.is_none());
        let left = left.map(|deadline| (deadline - now).whole_seconds() + 1);
        left.map_or(pause, |left| pause.min(left.max(1)))
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook")
            .field("deployment", &self.deployment)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
