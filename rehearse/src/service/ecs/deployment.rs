//! A deployment of a service: its lifecycle hooks run, but no task of the service itself.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-lifecycle-hooks.html>

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    Ecs,
    hook::{Hook, Step, stages},
};
use crate::{
    config::{now, random_uuid},
    report::Report,
    service::lambda::Lambda,
};

/// A deployment that ECS has started.
#[derive(Debug, Default)]
pub struct Deployment {
    /// Its ARN.
    pub arn: String,
    /// The service's ARN.
    pub service_arn: String,
    /// The ARN of the service revision that it deploys.
    pub revision_arn: String,
    pub(super) hooks: Vec<Hook>,
    /// The service before the deployment; `None` for its first one.
    pub(super) before: Option<Value>,
}

/// A deployment that ECS has rolled back.
#[derive(Debug)]
pub struct FailedDeployment {
    /// The problem, as far as ECS tells it: which hook, and not why.
    pub problem: String,
    /// The Reason in the function's log.
    pub reason: Option<String>,
}

impl Deployment {
    /// The payload of the next invocation of a hook.
    fn payload(&self, hook: &Hook, stage: &str) -> Value {
        let mut payload = json!({
            // AWS does not say that it stays the same, so it differs.
            "executionId": random_uuid(),
            "lifecycleStage": stage,
            "resourceArn": self.arn,
            "executionDetails": {
                "serviceArn": self.service_arn,
                "targetServiceRevisionArn": self.revision_arn,
                "testTrafficWeights": {},
                "productionTrafficWeights": {},
            },
        });
        if let Some(details) = &hook.details {
            payload["hookDetails"] = json!(details);
        }
        payload
    }
}

impl Ecs {
    /// Takes a deployment through its stages, and invokes its hooks. The hooks of one stage run in
    /// parallel. If one fails, the service has its old revision again.
    pub async fn run_deployment(
        &self,
        mut deployment: Deployment,
        lambda: &Lambda,
    ) -> Result<(), FailedDeployment> {
        let mut hooks = std::mem::take(&mut deployment.hooks);
        for stage in stages(&hooks) {
            let due = hooks.iter_mut().filter(|hook| hook.is_at(stage));
            let due = due.map(|hook| self.run_hook(hook, stage, &deployment, lambda));
            let ended: Result<Vec<()>, String> = join_all(due).await.into_iter().collect();
            if let Err(problem) = ended {
                let is_its = |line: &Value| {
                    line["deployment"] == deployment.arn.as_str() && line["stage"] == stage
                };
                let reason = lambda.logged_error("reason", is_its).await;
                self.roll_back(deployment);
                return Err(FailedDeployment { problem, reason });
            }
        }
        Ok(())
    }

    /// Invokes a hook at one stage until it has ended. `Err` is the problem.
    async fn run_hook(
        &self,
        hook: &mut Hook,
        stage: &str,
        deployment: &Deployment,
        lambda: &Lambda,
    ) -> Result<(), String> {
        let note = |what: &str| {
            let name = deployment
                .service_arn
                .rsplit('/')
                .next()
                .unwrap_or_default();
            (self.inner.reporter)(Report::Note(format!("service {name}: {what}")));
        };
        if hook.target.as_ref() != Some(&lambda.function_arn()) {
            let what = match hook.target {
                Some(_) => "a hook with another target",
                None => "a pause",
            };
            note(&format!(
                "the rehearsal skips {what} at {stage}: it counts as succeeded"
            ));
            return Ok(());
        }
        let began = now();
        let mut ends = self.inner.task_ends.subscribe();
        loop {
            // What ends during the invocation is seen after it.
            ends.borrow_and_update();
            let payload = deployment.payload(hook, stage).to_string();
            let answer = lambda.invoke_once(payload.into()).await;
            match hook.take(stage, &answer, (now() - began).unsigned_abs()) {
                Step::Succeeded => return Ok(()),
                Step::Continued => {
                    note(&format!(
                        "the timeout of the hook at {stage} has passed, and its action is CONTINUE"
                    ));
                    return Ok(());
                }
                Step::Failed(problem) => return Err(problem),
                // The next invocation would see the end of a task only after the delay.
                Step::Again(delay) => tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    _ = ends.changed() => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_details_that_its_hook_has() {
        let details = json!({"ECSTask": {"Count": 1}});
        let service = json!({"deploymentConfiguration": {"lifecycleHooks": [
            {"hookDetails": details.to_string()}, {},
        ]}});
        let payload = |hook: &Hook| Deployment::default().payload(hook, "PRE_SCALE_UP");
        let [with, without] = [0, 1].map(|index| payload(&Hook::all_of(&service)[index]));
        assert_eq!(with["lifecycleStage"], "PRE_SCALE_UP");
        assert_eq!(with["hookDetails"], details);
        assert_eq!(without.get("hookDetails"), None);
    }
}
