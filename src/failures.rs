//! The catalogue of failures: the one place that recognises a failure, explains it and gives the
//! next step.
//!
//! The runner's Reasons, its metrics and retries, the monitor's alerts and docs/failures.md all
//! read [`CATALOGUE`]. AWS documents most messages by example only, and two agents word them
//! differently, so each entry lists the texts that identify it. A message that no entry knows is
//! quoted in full and reported as unknown.
//!
//! Pure.

mod catalogue;
mod fill;
mod frame;
mod pattern;
mod said;

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

pub use self::{
    catalogue::CATALOGUE,
    fill::{Reader, names},
    frame::is_frame,
    said::cut,
};
use self::{
    fill::fill,
    pattern::{Captures, Glob, Saying},
};
use crate::outcome::{Cause, Failure};

/// One kind of failure.
#[derive(Debug)]
pub struct CatalogueEntry {
    /// Its name: the anchor in docs/failures.md, and the brackets at the end of a Reason.
    pub id: &'static str,
    /// The dimension of the metric RunsFailed that counts it.
    pub class: FailureClass,
    /// The rank of its texts among all that match a message.
    pub rank: Rank,
    /// Patterns over AWS's texts: see `failures/pattern.rs`. One that begins with `~` has only
    /// [`Rank::Likely`].
    pub says: &'static [&'static str],
    /// Patterns over lines of the container's log.
    pub logs: &'static [&'static str],
    /// Exit codes that identify it.
    pub codes: &'static [i64],
    /// Stop codes that identify it.
    pub stop_codes: &'static [&'static str],
    /// True if only an answer to a call of ours can be of this kind.
    pub of_call: bool,
    /// The cause in one sentence: see `failures/fill.rs`.
    pub lead: &'static str,
    /// The next step: a thing to change or to run.
    pub step: &'static str,
    /// The next step on container instances. Empty if it is the same.
    pub on_ec2: &'static str,
    /// The rule for starting again.
    pub retry: Retry,
    /// The cause in an alert's subject. Failures with the same words form one group. Empty if the
    /// exit code tells the cause.
    pub alert: &'static str,
}

impl CatalogueEntry {
    /// True if an alert may show it. The texts about calls are mostly about the runner's own.
    fn is_for_alerts(&self) -> bool {
        !self.of_call || self.lead.contains("[alert: ")
    }
}

/// The class of a failure, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// A task ran and did not succeed.
    Container,
    /// A task could not be started.
    Start,
    /// A task did not end in time.
    Timeout,
    /// The request asks for something impossible.
    Refused,
    /// The function itself failed: it lacked a permission or has a bug.
    OwnFault,
    /// The failure of a Delete or of a superseded request, which is not a run's.
    NoRun,
}

/// The worth of a text. Of several that match, the first rank counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It names the exact cause.
    Cause,
    /// It names the cause, unless another text in the message does.
    Likely,
    /// It names the part that failed, but not why.
    Area,
    /// A prefix of many messages.
    Prefix,
    /// A prefix of those prefixes.
    Frame,
}

/// The rules for starting again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: time does not help.
    No,
    /// For a minute, with the next client token: ECS would replay its answer to the last one.
    Capacity,
    /// For a minute, with the same client token: ECS has started nothing with it.
    Passing,
    /// Until the deadline.
    Throttled,
    /// While the permission may not have reached all of IAM: for a minute on a Create, else for 15
    /// s.
    Denied,
    /// At once, without the tags that the runner adds.
    WithoutTags,
}

/// A failure that has been recognised.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The entry.
    pub entry: &'static CatalogueEntry,
    captures: Captures,
}

/// The values for the names in leads and steps, beside those from AWS's message.
#[derive(Clone, Debug, Default)]
pub struct Particulars {
    names: BTreeMap<&'static str, String>,
    /// The sources of the task's secrets, as ValueFrom has them.
    secrets: Vec<String>,
    /// True if the task runs on container instances.
    on_ec2: bool,
    /// The person who reads the texts.
    reader: Reader,
}

/// The prefix of every stoppedReason that the function gives.
pub const STOPPED_BY_US: &str = "ecs-tasks: ";
/// The prefix of the stoppedReason of a task that the function stopped at its deadline.
pub const TIMED_OUT: &str = "ecs-tasks: not finished within ";

/// All patterns, parsed once: those over AWS's texts, and those over log lines.
static SAYS: LazyLock<Vec<(Rank, Glob, &'static CatalogueEntry)>> =
    LazyLock::new(|| patterns(|entry| entry.says));
static LOGS: LazyLock<Vec<(Rank, Glob, &'static CatalogueEntry)>> =
    LazyLock::new(|| patterns(|entry| entry.logs));

fn patterns(
    of: impl Fn(&'static CatalogueEntry) -> &'static [&'static str],
) -> Vec<(Rank, Glob, &'static CatalogueEntry)> {
    let patterns = CATALOGUE
        .iter()
        .flat_map(|entry| of(entry).iter().map(move |written| (entry, *written)));
    let patterns = patterns.map(|(entry, written)| match written.strip_prefix('~') {
        Some(likely) => (Rank::Likely, Glob::new(likely), entry),
        None => (entry.rank, Glob::new(written), entry),
    });
    let mut patterns: Vec<_> = patterns.collect();
    // The sort is stable: within one rank the catalogue's order decides.
    patterns.sort_by_key(|(rank, ..)| *rank);
    patterns
}

/// The entry with this id.
pub fn entry(id: &str) -> &'static CatalogueEntry {
    let found = CATALOGUE.iter().find(|entry| entry.id == id);
    // A test checks every id in the code against the catalogue, so the last entry is never used
    // here.
    found.unwrap_or(&CATALOGUE[CATALOGUE.len() - 1])
}

/// A lead or a step with placeholders for its names, for docs/failures.md.
pub fn shown(template: &str, reader: Reader) -> String {
    fill(template, reader, &|name| {
        Some(match name {
            "Who" => "Container <container>".to_owned(),
            "who" => "container <container>".to_owned(),
            "What" if template == "{What}" => {
                "An invocation of the function ended before it could answer".to_owned()
            }
            "What" => "The task".to_owned(),
            "raise" => "raise Timeout".to_owned(),
            "waiting" => "Check what the task waits for in that status".to_owned(),
            // Whole sentences, which the text can do without.
            "allow" | "logged" => return None,
            _ => format!("<{name}>"),
        })
    })
}

/// The failure in AWS's text about a task or a service, if the catalogue knows it.
pub fn of_text(text: &str) -> Option<Recognised> {
    ranked(text, false).map(|(_, recognised)| recognised)
}

/// The failure of a call of ours, from AWS's error code and message.
pub fn of_call(code: &str, message: &str) -> Recognised {
    let found = ranked(&format!("{code}: {message}"), true);
    found.map_or_else(
        || Recognised::of("unknown-refusal"),
        |(_, recognised)| recognised,
    )
}

/// The failure of somebody else's call, if the catalogue has a text for one who reads an alert.
pub fn of_others_call(code: &str, message: &str) -> Option<Recognised> {
    let found = ranked(&format!("{code}: {message}"), true);
    let found = found.map(|(_, recognised)| recognised);
    found.filter(|recognised| recognised.entry.is_for_alerts())
}

/// The failure behind one of an answer's `failures`, from its reason.
pub fn of_launch(reason: &str) -> Recognised {
    ranked(reason, true).map_or_else(
        || Recognised::of("unknown-refusal"),
        |(_, recognised)| recognised,
    )
}

/// Every kind that matches AWS's message, with its rank. More than one of the first rank is a
/// mistake in the catalogue.
pub fn candidates(text: &str, of_call: bool) -> Vec<(Rank, &'static str)> {
    let message = Saying::new(text);
    let fitting = SAYS.iter().filter(|(_, pattern, entry)| {
        (of_call || !entry.of_call) && pattern.find(&message).is_some()
    });
    let mut found: Vec<(Rank, &'static str)> =
        fitting.map(|(rank, _, entry)| (*rank, entry.id)).collect();
    found.dedup();
    found
}

fn ranked(text: &str, of_call: bool) -> Option<(Rank, Recognised)> {
    let message = Saying::new(text);
    let mut patterns = SAYS
        .iter()
        .filter(|(_, _, entry)| of_call || !entry.of_call);
    patterns.find_map(|(rank, pattern, entry)| {
        Some((
            *rank,
            Recognised {
                entry,
                captures: pattern.find(&message)?,
            },
        ))
    })
}

/// The number of last lines in which a program names its error. A stack trace or a link to an
/// explanation may follow it.
const LAST_LINES: usize = 5;

/// The failure in a container's last lines, the last line first. `timeout` is true for a task that
/// passed its deadline.
pub fn of_log(lines: &[String], timeout: bool) -> Option<Recognised> {
    logged(lines, |entry| {
        (entry.class == FailureClass::Timeout) == timeout
    })
}

/// The failure in a container's last lines among the entries that are wanted.
fn logged(lines: &[String], wanted: impl Fn(&CatalogueEntry) -> bool) -> Option<Recognised> {
    let mut left = LAST_LINES;
    // The program went on after earlier errors, so they are not the cause.
    let last = lines.iter().rev().take_while(|line| {
        let is_left = left > 0;
        left -= usize::from(is_left && !is_frame(line));
        is_left
    });
    let recognised = last.filter_map(|line| {
        let message = Saying::new(line);
        let mut patterns = LOGS.iter().filter(|(_, _, entry)| wanted(entry));
        patterns.find_map(|(rank, pattern, entry)| {
            let captures = pattern.find(&message)?;
            Some((*rank, Recognised { entry, captures }))
        })
    });
    // Of one rank the last line counts. A tool may add what follows from the error, such as a
    // closed connection.
    let best = recognised.min_by_key(|(rank, _)| *rank);
    best.map(|(_, recognised)| recognised)
}

/// Entries of programs that ran out of memory, by the line in which they say it.
const MEMORY_LOGGED: [&str; 4] = [
    "memory-node",
    "memory-java",
    "memory-child",
    "memory-exhausted",
];

/// The failure of a task. `log` holds the last lines of its culprit.
pub fn of_failure(failure: &Failure, log: &[String]) -> Recognised {
    let texts = failure.said().filter_map(|text| ranked(text, false));
    let said = texts
        .min_by_key(|(rank, _)| *rank)
        .filter(|(_, said)| said.fits(failure));
    if let Some(limit) = failure
        .stopped_reason
        .as_deref()
        .and_then(|reason| reason.strip_prefix(TIMED_OUT))
    {
        // The function wrote this reason itself, so it wins over the signals that its own StopTask
        // caused.
        return Recognised::of("timeout").with("limit", limit);
    }
    // A prefix alone names no cause, so it comes after stop codes, exit codes and the log.
    if let Some((Rank::Cause | Rank::Likely | Rank::Area, said)) = said {
        return said;
    }
    if let Cause::FailedToStart { .. } = &failure.cause {
        return said.map_or_else(|| Recognised::of("unknown-start"), |(_, said)| said);
    }
    let by_stop_code = failure.stop_code.as_deref().and_then(|code| {
        CATALOGUE
            .iter()
            .find(|entry| entry.stop_codes.contains(&code) && is_of_its_end(entry, failure))
    });
    if let Some(entry) = by_stop_code {
        return Recognised {
            entry,
            captures: Captures::new(),
        };
    }
    match &failure.cause {
        Cause::Exited { code, .. } => of_exit(failure, *code, log),
        Cause::NoExitCode { .. } => match said {
            Some((_, said)) => said,
            None if failure.telling_stopped_reason().is_some() => Recognised::of("unknown-end"),
            None => Recognised::of("no-exit-code"),
        },
        Cause::StoppedByUser => Recognised::of("stopped-by-user"),
        Cause::Missing => Recognised::of("task-lost"),
        Cause::FailedToStart { .. } | Cause::NoContainer => Recognised::of("no-container"),
    }
}

/// The failure behind an exit code: the container that caused it, else the log, else the code
/// itself.
fn of_exit(failure: &Failure, code: i64, log: &[String]) -> Recognised {
    if let Some(ender) = failure.ender() {
        return Recognised::of("killed-by-essential")
            .with("ender", &ender.container)
            .with("enderCode", &ender.code.to_string());
    }
    // A signal comes from outside, so the program's log does not explain it. A runtime that is out
    // of memory has itself killed. SIGABRT (134) is the program's own: .NET aborts at an exception.
    let is_signal = (128..255).contains(&code) && code != 134;
    let logged = logged(log, |entry| match is_signal {
        true => MEMORY_LOGGED.contains(&entry.id),
        false => entry.class != FailureClass::Timeout,
    });
    if let Some(logged) = logged {
        return logged;
    }
    let by_code = CATALOGUE.iter().find(|entry| entry.codes.contains(&code));
    by_code.map_or_else(
        || Recognised::of("exit-code"),
        |entry| Recognised {
            entry,
            captures: Captures::new(),
        },
    )
}

/// True if the entry's stop code explains this end. Somebody who stops a task explains the signals
/// that its containers got, but not an exit code that a program chose.
fn is_of_its_end(entry: &CatalogueEntry, failure: &Failure) -> bool {
    match entry.id {
        "stopped-by-user" | "stopped-by-ecs-tasks" | "replaced" => failure.was_told_to_stop(),
        _ => true,
    }
}

impl Recognised {
    /// A failure that is known by its circumstances, without a message.
    pub fn of(id: &str) -> Self {
        Self {
            entry: entry(id),
            captures: Captures::new(),
        }
    }

    /// Adds a value for a name in the texts.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.captures.insert(name, value.to_owned());
        self
    }

    /// True if the catalogue knows the failure.
    pub fn is_known(&self) -> bool {
        !self.entry.id.starts_with("unknown-")
    }

    /// The cause in one sentence.
    pub fn lead(&self, facts: &Particulars) -> String {
        self.fill(self.entry.lead, facts)
    }

    /// The next step. Empty if there is none to give.
    pub fn step(&self, facts: &Particulars) -> String {
        let step = if facts.on_ec2 && !self.entry.on_ec2.is_empty() {
            self.entry.on_ec2
        } else {
            self.entry.step
        };
        self.fill(step, facts)
    }

    fn fits(&self, failure: &Failure) -> bool {
        is_of_its_end(self.entry, failure) || matches!(failure.cause, Cause::StoppedByUser)
    }

    fn fill(&self, template: &str, facts: &Particulars) -> String {
        fill(template, facts.reader, &|name| self.value(name, facts))
    }

    fn value(&self, name: &str, facts: &Particulars) -> Option<String> {
        let known = |name: &str| {
            let captured = self
                .captures
                .get(name)
                .map(|value| short(value).into_owned());
            captured.or_else(|| facts.names.get(name).cloned())
        };
        // `{roleArn}` is the whole ARN behind `{role}`, for commands.
        if let Some(whole) = name
            .strip_suffix("Arn")
            .and_then(|name| self.captures.get(name))
        {
            return Some(whole.clone());
        }
        match name {
            "registry" | "registryHost" => {
                let image = known("image");
                let named = known("registry").or_else(|| registry(image.as_deref()?));
                // A sentence that names the image names the registry in it.
                let is_told = |named: &String| {
                    name == "registry"
                        && image.as_ref().is_some_and(|image| image.starts_with(named))
                };
                named.filter(|named| !is_told(named))
            }
            // The agent names a JSON key that is missing, but not the secret that lacks it.
            "secret" | "secretArn" => known("secret").or_else(|| {
                let source = facts.source_of(self.captures.get("key")?)?;
                Some(if name == "secret" {
                    short(&source).into_owned()
                } else {
                    source
                })
            }),
            "signal" => known("code")
                .and_then(|code| signal(&code))
                .map(str::to_owned),
            _ => known(name),
        }
    }
}

impl Particulars {
    /// Adds a value for a name, if there is one. The last part of an ARN stands for the ARN.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.names.insert(name, value.to_owned());
        }
        self
    }

    /// Sets the subject of the texts: a container, or the task.
    #[must_use]
    pub fn about(self, container: Option<&str>) -> Self {
        let who =
            container.map_or_else(|| "the task".to_owned(), |name| format!("container {name}"));
        let capital =
            container.map_or_else(|| "The task".to_owned(), |name| format!("Container {name}"));
        self.with("container", container)
            .with("who", Some(&who))
            .with("Who", Some(&capital))
    }

    /// Sets the sources of the task's secrets, as ValueFrom has them.
    #[must_use]
    pub fn with_secrets<'s>(self, sources: impl IntoIterator<Item = &'s String>) -> Self {
        Self {
            secrets: sources.into_iter().cloned().collect(),
            ..self
        }
    }

    /// The ARN of the one secret that the task takes this JSON key from.
    fn source_of(&self, key: &str) -> Option<String> {
        // ARN:json-key:version-stage:version-id; a secret's ARN has seven parts.
        const PARTS: usize = 7;
        let mut found: Vec<String> = self
            .secrets
            .iter()
            .filter_map(|source| {
                let parts: Vec<&str> = source.split(':').collect();
                (*parts.get(PARTS)? == key).then(|| parts[..PARTS].join(":"))
            })
            .collect();
        found.dedup();
        (found.len() == 1).then(|| found.remove(0))
    }

    /// The person who reads the texts.
    pub fn reader(&self) -> Reader {
        self.reader
    }

    /// Sets the person who reads the texts.
    #[must_use]
    pub fn for_reader(self, reader: Reader) -> Self {
        Self { reader, ..self }
    }

    /// Sets the launch type: FARGATE, EC2 or EXTERNAL.
    #[must_use]
    pub fn on(self, launch_type: Option<&str>) -> Self {
        Self {
            on_ec2: matches!(launch_type, Some("EC2" | "EXTERNAL")),
            ..self
        }
    }
}

/// The name within an ARN: of a role, a secret, a log group.
fn short(value: &str) -> Cow<'_, str> {
    if !value.starts_with("arn:") {
        return Cow::Borrowed(value);
    }
    let resource = value.splitn(6, ':').nth(5).unwrap_or(value);
    // IAM's denials of log calls end like this, before any stream exists.
    let resource = resource
        .strip_suffix(":log-stream:")
        .unwrap_or(resource)
        .trim_end_matches(":*");
    for kind in ["log-group:", "secret:"] {
        if let Some(name) = resource.strip_prefix(kind) {
            return Cow::Owned(name.split(":log-stream:").next().unwrap_or(name).to_owned());
        }
    }
    if let Some(name) = resource.strip_prefix("parameter/") {
        // The name of a parameter in a path begins with a slash, which the ARN does not repeat.
        return Cow::Owned(format!("/{name}"));
    }
    // In a target group's ARN the name precedes the id.
    let name = match resource.strip_prefix("targetgroup/") {
        Some(group) => group.split('/').next().unwrap_or(group),
        None => resource.rsplit_once('/').map_or(resource, |(_, name)| name),
    };
    Cow::Owned(name.to_owned())
}

/// The registry of an image. `None` for a list of images.
fn registry(image: &str) -> Option<String> {
    if image.contains(' ') {
        return None;
    }
    // As Docker reads a reference: the first part is a host only if it has a dot or a port.
    let host = image.split('/').next().filter(|_| image.contains('/'));
    Some(
        match host.filter(|host| host.contains('.') || host.contains(':')) {
            None | Some("docker.io" | "registry-1.docker.io") => "Docker Hub".to_owned(),
            Some(host) => host.to_owned(),
        },
    )
}

/// The signal, or on Windows the status, behind an exit code.
fn signal(code: &str) -> Option<&'static str> {
    Some(match code {
        "130" => "SIGINT",
        "134" => "SIGABRT",
        "136" => "SIGFPE",
        "139" => "SIGSEGV",
        "3221225477" => "0xC0000005",
        "3221225725" => "0xC00000FD",
        "3221225786" => "0xC000013A",
        "3221226505" => "0xC0000409",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
