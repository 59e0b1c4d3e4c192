//! A stack's life, as CloudFormation runs it: create, update with its rollback, delete.

mod account;
mod check;
mod deployment;
mod desired;
mod event;
mod expected;
mod hints;
mod hooks;
mod make;
mod named;
mod properties;
mod remove;
mod trial;
mod update;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use self::desired::Outputs;
pub use self::{
    account::{Account, CUSTOM_TYPE, is_custom},
    event::{StackEvent, StackEvents},
    update::UpdateEnd,
};
use super::{
    config::{arn, random_hex, random_uuid},
    stage::Stage,
    template::{Parameters, Template, referable::Referable},
};

/// A stack on a stage.
pub struct Stack {
    stage: Arc<Stage>,
    template: Template,
    account: Account,
    name: String,
    id: String,
    events: StackEvents,
    live: BTreeMap<String, Live>,
    outputs: Outputs,
    /// The logical ids of the resources that the function serves, with services whose hook it is.
    ours: BTreeSet<String>,
    /// The resource that fails at its next creation or update.
    fail: Option<String>,
}

/// A resource that exists.
#[derive(Clone, Debug, PartialEq)]
struct Live {
    is_ours: bool,
    physical_id: String,
    properties: Value,
    /// A custom resource's ServiceToken, as the template has it.
    service_token: Option<String>,
    referable: Referable,
    /// The operation in which it failed, with DisableRollback.
    failed_in: Option<FailedIn>,
    /// True if it stays when the stack loses it.
    is_retained: bool,
    /// True if it stays when an update replaces it.
    is_retained_when_replaced: bool,
}

/// The operation that failed on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailedIn {
    Create,
    Update,
}

/// A resource that could not be created or updated. It may exist nevertheless.
struct Failed {
    reason: String,
    physical_id: Option<String>,
}

impl Stack {
    /// A stack that does not exist yet.
    pub fn new(stage: Arc<Stage>, template: Template, name: &str, events: StackEvents) -> Self {
        let id = arn("cloudformation", &format!("stack/{name}/{}", random_uuid()));
        let account = Account::default();
        let (live, outputs, ours) = (BTreeMap::new(), Outputs::new(), BTreeSet::new());
        let name = name.to_owned();
        Self {
            stage,
            template,
            account,
            name,
            id,
            events,
            live,
            outputs,
            ours,
            fail: None,
        }
    }

    /// The same stack in this account.
    pub fn within(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// The template, without the stack.
    pub fn into_template(self) -> Template {
        self.template
    }

    /// The stack's ARN.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of an attribute, as Fn::GetAtt would give it; `None` if there is none.
    pub fn attribute(&self, logical_id: &str, name: &str) -> Option<&Value> {
        self.live.get(logical_id)?.referable.attributes.get(name)
    }

    /// The PhysicalResourceId of a resource; `None` if it does not exist.
    pub fn physical_id(&self, logical_id: &str) -> Option<&str> {
        self.live
            .get(logical_id)
            .map(|live| live.physical_id.as_str())
    }

    /// Lets the resource of --fail fail from now on.
    pub fn fail_from_now_on(&mut self) {
        self.fail.clone_from(&self.account.fail);
    }

    /// Creates every resource, and deletes them again after a failure. True for CREATE_COMPLETE.
    pub async fn create(&mut self, parameters: &Parameters) -> bool {
        self.ours = self.our_resources(parameters);
        self.stack_event("CREATE_IN_PROGRESS", "User Initiated");
        for resource in self.included_ids(parameters) {
            if let Err(reason) = self.create_resource(&resource, parameters).await {
                self.event(&resource, "CREATE_FAILED", &reason);
                if self.account.keeps_failures {
                    return self.stays_failed("CREATE", &format!("create: [{resource}]."));
                }
                return self.roll_back_create(&format!(
                    "The following resource(s) failed to create: [{resource}]. Rollback requested by user."
                ))
                .await;
            }
            self.event(&resource, "CREATE_COMPLETE", "");
        }
        match self.outputs(parameters) {
            Ok(outputs) => self.outputs = outputs,
            Err(errors) => return self.roll_back_create(&errors.to_string()).await,
        }
        self.stack_event("CREATE_COMPLETE", "");
        true
    }

    /// Ends a failed operation with DisableRollback.
    fn stays_failed(&mut self, operation: &str, what: &str) -> bool {
        self.fail = None;
        let reason = format!("The following resource(s) failed to {what}");
        self.stack_event(&format!("{operation}_FAILED"), &reason);
        false
    }

    async fn roll_back_create(&mut self, why: &str) -> bool {
        self.fail = None;
        self.stack_event("ROLLBACK_IN_PROGRESS", why);
        let gone = self.delete_all().await;
        self.stack_event(
            if gone {
                "ROLLBACK_COMPLETE"
            } else {
                "ROLLBACK_FAILED"
            },
            "",
        );
        false
    }

    /// Deletes every resource. True for DELETE_COMPLETE.
    pub async fn delete(&mut self) -> bool {
        self.stack_event("DELETE_IN_PROGRESS", "User Initiated");
        let gone = self.delete_all().await;
        self.stack_event(
            if gone {
                "DELETE_COMPLETE"
            } else {
                "DELETE_FAILED"
            },
            "",
        );
        gone
    }

    async fn create_resource(
        &mut self,
        logical_id: &str,
        parameters: &Parameters,
    ) -> Result<(), String> {
        self.event(logical_id, "CREATE_IN_PROGRESS", "");
        let Some(desired) = self
            .desired(logical_id, parameters)
            .map_err(|errors| errors.to_string())?
        else {
            return Ok(());
        };
        match self.make(&desired, None).await {
            Ok(live) => {
                self.live.insert(logical_id.to_owned(), live);
                Ok(())
            }
            Err(Failed {
                reason,
                physical_id,
            }) => {
                if desired.is_ours {
                    // A Create without an answer gets a Delete with an id that CloudFormation makes
                    // up.
                    let generated = || {
                        format!(
                            "{}-{logical_id}-{}",
                            self.name,
                            random_hex(12).to_uppercase()
                        )
                    };
                    let live = Live {
                        is_ours: true,
                        physical_id: physical_id.unwrap_or_else(generated),
                        referable: Referable {
                            resource_type: desired.resource.resource_type.clone(),
                            ..Referable::default()
                        },
                        properties: desired.properties,
                        service_token: desired.service_token,
                        failed_in: Some(FailedIn::Create),
                        is_retained: false,
                        is_retained_when_replaced: false,
                    };
                    self.live.insert(logical_id.to_owned(), live);
                }
                Err(reason)
            }
        }
    }
}
