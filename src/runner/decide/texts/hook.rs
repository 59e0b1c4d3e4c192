//! The texts of a deployment's hook. ECS shows none of them: docs/hooks.md says where they stand.

use super::called;
use serde_json::Value;

use crate::{
    call::CallError,
    properties::PropertyErrors,
    reason::{FailureClass, Reason},
    runner::decide::hook::{Hook, STAGES},
    subject,
};

/// An example of the details.
const EXAMPLE: &str = r#"HookDetails: '{"ECSTask": {"Overrides": {"ContainerOverrides": [{"Name": "app", "Command": ["rake", "db:migrate"]}]}}}'"#;

/// An invocation that lacks one of its members.
pub fn hook_lacks(name: &str) -> Reason {
    refused(format!("The hook's payload has no {name}, which ECS always sends")).step(
        "Register the function as a lifecycle hook of a service, and let only ECS invoke it with such a payload",
    )
}

/// A later deployment of the service has taken over.
pub fn hook_superseded() -> Reason {
    Reason::new("A later deployment of this service is running its task at this stage, so this hook does not run its \
                 own")
        .of_class(FailureClass::Start)
        .step("Wait until that deployment has ended")
}

/// No invocation had the time for the next step.
pub fn hook_out_of_time() -> Reason {
    Reason::new("AWS did not answer before the invocation ran out of time")
        .of_class(FailureClass::OwnFault)
        .step("Deploy again. If it happens again, check the function's network (a function in a VPC needs a NAT \
               gateway or VPC endpoints) and the AWS Health Dashboard, and raise the function's timeout if it is \
               below 900 s")
        .fact(Some(
            "A task may still be running: the function could not check",
        ))
}

/// The tasks of a hook have not stopped within the time that the function waits for that.
pub fn hook_still_stopping(reason: Reason) -> Reason {
    reason.fact(Some(
        "The task had not stopped ten minutes later, and may still be running",
    ))
}

/// The hook is registered at a stage that ECS invokes more than once in a deployment.
pub fn stage_refused(stage: &str) -> Reason {
    let why = match stage {
        "TEST_TRAFFIC_SHIFT" => ", because ECS invokes it again in a rollback",
        "PRE_PRODUCTION_TRAFFIC_SHIFT" => {
            ", because ECS invokes it at each step of the traffic shift"
        }
        "PRODUCTION_TRAFFIC_SHIFT" => {
            ", because ECS invokes it at each step of the traffic shift, and in a rollback"
        }
        _ => "",
    };
    refused(format!("A task cannot run at the stage {stage}{why}")).step(&format!(
        "Set LifecycleStages of the hook to one of these: {}",
        STAGES.join(", ")
    ))
}

/// The hook's details lack the properties of the task.
pub fn no_ecs_task(details: &Value) -> Reason {
    let alike = details.as_object().and_then(|details| {
        let mut names = details.keys();
        names.find(|name| name.eq_ignore_ascii_case("ECSTask"))
    });
    let lead = match (details, alike) {
        (_, Some(name)) => format!("HookDetails has {name} instead of ECSTask"),
        (Value::Object(_) | Value::Null, None) => {
            "HookDetails has no ECSTask, which says what to run".to_owned()
        }
        _ => "HookDetails is not a JSON object in a string".to_owned(),
    };
    refused(lead).step(&format!("Write, for example, {EXAMPLE}"))
}

/// The properties in the hook's details are wrong.
pub fn hook_details_refused(errors: &PropertyErrors) -> Reason {
    refused(format!("ECSTask in HookDetails is not valid: {errors}"))
        .step("Correct HookDetails of the service, and deploy again")
}

/// The revision that is being deployed cannot be read: without it nobody knows what to run, and
/// where.
pub fn no_revision(revision: &str, error: Option<&CallError>) -> Reason {
    let reason = Reason::new("The service revision that is being deployed could not be read")
        .of_class(FailureClass::Start);
    let reason = match error {
        Some(error) => called(reason, error),
        None => reason.step("Deploy again: ECS does not know this revision"),
    };
    reason.place(format!("service revision {revision}"))
}

/// The subject of the message about a failed hook: the service, the cluster, the cause.
pub fn hook_subject(service: &str, cluster: &str, cause: &str) -> String {
    subject::fitted(subject::ascii(&format!(
        "Deployment of {service} on {cluster} failed: {cause}"
    )))
}

/// The message about a failed hook: the Reason, and where it was.
pub fn hook_message(hook: &Hook, reason: &str, function_arn: &str) -> String {
    format!(
        "{reason}\n\nService: {}\nDeployment: {}\nStage: {}\nFunction: {function_arn}\n\nECS rolls the \
         deployment back.",
        hook.service, hook.deployment, hook.stage
    )
}

fn refused(lead: String) -> Reason {
    Reason::new(lead)
        .of_class(FailureClass::Refused)
        .about("request-refused")
}
