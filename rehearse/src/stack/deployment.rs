//! Deployments of the stack's services: by CloudFormation, or by a pipeline after it.

use serde_json::Value;

use super::{Failed, Stack};
use crate::{
    service::ecs::Deployment,
    template::{Parameters, TemplateError, TemplateErrors},
};

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

    /// Deploys a service as a pipeline does, with a new revision of its task definition if one is
    /// given. True if the deployment succeeds.
    pub async fn deploy(&self, logical_id: &str, definition: Option<&Value>) -> bool {
        self.event(
            logical_id,
            "SERVICE_DEPLOYMENT_IN_PROGRESS",
            "UpdateService by a pipeline",
        );
        if !self.ours.contains(logical_id) {
            self.note(format!(
                "{logical_id}: no task runs, because none of its lifecycle hooks invokes the function"
            ));
        }
        let deployed = self.update_service(logical_id, definition).await;
        match &deployed {
            Ok(()) => self.event(logical_id, "SERVICE_DEPLOYMENT_COMPLETED", ""),
            Err(reason) => self.event(logical_id, "SERVICE_DEPLOYMENT_FAILED", reason),
        }
        deployed.is_ok()
    }

    async fn update_service(
        &self,
        logical_id: &str,
        definition: Option<&Value>,
    ) -> Result<(), String> {
        let ecs = &self.stage.ecs;
        let registered = definition.map(|definition| ecs.register(definition));
        let registered = registered
            .transpose()
            .map_err(|refusals| refusals.to_string())?;
        let service = self.physical_id(logical_id).unwrap_or_default();
        let deployment = ecs.redeploy(service, registered.as_deref());
        let deployment = deployment.ok_or("Service not found.")?;
        self.run_deployment(logical_id, deployment).await
    }

    /// Checks that a pipeline can deploy a service: the stack has it, and ECS accepts the definition.
    pub fn check_deploy(
        &self,
        logical_id: &str,
        definition: Option<&Value>,
        parameters: &Parameters,
    ) -> Result<(), TemplateErrors> {
        let is_service = self
            .included(parameters)?
            .iter()
            .any(|one| one.logical_id == logical_id && one.resource_type == "AWS::ECS::Service");
        let registered = definition.map(|definition| self.stage.ecs.trial().register(definition));
        let problem = match registered.transpose() {
            _ if !is_service => format!("--deploy: there is no service {logical_id}"),
            Err(refusals) => format!("--deploy {logical_id}: {refusals}"),
            Ok(_) => return Ok(()),
        };
        Err(TemplateErrors(vec![TemplateError {
            line: None,
            message: problem,
        }]))
    }
}
