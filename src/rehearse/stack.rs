//! A stack's life: create, update with its rollback, delete, as CloudFormation goes about it.

mod check;
mod make;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};
use time::OffsetDateTime;

use self::check::{is_played, without_service_token};
use super::{
    setting::{arn, now, random_hex, random_uuid},
    stage::Stage,
    template::{
        Resource, Template, TemplateError,
        resolve::{Referable, Scope},
    },
};

/// The resource type that the function serves.
pub const CUSTOM_TYPE: &str = "Custom::ECSTask";

/// A line of a stack's events.
#[derive(Clone, Debug)]
pub struct StackEvent {
    /// When.
    pub at: OffsetDateTime,
    /// `CREATE_COMPLETE`, …
    pub status: String,
    /// The resource's name in the template, or the stack's own.
    pub logical_id: String,
    /// Why.
    pub reason: String,
}

/// Takes a stack's events as they happen.
pub type StackEvents = Arc<dyn Fn(StackEvent) + Send + Sync>;

/// Values of a template's parameters.
pub type Parameters = BTreeMap<String, Value>;

/// A stack on a stage.
pub struct Stack {
    stage: Arc<Stage>,
    template: Template,
    name: String,
    id: String,
    events: StackEvents,
    live: BTreeMap<String, Live>,
}

/// A resource that exists.
#[derive(Clone, Debug, PartialEq)]
struct Live {
    resource_type: String,
    physical_id: String,
    properties: Value,
    referable: Referable,
}

/// A resource that could not be made or changed; it may exist all the same.
struct Failed {
    reason: String,
    physical_id: Option<String>,
}

impl Stack {
    /// A stack that is not there yet.
    pub fn new(stage: Arc<Stage>, template: Template, name: &str, events: StackEvents) -> Self {
        let id = arn("cloudformation", &format!("stack/{name}/{}", random_uuid()));
        Self { stage, template, name: name.to_owned(), id, events, live: BTreeMap::new() }
    }

    /// The stack's ARN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of an attribute, as Fn::GetAtt would give it.
    pub fn attribute(&self, logical_id: &str, name: &str) -> Option<&Value> {
        self.live.get(logical_id)?.referable.attributes.get(name)
    }

    /// The PhysicalResourceId of a resource.
    pub fn physical_id(&self, logical_id: &str) -> Option<&str> {
        self.live.get(logical_id).map(|live| live.physical_id.as_str())
    }

    /// Creates every resource; after a failure what is there is deleted again. True for CREATE_COMPLETE.
    pub async fn create(&mut self, parameters: &Parameters) -> bool {
        self.tell_stack("CREATE_IN_PROGRESS", "User Initiated");
        for resource in self.included_ids(parameters) {
            if let Err(reason) = self.create_resource(&resource, parameters).await {
                self.tell(&resource, "CREATE_FAILED", &reason);
                let why = format!(
                    "The following resource(s) failed to create: [{resource}]. Rollback requested by user."
                );
                self.tell_stack("ROLLBACK_IN_PROGRESS", &why);
                let gone = self.delete_all().await;
                self.tell_stack(if gone { "ROLLBACK_COMPLETE" } else { "ROLLBACK_FAILED" }, "");
                return false;
            }
            self.tell(&resource, "CREATE_COMPLETE", "");
        }
        self.tell_stack("CREATE_COMPLETE", "");
        true
    }

    /// Brings every resource to what the template says with these parameters; after a failure back to what it was.
    /// True for UPDATE_COMPLETE.
    pub async fn update(&mut self, parameters: &Parameters) -> bool {
        self.tell_stack("UPDATE_IN_PROGRESS", "User Initiated");
        let before = self.live.clone();
        let included = self.included_ids(parameters);
        let mut touched = Vec::new();
        for resource in &included {
            let changed = self.change_resource(resource, parameters, &before, &mut touched).await;
            if let Err(reason) = changed {
                self.tell(resource, "UPDATE_FAILED", &reason);
                let why = format!("The following resource(s) failed to update: [{resource}].");
                self.tell_stack("UPDATE_ROLLBACK_IN_PROGRESS", &why);
                return self.roll_back(before, &touched).await;
            }
        }
        self.tell_stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "");
        for (logical_id, old) in &before {
            let now = self.live.get(logical_id);
            if !included.contains(logical_id) {
                self.delete_resource(logical_id).await;
            } else if now.is_some_and(|now| now.physical_id != old.physical_id) {
                self.delete_live(logical_id, old).await;
            }
        }
        self.tell_stack("UPDATE_COMPLETE", "");
        true
    }

    /// Deletes every resource. True for DELETE_COMPLETE.
    pub async fn delete(&mut self) -> bool {
        self.tell_stack("DELETE_IN_PROGRESS", "User Initiated");
        let gone = self.delete_all().await;
        self.tell_stack(if gone { "DELETE_COMPLETE" } else { "DELETE_FAILED" }, "");
        gone
    }

    async fn create_resource(&mut self, logical_id: &str, parameters: &Parameters) -> Result<(), String> {
        self.tell(logical_id, "CREATE_IN_PROGRESS", "");
        let (resource_type, properties) =
            self.resolved(logical_id, parameters).map_err(|error| error.to_string())?;
        match self.make(logical_id, &resource_type, properties.clone(), None).await {
            Ok(live) => {
                self.live.insert(logical_id.to_owned(), live);
                Ok(())
            }
            Err(Failed { reason, physical_id }) => {
                if resource_type == CUSTOM_TYPE {
                    // A Create that never answered gets a Delete with an id that CloudFormation makes up.
                    let made_up = || format!("{}-{logical_id}-{}", self.name, random_hex(12).to_uppercase());
                    let physical_id = physical_id.unwrap_or_else(made_up);
                    let live =
                        Live { resource_type, physical_id, properties, referable: Referable::default() };
                    self.live.insert(logical_id.to_owned(), live);
                }
                Err(reason)
            }
        }
    }

    async fn change_resource(
        &mut self,
        logical_id: &str,
        parameters: &Parameters,
        before: &BTreeMap<String, Live>,
        touched: &mut Vec<String>,
    ) -> Result<(), String> {
        let Some(old) = before.get(logical_id) else {
            touched.push(logical_id.to_owned());
            self.create_resource(logical_id, parameters).await?;
            self.tell(logical_id, "CREATE_COMPLETE", "");
            return Ok(());
        };
        let (resource_type, properties) =
            self.resolved(logical_id, parameters).map_err(|error| error.to_string())?;
        if properties == old.properties {
            return Ok(());
        }
        touched.push(logical_id.to_owned());
        self.tell(logical_id, "UPDATE_IN_PROGRESS", "");
        match self.make(logical_id, &resource_type, properties.clone(), Some(old)).await {
            Ok(live) => {
                self.live.insert(logical_id.to_owned(), live);
                self.tell(logical_id, "UPDATE_COMPLETE", "");
                Ok(())
            }
            Err(Failed { reason, .. }) => {
                // Its state is unknown: the rollback sends the properties that failed as the old ones.
                self.live.insert(logical_id.to_owned(), Live { properties, ..old.clone() });
                Err(reason)
            }
        }
    }

    /// Brings what an update has touched back to what it was: a second Update with the properties exchanged.
    async fn roll_back(&mut self, before: BTreeMap<String, Live>, touched: &[String]) -> bool {
        let mut rolled_back = true;
        for logical_id in touched {
            let Some(old) = before.get(logical_id) else { continue };
            self.tell(logical_id, "UPDATE_IN_PROGRESS", "");
            if old.resource_type == CUSTOM_TYPE {
                let Some(failed) = self.live.get(logical_id).cloned() else { continue };
                let made =
                    self.make(logical_id, &old.resource_type, old.properties.clone(), Some(&failed)).await;
                match made {
                    Ok(live) => self.live.insert(logical_id.clone(), live),
                    Err(Failed { reason, .. }) => {
                        self.tell(logical_id, "UPDATE_FAILED", &reason);
                        rolled_back = false;
                        continue;
                    }
                };
            } else {
                // The old task definition or cluster is still there: clean-up comes after a success only.
                let new = self.live.insert(logical_id.clone(), old.clone());
                if let Some(new) = new.filter(|new| new.physical_id != old.physical_id) {
                    self.delete_live(logical_id, &new).await;
                }
            }
            self.tell(logical_id, "UPDATE_COMPLETE", "");
        }
        if rolled_back {
            self.tell_stack("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "");
            for logical_id in touched.iter().filter(|logical_id| !before.contains_key(*logical_id)) {
                self.delete_resource(logical_id).await;
            }
        }
        self.tell_stack(if rolled_back { "UPDATE_ROLLBACK_COMPLETE" } else { "UPDATE_ROLLBACK_FAILED" }, "");
        false
    }

    async fn delete_all(&mut self) -> bool {
        let order: Vec<String> =
            self.template.resources.iter().rev().map(|one| one.logical_id.clone()).collect();
        let mut gone = true;
        for logical_id in order {
            gone &= self.delete_resource(&logical_id).await;
        }
        gone
    }

    async fn delete_resource(&mut self, logical_id: &str) -> bool {
        let Some(live) = self.live.get(logical_id).cloned() else { return true };
        let gone = self.delete_live(logical_id, &live).await;
        if gone {
            self.live.remove(logical_id);
        }
        gone
    }

    /// The resources whose conditions hold, each after those that it needs.
    fn included(&self, parameters: &Parameters) -> Result<Vec<&Resource>, TemplateError> {
        let nothing = BTreeMap::new();
        let scope = self.scope(parameters, &nothing);
        let mut included = Vec::new();
        for resource in &self.template.resources {
            if resource
                .condition
                .as_ref()
                .map(|condition| scope.holds(condition))
                .transpose()?
                .unwrap_or(true)
            {
                included.push(resource);
            }
        }
        Ok(included)
    }

    fn included_ids(&self, parameters: &Parameters) -> Vec<String> {
        let included = self.included(parameters).unwrap_or_default();
        included.iter().map(|resource| resource.logical_id.clone()).collect()
    }

    /// Type and resolved properties of a resource, given the ones that exist.
    fn resolved(&self, logical_id: &str, parameters: &Parameters) -> Result<(String, Value), TemplateError> {
        let found = self.template.resources.iter().find(|resource| resource.logical_id == logical_id);
        let Some(resource) = found else { return Ok((String::new(), Value::Null)) };
        if !is_played(&resource.resource_type) {
            return Ok((resource.resource_type.clone(), Value::Null));
        }
        let included: BTreeSet<String> = self.included_ids(parameters).into_iter().collect();
        let live = self.live.iter().filter(|(id, _)| included.contains(*id));
        let referables = live.map(|(id, live)| (id.clone(), live.referable.clone())).collect();
        let properties =
            self.scope(parameters, &referables).resolve(&without_service_token(&resource.properties))?;
        let properties = properties.unwrap_or_else(|| json!({}));
        Ok((resource.resource_type.clone(), self.with_service_token(resource, properties)))
    }

    fn scope<'a>(
        &'a self,
        parameters: &'a Parameters,
        resources: &'a BTreeMap<String, Referable>,
    ) -> Scope<'a> {
        Scope { template: &self.template, parameters, resources, stack_id: &self.id }
    }

    fn tell(&self, logical_id: &str, status: &str, reason: &str) {
        (self.events)(StackEvent {
            at: now(),
            status: status.to_owned(),
            logical_id: logical_id.to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn tell_stack(&self, status: &str, reason: &str) {
        self.stage.cloudformation.set_status(&self.id, status);
        self.tell(&self.name, status, reason);
    }
}
