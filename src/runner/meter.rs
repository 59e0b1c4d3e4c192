//! What one invocation measures, request by request: the watch handles many at once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use time::OffsetDateTime;

use super::render::metrics::{Measures, RunEnd, Sent, WatchRound};
use crate::{cfn::ReplyTo, task::Task};

/// What an invocation has measured so far, by RequestId.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: Mutex<BTreeMap<String, Measures>>,
}

/// What the watch has found is about no request.
const NO_REQUEST: &str = "";

impl Meter {
    /// The tasks of a run are over, as was seen then.
    pub(super) fn over(&self, reply_to: &ReplyTo, tasks: &[Task], now: OffsetDateTime) {
        self.note(reply_to, |measures| {
            measures.started_at = tasks.iter().filter_map(|task| task.started_at).min();
            measures.ended_at = tasks.iter().filter_map(Task::ended_at).max().or(Some(now));
        });
    }

    /// The wait for a run was parked.
    pub(super) fn parked(&self, reply_to: &ReplyTo) {
        self.note(reply_to, |measures| measures.parked = true);
    }

    /// An answer was sent.
    pub(super) fn sent(&self, reply_to: &ReplyTo, sent: Sent) {
        self.note(reply_to, |measures| measures.sent = Some(sent));
    }

    /// A run has ended, and this is the one answer about it.
    pub(super) fn ended(&self, reply_to: &ReplyTo, run: Option<RunEnd>) {
        self.note(reply_to, |measures| measures.run = run);
    }

    /// The watch has come round.
    pub(super) fn watched(&self, watched: WatchRound) {
        self.with(NO_REQUEST, |measures| measures.watched = Some(watched));
    }

    /// AWS has throttled so many attempts of calls, whoever they were for.
    pub(super) fn throttled(&self, count: u32) {
        if count > 0 {
            let first = self.lock().keys().next().cloned();
            self.with(first.as_deref().unwrap_or(NO_REQUEST), |measures| measures.throttled += count);
        }
    }

    /// All of it, once.
    pub(super) fn take(&self) -> Vec<Measures> {
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    fn note(&self, reply_to: &ReplyTo, note: impl FnOnce(&mut Measures)) {
        self.with(&reply_to.request_id, |measures| {
            measures.logical_resource_id = Some(reply_to.logical_resource_id.clone());
            measures.requested_at = reply_to.response_url.signed_at();
            note(measures);
        });
    }

    fn with(&self, request: &str, note: impl FnOnce(&mut Measures)) {
        note(self.lock().entry(request.to_owned()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Measures>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;
    use crate::{cfn::ResponseUrl, task::TaskArn};

    const START: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    fn reply_to(request_id: &str) -> ReplyTo {
        let url = "https://bucket.s3.us-west-2.amazonaws.com/key?X-Amz-Date=20261120T101500Z&X-Amz-Signature=secret";
        ReplyTo {
            response_url: ResponseUrl::parse(url).expect("a good URL"),
            stack_id: "stack".to_owned(),
            request_id: request_id.to_owned(),
            logical_resource_id: "Migrate".to_owned(),
            physical_resource_id: "id".to_owned(),
            no_echo: false,
            answer_by: None,
            wait_handle: None,
        }
    }

    fn task(started: i64, ended: Option<i64>) -> Task {
        let at = |seconds| START + Duration::seconds(seconds);
        Task {
            started_at: Some(at(started)),
            stopped_at: ended.map(at),
            ..Task::unseen(TaskArn("task".to_owned()))
        }
    }

    #[test]
    fn a_run_lasts_from_its_first_start_to_its_last_end() {
        let meter = Meter::default();
        let seen_at = START + Duration::seconds(60);
        meter.over(&reply_to("r-1"), &[task(3, Some(20)), task(2, Some(10))], seen_at);
        meter.over(&reply_to("r-2"), &[task(3, None)], seen_at);
        let [first, second] = meter.take().try_into().expect("two requests");
        let after = |seconds| Some(START + Duration::seconds(seconds));
        assert_eq!(
            (first.requested_at, first.started_at, first.ended_at),
            (Some(START), after(2), after(20))
        );
        assert_eq!(second.ended_at, Some(seen_at), "ECS has not said when it ended");
        assert_eq!(meter.take(), [], "nothing is reported twice");
    }

    #[test]
    fn what_was_throttled_is_counted_once_whatever_was_handled() {
        let meter = Meter::default();
        meter.throttled(2);
        assert_eq!(meter.take(), [Measures { throttled: 2, ..Measures::default() }]);
        meter.parked(&reply_to("r-1"));
        meter.parked(&reply_to("r-2"));
        meter.throttled(3);
        assert_eq!(meter.take().iter().map(|measures| measures.throttled).collect::<Vec<_>>(), [3, 0]);
    }
}
