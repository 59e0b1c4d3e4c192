//! Finds the functions' binaries and makes their settings.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{Arguments, Unfit};
use crate::service::lambda::Function;
use ecs_tasks::monitor::decide::settings::Settings;

impl Arguments {
    pub(super) fn runner(&self, is_needed: bool) -> Result<Function, Unfit> {
        let binary = binary(self.function.as_deref(), "ecs_tasks", "function");
        // Recorded events alone never invoke the runner, so its binary may be missing then.
        let mut runner = Function::runner(if is_needed {
            binary?
        } else {
            binary.unwrap_or_default()
        });
        runner.timeout = Duration::from_secs(self.lambda_timeout);
        runner.environment.push(self.log_level());
        Ok(runner)
    }

    pub(super) fn monitor(&self) -> Result<Function, Unfit> {
        let mut monitor =
            Function::monitor(binary(self.monitor.as_deref(), "ecs_events", "monitor")?);
        monitor.environment.push(self.log_level());
        monitor
            .environment
            .push(("ALERT_FORMAT".to_owned(), self.alert_format.clone()));
        if !self.ignore.is_empty() {
            monitor.environment.push((
                "IGNORE_STOPPED_REASONS".to_owned(),
                Value::from(self.ignore.clone()).to_string(),
            ));
        }
        // The monitor reads these when it is invoked. Reading them here reports a wrong setting
        // before anything starts.
        let variable = |name: &str| {
            monitor
                .environment
                .iter()
                .find(|one| one.0 == name)
                .map(|one| one.1.clone())
        };
        Settings::of(variable)?;
        Ok(monitor)
    }

    fn log_level(&self) -> (String, String) {
        (
            "LOG_LEVEL".to_owned(),
            if self.verbose { "DEBUG" } else { "INFO" }.to_owned(),
        )
    }
}

/// The binary at this path, or the one beside this program.
fn binary(
    named: Option<&Path>,
    name: &'static str,
    option: &'static str,
) -> Result<PathBuf, Unfit> {
    let beside = || {
        std::env::current_exe()
            .map(|program| program.with_file_name(name))
            .unwrap_or_default()
    };
    let path = named.map_or_else(beside, Path::to_owned);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Unfit::NoFunction { path, name, option })
    }
}
