//! The alert: one SNS message about a failure, or about several of one group; for people, for programs or for
//! a chat.

mod subject;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};

use self::subject::who_and_where;
use super::link;
use crate::{
    failures::{self, Facts},
    monitor::decide::{
        event::TaskChange,
        finding::of_its_end,
        group::{Broken, Failing, Group},
        settings::AlertFormat,
    },
    outcome::Cause,
    reason::{Log, Reason},
    task::definition_name,
};

/// What SNS takes in all is 256 KB; the rest is left to the attributes.
const BODY: usize = 240 * 1024;
/// How much of it a Reason may fill.
const REASON: usize = 8192;
/// How many tasks of a group are named.
pub const NAMED: usize = 5;

/// What one message reports.
#[derive(Clone, Debug)]
pub struct Failures<'t> {
    /// The failure that is described: the first of several, or the latest of those that were counted.
    pub failing: Failing<'t>,
    /// What all of them have in common.
    pub group: &'t Group,
    /// How many they are.
    pub count: u64,
    /// The ARNs of the first of them, where they came together.
    pub named: Vec<&'t str>,
    /// Since when they were counted, in RFC 3339; nothing where they are reported as they come.
    pub since: Option<&'t str>,
    /// The last lines of the container that failed.
    pub log: Option<&'t Log>,
}

/// A message as SNS takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The subject of a mail.
    pub subject: String,
    /// The message.
    pub body: String,
    /// What subscriptions can filter by.
    pub attributes: BTreeMap<&'static str, String>,
}

impl Failures<'_> {
    /// The message.
    pub fn render(&self, format: AlertFormat) -> Notice {
        let subject = subject::render(self);
        let whole = self.reason();
        let ended = |reason: &Reason| {
            let mut text = reason.fit(REASON);
            if !text.ends_with(['.', '!', '?', '…', ']']) {
                text.push('.');
            }
            text
        };
        let reason = ended(&whole);
        let body = match format {
            // The lines below have AWS's words as they came.
            AlertFormat::Text if matches!(self.failing.what, Broken::Task(..)) => {
                self.text(&ended(&whole.without_said()))
            }
            AlertFormat::Text => self.text(&reason),
            AlertFormat::Json => self.with_finding(&reason),
            AlertFormat::Chat => self.chat(&subject, &reason).to_string(),
        };
        let (family, group, stop_code) = match self.failing.what {
            Broken::Task(change, _) => {
                (change.family().to_owned(), change.group.clone(), change.task.stop_code.clone())
            }
            Broken::Service(service) => (String::new(), Some(format!("service:{}", service.service)), None),
        };
        let attributes = [
            ("cluster", self.group.cluster.clone()),
            ("family", family),
            ("group", group.unwrap_or_default()),
            ("stopCode", stop_code.unwrap_or_default()),
        ];
        // SNS refuses an attribute without a value.
        Notice {
            subject,
            body,
            attributes: attributes.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        }
    }

    fn reason(&self) -> Reason {
        match self.failing.what {
            Broken::Task(change, failure) => {
                let judged = failure.failure.clone().unwrap_or_else(|| of_its_end(&change.task));
                let invited = self.log.is_none().then_some("Its log says why");
                let facts = Facts::default().with("logged", invited);
                match change.service().is_some() {
                    true => Reason::failed_in_service(&judged, facts, self.log),
                    false => Reason::failed(std::slice::from_ref(&judged), facts, self.log),
                }
            }
            Broken::Service(service) => {
                let about = who_and_where(&service.service, &service.cluster);
                let space = if about.is_empty() { "" } else { " " };
                let reason = Reason::new(format!("Service{space}{about}: {}", service.event_name));
                let known = service.reason.as_deref().and_then(failures::of_text);
                let reason = match &known {
                    Some(known) => {
                        let facts = Facts::default().about(None).with("cluster", Some(&service.cluster));
                        reason
                            .fact(Some(&known.lead(&facts)))
                            .fact(Some(&known.step(&facts)))
                            .about(known.entry.id)
                    }
                    None => reason,
                };
                reason.said(service.reason.as_deref())
            }
        }
    }

    /// What a person needs, most telling first.
    fn text(&self, reason: &str) -> String {
        let mut text = self.how_many().map_or_else(String::new, |many| format!("{many}\n\n"));
        text += &format!("{reason}\n\n");
        let event = self.failing.event;
        let mut lines = match self.failing.what {
            Broken::Task(change, failure) => {
                let failed = failure
                    .failure
                    .iter()
                    .flat_map(|failure| [&failure.cause].into_iter().chain(&failure.others));
                text += &containers(change, reason, &failed.filter_map(Cause::container).collect::<Vec<_>>());
                of_task(change)
            }
            Broken::Service(service) => vec![
                ("Service", Some(service.service.clone())),
                ("Cluster", Some(service.cluster.clone())),
                ("Type", Some(service.event_type.clone())),
                ("Console", link::service(self.failing.arn(), &service.cluster)),
            ],
        };
        lines.extend([
            ("Account", Some(format!("{}, {}", event.account, event.region))),
            ("Event", Some(event.id.clone())),
        ]);
        if let Some((group, stream)) =
            self.log.and_then(|log| log.group.as_deref().zip(log.stream.as_deref()))
        {
            lines.push(("Log", link::log_stream(self.failing.arn(), None, group, stream)));
        }
        for (name, value) in lines {
            text.extend(value.filter(|value| !value.is_empty()).map(|value| format!("{name}: {value}\n")));
        }
        if self.named.len() > 1 {
            let beyond = usize::try_from(self.count).unwrap_or(usize::MAX).saturating_sub(self.named.len());
            text += &format!("\nThe tasks:\n{}\n", self.named.join("\n"));
            if beyond > 0 {
                text += &format!("and {beyond} more\n");
            }
        }
        text
    }

    /// How many failures the message stands for; nothing where it is one.
    fn how_many(&self) -> Option<String> {
        match (self.count, self.since) {
            (1, None) => None,
            (count, None) => Some(format!("{count} failures with the same cause, the first:")),
            (count, Some(since)) => Some(format!("{count} more since {}, the latest:", minutes_of(since))),
        }
    }

    /// The event with the finding; of one that is too large for SNS what identifies it.
    fn with_finding(&self, reason: &str) -> String {
        let finding = json!({
            "result": "failed",
            "reason": reason,
            "cause": self.group.words,
            "count": self.count,
            "since": self.since,
            "tasks": self.named,
        });
        let event = self.failing.event;
        let written = |mut json: Value| {
            json["finding"] = finding.clone();
            json.to_string()
        };
        let whole = written(event.json.clone());
        if whole.len() <= BODY {
            return whole;
        }
        written(serde_json::from_str(&event.line(BODY / 2)).unwrap_or_default())
    }

    /// <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
    fn chat(&self, subject: &str, reason: &str) -> Value {
        let arn = self.failing.arn();
        let Group { cluster, who, words } = self.group;
        let page = match self.failing.what {
            Broken::Task(..) => link::task(arn, cluster),
            Broken::Service(_) => link::service(arn, cluster),
        };
        let page = page.map_or_else(String::new, |page| format!("\n{page}"));
        let many = self.how_many().map_or_else(String::new, |many| format!("{many} "));
        json!({
            "version": "1.0",
            "source": "custom",
            "id": self.failing.event.id,
            "content": {
                "textType": "client-markdown",
                "title": format!(":x: {subject}"),
                "description": format!("{many}{reason}\n\n`{arn}`{page}"),
                "keywords": [cluster, who],
            },
            "metadata": {
                "threadId": format!("{cluster}/{who}/{words}"),
                "summary": subject,
                "eventType": "ECS task failed",
                "relatedResources": [arn],
            },
        })
    }
}

fn of_task(change: &TaskChange) -> Vec<(&'static str, Option<String>)> {
    let task = &change.task;
    let ran = task.started_at.zip(task.ended_at());
    let ran =
        ran.map(|(from, to)| format!(" (ran {} s)", (to - from).whole_seconds().max(0))).unwrap_or_default();
    vec![
        ("Task", Some(task.arn.0.clone())),
        ("Cluster", Some(change.cluster().to_owned())),
        ("Task definition", Some(definition_name(&task.task_definition_arn).to_owned())),
        ("Group", change.group.clone()),
        ("Started by", task.started_by.clone()),
        ("Runs on", task.capacity_provider.clone().or(task.launch_type.clone())),
        ("Stop code", task.stop_code.clone()),
        ("Stopped reason", task.stopped_reason.clone()),
        ("Started", task.started_at.map(seconds)),
        ("Stopped", task.stopped_at.map(|at| format!("{}{ran}", seconds(at)))),
        ("Console", link::task(&task.arn.0, change.cluster())),
    ]
}

/// A line for each container, those that failed first: its exit code, its image, and why, unless the Reason
/// says so.
fn containers(change: &TaskChange, reason: &str, failed: &[&str]) -> String {
    let mut containers: Vec<_> = change.task.containers.iter().collect();
    let place = |name: &str| failed.iter().position(|failed| *failed == name).unwrap_or(failed.len());
    containers.sort_by_key(|container| place(&container.name));
    let line = |container: &&crate::task::Container| {
        let code = container.exit_code.map_or("no exit code".to_owned(), |code| format!("exit code {code}"));
        // What ECS says of the task as well stands under Stopped reason.
        let own = container.reason.as_deref();
        let own =
            own.filter(|own| !reason.contains(own) && change.task.stopped_reason.as_deref() != Some(own));
        let own = own.map_or(String::new(), |own| format!(", {own}"));
        let image = container.image.as_deref().map_or(String::new(), |image| format!(", {image}"));
        format!("Container {}: {code}{own}{image}\n", container.name)
    };
    containers.iter().map(line).collect()
}

/// The container of a failure whose log says most.
pub fn culprit<'f>(failing: &Failing<'f>) -> Option<&'f str> {
    match failing.what {
        Broken::Task(_, failure) => match &failure.failure.as_ref()?.cause {
            // What never started has logged nothing.
            Cause::FailedToStart { .. } => None,
            cause => cause.container(),
        },
        Broken::Service(_) => None,
    }
}

fn seconds(time: OffsetDateTime) -> String {
    time.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC")).unwrap_or_default()
}

fn minutes_of(stamp: &str) -> String {
    let time = OffsetDateTime::parse(stamp, &time::format_description::well_known::Rfc3339).ok();
    let written = time.and_then(|time| time.format(format_description!("[hour]:[minute] UTC")).ok());
    written.unwrap_or_else(|| stamp.to_owned())
}

#[cfg(test)]
mod tests;
