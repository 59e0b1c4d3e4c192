//! The catalogue of failures: the one place that recognises what went wrong, and the one that says what it
//! means and what to do.
//!
//! The runner's Reasons, its metrics and retries, the monitor's alerts and docs/failures.md all read
//! [`CATALOGUE`]. AWS documents most messages by example only, in two agents' words, so each entry lists the
//! texts that give it away. A message that no entry knows is quoted in full and reported as unknown.
//!
//! Pure.

mod catalogue;
mod fill;
mod pattern;
mod said;

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

pub use self::{catalogue::CATALOGUE, fill::names, said::cut};
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
    /// How much a text that gives it away says.
    pub rank: Rank,
    /// Texts of AWS that give it away: see `failures/pattern.rs`. One that begins with `~` is only [`Rank::Likely`].
    pub says: &'static [&'static str],
    /// Texts in the container's log that give it away.
    pub logs: &'static [&'static str],
    /// Exit codes that give it away.
    pub codes: &'static [i64],
    /// Stop codes that give it away.
    pub stop_codes: &'static [&'static str],
    /// Whether only an answer to a call of ours can be of this kind.
    pub of_call: bool,
    /// The cause in one sentence: see `failures/fill.rs`.
    pub lead: &'static str,
    /// What to change or to run.
    pub step: &'static str,
    /// The same on container instances; empty where it is the same.
    pub on_ec2: &'static str,
    /// Whether a start is tried again.
    pub retry: Retry,
    /// The cause in an alert's subject. Failures with the same words are one group; empty where the exit code
    /// says it.
    pub alert: &'static str,
}

/// What kind of failure it is, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// A task ran and did not succeed.
    Container,
    /// A task could not be started.
    Start,
    /// A task did not end in time.
    Timeout,
    /// The request asks for what cannot be done.
    Refused,
    /// The function could not go on: a permission or a fault of its own.
    OwnFault,
    /// That of no run: of a Delete, or of a request that a later one has taken over.
    NoRun,
}

/// How much a text says: of several that fit, the first rank counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It names the very cause.
    Cause,
    /// It names the cause, unless another text in the message does.
    Likely,
    /// It names what failed, but not why.
    Area,
    /// It stands before many causes.
    Prefix,
    /// It stands before those prefixes.
    Frame,
}

/// Whether a start that failed like this is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: time does not mend it.
    No,
    /// For a minute, with the next client token: ECS replays the answer of the last one.
    Capacity,
    /// For a minute, with the same client token: ECS has made nothing of it.
    Passing,
    /// Until the deadline.
    Throttled,
    /// While IAM may not have spread yet: for a minute on a Create, else for 15 s.
    Denied,
    /// At once, without the tags that the runner adds.
    WithoutTags,
}

/// A failure that has been recognised.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Its kind.
    pub entry: &'static CatalogueEntry,
    captures: Captures,
}

/// The names that leads and steps are filled in with, beside those in AWS's message.
#[derive(Clone, Debug, Default)]
pub struct Particulars {
    names: BTreeMap<&'static str, String>,
    /// Whether it is about container instances.
    on_ec2: bool,
}

/// What the stoppedReason of a task begins with that was stopped because its time was over.
pub const TIMED_OUT: &str = "ecs-tasks: not finished within ";

/// Every pattern over AWS's texts, and over log lines, taken apart once.
static SAYS: LazyLock<Vec<(Rank, Glob, &'static CatalogueEntry)>> =
    LazyLock::new(|| patterns(|entry| entry.says));
static LOGS: LazyLock<Vec<(Rank, Glob, &'static CatalogueEntry)>> =
    LazyLock::new(|| patterns(|entry| entry.logs));

fn patterns(
    of: impl Fn(&'static CatalogueEntry) -> &'static [&'static str],
) -> Vec<(Rank, Glob, &'static CatalogueEntry)> {
    let patterns = CATALOGUE.iter().flat_map(|entry| of(entry).iter().map(move |written| (entry, *written)));
    let patterns = patterns.map(|(entry, written)| match written.strip_prefix('~') {
        Some(likely) => (Rank::Likely, Glob::new(likely), entry),
        None => (entry.rank, Glob::new(written), entry),
    });
    let mut patterns: Vec<_> = patterns.collect();
    patterns.sort_by_key(|(rank, ..)| *rank);
    patterns
}

/// The entry of this id.
pub fn entry(id: &str) -> &'static CatalogueEntry {
    let found = CATALOGUE.iter().find(|entry| entry.id == id);
    // A test holds every id that the code names against the catalogue.
    found.unwrap_or(&CATALOGUE[CATALOGUE.len() - 1])
}

/// A lead or a step with the names of its names, for the page of all of them.
pub fn shown(template: &str) -> String {
    fill(template, &|name| {
        Some(match name {
            "Who" => "Container <container>".to_owned(),
            "who" => "container <container>".to_owned(),
            _ => format!("<{name}>"),
        })
    })
}

/// What AWS says of a task or a service, where the catalogue knows it.
pub fn of_text(text: &str) -> Option<Recognised> {
    ranked(text, false).map(|(_, recognised)| recognised)
}

/// Why a call of ours failed: AWS's error code and message.
pub fn of_call(code: &str, message: &str) -> Recognised {
    let found = ranked(&format!("{code}: {message}"), true);
    found.map_or_else(|| Recognised::of("unknown-refusal"), |(_, recognised)| recognised)
}

/// Why ECS started fewer tasks than it was asked for: the reason of one of an answer's `failures`.
pub fn of_launch(reason: &str) -> Recognised {
    ranked(reason, true).map_or_else(|| Recognised::of("unknown-refusal"), |(_, recognised)| recognised)
}

/// Every kind that a message of AWS fits, with its rank: more than one of the first rank is a mistake in the
/// catalogue.
pub fn candidates(text: &str, of_call: bool) -> Vec<(Rank, &'static str)> {
    let message = Saying::new(text);
    let fitting = SAYS
        .iter()
        .filter(|(_, pattern, entry)| (of_call || !entry.of_call) && pattern.find(&message).is_some());
    let mut found: Vec<(Rank, &'static str)> = fitting.map(|(rank, _, entry)| (*rank, entry.id)).collect();
    found.dedup();
    found
}

fn ranked(text: &str, of_call: bool) -> Option<(Rank, Recognised)> {
    let message = Saying::new(text);
    let mut patterns = SAYS.iter().filter(|(_, _, entry)| of_call || !entry.of_call);
    patterns.find_map(|(rank, pattern, entry)| {
        Some((*rank, Recognised { entry, captures: pattern.find(&message)? }))
    })
}

/// How many lines before its end a program may say why it failed: a stack trace, and a link to an explanation.
const LAST_LINES: usize = 5;

/// What a container's last lines give away, the last line first. `timeout` says whether its time was over.
pub fn of_log(lines: &[String], timeout: bool) -> Option<Recognised> {
    // What went wrong earlier was got over.
    let lines = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let wanted = |entry: &CatalogueEntry| (entry.class == FailureClass::Timeout) == timeout;
    lines.iter().rev().find_map(|line| {
        let message = Saying::new(line);
        let mut patterns = LOGS.iter().filter(|(_, _, entry)| wanted(entry));
        patterns.find_map(|(_, pattern, entry)| Some(Recognised { entry, captures: pattern.find(&message)? }))
    })
}

/// How a task failed. `log` are the last lines of its culprit.
pub fn of_failure(failure: &Failure, log: &[String]) -> Recognised {
    let texts = failure.said().filter_map(|text| ranked(text, false));
    let said = texts.min_by_key(|(rank, _)| *rank).filter(|(_, said)| said.fits(failure));
    if let Some(limit) = failure.stopped_reason.as_deref().and_then(|reason| reason.strip_prefix(TIMED_OUT)) {
        return Recognised::of("timeout").with("limit", limit);
    }
    if let Some((Rank::Cause | Rank::Likely | Rank::Area, said)) = said {
        return said;
    }
    if let Cause::FailedToStart { .. } = &failure.cause {
        return said.map_or_else(|| Recognised::of("unknown-start"), |(_, said)| said);
    }
    let by_stop_code = failure.stop_code.as_deref().and_then(|code| {
        CATALOGUE.iter().find(|entry| entry.stop_codes.contains(&code) && is_of_its_end(entry, failure))
    });
    if let Some(entry) = by_stop_code {
        return Recognised { entry, captures: Captures::new() };
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

/// What an exit code gives away: who ended the container, then the log, then the code itself.
fn of_exit(failure: &Failure, code: i64, log: &[String]) -> Recognised {
    if let Some(ender) = failure.ender() {
        return Recognised::of("killed-by-essential")
            .with("ender", &ender.container)
            .with("enderCode", &ender.code.to_string());
    }
    // A signal does not come of what the program has logged.
    let logged = of_log(log, false).filter(|_| !(128..255).contains(&code));
    if let Some(logged) = logged {
        return logged;
    }
    let by_code = CATALOGUE.iter().find(|entry| entry.codes.contains(&code));
    by_code
        .map_or_else(|| Recognised::of("exit-code"), |entry| Recognised { entry, captures: Captures::new() })
}

/// Whether a stop code explains this end. Who stops a task explains the signals that its containers got, and
/// no code of their own.
fn is_of_its_end(entry: &CatalogueEntry, failure: &Failure) -> bool {
    match entry.id {
        "stopped-by-user" | "stopped-by-ecs-tasks" | "replaced" => failure.was_told_to_stop(),
        _ => true,
    }
}

impl Recognised {
    /// A failure that is known by its circumstances.
    pub fn of(id: &str) -> Self {
        Self { entry: entry(id), captures: Captures::new() }
    }

    /// Names something that the texts are filled in with.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.captures.insert(name, value.to_owned());
        self
    }

    /// Whether the catalogue knows what it is.
    pub fn is_known(&self) -> bool {
        !self.entry.id.starts_with("unknown-")
    }

    /// The cause in one sentence.
    pub fn lead(&self, facts: &Particulars) -> String {
        self.fill(self.entry.lead, facts)
    }

    /// What to change or to run; empty where nothing can be said.
    pub fn step(&self, facts: &Particulars) -> String {
        let step =
            if facts.on_ec2 && !self.entry.on_ec2.is_empty() { self.entry.on_ec2 } else { self.entry.step };
        self.fill(step, facts)
    }

    fn fits(&self, failure: &Failure) -> bool {
        is_of_its_end(self.entry, failure) || matches!(failure.cause, Cause::StoppedByUser)
    }

    fn fill(&self, template: &str, facts: &Particulars) -> String {
        fill(template, &|name| self.value(name, facts))
    }

    fn value(&self, name: &str, facts: &Particulars) -> Option<String> {
        let known = |name: &str| {
            let captured = self.captures.get(name).map(|value| short(value).into_owned());
            captured.or_else(|| facts.names.get(name).cloned())
        };
        match name {
            "registry" => known("registry").or_else(|| known("image").map(|image| registry(&image))),
            "signal" => known("code").and_then(|code| signal(&code)).map(str::to_owned),
            _ => known(name),
        }
    }
}

impl Particulars {
    /// Adds a name, where it is known. A value that is an ARN is named by its last part.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.names.insert(name, value.to_owned());
        }
        self
    }

    /// Says what it is about: a container, or the task.
    #[must_use]
    pub fn about(self, container: Option<&str>) -> Self {
        let who = container.map_or_else(|| "the task".to_owned(), |name| format!("container {name}"));
        let capital = container.map_or_else(|| "The task".to_owned(), |name| format!("Container {name}"));
        self.with("container", container).with("who", Some(&who)).with("Who", Some(&capital))
    }

    /// Says on what the task runs: FARGATE, EC2, EXTERNAL.
    #[must_use]
    pub fn on(self, launch_type: Option<&str>) -> Self {
        Self { on_ec2: matches!(launch_type, Some("EC2" | "EXTERNAL")), ..self }
    }
}

/// The name within an ARN: a role's, a secret's, a log group's.
fn short(value: &str) -> Cow<'_, str> {
    if !value.starts_with("arn:") {
        return Cow::Borrowed(value);
    }
    let resource = value.splitn(6, ':').nth(5).unwrap_or(value);
    let resource = resource.strip_suffix(":log-stream:").unwrap_or(resource).trim_end_matches(":*");
    for kind in ["log-group:", "secret:"] {
        if let Some(name) = resource.strip_prefix(kind) {
            return Cow::Owned(name.split(":log-stream:").next().unwrap_or(name).to_owned());
        }
    }
    if let Some(name) = resource.strip_prefix("parameter/") {
        return Cow::Owned(format!("/{name}"));
    }
    // A target group's name stands before its id.
    let name = match resource.strip_prefix("targetgroup/") {
        Some(group) => group.split('/').next().unwrap_or(group),
        None => resource.rsplit_once('/').map_or(resource, |(_, name)| name),
    };
    Cow::Owned(name.to_owned())
}

/// The registry that an image is pulled from.
fn registry(image: &str) -> String {
    let host = image.split('/').next().filter(|_| image.contains('/'));
    match host.filter(|host| host.contains('.') || host.contains(':')) {
        None | Some("docker.io" | "registry-1.docker.io") => "Docker Hub".to_owned(),
        Some(host) => host.to_owned(),
    }
}

/// The signal that an exit code stands for.
fn signal(code: &str) -> Option<&'static str> {
    Some(match code {
        "134" => "SIGABRT",
        "136" => "SIGFPE",
        "139" => "SIGSEGV",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
