//! What the function was invoked with: a request of CloudFormation, a wait to go on with, an event of ECS,
//! the watch's minute, or nothing of that.
//!
//! Pure. Never fails: what cannot be read says so, and says who is to be answered.

use serde_json::Value;
use time::Duration;

use super::wait::{Wait, WaitError};
use crate::{
    cfn::{Received, ReplyTo, Request},
    properties::Properties,
    task::Task,
};

/// A payload, read.
#[derive(Debug)]
pub enum Entry {
    /// A request, its properties still as they came.
    Request(Box<Request>),
    /// A wait that an earlier invocation has handed over.
    Resume(Box<Wait>),
    /// A wait that cannot be read: another version of this function has written it, most likely.
    Unreadable {
        /// Who waits.
        reply_to: ReplyTo,
        /// Where its tasks run, if that can be made out.
        cluster: Option<String>,
        /// What is wrong.
        error: WaitError,
    },
    /// An event of ECS: a task has a new state.
    Changed(Box<Task>),
    /// The watch's minute has come round.
    Watch,
    /// Somebody waits for an answer, and what is asked for cannot be made out.
    Garbled {
        /// Who waits.
        reply_to: ReplyTo,
        /// What is wrong, for the Reason.
        problem: String,
    },
    /// Nobody can be answered. Logged; a retry cannot help.
    Dropped {
        /// What is wrong, for the log.
        problem: String,
    },
}

impl Entry {
    /// Reads a payload of whatever kind.
    pub fn read(payload: &Value) -> Self {
        if payload.get("Watch").is_some() {
            return Self::Watch;
        }
        if payload["source"] == "aws.ecs" {
            return match Task::read(&payload["detail"]) {
                Some(task) => Self::Changed(Box::new(task)),
                None => Self::Dropped { problem: "dropped an event of ECS that names no task".to_owned() },
            };
        }
        let Some(wait) = payload.get("Wait") else {
            return match Received::of(payload) {
                Received::Request(request) => Self::Request(Box::new(whole(request))),
                Received::Garbled { reply_to, problem } => Self::Garbled { reply_to, problem },
                Received::Unanswerable { problem } => Self::Dropped {
                    problem: format!("dropped a payload that nobody can be answered for: {problem}"),
                },
            };
        };
        let error = match Wait::read(wait) {
            Ok(wait) => return Self::Resume(Box::new(wait)),
            Err(error) => error,
        };
        match serde_json::from_value(wait["reply_to"].clone()) {
            Ok(reply_to) => {
                let cluster = wait["cluster"].as_str().map(str::to_owned);
                Self::Unreadable { reply_to, cluster, error }
            }
            Err(_) => {
                Self::Dropped { problem: format!("dropped a continuation that cannot be read: {error}") }
            }
        }
    }
}

/// A request whose answer is fully described: NoEcho and ServiceTimeout stand among the properties, and each
/// can be read when the others are wrong.
fn whole(mut request: Request) -> Request {
    let properties = &request.properties.0;
    let service_timeout = Duration::seconds(Properties::service_timeout_of(properties).into());
    request.reply_to.no_echo = Properties::no_echo_of(properties);
    request.reply_to.given_up_at =
        request.reply_to.response_url.signed_at().map(|signed_at| signed_at + service_timeout);
    request
}
