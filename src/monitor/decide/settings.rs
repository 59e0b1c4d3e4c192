//! What the environment sets: which sinks there are, and what is excused. Checked once, at the start, all of
//! it together.
//!
//! Pure: the environment is an argument.

use std::fmt;

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
    /// `METRICS_BY_FAMILY`: metrics by family, too, each of which costs.
    pub metrics_by_family: bool,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// A DynamoDB table's name or ARN.
    pub table: String,
    /// How long an item is kept, 1 to 3650 days.
    pub retention_days: u32,
}

/// The alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// An SNS topic's ARN.
    pub topic_arn: String,
    /// How an alert is written.
    pub format: AlertFormat,
    /// `ALERT_WINDOW_SECONDS`: how long the failures of a group are counted before they are told; 0 tells
    /// each.
    pub window: Duration,
    /// `ALERT_LOG_LINES`: how many of the culprit's last log lines an alert has.
    pub log_lines: u32,
}

/// How an alert is written.
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
    /// The name that the month is appended to.
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
    /// Reads the environment. A variable that is set to nothing is as good as one that is not set, as
    /// CloudFormation's parameters are.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsErrors> {
        let mut errors = Vec::new();
        let given = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let mut checked = |name: &str, expected: &str, value: &str, good: bool| {
            if !good {
                errors.push(format!("{name} must be {expected}, not {value:?}"));
            }
        };

        let table = given("AUDIT_TABLE");
        if let Some(table) = &table {
            let is_name = (3..=255).contains(&table.len()) && table.chars().all(is_name_char);
            let good = is_name || table.starts_with("arn:") && table.contains(":table/");
            checked("AUDIT_TABLE", "the name or ARN of a DynamoDB table", table, good);
        }
        let days = given("RETENTION_DAYS").unwrap_or_else(|| "14".to_owned());
        let retention_days = days.parse().unwrap_or(0);
        checked(
            "RETENTION_DAYS",
            "a number of days from 1 to 3650",
            &days,
            (1..=3650).contains(&retention_days),
        );

        let topic_arn = given("ALERT_TOPIC_ARN");
        if let Some(arn) = &topic_arn {
            let parts: Vec<&str> = arn.split(':').collect();
            let good = parts.len() == 6
                && parts[0] == "arn"
                && parts[2] == "sns"
                && parts[3..].iter().all(|part| !part.is_empty())
                // A FIFO topic asks each message for a group, and mails nobody.
                && !arn.ends_with(".fifo");
            checked("ALERT_TOPIC_ARN", "the ARN of an SNS topic that is no FIFO topic", arn, good);
        }
        let format = given("ALERT_FORMAT").unwrap_or_else(|| "text".to_owned());
        let alert_format = AlertFormat::named(&format);
        checked("ALERT_FORMAT", "text, json or chat", &format, alert_format.is_some());

        let window = given("ALERT_WINDOW_SECONDS").unwrap_or_else(|| "300".to_owned());
        let window_seconds: Option<i64> =
            window.parse().ok().filter(|seconds| (0..=86_400).contains(seconds));
        let expected = "a number of seconds from 0 to 86400";
        checked("ALERT_WINDOW_SECONDS", expected, &window, window_seconds.is_some());
        let lines = given("ALERT_LOG_LINES").unwrap_or_else(|| "10".to_owned());
        let log_lines: Option<u32> = lines.parse().ok().filter(|lines| *lines <= 50);
        checked("ALERT_LOG_LINES", "a number of lines from 0 to 50", &lines, log_lines.is_some());

        let by_family = given("METRICS_BY_FAMILY").unwrap_or_else(|| "false".to_owned());
        let metrics_by_family = match by_family.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        checked("METRICS_BY_FAMILY", "true or false", &by_family, metrics_by_family.is_some());

        let log_group = given("EVENTS_LOG_GROUP");
        if let Some(group) = &log_group {
            let good = group.len() <= 512
                && group.chars().all(|char| is_name_char(char) || matches!(char, '/' | '#'));
            checked("EVENTS_LOG_GROUP", "the name of a log group", group, good);
        }

        let endpoint = given("OPENSEARCH_ENDPOINT");
        let url =
            endpoint.as_deref().and_then(|endpoint| Url::parse(endpoint).ok()).filter(is_reachable_safely);
        if let Some(endpoint) = &endpoint {
            let expected = "an https address (http only for a loopback host) without a path";
            checked("OPENSEARCH_ENDPOINT", expected, endpoint, url.is_some());
        }
        let name = given("OPENSEARCH_INDEX").unwrap_or_else(|| "ecs-events".to_owned());
        let is_index_char = |char: char| {
            char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '_' | '.')
        };
        let good = name.len() <= 200 && name.chars().all(is_index_char) && !name.starts_with(['-', '_', '.']);
        checked("OPENSEARCH_INDEX", "an index name of small letters, digits, - and _", &name, good);

        let ignored = match given("IGNORE_STOPPED_REASONS") {
            None => pattern::default(),
            Some(list) => match patterns(&list) {
                Some(patterns) => patterns,
                None => {
                    let expected = "a JSON list of patterns, or patterns separated by commas or new lines";
                    checked("IGNORE_STOPPED_REASONS", expected, &list, false);
                    Vec::new()
                }
            },
        };
        if !errors.is_empty() {
            return Err(SettingsErrors(errors));
        }
        Ok(Self {
            audit: table.map(|table| Audit { table, retention_days }),
            alert: topic_arn.zip(alert_format).map(|(topic_arn, format)| Alert {
                topic_arn,
                format,
                window: Duration::seconds(window_seconds.unwrap_or_default()),
                log_lines: log_lines.unwrap_or_default(),
            }),
            log_group,
            index: url.map(|endpoint| Index { endpoint, name }),
            ignored,
            metrics_by_family: metrics_by_family.unwrap_or_default(),
        })
    }
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

/// The signature keeps an event from being forged on its way, and only TLS keeps it from being read.
fn is_reachable_safely(url: &Url) -> bool {
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    plain && (url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(url))
}

/// A JSON list, which alone can have a pattern with a comma, or what is easier to write in a template's
/// parameter.
fn patterns(list: &str) -> Option<Vec<Pattern>> {
    if list.starts_with('[') {
        let list: Vec<String> = serde_json::from_str(list).ok()?;
        return Some(list.iter().map(|pattern| Pattern::new(pattern)).collect());
    }
    let patterns = list.split([',', '\n', ';', '|']).map(str::trim).filter(|pattern| !pattern.is_empty());
    Some(patterns.map(Pattern::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
        Settings::of(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[track_caller]
    fn check_error(name: &str, value: &str, expected: &str) {
        assert_eq!(
            read(&[(name, value)]).map_err(|errors| errors.to_string()),
            Err(format!("{name} must be {expected}, not {value:?}"))
        );
    }

    #[test]
    fn without_settings_there_are_no_sinks_and_the_default_excuses() {
        let nothing = Settings {
            audit: None,
            alert: None,
            log_group: None,
            index: None,
            ignored: pattern::default(),
            metrics_by_family: false,
        };
        assert_eq!(read(&[]).as_ref(), Ok(&nothing));
        assert_eq!(read(&[("AUDIT_TABLE", ""), ("ALERT_TOPIC_ARN", " ")]), Ok(nothing));
    }

    #[test]
    fn every_setting_is_read() {
        let settings = read(&[
            ("AUDIT_TABLE", "ecs-audit"),
            ("RETENTION_DAYS", "30"),
            ("ALERT_TOPIC_ARN", "arn:aws:sns:us-west-2:123456789012:alerts"),
            ("ALERT_FORMAT", "Chat"),
            ("ALERT_WINDOW_SECONDS", "60"),
            ("ALERT_LOG_LINES", "0"),
            ("METRICS_BY_FAMILY", "true"),
            ("EVENTS_LOG_GROUP", "/ecs/failed-tasks"),
            ("OPENSEARCH_ENDPOINT", "https://search.example.com"),
            ("OPENSEARCH_INDEX", "tasks"),
            ("IGNORE_STOPPED_REASONS", "[\"a, b*\"]"),
        ])
        .expect("good settings");
        assert_eq!(settings.audit, Some(Audit { table: "ecs-audit".to_owned(), retention_days: 30 }));
        let alert = settings.alert.expect("alerts");
        assert_eq!((alert.format, alert.window, alert.log_lines), (AlertFormat::Chat, Duration::MINUTE, 0));
        assert!(settings.metrics_by_family);
        assert_eq!(settings.log_group.as_deref(), Some("/ecs/failed-tasks"));
        assert_eq!(settings.index.map(|index| index.name), Some("tasks".to_owned()));
        assert_eq!(settings.ignored, [Pattern::new("a, b*")]);
    }

    #[test]
    fn patterns_can_be_written_in_a_templates_parameter() {
        for list in ["a*,*b", "a*\n*b\n", " a* ; *b ", "a*|*b", "[\"a*\", \"*b\"]"] {
            let settings = read(&[("IGNORE_STOPPED_REASONS", list)]).expect("patterns");
            assert_eq!(settings.ignored, [Pattern::new("a*"), Pattern::new("*b")], "{list}");
        }
        assert_eq!(read(&[("IGNORE_STOPPED_REASONS", "[]")]).expect("none").ignored, []);
    }

    #[test]
    fn an_error_names_the_variable_and_what_it_should_be() {
        check_error("AUDIT_TABLE", "a b", "the name or ARN of a DynamoDB table");
        check_error("RETENTION_DAYS", "0", "a number of days from 1 to 3650");
        check_error("RETENTION_DAYS", "two weeks", "a number of days from 1 to 3650");
        let topic = "the ARN of an SNS topic that is no FIFO topic";
        check_error("ALERT_TOPIC_ARN", "alerts", topic);
        check_error("ALERT_TOPIC_ARN", "arn:aws:sns:us-west-2:123456789012:alerts.fifo", topic);
        check_error("ALERT_WINDOW_SECONDS", "5m", "a number of seconds from 0 to 86400");
        check_error("ALERT_LOG_LINES", "51", "a number of lines from 0 to 50");
        check_error("METRICS_BY_FAMILY", "maybe", "true or false");
        check_error("ALERT_FORMAT", "html", "text, json or chat");
        check_error("EVENTS_LOG_GROUP", "my group", "the name of a log group");
        let address = "an https address (http only for a loopback host) without a path";
        check_error("OPENSEARCH_ENDPOINT", "http://search.example.com", address);
        check_error("OPENSEARCH_ENDPOINT", "search.example.com", address);
        check_error("OPENSEARCH_INDEX", "ECS", "an index name of small letters, digits, - and _");
        let list = "a JSON list of patterns, or patterns separated by commas or new lines";
        check_error("IGNORE_STOPPED_REASONS", "[1]", list);
        assert!(read(&[("OPENSEARCH_ENDPOINT", "http://127.0.0.1:9200")]).is_ok());
    }

    #[test]
    fn all_errors_are_told_together() {
        let errors =
            read(&[("ALERT_FORMAT", "x"), ("RETENTION_DAYS", "y")]).expect_err("two errors").to_string();
        assert!(
            errors.contains("ALERT_FORMAT") && errors.contains("; ") && errors.contains("RETENTION_DAYS"),
            "{errors}"
        );
    }
}
