//! The answer to a request, before it is cut to size.
//!
//! Pure, and derived from the tasks alone, so two answers to the same request are equal.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::texts;
use crate::{
    cfn::{Data, ReplyTo, Response, Signal, Status},
    failures::Particulars,
    outcome::{EVERY_CONTAINER, Failure, Rules},
    properties::run_task::groups_of,
    reason::{FailureClass, Log, Reason, plain},
    task::{AwsLogs, ContainerDefinition, Task, TaskDefinition},
};

/// The longest Output, in characters.
const MAX_OUTPUT: usize = 1024;

/// The evidence of a failure beside the tasks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'e> {
    /// The definition that the tasks ran from, if it could be read.
    pub definition: Option<&'e TaskDefinition>,
    /// The log of the first failure, if it is about a container.
    pub log: Option<&'e Log>,
    /// Subnets, security groups and public address.
    pub network: Option<&'e str>,
}

/// The one answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// SUCCESS, with the attributes.
    Succeeded(Reason, Box<Data>),
    /// FAILED.
    Failed(Reason),
}

/// The end of a run, as the metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Its tasks succeeded.
    Succeeded,
    /// It failed.
    Failed(FailureClass),
}

impl RunEnd {
    /// The end of a run that failed in this class; `None` if the class says that there was no run.
    pub fn failed(class: FailureClass) -> Option<Self> {
        (class != FailureClass::NoRun).then_some(Self::Failed(class))
    }
}

impl Answer {
    /// SUCCESS of a request that ran no task, for this reason.
    pub fn success_without_run(why: Reason) -> Self {
        Self::Succeeded(why, Box::default())
    }

    /// The answer to a run with a Timeout of 0: its tasks have started. The attributes hold only
    /// what is known at the start, so that a second delivery of the request gives the same answer.
    pub fn started(tasks: &[Task], rules: Rules<'_>, wants_output: bool) -> Self {
        let reason = texts::started(tasks.len());
        let reason = if wants_output {
            texts::no_output_yet(reason)
        } else {
            reason
        };
        Self::Succeeded(reason, Box::new(identity(tasks, rules)))
    }

    /// The answer to a run whose verdict goes to a WaitHandle: its tasks have started. Its
    /// attributes are those of [`Answer::started`].
    pub fn promised(tasks: &[Task], rules: Rules<'_>) -> Self {
        Self::Succeeded(
            texts::promised(tasks.len()),
            Box::new(identity(tasks, rules)),
        )
    }

    /// The answer to a run whose decisive tasks succeeded.
    pub fn succeeded(tasks: &[Task], rules: Rules<'_>) -> Self {
        let started_at = tasks.iter().filter_map(|task| task.started_at).min();
        let stopped_at = tasks.iter().filter_map(Task::ended_at).max();
        let seconds = started_at
            .zip(stopped_at)
            .map(|(start, stop)| (stop - start).whole_seconds().max(0));
        let exit_code = tasks.first().and_then(|task| exit_code(task, rules));
        let data = Data {
            exit_code: exit_code.map_or_else(String::new, |code| code.to_string()),
            started_at: rfc3339(started_at),
            stopped_at: rfc3339(stopped_at),
            seconds: seconds.map_or_else(String::new, |seconds| seconds.to_string()),
            ..identity(tasks, rules)
        };
        let reason = texts::succeeded(tasks.len(), seconds);
        Self::Succeeded(
            texts::with_helpers(reason, &rules.helpers_that_failed(tasks)),
            Box::new(data),
        )
    }

    /// Adds the last line of a container as Output, or says in the Reason why there is none.
    #[must_use]
    pub fn returning(self, container: Option<&str>, log: &Log) -> Self {
        let Self::Succeeded(reason, mut data) = self else {
            return self;
        };
        data.output = log.lines.last().map(|line| plain(line)).unwrap_or_default();
        let reason = match &log.missing {
            Some(missing) => texts::no_output(reason, container, &missing.in_words(log)),
            None => reason,
        };
        Self::Succeeded(reason, data)
    }

    /// The answer to a run in which at least one task failed.
    pub fn failed(failures: &[Failure], evidence: Evidence<'_>) -> Self {
        let Evidence {
            definition,
            log,
            network,
        } = evidence;
        let culprit = failures
            .first()
            .and_then(|failure| failure.cause.container());
        let described = culprit
            .zip(definition)
            .and_then(|(name, definition)| definition.container(name));
        let logs = described.and_then(|container| container.logs.as_ref());
        let containers = definition
            .iter()
            .flat_map(|definition| &definition.containers);
        let sources = containers.flat_map(|container| container.secrets.values());
        let facts = Particulars::default()
            .with("image", described.map(|container| container.image.as_str()))
            .with(
                "memory",
                definition.and_then(|definition| definition.memory.as_deref()),
            )
            .with("platform", definition.and_then(platform))
            .with("group", logs.map(|logs| logs.group.as_str()))
            .with(
                "driver",
                described.and_then(|container| container.log_driver.as_deref()),
            )
            .with_secrets(sources)
            .with("groups", network.and_then(groups_of))
            .with("network", network);
        Self::Failed(Reason::failed(failures, facts, log))
    }

    /// Names the function in the Reason if its role is the problem.
    #[must_use]
    pub fn from_function(self, arn: &str) -> Self {
        let name = arn.split(':').nth(6).unwrap_or(arn);
        match self {
            Self::Failed(reason) => Self::Failed(reason.by_function(name)),
            Self::Succeeded(reason, data) => Self::Succeeded(reason.by_function(name), data),
        }
    }

    /// AWS's words of a failure that the catalogue does not know.
    pub fn unknown(&self) -> Option<String> {
        match self {
            Self::Failed(reason) => reason.unknown(),
            Self::Succeeded(..) => None,
        }
    }

    /// The answer in one sentence, without anything that a container has printed.
    pub fn summary(&self) -> &str {
        match self {
            Self::Succeeded(reason, _) | Self::Failed(reason) => reason.head(),
        }
    }

    /// The status for CloudFormation.
    pub fn status(&self) -> Status {
        match self {
            Self::Succeeded(..) => Status::Success,
            Self::Failed(_) => Status::Failed,
        }
    }

    /// The end of the answer's run; `None` if it ran no task.
    pub fn run_end(&self) -> Option<RunEnd> {
        match self {
            Self::Succeeded(_, data) => data.ran.then_some(RunEnd::Succeeded),
            Self::Failed(reason) => RunEnd::failed(reason.class()),
        }
    }

    /// The body of the PUT, within the size that CloudFormation reads: a response, or the signal to
    /// a WaitHandle.
    pub fn into_body(self, reply_to: &ReplyTo) -> String {
        match reply_to.wait_handle {
            Some(_) => self.into_signal(reply_to.no_echo).body(),
            None => self.into_response(reply_to).body(),
        }
    }

    fn into_signal(self, no_echo: bool) -> Signal {
        let status = self.status();
        let (reason, data, _) = self.into_parts();
        // A signal has no member NoEcho that would mask its data, so the data is left out.
        let mut signal = Signal::new(status, data.filter(|_| !no_echo));
        signal.reason = reason.fit(signal.room());
        signal
    }

    fn into_response(self, reply_to: &ReplyTo) -> Response {
        let status = self.status();
        let (reason, data, logged) = self.into_parts();
        let mut response = Response::new(status, reply_to, data);
        let kept = response
            .data()
            .map_or(0, |data| data.output.chars().count());
        let reason = if kept < logged {
            texts::output_cut(reason, kept)
        } else {
            reason
        };
        response.reason = reason.fit(response.room());
        response
    }

    /// The Reason, the attributes, and the length of Output in characters before it was cut.
    fn into_parts(self) -> (Reason, Option<Data>, usize) {
        let (reason, data) = match self {
            Self::Succeeded(reason, data) => (reason, Some(*data)),
            Self::Failed(reason) => (reason, None),
        };
        let logged = data.as_ref().map_or(0, |data| data.output.chars().count());
        let data = data.map(|data| Data {
            output: data.output.chars().take(MAX_OUTPUT).collect(),
            ..data
        });
        (reason, data, logged)
    }
}

/// The platform that a task runs on, as `docker build` names it.
fn platform(definition: &TaskDefinition) -> Option<&str> {
    match definition.cpu_architecture.as_deref()? {
        "X86_64" => Some("linux/amd64"),
        "ARM64" => Some("linux/arm64"),
        other => Some(other),
    }
}

/// The container whose output and exit code represent a success: the first of WatchContainers, or
/// else the first essential one.
fn speaker<'a>(rules: Rules<'a>) -> Option<&'a ContainerDefinition> {
    let containers = &rules.definition?.containers;
    let watched =
        first_watched(rules).and_then(|name| containers.iter().find(|one| one.name == name));
    watched
        .or_else(|| containers.iter().find(|one| one.essential))
        .or(containers.first())
}

/// The name of the container whose output and exit code represent a success, as far as it is known.
pub fn speaker_of(rules: Rules<'_>) -> Option<&str> {
    speaker(rules)
        .map(|speaker| speaker.name.as_str())
        .or(first_watched(rules))
}

fn first_watched<'a>(rules: Rules<'a>) -> Option<&'a str> {
    rules
        .watch_containers
        .iter()
        .map(String::as_str)
        .find(|name| *name != EVERY_CONTAINER)
}

/// The exit code of a success: of the representing container, or else of the first that counts.
fn exit_code(task: &Task, rules: Rules<'_>) -> Option<i64> {
    let named = speaker_of(rules).and_then(|name| {
        task.containers
            .iter()
            .find(|container| container.name == *name)
    });
    named.and_then(|container| container.exit_code).or_else(|| {
        rules
            .counting(task)
            .iter()
            .find_map(|container| container.exit_code)
    })
}

/// The attributes that are known from the start of the tasks.
fn identity(tasks: &[Task], rules: Rules<'_>) -> Data {
    let arns: Vec<&str> = tasks.iter().map(|task| task.arn.0.as_str()).collect();
    let first = tasks.first();
    let definition_arn = first
        .map(|task| task.task_definition_arn.clone())
        .filter(|arn| !arn.is_empty());
    let container = speaker(rules);
    let stream = |container: &ContainerDefinition, logs: &AwsLogs| {
        let task = first?;
        let ran = task
            .containers
            .iter()
            .find(|one| one.name == container.name);
        let runtime_id = ran.and_then(|ran| ran.runtime_id.as_deref());
        logs.stream(&container.name, &task.arn, runtime_id)
    };
    let logs = container.and_then(|container| Some((container, container.logs.as_ref()?)));
    Data {
        task_arn: arns
            .first()
            .map_or_else(String::new, |arn| (*arn).to_owned()),
        task_arns: arns.join(","),
        task_definition_arn: definition_arn
            .or_else(|| rules.definition.map(|definition| definition.arn.clone()))
            .unwrap_or_default(),
        log_group: logs.map_or_else(String::new, |(_, logs)| logs.group.clone()),
        log_stream: logs
            .and_then(|(container, logs)| stream(container, logs))
            .unwrap_or_default(),
        ran: true,
        ..Data::default()
    }
}

fn rfc3339(time: Option<OffsetDateTime>) -> String {
    let whole = |time: OffsetDateTime| time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok();
    time.and_then(whole).unwrap_or_default()
}

#[cfg(test)]
mod tests;
