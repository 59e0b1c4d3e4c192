//! Updates of a stack, with their rollback.

use std::collections::BTreeMap;

use super::{Failed, FailedIn, Live, Stack};
use crate::template::{Parameters, Template, TemplateError, TemplateErrors};

/// The end of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateEnd {
    /// Nothing differs, so CloudFormation refuses the update.
    NotPerformed,
    /// UPDATE_COMPLETE.
    Complete,
    /// The update failed, with or without a complete rollback.
    Failed,
}

/// The progress of an update, for its rollback.
struct UpdateProgress {
    before: BTreeMap<String, Live>,
    touched: Vec<String>,
}

impl Stack {
    /// Refuses an update that changes the type of a resource, as UpdateStack does before it starts.
    pub fn check_types(
        &self,
        next: &Self,
        parameters: [&Parameters; 2],
    ) -> Result<(), TemplateErrors> {
        let [included, next_included] = [
            self.included_ids(parameters[0]),
            next.included_ids(parameters[1]),
        ];
        let mut errors = TemplateErrors::default();
        for resource in next
            .template
            .resources
            .iter()
            .filter(|one| next_included.contains(&one.logical_id))
        {
            let id = &resource.logical_id;
            let Some(old) = self.template.resource(id).filter(|_| included.contains(id)) else {
                continue;
            };
            let (from, to) = (&old.resource_type, &resource.resource_type);
            if from != to {
                errors.add(TemplateError {
                    line: Some(resource.line),
                    message: format!(
                        "Update of resource type is not permitted. The new template modifies resource type of \
                         the following resources: [{id}], from {from} to {to}: change the logical ID of the \
                         resource"
                    ),
                });
            }
        }
        errors.or(())
    }

    /// Updates the stack to another template, if anything differs.
    pub async fn update_to(&mut self, template: Template, parameters: &Parameters) -> UpdateEnd {
        let old = std::mem::replace(&mut self.template, template);
        let end = match self.fail.is_some() || self.differs(parameters) {
            false => UpdateEnd::NotPerformed,
            true if self.update(parameters).await => UpdateEnd::Complete,
            true => UpdateEnd::Failed,
        };
        // After a rollback the stack has its old template again.
        if end == UpdateEnd::Failed {
            self.template = old;
        }
        end
    }

    /// True if the template wants anything that differs from the present state.
    fn differs(&self, parameters: &Parameters) -> bool {
        let included = self.included_ids(parameters);
        let has = |id: &String| match (self.desired(id, parameters), self.live.get(id)) {
            (Ok(Some(desired)), Some(live)) => {
                let (policies, kept) = (
                    desired.policies(),
                    [live.is_retained, live.is_retained_when_replaced],
                );
                let is_same = desired.properties == live.properties;
                is_same
                    && desired.service_token == live.service_token
                    && live.failed_in.is_none()
                    && policies == kept
            }
            _ => false,
        };
        included.len() != self.live.len()
            || !included.iter().all(has)
            || self.outputs(parameters).ok().as_ref() != Some(&self.outputs)
    }

    /// Updates every resource to the template with these parameters, and rolls back after a
    /// failure. True for UPDATE_COMPLETE.
    pub async fn update(&mut self, parameters: &Parameters) -> bool {
        let ours = self.our_resources(parameters);
        self.ours.extend(ours);
        self.stack_event("UPDATE_IN_PROGRESS", "User Initiated");
        let mut progress = UpdateProgress {
            before: self.live.clone(),
            touched: Vec::new(),
        };
        let included = self.included_ids(parameters);
        for resource in &included {
            let changed = self
                .change_resource(resource, parameters, &mut progress)
                .await;
            if let Err(reason) = changed {
                let is_new = !progress.before.contains_key(resource);
                self.event(
                    resource,
                    if is_new {
                        "CREATE_FAILED"
                    } else {
                        "UPDATE_FAILED"
                    },
                    &reason,
                );
                let kind = if is_new { "create" } else { "update" };
                let what = format!("{kind}: [{resource}].");
                if self.account.keeps_failures {
                    return self.stays_failed("UPDATE", &what);
                }
                let why = format!("The following resource(s) failed to {what}");
                return self.roll_back(&progress, &why).await;
            }
        }
        match self.outputs(parameters) {
            Ok(outputs) => self.outputs = outputs,
            Err(errors) => return self.roll_back(&progress, &errors.to_string()).await,
        }
        self.fail = None;
        // Old resources go last: until now a rollback needs them.
        self.stack_event("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "");
        for (logical_id, old) in &progress.before {
            let now = self.live.get(logical_id);
            if !included.contains(logical_id) {
                self.delete_resource(logical_id).await;
            } else if now.is_some_and(|now| now.physical_id != old.physical_id) {
                self.delete_replaced(logical_id, old).await;
            }
        }
        self.stack_event("UPDATE_COMPLETE", "");
        true
    }

    async fn change_resource(
        &mut self,
        logical_id: &str,
        parameters: &Parameters,
        progress: &mut UpdateProgress,
    ) -> Result<(), String> {
        let Some(old) = progress.before.get(logical_id) else {
            progress.touched.push(logical_id.to_owned());
            self.create_resource(logical_id, parameters).await?;
            self.event(logical_id, "CREATE_COMPLETE", "");
            return Ok(());
        };
        let in_words = |errors: TemplateErrors| errors.to_string();
        let Some(desired) = self.desired(logical_id, parameters).map_err(in_words)? else {
            return Ok(());
        };
        // CloudFormation creates a resource anew if its Create failed, and sends the old id a
        // Delete in the end.
        if old.failed_in == Some(FailedIn::Create) {
            progress.touched.push(logical_id.to_owned());
            self.create_resource(logical_id, parameters).await?;
            self.event(logical_id, "CREATE_COMPLETE", "");
            return Ok(());
        }
        let is_same = desired.properties == old.properties
            && desired.service_token == old.service_token
            && old.failed_in.is_none();
        if is_same && self.fail.as_deref() != Some(logical_id) {
            if desired.is_ours {
                self.note(format!(
                    "{logical_id}: no task runs, because none of its properties has changed and CloudFormation \
                     therefore sends no Update"
                ));
            }
            return Ok(());
        }
        progress.touched.push(logical_id.to_owned());
        self.event(logical_id, "UPDATE_IN_PROGRESS", "");
        match self.make(&desired, Some(old)).await {
            Ok(live) => {
                self.live.insert(logical_id.to_owned(), live);
                self.event(logical_id, "UPDATE_COMPLETE", "");
                Ok(())
            }
            Err(Failed { reason, .. }) => {
                // No request was sent, so the rollback has nothing to restore.
                if desired.service_token != old.service_token {
                    progress.touched.pop();
                    return Err(reason);
                }
                // The state of the resource is unknown, so the rollback sends the failed properties
                // as the old ones.
                let properties = desired.properties;
                let failed_in = self.account.keeps_failures.then_some(FailedIn::Update);
                self.live.insert(
                    logical_id.to_owned(),
                    Live {
                        properties,
                        failed_in,
                        ..old.clone()
                    },
                );
                Err(reason)
            }
        }
    }

    /// Updates everything that was touched back to its old state, by a second Update with the
    /// properties exchanged. New resources go last, when the old ones run again.
    async fn roll_back(&mut self, progress: &UpdateProgress, why: &str) -> bool {
        self.fail = None;
        self.stack_event("UPDATE_ROLLBACK_IN_PROGRESS", why);
        let mut rolled_back = true;
        let mut replaced = Vec::new();
        for logical_id in &progress.touched {
            let Some(old) = progress.before.get(logical_id) else {
                continue;
            };
            let Some(new) = self.live.get(logical_id).cloned() else {
                continue;
            };
            self.event(logical_id, "UPDATE_IN_PROGRESS", "");
            let is_replaced = new.physical_id != old.physical_id;
            let restored = match is_replaced {
                // The replaced resource still exists, because clean-up follows a success only.
                true => Ok(old.clone()),
                false => self.restore(logical_id, old, &new).await,
            };
            match restored {
                Ok(live) => {
                    self.live.insert(logical_id.clone(), live);
                    self.event(logical_id, "UPDATE_COMPLETE", "");
                }
                Err(Failed { reason, .. }) => {
                    self.event(logical_id, "UPDATE_FAILED", &reason);
                    rolled_back = false;
                }
            }
            if is_replaced {
                replaced.push((logical_id, new));
            }
        }
        if rolled_back {
            self.stack_event("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "");
            for logical_id in progress.touched.iter().rev() {
                if !progress.before.contains_key(logical_id) {
                    self.delete_resource(logical_id).await;
                } else if let Some((_, new)) = replaced.iter().find(|(id, _)| *id == logical_id) {
                    self.delete_live(logical_id, new).await;
                }
            }
        }
        self.stack_event(
            if rolled_back {
                "UPDATE_ROLLBACK_COMPLETE"
            } else {
                "UPDATE_ROLLBACK_FAILED"
            },
            "",
        );
        false
    }
}
