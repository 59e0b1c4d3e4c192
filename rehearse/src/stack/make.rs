//! Creates and updates resources of each type.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Failed, Live, Stack, account::referred, desired::Desired};
use crate::{
    config::{arn, now},
    protocol::AwsError,
    service::cloudformation::Ask,
    template::{Resource, referable::Referable, stubs},
};

/// Properties whose change replaces a service; CloudFormation updates any other in place.
const REPLACES_SERVICE: [&str; 4] = ["Cluster", "LaunchType", "SchedulingStrategy", "ServiceName"];

impl Stack {
    /// Creates a resource, or updates `old` to it.
    pub(super) async fn make(&self, desired: &Desired, old: Option<&Live>) -> Result<Live, Failed> {
        let logical_id = desired.resource.logical_id.as_str();
        if self.fail.as_deref() == Some(logical_id) {
            let reason =
                "Failed on purpose (--fail): this resource was not created or changed".to_owned();
            return Err(Failed {
                reason,
                physical_id: old.map(|old| old.physical_id.clone()),
            });
        }
        // CloudFormation refuses this before it sends a request.
        if let Some(old) = old.filter(|old| old.service_token != desired.service_token) {
            return Err(Failed {
                reason: format!(
                    "Modifying service token is not allowed. To move to another provider, change the \
                     logical ID of {logical_id}. CloudFormation then creates the resource with the new provider, \
                     and asks the old provider to delete the old one"
                ),
                physical_id: Some(old.physical_id.clone()),
            });
        }
        let [is_retained, is_retained_when_replaced] = desired.policies();
        let mut properties = desired.properties.clone();
        if desired.is_ours || desired.resource.resource_type == "AWS::ECS::Service" {
            self.play_external(&mut properties);
        }
        let made = self
            .made(desired, &properties, old.map(|old| (old, &old.properties)))
            .await?;
        Ok(Live {
            is_ours: desired.is_ours,
            physical_id: made.reference.clone(),
            properties: desired.properties.clone(),
            service_token: desired.service_token.clone(),
            failed_in: None,
            referable: Referable {
                resource_type: desired.resource.resource_type.clone(),
                ..made
            },
            is_retained,
            is_retained_when_replaced,
        })
    }

    /// Updates a resource back to its old state.
    pub(super) async fn restore(
        &self,
        logical_id: &str,
        old: &Live,
        failed: &Live,
    ) -> Result<Live, Failed> {
        let mut properties = old.properties.clone();
        let resource_type = old.referable.resource_type.as_str();
        if old.is_ours {
            self.play_external(&mut properties);
            let from = Some((failed, &failed.properties));
            let referable = self
                .ask(logical_id, resource_type, &properties, from)
                .await?;
            let referable = Referable {
                resource_type: resource_type.to_owned(),
                ..referable
            };
            return Ok(Live {
                physical_id: referable.reference.clone(),
                referable,
                ..old.clone()
            });
        }
        if resource_type == "AWS::ECS::Service" {
            let cluster = properties["Cluster"].as_str().unwrap_or("default");
            let name = old
                .referable
                .attributes
                .get("Name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            // To ECS this is an update like any other. After a deployment that it has rolled back
            // itself nothing differs.
            self.deploy_service(logical_id, (cluster, name), &properties)
                .await?;
        }
        Ok(old.clone())
    }

    async fn made(
        &self,
        desired: &Desired,
        properties: &Value,
        old: Option<(&Live, &Value)>,
    ) -> Result<Referable, Failed> {
        let logical_id = desired.resource.logical_id.as_str();
        let resource_type = desired.resource.resource_type.as_str();
        if desired.is_ours {
            return self.ask(logical_id, resource_type, properties, old).await;
        }
        let old = old.map(|(old, _)| old);
        match resource_type {
            "AWS::ECS::Cluster" => {
                let name = self.named(logical_id, &properties["ClusterName"], old);
                let arn = self.create_cluster(&self.stage.ecs, &name, properties);
                Ok(referable(name, [("Arn", arn)]))
            }
            "AWS::ECS::ClusterCapacityProviderAssociations" => {
                let cluster = properties["Cluster"].as_str().unwrap_or_default();
                self.stage.ecs.set_capacity_providers(cluster, properties);
                Ok(referable(cluster.to_owned(), []))
            }
            "AWS::ECS::TaskDefinition" => self.task_definition(logical_id, properties, old),
            "AWS::ECS::Service" => self.service(logical_id, properties, old).await,
            "AWS::ECS::TaskSet" => {
                let id = self.stage.ecs.create_task_set(properties);
                Ok(referable(id.clone(), [("Id", id)]))
            }
            "AWS::ECS::PrimaryTaskSet" => {
                self.stage.ecs.set_primary_task_set(properties);
                Ok(referable(self.made_up_name(logical_id), []))
            }
            "AWS::CloudFormation::WaitConditionHandle" => {
                // A handle keeps its address in an update, which is why a new condition needs a new
                // handle.
                let made = |old: &Live| old.physical_id.clone();
                let handle = old.map_or_else(
                    || {
                        self.stage
                            .cloudformation
                            .wait_handle(&self.id, logical_id, now())
                    },
                    made,
                );
                Ok(referable(handle, []))
            }
            "AWS::CloudFormation::WaitCondition" => {
                self.wait_condition(logical_id, properties, old).await
            }
            other => {
                if other == "AWS::CloudFormation::Stack" && old.is_none() {
                    self.note(format!(
                        "the rehearsal does not create the nested stack {logical_id}: its outputs are made up"
                    ));
                }
                Ok(stubs::referable(
                    other,
                    &self.made_up_name(logical_id),
                    properties,
                ))
            }
        }
    }

    /// Waits for the signals of a condition. CloudFormation never updates one.
    async fn wait_condition(
        &self,
        logical_id: &str,
        properties: &Value,
        old: Option<&Live>,
    ) -> Result<Referable, Failed> {
        let failed = |reason: String| Failed {
            reason,
            physical_id: None,
        };
        if old.is_some() {
            return Err(failed(
                "Update to resource type AWS::CloudFormation::WaitCondition is not supported."
                    .to_owned(),
            ));
        }
        let data = match self.may_be_signalled(logical_id) {
            true => self
                .stage
                .cloudformation
                .wait_condition(properties)
                .await
                .map_err(failed)?,
            false => {
                self.note(format!(
                    "{logical_id}: nothing in the rehearsal signals its handle, so it counts as complete"
                ));
                "{}".into()
            }
        };
        let id = arn(
            "cloudformation",
            &format!("waitcondition/{}/{logical_id}", self.name),
        );
        let attributes = BTreeMap::from([("Data".to_owned(), data)]);
        Ok(Referable {
            reference: id,
            attributes,
            ..Referable::default()
        })
    }

    /// True if a task on the stage or the function gets the handle of a condition.
    fn may_be_signalled(&self, condition: &str) -> bool {
        let condition = self.template.resource(condition);
        let handle = condition.and_then(|condition| condition.properties.field("Handle"));
        let handles = handle.map(referred).unwrap_or_default();
        let runs_here = |one: &&Resource| {
            self.ours.contains(&one.logical_id) || one.resource_type == "AWS::ECS::TaskDefinition"
        };
        let mut given = self
            .template
            .resources
            .iter()
            .filter(runs_here)
            .flat_map(|one| referred(&one.properties));
        given.any(|name| handles.contains(&name))
    }

    /// Registers a revision. A change of Tags alone registers none.
    fn task_definition(
        &self,
        logical_id: &str,
        properties: &Value,
        old: Option<&Live>,
    ) -> Result<Referable, Failed> {
        if let Some(old) =
            old.filter(|old| without_tags(&old.properties) == without_tags(properties))
        {
            return Ok(old.referable.clone());
        }
        let registered = self
            .stage
            .ecs
            .register(&self.with_family(logical_id, properties));
        let arn = registered.map_err(|refusals| Failed {
            reason: refusals.to_string(),
            physical_id: None,
        })?;
        Ok(referable(arn.clone(), [("TaskDefinitionArn", arn)]))
    }

    /// Creates or updates a service, and waits for its deployment.
    async fn service(
        &self,
        logical_id: &str,
        properties: &Value,
        old: Option<&Live>,
    ) -> Result<Referable, Failed> {
        let text = |name: &str| properties[name].as_str().map(str::to_owned);
        let cluster = text("Cluster").unwrap_or_else(|| "default".to_owned());
        let failed = |reason: String| Failed {
            reason,
            physical_id: None,
        };
        let is_replaced = old.is_some_and(|old| {
            REPLACES_SERVICE
                .iter()
                .any(|name| old.properties[*name] != properties[*name])
        });
        // CloudFormation creates the new service first, while the old one still has the name.
        if is_replaced
            && text("ServiceName").is_some_and(|name| {
                old.is_some_and(|old| old.properties["ServiceName"] == name.as_str())
            })
        {
            return Err(failed(format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. \
                 Rename {} and update the stack again.",
                text("ServiceName").unwrap_or_default()
            )));
        }
        // CloudFormation updates a service without a ServiceName in place, so its name stays.
        let kept = old
            .filter(|_| !is_replaced)
            .and_then(|old| old.referable.attributes.get("Name")?.as_str());
        let name = kept.map_or_else(
            || self.named(logical_id, &properties["ServiceName"], None),
            str::to_owned,
        );
        let placed = self.stage.ecs.check_placement(properties, true);
        placed.map_err(|misplaced| failed(AwsError::from(misplaced).message))?;
        let arn = self
            .deploy_service(logical_id, (&cluster, &name), properties)
            .await?;
        Ok(referable(
            arn.clone(),
            [("Name", name), ("ServiceArn", arn)],
        ))
    }

    /// Sends the function a Create, or an Update of `old` with these old properties.
    async fn ask(
        &self,
        logical_id: &str,
        resource_type: &str,
        properties: &Value,
        old: Option<(&Live, &Value)>,
    ) -> Result<Referable, Failed> {
        let ask = Ask {
            request_type: if old.is_some() { "Update" } else { "Create" },
            stack_id: &self.id,
            logical_id,
            resource_type,
            physical_id: old.map(|(old, _)| old.physical_id.as_str()),
            properties,
            old_properties: old.map(|(_, properties)| properties),
        };
        let settled = self
            .stage
            .cloudformation
            .request(&ask, &self.stage.lambda)
            .await;
        match settled.physical_id {
            Some(reference) if settled.succeeded => {
                // CloudFormation shows the Reason of a failure only, so a person would take this
                // success for a run.
                if settled.data.get("Ran").is_some_and(|ran| ran == "false") {
                    self.note(format!("{logical_id}: {}", settled.reason));
                }
                Ok(Referable {
                    reference,
                    attributes: settled.data,
                    ..Referable::default()
                })
            }
            physical_id => Err(Failed {
                reason: settled.reason,
                physical_id,
            }),
        }
    }
}

fn referable<const N: usize>(reference: String, attributes: [(&str, String); N]) -> Referable {
    let attributes: BTreeMap<String, Value> = attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Referable {
        reference,
        attributes,
        ..Referable::default()
    }
}

fn without_tags(properties: &Value) -> Value {
    let mut properties = properties.clone();
    if let Some(object) = properties.as_object_mut() {
        object.remove("Tags");
    }
    properties
}
