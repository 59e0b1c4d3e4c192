//! The ledger: the table in which the runner remembers its requests. What is written and when a write goes
//! through [`super::decide::ledger`] decides.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration as StdDuration,
};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use backon::{ExponentialBuilder, Retryable};
use time::OffsetDateTime;

use super::decide::{
    ledger::{self as rows, Row, RowState, StartTaskCall, turn},
    wait::Wait,
};
use crate::{
    aws::{
        CallError, Throttles,
        dynamodb::{Attributes, IndexRange, Inserted, Table, Update, Updated},
        patient,
    },
    cfn::{ReplyTo, WaitHandle},
    epoch::milliseconds,
    task::cluster_name,
};

/// How long one call may take: who waits for it can do without the ledger.
const PATIENCE: StdDuration = StdDuration::from_secs(5);

/// How long the row of a request that has had its answer may refuse to be ended.
const SETTLING: StdDuration = StdDuration::from_secs(20);

/// How long one attempt of it may: one that gets no answer leaves time for another.
const ATTEMPT: StdDuration = StdDuration::from_millis(1500);

/// The table.
#[derive(Debug)]
pub struct Ledger {
    table: Table,
    /// Until when the watch is known to live.
    watched_until: Mutex<Option<OffsetDateTime>>,
}

/// What the ledger says around one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory<'l> {
    /// The ledger, where it holds a row of the request.
    pub(super) ledger: Option<&'l Ledger>,
    /// How often StartTask may have been called by earlier deliveries.
    pub(super) attempts: u32,
    /// Whether this is the request's first delivery, so that nothing that was started before is its own.
    pub(super) is_first: bool,
    /// Tells this delivery from others of the request.
    pub(super) delivery: u64,
    /// The rows of the resource's earlier requests.
    pub(super) others: Vec<Row>,
}

/// What the ledger says of a request that is delivered.
pub(super) enum First {
    /// It has not been seen before.
    New,
    /// It has: this is its row.
    Seen(Box<Row>),
}

/// What came of a write that only one invocation makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was made.
    Done,
    /// There is no row: the ledger was not there when the request began.
    NoRow,
    /// Another invocation has answered, or is about to.
    Answered,
    /// A later request of the resource has taken over.
    Superseded,
    /// Another delivery of the request is about to do the same.
    Taken,
}

impl Memory<'_> {
    /// These clusters, and those in which other requests of the resource have started tasks, each once.
    pub(super) fn clusters(&self, known: &[String]) -> Vec<String> {
        let mut clusters = known.to_vec();
        for cluster in self.others.iter().filter_map(|row| row.cluster.as_ref()) {
            if !clusters.iter().any(|known| cluster_name(known) == cluster_name(cluster)) {
                clusters.push(cluster.clone());
            }
        }
        clusters
    }

    /// Whether an earlier request of the resource has been given this WaitHandle.
    pub(super) fn has_signalled(&self, handle: Option<&WaitHandle>) -> bool {
        handle.is_some_and(|handle| self.others.iter().any(|row| row.signals(handle)))
    }

    /// Takes over from other requests of the resource that are about to start their tasks: they learn that
    /// they must not. What is waited for is answered when its tasks have stopped.
    pub(super) async fn supersede_starting(&self) {
        let Some(ledger) = self.ledger else { return };
        for row in self.others.iter().filter(|row| row.state == RowState::Starting) {
            if let Err(error) = ledger.write(&rows::superseded(row.key())).await {
                tracing::warn!("an earlier request does not learn that this one takes over: {error}");
            }
        }
    }
}

impl Ledger {
    /// The table of this name or ARN.
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(ATTEMPT).operation_attempt_timeout(ATTEMPT).build();
        let config = patient(config.clone()).into_builder().timeout_config(timeouts).build();
        Self { table: Table::new(&config, name), watched_until: Mutex::default() }
    }

    /// Writes the row of a request, unless there is one.
    pub(super) async fn first(&self, row: &Row) -> Result<First, CallError> {
        let inserted = in_time(self.table.insert(&row.item(), rows::RESOURCE)).await?;
        Ok(match inserted {
            Inserted::New => First::New,
            // What cannot be read is another's row: this request goes on as if it had none.
            Inserted::There(item) => Row::read(item).map_or(First::New, |row| First::Seen(Box::new(row))),
        })
    }

    /// The rows of a resource, as they are now.
    pub(super) async fn rows(&self, resource: &str) -> Result<Vec<Row>, CallError> {
        let items = in_time(self.table.query((rows::RESOURCE, resource))).await?;
        Ok(items.into_iter().filter_map(Row::read).collect())
    }

    /// Keeps a wait with its tasks; the watch looks at it then.
    pub(super) async fn keep(&self, wait: &Wait, next_look: OffsetDateTime) -> Result<Written, CallError> {
        self.write(&rows::kept(wait, next_look)).await
    }

    /// Says how often StartTask may have been called, before it is.
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

    /// Makes an answer that was taken the request's one answer, and ends it. Where the answer could not be
    /// kept before, the watch would come to one of its own, so this is worth some seconds.
    pub(super) async fn settle(&self, reply_to: &ReplyTo, body: &str, patience: StdDuration) {
        let update = rows::settled(reply_to, body);
        let settling = (|| self.write(&update))
            .retry(ExponentialBuilder::default().with_jitter().without_max_times())
            .when(CallError::is_transient);
        match tokio::time::timeout(patience.min(SETTLING), settling).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("the request's row could not be ended: {error}"),
            Err(_) => tracing::warn!("the request's row could not be ended in time"),
        }
    }

    /// Ends a request. That it could not be is logged: the watch has it again.
    pub(super) async fn end(&self, key: Attributes) {
        if let Err(error) = self.write(&rows::ended(key)).await {
            tracing::warn!("the request's row could not be ended: {error}");
        }
    }

    /// Lets the watch look at a row again then, likewise. `left` is what is left of the invocation.
    pub(super) async fn put_off(&self, row: &Row, next_look: OffsetDateTime, left: StdDuration) {
        let update = rows::due_again(row, next_look);
        let writing = tokio::time::timeout(left / 2, self.write(&update));
        if let Err(error) = writing.await.unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB"))) {
            tracing::warn!("the row's next look could not be put off: {error}");
        }
    }

    /// The wait that another delivery of a request goes on with, if one does.
    pub(super) async fn wait_of(&self, reply_to: &ReplyTo) -> Option<Wait> {
        let resource = reply_to.started_by();
        let rows = self.rows(&resource).await;
        let rows =
            rows.inspect_err(|error| tracing::warn!("another delivery is not looked for: {error}")).ok()?;
        let own = rows.into_iter().find(|row| row.request == rows::sort_key(reply_to))?;
        own.waits_for().ok().flatten().filter(|_| own.state == RowState::Waiting)
    }

    /// One page of the rows that are due, as they are now, and where the next page begins.
    ///
    /// The index holds keys alone. All its items are of one partition, which takes a thousand KB of writes a
    /// second: with whole rows in it a few hundred requests at once would be too much.
    pub(super) async fn due(
        &self,
        now: OffsetDateTime,
        from: Option<&Attributes>,
    ) -> Result<(Vec<Row>, Option<Attributes>), CallError> {
        let page = in_time(self.table.query_index(&open_up_to(milliseconds(now)), from)).await?;
        // A table that was made by hand may have whole rows in its index.
        let (mut items, keys): (Vec<_>, Vec<_>) = page.items.into_iter().partition(rows::is_whole);
        let keys: Vec<Attributes> = keys.iter().map(rows::table_key).collect();
        if !keys.is_empty() {
            // It has patience of its own, and a time-out would lose what it has got.
            items.extend(self.table.get_all(&keys).await?);
        }
        // The index may lag behind: what another invocation has moved on is not due.
        let due = items.into_iter().filter_map(Row::read).filter(|row| row.is_due(now));
        Ok((due.collect(), page.next))
    }

    /// How many requests have not ended.
    pub(super) async fn count_open(&self) -> Result<usize, CallError> {
        in_time(self.table.count_index(&open_up_to(i64::MAX))).await
    }

    /// What of its calls AWS has throttled.
    pub(super) fn throttles(&self) -> &Throttles {
        self.table.throttles()
    }

    /// The watch has come round.
    pub(super) async fn beat(&self, now: OffsetDateTime) -> Result<(), CallError> {
        in_time(self.table.put(&rows::heartbeat(now))).await
    }

    /// Takes a place in the queue of the starts that ECS has throttled, and says when its turn is.
    pub(super) async fn turn(&self, now: OffsetDateTime) -> Result<OffsetDateTime, CallError> {
        // Between the two writes another may have come, or all have gone.
        for _ in 0..3 {
            if let Updated::Done(before) = in_time(self.table.update(&turn::behind_the_last(now))).await? {
                return Ok(turn::taken(&before).unwrap_or(now));
            }
            if let Updated::Done(_) = in_time(self.table.update(&turn::first(now))).await? {
                return Ok(now);
            }
        }
        Ok(now)
    }

    /// Whether the watch is known to live, so that a wait may be left to it.
    pub(super) async fn is_watched(&self, now: OffsetDateTime) -> Result<bool, CallError> {
        let known = *self.watched_until.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some_and(|until| now < until) {
            return Ok(true);
        }
        let items = in_time(self.table.query((rows::RESOURCE, rows::WATCH))).await?;
        let until = rows::watched_until(&items);
        *self.watched_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        Ok(until.is_some_and(|until| now < until))
    }

    async fn write(&self, update: &Update) -> Result<Written, CallError> {
        Ok(match in_time(self.table.update(update)).await? {
            Updated::Done(_) => Written::Done,
            Updated::Refused(item) => refused(Row::read(item)),
        })
    }
}

/// The open rows whose next look is due then at the latest, in milliseconds.
fn open_up_to(next_look: i64) -> IndexRange<'static> {
    IndexRange {
        index: rows::OPEN_INDEX,
        partition: (rows::OPEN, rows::OPEN),
        up_to: (rows::NEXT_LOOK, next_look),
    }
}

/// What a row that a write was refused for says.
fn refused(row: Option<Row>) -> Written {
    match row {
        None => Written::NoRow,
        Some(row) if row.answer.is_some() => Written::Answered,
        Some(row) if row.is_unanswered() => Written::Taken,
        Some(_) => Written::Superseded,
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(CallError::no_answer("DynamoDB")))
}
