//! How the stage makes, changes and deletes a resource of each type.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CUSTOM_TYPE, Failed, Live, Stack};
use crate::rehearse::{
    service::cloudformation::Ask,
    setting::{arn, random_hex},
    template::resolve::Referable,
};

impl Stack {
    /// Makes a resource, or changes `old` into it.
    pub(super) async fn make(
        &self,
        logical_id: &str,
        resource_type: &str,
        properties: Value,
        old: Option<&Live>,
    ) -> Result<Live, Failed> {
        let live = |physical_id: String,
                    reference: String,
                    attributes: BTreeMap<String, Value>,
                    made_up: bool| Live {
            resource_type: resource_type.to_owned(),
            physical_id,
            properties: properties.clone(),
            referable: Referable { reference, attributes, made_up },
        };
        let generated = || format!("{}-{logical_id}-{}", self.name, random_hex(12));
        match resource_type {
            "AWS::ECS::Cluster" => {
                let name = properties["ClusterName"]
                    .as_str()
                    .map_or_else(|| old.map_or_else(generated, |old| old.physical_id.clone()), str::to_owned);
                let arn = self.stage.ecs.create_cluster(&name);
                Ok(live(name.clone(), name, BTreeMap::from([("Arn".to_owned(), json!(arn))]), false))
            }
            "AWS::ECS::TaskDefinition" => {
                let mut definition = properties.clone();
                if !definition["Family"].is_string() {
                    definition["Family"] = json!(format!("{}-{logical_id}", self.name));
                }
                let registered = self.stage.ecs.register(&definition);
                let arn = registered.map_err(|reason| Failed { reason, physical_id: None })?;
                let attributes = BTreeMap::from([("TaskDefinitionArn".to_owned(), json!(arn))]);
                Ok(live(arn.clone(), arn, attributes, false))
            }
            "AWS::ECS::Service" => {
                let text = |name: &str| properties[name].as_str().map(str::to_owned);
                let cluster = text("Cluster").unwrap_or_else(|| "default".to_owned());
                let name = text("ServiceName").unwrap_or_else(generated);
                let placement = json!({
                    "NetworkConfiguration": properties["NetworkConfiguration"],
                    "PlatformVersion": properties["PlatformVersion"],
                    "LaunchType": properties["LaunchType"],
                    "CapacityProviderStrategy": properties["CapacityProviderStrategy"],
                });
                let arn = self.stage.ecs.create_service(&cluster, &name, &placement);
                let attributes = [("Name", &name), ("ServiceArn", &arn)]
                    .map(|(key, value)| (key.to_owned(), json!(value)));
                Ok(live(arn.clone(), arn, BTreeMap::from(attributes), false))
            }
            CUSTOM_TYPE => {
                let ask = Ask {
                    request_type: if old.is_some() { "Update" } else { "Create" },
                    stack_id: &self.id,
                    logical_id,
                    resource_type,
                    physical_id: old.map(|old| old.physical_id.as_str()),
                    properties: &properties,
                    old_properties: old.map(|old| &old.properties),
                };
                let settled = self.stage.cloudformation.request(&ask, &self.stage.lambda).await;
                match settled.physical_id {
                    Some(id) if settled.succeeded => Ok(live(id.clone(), id, settled.data, false)),
                    physical_id => Err(Failed { reason: settled.reason, physical_id }),
                }
            }
            other => {
                let id = old.map_or_else(generated, |old| old.physical_id.clone());
                let service = other.split("::").nth(1).unwrap_or("custom").to_lowercase();
                let attributes = BTreeMap::from([("Arn".to_owned(), json!(arn(&service, &id)))]);
                Ok(live(id.clone(), id, attributes, true))
            }
        }
    }

    /// Deletes a resource as it was, whatever has taken its place since.
    pub(super) async fn delete_live(&self, logical_id: &str, live: &Live) -> bool {
        self.tell(logical_id, "DELETE_IN_PROGRESS", "");
        match live.resource_type.as_str() {
            "AWS::ECS::Cluster" => self.stage.ecs.delete_cluster(&live.physical_id),
            "AWS::ECS::TaskDefinition" => self.stage.ecs.deregister(&live.physical_id),
            "AWS::ECS::Service" => self.stage.ecs.delete_service(&live.physical_id),
            CUSTOM_TYPE => {
                let ask = Ask {
                    request_type: "Delete",
                    stack_id: &self.id,
                    logical_id,
                    resource_type: CUSTOM_TYPE,
                    physical_id: Some(&live.physical_id),
                    properties: &live.properties,
                    old_properties: None,
                };
                let settled = self.stage.cloudformation.request(&ask, &self.stage.lambda).await;
                if !settled.succeeded {
                    self.tell(logical_id, "DELETE_FAILED", &settled.reason);
                    return false;
                }
            }
            _ => {}
        }
        self.tell(logical_id, "DELETE_COMPLETE", "");
        true
    }
}
