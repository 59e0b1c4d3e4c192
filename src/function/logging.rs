//! The log: JSON lines or text, and never a secret.
//!
//! Only this crate's own lines are written, at any level. At their lower levels the SDK, hyper and
//! the runtime log requests, bodies and addresses, which hold environment values and the
//! ResponseURL's query.

use std::str::FromStr;

use tracing::{Level, Subscriber};
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter, time::SystemTime},
    prelude::*,
};

use crate::function::version;

/// The log's level and format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logging {
    /// The lowest level that is written.
    pub level: Level,
    /// True for JSON lines, false for text.
    pub json: bool,
}

impl Logging {
    /// Reads the environment: `AWS_LAMBDA_LOG_LEVEL` or `LOG_LEVEL` (also in the Python function's
    /// spelling), and `AWS_LAMBDA_LOG_FORMAT`.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let level = ["AWS_LAMBDA_LOG_LEVEL", "LOG_LEVEL"]
            .into_iter()
            .filter_map(&variable)
            .find_map(|name| level(&name));
        let json = variable("AWS_LAMBDA_LOG_FORMAT")
            .is_some_and(|format| format.eq_ignore_ascii_case("json"));
        Self {
            level: level.unwrap_or(Level::INFO),
            json,
        }
    }

    /// Writes the log to stdout from now on. The first line names the version of the code.
    pub fn install(self) {
        self.to(std::io::stdout).init();
        // The standard hook prints several lines to stderr, each of which becomes a log event of
        // its own.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(
                place,
                "panic: {}",
                panic.payload_as_str().unwrap_or("no message")
            );
        }));
        tracing::info!(
            version = version::VERSION,
            revision = version::REVISION,
            target = version::TARGET,
            "starting"
        );
    }

    /// The log with another writer, for tests.
    pub fn to<W>(self, writer: W) -> impl Subscriber + Send + Sync
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        // The crate's own library and its two binaries: other crates log secrets.
        let ours = Targets::new()
            .with_targets(["ecs_tasks", "ecs_events"].map(|target| (target, self.level)));
        let layer = if self.json {
            let mut layer = json_subscriber::JsonLayer::new(writer);
            layer.with_timer("timestamp", SystemTime);
            layer.with_level("level");
            layer.with_top_level_flattened_span_list();
            layer.with_flattened_event();
            layer.boxed()
        } else {
            // Lambda adds the time to every line.
            fmt::layer()
                .with_writer(writer)
                .with_ansi(false)
                .with_target(false)
                .without_time()
                .boxed()
        };
        tracing_subscriber::registry().with(layer.with_filter(ours))
    }
}

fn level(name: &str) -> Option<Level> {
    match name.to_ascii_uppercase().as_str() {
        // Python's names: existing functions have them in their LOG_LEVEL.
        "WARNING" => Some(Level::WARN),
        "CRITICAL" | "FATAL" => Some(Level::ERROR),
        other => Level::from_str(other).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], level: Level, json: bool) {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(Logging::of(variable), Logging { level, json });
    }

    #[test]
    fn both_names_of_the_level_work_and_lambdas_own_wins() {
        check(&[], Level::INFO, false);
        check(&[("LOG_LEVEL", "DEBUG")], Level::DEBUG, false);
        check(&[("LOG_LEVEL", "WARNING")], Level::WARN, false);
        check(&[("LOG_LEVEL", "CRITICAL")], Level::ERROR, false);
        check(
            &[("LOG_LEVEL", "DEBUG"), ("AWS_LAMBDA_LOG_LEVEL", "ERROR")],
            Level::ERROR,
            false,
        );
        check(
            &[
                ("AWS_LAMBDA_LOG_LEVEL", "FATAL"),
                ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ],
            Level::ERROR,
            true,
        );
    }

    #[test]
    fn a_level_that_is_none_is_as_good_as_none() {
        check(
            &[("LOG_LEVEL", "loud"), ("AWS_LAMBDA_LOG_FORMAT", "Text")],
            Level::INFO,
            false,
        );
    }
}
