//! Deletes resources, except those with a policy to retain them.

use super::{Live, Stack};
use crate::service::cloudformation::Ask;

impl Stack {
    pub(super) async fn delete_all(&mut self) -> bool {
        // In the reverse order of creation: a resource outlives those that need it.
        let mut order: Vec<String> = self
            .template
            .resources
            .iter()
            .rev()
            .map(|one| one.logical_id.clone())
            .collect();
        // A failed update can leave resources that this template does not have.
        let others = self
            .live
            .keys()
            .filter(|id| !order.contains(id))
            .cloned()
            .collect::<Vec<_>>();
        order.splice(0..0, others);
        let mut gone = true;
        for logical_id in order {
            gone &= self.delete_resource(&logical_id).await;
        }
        gone
    }

    pub(super) async fn delete_resource(&mut self, logical_id: &str) -> bool {
        let Some(live) = self.live.get(logical_id).cloned() else {
            return true;
        };
        if live.is_retained {
            self.event(logical_id, "DELETE_SKIPPED", "");
            self.live.remove(logical_id);
            return true;
        }
        let gone = self.delete_live(logical_id, &live).await;
        if gone {
            self.live.remove(logical_id);
        }
        gone
    }

    /// Deletes a resource that an update has replaced.
    pub(super) async fn delete_replaced(&self, logical_id: &str, old: &Live) -> bool {
        if old.is_retained_when_replaced {
            self.event(logical_id, "DELETE_SKIPPED", "");
            return true;
        }
        self.delete_live(logical_id, old).await
    }

    /// Deletes an earlier state of a resource, whatever has taken its place.
    pub(super) async fn delete_live(&self, logical_id: &str, live: &Live) -> bool {
        self.event(logical_id, "DELETE_IN_PROGRESS", "");
        match live.referable.resource_type.as_str() {
            "AWS::ECS::Cluster" => self.stage.ecs.delete_cluster(&live.physical_id),
            "AWS::ECS::TaskDefinition" => self.stage.ecs.deregister(&live.physical_id),
            "AWS::ECS::Service" => self.stage.ecs.delete_service(&live.physical_id),
            resource_type if live.is_ours => {
                let ask = Ask {
                    request_type: "Delete",
                    stack_id: &self.id,
                    logical_id,
                    resource_type,
                    physical_id: Some(&live.physical_id),
                    properties: &live.properties,
                    old_properties: None,
                };
                let settled = self
                    .stage
                    .cloudformation
                    .request(&ask, &self.stage.lambda)
                    .await;
                if !settled.succeeded {
                    self.event(logical_id, "DELETE_FAILED", &settled.reason);
                    return false;
                }
            }
            _ => {}
        }
        self.event(logical_id, "DELETE_COMPLETE", "");
        true
    }
}
