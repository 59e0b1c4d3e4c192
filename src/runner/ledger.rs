//! The ledger: the table that holds the rows of the runner's requests. [`super::decide::ledger`]
//! decides each write and its condition.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration as StdDuration,
};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use time::{Duration, OffsetDateTime};

use super::decide::{
    ledger::{self as rows, Row, RowState, StartTaskCall, turn},
    wait::Wait,
};
use crate::{
    aws::{
        Throttles,
        dynamodb::{IndexRange, Inserted, Table},
        patient,
    },
    call::CallError,
    cfn::{ReplyTo, WaitHandle},
    epoch::milliseconds,
    item::{Attributes, Update, Updated},
    task::cluster_name,
};

/// The time that a role may need to take effect: IAM is eventually consistent, and a stack often
/// makes the role itself.
pub(super) const FRESH_ROLE: Duration = Duration::seconds(15);

/// Time limit for one DynamoDB call. Callers fall back to polling, so do not let them wait.
const PATIENCE: StdDuration = StdDuration::from_secs(5);

/// Time limit for the write that ends an answered request.
const SETTLING: StdDuration = StdDuration::from_secs(20);

/// Time limit for one attempt of a call, short enough that a second attempt fits into the call's
/// limit.
const ATTEMPT: StdDuration = StdDuration::from_millis(1500);

/// The ledger in its DynamoDB table. It remembers the end of the heartbeat's validity.
#[derive(Debug)]
pub struct Ledger {
    table: Table,
    /// The end of the last heartbeat's validity.
    watched_until: Mutex<Option<OffsetDateTime>>,
}

/// The ledger's view of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct History<'l> {
    /// The ledger, if the function has one.
    pub(super) ledger: Option<&'l Ledger>,
    /// The number of times that earlier deliveries may have called StartTask.
    pub(super) attempts: u32,
    /// This is the request's first delivery, so none of the existing tasks is its own.
    pub(super) is_first: bool,
    /// A random number that distinguishes this delivery from others of the request.
    pub(super) delivery: u64,
    /// The rows of the resource's earlier requests.
    pub(super) earlier_rows: Vec<Row>,
}

/// The outcome of a write that only one invocation can make.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The write was made.
    Done,
    /// The ledger has no row of the request: it was not there when the request began.
    NoRow,
    /// Another invocation has answered or is sending its answer.
    Answered,
    /// A later request of the resource has superseded this one.
    Superseded,
    /// Another delivery of the request is making the same step.
    Taken,
}

impl History<'_> {
    /// Adds the clusters in which earlier requests of the resource have started tasks, each once.
    pub(super) fn clusters(&self, known: &[String]) -> Vec<String> {
        let mut clusters = known.to_vec();
        for cluster in self
            .earlier_rows
            .iter()
            .filter_map(|row| row.cluster.as_ref())
        {
            if !clusters
                .iter()
                .any(|known| cluster_name(known) == cluster_name(cluster))
            {
                clusters.push(cluster.clone());
            }
        }
        clusters
    }

    /// An earlier request of the resource has used this WaitHandle.
    pub(super) fn has_signalled(&self, handle: Option<&WaitHandle>) -> bool {
        handle.is_some_and(|handle| self.earlier_rows.iter().any(|row| row.signals(handle)))
    }

    /// Supersedes earlier requests of the resource that are about to start their tasks, so that
    /// they start none. A request that already waits gets its answer when its tasks have stopped.
    pub(super) async fn supersede_starting(&self) {
        let Some(ledger) = self.ledger else { return };
        for row in self
            .earlier_rows
            .iter()
            .filter(|row| row.state == RowState::Starting)
        {
            if let Err(error) = ledger.write(&rows::superseded(row.key())).await {
                tracing::warn!(
                    "cannot mark an earlier request as superseded in the ledger: {error}"
                );
            }
        }
    }
}

impl Ledger {
    /// The ledger in the table of this name or ARN. No call is made yet.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        let config = patient(config.clone())
            .into_builder()
            .timeout_config(timeouts)
            .build();
        Self {
            table: Table::new(&config, name),
            watched_until: Mutex::default(),
        }
    }

    /// Writes the row of a request, or gets the row that is there already.
    pub(super) async fn insert_or_get(&self, row: &Row) -> Result<Option<Row>, CallError> {
        Ok(
            match in_time(self.table.insert(&row.item(), rows::RESOURCE)).await? {
                Inserted::New => None,
                Inserted::There(item) => Row::read(item),
            },
        )
    }

    /// Writes the row of a request that calls StartTask, or gets the row that is there already. A
    /// denial is tried again: the role may be too new for the write, and without its row another
    /// delivery would start the tasks a second time.
    pub(super) async fn insert_with_retry(&self, row: &Row) -> Result<Option<Row>, CallError> {
        let pause = FRESH_ROLE.unsigned_abs() / 10;
        (|| self.insert_or_get(row))
            .retry(
                ConstantBuilder::default()
                    .with_delay(pause)
                    .with_max_times(10),
            )
            .when(CallError::is_denied)
            .await
    }

    /// All rows of a resource, read consistently.
    pub(super) async fn rows(&self, resource: &str) -> Result<Vec<Row>, CallError> {
        let items = in_time(self.table.query((rows::RESOURCE, resource))).await?;
        Ok(items.into_iter().filter_map(Row::read).collect())
    }

    /// Saves a wait with its tasks. The watch looks at it at `next_look`.
    pub(super) async fn save_wait(
        &self,
        wait: &Wait,
        next_look: OffsetDateTime,
    ) -> Result<Written, CallError> {
        self.write(&rows::saved(wait, next_look)).await
    }

    /// Counts a call of StartTask, before it is made.
    pub(super) async fn attempt(
        &self,
        reply_to: &ReplyTo,
        call: StartTaskCall,
    ) -> Result<Written, CallError> {
        self.write(&rows::attempted(reply_to, call)).await
    }

    /// Makes an answer the request's one answer.
    pub(super) async fn answer(
        &self,
        reply_to: &ReplyTo,
        body: &str,
        now: OffsetDateTime,
    ) -> Result<Written, CallError> {
        // An attempt that got no answer may have made the write; the name in the row shows it to
        // the next attempt.
        let write = fastrand::u64(..).to_string();
        let update = rows::answering(reply_to, body, &write, now);
        Ok(match in_time(self.table.update(&update)).await? {
            Updated::Done(_) => Written::Done,
            Updated::Refused(item) => match Row::read(item) {
                Some(row) if row.is_answered_by(&write, body) => Written::Done,
                row => refused(row),
            },
        })
    }

    /// Makes a delivered answer the request's one answer, and ends the request. The write is worth
    /// some seconds, because the watch answers again if the row does not hold the answer.
    /// `remaining` is the rest of the invocation.
    pub(super) async fn settle(&self, reply_to: &ReplyTo, body: &str, remaining: StdDuration) {
        let update = rows::settled(reply_to, body);
        let settling = (|| self.write(&update))
            .retry(
                ExponentialBuilder::default()
                    .with_jitter()
                    .without_max_times(),
            )
            .when(CallError::is_transient);
        match tokio::time::timeout(SETTLING.min(remaining / 2), settling).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!("cannot mark the request as finished in the ledger: {error}")
            }
            Err(_) => {
                tracing::warn!("cannot mark the request as finished in the ledger: no time left")
            }
        }
    }

    /// Ends a request. A failure is logged, and the watch's next round tries again.
    pub(super) async fn end(&self, key: Attributes) {
        if let Err(error) = self.write(&rows::ended(key)).await {
            tracing::warn!("cannot mark the request as finished in the ledger: {error}");
        }
    }

    /// Schedules the watch's next look at a row. A failure is logged. `remaining` is the rest of
    /// the invocation.
    pub(super) async fn schedule(
        &self,
        row: &Row,
        next_look: OffsetDateTime,
        remaining: StdDuration,
    ) {
        let update = rows::due_again(row, next_look);
        if let Err(error) = in_half_of(remaining, self.write(&update)).await {
            tracing::warn!("cannot save in the ledger when to look at the tasks next: {error}");
        }
    }

    /// The wait that another delivery of a request has saved, if there is one. `remaining` is the
    /// rest of the invocation.
    pub(super) async fn wait_of(&self, reply_to: &ReplyTo, remaining: StdDuration) -> Option<Wait> {
        let resource = reply_to.started_by();
        let rows = in_half_of(remaining, self.rows(&resource)).await;
        let rows = rows
            .inspect_err(|error| {
                tracing::warn!(
                    "cannot read from the ledger if Lambda delivered this request before: {error}"
                )
            })
            .ok()?;
        let own = rows
            .into_iter()
            .find(|row| row.request == rows::sort_key(reply_to))?;
        own.continuation()
            .ok()
            .flatten()
            .filter(|_| own.state == RowState::Waiting)
    }

    /// Returns one page of the rows that are due, read consistently, and the start of the next
    /// page.
    ///
    /// The index holds keys alone. All its items are in one partition, which takes a thousand KB of
    /// writes a second: with whole rows in it a few hundred requests at once would be too many.
    pub(super) async fn due_rows(
        &self,
        now: OffsetDateTime,
        from: Option<&Attributes>,
    ) -> Result<(Vec<Row>, Option<Attributes>), CallError> {
        let page = in_time(self.table.query_index(&open_up_to(milliseconds(now)), from)).await?;
        // A table that was made by hand may have whole rows in its index.
        let (mut items, keys): (Vec<_>, Vec<_>) = page.items.into_iter().partition(rows::is_row);
        let keys: Vec<Attributes> = keys.iter().map(rows::table_key).collect();
        if !keys.is_empty() {
            // The call has time limits of its own, and another one around it would lose the rows
            // that it has read.
            items.extend(self.table.get_all(&keys).await?);
        }
        // The index may lag behind the table: a row that another invocation has moved on is not
        // due.
        let due = items
            .into_iter()
            .filter_map(Row::read)
            .filter(|row| row.is_due(now));
        Ok((due.collect(), page.next))
    }

    /// The number of requests that have not ended.
    pub(super) async fn count_open(&self) -> Result<usize, CallError> {
        in_time(self.table.count_index(&open_up_to(i64::MAX))).await
    }

    /// The count of the ledger's calls that AWS throttled.
    pub(super) fn throttles(&self) -> &Throttles {
        self.table.throttles()
    }

    /// Writes the watch's heartbeat.
    pub(super) async fn write_heartbeat(&self, now: OffsetDateTime) -> Result<(), CallError> {
        in_time(self.table.put(&rows::heartbeat(now))).await
    }

    /// Takes a place in the queue of the throttled starts, and returns the time of its turn.
    pub(super) async fn turn(&self, now: OffsetDateTime) -> Result<OffsetDateTime, CallError> {
        // Between the two writes another start may have come, or all may have gone. Three rounds
        // are enough: a start out of turn is throttled at worst.
        for _ in 0..3 {
            if let Updated::Done(before) =
                in_time(self.table.update(&turn::behind_the_last(now))).await?
            {
                return Ok(turn::taken(&before).unwrap_or(now));
            }
            if let Updated::Done(_) = in_time(self.table.update(&turn::first(now))).await? {
                return Ok(now);
            }
        }
        Ok(now)
    }

    /// The watch has written its heartbeat lately, so a wait may be parked.
    pub(super) async fn is_watched(&self, now: OffsetDateTime) -> Result<bool, CallError> {
        let known = *self
            .watched_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A heartbeat that is still valid saves a read for each wait.
        if known.is_some_and(|until| now < until) {
            return Ok(true);
        }
        let items = in_time(self.table.query((rows::RESOURCE, rows::WATCH))).await?;
        let until = rows::watched_until(&items);
        *self
            .watched_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
        Ok(until.is_some_and(|until| now < until))
    }

    async fn write(&self, update: &Update) -> Result<Written, CallError> {
        Ok(match in_time(self.table.update(update)).await? {
            Updated::Done(_) => Written::Done,
            Updated::Refused(item) => refused(Row::read(item)),
        })
    }
}

/// The open rows whose next look is due at `next_look`, in Unix milliseconds, or before.
fn open_up_to(next_look: i64) -> IndexRange<'static> {
    IndexRange {
        index: rows::OPEN_INDEX,
        partition: (rows::OPEN, rows::OPEN),
        up_to: (rows::NEXT_LOOK, next_look),
    }
}

/// The reason for a refused write, from the row that refused it.
fn refused(row: Option<Row>) -> Written {
    match row {
        None => Written::NoRow,
        Some(row) if row.answer.is_some() => Written::Answered,
        Some(row) if row.is_unanswered() => Written::Taken,
        Some(_) => Written::Superseded,
    }
}

/// A call to the ledger in half of the time that an invocation has left: the other half is for what
/// follows.
pub(super) async fn in_half_of<T>(
    left: StdDuration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(left / 2, call)
        .await
        .unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB")))
}

async fn in_time<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    tokio::time::timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB")))
}
