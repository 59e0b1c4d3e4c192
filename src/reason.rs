//! Every text that a person reads in a stack's events.
//!
//! Pure. A [`Reason`] has parts of different worth, most telling first; [`Reason::fit`] writes them within
//! the bytes that are left of an answer, and lets the least telling give way.

mod failure;
mod fit;

pub use failure::{TIMED_OUT, exit_code_meaning};
pub use fit::plain;

/// A Reason before it is cut to size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// What failed, or that nothing did: one sentence, kept to the last.
    head: String,
    /// Why, in the words of those who know: the container's reason, ECS's stoppedReason.
    details: Vec<String>,
    /// Further failures, each in a few words.
    further: Vec<String>,
    /// The last log lines, oldest first.
    log: Vec<String>,
    /// Where to look: the task's ARN, log group and stream.
    place: Vec<String>,
    /// What kind of failure it is; none where the function itself could not go on, or nothing has failed.
    class: Option<FailureClass>,
}

/// What kind of failure a Reason is about, for the metrics.
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
    pub fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), ..Self::default() }
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

    /// Its first sentence: what failed, or that nothing did.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Adds a detail, if there is one that the others do not already give.
    #[must_use]
    pub fn detail(mut self, detail: Option<&str>) -> Self {
        let detail = detail.map(str::trim).filter(|detail| !detail.is_empty());
        let told =
            |detail: &str| self.head.contains(detail) || self.details.iter().any(|one| one.contains(detail));
        if let Some(detail) = detail.filter(|detail| !told(detail)) {
            self.details.push(detail.to_owned());
        }
        self
    }

    /// Adds a container's last lines, and where the rest of them is; or why there are none, and what to do
    /// about it.
    #[must_use]
    pub fn log(mut self, log: Option<&Log>) -> Self {
        let Some(log) = log else { return self };
        if let Some(missing) = &log.missing {
            self = self.detail(Some(&missing.in_words(log.group.as_deref())));
        }
        self.log = log.lines.iter().map(|line| fit::log_line(line)).filter(|line| !line.is_empty()).collect();
        self.place.extend(log.group.as_ref().map(|group| format!("log group {group}")));
        self.place.extend(log.stream.as_ref().map(|stream| format!("log stream {stream}")));
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

impl NoLog {
    /// What a reader should know, and what to do about it. `group` is the log group, where there is one.
    pub fn in_words(&self, group: Option<&str>) -> String {
        let group = group.unwrap_or("its log group");
        match self {
            Self::NoDefinition(why) => {
                let next = match why.contains("AccessDenied") {
                    true => ": grant ecs:DescribeTaskDefinition to the function's role",
                    false => "",
                };
                format!("Its log is not shown, because its task definition could not be read ({why}){next}")
            }
            Self::NotAwslogs(None) => {
                "It has no log to show: give the container a logConfiguration with the \
                                       logDriver awslogs in its task definition"
                    .to_owned()
            }
            Self::NotAwslogs(Some(driver)) => {
                format!("Its log is not in CloudWatch Logs, but goes to the log driver {driver}: look there")
            }
            Self::Denied(why) => format!(
                "Its log could not be read ({why}): grant logs:GetLogEvents on the log streams of {group} to \
                 the function's role"
            ),
            Self::NoStream => {
                "It has no log stream: it ended before one was made, or the task's execution role may not \
                 create one (logs:CreateLogStream)"
                    .to_owned()
            }
            Self::Empty => "Its log stream is empty: it printed nothing, or ended before it could".to_owned(),
            Self::Unread(why) => format!(
                "Its log could not be read in time ({why}): aws logs tail {group} \
                                          --since 1d"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
