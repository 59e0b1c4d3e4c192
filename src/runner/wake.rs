//! What wakes a parked wait: an event of ECS, and the watch, which comes round once a minute and catches what
//! no event has said.
//!
//! Neither ends in an error because of one row: the row stays, and the watch has it again.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use tracing::Instrument;

use super::{
    Runner,
    decide::{
        ledger::{self as rows, Due, Row, RowState},
        texts,
        wait::Wait,
    },
    follow::judge_observation,
    go_on::{Place, span},
    invocation::Invocation,
    ledger::Ledger,
    render::metrics::WatchRound,
    take_over::{GoesOn, Watched},
};
use crate::{
    aws::{CallError, ecs::DESCRIBE_AT_ONCE},
    cfn::RequestType,
    task::{Observation, Task, TaskArn},
};

/// How many rows the watch works on at the same time.
const AT_ONCE: usize = 16;
/// How many overdue waits the watch finishes at the same time: each is a look now and then.
const LATE_AT_ONCE: usize = 200;
/// What the watch's looks have shown: what ECS says of each task, or why it says nothing of the cluster's.
#[derive(Default)]
struct Looked {
    tasks: BTreeMap<TaskArn, Task>,
    failed: BTreeMap<String, CallError>,
}

impl Runner {
    /// An event: a task has a new state. The wait that knows it is judged by it.
    pub(super) async fn task_changed(&self, task: Task, invocation: &Invocation) {
        let Some(ledger) = &self.ledger else {
            tracing::warn!("an event of ECS came, and there is no ledger: LEDGER_TABLE is not set");
            return;
        };
        let Some(started_by) = &task.started_by else { return };
        let found = match ledger.rows(started_by).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(task_arn = task.arn.0, "the watch has this event's wait: {error}");
                return;
            }
        };
        // A Create may wait for the task's success and a Delete for its end.
        let waiting = found.into_iter().filter(|row| row.state == RowState::Waiting && row.claims(&task.arn));
        for row in waiting {
            self.wake(&row, task.clone(), invocation).await;
        }
    }

    /// Judges a parked wait by a task of it that has changed.
    async fn wake(&self, row: &Row, task: Task, invocation: &Invocation) {
        // Of a row that cannot be read the watch takes care.
        let (Ok(Some(wait)), Some(reply_to)) = (row.waits_for(), row.reply_to()) else { return };
        let span = span(wait.request_type, &reply_to, wait.hop);
        async {
            let observation = match wait.tasks.as_slice() {
                [_] => Ok(Observation { tasks: vec![task], missing: Vec::new() }),
                several => self.aws.describe_tasks(&wait.cluster, several).await,
            };
            match observation {
                Ok(observation) => {
                    self.judge(wait, observation, invocation).await;
                }
                Err(error) => tracing::warn!("the watch has this event's wait: {error}"),
            }
        }
        .instrument(span)
        .await;
    }

    /// The watch's minute: every row that is due.
    pub(super) async fn watch(&self, invocation: &Invocation) {
        let Some(ledger) = &self.ledger else {
            tracing::warn!("the watch came round, and there is no ledger: LEDGER_TABLE is not set");
            return;
        };
        let now = invocation.now();
        let open = ledger.count_open().await;
        let open = open.inspect_err(|error| tracing::debug!("open waits are not counted: {error}")).ok();
        let (mut from, mut overdue, mut late) = (None, 0, Vec::new());
        loop {
            let (due, next) = match ledger.due(now, from.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!("the waits that are due cannot be read: {error}");
                    break;
                }
            };
            // A watch that cannot read what is due is none, and nothing may be left to it.
            if from.is_none()
                && let Err(error) = ledger.beat(now).await
            {
                tracing::error!("the heartbeat could not be written, so nothing will be parked: {error}");
            }
            overdue += due.iter().filter(|row| row.is_overdue(now)).count();
            invocation.meter().watched(WatchRound { open, overdue });
            // These take as long as their tasks take to stop, so they come last.
            late.extend(self.watch_page(ledger, &due, invocation).await);
            match next {
                Some(next) if invocation.now() < invocation.hand_over_at() => from = Some(next),
                _ => break,
            }
        }
        let finishing = late.iter().map(|row| self.finish_here(ledger, row, invocation));
        stream::iter(finishing).buffer_unordered(LATE_AT_ONCE).collect::<()>().await;
    }

    /// Works on one page of what is due. What of it this invocation must finish by itself is left.
    async fn watch_page(&self, ledger: &Ledger, due: &[Row], invocation: &Invocation) -> Vec<Row> {
        let now = invocation.now();
        let all: Vec<(&Row, Due)> = due.iter().map(|row| (row, row.due(now))).collect();
        let looked = self.look_at_all(&all).await;
        let works = all.into_iter().map(|(row, due)| {
            let looked = &looked;
            async move {
                let Some(reply_to) = row.reply_to() else {
                    tracing::error!(request_id = row.request, "a row that cannot be read is ended");
                    ledger.end(row.key()).await;
                    return None;
                };
                let request_type = match &due {
                    Due::Look(wait) | Due::Poll(wait) | Due::Finish(wait) => wait.request_type,
                    _ => row.waits_for().ok().flatten().map_or(RequestType::Create, |wait| wait.request_type),
                };
                let span = span(request_type, &reply_to, 0);
                let watched = Watched { row, reply_to: &reply_to, ledger };
                let kept = Box::pin(self.watch_one(watched, due, looked, invocation)).instrument(span).await;
                matches!(kept, GoesOn::Here).then(|| row.clone())
            }
        });
        stream::iter(works).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
    }

    async fn watch_one(
        &self,
        watched: Watched<'_>,
        due: Due,
        looked: &Looked,
        invocation: &Invocation,
    ) -> GoesOn {
        let Watched { row, reply_to, ledger } = watched;
        let now = invocation.now();
        match due {
            Due::Repeat(body) => {
                let expiry = reply_to.address().expires_at();
                if expiry.is_some_and(|expiry| expiry <= now) {
                    tracing::error!("the answer was never taken, and its ResponseURL has expired");
                    ledger.end(row.key()).await;
                } else if self.send(&body, reply_to, invocation).await.is_err() {
                    ledger.put_off(row, rows::answers_again_at(invocation.now()), invocation.left()).await;
                }
            }
            Due::Look(wait) => {
                if let Some(error) = looked.failed.get(&wait.cluster) {
                    if error.is_transient() {
                        tracing::warn!("the next minute has this wait: {error}");
                        return GoesOn::Elsewhere;
                    }
                    // What is to be done about it polling knows.
                    return self.poll(watched, *wait, invocation).await;
                }
                let (tasks, missing): (Vec<_>, Vec<_>) =
                    wait.tasks.iter().partition(|task| looked.tasks.contains_key(*task));
                if !missing.is_empty() {
                    // Whether it stays unknown only looks in a row can say.
                    let wait = Wait { missing_since: Some(now), ..*wait };
                    return self.poll(watched, wait, invocation).await;
                }
                let tasks = tasks.into_iter().filter_map(|task| looked.tasks.get(task).cloned()).collect();
                let next_look = rows::next_look(&wait, now);
                if !self.judge(*wait, Observation { tasks, missing: Vec::new() }, invocation).await {
                    ledger.put_off(row, next_look, invocation.left()).await;
                }
            }
            Due::Poll(wait) => return self.poll(watched, *wait, invocation).await,
            Due::Finish(_) => {
                tracing::warn!("no invocation has kept this wait's deadline: the watch does it");
                return GoesOn::Here;
            }
            Due::Adopt => self.adopt(watched, invocation).await,
            Due::Unreadable(error) => {
                tracing::error!("a wait cannot be read: {error}");
                self.give_up(watched, texts::function_replaced(&error), invocation).await;
            }
            Due::End => ledger.end(row.key()).await,
        }
        GoesOn::Elsewhere
    }

    /// Judges a wait by an observation, and answers if it is over. Whether it is.
    async fn judge(&self, wait: Wait, observation: Observation, invocation: &Invocation) -> bool {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let memory = self.memory();
        let place = Place { cluster: &cluster, families: &[], memory: &memory };
        let work = self.work(place, wait.deadline, &reply_to, invocation);
        let Some(ending) = Box::pin(judge_observation(&work, wait, observation)).await else { return false };
        // That the answer was not taken is logged, and the next minute sends it again.
        let _ = self.answer_ending(async { ending }, Some(&cluster), &reply_to, invocation).await;
        true
    }

    /// Looks at the tasks of all of these, as many in one call as it takes, whoever they belong to.
    async fn look_at_all(&self, due: &[(&Row, Due)]) -> Looked {
        let mut clusters: BTreeMap<&str, Vec<TaskArn>> = BTreeMap::new();
        for (_, due) in due {
            if let Due::Look(wait) = due {
                clusters.entry(&wait.cluster).or_default().extend(wait.tasks.iter().cloned());
            }
        }
        let calls = clusters.iter().flat_map(|(cluster, tasks)| {
            tasks
                .chunks(DESCRIBE_AT_ONCE)
                .map(|chunk| async { (*cluster, self.aws.describe_tasks(cluster, chunk).await) })
        });
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(4).collect().await;
        let mut looked = Looked::default();
        for (cluster, answer) in answers {
            match answer {
                Ok(seen) => {
                    looked.tasks.extend(seen.tasks.into_iter().map(|task| (task.arn.clone(), task)));
                }
                Err(error) => {
                    looked.failed.insert(cluster.to_owned(), error);
                }
            }
        }
        looked
    }
}
