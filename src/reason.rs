//! Every text that a person reads in a stack's events.
//!
//! Pure. A [`Reason`] has parts of different worth, most telling first; [`Reason::fit`] writes them within
//! the bytes that are left of an answer, and lets the least telling give way.

mod failure;
mod fit;

pub use fit::plain;

pub use crate::failures::FailureClass;
use crate::failures::{Particulars, Recognised, cut};

/// What a text calls the role that the function runs with, until [`Reason::by_function`] names the function.
pub const ROLE_OF_FUNCTION: &str = "the role of the function";

/// A Reason before it is cut to size, in the order in which it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// What failed, or that nothing did: one sentence, kept to the last.
    lead: String,
    /// What to change or to run.
    steps: Vec<String>,
    /// What else a reader should know.
    facts: Vec<String>,
    /// The last log lines, oldest first.
    log: Vec<String>,
    /// Further failures, each in a few words.
    further: Vec<String>,
    /// AWS's own words.
    said: Vec<String>,
    /// Where to look: the task's ARN, log group and stream.
    place: Vec<String>,
    /// The entry of the catalogue that it was made from.
    id: Option<&'static str>,
    /// What kind of failure it is; none where the function itself could not go on, or nothing has failed.
    class: Option<FailureClass>,
}

/// Where a container's output is, and its last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The log group, where its output goes to one.
    pub group: Option<String>,
    /// The stream, where it can be known.
    pub stream: Option<String>,
    /// The last lines, oldest first.
    pub lines: Vec<String>,
    /// Why there are none, where some were wanted.
    pub missing: Option<NoLog>,
}

/// Why there is no log to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLog {
    /// The task definition, which says where the output goes, could not be read: why.
    NoDefinition(String),
    /// The container's output goes to this driver, or to none.
    NotAwslogs(Option<String>),
    /// FireLens routes it, to this log group if its options name one.
    FireLens(Option<String>),
    /// The function may not read it: AWS's words.
    Denied(String),
    /// The stream is not there: the container printed nothing, or could not write.
    NoStream,
    /// The stream is there, and nothing in it says anything.
    Empty,
    /// It could not be read for now: AWS's words.
    Unread(String),
}

impl Reason {
    /// A Reason of one sentence.
    pub fn new(lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..Self::default() }
    }

    /// A failure as the catalogue has it.
    pub fn of(recognised: &Recognised, facts: &Particulars) -> Self {
        let entry = recognised.entry;
        let reason =
            Self { id: Some(entry.id), class: Some(entry.class), ..Self::new(recognised.lead(facts)) };
        reason.step(&recognised.step(facts))
    }

    /// Says what kind of failure it is about.
    #[must_use]
    pub fn of_class(self, class: FailureClass) -> Self {
        Self { class: Some(class), ..self }
    }

    /// What kind of failure it is about. Where no text says so, the function could not go on.
    pub fn class(&self) -> FailureClass {
        self.class.unwrap_or(FailureClass::OwnFault)
    }

    /// Says which entry of the catalogue it is about, where its lead is another.
    #[must_use]
    pub fn about(self, id: &'static str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Its first sentence: what failed, or that nothing did.
    pub fn head(&self) -> &str {
        &self.lead
    }

    /// AWS's words of a failure that the catalogue does not know; nothing where it knows it.
    pub fn unknown(&self) -> Option<String> {
        self.id.filter(|id| id.starts_with("unknown-")).map(|_| self.said.join("; "))
    }

    /// Names the function whose role lacks a permission.
    #[must_use]
    pub fn by_function(mut self, name: &str) -> Self {
        let named = format!("the role of function {name}");
        for text in [&mut self.lead].into_iter().chain(&mut self.steps).chain(&mut self.facts) {
            *text = text.replace(ROLE_OF_FUNCTION, &named);
        }
        self
    }

    /// Adds a step, unless it is there.
    #[must_use]
    pub fn step(mut self, step: &str) -> Self {
        let step = step.trim();
        if !step.is_empty() && !self.tells(step) {
            self.steps.push(step.to_owned());
        }
        self
    }

    /// Adds something to know, if there is something that the rest does not already say.
    #[must_use]
    pub fn fact(mut self, fact: Option<&str>) -> Self {
        let fact = fact.map(str::trim).filter(|fact| !fact.is_empty());
        if let Some(fact) = fact.filter(|fact| !self.tells(fact)) {
            self.facts.push(fact.to_owned());
        }
        self
    }

    /// Adds AWS's words: those that say something, or all where the catalogue does not know the failure.
    #[must_use]
    pub fn said(mut self, said: Option<&str>) -> Self {
        let is_known = self.id.is_none_or(|id| !id.starts_with("unknown-"));
        let said = said.map(|said| if is_known { cut(said) } else { said.trim().to_owned() });
        let Some(said) = said.filter(|said| !said.is_empty() && !self.tells(said)) else { return self };
        self.said.retain(|earlier| !said.contains(earlier.as_str()));
        self.said.push(said);
        self
    }

    /// Leaves AWS's words out, for who shows them elsewhere.
    #[must_use]
    pub fn without_said(self) -> Self {
        Self { said: Vec::new(), ..self }
    }

    fn tells(&self, text: &str) -> bool {
        let all = self.steps.iter().chain(&self.facts).chain(&self.said);
        self.lead.contains(text) || all.into_iter().any(|one| one.contains(text))
    }

    /// Adds a container's last lines, and where the rest of them is; or why there are none, and what to do
    /// about it.
    #[must_use]
    pub fn log(mut self, log: Option<&Log>) -> Self {
        let Some(log) = log else { return self };
        if let Some(missing) = &log.missing {
            self = self.fact(Some(&missing.in_words(log)));
        }
        self.log = log.lines.iter().map(|line| fit::log_line(line)).filter(|line| !line.is_empty()).collect();
        self.place.extend(log.group.as_ref().map(|group| format!("log group {group}")));
        let stream = log.stream.as_ref().filter(|_| log.missing != Some(NoLog::NoStream));
        self.place.extend(stream.map(|stream| format!("log stream {stream}")));
        self
    }

    /// Adds something else that failed, in a few words.
    #[must_use]
    pub fn further(mut self, further: impl Into<String>) -> Self {
        self.further.push(further.into());
        self
    }

    /// Adds where to look.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.place.push(place.into());
        self
    }
}

impl Log {
    /// The command that shows what a Reason does not.
    fn command(&self) -> String {
        let group = self.group.as_deref().unwrap_or("LOG_GROUP");
        let stream =
            self.stream.as_ref().map_or_else(String::new, |stream| format!(" --log-stream-names {stream}"));
        format!("aws logs tail {group}{stream} --since 1d")
    }

    /// What a text says of the log where it is the next thing to read; nothing where it cannot be read.
    pub fn invitation(&self) -> Option<String> {
        match (self.lines.is_empty(), &self.missing) {
            (false, _) => Some("Fix what its last log lines report, then deploy again".to_owned()),
            (true, None) if self.group.is_some() => Some(format!("Its log says why: {}", self.command())),
            (true, _) => None,
        }
    }
}

impl NoLog {
    /// What a reader should know, and what to do about it.
    pub fn in_words(&self, log: &Log) -> String {
        let group = log.group.as_deref().unwrap_or("its log group");
        match self {
            Self::NoDefinition(why) if why.contains("AccessDenied") => format!(
                "Its log is not shown: grant ecs:DescribeTaskDefinition to {ROLE_OF_FUNCTION}, which could not \
                 read where it is"
            ),
            Self::NoDefinition(why) => {
                format!("Its log is not shown, because its task definition could not be read ({})", cut(why))
            }
            Self::NotAwslogs(None) => {
                "It has no log to show: give the container a LogConfiguration with LogDriver \
                                       awslogs in its task definition"
                    .to_owned()
            }
            Self::NotAwslogs(Some(driver)) => {
                format!("Its log is not in CloudWatch Logs: look where its log driver {driver} sends it")
            }
            Self::FireLens(Some(group)) => {
                format!("FireLens routes its log to the log group {group}: aws logs tail {group} --since 1d")
            }
            Self::FireLens(None) => {
                "FireLens routes its log: look where the options of its logConfiguration send it, \
                                     and at the log of the log router"
                    .to_owned()
            }
            Self::Denied(_) => format!(
                "Its log may not be read here: {}. To have it in this text, grant logs:GetLogEvents on the log \
                 streams of {group} to {ROLE_OF_FUNCTION}",
                log.command()
            ),
            Self::NoStream => {
                "It wrote no log: it ended before its log stream was made, or the task's execution role \
                               may not make one (logs:CreateLogStream)"
                    .to_owned()
            }
            Self::Empty => "Its log is empty: it printed nothing, or ended before it could".to_owned(),
            Self::Unread(why) => {
                format!("Its log could not be read in time ({}): {}", cut(why), log.command())
            }
        }
    }
}

#[cfg(test)]
mod tests;
