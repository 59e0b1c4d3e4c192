//! The console of a rehearsal: stack events as CloudFormation's console shows them, the containers'
//! lines between, and a summary.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::{
    config::now,
    protocol::lock,
    report::{Report, Reporter},
    stack::{StackEvent, StackEvents},
    stage::Stage,
};
use ecs_tasks::task::definition_name;

/// Fits the longest status, UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS.
const STATUS_WIDTH: usize = 44;
/// The reason of a longer name stands on the next line, so that the columns stay where they are.
const MAX_NAME_WIDTH: usize = 40;

/// Writes to stdout; in colour on a terminal only, and not where NO_COLOR is set.
#[derive(Clone)]
pub struct Console {
    verbose: bool,
    quiet: bool,
    /// Show the runner's metrics.
    measures: bool,
    name_width: usize,
    /// The operation in progress, for the sign of life.
    current: Arc<Mutex<Option<StackEvent>>>,
    findings: Arc<Mutex<Findings>>,
}

/// Counts of the monitor's findings by name, and of its alerts.
#[derive(Default)]
struct Findings {
    by_name: BTreeMap<String, usize>,
    alerts: usize,
}

impl Console {
    /// `verbose` adds the function's log lines, `quiet` hides other resources' events. `names` are
    /// the logical ids to come: they set the width of a column.
    pub fn new(verbose: bool, quiet: bool, names: impl IntoIterator<Item = String>) -> Self {
        let widths = names
            .into_iter()
            .map(|name| name.chars().count())
            .filter(|width| *width <= MAX_NAME_WIDTH);
        let name_width = widths.max().unwrap_or(MAX_NAME_WIDTH);
        Self {
            verbose,
            quiet,
            measures: false,
            name_width,
            current: Arc::default(),
            findings: Arc::default(),
        }
    }

    /// The same console, with the runner's metrics if `measures`.
    #[must_use]
    pub fn measuring(self, measures: bool) -> Self {
        Self { measures, ..self }
    }

    /// Returns a receiver of stack events.
    pub fn events(&self) -> StackEvents {
        let console = self.clone();
        Arc::new(move |event| console.event(event))
    }

    /// Returns a receiver of the stage's reports.
    pub fn reporter(&self) -> Reporter {
        let console = self.clone();
        Arc::new(move |report| match report {
            Report::Line { container, text } => {
                let style = AnsiColor::Cyan.on_default();
                write_line(&format!("          {style}{container} |{style:#} {text}"));
            }
            Report::Audited { item, known } => console.audited(&item, known),
            Report::Alerted { subject, message } => {
                lock(&console.findings).alerts += 1;
                let style = AnsiColor::Red.on_default();
                for line in [format!("Subject: {subject}"), String::new()]
                    .iter()
                    .map(String::as_str)
                    .chain(message.lines())
                {
                    write_line(format!("          {style}alert |{style:#} {line}").trim_end());
                }
            }
            Report::Note(note) => console.note(&note),
            Report::Log(line) => console.log(&line),
        })
    }

    /// Shows a line of a function's log: as metrics, or as it is with --verbose.
    fn log(&self, line: &str) {
        if let Some(measured) = self.measures.then(|| measured(line)).flatten() {
            let style = AnsiColor::Magenta.on_default();
            write_line(&format!("          {style}metric |{style:#} {measured}"));
        } else if self.verbose {
            let style = Style::new().dimmed();
            write_line(&format!("          {style}{line}{style:#}"));
        }
    }

    /// Shows a note.
    pub fn note(&self, note: &str) {
        write_line(&format!("          {note}"));
    }

    /// Names the operation in progress, so that a long silence does not look like a hang.
    pub fn sign_of_life(&self) {
        if let Some(event) = lock(&self.current).as_ref() {
            let seconds = (now() - event.at).whole_seconds();
            write_line(&format!(
                "          … {} has been {} for {seconds} s",
                event.logical_id, event.status
            ));
        }
    }

    /// Writes the last line: the end of each step, the duration, the invocations and their causes,
    /// and the calls to AWS.
    pub fn summary(&self, steps: &[String], seconds: f64, stage: &Stage) {
        let (calls, to_table) = stage.calls_beside_table();
        let calls = calls
            .iter()
            .map(|(operation, count)| format!("{operation} {count}"));
        // One number for the table: its calls by operation would drown the calls to ECS.
        let to_table = (to_table > 0).then(|| format!("the table {to_table}"));
        let calls: Vec<String> = calls.chain(to_table).collect();
        let calls = if calls.is_empty() {
            "nothing".to_owned()
        } else {
            calls.join(", ")
        };
        let mut invocations = plural(stage.lambda.invocations(), "invocation");
        if let Some(rules) = &stage.rules {
            invocations.push_str(&format!(
                ", plus {} by events and {} by the watch",
                rules.events(),
                rules.rounds()
            ));
        }
        write_line(&format!(
            "{} in {seconds:.1} s; {invocations}; called {calls}",
            steps.join(", ")
        ));
    }

    /// Announces the file whose events come next.
    pub fn file(&self, path: &Path) {
        write_line(&format!("          file  | {}", path.display()));
    }

    /// Writes the monitor's findings. True if it could read all `sent` events.
    pub fn findings(&self, sent: usize) -> bool {
        let findings = lock(&self.findings);
        let read: usize = findings.by_name.values().sum();
        let unread = (read < sent).then(|| format!("{} not read", sent - read));
        let by_name = findings
            .by_name
            .iter()
            .map(|(name, count)| format!("{count} {name}"));
        let parts: Vec<String> = by_name.chain(unread).collect();
        let parts = if parts.is_empty() {
            String::new()
        } else {
            format!(": {}", parts.join(", "))
        };
        write_line(&format!(
            "{}{parts}; {}",
            plural(sent, "event"),
            plural(findings.alerts, "alert")
        ));
        read >= sent
    }

    /// Shows an event of the schedule that the monitor has handled.
    pub fn tick(&self, at: OffsetDateTime) {
        *lock(&self.findings)
            .by_name
            .entry("from the schedule".to_owned())
            .or_default() += 1;
        let at = at.format(&Rfc3339).unwrap_or_default();
        write_line(&format!(
            "          event | {at} Scheduled Event: reports the windows that have ended"
        ));
    }

    /// Shows an event that the monitor has audited, and its finding.
    fn audited(&self, item: &Value, known: bool) {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        let finding = match text("finding") {
            "" => "no verdict",
            finding => finding,
        };
        *lock(&self.findings)
            .by_name
            .entry(finding.to_owned())
            .or_default() += 1;
        let style = match finding {
            "failed" | "impaired" | "restarting" => AnsiColor::Red.on_default(),
            "excused" => AnsiColor::Yellow.on_default(),
            "succeeded" => AnsiColor::Green.on_default(),
            _ => Style::new(),
        };
        let definition = definition_name(text("taskDefinitionArn"));
        let about = match text("cluster") {
            "" => format!("{} of {definition}", text("detailType")),
            cluster if text("lastStatus").is_empty() => {
                format!("{definition} on {cluster}: {}", text("eventName"))
            }
            cluster => format!("{definition} on {cluster} is {}", text("lastStatus")),
        };
        let given = |name: &str, before: &str, after: &str| match text(name) {
            "" => String::new(),
            value => format!("{before}{value}{after}"),
        };
        let (reason, excuse) = (given("stoppedReason", " (", ")"), given("excuse", ": ", ""));
        let known = if known { " (seen before)" } else { "" };
        let time = text("time");
        write_line(&format!(
            "          event | {time} {about}{reason}: {style}{finding}{style:#}{excuse}{known}"
        ));
    }

    fn event(&self, event: StackEvent) {
        let time = event
            .at
            .format(format_description!("[hour]:[minute]:[second]"))
            .unwrap_or_default();
        let style = match event.status.as_str() {
            status if status.ends_with("_FAILED") => AnsiColor::Red.on_default(),
            status if status.contains("ROLLBACK") => AnsiColor::Yellow.on_default(),
            status if status.ends_with("_COMPLETE") || status.ends_with("_COMPLETED") => {
                AnsiColor::Green.on_default()
            }
            _ => Style::new(),
        };
        let (status, name, reason) = (&event.status, &event.logical_id, &event.reason);
        let width = self.name_width;
        let line = match name.chars().count() > width && !reason.is_empty() {
            true => format!(
                "{time}  {style}{status:STATUS_WIDTH$}{style:#}  {name}\n{:indent$}{reason}",
                "",
                indent = time.len() + STATUS_WIDTH + width + 6
            ),
            false => {
                format!("{time}  {style}{status:STATUS_WIDTH$}{style:#}  {name:width$}  {reason}")
            }
        };
        if !self.quiet || is_worth_it(&event) {
            write_line(line.trim_end());
        }
        // Also without a line: the sign of life names the operation that --quiet hides.
        let going_on = event.status.ends_with("_IN_PROGRESS");
        *lock(&self.current) = going_on.then_some(event);
    }
}

/// The metrics in a line of the runner's log, if it has the embedded metric format.
fn measured(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array()?;
    let of = |name: &str| {
        line[name]
            .as_str()
            .map(|value| format!(" ({value})"))
            .unwrap_or_default()
    };
    let metric = |metric: &Value| {
        let name = metric["Name"].as_str()?;
        let unit = if metric["Unit"] == "Seconds" {
            " s"
        } else {
            ""
        };
        let class = if name == "RunsFailed" {
            of("Class")
        } else {
            String::new()
        };
        Some(format!("{name} {}{unit}{class}", line[name]))
    };
    let metrics: Vec<String> = metrics.iter().filter_map(metric).collect();
    // Throttled is in every metric line of the runner, and in none of the monitor's.
    line["Throttled"].is_number().then(|| metrics.join(", "))
}

/// True if --quiet shows an event: one of ours, a failure, or the stack's final state.
fn is_worth_it(event: &StackEvent) -> bool {
    let is_stacks_progress = event.is_stack && event.status.ends_with("_IN_PROGRESS");
    event.is_ours && !is_stacks_progress || event.status.ends_with("_FAILED")
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn write_line(line: &str) {
    // A closed pipe has no reader, and the rehearsal must still clean up.
    let _ = writeln!(anstream::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_metrics_read_as_a_sentence() {
        let line = r#"{"Runs":1,"RunsFailed":1,"Class":"container","RunSeconds":1.5,"Throttled":0,"_aws":
            {"CloudWatchMetrics":[{"Metrics":[{"Name":"Runs","Unit":"Count"},{"Name":"RunsFailed","Unit":"Count"},
            {"Name":"RunSeconds","Unit":"Seconds"},{"Name":"Throttled","Unit":"Count"}]}]}}"#;
        let expected = "Runs 1, RunsFailed 1 (container), RunSeconds 1.5 s, Throttled 0";
        assert_eq!(measured(line).as_deref(), Some(expected));
    }

    #[test]
    fn other_lines_are_not_metrics() {
        for line in [
            "starting",
            r#"{"message":"answering"}"#,
            r#"{"TaskFailed":1,"_aws":{"CloudWatchMetrics":[{"Metrics":[]}]}}"#,
        ] {
            assert_eq!(measured(line), None, "{line}");
        }
    }
}
