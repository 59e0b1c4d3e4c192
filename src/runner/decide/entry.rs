//! The payload of an invocation: a request of CloudFormation, a wait to resume, an event of ECS,
//! the watch's schedule, a hook of a deployment, or none of these.
//!
//! Pure. Reading never fails: a payload that cannot be read becomes an entry that says why, and who
//! must be answered.

use serde_json::Value;
use time::Duration;

use super::{
    hook::Hook,
    wait::{Wait, WaitError},
};
use crate::{
    cfn::{Received, ReplyTo, Request},
    properties::Properties,
    task::Task,
};

/// A payload of the function.
#[derive(Debug)]
pub enum Entry {
    /// A request. Its properties are not validated yet.
    Request(Box<Request>),
    /// A wait from an earlier invocation, to resume.
    Resume(Box<Wait>),
    /// A wait that cannot be read. Most likely another version of this function has written it.
    Unreadable {
        /// The address and identity of the reply.
        reply_to: ReplyTo,
        /// The cluster of its tasks, if it can be read.
        cluster: Option<String>,
        /// The problem.
        error: WaitError,
    },
    /// An event of ECS: a task has a new state.
    Changed(Box<Task>),
    /// The watch's schedule.
    Watch,
    /// An invocation by ECS, as the hook of a deployment.
    Hook(Box<Hook>),
    /// A request that must be answered, although it cannot be read.
    Garbled {
        /// The address and identity of the reply.
        reply_to: ReplyTo,
        /// The problem, for the Reason.
        problem: String,
    },
    /// A payload that gives no address for an answer. It is logged; a retry cannot help.
    Dropped {
        /// The problem, for the log.
        problem: String,
    },
}

impl Entry {
    /// Reads a payload of any kind.
    pub fn read(payload: &Value) -> Self {
        if payload.get("Watch").is_some() {
            return Self::Watch;
        }
        // Only events of EventBridge have `source`; CloudFormation's requests and our own payloads
        // have none.
        if payload["source"] == "aws.ecs" {
            return match Task::read(&payload["detail"]) {
                Some(task) => Self::Changed(Box::new(task)),
                None => Self::Dropped {
                    problem: "dropped an ECS event that names no task".to_owned(),
                },
            };
        }
        if Hook::is_one(payload) {
            return Self::Hook(Box::new(Hook::read(payload)));
        }
        let Some(wait) = payload.get("Wait") else {
            return match Received::of(payload) {
                Received::Request(request) => Self::Request(Box::new(whole(request))),
                Received::Garbled { reply_to, problem } => Self::Garbled { reply_to, problem },
                Received::Unanswerable { problem } => Self::Dropped {
                    problem: format!(
                        "dropped a payload that has no address for an answer: {problem}"
                    ),
                },
            };
        };
        let error = match Wait::read(wait) {
            Ok(wait) => return Self::Resume(Box::new(wait)),
            Err(error) => error,
        };
        // The stack waits for an answer although another version's wait cannot be read, so the
        // address is read by itself.
        match serde_json::from_value(wait["reply_to"].clone()) {
            Ok(reply_to) => {
                let cluster = wait["cluster"].as_str().map(str::to_owned);
                Self::Unreadable {
                    reply_to,
                    cluster,
                    error,
                }
            }
            Err(_) => Self::Dropped {
                problem: format!("dropped a continuation that cannot be read: {error}"),
            },
        }
    }
}

/// A request with everything that its answer needs. NoEcho and ServiceTimeout are properties, and
/// each is read even if the others are wrong.
fn whole(mut request: Request) -> Request {
    let properties = &request.properties.0;
    let service_timeout = Duration::seconds(Properties::service_timeout_of(properties).into());
    request.reply_to.no_echo = Properties::no_echo_of(properties);
    request.reply_to.given_up_at = request
        .reply_to
        .sent_at()
        .map(|signed_at| signed_at + service_timeout);
    request
}
