//! The settings in the environment: which sinks there are, and what is excused. All of them are
//! checked together, once, at the start.
//!
//! Pure: the environment is an argument.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use time::Duration;
use url::Url;

use super::pattern::{self, Pattern};
use crate::cfn::is_loopback;

/// The monitor's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `AUDIT_TABLE` and `RETENTION_DAYS`.
    pub audit: Option<Audit>,
    /// `ALERT_TOPIC_ARN` and `ALERT_FORMAT`.
    pub alert: Option<Alert>,
    /// `EVENTS_LOG_GROUP`.
    pub log_group: Option<String>,
    /// `OPENSEARCH_ENDPOINT` and `OPENSEARCH_INDEX`.
    pub index: Option<Index>,
    /// `IGNORE_STOPPED_REASONS`.
    pub ignored: Vec<Pattern>,
    /// `RESTARTS`: reports a service whose tasks end with 0 again and again.
    pub restarts: bool,
    /// `METRICS_BY_FAMILY`: adds metrics by family, each of which costs money.
    pub metrics_by_family: bool,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// A DynamoDB table's name or ARN.
    pub table: String,
    /// Days that an item is kept, 1 to 3650.
    pub retention_days: u32,
}

/// The alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// An SNS topic's ARN.
    pub topic_arn: String,
    /// The form of an alert.
    pub format: AlertFormat,
    /// `ALERT_WINDOW_SECONDS`: time over which the failures of a group are counted before they are
    /// reported; 0 reports each by itself.
    pub window: Duration,
    /// `ALERT_LOG_LINES`: number of the culprit's last log lines in an alert.
    pub log_lines: u32,
}

/// The form of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    /// For people who read mail.
    Text,
    /// For programs: the event with its finding.
    Json,
    /// For AWS chat applications: a custom notification.
    Chat,
}

/// The search index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// https, or http to a loopback host.
    pub endpoint: Url,
    /// The name to which the month is appended.
    pub name: String,
}

/// Everything that is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsErrors(Vec<String>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Settings {
    /// Time over which the ends of a service's tasks are counted: the window of alerts, unless it
    /// is 0.
    pub fn restart_window(&self) -> Duration {
        let window = self
            .alert
            .as_ref()
            .map(|alert| alert.window)
            .filter(|window| !window.is_zero());
        window.unwrap_or(Duration::seconds(300))
    }

    /// Reads the environment. An empty variable counts as unset, as an empty parameter does in
    /// CloudFormation.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut environment = Environment {
            variable,
            errors: Vec::new(),
        };
        let settings = Self {
            audit: environment.audit(),
            alert: environment.alert(),
            metrics_by_family: environment.boolean("METRICS_BY_FAMILY", "false"),
            restarts: environment.boolean("RESTARTS", "true"),
            log_group: environment.log_group(),
            index: environment.index(),
            ignored: environment.ignored(),
        };
        match environment.errors.is_empty() {
            true => Ok(settings),
            false => Err(SettingsErrors(environment.errors)),
        }
    }
}

/// The environment, and the errors in the variables that have been read.
struct Environment<V> {
    variable: V,
    errors: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Environment<V> {
    /// The value of a variable, unless it is empty.
    fn given(&self, name: &str) -> Option<String> {
        (self.variable)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// Reads the value of a variable, or its default. A bad value is noted, and replaced by the
    /// type's default.
    fn read<T: Default>(
        &mut self,
        (name, default): (&str, &str),
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> T {
        let value = self.given(name).unwrap_or_else(|| default.to_owned());
        read(&value).unwrap_or_else(|| {
            self.errors
                .push(format!("{name} must be {expected}, not {value:?}"));
            T::default()
        })
    }

    /// Reads the value of a variable that has no default.
    fn read_if_given<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.given(name)?;
        self.read((name, ""), expected, |value| read(value).map(Some))
    }

    fn audit(&mut self) -> Option<Audit> {
        let table = self.read_if_given("AUDIT_TABLE", "the name or ARN of a DynamoDB table", table);
        let expected = "a number of days from 1 to 3650";
        let retention_days = self.read(("RETENTION_DAYS", "14"), expected, |days| {
            number(days, 1..=3650)
        });
        Some(Audit {
            table: table?,
            retention_days,
        })
    }

    fn alert(&mut self) -> Option<Alert> {
        let expected = "the ARN of an SNS topic (not a FIFO topic)";
        let topic_arn = self.read_if_given("ALERT_TOPIC_ARN", expected, topic_arn);
        let expected = "text, json or chat";
        let format = self.read(("ALERT_FORMAT", "text"), expected, |name| {
            AlertFormat::named(name).map(Some)
        });
        let expected = "a number of seconds from 0 to 86400";
        let seconds: i64 = self.read(("ALERT_WINDOW_SECONDS", "300"), expected, |seconds| {
            number(seconds, 0..=86_400)
        });
        let expected = "a number of lines from 0 to 50";
        let log_lines = self.read(("ALERT_LOG_LINES", "10"), expected, |lines| {
            number(lines, 0..=50)
        });
        Some(Alert {
            topic_arn: topic_arn?,
            format: format?,
            window: Duration::seconds(seconds),
            log_lines,
        })
    }

    fn boolean(&mut self, name: &str, default: &str) -> bool {
        self.read((name, default), "true or false", |value| {
            value.to_ascii_lowercase().parse().ok()
        })
    }

    fn log_group(&mut self) -> Option<String> {
        let is_char = |char| is_name_char(char) || matches!(char, '/' | '#');
        self.read_if_given("EVENTS_LOG_GROUP", "the name of a log group", |group| {
            (group.len() <= 512 && group.chars().all(is_char)).then(|| group.to_owned())
        })
    }

    fn index(&mut self) -> Option<Index> {
        let expected = "an https address (http only for a loopback host) without a path";
        let endpoint = self.read_if_given("OPENSEARCH_ENDPOINT", expected, |endpoint| {
            Url::parse(endpoint).ok().filter(is_reachable_safely)
        });
        let expected = "an index name of lowercase letters, digits, - and _";
        let name = self.read(("OPENSEARCH_INDEX", "ecs-events"), expected, index_name);
        Some(Index {
            endpoint: endpoint?,
            name,
        })
    }

    fn ignored(&mut self) -> Vec<Pattern> {
        let expected = "a JSON list of patterns, or patterns separated by commas or new lines";
        let given = self.read_if_given("IGNORE_STOPPED_REASONS", expected, patterns);
        given.unwrap_or_else(pattern::default)
    }
}

fn number<T: FromStr + PartialOrd>(value: &str, range: RangeInclusive<T>) -> Option<T> {
    value.parse().ok().filter(|number| range.contains(number))
}

fn table(table: &str) -> Option<String> {
    let is_name = (3..=255).contains(&table.len()) && table.chars().all(is_name_char);
    let is_arn = table.starts_with("arn:") && table.contains(":table/");
    (is_name || is_arn).then(|| table.to_owned())
}

fn topic_arn(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let good = parts.len() == 6
        && parts[0] == "arn"
        && parts[2] == "sns"
        && parts[3..].iter().all(|part| !part.is_empty())
        // A FIFO topic requires a group with each message, and sends no mail.
        && !arn.ends_with(".fifo");
    good.then(|| arn.to_owned())
}

fn index_name(name: &str) -> Option<String> {
    let is_char = |char: char| {
        char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '_' | '.')
    };
    let good = name.len() <= 200 && name.chars().all(is_char) && !name.starts_with(['-', '_', '.']);
    good.then(|| name.to_owned())
}

impl AlertFormat {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "chat" => Some(Self::Chat),
            _ => None,
        }
    }
}

fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

/// The signature keeps an event from being forged on its way; only TLS keeps it from being read.
fn is_reachable_safely(url: &Url) -> bool {
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    plain
        && (url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(url))
}

/// Reads a JSON list, or a separated list, which is easier to write as a template's parameter. Only
/// JSON can have a pattern with a comma.
fn patterns(list: &str) -> Option<Vec<Pattern>> {
    if list.starts_with('[') {
        let list: Vec<String> = serde_json::from_str(list).ok()?;
        return Some(list.iter().map(|pattern| Pattern::new(pattern)).collect());
    }
    let patterns = list
        .split([',', '\n', ';', '|'])
        .map(str::trim)
        .filter(|pattern| !pattern.is_empty());
    Some(patterns.map(Pattern::new).collect())
}

#[cfg(test)]
mod tests;
