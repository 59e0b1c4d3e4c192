//! Every text that a person reads in a stack's events.
//!
//! Pure. A [`Reason`] has parts of different worth, most telling first; [`Reason::fit`] writes them within the bytes
//! that are left of an answer, and lets the least telling give way.

mod failure;
mod fit;

pub use failure::exit_code_meaning;

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
}

/// Where a container's output is, and its last lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The log group.
    pub group: String,
    /// The stream, where it can be known.
    pub stream: Option<String>,
    /// The last lines, oldest first; none where they could not be read.
    pub lines: Vec<String>,
}

impl Reason {
    /// A Reason of one sentence.
    pub fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), ..Self::default() }
    }

    /// Its first sentence: what failed, or that nothing did.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Adds a detail, if there is one that the others do not already tell.
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

    /// Adds a container's last lines, and where the rest of them is.
    #[must_use]
    pub fn log(mut self, log: Option<&Log>) -> Self {
        let Some(log) = log else { return self };
        self.log = log.lines.iter().map(|line| fit::log_line(line)).filter(|line| !line.is_empty()).collect();
        let stream = log.stream.as_ref().map(|stream| format!("log stream {stream}"));
        self.place.push(format!("log group {}", log.group));
        self.place.extend(stream);
        self
    }

    /// Adds where to look.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.place.push(place.into());
        self
    }
}

#[cfg(test)]
mod tests;
