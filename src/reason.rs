//! A Reason, the text that a person reads in a stack's events, and its length.
//!
//! Pure. A [`Reason`] has parts of different worth, the most useful first. [`Reason::fit`] writes
//! them within the bytes that an answer has left, and drops the least useful parts first.

mod failure;
mod fit;

pub use fit::plain;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use crate::failures::FailureClass;
use crate::failures::{Particulars, Reader, Recognised, cut};

/// The function's role in a text, until [`Reason::by_function`] names the function.
pub const ROLE_OF_FUNCTION: &str = "the role of the function";

/// A Reason before it is cut to size, with its parts in reading order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The failure, or the success, in one sentence. It is the last part to be cut.
    lead: String,
    /// Things to change or to run.
    steps: Vec<String>,
    /// Further facts for the reader.
    facts: Vec<String>,
    /// The last log lines, oldest first.
    log: Vec<String>,
    /// Further failures, each in a few words.
    further: Vec<String>,
    /// AWS's own words.
    said: Vec<String>,
    /// Places to look: the task's ARN, the log group and the stream.
    place: Vec<String>,
    /// The id of the catalogue's entry behind it.
    id: Option<Cow<'static, str>>,
    /// The class of the failure. `None` if the function itself failed, or nothing did.
    class: Option<FailureClass>,
}

/// The place of a container's output, and its last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The log group, if the output goes to one.
    pub group: Option<String>,
    /// The stream, if it can be derived.
    pub stream: Option<String>,
    /// The group's Region, if it differs from the function's own.
    pub region: Option<String>,
    /// The last lines, oldest first.
    pub lines: Vec<String>,
    /// The reason why there are no lines, if some were wanted.
    pub missing: Option<NoLog>,
}

/// The reasons why there is no log to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLog {
    /// The task definition, which names the log, could not be read. Holds the error.
    NoDefinition(String),
    /// The container's output goes to this driver, or to none.
    NotAwslogs(Option<String>),
    /// FireLens routes the output, to this log group if its options name one.
    FireLens(Option<String>),
    /// The function's role may not read the log. Holds AWS's words.
    Denied(String),
    /// The stream does not exist: the container printed nothing, or could not write.
    NoStream,
    /// The stream exists, and none of its lines counts.
    Empty,
    /// The log could not be read in time. Holds the error.
    Unread(String),
}

impl Reason {
    /// A Reason of one sentence.
    pub fn new(lead: impl Into<String>) -> Self {
        Self {
            lead: lead.into(),
            ..Self::default()
        }
    }

    /// The Reason of a failure that the catalogue recognised.
    pub fn of(recognised: &Recognised, facts: &Particulars) -> Self {
        let entry = recognised.entry;
        let reason = Self {
            id: Some(entry.id.into()),
            class: Some(entry.class),
            ..Self::new(recognised.lead(facts))
        };
        reason.step(&recognised.step(facts))
    }

    /// Sets the class of the failure.
    #[must_use]
    pub fn of_class(self, class: FailureClass) -> Self {
        Self {
            class: Some(class),
            ..self
        }
    }

    /// The class of the failure. Without one it is a failure of the function itself.
    pub fn class(&self) -> FailureClass {
        self.class.unwrap_or(FailureClass::OwnFault)
    }

    /// Sets the catalogue's entry, for a Reason with another lead than the entry's.
    #[must_use]
    pub fn about(self, id: &'static str) -> Self {
        Self {
            id: Some(id.into()),
            ..self
        }
    }

    /// The first sentence: the failure, or the success.
    pub fn head(&self) -> &str {
        &self.lead
    }

    /// AWS's words of a failure that the catalogue does not know. `None` if it does.
    pub fn unknown(&self) -> Option<String> {
        self.id
            .as_ref()
            .filter(|id| id.starts_with("unknown-"))
            .map(|_| self.said.join("; "))
    }

    /// Names the function whose role lacks a permission, or whose log tells more.
    #[must_use]
    pub fn by_function(mut self, name: &str) -> Self {
        for text in [&mut self.lead]
            .into_iter()
            .chain(&mut self.steps)
            .chain(&mut self.facts)
        {
            for part in ["the role of", "the log of"] {
                *text = text.replace(
                    &format!("{part} the function"),
                    &format!("{part} function {name}"),
                );
            }
        }
        self
    }

    /// Adds a step, unless the Reason already has it.
    #[must_use]
    pub fn step(mut self, step: &str) -> Self {
        let step = step.trim();
        if !step.is_empty() && !self.tells(step) {
            self.steps.push(step.to_owned());
        }
        self
    }

    /// Adds a fact, unless the Reason already says it.
    #[must_use]
    pub fn fact(mut self, fact: Option<&str>) -> Self {
        let fact = fact.map(str::trim).filter(|fact| !fact.is_empty());
        if let Some(fact) = fact.filter(|fact| !self.tells(fact)) {
            self.facts.push(fact.to_owned());
        }
        self
    }

    /// Adds AWS's words: all of them if the catalogue does not know the failure, else their useful
    /// part.
    #[must_use]
    pub fn said(mut self, said: Option<&str>) -> Self {
        // An unknown failure is quoted in full, so that a report of it can extend the catalogue.
        let is_known = self
            .id
            .as_ref()
            .is_none_or(|id| !id.starts_with("unknown-"));
        let said = said.map(|said| {
            if is_known {
                cut(said)
            } else {
                said.trim().to_owned()
            }
        });
        let Some(said) = said.filter(|said| !said.is_empty() && !self.tells(said)) else {
            return self;
        };
        // The agent's reason is often a part of the stoppedReason. Both would say the same twice.
        self.said.retain(|earlier| !said.contains(earlier.as_str()));
        self.said.push(said);
        self
    }

    /// Drops AWS's words and the places, for a caller that shows them elsewhere.
    #[must_use]
    pub fn without_said_and_place(self) -> Self {
        Self {
            said: Vec::new(),
            place: Vec::new(),
            ..self
        }
    }

    fn tells(&self, text: &str) -> bool {
        let all = self.steps.iter().chain(&self.facts).chain(&self.said);
        self.lead.contains(text) || all.into_iter().any(|one| one.contains(text))
    }

    /// Adds a container's last lines and the place of the rest, or the reason why there are none
    /// and a step.
    #[must_use]
    pub fn log(mut self, log: Option<&Log>) -> Self {
        let Some(log) = log else { return self };
        if let Some(missing) = &log.missing {
            self = self.fact(Some(&missing.in_words(log)));
        }
        self.log = log
            .lines
            .iter()
            .map(|line| fit::log_line(line))
            .filter(|line| !line.is_empty())
            .collect();
        // A command, or the sentence about a missing log, names the place already.
        if log.missing.is_some() || self.tells(&log.command()) {
            return self;
        }
        self.place
            .extend(log.group.as_ref().map(|group| format!("log group {group}")));
        self.place.extend(
            log.stream
                .iter()
                .map(|stream| format!("log stream {stream}")),
        );
        self
    }

    /// Adds another failure, in a few words.
    #[must_use]
    pub fn further(mut self, further: impl Into<String>) -> Self {
        self.further.push(further.into());
        self
    }

    /// Adds a place to look.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.place.push(place.into());
        self
    }
}

impl Log {
    /// The command that prints the whole log.
    fn command(&self) -> String {
        let group = self.group.as_deref().unwrap_or("LOG_GROUP");
        let stream = self.stream.as_ref().map_or_else(String::new, |stream| {
            format!(" --log-stream-names {stream}")
        });
        let region = self.region.as_ref();
        let region = region.map_or_else(String::new, |region| format!(" --region {region}"));
        format!("aws logs tail {group}{stream}{region} --since 1d")
    }

    /// The command, unless another sentence has it or lines stand for it.
    pub fn tail(&self) -> Option<String> {
        let is_unread = self.lines.is_empty() && self.missing.is_none();
        (is_unread && self.group.is_some()).then(|| self.command())
    }

    /// The sentence that leads to the log, if the log is the next thing to read. `None` if it
    /// cannot be read.
    pub fn invitation(&self, reader: Reader) -> Option<String> {
        match (self.lines.is_empty(), reader) {
            (false, Reader::OfDeploy) => {
                Some("Fix what its last log lines report, then deploy again".to_owned())
            }
            (false, Reader::OfAlert) => Some("Fix what its last log lines report".to_owned()),
            (true, _) => self.tail().map(|tail| format!("Read its log: {tail}")),
        }
    }
}

impl NoLog {
    /// The text for the reader, with the next step.
    pub fn in_words(&self, log: &Log) -> String {
        let group = log.group.as_deref().unwrap_or("its log group");
        match self {
            Self::NoDefinition(why) if why.contains("AccessDenied") => format!(
                "The function is not allowed to read the task definition, which names the log group: grant \
                 ecs:DescribeTaskDefinition to {ROLE_OF_FUNCTION}"
            ),
            Self::NoDefinition(why) => format!(
                "The function could not read the task definition, which names the log group ({})",
                cut(why)
            ),
            Self::NotAwslogs(None) => {
                "It has no log to show: give the container a LogConfiguration with \
                                       LogDriver awslogs in its task definition"
                    .to_owned()
            }
            Self::NotAwslogs(Some(driver)) => {
                format!(
                    "Its log is not in CloudWatch Logs: look for it where its log driver {driver} sends it"
                )
            }
            Self::FireLens(Some(group)) => {
                format!(
                    "FireLens routes its log to the log group {group}: aws logs tail {group} --since 1d"
                )
            }
            Self::FireLens(None) => {
                "FireLens routes its log: look for it where Options of its LogConfiguration send it, and check the \
                 log of the log router"
                    .to_owned()
            }
            Self::Denied(_) => format!(
                "The function is not allowed to read its log. Read it yourself: {}. To have its last lines here next time, \
                 grant logs:GetLogEvents on {group} to {ROLE_OF_FUNCTION}",
                log.command()
            ),
            Self::NoStream => format!(
                "It has no log stream in {group}: it may have ended before it wrote a line. On EC2 the execution \
                 role, or without one the instance's role, may lack logs:CreateLogStream"
            ),
            Self::Empty => format!(
                "Its log is still empty: it printed nothing, or its lines have not arrived yet. Check again: {}",
                log.command()
            ),
            Self::Unread(why) => format!(
                "The function could not read its log in time ({}). Read it yourself: {}",
                cut(why),
                log.command()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
