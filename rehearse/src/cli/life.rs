//! Runs a rehearsal from the first event to the last line.

use std::path::PathBuf;

use serde_json::Value;
use time::OffsetDateTime;

use super::rehearsal::Planned;
use crate::{config::now, console::Console, stack::UpdateEnd, stage::Stage};
use ecs_tasks::monitor::decide::envelope::{Content, Message, Payload};

/// Runs the stack through its life, and lets the monitor watch if there is one. True if every step
/// ended as it should.
pub(super) async fn live(
    planned: Option<Planned>,
    recorded: Vec<(PathBuf, Vec<Value>)>,
    stage: &Stage,
    console: &Console,
) -> bool {
    let began = now();
    if let Some(events) = &stage.events {
        for (file, recorded) in recorded {
            console.file(&file);
            // Each file is a recording of its own: edited copies of one event in two files are no
            // duplicates.
            stage.dynamodb.clear();
            for event in recorded {
                let tick = tick(&event);
                let is_handled = events.deliver(event).await;
                if let Some(at) = tick.filter(|_| is_handled) {
                    console.tick(at);
                }
            }
            events.tick().await;
        }
    }
    let steps = match planned {
        Some(planned) => live_stack(planned, stage, console).await,
        None => Vec::new(),
    };
    let mut ended_well = steps.iter().all(|step| step.ended_well);
    if let Some(events) = &stage.events {
        stage.ecs.settled().await;
        let sent = events.finish().await;
        // The runner's last metrics belong before the last lines.
        stage.lambda.finish().await;
        ended_well &= console.findings(sent);
    }
    if !steps.is_empty() {
        let steps: Vec<String> = steps.iter().map(StackOperation::shown).collect();
        console.summary(&steps, (now() - began).as_seconds_f64(), stage);
    }
    ended_well
}

/// The time of an event of the monitor's schedule, which is not one of ECS and leaves no finding;
/// `None` for any other event.
fn tick(event: &Value) -> Option<OffsetDateTime> {
    let messages = Payload::of(event.clone()).messages;
    let [Message { content, .. }] = <[Message; 1]>::try_from(messages).ok()?;
    match content {
        Content::Tick(at) => Some(at),
        Content::Event(_) | Content::Unreadable(_) => None,
    }
}

/// The note about an update that changes nothing.
const NO_UPDATE: &str = "the update changes no resource and no output, so CloudFormation refuses it: No \
                         updates are to be performed.";

struct StackOperation {
    name: &'static str,
    /// The stack's status at the end.
    status: String,
    /// True for COMPLETE, or for a rollback if a resource was to fail.
    ended_well: bool,
    /// True for an update that changes nothing.
    is_skipped: bool,
}

impl StackOperation {
    fn shown(&self) -> String {
        if self.is_skipped {
            return format!("no {}", self.name);
        }
        let ended = match (self.ended_well, self.status.as_str()) {
            (true, status) if status.contains("ROLLBACK") => "rolled back as expected",
            (true, status) if status.ends_with("_FAILED") => {
                "failed as expected, and was not rolled back"
            }
            (true, _) => "complete",
            (false, _) => "FAILED",
        };
        format!("{} {ended}", self.name)
    }
}

async fn live_stack(planned: Planned, stage: &Stage, console: &Console) -> Vec<StackOperation> {
    let Planned {
        mut stack,
        created,
        deploys,
        updated,
        fails,
        keeps_failures,
    } = planned;
    let mut steps = Vec::new();
    let id = stack.id().to_owned();
    let step = |name, ended_well: bool, is_to_fail: bool| {
        let status = stage.cloudformation.status(&id);
        let is_as_wanted = match keeps_failures {
            true => status.ends_with("_FAILED") && !status.contains("ROLLBACK"),
            false => status.ends_with("ROLLBACK_COMPLETE"),
        };
        let ended_well = if is_to_fail { is_as_wanted } else { ended_well };
        StackOperation {
            name,
            ended_well,
            status,
            is_skipped: false,
        }
    };
    // --fail means the update if there is one, so that the rollback finds a version that works.
    if fails && updated.is_none() {
        stack.fail_from_now_on();
    }
    let is_created = stack.create(&created).await;
    steps.push(step("create", is_created, fails && updated.is_none()));
    for (service, definition) in deploys.iter().filter(|_| is_created) {
        let ended_well = stack.deploy(service, definition.as_ref()).await;
        steps.push(step("deploy", ended_well, false));
    }
    // With DisableRollback a failed create leaves its resources, and the next operation meets them.
    if let Some((template, parameters)) = updated.filter(|_| is_created || keeps_failures) {
        if fails {
            stack.fail_from_now_on();
        }
        let end = stack.update_to(template, &parameters).await;
        let is_skipped = end == UpdateEnd::NotPerformed;
        if is_skipped {
            console.note(NO_UPDATE);
        }
        steps.push(StackOperation {
            is_skipped,
            ..step("update", end != UpdateEnd::Failed, fails)
        });
    }
    // The stack is deleted after a failure, too: a Delete must clean up behind a failed Create.
    let is_deleted = stack.delete().await;
    steps.push(step("delete", is_deleted, false));
    steps
}
