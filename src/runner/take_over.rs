//! Taking over: what the watch does about a request whose invocation has died, or has not kept its deadline.

use std::time::Duration;

use super::{
    Runner,
    decide::{
        answer::Answer,
        ledger::{self as rows, Row},
        marks::is_marked_by,
        plan::Stop,
        texts,
        wait::{Goal, Wait},
    },
    find::own_tasks,
    follow::{Ending, follow},
    go_on::Place,
    hand_over::{NoNextHop, hand_over},
    invocation::Invocation,
    launch::{Started, never_ran},
    ledger::{Ledger, Memory},
    run::{fire_and_forget, promised},
};
use crate::{
    cfn::ReplyTo,
    epoch::milliseconds,
    reason::Reason,
    task::{Task, TaskArn},
};

/// How long an invocation may be asked for that polls a wait.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(5);

/// Who goes on with a row that was due.
pub(super) enum GoesOn {
    /// Nobody needs to for now, or another invocation.
    Elsewhere,
    /// This invocation, when it has seen to all others.
    Here,
}

/// A row that is due.
#[derive(Clone, Copy)]
pub(super) struct Watched<'w> {
    pub(super) row: &'w Row,
    pub(super) reply_to: &'w ReplyTo,
    pub(super) ledger: &'w Ledger,
}

impl Runner {
    /// Finishes a wait in the watch's own invocation.
    pub(super) async fn finish_here(&self, ledger: &Ledger, row: &Row, invocation: &Invocation) {
        let Ok(Some(wait)) = row.waits_for() else { return };
        ledger.put_off(row, rows::takes_over_at(invocation.ends_at(), &wait), invocation.left()).await;
        // That the answer was not taken is logged, and the next minute sends it again.
        let _ = Box::pin(self.go_on(wait, invocation)).await;
    }

    /// Lets an invocation of its own poll a wait. Where none can be made, the watch does it: nobody else
    /// would keep the deadline.
    pub(super) async fn poll(&self, watched: Watched<'_>, wait: Wait, invocation: &Invocation) -> GoesOn {
        let Watched { row, reply_to, ledger } = watched;
        // By then it has begun, and says until when the wait is its own.
        ledger.put_off(row, rows::begins_by(invocation.now()), invocation.left()).await;
        let memory = self.memory();
        let place = Place { cluster: &wait.cluster, families: &[], memory: &memory };
        let work = self.work(place, invocation.ends_at(), reply_to, invocation);
        let handing_over = tokio::time::timeout(HAND_OVER_PATIENCE, hand_over(&work, wait.clone()));
        match handing_over.await {
            Ok(Ok(())) => GoesOn::Elsewhere,
            Ok(Err(NoNextHop::Refused(error))) => {
                tracing::error!("no invocation could be made to poll a wait, and the watch does it: {error}");
                GoesOn::Here
            }
            Ok(Err(NoNextHop::ChainUsedUp)) | Err(_) => {
                tracing::error!("no invocation could be made to poll a wait, and the watch does it");
                GoesOn::Here
            }
        }
    }

    /// What an invocation has left that died while it started its tasks.
    pub(super) async fn adopt(&self, watched: Watched<'_>, invocation: &Invocation) {
        let Watched { row, reply_to, ledger } = watched;
        let died = || self.give_up(watched, texts::died(row.count), invocation);
        let Ok(Some(wait)) = row.waits_for() else { return died().await };
        let others = ledger.rows(&row.resource).await.unwrap_or_default();
        let others = others.into_iter().filter(|other| other.is_before(row)).collect();
        let memory = Memory { others, ..self.memory() };
        if wait.goal == Goal::Stopped {
            tracing::warn!("going on with a Delete whose invocation has died");
            let (cluster, families) = (row.cluster.clone(), row.families.clone());
            let stop = Stop { cluster, families, deadline: wait.deadline, limit: wait.limit };
            let ending = Box::pin(self.stop_all(&stop, &memory, reply_to, invocation));
            let _ = self.answer_ending(ending, row.cluster.as_deref(), reply_to, invocation).await;
            return;
        }
        let Some(cluster) = &row.cluster else { return died().await };
        let place = Place { cluster, families: &row.families, memory: &memory };
        let work = self.work(place, invocation.hand_over_at(), reply_to, invocation);
        let mut own = match own_tasks(&work).await {
            Ok(own) => own,
            Err(error) if milliseconds(invocation.now()) < row.deadline => {
                tracing::warn!("what an invocation has started that died is looked for again: {error}");
                return;
            }
            Err(error) => {
                tracing::warn!("what an invocation has started that died cannot be looked for: {error}");
                return died().await;
            }
        };
        // What StartRetries has started anew comes in place of what never ran.
        let is_anew = |task: &Task| is_marked_by(task, reply_to) && !never_ran(task);
        if own.iter().filter(|task| is_anew(task)).count() >= row.count {
            own.retain(is_anew);
        }
        if row.count > 0 && own.len() >= row.count {
            // Where StopTask has taken the tags away, a later request's tasks are among them.
            own.sort_by_key(|task| (task.created_at, task.arn.clone()));
            own.truncate(row.count);
            tracing::warn!("going on with what an invocation has started that died");
            let tasks: Vec<TaskArn> = own.iter().map(|task| task.arn.clone()).collect();
            let ending = async {
                let wait = Wait { tasks: tasks.clone(), ..wait };
                let started = Started { tasks, seen: own, ..Started::default() };
                if row.forgets {
                    return Ending::Answered(fire_and_forget(&work, &wait, &started, "").await);
                }
                match wait.reply_to.wait_handle {
                    Some(_) => Box::pin(promised(&work, wait, &started, "")).await,
                    None => Box::pin(follow(&work, wait)).await,
                }
            };
            let _ = self.answer_ending(Box::pin(ending), Some(cluster), reply_to, invocation).await;
        } else if milliseconds(invocation.now()) < row.deadline {
            tracing::warn!("an invocation has died, and not all of its tasks can be seen: looking again");
        } else {
            died().await;
        }
    }

    /// Stops whatever a request has started, and answers FAILED.
    pub(super) async fn give_up(&self, watched: Watched<'_>, reason: Reason, invocation: &Invocation) {
        let Watched { row, reply_to, .. } = watched;
        let ending = async {
            let stopped = self.stop_what_it_started(row.cluster.as_deref(), reply_to, invocation).await;
            Ending::Answered(Answer::Failed(texts::what_is_left(reason, stopped)))
        };
        // That the answer was not taken is logged, and the next minute sends it again.
        let _ = self.answer_ending(Box::pin(ending), row.cluster.as_deref(), reply_to, invocation).await;
    }
}
