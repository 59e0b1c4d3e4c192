//! Deployments of the stack's services by CloudFormation.

use serde_json::Value;

use super::{Failed, Stack};
use crate::service::ecs::Deployment;

impl Stack {
    /// Creates a service or updates it, and waits for the deployment that ECS starts. Returns its
    /// ARN.
    ///
    /// AWS does not document the words for a failed hook. These are in the style of those for the
    /// deployment circuit breaker.
    pub(super) async fn deploy_service(
        &self,
        logical_id: &str,
        (cluster, name): (&str, &str),
        properties: &Value,
    ) -> Result<String, Failed> {
        let (arn, deployment) = self.stage.ecs.deploy(cluster, name, properties);
        let ran = match deployment {
            Some(deployment) => self.run_deployment(logical_id, deployment).await,
            None => Ok(()),
        };
        ran.map_err(|problem| Failed {
            reason: format!("Error occurred during operation 'ECS Deployment failed: {problem}'."),
            physical_id: None,
        })?;
        Ok(arn)
    }

    /// Takes a deployment through its hooks. `Err` is the problem.
    async fn run_deployment(&self, logical_id: &str, deployment: Deployment) -> Result<(), String> {
        let ran = self
            .stage
            .ecs
            .run_deployment(deployment, &self.stage.lambda)
            .await;
        ran.map_err(|failed| {
            // ECS and CloudFormation show nothing of it.
            if let Some(reason) = failed.reason {
                self.note(format!("{logical_id}: the function's log: {reason}"));
            }
            failed.problem
        })
    }
}
