//! Alerts people about failures: each group in one message, at once if its window allows it, and as
//! a count otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    decide::{
        group::Group,
        rows::{Claim, Rows},
    },
    in_flight::{InFlight, Shortfall, Sink},
    render::alert::{Failures, NAMED, Notice},
    settle::{Done, Gathered, Logged, Publication},
    sinks::{AT_ONCE, Sinks},
};
use crate::{
    aws::{CallError, dynamodb::Updated, log_group::EVENT_BYTES},
    function::clock::Clock,
};

/// Time limit for one message with its log lines, and for the log group.
const MESSAGE: Duration = Duration::from_secs(20);
/// Attempts at a group whose window another invocation closes in the meantime.
const ROUNDS: usize = 3;

impl Sinks {
    /// Sends the alerts and log lines that are due, writes down what was done, and returns what
    /// failed.
    pub(super) async fn report(&self, in_flight: &[InFlight<'_>], rows: &Rows) -> Vec<Shortfall> {
        let gathered = self.gather(in_flight);
        let grouped: BTreeSet<usize> = gathered
            .iter()
            .flat_map(|one| one.members.iter().copied())
            .collect();
        let leased = in_flight
            .iter()
            .enumerate()
            .filter(|(id, one)| one.is_leased() && !grouped.contains(id));
        let mut others: Vec<usize> = leased.map(|(id, _)| id).collect();
        let (logged, mut published) = tokio::join!(
            self.log(in_flight, rows),
            self.report_groups(gathered, in_flight, rows)
        );
        let mut failures = Vec::new();
        for (id, result) in &logged {
            failures.extend(
                result
                    .as_ref()
                    .err()
                    .map(|error| (*id, Sink::Log, error.clone())),
            );
        }
        let done = Done {
            in_flight,
            rows,
            logged: &logged,
        };
        let failed = |gathered: &Gathered, error: &CallError| -> Vec<Shortfall> {
            gathered
                .members
                .iter()
                .map(|id| (*id, Sink::Alert, error.clone()))
                .collect()
        };
        for round in 1..=ROUNDS {
            for (gathered, publication) in &published {
                if let Publication::Failed(error) = publication {
                    failures.extend(failed(gathered, error));
                }
            }
            let settled = self
                .settle(&done, &published, &std::mem::take(&mut others))
                .await;
            failures.extend(settled.failures);
            if settled.gone.is_empty() {
                break;
            }
            if round == ROUNDS {
                let gone = CallError::refused(
                    "dynamodb:UpdateItem",
                    "the group's window was closed meanwhile",
                );
                failures.extend(
                    settled
                        .gone
                        .iter()
                        .flat_map(|gathered| failed(gathered, &gone)),
                );
                break;
            }
            published = self.report_groups(settled.gone, in_flight, rows).await;
        }
        failures
    }

    /// Gathers the failures that are due by what they have in common.
    fn gather(&self, in_flight: &[InFlight<'_>]) -> Vec<Gathered> {
        let Some(alert) = self.settings.alert.as_ref() else {
            return Vec::new();
        };
        let mut groups: BTreeMap<(Group, bool, usize), Vec<usize>> = BTreeMap::new();
        for (id, one) in in_flight.iter().enumerate() {
            let Some(failing) = one
                .failing()
                .filter(|_| one.is_due(|done| done.alerted.is_some()))
            else {
                continue;
            };
            let claimed = matches!(one.claim, Claim::Mine(_));
            // Without a window each failure is reported by itself.
            let apart = if alert.window.is_zero() { id } else { 0 };
            groups
                .entry((failing.group(), claimed, apart))
                .or_default()
                .push(id);
        }
        let gathered = groups
            .into_iter()
            .map(|((group, claimed, _), members)| Gathered {
                group,
                members,
                claimed,
            });
        gathered.collect()
    }

    async fn report_groups(
        &self,
        groups: Vec<Gathered>,
        in_flight: &[InFlight<'_>],
        rows: &Rows,
    ) -> Vec<(Gathered, Publication)> {
        let published = stream::iter(groups).map(async |gathered| {
            let publication = self.report_group(&gathered, in_flight, rows).await;
            (gathered, publication)
        });
        published.buffer_unordered(AT_ONCE).collect().await
    }

    /// Opens the group's window and reports at once; if it is open already, the failures are to be
    /// counted.
    async fn report_group(
        &self,
        gathered: &Gathered,
        in_flight: &[InFlight<'_>],
        rows: &Rows,
    ) -> Publication {
        let Some(alert) = &self.settings.alert else {
            return Publication::Published;
        };
        let mut opened = None;
        if let (Some(table), true, false) = (&self.table, gathered.claimed, alert.window.is_zero())
        {
            match table
                .update(&rows.open(&gathered.group, alert.window))
                .await
            {
                Ok(Updated::Done(_)) => opened = Some(table),
                Ok(Updated::Refused(_)) => return Publication::ToBeCounted,
                // A failure that cannot be counted is reported.
                Err(error) => tracing::warn!(
                    "cannot open a group's window, so this failure is reported by itself: {error}"
                ),
            }
        }
        let Some(first) = gathered
            .members
            .first()
            .and_then(|id| in_flight[*id].failing())
        else {
            return Publication::Published;
        };
        let failing = gathered
            .members
            .iter()
            .filter_map(|id| in_flight[*id].failing());
        let failures = Failures {
            failing: first,
            group: &gathered.group,
            count: gathered.members.len().try_into().unwrap_or(u64::MAX),
            named: failing.map(|failing| failing.arn()).take(NAMED).collect(),
            since: None,
            log: None,
        };
        match self.publish(failures, rows.now).await {
            Ok(()) => Publication::Published,
            Err(error) => {
                if let Some(table) = opened {
                    // Otherwise the next delivery would only be counted. Best effort: a counted
                    // failure is not lost.
                    let _ = table.update(&rows.end(&gathered.group, alert.window)).await;
                }
                Publication::Failed(error)
            }
        }
    }

    /// Publishes one message, with the last log lines of the failure that it describes.
    pub(super) async fn publish(
        &self,
        failures: Failures<'_>,
        now: OffsetDateTime,
    ) -> Result<(), CallError> {
        let (Some(topic), Some(alert)) = (&self.topic, &self.settings.alert) else {
            return Ok(());
        };
        let send = async {
            let log = self.tail(&failures.failing, Clock::at(now)).await;
            let failures = Failures {
                log: log.as_ref(),
                ..failures
            };
            let Notice {
                subject,
                body,
                attributes,
            } = failures.render(alert.format);
            topic.publish(&subject, &body, &attributes).await
        };
        timeout(MESSAGE, send)
            .await
            .unwrap_or_else(|_| Err(CallError::no_answer("sns:Publish")))
    }

    /// Writes the failures that are not in the log group yet, in as few calls as possible.
    async fn log(&self, in_flight: &[InFlight<'_>], rows: &Rows) -> Logged {
        let Some(group) = &self.log_group else {
            return Logged::new();
        };
        let due = in_flight
            .iter()
            .enumerate()
            .filter(|(_, one)| one.is_due(|done| done.logged.is_some()));
        let due: Vec<usize> = due.map(|(id, _)| id).collect();
        let messages: Vec<String> = due
            .iter()
            .map(|id| in_flight[*id].event.line(EVENT_BYTES))
            .collect();
        let put = timeout(MESSAGE, group.put(&messages, rows.now)).await;
        let (written, error) =
            put.unwrap_or_else(|_| (0, Some(CallError::no_answer("logs:PutLogEvents"))));
        let result = |number: usize| match &error {
            Some(error) if number >= written => Err(error.clone()),
            _ => Ok(()),
        };
        due.into_iter()
            .enumerate()
            .map(|(number, id)| (id, result(number)))
            .collect()
    }
}
