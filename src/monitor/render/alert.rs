//! The alert: one SNS message about a failure, or about several of one group, for people, for
//! programs or for a chat.

mod subject;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::format_description};

use self::subject::who_and_where;
use super::link;
use crate::{
    failures::{self, Particulars, Reader, Retry},
    monitor::decide::{
        event::{Kind, ServiceEvent, TaskChange},
        finding::{TaskFailure, of_its_end},
        group::{Failing, Group, Subject},
        settings::AlertFormat,
    },
    outcome::Cause,
    reason::{Log, Reason},
    task::{CONTAINER_EXITED, definition_name},
};

/// SNS accepts 256 KB in all; the attributes need the rest.
const BODY: usize = 240 * 1024;
/// Most bytes of the body that a Reason may fill.
const REASON: usize = 8192;
/// Most tasks of a group that are named.
pub const NAMED: usize = 5;

/// The failures that one message reports.
#[derive(Clone, Debug)]
pub struct Failures<'t> {
    /// The failure that the message describes: the first of several, or the latest of those that
    /// were counted.
    pub failing: Failing<'t>,
    /// The group of all of them.
    pub group: &'t Group,
    /// Their number.
    pub count: u64,
    /// ARNs of the first of them, if they came together.
    pub named: Vec<&'t str>,
    /// Start of the count, in RFC 3339; `None` if they are reported as they come.
    pub since: Option<&'t str>,
    /// The last lines of the container that failed.
    pub log: Option<&'t Log>,
}

/// A message in the form that SNS accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The subject of a mail.
    pub subject: String,
    /// The message.
    pub body: String,
    /// Attributes that subscriptions can filter by.
    pub attributes: BTreeMap<&'static str, String>,
}

impl Failures<'_> {
    /// Renders the message.
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
            // The lines below quote AWS's words unchanged, and name the task and its log.
            AlertFormat::Text => match self.failing.what {
                Subject::Task(..) => self.text(&ended(&whole.without_said_and_place())),
                Subject::Restarting(_) | Subject::Service(_) => self.text(&reason),
            },
            AlertFormat::Json => self.with_finding(&reason),
            AlertFormat::Chat => self.chat(&subject, &reason).to_string(),
        };
        let (family, group, stop_code) = match self.failing.what {
            Subject::Task(change, _) | Subject::Restarting(change) => (
                change.family().to_owned(),
                change.group.clone(),
                change.task.stop_code.clone(),
            ),
            Subject::Service(service) if service.kind.is_of_service() => (
                String::new(),
                Some(format!("service:{}", service.service)),
                None,
            ),
            Subject::Service(service) if service.kind == Kind::RunTask => {
                (service.service.clone(), None, None)
            }
            Subject::Service(_) => (String::new(), None, None),
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
            attributes: attributes
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        }
    }

    fn reason(&self) -> Reason {
        match self.failing.what {
            Subject::Task(change, failure) => {
                let judged = failure
                    .failure
                    .clone()
                    .unwrap_or_else(|| of_its_end(&change.task));
                let definition = definition_name(&change.task.task_definition_arn);
                let invited = culprit(&self.failing).filter(|_| self.log.is_none()).map(|name| {
                    format!("Read its log: LogConfiguration of container {name} in {definition} says where it is")
                });
                let facts = Particulars::default()
                    .for_reader(Reader::OfAlert)
                    .with("service", change.service())
                    .with("definition", Some(definition))
                    .with("logged", invited.as_deref());
                match change.service().is_some() {
                    true => Reason::failed_in_service(&judged, facts, self.log),
                    false => Reason::failed(std::slice::from_ref(&judged), facts, self.log),
                }
            }
            Subject::Service(service) => reason_of_service(service),
            Subject::Restarting(change) => {
                let about = who_and_where(change.service().unwrap_or_default(), change.cluster());
                Reason::new(format!(
                    "The tasks of service {about} keep exiting with code 0, and ECS keeps starting new ones"
                ))
                .fact(Some(
                    "A service is meant to keep running. If its work is done when it exits, run it as a scheduled \
                     task instead",
                ))
                .place(format!("Task {}", change.task.arn))
            }
        }
    }

    /// Renders the text for a person, most telling lines first.
    fn text(&self, reason: &str) -> String {
        let mut text = self
            .how_many()
            .map_or_else(String::new, |many| format!("{many}\n\n"));
        text += &format!("{reason}\n\n");
        let event = self.failing.event;
        let mut lines = match self.failing.what {
            Subject::Task(change, failure) => {
                text += &listed(change, failure, reason);
                of_task(change)
            }
            Subject::Restarting(change) => {
                text += &containers(change, reason, &[]);
                of_task(change)
            }
            Subject::Service(service) => {
                let name = match service.kind {
                    Kind::Service | Kind::Hook => "Service",
                    Kind::Daemon => "Daemon",
                    Kind::Instance => "Instance",
                    Kind::RunTask => "Family",
                };
                vec![
                    (name, Some(service.service.clone())),
                    ("Cluster", Some(service.cluster.clone())),
                    ("Type", Some(service.event_type.clone())),
                    ("Console", page_of(service, self.failing.arn())),
                ]
            }
        };
        lines.extend([
            (
                "Account",
                Some(format!("{}, {}", event.account, event.region)),
            ),
            ("Event", Some(event.id.clone())),
        ]);
        if let Some(group) = self.log.and_then(|log| log.group.as_deref()) {
            let stream = self.log.and_then(|log| log.stream.as_deref());
            let region = self.log.and_then(|log| log.region.as_deref());
            let page = |stream| link::log_stream(self.failing.arn(), region, group, stream);
            lines.push((
                "Log",
                stream.and_then(page).or_else(|| Some(group.to_owned())),
            ));
        }
        for (name, value) in lines {
            text.extend(
                value
                    .filter(|value| !value.is_empty())
                    .map(|value| format!("{name}: {value}\n")),
            );
        }
        if self.named.len() > 1 {
            let beyond = usize::try_from(self.count)
                .unwrap_or(usize::MAX)
                .saturating_sub(self.named.len());
            text += &format!("\nThe tasks:\n{}\n", self.named.join("\n"));
            if beyond > 0 {
                text += &format!("and {beyond} more\n");
            }
        }
        text
    }

    /// Returns the number of failures behind the message in words; `None` if it is one.
    fn how_many(&self) -> Option<String> {
        match (self.count, self.since) {
            (1, None) => None,
            // The window of a hook is the time for which it may wait.
            (1, Some(_)) if matches!(self.failing.what, Subject::Service(hook) if hook.awaits_action()) => {
                None
            }
            (count, None) => Some(format!("{count} failures of the same kind. The first:")),
            (count, Some(since)) => Some(format!(
                "{count} more failures of this kind since {}. The latest:",
                minutes_of(since)
            )),
        }
    }

    /// The finding's name.
    fn result(&self) -> &'static str {
        match self.failing.what {
            Subject::Restarting(_) => "restarting",
            Subject::Task(..) | Subject::Service(_) => "failed",
        }
    }

    /// Returns the event with the finding. An event that is too large for SNS is reduced to what
    /// identifies it.
    fn with_finding(&self, reason: &str) -> String {
        let finding = json!({
            "result": self.result(),
            "reason": reason,
            "cause": self.group.cause,
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
        let Group {
            cluster,
            service: name,
            cause,
        } = self.group;
        let page = match self.failing.what {
            Subject::Task(..) | Subject::Restarting(_) => link::task(arn, cluster),
            Subject::Service(service) => page_of(service, arn),
        };
        let containers = match self.failing.what {
            Subject::Task(change, failure) => listed(change, failure, reason),
            Subject::Restarting(_) | Subject::Service(_) => String::new(),
        };
        let arn_shown = if arn.is_empty() || reason.contains(arn) {
            String::new()
        } else {
            format!("\n\n`{arn}`")
        };
        let containers = if containers.is_empty() {
            containers
        } else {
            format!("\n\n{}", containers.trim_end())
        };
        let page = page.map_or_else(String::new, |page| format!("\n{page}"));
        let many = self
            .how_many()
            .map_or_else(String::new, |many| format!("{many} "));
        json!({
            "version": "1.0",
            "source": "custom",
            "id": self.failing.event.id,
            "content": {
                "textType": "client-markdown",
                "title": format!(":x: {subject}"),
                "description": format!("{many}{reason}{containers}{arn_shown}{page}"),
                "keywords": [cluster, name],
            },
            "metadata": {
                "threadId": format!("{cluster}/{name}/{cause}"),
                "summary": subject,
                "eventType": "ECS task failed",
                "relatedResources": [arn],
            },
        })
    }
}

fn of_task(change: &TaskChange) -> Vec<(&'static str, Option<String>)> {
    let task = &change.task;
    let ran = task
        .run_time()
        .map(|ran| format!(" (ran {} s)", ran.whole_seconds()))
        .unwrap_or_default();
    vec![
        ("Task", Some(task.arn.0.clone())),
        ("Cluster", Some(change.cluster().to_owned())),
        (
            "Task definition",
            Some(definition_name(&task.task_definition_arn).to_owned()),
        ),
        ("Group", change.group.clone()),
        ("Started by", task.started_by.clone()),
        (
            "Runs on",
            task.capacity_provider.clone().or(task.launch_type.clone()),
        ),
        ("Stop code", task.stop_code.clone()),
        ("Stopped reason", task.stopped_reason.clone()),
        ("Started", task.started_at.map(seconds)),
        (
            "Stopped",
            task.stopped_at.map(|at| format!("{}{ran}", seconds(at))),
        ),
        ("Console", link::task(&task.arn.0, change.cluster())),
    ]
}

/// The page of a service or of its deployment's hook.
fn page_of(service: &ServiceEvent, arn: &str) -> Option<String> {
    let is_of_service = service.kind == Kind::Service && arn.contains(":service/");
    link::service(arn, &service.cluster).filter(|_| is_of_service)
}

/// Returns a line for each container of a task that failed.
fn listed(change: &TaskChange, failure: &TaskFailure, reason: &str) -> String {
    let failed = failure.failure.iter();
    let failed = failed.flat_map(|failure| [&failure.cause].into_iter().chain(&failure.others));
    containers(
        change,
        reason,
        &failed.filter_map(Cause::container).collect::<Vec<_>>(),
    )
}

/// Returns a line for each container, those that failed first: its exit code, its image, and ECS's
/// words about it unless the Reason has them.
fn containers(change: &TaskChange, reason: &str, failed: &[&str]) -> String {
    let mut containers: Vec<_> = change.task.containers.iter().collect();
    let place = |name: &str| {
        failed
            .iter()
            .position(|failed| *failed == name)
            .unwrap_or(failed.len())
    };
    containers.sort_by_key(|container| place(&container.name));
    let ended_by_another =
        !failed.is_empty() && change.task.stop_code.as_deref() == Some(CONTAINER_EXITED);
    let line = |container: &&crate::task::Container| {
        let code = container
            .exit_code
            .map_or("no exit code".to_owned(), |code| {
                format!("exit code {code}")
            });
        let was_stopped = ended_by_another
            && !failed.contains(&container.name.as_str())
            && container.was_signalled();
        let stopped = if was_stopped {
            " (ECS stopped it after another container had ended)"
        } else {
            ""
        };
        // Text that ECS gives for the task as well stands under Stopped reason.
        let own = container.reason.as_deref();
        let own = own.filter(|own| {
            !reason.contains(own) && change.task.stopped_reason.as_deref() != Some(own)
        });
        let own = own.map_or(String::new(), |own| format!(", {own}"));
        let image = container
            .image
            .as_deref()
            .map_or(String::new(), |image| format!(", {image}"));
        format!(
            "Container {}: {code}{stopped}{own}{image}\n",
            container.name
        )
    };
    containers.iter().map(line).collect()
}

/// The container whose log says most about the failure.
pub fn culprit<'f>(failing: &Failing<'f>) -> Option<&'f str> {
    match failing.what {
        Subject::Task(_, failure) => match &failure.failure.as_ref()?.cause {
            // A container that never started has logged nothing.
            Cause::FailedToStart { .. } => None,
            cause => cause.container(),
        },
        Subject::Restarting(_) | Subject::Service(_) => None,
    }
}

fn seconds(time: OffsetDateTime) -> String {
    time.format(format_description!(
        "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
    ))
    .unwrap_or_default()
}

fn minutes_of(stamp: &str) -> String {
    let time = OffsetDateTime::parse(stamp, &time::format_description::well_known::Rfc3339).ok();
    let written =
        time.and_then(|time| time.format(format_description!("[hour]:[minute] UTC")).ok());
    written.unwrap_or_else(|| stamp.to_owned())
}

/// The Reason of an event that is not about a task.
fn reason_of_service(service: &ServiceEvent) -> Reason {
    let about = who_and_where(&service.service, &service.cluster);
    let head = match service.kind {
        Kind::Service => ["Service", &about].join(" "),
        Kind::Hook => format!("A lifecycle hook of service {about}"),
        Kind::Daemon => format!("Daemon {about}"),
        Kind::Instance => format!("Container instance {about}"),
        Kind::RunTask => format!("ECS refused to run {about}"),
    };
    let reason = Reason::new(format!("{}: {}", head.trim_end(), service.event_name));
    let waits = service.awaits_action().then_some(
        "The deployment is paused until somebody continues it or rolls it back: use the Deployments tab of the \
         service in the console, or aws ecs continue-service-deployment with --action CONTINUE or ROLLBACK (aws ecs \
         describe-service-deployments shows its --hook-id)",
    );
    let refused = match (service.kind, service.started) {
        (Kind::RunTask, 0) => Some(
            "No task was started, and the schedule or the caller might not try again: run the task by hand if it is \
             needed"
                .to_owned(),
        ),
        // A second run of these could do harm.
        (Kind::RunTask, started) => Some(format!(
            "The call started {started} of its tasks but not the others: run only the missing ones by hand"
        )),
        _ => None,
    };
    let told = service.reason.as_deref();
    let of_call = told
        .filter(|_| service.kind == Kind::RunTask)
        .and_then(|told| failures::of_others_call(&service.event_name, told));
    // The reason says more than the event's name.
    let known = of_call
        .or_else(|| {
            let told = failures::of_text(told?);
            // A daemon runs on each instance, so room on another one does not help it.
            told.filter(|told| service.kind != Kind::Daemon || told.entry.retry != Retry::Capacity)
        })
        .or_else(|| failures::of_text(&service.event_name));
    let reason = match &known {
        Some(known) => {
            let facts = Particulars::default()
                .for_reader(Reader::OfAlert)
                .about(None)
                .with("cluster", Some(&service.cluster))
                .with("definition", service.definition.as_deref())
                .with(
                    "service",
                    Some(&*service.service).filter(|_| service.kind == Kind::Service),
                );
            reason
                .fact(Some(&known.lead(&facts)))
                .fact(Some(&known.step(&facts)))
                .about(known.entry.id)
        }
        None => reason,
    };
    let reason = match service.kind {
        // The event has no sentence, so this puts its members together.
        Kind::Hook | Kind::Instance => reason.fact(service.reason.as_deref()),
        Kind::Service | Kind::Daemon | Kind::RunTask => reason.said(service.reason.as_deref()),
    };
    let named = |name: &str, value: &Option<String>| Some(format!("{name}: {}", value.as_ref()?));
    reason
        .fact(waits)
        .fact(refused.as_deref())
        .fact(named("Container instance", &service.instance).as_deref())
        .fact(named("Caller", &service.caller).as_deref())
}

#[cfg(test)]
mod tests;
