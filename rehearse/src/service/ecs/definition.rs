//! Task definitions, read from the properties of AWS::ECS::TaskDefinition or a request of
//! RegisterTaskDefinition.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    ContainerSettings, dependency, fargate,
    registration::{self, Refusals},
    spelling::{normal, upper_first},
};
use crate::template::nearest::nearest;

const COMPATIBILITIES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];

/// A revision of a task definition.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its ARN, with the revision.
    pub arn: String,
    /// Its family.
    pub family: String,
    /// Its revision, from 1.
    pub revision: usize,
    /// False once it has been deregistered.
    pub active: bool,
    /// `awsvpc`, `bridge`, `host` or `none`.
    pub network_mode: String,
    /// True if the definition can run on Fargate.
    pub is_for_fargate: bool,
    /// Its containers.
    pub containers: Vec<ContainerSpec>,
    /// The JSON of DescribeTaskDefinition, without the members that registering adds.
    json: Value,
}

/// A container of a task definition.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// Its image. A local process runs without it.
    pub image: String,
    /// True if the end of this container ends the task.
    pub essential: bool,
    /// The entry point, in place of the image's.
    pub entry_point: Vec<String>,
    /// The command, in place of the image's.
    pub command: Vec<String>,
    /// The working directory, in place of the image's.
    pub working_directory: Option<String>,
    /// The plain variables.
    pub environment: BTreeMap<String, String>,
    /// Names of the variables from `secrets`.
    pub secrets: Vec<String>,
    /// Time between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
    /// Names of containers that this one waits for, and the condition of each: START, COMPLETE,
    /// SUCCESS or HEALTHY.
    pub depends_on: Vec<(String, String)>,
    /// The log group and the stream prefix of awslogs, if both are given.
    pub logs: Option<(String, String)>,
    /// Settings that need an image.
    pub settings: ContainerSettings,
}

impl Revision {
    /// Reads a definition to register. `Err` names every rule of RegisterTaskDefinition that it
    /// breaks.
    pub(super) fn registered(value: &Value) -> Result<Self, Refusals> {
        let revision = Self::read(value)?;
        let for_fargate = texts(&revision.json["requiresCompatibilities"])
            .iter()
            .any(|one| one == "FARGATE");
        let refusals = registration::check(&revision.json, &revision.network_mode, for_fargate);
        if refusals.is_empty() {
            Ok(revision)
        } else {
            Err(Refusals(refusals))
        }
    }

    /// Reads a definition in ECS's or CloudFormation's spelling; a scalar may be a string.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let json = normal(value, "");
        let family = text(&json, "family").unwrap_or_else(|| "task".to_owned());
        let containers = json["containerDefinitions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if containers.is_empty() {
            return Err(format!(
                "task definition {family} has no ContainerDefinitions"
            ));
        }
        let containers = containers
            .iter()
            .map(|container| ContainerSpec::read(container, &json));
        let containers = containers.collect::<Result<Vec<_>, _>>()?;
        if !containers.iter().any(|container| container.essential) {
            return Err(format!(
                "task definition {family} has no essential container"
            ));
        }
        dependency::check(&containers)?;
        // ECS's default on Linux.
        let network_mode = text(&json, "networkMode").unwrap_or_else(|| "bridge".to_owned());
        if !["awsvpc", "bridge", "host", "none"].contains(&network_mode.as_str()) {
            return Err(format!(
                "networkMode should be one of [awsvpc, bridge, host, none], not {network_mode}."
            ));
        }
        let required: Vec<String> = texts(&json["requiresCompatibilities"]);
        if let Some(other) = required
            .iter()
            .find(|one| !COMPATIBILITIES.contains(&one.as_str()))
        {
            return Err(format!(
                "requiresCompatibilities should be among [{}], not {other}.",
                COMPATIBILITIES.join(", ")
            ));
        }
        let can_be = fargate::check(&json, &network_mode);
        // A definition without FARGATE may break Fargate's rules: it only cannot run there.
        if required.iter().any(|one| one == "FARGATE") {
            can_be.clone()?;
        }
        Ok(Self {
            arn: String::new(),
            family,
            revision: 0,
            active: true,
            network_mode,
            is_for_fargate: can_be.is_ok(),
            containers,
            json,
        })
    }

    /// The JSON of its registration, in ECS's spelling.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }

    /// True if the definition is for Fargate alone.
    pub(super) fn requires_fargate(&self) -> bool {
        let required = texts(&self.json["requiresCompatibilities"]);
        !required.is_empty() && required.iter().all(|one| one == "FARGATE")
    }

    /// True if its tasks can run on this launch type.
    pub(super) fn supports(&self, launch_type: &str) -> bool {
        match launch_type {
            "FARGATE" => self.is_for_fargate,
            // ECS Anywhere has no awsvpc.
            "EXTERNAL" => self.network_mode != "awsvpc",
            _ => true,
        }
    }

    /// The revision and the ARN of a definition that lives elsewhere, as the given JSON names them.
    pub(super) fn external_place(&self) -> Option<(usize, String)> {
        let revision = self.json["revision"]
            .as_u64()
            .and_then(|revision| usize::try_from(revision).ok())?;
        Some((revision, text(&self.json, "taskDefinitionArn")?))
    }

    /// The JSON of DescribeTaskDefinition.
    pub(super) fn described(&self) -> Value {
        let mut json = self.json.clone();
        json["taskDefinitionArn"] = json!(self.arn);
        json["family"] = json!(self.family);
        json["revision"] = json!(self.revision);
        json["networkMode"] = json!(self.network_mode);
        json["status"] = json!(if self.active { "ACTIVE" } else { "INACTIVE" });
        json
    }
}

impl ContainerSpec {
    fn read(json: &Value, definition: &Value) -> Result<Self, String> {
        let name = text(json, "name").ok_or_else(|| {
            format!(
                "a container definition has no Name{}",
                instead_of("name", json)
            )
        })?;
        let texts = |name: &str| texts(&json[name]);
        let pairs = |list: &str, key: &str, value: &str| -> BTreeMap<String, String> {
            let items = json[list].as_array().into_iter().flatten();
            items
                .filter_map(|item| Some((text(item, key)?, text(item, value).unwrap_or_default())))
                .collect()
        };
        let options = &json["logConfiguration"]["options"];
        let option = |name: &str| options[name].as_str().map(str::to_owned);
        Ok(Self {
            image: text(json, "image").ok_or_else(|| {
                format!("container {name} has no Image{}", instead_of("image", json))
            })?,
            // A container is essential unless its definition says otherwise.
            essential: json["essential"].as_bool().unwrap_or(true),
            entry_point: texts("entryPoint"),
            command: texts("command"),
            working_directory: text(json, "workingDirectory").filter(|path| !path.is_empty()),
            environment: pairs("environment", "name", "value"),
            secrets: pairs("secrets", "name", "valueFrom").into_keys().collect(),
            // ECS's default is 30 s.
            stop_timeout: Duration::from_secs(json["stopTimeout"].as_u64().unwrap_or(30)),
            depends_on: pairs("dependsOn", "containerName", "condition")
                .into_iter()
                .collect(),
            // Without a prefix the stream's name is the container's id in its runtime, which the
            // stage makes up.
            logs: option("awslogs-group").zip(option("awslogs-stream-prefix")),
            settings: ContainerSettings::read(json, definition),
            name,
        })
    }
}

/// A question after the key that was probably written in place of a missing member.
fn instead_of(missing: &str, json: &Value) -> String {
    let keys = json
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys().map(String::as_str));
    let written = nearest(missing, keys.filter(|key| *key != missing));
    written.map_or_else(String::new, |key| {
        format!(" (is {} a misspelling of it?)", upper_first(key))
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn text(json: &Value, name: &str) -> Option<String> {
    match &json[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}
