//! New rows: of a request's first delivery, and of a signal to a WaitHandle.

use time::OffsetDateTime;

use super::{
    Row, RowState, VERSION,
    item::sort_key,
    times::{ANSWERING, GRACE},
};
use crate::{
    cfn::{ReplyTo, Request},
    epoch::milliseconds,
    runner::decide::{plan::Plan, wait::Wait},
};

impl Row {
    /// The row of a request's first delivery. `wait` is the continuation, still without tasks;
    /// `until` is the invocation's deadline.
    pub fn new(
        request: &Request,
        wait: Option<&Wait>,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Self {
        let reply_to = &request.reply_to;
        // A request with a WaitHandle is answered long before its run ends, so the run's deadline
        // is not its own.
        let own = wait
            .filter(|wait| wait.reply_to.wait_handle.is_none())
            .map(|wait| wait.deadline);
        let deadline = own.or(reply_to.given_up_at).unwrap_or(until);
        Self {
            cluster: request.properties.cluster().map(str::to_owned),
            wait: wait.and_then(|wait| serde_json::to_string(wait).ok()),
            deadline: milliseconds(deadline),
            // An invocation that has not crashed answers by then.
            next_look: milliseconds(
                reply_to
                    .given_up_at
                    .unwrap_or(deadline)
                    .clamp(now, until + GRACE),
            ),
            ..Self::of(reply_to, now)
        }
    }

    /// The row that a first delivery writes for its plan; `until` is the invocation's deadline.
    ///
    /// The row already holds the continuation, with no tasks in it yet. If this invocation crashes
    /// after it has started tasks, the watch finds them and resumes from here.
    pub fn planned(
        plan: &Plan,
        request: &Request,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Self {
        let new = |wait: Option<Wait>| Self::new(request, wait.as_ref(), now, until);
        match plan {
            Plan::Run(run) => {
                let wait =
                    Wait::for_success(run, request, Vec::new(), run.limits.deadline(now), now);
                Self {
                    count: run.properties.tasks(),
                    forgets: run.properties.timeout == 0,
                    families: run.earlier.families.clone(),
                    ..new(Some(wait))
                }
            }
            Plan::Stop(stop) => {
                let wait = Wait::for_stop(stop, &request.reply_to, Vec::new(), now);
                Self {
                    families: stop.families.clone(),
                    ..new(Some(wait))
                }
            }
            Plan::Refuse(_) | Plan::Skip(..) => new(None),
        }
    }

    /// The row of a wait whose verdict goes to a WaitHandle. The request's own row cannot hold that
    /// wait, since it holds the answer already.
    pub fn promised(wait: &Wait, now: OffsetDateTime, next_look: OffsetDateTime) -> Self {
        Self {
            state: RowState::Waiting,
            cluster: Some(wait.cluster.clone()),
            tasks: wait.tasks.clone(),
            count: wait.tasks.len(),
            wait: serde_json::to_string(wait).ok(),
            deadline: milliseconds(wait.deadline),
            next_look: milliseconds(next_look),
            ..Self::of(&wait.reply_to, now)
        }
    }

    /// The row of a signal that is sent at once, because the request runs no task.
    pub fn signalled(reply_to: &ReplyTo, body: &str, now: OffsetDateTime) -> Self {
        Self {
            state: RowState::Answering,
            deadline: milliseconds(reply_to.given_up_at.unwrap_or(now)),
            next_look: milliseconds(now + ANSWERING),
            answer: Some(body.to_owned()),
            ..Self::of(reply_to, now)
        }
    }

    /// A row with the reply's address alone.
    fn of(reply_to: &ReplyTo, now: OffsetDateTime) -> Self {
        Self {
            version: VERSION,
            resource: reply_to.started_by(),
            request: sort_key(reply_to),
            state: RowState::Starting,
            cluster: None,
            families: Vec::new(),
            tasks: Vec::new(),
            count: 0,
            forgets: false,
            attempts: 0,
            reply_to: serde_json::to_string(reply_to).unwrap_or_default(),
            wait: None,
            first_seen: milliseconds(now),
            deadline: milliseconds(now),
            next_look: milliseconds(now),
            answer: None,
            answered_by: None,
        }
    }
}
