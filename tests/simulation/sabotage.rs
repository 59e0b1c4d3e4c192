//! A runner that breaks one rule, to see that the simulation objects. The runner itself stays
//! unchanged: its requests, and the answers that it sees, are changed on the way, as if it broke
//! the rule.

use rehearse::service::dynamodb::LEDGER;
use serde_json::{Value, json};

use crate::{
    ecs::{Fate, Script, Sidecar},
    ledger::{LedgerTrouble, WATCH},
    life::{Life, Refusal, Trouble},
    world::{Asked, Delivery, World},
};

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
    /// Tasks are looked for in the cluster of the new properties alone.
    LooksInOneCluster,
    /// Stopping tasks are not looked for.
    LooksAtWhatRunsAlone,
    /// A run that timed out is answered before its tasks have stopped.
    AnswersBeforeTheEnd,
    /// One answer without a task counts as its end.
    BelievesOneMissing,
    /// The log is not read to its end.
    ReturnsAnotherLine,
    /// The ledger's writes have no condition.
    WritesWithoutCondition,
    /// No row is written.
    RemembersNothing,
    /// The watch ignores rows whose invocation crashed while it started tasks.
    WatchIgnoresStarting,
    /// The watch never looks at parked waits.
    WatchIgnoresWaiting,
    /// The watch never sends an answer again that was not accepted.
    WatchIgnoresAnswering,
    /// Every event says that its task ended well.
    BelievesEveryEvent,
    /// The answer is sent without being written first.
    AnswersBeforeItWrites,
    /// The exit codes of an event are not read.
    LooksAfterEveryEvent,
    /// Every container counts, whatever the task definition says.
    JudgesWithoutDefinition,
    /// If a task failed to start after its work was done, its exit code is not read.
    ForgetsWorkBeforeAFailedStart,
    /// The same, if the work had failed.
    BlamesTheStart,
    /// `*` in WatchContainers is not read.
    IgnoresTheStar,
    /// A SUCCESS does not name the helpers that failed.
    HidesHelpers,
    /// Waits are parked although the watch has not come round for long.
    ParksWithoutHeartbeat,
    /// A panic ends the invocation. `guard.rs` has the lives that notice it.
    HasNoGuard,
    /// A hook is failed by the invocation whose start has failed. `hooks.rs` has the life.
    FailsBeforeItStops,
    /// A temporary refusal of a start counts as a final one.
    GivesUpOn(Refusal),
    /// The same for a full quota in an answer's failures.
    GivesUpOnFailures,
    /// The same for a role that has not spread.
    GivesUpOnDenials,
    /// Tasks are started with tags, whatever ECS says.
    InsistsOnTags,
}

/// Every sabotage, a word of the objection to it, and the first life that notices it.
pub(crate) const ALL: [(Sabotage, &str, u64); 43] = [
    (Sabotage::SendsNoToken, "start once", 3),
    (Sabotage::StopsNothing, "runs on after", 1),
    (Sabotage::TakesEveryEndForASuccess, "untrue SUCCESS", 8),
    (Sabotage::DoesNotWait, "untrue SUCCESS", 0),
    (Sabotage::FindsNothing, "after Delete", 0),
    (Sabotage::DoesNotHandOver, "no answer", 10),
    (Sabotage::IgnoresItsDeadline, "killed at its deadline", 4),
    (Sabotage::IgnoresServiceTimeout, "ServiceTimeout", 2),
    (Sabotage::IgnoresTheChain, "chain", 234),
    (Sabotage::SwallowsTheAnswer, "no answer", 0),
    (Sabotage::FailsAfterDelivery, "failed after its answer", 0),
    (Sabotage::AnswersDifferently, "differ", 2),
    (Sabotage::AlwaysFails, "should have succeeded", 25),
    (Sabotage::SaysTooMuch, "bytes", 0),
    (Sabotage::ChangesTheId, "PhysicalResourceId", 1),
    (Sabotage::LogsTheUrl, "log", 0),
    (Sabotage::LogsTheProperties, "log", 0),
    (Sabotage::LooksInOneCluster, "side by side", 272),
    (Sabotage::LooksAtWhatRunsAlone, "side by side", 272),
    (Sabotage::AnswersBeforeTheEnd, "still dying", 0),
    (Sabotage::BelievesOneMissing, "should have succeeded", 102),
    (Sabotage::ReturnsAnotherLine, "not the last line", 25),
    (
        Sabotage::WritesWithoutCondition,
        "not the one in its row",
        21,
    ),
    (Sabotage::RemembersNothing, "no row", 17),
    (Sabotage::WatchIgnoresStarting, "no answer", 61),
    (Sabotage::WatchIgnoresWaiting, "no answer", 9),
    (Sabotage::WatchIgnoresAnswering, "no answer", 0),
    (Sabotage::BelievesEveryEvent, "untrue SUCCESS", 1),
    (
        Sabotage::AnswersBeforeItWrites,
        "not the one in its row",
        17,
    ),
    (Sabotage::LooksAfterEveryEvent, "after it was parked", 0),
    (
        Sabotage::JudgesWithoutDefinition,
        "should have succeeded",
        0,
    ),
    (
        Sabotage::ForgetsWorkBeforeAFailedStart,
        "should have succeeded",
        0,
    ),
    (Sabotage::BlamesTheStart, "in place of exit code", 0),
    (Sabotage::IgnoresTheStar, "untrue SUCCESS", 0),
    (Sabotage::HidesHelpers, "hides a helper", 0),
    (Sabotage::ParksWithoutHeartbeat, "no answer", 0),
    (
        Sabotage::GivesUpOn(Refusal::Ec2Throttle),
        "should have started",
        0,
    ),
    (
        Sabotage::GivesUpOn(Refusal::YoungRole),
        "should have started",
        0,
    ),
    (
        Sabotage::GivesUpOn(Refusal::FullQuota),
        "should have started",
        0,
    ),
    (
        Sabotage::GivesUpOn(Refusal::EmptyProvider),
        "should have started",
        0,
    ),
    (Sabotage::GivesUpOnFailures, "should have started", 0),
    (Sabotage::GivesUpOnDenials, "should have started", 0),
    (Sabotage::InsistsOnTags, "should have started", 0),
];

/// Returns a life that is sure to notice the sabotage, if that takes an otherwise calm one: few
/// seeds have it.
pub(crate) fn directed(sabotage: Sabotage) -> Option<Life> {
    let trouble = match sabotage {
        Sabotage::JudgesWithoutDefinition => {
            let script = Script {
                sidecar: Some(Sidecar::Ends(137)),
                ..Script::plain(Fate::Exits(0, 30.0))
            };
            return Some(Life::calm(json!({}), script));
        }
        Sabotage::ForgetsWorkBeforeAFailedStart | Sabotage::BlamesTheStart => {
            let code = i64::from(sabotage == Sabotage::BlamesTheStart);
            let script = Script::plain(Fate::Exits(code, 0.4));
            return Some(Life::calm(
                json!({}),
                Script {
                    sidecar: Some(Sidecar::NeverStarts),
                    ..script
                },
            ));
        }
        Sabotage::IgnoresTheStar | Sabotage::HidesHelpers => {
            let every = json!({"WatchContainers": ["*"]});
            let properties = if sabotage == Sabotage::IgnoresTheStar {
                every
            } else {
                json!({})
            };
            let script = Script {
                sidecar: Some(Sidecar::Ends(2)),
                ..Script::plain(Fate::Exits(0, 30.0))
            };
            return Some(Life::calm(properties, script));
        }
        Sabotage::ParksWithoutHeartbeat => {
            let script = Script {
                stopping: (60.0, 137),
                ..Script::plain(Fate::Hangs)
            };
            let life = Life::calm(json!({"Timeout": "600", "ServiceTimeout": "900"}), script);
            let trouble = LedgerTrouble {
                dropped: 1.0,
                watch_dies: Some(70.0),
                ..LedgerTrouble::default()
            };
            return Some(life.with_ledger(trouble));
        }
        Sabotage::GivesUpOn(_)
        | Sabotage::GivesUpOnFailures
        | Sabotage::GivesUpOnDenials
        | Sabotage::InsistsOnTags => {
            let trouble = match sabotage {
                Sabotage::GivesUpOn(refusal) => Trouble {
                    refusals: vec![refusal; 2],
                    ..Trouble::default()
                },
                Sabotage::GivesUpOnDenials => Trouble {
                    iam_spreads: 25.0,
                    ..Trouble::default()
                },
                Sabotage::InsistsOnTags => Trouble {
                    short_arns: true,
                    ..Trouble::default()
                },
                _ => {
                    let capacity_reason = Some(Refusal::FullQuota.error().1);
                    Trouble {
                        without_capacity: 2,
                        capacity_reason,
                        ..Trouble::default()
                    }
                }
            };
            return Some(Life {
                trouble,
                ..Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)))
            });
        }
        Sabotage::LooksAfterEveryEvent | Sabotage::WatchIgnoresAnswering => {
            LedgerTrouble::default()
        }
        Sabotage::WatchIgnoresWaiting => LedgerTrouble {
            dropped: 1.0,
            ..LedgerTrouble::default()
        },
        _ => return None,
    };
    let life = Life::calm(
        json!({"Timeout": "1800"}),
        Script::plain(Fate::Exits(0, 200.0)),
    );
    let bucket_fails = (sabotage == Sabotage::WatchIgnoresAnswering).then_some((150.0, 200.0));
    let ours = Trouble {
        bucket_fails,
        ..Trouble::default()
    };
    Some(
        Life {
            deleted: false,
            trouble: ours,
            ..life
        }
        .with_ledger(trouble),
    )
}

/// Changes a call of the runner into that of a runner which breaks the rule.
pub(crate) fn on_the_way_out(world: &World, operation: &str, mut body: Value) -> Value {
    match (world.sabotage, operation) {
        (Some(Sabotage::SendsNoToken), "RunTask") => {
            body["clientToken"] = world.state().rng.u64(..).to_string().into()
        }
        (Some(Sabotage::InsistsOnTags), "RunTask") => {
            body["tags"] = json!([{"key": "a", "value": "b"}])
        }
        (Some(Sabotage::StopsNothing), "StopTask") => body["task"] = "none".into(),
        (Some(Sabotage::LooksInOneCluster), "ListTasks") => {
            let request = Delivery::under_way().request;
            let own = |asked: &Asked| {
                asked.id == request && asked.properties["Cluster"] == body["cluster"]
            };
            if !world.state().requests.iter().any(own) {
                body["cluster"] = "nowhere".into();
            }
        }
        (Some(Sabotage::LooksAtWhatRunsAlone), "ListTasks")
            if body["desiredStatus"].is_string() =>
        {
            body["cluster"] = "nowhere".into();
        }
        (Some(Sabotage::WritesWithoutCondition), "UpdateItem" | "PutItem") => {
            body.as_object_mut()
                .and_then(|call| call.remove("ConditionExpression"));
        }
        (Some(Sabotage::RemembersNothing), "PutItem")
            if body["ConditionExpression"].is_string() =>
        {
            body["Item"]["request"]["S"] = "another".into();
        }
        (Some(Sabotage::AnswersBeforeItWrites), "UpdateItem")
            if body["ExpressionAttributeValues"][":answer"].is_object() =>
        {
            body["ExpressionAttributeValues"][":answer"]["S"] = "{}".into();
        }
        _ => {}
    }
    body
}

/// Changes an answer of AWS into the one that a runner which breaks the rule would see.
pub(crate) fn on_the_way_in(world: &World, operation: &str, mut answer: Value) -> Value {
    if world.sabotage.is_none() || !answer.is_object() {
        return answer;
    }
    if world.sabotage == Some(Sabotage::BelievesOneMissing) && operation == "DescribeTasks" {
        let missing: Vec<Value> =
            std::mem::take(answer["failures"].as_array_mut().unwrap_or(&mut Vec::new()));
        let ended = |missing: &Value| {
            json!({"taskArn": missing["arn"], "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
                "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": 1}]})
        };
        let ended: Vec<Value> = missing.iter().map(ended).collect();
        answer["tasks"]
            .as_array_mut()
            .into_iter()
            .for_each(|tasks| tasks.extend(ended.iter().cloned()));
    }
    if operation == "BatchGetItem" {
        return rows_on_the_way_in(world, answer);
    }
    if operation == "RunTask" {
        return start_on_the_way_in(world, answer);
    }
    let tasks = answer["tasks"].as_array_mut().into_iter().flatten();
    match (world.sabotage, operation) {
        (Some(Sabotage::TakesEveryEndForASuccess), "DescribeTasks") => {
            for container in
                tasks.flat_map(|task| task["containers"].as_array_mut().into_iter().flatten())
            {
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
        (
            Some(Sabotage::ForgetsWorkBeforeAFailedStart | Sabotage::BlamesTheStart),
            "DescribeTasks",
        ) => {
            for task in tasks.filter(|task| task["stopCode"] == "TaskFailedToStart") {
                for container in task["containers"].as_array_mut().into_iter().flatten() {
                    container["exitCode"] = Value::Null;
                }
            }
        }
        (Some(Sabotage::ReturnsAnotherLine), "GetLogEvents") => {
            answer["events"]
                .as_array_mut()
                .into_iter()
                .for_each(|events| events.truncate(1));
        }
        (Some(Sabotage::FindsNothing), "ListTasks") => answer["taskArns"] = json!([]),
        (Some(Sabotage::JudgesWithoutDefinition), "DescribeTaskDefinition") => {
            let containers = answer["taskDefinition"]["containerDefinitions"].as_array_mut();
            containers
                .into_iter()
                .flatten()
                .for_each(|container| container["essential"] = true.into());
        }
        (Some(Sabotage::ParksWithoutHeartbeat), "Query") => {
            let items = answer["Items"].as_array_mut().into_iter().flatten();
            for item in items.filter(|item| item["beat"].is_object()) {
                item["beat"]["N"] = "9999999999999".into();
            }
        }
        (Some(Sabotage::AnswersBeforeTheEnd), "DescribeTasks") => {
            for task in tasks.filter(|task| task["desiredStatus"] == "STOPPED") {
                task["lastStatus"] = "STOPPED".into();
                task["stopCode"] = "UserInitiated".into();
                for container in task["containers"].as_array_mut().into_iter().flatten() {
                    container["lastStatus"] = "STOPPED".into();
                }
            }
        }
        _ => {}
    }
    answer
}

/// The same for the answer to a start: a temporary refusal becomes a final one.
fn start_on_the_way_in(world: &World, mut answer: Value) -> Value {
    let is_final = match world.sabotage {
        Some(Sabotage::GivesUpOn(refusal)) => answer["message"] == refusal.error().1,
        Some(Sabotage::GivesUpOnDenials) => answer["__type"] == "AccessDeniedException",
        Some(Sabotage::GivesUpOnFailures) => {
            let failures = answer["failures"].as_array_mut().into_iter().flatten();
            failures.for_each(|failure| failure["reason"] = "LOCATION".into());
            false
        }
        _ => false,
    };
    if is_final {
        return json!({"__type": "ClientException", "message": "TaskDefinition is inactive"});
    }
    answer
}

/// The same for rows of the ledger.
fn rows_on_the_way_in(world: &World, mut answer: Value) -> Value {
    let Some(items) = answer["Responses"][LEDGER].as_array_mut() else {
        return answer;
    };
    let ignored = match world.sabotage {
        Some(Sabotage::WatchIgnoresStarting) => "starting",
        Some(Sabotage::WatchIgnoresWaiting) => "waiting",
        Some(Sabotage::WatchIgnoresAnswering) => "answering",
        _ => return answer,
    };
    if Delivery::under_way().request == WATCH {
        items.retain(|item| item["state"]["S"] != ignored);
    }
    answer
}

/// Changes the body of an answer into that of a runner which breaks the rule.
pub(crate) fn answer(world: &World, mut body: Value) -> Value {
    match world.sabotage {
        Some(Sabotage::AnswersDifferently) => {
            body["Data"]["TaskArn"] = world.state().rng.u64(..).to_string().into()
        }
        Some(Sabotage::HidesHelpers) => body["Reason"] = "The task succeeded".into(),
        Some(Sabotage::AlwaysFails) => body["Status"] = "FAILED".into(),
        Some(Sabotage::SaysTooMuch) => body["Reason"] = "x".repeat(5000).into(),
        Some(Sabotage::ChangesTheId) if body["RequestId"] != "r-1" => {
            body["PhysicalResourceId"] = "another".into()
        }
        _ => {}
    }
    body
}

/// Changes a payload into the one that a runner which breaks the rule would read.
pub(crate) fn payload(world: &World, mut payload: Value) -> Value {
    match world.sabotage {
        Some(Sabotage::IgnoresServiceTimeout) if payload["RequestType"].is_string() => {
            payload["ResourceProperties"]["ServiceTimeout"] = "3600".into();
            payload["ResourceProperties"]["Timeout"] = "3600".into();
        }
        Some(Sabotage::BelievesEveryEvent | Sabotage::LooksAfterEveryEvent)
            if payload["source"] == "aws.ecs" =>
        {
            let believes = world.sabotage == Some(Sabotage::BelievesEveryEvent);
            if believes {
                payload["detail"]["lastStatus"] = "STOPPED".into();
                payload["detail"]["stopCode"] = "EssentialContainerExited".into();
            }
            for container in payload["detail"]["containers"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                if believes {
                    container["lastStatus"] = "STOPPED".into();
                }
                container["exitCode"] = if believes { 0.into() } else { Value::Null };
            }
        }
        Some(Sabotage::IgnoresTheStar) => {
            let properties = payload["ResourceProperties"].as_object_mut();
            properties.and_then(|properties| properties.remove("WatchContainers"));
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
