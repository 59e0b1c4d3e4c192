//! People are alerted about failures: each group in one message, at once where its window allows it, and
//! counted otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    decide::group::Group,
    passing::{Passing, Shortfall, Sink},
    render::{
        alert::{NAMED, Notice, Told},
        rows::{Rows, Standing},
    },
    settle::{Done, Gathered, Logged, Telling},
    sinks::{AT_ONCE, Sinks},
};
use crate::{
    aws::{CallError, dynamodb::Updated, log_group::EVENT_BYTES},
    function::clock::Clock,
};

/// How long one message may take, with the log lines in it; and the log group.
const MESSAGE: Duration = Duration::from_secs(20);
/// How often a group is tried whose window is closed by somebody else meanwhile.
const ROUNDS: usize = 3;

impl Sinks {
    /// Alerts and logs what is due, and writes down what was done; what could not be.
    pub(super) async fn tell(&self, passing: &[Passing<'_>], rows: &Rows) -> Vec<Shortfall> {
        let gathered = self.gather(passing);
        let grouped: BTreeSet<usize> = gathered.iter().flat_map(|one| one.members.iter().copied()).collect();
        let leased =
            passing.iter().enumerate().filter(|(place, one)| one.is_leased() && !grouped.contains(place));
        let mut others: Vec<usize> = leased.map(|(place, _)| place).collect();
        let (logged, mut told) =
            tokio::join!(self.log(passing, rows), self.tell_groups(gathered, passing, rows));
        let mut failures = Vec::new();
        for (place, result) in &logged {
            failures.extend(result.as_ref().err().map(|error| (*place, Sink::Log, error.clone())));
        }
        let done = Done { passing, rows, logged: &logged };
        let failed = |gathered: &Gathered, error: &CallError| -> Vec<Shortfall> {
            gathered.members.iter().map(|place| (*place, Sink::Alert, error.clone())).collect()
        };
        for round in 1..=ROUNDS {
            for (gathered, telling) in &told {
                if let Telling::Failed(error) = telling {
                    failures.extend(failed(gathered, error));
                }
            }
            let settled = self.settle(&done, &told, &std::mem::take(&mut others)).await;
            failures.extend(settled.failures);
            if settled.gone.is_empty() {
                break;
            }
            if round == ROUNDS {
                let gone =
                    CallError::refused("dynamodb:UpdateItem", "the group's window was closed meanwhile");
                failures.extend(settled.gone.iter().flat_map(|gathered| failed(gathered, &gone)));
                break;
            }
            told = self.tell_groups(settled.gone, passing, rows).await;
        }
        failures
    }

    /// The failures that are due, by what they have in common.
    fn gather(&self, passing: &[Passing<'_>]) -> Vec<Gathered> {
        let Some(alert) = self.settings.alert.as_ref() else { return Vec::new() };
        let mut groups: BTreeMap<(Group, bool, usize), Vec<usize>> = BTreeMap::new();
        for (place, one) in passing.iter().enumerate() {
            let Some(failing) = one.failing().filter(|_| one.is_due(|done| done.alerted.is_some())) else {
                continue;
            };
            let claimed = matches!(one.claim, Standing::Mine(_));
            // Without a window each is reported by itself.
            let apart = if alert.window.is_zero() { place } else { 0 };
            groups.entry((failing.group(), claimed, apart)).or_default().push(place);
        }
        let gathered =
            groups.into_iter().map(|((group, claimed, _), members)| Gathered { group, members, claimed });
        gathered.collect()
    }

    async fn tell_groups(
        &self,
        groups: Vec<Gathered>,
        passing: &[Passing<'_>],
        rows: &Rows,
    ) -> Vec<(Gathered, Telling)> {
        let told = stream::iter(groups).map(async |gathered| {
            let telling = self.tell_group(&gathered, passing, rows).await;
            (gathered, telling)
        });
        told.buffer_unordered(AT_ONCE).collect().await
    }

    /// Opens the group's window, and reports at once; where it is open, the failures are to be counted.
    async fn tell_group(&self, gathered: &Gathered, passing: &[Passing<'_>], rows: &Rows) -> Telling {
        let Some(alert) = &self.settings.alert else { return Telling::Told };
        let mut opened = None;
        if let (Some(table), true, false) = (&self.table, gathered.claimed, alert.window.is_zero()) {
            match table.update(&rows.open(&gathered.group, alert.window)).await {
                Ok(Updated::Done(_)) => opened = Some(table),
                Ok(Updated::Refused(_)) => return Telling::ToBeCounted,
                // What cannot be counted is reported.
                Err(error) => tracing::warn!("a group's window cannot be opened: {error}"),
            }
        }
        let Some(first) = gathered.members.first().and_then(|place| passing[*place].failing()) else {
            return Telling::Told;
        };
        let failing = gathered.members.iter().filter_map(|place| passing[*place].failing());
        let told = Told {
            failing: first,
            group: &gathered.group,
            count: gathered.members.len().try_into().unwrap_or(u64::MAX),
            named: failing.map(|failing| failing.arn()).take(NAMED).collect(),
            since: None,
            log: None,
        };
        match self.publish(told, rows.now).await {
            Ok(()) => Telling::Told,
            Err(error) => {
                if let Some(table) = opened {
                    // Else the next delivery would only be counted. Best effort: counted is not lost.
                    let _ = table.update(&rows.end(&gathered.group, alert.window)).await;
                }
                Telling::Failed(error)
            }
        }
    }

    /// Publishes one message, with the last log lines of what it describes.
    pub(super) async fn publish(&self, told: Told<'_>, now: OffsetDateTime) -> Result<(), CallError> {
        let (Some(topic), Some(alert)) = (&self.topic, &self.settings.alert) else { return Ok(()) };
        let send = async {
            let log = self.tail(&told.failing, Clock::at(now)).await;
            let told = Told { log: log.as_ref(), ..told };
            let Notice { subject, body, attributes } = told.render(alert.format);
            topic.publish(&subject, &body, &attributes).await
        };
        timeout(MESSAGE, send).await.unwrap_or_else(|_| Err(CallError::no_answer("sns:Publish")))
    }

    /// Writes the failures that are not in the log group yet, in as few calls as it takes.
    async fn log(&self, passing: &[Passing<'_>], rows: &Rows) -> Logged {
        let Some(group) = &self.log_group else { return Logged::new() };
        let due = passing.iter().enumerate().filter(|(_, one)| one.is_due(|done| done.logged.is_some()));
        let due: Vec<usize> = due.map(|(place, _)| place).collect();
        let messages: Vec<String> = due.iter().map(|place| passing[*place].event.line(EVENT_BYTES)).collect();
        let put = timeout(MESSAGE, group.put(&messages, rows.now)).await;
        let (written, error) = put.unwrap_or_else(|_| (0, Some(CallError::no_answer("logs:PutLogEvents"))));
        let result = |number: usize| match &error {
            Some(error) if number >= written => Err(error.clone()),
            _ => Ok(()),
        };
        due.into_iter().enumerate().map(|(number, place)| (place, result(number))).collect()
    }
}
