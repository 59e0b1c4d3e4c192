//! RunTask and StartTask, with the checks that a real request would meet.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    ContainerSpec, EcsInner, Revision, State,
    job::Job,
    life::live,
    placement,
    refusal::invalid,
    task::{StageContainer, StageTask},
    token::{self, TokenClaim},
};
use crate::{
    config::{arn, now, random_hex},
    protocol::{AwsError, lock},
    report::Report,
};

pub(super) fn run_task(shared: &Arc<EcsInner>, body: &Value) -> Result<Value, AwsError> {
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
    if body["clientToken"]
        .as_str()
        .is_some_and(|token| token.len() > 64)
    {
        return Err(invalid("clientToken can have at most 64 characters."));
    }
    // ECS answers a repeated token with its first result, so a retry starts nothing.
    match state.tokens.claim(&cluster, body) {
        TokenClaim::Conflict(tasks) => return Err(token::conflict(tasks)),
        TokenClaim::Replay(tasks) => {
            let tasks: Vec<Value> = state
                .described(tasks)
                .into_iter()
                .map(token::replayed)
                .collect();
            return Ok(json!({ "tasks": tasks, "failures": [] }));
        }
        TokenClaim::New => {}
    }
    check_started_by(body, 128)?;
    let tasks = start(shared, &mut state, &cluster, body, count as usize)?;
    state.tokens.keep(&cluster, body, tasks.clone());
    Ok(json!({ "tasks": state.described(&tasks), "failures": [] }))
}

pub(super) fn start_task(shared: &Arc<EcsInner>, body: &Value) -> Result<Value, AwsError> {
    let mut state = lock(&shared.state);
    let cluster = state.cluster(body)?;
    let instances = body["containerInstances"].as_array().map_or(0, Vec::len);
    if !(1..=10).contains(&instances) {
        return Err(invalid(
            "Container instances should have between 1 and 10 entries.",
        ));
    }
    // StartTask's limit is shorter than RunTask's.
    check_started_by(body, 36)?;
    // StartTask has no token: a repeated request starts more tasks.
    let tasks = start(shared, &mut state, &cluster, body, instances)?;
    Ok(json!({ "tasks": state.described(&tasks), "failures": [] }))
}

fn check_started_by(body: &Value, limit: usize) -> Result<(), AwsError> {
    let started_by = body["startedBy"].as_str().unwrap_or_default();
    let well_formed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '/');
    if started_by.len() > limit || !started_by.chars().all(well_formed) {
        return Err(invalid(
            "startedBy is too long or has characters that are not allowed.",
        ));
    }
    Ok(())
}

/// Refuses overrides that are too long, or for a container that the definition lacks.
fn check_overrides(definition: &Revision, overrides: &Value) -> Result<(), AwsError> {
    // The limit counts the characters of the JSON.
    if overrides.to_string().len() > 8192 {
        return Err(invalid("overrides can have at most 8192 characters."));
    }
    for override_ in overrides["containerOverrides"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = override_["name"].as_str().unwrap_or_default();
        if !definition
            .containers
            .iter()
            .any(|container| container.name == name)
        {
            let message = format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            );
            return Err(invalid(&message));
        }
    }
    Ok(())
}

/// Checks a request, starts its tasks, and returns their ARNs.
fn start(
    shared: &Arc<EcsInner>,
    state: &mut State,
    cluster: &str,
    body: &Value,
    count: usize,
) -> Result<Vec<String>, AwsError> {
    if body["tags"].as_array().is_some_and(|tags| tags.len() > 50) {
        return Err(invalid("A resource can have at most 50 tags."));
    }
    let definition = state
        .definition(body["taskDefinition"].as_str().unwrap_or_default())?
        .clone();
    if !definition.active {
        return Err(AwsError::new(
            "ClientException",
            "TaskDefinition is inactive",
        ));
    }
    let overrides = &body["overrides"];
    check_overrides(&definition, overrides)?;
    placement::check_tags(body, false)?;
    placement::check(
        &definition,
        &state.clusters.get(cluster).cloned().unwrap_or_default(),
        body,
    )?;
    for name in made_up_secrets(&definition) {
        // One note for each name is enough, however many tasks use it.
        if state.noted_secrets.insert(name.clone()) {
            (shared.reporter)(Report::Note(format!(
                "secret {name} has a made-up value: set the environment variable {name} to override it"
            )));
        }
    }

    let mut tasks = Vec::new();
    for _ in 0..count {
        let (stop, stopped) = watch::channel(false);
        let task = StageTask {
            arn: arn("ecs", &format!("task/{cluster}/{}", random_hex(32))),
            cluster: cluster.to_owned(),
            definition_arn: definition.arn.clone(),
            started_by: body["startedBy"].as_str().unwrap_or_default().to_owned(),
            tags: body["tags"]
                .as_array()
                .map_or(json!([]), |tags| json!(tags)),
            overrides: if overrides.is_object() {
                overrides.clone()
            } else {
                json!({})
            },
            last_status: "PROVISIONING",
            desired_status: "RUNNING",
            stop_code: None,
            stopped_reason: None,
            containers: pending(&definition, state.injects),
            created_at: now(),
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            version: 1,
            stop,
        };
        let arn = task.arn.clone();
        tokio::spawn(live(
            Arc::clone(shared),
            arn.clone(),
            jobs(&definition, overrides),
            stopped,
        ));
        state.tasks.push(task);
        tasks.push(arn);
    }
    Ok(tasks)
}

/// The containers of a new task, with the one that GuardDuty injects if `injects`.
fn pending(definition: &Revision, injects: bool) -> Vec<StageContainer> {
    let own = definition.containers.iter().map(|spec| spec.name.clone());
    let injected = injects.then(|| "aws-guardduty-agent-a1b2".to_owned());
    own.chain(injected)
        .map(|name| StageContainer {
            name,
            last_status: "PENDING",
            ..Default::default()
        })
        .collect()
}

/// Names in `secrets` that are no variables of this machine.
fn made_up_secrets(definition: &Revision) -> Vec<String> {
    let names = definition
        .containers
        .iter()
        .flat_map(|container| &container.secrets);
    names
        .filter(|name| secret(name).is_none())
        .cloned()
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the stage has no Secrets Manager"
)]
fn secret(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The job of each container: its definition with the overrides applied. A secret has the value of
/// this machine's variable of that name, if there is one.
fn jobs(definition: &Revision, overrides: &Value) -> Vec<Job> {
    let job = |spec: &ContainerSpec| {
        let mine = overrides["containerOverrides"]
            .as_array()
            .into_iter()
            .flatten();
        let mine = mine
            .into_iter()
            .find(|one| one["name"] == spec.name.as_str());
        let command = mine.and_then(|one| one["command"].as_array()).map_or_else(
            || spec.command.clone(),
            |command| {
                command
                    .iter()
                    .filter_map(|word| word.as_str().map(str::to_owned))
                    .collect()
            },
        );
        let secrets = spec.secrets.iter().map(|name| {
            let value = secret(name).unwrap_or_else(|| format!("rehearsed-secret-{name}"));
            (name.clone(), value)
        });
        let mut environment: BTreeMap<String, String> =
            secrets.chain(spec.environment.clone()).collect();
        for pair in mine
            .and_then(|one| one["environment"].as_array())
            .into_iter()
            .flatten()
        {
            if let (Some(name), Some(value)) = (pair["name"].as_str(), pair["value"].as_str()) {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let mut spec = spec.clone();
        spec.settings = spec.settings.overridden(mine.unwrap_or(&Value::Null));
        Job {
            entry_point: spec.entry_point.clone(),
            spec,
            command,
            environment,
        }
    };
    definition.containers.iter().map(job).collect()
}
