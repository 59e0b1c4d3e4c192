//! A runner with one rule broken, to see that the simulation objects. The runner itself stays as it is: what it sends
//! and what it gets to see is changed on the way, as if it broke the rule.

use serde_json::{Value, json};

use crate::world::World;

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// RunTask goes out with a token of its own each time.
    SendsNoToken,
    /// No task is ever stopped.
    StopsNothing,
    /// Exit codes are not read.
    TakesEveryEndForASuccess,
    /// A task counts as over at once.
    DoesNotWait,
    /// Tasks go without tags.
    SendsNoTags,
    /// Tasks of the resource are not looked for.
    FindsNothing,
    /// The wait is not handed over.
    DoesNotHandOver,
    /// Lambda's deadline is not heeded.
    IgnoresItsDeadline,
    /// ServiceTimeout is not heeded.
    IgnoresServiceTimeout,
    /// Lambda's limit on chains is not heeded.
    IgnoresTheChain,
    /// The answer is not sent.
    SwallowsTheAnswer,
    /// The invocation fails although its answer has been delivered.
    FailsAfterDelivery,
    /// Each delivery of a request is answered in another way.
    AnswersDifferently,
    /// Everything is FAILED.
    AlwaysFails,
    /// The answer is longer than CloudFormation reads.
    SaysTooMuch,
    /// The PhysicalResourceId changes.
    ChangesTheId,
    /// The ResponseURL is logged.
    LogsTheUrl,
    /// The properties are logged.
    LogsTheProperties,
}

/// Every rule, and a word of the objection to its breach.
pub(crate) const ALL: [(Sabotage, &str); 18] = [
    (Sabotage::SendsNoToken, "start once"),
    (Sabotage::StopsNothing, "runs on after"),
    (Sabotage::TakesEveryEndForASuccess, "untrue SUCCESS"),
    (Sabotage::DoesNotWait, "untrue SUCCESS"),
    (Sabotage::SendsNoTags, "side by side"),
    (Sabotage::FindsNothing, "after Delete"),
    (Sabotage::DoesNotHandOver, "no answer"),
    (Sabotage::IgnoresItsDeadline, "killed at its deadline"),
    (Sabotage::IgnoresServiceTimeout, "ServiceTimeout"),
    (Sabotage::IgnoresTheChain, "chain"),
    (Sabotage::SwallowsTheAnswer, "no answer"),
    (Sabotage::FailsAfterDelivery, "failed after its answer"),
    (Sabotage::AnswersDifferently, "differ"),
    (Sabotage::AlwaysFails, "should have succeeded"),
    (Sabotage::SaysTooMuch, "bytes"),
    (Sabotage::ChangesTheId, "PhysicalResourceId"),
    (Sabotage::LogsTheUrl, "log"),
    (Sabotage::LogsTheProperties, "log"),
];

/// A call of the runner's, as a runner with the broken rule would have made it.
pub(crate) fn on_the_way_out(world: &World, operation: &str, mut body: Value) -> Value {
    match (world.sabotage, operation) {
        (Some(Sabotage::SendsNoToken), "RunTask") => {
            body["clientToken"] = world.state().rng.u64(..).to_string().into()
        }
        (Some(Sabotage::SendsNoTags), "RunTask" | "StartTask") => body["tags"] = json!([]),
        (Some(Sabotage::StopsNothing), "StopTask") => body["task"] = "none".into(),
        _ => {}
    }
    body
}

/// An answer of AWS, as a runner with the broken rule would take it.
pub(crate) fn on_the_way_in(world: &World, operation: &str, mut answer: Value) -> Value {
    if world.sabotage.is_none() || !answer.is_object() {
        return answer;
    }
    let tasks = answer["tasks"].as_array_mut().into_iter().flatten();
    match (world.sabotage, operation) {
        (Some(Sabotage::TakesEveryEndForASuccess), "DescribeTasks") => {
            for container in tasks.flat_map(|task| task["containers"].as_array_mut().into_iter().flatten()) {
                if !container["exitCode"].is_null() {
                    container["exitCode"] = 0.into();
                }
            }
        }
        (Some(Sabotage::DoesNotWait), "DescribeTasks") => {
            for task in tasks {
                task["lastStatus"] = "STOPPED".into();
                task["stopCode"] = "EssentialContainerExited".into();
                for container in task["containers"].as_array_mut().into_iter().flatten() {
                    container["lastStatus"] = "STOPPED".into();
                    container["exitCode"] = 0.into();
                }
            }
        }
        (Some(Sabotage::FindsNothing), "ListTasks") => answer["taskArns"] = json!([]),
        _ => {}
    }
    answer
}

/// The body of an answer, as a runner with the broken rule would have sent it.
pub(crate) fn answer(world: &World, mut body: Value) -> Value {
    match world.sabotage {
        Some(Sabotage::AnswersDifferently) => {
            body["Data"]["TaskArn"] = world.state().rng.u64(..).to_string().into()
        }
        Some(Sabotage::AlwaysFails) => body["Status"] = "FAILED".into(),
        Some(Sabotage::SaysTooMuch) => body["Reason"] = "x".repeat(5000).into(),
        Some(Sabotage::ChangesTheId) if body["RequestId"] != "r-1" => {
            body["PhysicalResourceId"] = "another".into()
        }
        _ => {}
    }
    body
}

/// A payload, as a runner with the broken rule would read it.
pub(crate) fn payload(world: &World, mut payload: Value) -> Value {
    match world.sabotage {
        Some(Sabotage::IgnoresServiceTimeout) if payload["RequestType"].is_string() => {
            payload["ResourceProperties"]["ServiceTimeout"] = "3600".into();
            payload["ResourceProperties"]["Timeout"] = "3600".into();
        }
        Some(Sabotage::LogsTheUrl) => {
            tracing::trace!(target: "ecs_tasks::runner", "{}", payload["ResponseURL"])
        }
        Some(Sabotage::LogsTheProperties) => {
            tracing::trace!(target: "ecs_tasks::runner", "{}", payload["ResourceProperties"]);
        }
        _ => {}
    }
    payload
}
