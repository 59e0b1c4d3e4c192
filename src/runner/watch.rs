//! The wake-up of parked waits, by an event of ECS or by the watch, and the recovery of orphans by
//! the watch, which runs once a minute and finds whatever no event reported.
//!
//! An error in the work on one row ends neither: the row stays, and the next round finds it again.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::{
    Runner,
    decide::{
        ledger::{self as rows, Row, RowState, WatchAction},
        marks::is_marked_by,
        plan::Stop,
        texts,
        wait::{Goal, Wait},
    },
    delete::delete,
    invocation::Invocation,
    ledger::{History, Ledger},
    metrics::WatchRound,
    respond::{Panicked, caught, caught_call, span},
    run::{answer_at_start, promised},
    start::{Started, never_ran},
    tasks::own_tasks,
    wait::{Ending, follow, settle_if_over},
};
use crate::{
    aws::ecs::DESCRIBE_AT_ONCE,
    call::CallError,
    cfn::{ReplyTo, RequestType, ResponseUrl},
    epoch::milliseconds,
    reason::Reason,
    task::{Observation, Task, TaskArn},
};

/// The most rows that the watch works on at the same time.
const AT_ONCE: usize = 16;
/// The most waits that the watch follows at the same time. Each needs only a look now and then.
const FOLLOWED_AT_ONCE: usize = 200;

/// The results of a round's looks: each task as ECS describes it, or the error of its cluster.
#[derive(Default)]
struct Looked {
    tasks: BTreeMap<TaskArn, Task>,
    failed: BTreeMap<String, CallError>,
}

/// A wait that the watch's own invocation follows from a time on.
struct Followed {
    wait: Wait,
    from: OffsetDateTime,
}

impl Runner {
    /// Handles an event: a task has a new state. The event settles the waits of this task that it
    /// shows to be over.
    pub(super) async fn task_changed(&self, task: Task, invocation: &Invocation) {
        let Some(ledger) = &self.ledger else {
            tracing::warn!(
                "received an ECS event, but LEDGER_TABLE is not set: set it, or remove the EventBridge rule"
            );
            return;
        };
        let Some(started_by) = &task.started_by else {
            return;
        };
        let found = match caught_call(ledger.rows(started_by)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(
                    task_arn = task.arn.0,
                    "cannot continue the wait of this event now, so the watch will: {error}"
                );
                return;
            }
        };
        // Several rows can name the task: a Create may wait for its success and a Delete for its
        // end.
        let waiting = found
            .into_iter()
            .filter(|row| row.state == RowState::Waiting && row.names_task(&task.arn));
        // At the same time: the first may poll for a missing fact until the invocation ends.
        let works = waiting.filter_map(|row| {
            // A row that cannot be read is left to the watch, which answers it FAILED.
            let (wait, reply_to) = (row.continuation().ok()??, row.reply_to()?);
            let span = span(wait.request_type, &reply_to, wait.hop);
            Some(self.wake(wait, task.clone(), invocation).instrument(span))
        });
        futures_util::future::join_all(works).await;
    }

    /// Settles a parked wait if the event's task shows that it is over.
    async fn wake(&self, wait: Wait, task: Task, invocation: &Invocation) {
        // The event has all that a run of one task needs, so its end costs no call to ECS.
        let observation = match wait.tasks.as_slice() {
            [_] => Ok(Observation {
                tasks: vec![task],
                missing: Vec::new(),
            }),
            several => self.describe(&wait.cluster, several, invocation).await,
        };
        match observation {
            Ok(observation) => {
                Box::pin(self.settle_with(wait, observation, invocation)).await;
            }
            Err(error) => tracing::warn!(
                "cannot continue the wait of this event now, so the watch will: {error}"
            ),
        }
    }

    /// Does a round of the watch: handles every row that is due.
    pub(super) async fn watch(&self, invocation: &Invocation) {
        let Some(ledger) = &self.ledger else {
            tracing::warn!(
                "the watch's schedule invoked the function, but LEDGER_TABLE is not set: set it, or remove the \
                 schedule"
            );
            return;
        };
        let round = invocation.now();
        let open = caught_call(ledger.count_open()).await;
        let open = open
            .inspect_err(|error| tracing::debug!("cannot count the open waits: {error}"))
            .ok();
        let (mut from, mut overdue, mut followed) = (None, 0, Vec::new());
        loop {
            let due_rows = caught_call(ledger.due_rows(round, from.as_ref()));
            let (due, next) = match due_rows.await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!("cannot read from the ledger which rows are due: {error}");
                    break;
                }
            };
            // A watch that cannot read its rows writes no heartbeat, so that no wait is parked for
            // it.
            if from.is_none()
                && let Err(error) = caught_call(ledger.write_heartbeat(round)).await
            {
                tracing::error!(
                    "the heartbeat could not be written, so nothing will be parked: {error}"
                );
            }
            overdue += due.iter().filter(|row| row.is_overdue(round)).count();
            invocation
                .metrics()
                .record_round(WatchRound { open, overdue });
            followed.extend(self.watch_page(ledger, &due, invocation).await);
            match next {
                Some(next) if invocation.now() < invocation.hand_over_at() => from = Some(next),
                _ => break,
            }
        }
        self.follow_all(followed, invocation).await;
    }

    /// Handles one page of due rows. Returns the waits that this invocation must follow.
    async fn watch_page(
        &self,
        ledger: &Ledger,
        due: &[Row],
        invocation: &Invocation,
    ) -> Vec<Followed> {
        let actions: Vec<(&Row, WatchAction)> = due.iter().map(|row| (row, row.action())).collect();
        let looked = &self.look_at_all(&actions, invocation).await;
        let works = actions.into_iter().map(|(row, action)| async move {
            if invocation.now() >= invocation.hand_over_at() {
                // The row is still due: the next round has the time for it.
                return None;
            }
            let Some(reply_to) = row.reply_to() else {
                tracing::error!(
                    request_id = row.request,
                    "ending a row that does not say where to send the answer"
                );
                ledger.end(row.key()).await;
                return None;
            };
            let request_type = row
                .continuation()
                .ok()
                .flatten()
                .map(|wait| wait.request_type);
            let span = span(request_type.unwrap_or(RequestType::Create), &reply_to, 0);
            let work = self.watch_row(ledger, row, &reply_to, action, looked, invocation);
            // A panic in one row's work must not keep the other rows from their round.
            let followed = caught(Box::pin(work).instrument(span)).await;
            followed.unwrap_or_else(|Panicked| {
                tracing::error!(
                    request_id = row.request,
                    "an internal error ended the work on a row"
                );
                None
            })
        });
        stream::iter(works)
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }

    /// Handles one row. Returns its wait if this invocation must follow it.
    async fn watch_row(
        &self,
        ledger: &Ledger,
        row: &Row,
        reply_to: &ReplyTo,
        action: WatchAction,
        looked: &Looked,
        invocation: &Invocation,
    ) -> Option<Followed> {
        let now = invocation.now();
        match action {
            WatchAction::Repeat(body) => {
                let expiry = reply_to.address().and_then(ResponseUrl::expires_at);
                // S3 refuses a signed address after its expiry, so the answer can no longer be
                // delivered.
                if expiry.is_some_and(|expiry| expiry <= now) {
                    tracing::error!(
                        "CloudFormation has not accepted the answer, and its ResponseURL has expired: the resource \
                         fails at ServiceTimeout"
                    );
                    ledger.end(row.key()).await;
                } else if !self.send_again(&body, reply_to, invocation).await {
                    let again = rows::answers_again_at(invocation.began_at());
                    ledger.schedule(row, again, invocation.remaining()).await;
                }
            }
            WatchAction::Look(wait) => {
                return self.look_at(ledger, row, *wait, looked, invocation).await;
            }
            WatchAction::Resume(wait) => {
                tracing::warn!(
                    "the invocation that stopped the tasks has not answered: the watch resumes"
                );
                return Some(Followed {
                    wait: *wait,
                    from: now,
                });
            }
            WatchAction::Recover => self.recover_orphan(ledger, row, reply_to, invocation).await,
            WatchAction::Fail(error) => {
                tracing::error!("cannot read a wait in the ledger, so its request fails: {error}");
                self.fail_row(row, reply_to, texts::function_replaced(&error), invocation)
                    .await;
            }
            WatchAction::End => ledger.end(row.key()).await,
        }
        None
    }

    /// Settles a parked wait by the round's look. Returns it if this invocation must follow it: to
    /// stop its tasks at the deadline, or to find out if a missing task or an error is permanent.
    async fn look_at(
        &self,
        ledger: &Ledger,
        row: &Row,
        wait: Wait,
        looked: &Looked,
        invocation: &Invocation,
    ) -> Option<Followed> {
        let now = invocation.now();
        if let Some(error) = looked.failed.get(&wait.cluster) {
            // Hundreds of waits can be due in a round, so a throttled look must not make this
            // invocation follow each of them.
            if error.is_transient() && !rows::is_near(&wait, now) {
                tracing::warn!("cannot look at this wait now, so the next round will: {error}");
                return None;
            }
            return Some(Followed { wait, from: now });
        }
        let (tasks, missing): (Vec<_>, Vec<_>) = wait
            .tasks
            .iter()
            .partition(|task| looked.tasks.contains_key(*task));
        if !missing.is_empty() {
            return Some(Followed {
                wait: Wait {
                    missing_since: Some(now),
                    ..wait
                },
                from: now,
            });
        }
        let tasks = tasks
            .into_iter()
            .filter_map(|task| looked.tasks.get(task).cloned())
            .collect();
        let observation = Observation {
            tasks,
            missing: Vec::new(),
        };
        if self
            .settle_with(wait.clone(), observation, invocation)
            .await
        {
            return None;
        }
        if rows::is_near(&wait, now) {
            // If this invocation crashes before the deadline, a later round resumes the wait.
            let takes_over_at = rows::takes_over_at(invocation.ends_at(), &wait);
            ledger
                .schedule(row, takes_over_at, invocation.remaining())
                .await;
            let from = wait.deadline;
            return Some(Followed {
                wait: Wait {
                    next_look: from,
                    ..wait
                },
                from,
            });
        }
        ledger
            .schedule(row, rows::next_look(&wait, now), invocation.remaining())
            .await;
        None
    }

    /// Follows these waits to their ends, each from its own time on. If an event settles one
    /// meanwhile, the ledger shows it, and the wait ends without an answer.
    async fn follow_all(&self, followed: Vec<Followed>, invocation: &Invocation) {
        let places = &Semaphore::new(FOLLOWED_AT_ONCE);
        let works = followed
            .into_iter()
            .map(|Followed { wait, from }| async move {
                invocation
                    .clock()
                    .sleep_until(from.min(invocation.hand_over_at()))
                    .await;
                let _place = places.acquire().await;
                // There is no time left to hand over. A later round has the row.
                if invocation.now() >= invocation.answer_reserve_at() {
                    return;
                }
                // The log and the metrics report an answer that was not delivered; the next round sends
                // it again.
                let _ = caught(Box::pin(self.resume(wait, invocation))).await;
            });
        futures_util::future::join_all(works).await;
    }

    /// Settles a wait if an observation shows that it is over. Returns true if it does.
    async fn settle_with(
        &self,
        wait: Wait,
        observation: Observation,
        invocation: &Invocation,
    ) -> bool {
        let (reply_to, cluster) = (wait.reply_to.clone(), wait.cluster.clone());
        let history = self.history();
        let work = self.work(
            &cluster,
            &[],
            &history,
            wait.deadline,
            &reply_to,
            invocation,
        );
        let settling = Box::pin(settle_if_over(&work, wait, observation));
        // The log and the metrics report an answer that was not delivered; the next round sends it
        // again.
        self.settle(Some(&cluster), &reply_to, invocation, settling)
            .await
            .unwrap_or(true)
    }

    /// Describes tasks in half of the time that is left: their waits need the other half.
    async fn describe(
        &self,
        cluster: &str,
        tasks: &[TaskArn],
        invocation: &Invocation,
    ) -> Result<Observation, CallError> {
        let looking = caught_call(self.aws.describe_tasks(cluster, tasks));
        tokio::time::timeout(invocation.remaining() / 2, looking)
            .await
            .unwrap_or_else(|_| Err(CallError::no_answer("ECS")))
    }

    /// Looks at the tasks of all these waits, up to 100 in one call, because ECS limits an
    /// account's calls and not their tasks.
    async fn look_at_all(
        &self,
        actions: &[(&Row, WatchAction)],
        invocation: &Invocation,
    ) -> Looked {
        let mut clusters: BTreeMap<&str, Vec<TaskArn>> = BTreeMap::new();
        for (_, action) in actions {
            if let WatchAction::Look(wait) = action {
                clusters
                    .entry(&wait.cluster)
                    .or_default()
                    .extend(wait.tasks.iter().cloned());
            }
        }
        let calls = clusters.iter().flat_map(|(cluster, tasks)| {
            tasks
                .chunks(DESCRIBE_AT_ONCE)
                .map(|chunk| async { (*cluster, self.describe(cluster, chunk, invocation).await) })
        });
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(4).collect().await;
        let mut looked = Looked::default();
        for (cluster, answer) in answers {
            match answer {
                Ok(seen) => {
                    looked
                        .tasks
                        .extend(seen.tasks.into_iter().map(|task| (task.arn.clone(), task)));
                }
                Err(error) => {
                    looked.failed.insert(cluster.to_owned(), error);
                }
            }
        }
        looked
    }

    /// Resumes a request whose invocation crashed while it started or stopped tasks. If its tasks
    /// cannot be found yet, the next rounds look again until the request's deadline.
    async fn recover_orphan(
        &self,
        ledger: &Ledger,
        row: &Row,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) {
        let crashed = || self.fail_row(row, reply_to, texts::died(row.count), invocation);
        let (Ok(Some(wait)), Some(cluster)) = (row.continuation(), &row.cluster) else {
            return crashed().await;
        };
        let others = ledger.rows(&row.resource).await.unwrap_or_default();
        let earlier_rows = others
            .into_iter()
            .filter(|other| other.is_before(row))
            .collect();
        let history = History {
            earlier_rows,
            ..self.history()
        };
        if wait.goal == Goal::Stopped {
            tracing::warn!("resuming a Delete whose invocation crashed");
            let families = row.families.clone();
            let stop = Stop {
                cluster: Some(cluster.clone()),
                families,
                deadline: wait.deadline,
                limit: wait.limit,
            };
            let work = self.work(
                cluster,
                &stop.families,
                &history,
                stop.deadline,
                reply_to,
                invocation,
            );
            let deleting = async { Some(delete(&work, &stop).await) };
            let _ = self
                .settle(Some(cluster), reply_to, invocation, Box::pin(deleting))
                .await;
            return;
        }
        let until = invocation.hand_over_at();
        let work = self.work(
            cluster,
            &row.families,
            &history,
            until,
            reply_to,
            invocation,
        );
        let mut own = match own_tasks(&work).await {
            Ok(own) => own,
            Err(error) if milliseconds(invocation.now()) < row.deadline => {
                tracing::warn!(
                    "cannot look for the tasks of a crashed invocation now, so the next round will: {error}"
                );
                return;
            }
            Err(error) => {
                tracing::warn!("cannot look for the tasks of a crashed invocation: {error}");
                return crashed().await;
            }
        };
        // StartRetries may have started tasks in place of others that never ran, so the row's count
        // leaves those out.
        let is_anew = |task: &Task| is_marked_by(task, reply_to) && !never_ran(task);
        if own.iter().filter(|task| is_anew(task)).count() >= row.count {
            own.retain(is_anew);
        }
        if row.count > 0 && own.len() >= row.count {
            // StopTask can clear tags, and then a later request's tasks can be among these. The
            // oldest are this request's.
            own.sort_by_key(|task| (task.created_at, task.arn.clone()));
            own.truncate(row.count);
            tracing::warn!("resuming with the tasks that a crashed invocation started");
            let mut tasks: Vec<TaskArn> = own.iter().map(|task| task.arn.clone()).collect();
            // As the start orders them.
            tasks.sort();
            let resuming = async {
                let wait = Wait {
                    tasks: tasks.clone(),
                    ..wait
                };
                let started = Started {
                    tasks,
                    seen: own,
                    ..Started::default()
                };
                if row.forgets {
                    return Some(Ending::Answered(
                        answer_at_start(&work, &wait, &started, "").await,
                    ));
                }
                Some(match wait.reply_to.wait_handle {
                    Some(_) => Box::pin(promised(&work, wait, &started, "")).await,
                    None => Box::pin(follow(&work, wait)).await,
                })
            };
            let _ = self
                .settle(Some(cluster), reply_to, invocation, Box::pin(resuming))
                .await;
        } else if milliseconds(invocation.now()) < row.deadline {
            tracing::warn!(
                "not all tasks of a crashed invocation can be seen: looking again next round"
            );
        } else {
            crashed().await;
        }
    }

    /// Stops the tasks of a request that no invocation can resume, and answers FAILED.
    async fn fail_row(
        &self,
        row: &Row,
        reply_to: &ReplyTo,
        reason: Reason,
        invocation: &Invocation,
    ) {
        // The log and the metrics report an answer that was not delivered; the next round sends it
        // again.
        let _ = self
            .fail(row.cluster.as_deref(), reply_to, reason, invocation)
            .await;
    }
}
