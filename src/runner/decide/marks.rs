//! The tags by which the requests of one resource tell their tasks apart.
//!
//! Pure. `startedBy` marks the tasks of a resource (see [`crate::identity`]). Tags say which
//! request started a task, and whether a request waits for it.

use time::{Duration, OffsetDateTime};

use crate::{cfn::ReplyTo, identity, properties::OWN_TAG_PREFIX, task::Task};

const STACK_ID: &str = "stack-id";
const LOGICAL_ID: &str = "logical-resource-id";
const REQUEST_ID: &str = "request-id";
const WAITS: &str = "waits";
/// The time at which CloudFormation sent the request, in Unix seconds. It tells the later of two
/// requests.
const SENT_AT: &str = "sent-at";
/// The stoppedReason of an earlier request's tasks.
pub const SUPERSEDES: &str = "ecs-tasks: a later request of the same resource takes over";
/// The greatest length of a tag's value in ECS, in characters.
const MAX_TAG_VALUE: usize = 256;

/// The tags of every task. They are the same on every delivery of a request, since other parameters
/// with the same client token cause a ConflictException.
pub fn tags(reply_to: &ReplyTo, waits: bool) -> Vec<(String, String)> {
    let sent_at = reply_to
        .sent_at()
        .map(|sent| sent.unix_timestamp().to_string());
    [
        (STACK_ID, reply_to.stack_id.as_str()),
        (LOGICAL_ID, &reply_to.logical_resource_id),
        (REQUEST_ID, &reply_to.request_id),
        (WAITS, if waits { "true" } else { "false" }),
    ]
    .into_iter()
    .chain(sent_at.as_deref().map(|sent_at| (SENT_AT, sent_at)))
    .map(|(name, value)| (key(name), tag_value(value)))
    .collect()
}

/// This request has started the task.
///
/// A tag names the request. A task without our tags is this request's if it was made after the
/// request was sent: a role may not be allowed to tag, StopTask may clear tags, and no earlier
/// request can have made a task after that time. A task that a later request has stopped is not
/// this request's, whatever its age: StopTask's `reason` is its stoppedReason
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html>).
pub fn is_of_request(task: &Task, reply_to: &ReplyTo) -> bool {
    match task.tags.contains_key(&key(REQUEST_ID)) {
        true => is_marked_by(task, reply_to),
        false => {
            task.stopped_reason.as_deref() != Some(SUPERSEDES)
                && is_after(task, reply_to).unwrap_or(false)
        }
    }
}

/// A tag says that this request has started the task.
pub fn is_marked_by(task: &Task, reply_to: &ReplyTo) -> bool {
    task.tags
        .get(&key(REQUEST_ID))
        .is_some_and(|id| *id == tag_value(&reply_to.request_id))
}

/// A hook of the same deployment has started the task. ECS invokes all hooks of a stage at the same
/// time, so none of them is earlier.
fn is_of_same_deployment(task: &Task, reply_to: &ReplyTo) -> bool {
    let theirs = task.tags.get(&key(REQUEST_ID));
    let theirs = theirs.and_then(|id| identity::deployment_of(id));
    theirs.is_some() && theirs == identity::deployment_of(&reply_to.request_id)
}

/// Marks an untagged task as belonging to another request. Called on a first delivery: this request
/// has started nothing yet, so a task young enough to look like its own belongs to the request that
/// was cancelled just before.
pub fn disown(task: &mut Task) {
    task.tags.entry(key(REQUEST_ID)).or_default();
}

/// The age of a request at which its delivery is most likely one of Lambda's retries: Lambda repeats
/// a failed invocation after a minute.
pub const LATE: Duration = Duration::seconds(30);

/// The time after which a task of another request counts as a later request's, as far as that is
/// known.
///
/// Lambda may deliver a request again long after its answer, while a later request runs its tasks.
/// The runner must leave these alone. Tasks that were made after this request's own tasks are a
/// later request's. If this request has none and its delivery is late, tasks that were made half a
/// minute after it was sent are. A delivery that is not late may still meet the start of the
/// request that was cancelled just before.
pub fn superseded_since(
    own: impl Iterator<Item = OffsetDateTime>,
    reply_to: &ReplyTo,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let sent = reply_to.sent_at().filter(|sent| now - *sent >= LATE);
    own.min().or(sent.map(|sent| sent + LATE))
}

/// A tag says that CloudFormation sent the task's request after this one.
pub fn is_of_later_request(task: &Task, reply_to: &ReplyTo) -> bool {
    sent_times(task, reply_to).is_some_and(|(ours, theirs)| ours < theirs)
}

/// The times at which this request and the task's request were sent, in Unix seconds.
fn sent_times(task: &Task, reply_to: &ReplyTo) -> Option<(i64, i64)> {
    let theirs = task.tags.get(&key(SENT_AT))?.parse().ok()?;
    Some((reply_to.sent_at()?.unix_timestamp(), theirs))
}

/// A task of another request belongs to a later one. Its tag says when that request was sent.
/// Without the tag, or if both were sent within one second, a task made after `superseded` does.
pub fn is_later(task: &Task, reply_to: &ReplyTo, superseded: Option<OffsetDateTime>) -> bool {
    if is_of_same_deployment(task, reply_to) {
        return false;
    }
    match sent_times(task, reply_to) {
        Some((ours, theirs)) if theirs != ours => theirs > ours,
        // Signatures and tags count in whole seconds, so equal times prove nothing.
        _ => superseded
            .zip(task.created_at)
            .is_some_and(|(since, created_at)| created_at > since),
    }
}

/// A later request of the resource must wait for the end of the task.
///
/// A stopping task must end, whichever request started it: its creation time alone does not prove
/// that it is this request's. A running task must end if its own request waits for it. If no tag
/// says that, `waited` does: it says that the request before this one waited for its tasks.
pub fn must_end_before(task: &Task, reply_to: &ReplyTo, waited: bool) -> bool {
    let is_own = is_marked_by(task, reply_to) || is_of_same_deployment(task, reply_to);
    if task.is_over() || is_own {
        return false;
    }
    if task.is_stopping() {
        return true;
    }
    if is_of_request(task, reply_to) {
        return false;
    }
    match task.tags.get(&key(WAITS)) {
        Some(waits) => waits == "true",
        None => waited && is_after(task, reply_to) == Some(false),
    }
}

/// The task was made after the request was sent; `None` if a time is unknown.
fn is_after(task: &Task, reply_to: &ReplyTo) -> Option<bool> {
    Some(task.created_at? >= reply_to.sent_at()?)
}

fn key(name: &str) -> String {
    format!("{OWN_TAG_PREFIX}{name}")
}

fn tag_value(value: &str) -> String {
    value.chars().take(MAX_TAG_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime, macros::datetime};

    use super::*;
    use crate::{cfn::fixtures, task::TaskArn};

    const SENT: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    fn reply_to() -> ReplyTo {
        fixtures::reply_to("r-2")
    }

    /// A task that was made `seconds` after the request, with the tags of the given request.
    fn task(seconds: i64, desired: &str, given: Option<(&str, bool)>) -> Task {
        let given = given.map(|(request_id, waits)| {
            tags(
                &ReplyTo {
                    request_id: request_id.to_owned(),
                    ..reply_to()
                },
                waits,
            )
        });
        Task {
            last_status: "RUNNING".to_owned(),
            desired_status: desired.to_owned(),
            created_at: Some(SENT + Duration::seconds(seconds)),
            tags: given.into_iter().flatten().collect(),
            ..Task::unseen(TaskArn("task".to_owned()))
        }
    }

    #[test]
    fn tags_say_whose_a_task_is_and_without_them_its_time() {
        for (task, own) in [
            (task(5, "RUNNING", Some(("r-2", true))), true),
            (task(5, "RUNNING", Some(("r-1", true))), false),
            (task(5, "STOPPED", None), true),
            (task(-5, "STOPPED", None), false),
        ] {
            assert_eq!(is_of_request(&task, &reply_to()), own, "{task:?}");
        }
    }

    #[test]
    fn what_was_there_before_the_first_delivery_is_anothers() {
        for (given, own) in [(None, false), (Some(("r-2", true)), true)] {
            let mut task = task(5, "STOPPED", given);
            disown(&mut task);
            assert_eq!(is_of_request(&task, &reply_to()), own, "{task:?}");
            assert_eq!(must_end_before(&task, &reply_to(), true), !own);
        }
    }

    #[test]
    fn the_later_of_two_requests_is_the_one_that_was_sent_later() {
        let at = |seconds| SENT + Duration::seconds(seconds);
        for (sent, superseded, later) in [
            (Some(60), None, true),
            (Some(-60), Some(at(0)), false),
            (Some(0), Some(at(0)), true),
            (Some(0), None, false),
            (None, Some(at(0)), true),
            (None, Some(at(30)), false),
        ] {
            let mut task = task(5, "RUNNING", Some(("r-1", true)));
            if let Some(sent) = sent {
                task.tags
                    .insert(key(SENT_AT), at(sent).unix_timestamp().to_string());
            }
            assert_eq!(
                is_later(&task, &reply_to(), superseded),
                later,
                "{sent:?} {superseded:?}"
            );
        }
    }

    #[test]
    fn a_late_delivery_leaves_the_tasks_of_a_later_request_alone() {
        let at = |seconds| SENT + Duration::seconds(seconds);
        for (own, now, since) in [
            (vec![], 1, None),
            (vec![], 29, None),
            (vec![], 60, Some(at(30))),
            (vec![at(5), at(3)], 10, Some(at(3))),
            (vec![at(3)], 600, Some(at(3))),
        ] {
            assert_eq!(
                superseded_since(own.clone().into_iter(), &reply_to(), at(now)),
                since,
                "{own:?} at {now} s"
            );
        }
    }

    #[test]
    fn what_a_later_request_has_stopped_is_not_its_own_though_it_was_made_since_then() {
        let stopped = |reason: &str| Task {
            stopped_reason: Some(reason.to_owned()),
            ..task(5, "STOPPED", None)
        };
        assert!(!is_of_request(&stopped(SUPERSEDES), &reply_to()));
        assert!(is_of_request(
            &stopped("Essential container in task exited"),
            &reply_to()
        ));
    }

    #[test]
    fn what_was_waited_for_or_is_stopping_must_end_before_a_later_request_starts() {
        for (task, waited, must_end) in [
            (task(-5, "RUNNING", Some(("r-1", true))), false, true),
            (task(-5, "RUNNING", Some(("r-1", false))), true, false),
            (task(-5, "STOPPED", Some(("r-1", false))), true, true),
            (task(-5, "STOPPED", None), false, true),
            (task(-5, "RUNNING", None), true, true),
            (task(-5, "RUNNING", None), false, false),
            (task(5, "RUNNING", None), true, false),
            (task(5, "STOPPED", None), true, true),
            (task(5, "STOPPED", Some(("r-2", true))), true, false),
        ] {
            assert_eq!(
                must_end_before(&task, &reply_to(), waited),
                must_end,
                "{task:?}"
            );
        }
    }
}
