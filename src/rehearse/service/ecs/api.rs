//! ECS's operations, with the checks that a real request would meet.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html>

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Definition, Shared, State,
    life::{Job, live},
    task::{StageContainer, StageTask, seconds},
};
use crate::rehearse::{
    arn, now, random_hex,
    stage::{AwsError, lock},
};

/// What came of a client token.
pub(super) struct TokenUse {
    parameters: Value,
    tasks: Vec<String>,
}

pub(super) fn call(shared: &Arc<Shared>, operation: &str, body: &Value) -> Result<Value, AwsError> {
    match operation {
        "RunTask" => run_task(shared, body),
        "StartTask" => start_task(shared, body),
        "DescribeTasks" => describe_tasks(&mut lock(&shared.state), body),
        "ListTasks" => list_tasks(&mut lock(&shared.state), body),
        "StopTask" => stop_task(&mut lock(&shared.state), body),
        "DescribeServices" => describe_services(&lock(&shared.state), body),
        "DescribeTaskDefinition" => describe_task_definition(&lock(&shared.state), body),
        _ => Err(AwsError::unknown_operation(operation)),
    }
}

fn run_task(shared: &Arc<Shared>, body: &Value) -> Result<Value, AwsError> {
    let mut state = lock(&shared.state);
    let cluster = state.cluster(body)?;
    let count = body["count"].as_u64().unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(invalid("count should be between 1 and 10."));
    }
    if body["launchType"].is_string() && body["capacityProviderStrategy"].is_array() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported.",
        ));
    }
    let token = body["clientToken"].as_str().unwrap_or_default().to_owned();
    if token.len() > 64 {
        return Err(invalid("clientToken can have at most 64 characters."));
    }
    let mut parameters = body.clone();
    parameters["clientToken"] = Value::Null;
    if let Some(used) = state.tokens.get(&(cluster.clone(), token.clone())) {
        if used.parameters != parameters {
            let message =
                "The RunTask request could not be processed due to conflicts: the client token is in use.";
            let members = vec![("resourceIds", json!(used.tasks))];
            return Err(AwsError { members, ..AwsError::new("ConflictException", message) });
        }
        return Ok(json!({ "tasks": state.replayed(&used.tasks), "failures": [] }));
    }
    let tasks = start(shared, &mut state, &cluster, body, count as usize, 128)?;
    if !token.is_empty() {
        state.tokens.insert((cluster, token), TokenUse { parameters, tasks: tasks.clone() });
    }
    Ok(json!({ "tasks": state.described(&tasks), "failures": [] }))
}

fn start_task(shared: &Arc<Shared>, body: &Value) -> Result<Value, AwsError> {
    let mut state = lock(&shared.state);
    let cluster = state.cluster(body)?;
    let instances = body["containerInstances"].as_array().map_or(0, Vec::len);
    if !(1..=10).contains(&instances) {
        return Err(invalid("Container instances should have between 1 and 10 entries."));
    }
    let tasks = start(shared, &mut state, &cluster, body, instances, 36)?;
    Ok(json!({ "tasks": state.described(&tasks), "failures": [] }))
}

/// Starts tasks, if what is asked for makes sense; their ARNs.
fn start(
    shared: &Arc<Shared>,
    state: &mut State,
    cluster: &str,
    body: &Value,
    count: usize,
    started_by_limit: usize,
) -> Result<Vec<String>, AwsError> {
    let started_by = body["startedBy"].as_str().unwrap_or_default();
    let well_formed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '/');
    if started_by.len() > started_by_limit || !started_by.chars().all(well_formed) {
        return Err(invalid("startedBy is too long or has characters that are not allowed."));
    }
    if body["tags"].as_array().is_some_and(|tags| tags.len() > 50) {
        return Err(invalid("A resource can have at most 50 tags."));
    }
    let definition = state.definition(body["taskDefinition"].as_str().unwrap_or_default())?.clone();
    if !definition.active {
        return Err(AwsError::new("ClientException", "TaskDefinition is inactive"));
    }
    let overrides = &body["overrides"];
    if overrides.to_string().len() > 8192 {
        return Err(invalid("overrides can have at most 8192 characters."));
    }
    for override_ in overrides["containerOverrides"].as_array().into_iter().flatten() {
        let name = override_["name"].as_str().unwrap_or_default();
        if !definition.containers.iter().any(|container| container.name == name) {
            let message =
                format!("Override for container named {name} is not a container in the TaskDefinition.");
            return Err(invalid(&message));
        }
    }
    match (definition.network_mode.as_str(), body["networkConfiguration"].is_object()) {
        ("awsvpc", false) => {
            return Err(invalid(
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            ));
        }
        ("bridge" | "host" | "none", true) => {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            ));
        }
        _ => {}
    }

    let mut tasks = Vec::new();
    for _ in 0..count {
        let (stop, stopped) = watch::channel(false);
        let task = StageTask {
            arn: arn("ecs", &format!("task/{cluster}/{}", random_hex(32))),
            cluster: cluster.to_owned(),
            definition_arn: definition.arn.clone(),
            started_by: started_by.to_owned(),
            tags: body["tags"].as_array().map_or(json!([]), |tags| json!(tags)),
            overrides: if overrides.is_object() { overrides.clone() } else { json!({}) },
            last_status: "PROVISIONING",
            desired_status: "RUNNING",
            stop_code: None,
            stopped_reason: None,
            containers: definition
                .containers
                .iter()
                .map(|spec| spec.name.clone())
                .chain(state.injects.then(|| "aws-guardduty-agent-a1b2".to_owned()))
                .map(|name| StageContainer { name, last_status: "PENDING", ..Default::default() })
                .collect(),
            created_at: now(),
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            version: 1,
            stop,
        };
        let arn = task.arn.clone();
        tokio::spawn(live(Arc::clone(shared), arn.clone(), jobs(&definition, overrides), stopped));
        state.tasks.push(task);
        tasks.push(arn);
    }
    Ok(tasks)
}

/// What each container runs: its definition with the overrides applied. A secret has the value that a variable of the
/// same name has on this machine, if there is one.
#[expect(clippy::disallowed_methods, reason = "the stage has no Secrets Manager")]
fn jobs(definition: &Definition, overrides: &Value) -> Vec<Job> {
    let job = |spec: &super::ContainerSpec| {
        let mine = overrides["containerOverrides"].as_array().into_iter().flatten();
        let mine = mine.into_iter().find(|one| one["name"] == spec.name.as_str());
        let command = mine.and_then(|one| one["command"].as_array()).map_or_else(
            || spec.command.clone(),
            |command| command.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        );
        let secrets = spec.secrets.iter().map(|name| {
            let value = std::env::var(name).unwrap_or_else(|_| format!("rehearsed-secret-{name}"));
            (name.clone(), value)
        });
        let mut environment: BTreeMap<String, String> = secrets.chain(spec.environment.clone()).collect();
        for pair in mine.and_then(|one| one["environment"].as_array()).into_iter().flatten() {
            if let (Some(name), Some(value)) = (pair["name"].as_str(), pair["value"].as_str()) {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        Job { spec: spec.clone(), command: [spec.entry_point.clone(), command].concat(), environment }
    };
    definition.containers.iter().map(job).collect()
}

fn describe_tasks(state: &mut State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let asked = body["tasks"].as_array().cloned().unwrap_or_default();
    if asked.is_empty() || asked.len() > 100 {
        return Err(invalid("Tasks should have between 1 and 100 entries."));
    }
    let with_tags = body["include"].as_array().is_some_and(|include| include.contains(&json!("TAGS")));
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for asked in asked.iter().filter_map(Value::as_str) {
        match state.tasks.iter().find(|task| task.cluster == cluster && is_named(&task.arn, asked)) {
            Some(task) => tasks.push(task.described(with_tags, seconds)),
            None => failures.push(json!({ "arn": asked, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

fn list_tasks(state: &mut State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let others = ["family", "serviceName", "containerInstance", "launchType"];
    let started_by = body["startedBy"].as_str();
    if started_by.is_some() && others.iter().any(|filter| body[*filter].is_string()) {
        return Err(invalid("startedBy must be the only filter."));
    }
    let desired = body["desiredStatus"].as_str().unwrap_or("RUNNING");
    let arns: Vec<&str> = state
        .tasks
        .iter()
        .filter(|task| task.cluster == cluster && task.desired_status == desired)
        .filter(|task| started_by.is_none_or(|started_by| task.started_by == started_by))
        .map(|task| task.arn.as_str())
        .collect();
    let from: usize = body["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
    let page: Vec<&str> = arns.iter().skip(from).take(100).copied().collect();
    let next = from + page.len();
    Ok(match next < arns.len() {
        true => json!({ "taskArns": page, "nextToken": next.to_string() }),
        false => json!({ "taskArns": page }),
    })
}

fn stop_task(state: &mut State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let asked = body["task"].as_str().unwrap_or_default();
    let found = state.tasks.iter_mut().find(|task| task.cluster == cluster && is_named(&task.arn, asked));
    let task = found.ok_or_else(|| invalid("The referenced task was not found."))?;
    task.request_stop("UserInitiated", body["reason"].as_str().unwrap_or("Task stopped by user"));
    Ok(json!({ "task": task.described(false, seconds) }))
}

fn describe_services(state: &State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for asked in body["services"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let name = asked.rsplit('/').next().unwrap_or(asked);
        match state.services.get(&(cluster.clone(), name.to_owned())) {
            Some(service) => services.push(service.clone()),
            None => failures.push(
                json!({ "arn": arn("ecs", &format!("service/{cluster}/{name}")), "reason": "MISSING" }),
            ),
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

fn describe_task_definition(state: &State, body: &Value) -> Result<Value, AwsError> {
    let definition = state.definition(body["taskDefinition"].as_str().unwrap_or_default())?;
    Ok(json!({ "taskDefinition": definition.described(), "tags": [] }))
}

impl State {
    /// The short name of the cluster that a request names by name or ARN.
    fn cluster(&self, body: &Value) -> Result<String, AwsError> {
        let asked = body["cluster"].as_str().unwrap_or("default");
        let name = asked.rsplit('/').next().unwrap_or(asked);
        match self.clusters.contains(name) {
            true => Ok(name.to_owned()),
            false => Err(AwsError::new("ClusterNotFoundException", "Cluster not found.")),
        }
    }

    /// By ARN, family:revision, or family, which means its newest active revision.
    fn definition(&self, asked: &str) -> Result<&Definition, AwsError> {
        let short = asked.rsplit('/').next().unwrap_or(asked);
        let found = match short.split_once(':') {
            Some((family, revision)) => self.definitions.get(family).and_then(|revisions| {
                revisions.iter().find(|definition| definition.revision.to_string() == revision)
            }),
            None => self
                .definitions
                .get(short)
                .and_then(|revisions| revisions.iter().rev().find(|definition| definition.active)),
        };
        found.ok_or_else(|| AwsError::new("ClientException", "Unable to describe task definition."))
    }

    fn described(&self, arns: &[String]) -> Vec<Value> {
        let tasks = arns.iter().filter_map(|arn| self.tasks.iter().find(|task| task.arn == *arn));
        tasks.map(|task| task.described(true, seconds)).collect()
    }

    /// A replayed RunTask tells stopped tasks by ARN and status only.
    fn replayed(&self, arns: &[String]) -> Vec<Value> {
        let brief = |task: Value| match task["lastStatus"] == "STOPPED" {
            true => json!({ "taskArn": task["taskArn"], "lastStatus": task["lastStatus"], "version": 0 }),
            false => task,
        };
        self.described(arns).into_iter().map(brief).collect()
    }
}

fn is_named(arn: &str, asked: &str) -> bool {
    arn == asked || arn.rsplit('/').next() == Some(asked)
}

fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}
