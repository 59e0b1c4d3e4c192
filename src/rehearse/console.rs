//! What a person sees of a rehearsal: stack events as CloudFormation's console has them, the containers' lines between,
//! and a last line that sums up.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use anstyle::{AnsiColor, Style};
use time::macros::format_description;

use super::{
    now,
    stack::{EventSink, StackEvent},
    stage::{Report, Reporter, Stage, lock},
};

const STATUS_WIDTH: usize = 36;

/// Writes to stdout; in colour on a terminal only, and not where NO_COLOR is set.
#[derive(Clone)]
pub struct Console {
    verbose: bool,
    name_width: usize,
    /// What goes on, for the sign of life in a long silence.
    current: Arc<Mutex<Option<StackEvent>>>,
}

impl Console {
    /// `verbose` shows the function's log lines, too; `names` are the logical ids that will be written.
    pub fn new<'n>(verbose: bool, names: impl IntoIterator<Item = &'n str>) -> Self {
        let name_width = names.into_iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { verbose, name_width, current: Arc::default() }
    }

    /// Takes a stack's events.
    pub fn events(&self) -> EventSink {
        let console = self.clone();
        Arc::new(move |event| console.event(event))
    }

    /// Takes what the stage tells.
    pub fn reporter(&self) -> Reporter {
        let console = self.clone();
        Arc::new(move |report| match report {
            Report::Line { container, text } => {
                let style = AnsiColor::Cyan.on_default();
                write_line(&format!("          {style}{container} |{style:#} {text}"));
            }
            Report::Note(note) => write_line(&format!("          {note}")),
            Report::Log(line) if console.verbose => {
                let style = Style::new().dimmed();
                write_line(&format!("          {style}{line}{style:#}"));
            }
            Report::Log(_) => {}
        })
    }

    /// Says that something still goes on.
    pub fn sign_of_life(&self) {
        if let Some(event) = lock(&self.current).as_ref() {
            let seconds = (now() - event.at).whole_seconds();
            write_line(&format!("          … {} is {} for {seconds} s", event.logical_id, event.status));
        }
    }

    /// The last line: how each step ended, how long all took, and what was called how often.
    pub fn summary(&self, steps: &[(&str, bool)], seconds: f64, stage: &Stage) {
        let steps: Vec<String> = steps
            .iter()
            .map(|(step, ended_well)| format!("{step} {}", if *ended_well { "complete" } else { "FAILED" }))
            .collect();
        let calls: Vec<String> =
            stage.calls().iter().map(|(operation, count)| format!("{operation} {count}")).collect();
        let calls = if calls.is_empty() { "nothing".to_owned() } else { calls.join(", ") };
        let invocations = stage.lambda.invocations();
        write_line(&format!("{} in {seconds:.1} s; {invocations} invocations; called {calls}", steps.join(", ")));
    }

    fn event(&self, event: StackEvent) {
        let time = event.at.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default();
        let style = match event.status.as_str() {
            status if status.ends_with("_FAILED") => AnsiColor::Red.on_default(),
            status if status.contains("ROLLBACK") => AnsiColor::Yellow.on_default(),
            status if status.ends_with("_COMPLETE") => AnsiColor::Green.on_default(),
            _ => Style::new(),
        };
        let (status, name, reason) = (&event.status, &event.logical_id, &event.reason);
        let line =
            format!("{time}  {style}{status:STATUS_WIDTH$}{style:#}  {name:width$}  {reason}", width = self.name_width);
        write_line(line.trim_end());
        let going_on = event.status.ends_with("_IN_PROGRESS");
        *lock(&self.current) = going_on.then_some(event);
    }
}

fn write_line(line: &str) {
    // Nobody reads a closed pipe.
    let _ = writeln!(anstream::stdout(), "{line}");
}
