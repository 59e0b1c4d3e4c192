//! The values of Ref and Fn::GetAtt for a resource that does not exist yet.

use serde_json::{Value, json};

use super::Stack;
use crate::{
    config::arn,
    template::{Resource, placeholders, referable::Referable, stubs},
};
use ecs_tasks::cfn::Data;

impl Stack {
    /// The resource with the attributes that it will have, with made-up values.
    pub(super) fn expected(
        &self,
        resource: &Resource,
        is_ours: bool,
        properties: &Value,
    ) -> Referable {
        let logical_id = resource.logical_id.as_str();
        let resource_type = resource.resource_type.clone();
        let generated = self.made_up_name(logical_id);
        let named = |property: &str| {
            properties[property]
                .as_str()
                .unwrap_or(&generated)
                .to_owned()
        };
        let played = |reference: String, attributes: Vec<(&str, String)>| Referable {
            resource_type: resource_type.clone(),
            reference,
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
            is_open: false,
        };
        if is_ours {
            return Referable {
                attributes: attributes(),
                ..played(generated, Vec::new())
            };
        }
        match resource_type.as_str() {
            "AWS::ECS::Cluster" => {
                let name = named("ClusterName");
                let arn = arn("ecs", &format!("cluster/{name}"));
                played(name, vec![("Arn", arn)])
            }
            "AWS::ECS::TaskDefinition" => {
                let default = format!("{}-{logical_id}", self.name);
                let family = properties["Family"].as_str().unwrap_or(&default);
                let arn = arn("ecs", &format!("task-definition/{family}:1"));
                played(arn.clone(), vec![("TaskDefinitionArn", arn)])
            }
            "AWS::ECS::Service" => {
                let cluster = properties["Cluster"].as_str().unwrap_or("default");
                let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
                let name = named("ServiceName");
                let arn = arn("ecs", &format!("service/{cluster}/{name}"));
                played(arn.clone(), vec![("Name", name), ("ServiceArn", arn)])
            }
            "AWS::ECS::TaskSet" => {
                let id = format!("ecs-svc/{generated}");
                played(id.clone(), vec![("Id", id)])
            }
            "AWS::CloudFormation::WaitConditionHandle" => played(
                format!("https://cloudformation-waitcondition.example/{generated}"),
                Vec::new(),
            ),
            "AWS::CloudFormation::WaitCondition" => {
                played(generated, vec![("Data", "{}".to_owned())])
            }
            other => stubs::referable(other, &generated, properties),
        }
    }
}

/// The attributes of Custom::ECSTask, as after a run.
fn attributes() -> std::collections::BTreeMap<String, Value> {
    let names = json!(Data::default());
    let names = names.as_object().into_iter().flat_map(|names| names.keys());
    let value = |name: &String| match name.as_str() {
        "TaskArn" | "TaskArns" => arn(
            "ecs",
            &format!("task/cluster/{}", &placeholders::digits(name)[..32]),
        ),
        "TaskDefinitionArn" => arn("ecs", "task-definition/app:1"),
        "ExitCode" | "Seconds" => "0".to_owned(),
        "StartedAt" | "StoppedAt" => "2026-01-01T00:00:00Z".to_owned(),
        "LogStream" => format!("app/app/{}", &placeholders::digits(name)[..32]),
        "Output" => "the last line".to_owned(),
        "Ran" => "true".to_owned(),
        other => placeholders::value(other),
    };
    names
        .map(|name| (name.clone(), value(name).into()))
        .collect()
}
