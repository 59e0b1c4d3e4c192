//! ECS's operations, with the checks that a real request would meet.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html>

use std::sync::Arc;

use serde_json::{Value, json};

use super::{EcsInner, Revision, State, refusal::invalid, run, task::seconds};
use crate::{
    config::arn,
    protocol::{AwsError, lock},
};
use ecs_tasks::task::family;

pub(super) fn call(
    shared: &Arc<EcsInner>,
    operation: &str,
    body: &Value,
) -> Result<Value, AwsError> {
    match operation {
        "RunTask" => run::run_task(shared, body),
        "StartTask" => run::start_task(shared, body),
        "DescribeTasks" => describe_tasks(&mut lock(&shared.state), body),
        "ListClusters" => Ok(list_clusters(&lock(&shared.state))),
        "ListTasks" => list_tasks(&mut lock(&shared.state), body),
        "StopTask" => stop_task(&mut lock(&shared.state), body),
        "DescribeServiceRevisions" => lock(&shared.state).describe_service_revisions(body),
        "DescribeServices" => describe_services(&lock(&shared.state), body),
        "DescribeTaskDefinition" => describe_task_definition(&lock(&shared.state), body),
        _ => Err(AwsError::unknown_operation(operation)),
    }
}

fn describe_tasks(state: &mut State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let asked = body["tasks"].as_array().cloned().unwrap_or_default();
    // DescribeTasks accepts up to 100 tasks.
    if asked.is_empty() || asked.len() > 100 {
        return Err(invalid("Tasks should have between 1 and 100 entries."));
    }
    let with_tags = body["include"]
        .as_array()
        .is_some_and(|include| include.contains(&json!("TAGS")));
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for asked in asked.iter().filter_map(Value::as_str) {
        match state
            .tasks
            .iter()
            .find(|task| task.cluster == cluster && is_named(&task.arn, asked))
        {
            Some(task) => tasks.push(task.described(with_tags, seconds)),
            // ECS lists an unknown task among the failures and does not refuse the request.
            None => failures.push(json!({ "arn": asked, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "tasks": tasks, "failures": failures }))
}

fn list_clusters(state: &State) -> Value {
    let arns: Vec<String> = state
        .clusters
        .keys()
        .map(|name| arn("ecs", &format!("cluster/{name}")))
        .collect();
    json!({ "clusterArns": arns })
}

fn list_tasks(state: &mut State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    // ECS does not document a desired status beside startedBy, so the functions must not rely on
    // it.
    let others = [
        "family",
        "serviceName",
        "containerInstance",
        "launchType",
        "desiredStatus",
    ];
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
        .filter(|task| {
            body["family"]
                .as_str()
                .is_none_or(|name| family(&task.definition_arn) == name)
        })
        .map(|task| task.arn.as_str())
        .collect();
    let from: usize = body["nextToken"]
        .as_str()
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    // A page of ListTasks has up to 100 tasks.
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
    let found = state
        .tasks
        .iter_mut()
        .find(|task| task.cluster == cluster && is_named(&task.arn, asked));
    let task = found.ok_or_else(|| invalid("The referenced task was not found."))?;
    // StopTask's page says that a stopped task's tags are deleted, so the functions must do without
    // them.
    task.tags = json!([]);
    task.request_stop(
        "UserInitiated",
        body["reason"].as_str().unwrap_or("Task stopped by user"),
    );
    Ok(json!({ "task": task.described(false, seconds) }))
}

fn describe_services(state: &State, body: &Value) -> Result<Value, AwsError> {
    let cluster = state.cluster(body)?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for asked in body["services"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
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
    /// The short name of the cluster, which a request gives as a name or an ARN.
    pub(super) fn cluster(&self, body: &Value) -> Result<String, AwsError> {
        let asked = body["cluster"].as_str().unwrap_or("default");
        let name = asked.rsplit('/').next().unwrap_or(asked);
        match self.clusters.contains_key(name) {
            true => Ok(name.to_owned()),
            false => Err(AwsError::new(
                "ClusterNotFoundException",
                "Cluster not found.",
            )),
        }
    }

    /// Finds a definition by ARN, family:revision, or family (its newest active revision).
    pub(super) fn definition(&self, asked: &str) -> Result<&Revision, AwsError> {
        let short = asked.rsplit('/').next().unwrap_or(asked);
        let found = match short.split_once(':') {
            Some((family, revision)) => self.definitions.get(family).and_then(|revisions| {
                revisions
                    .iter()
                    .find(|definition| definition.revision.to_string() == revision)
            }),
            None => self
                .definitions
                .get(short)
                .and_then(|revisions| revisions.iter().rev().find(|definition| definition.active)),
        };
        found.ok_or_else(|| AwsError::new("ClientException", "Unable to describe task definition."))
    }

    pub(super) fn described(&self, arns: &[String]) -> Vec<Value> {
        let tasks = arns
            .iter()
            .filter_map(|arn| self.tasks.iter().find(|task| task.arn == *arn));
        tasks.map(|task| task.described(true, seconds)).collect()
    }
}

fn is_named(arn: &str, asked: &str) -> bool {
    // ECS accepts a task's id in place of its ARN.
    arn == asked || arn.rsplit('/').next() == Some(asked)
}
