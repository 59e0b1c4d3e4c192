//! The last lines of a container's log, as far as they arrive in time.
//!
//! The awslogs driver delivers lines up to some seconds late, and creates the stream with the first
//! of them. Right after a container's end the log may therefore lack the very line that says why it
//! ended. The tail is read until it has a line as young as the container's end, or until three
//! seconds after that end. Two equal reads prove nothing: the driver may be late with the rest.

use std::time::Duration as StdDuration;

use time::{Duration, OffsetDateTime};

use crate::{
    aws::{
        CallError,
        logs::{LogLine, LogReader},
    },
    failures::is_frame,
    function::clock::Clock,
    reason::plain,
    task::{AwsLogs, Container, TaskArn},
};

/// Time limit for the last lines to arrive, counted from the container's end.
const DELAY: Duration = Duration::seconds(3);
/// The time between two reads.
const PAUSE: StdDuration = StdDuration::from_millis(700);
/// Lines to read beyond the wanted ones, because some of them will not count: a stack trace can have
/// a hundred.
const SPARE: u32 = 100;

/// The lines to read.
#[derive(Clone, Debug)]
pub struct Wanted<'w> {
    /// The log's group and region.
    pub logs: &'w AwsLogs,
    /// The stream in the log group.
    pub stream: &'w str,
    /// The largest number of lines to return.
    pub lines: u32,
    /// A predicate for the lines that count.
    pub counts: fn(&str) -> bool,
    /// The time of the container's end. `None` while it runs, or if the time is not known.
    pub ended_at: Option<OffsetDateTime>,
}

/// The stream that a container logs to, if it can be derived.
pub fn stream_of(logs: &AwsLogs, container: &Container, task: &TaskArn) -> Option<String> {
    logs.stream(&container.name, task, container.runtime_id.as_deref())
}

/// True if the line can tell a reader something, so it is no line of a stack trace or the like: those
/// would take the place of the error above them.
pub fn tells(line: &str) -> bool {
    !is_frame(&plain(line))
}

/// True if the line has any visible character.
pub fn is_seen(line: &str) -> bool {
    !plain(line).is_empty()
}

/// Reads the tail, oldest line first, until `until` at the latest. Leaves out lines that do not
/// count.
pub async fn read(
    reader: &LogReader,
    wanted: &Wanted<'_>,
    clock: Clock,
    until: OffsetDateTime,
) -> Result<Vec<String>, CallError> {
    let complete_at = wanted.ended_at.unwrap_or_else(|| clock.now()) + DELAY;
    loop {
        let region = wanted.logs.region.as_deref();
        let tail = reader.tail(
            region,
            &wanted.logs.group,
            wanted.stream,
            wanted.lines + SPARE,
        );
        // At least one second, so that a run that ends at the deadline still gets its log read
        // once.
        let left = (until - clock.now())
            .max(Duration::SECOND)
            .try_into()
            .unwrap_or_default();
        let read = tokio::time::timeout(left, tail).await;
        let read = read.unwrap_or_else(|_| Err(CallError::no_answer("logs:GetLogEvents")));
        let is_final = match &read {
            Ok(lines) => is_complete(lines, wanted.ended_at),
            Err(error) => !may_come(error),
        };
        let now = clock.now();
        if is_final || now >= complete_at || now + PAUSE >= until {
            return read.map(|lines| counting(lines, wanted));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// True if the lines must include the container's last one: one of them is as young as its end.
fn is_complete(lines: &[LogLine], ended_at: Option<OffsetDateTime>) -> bool {
    let youngest = lines.iter().filter_map(|line| line.at).max();
    ended_at
        .zip(youngest)
        .is_some_and(|(ended_at, youngest)| youngest >= ended_at)
}

/// True if the stream may be readable soon: the driver creates it with the first line.
fn may_come(error: &CallError) -> bool {
    error.is("ResourceNotFoundException") || error.is_transient()
}

fn counting(lines: Vec<LogLine>, wanted: &Wanted<'_>) -> Vec<String> {
    let texts = lines.into_iter().map(|line| line.message);
    let mut texts: Vec<String> = texts.filter(|text| (wanted.counts)(text)).collect();
    let surplus = texts.len().saturating_sub(wanted.lines as usize);
    texts.drain(..surplus);
    texts
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const END: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

    fn line(seconds: i64, message: &str) -> LogLine {
        LogLine {
            at: Some(END + Duration::seconds(seconds)),
            message: message.to_owned(),
        }
    }

    #[test]
    fn old_lines_do_not_show_that_the_last_one_has_arrived() {
        assert!(!is_complete(&[line(-1, "migrating")], Some(END)));
        assert!(is_complete(
            &[line(-1, "migrating"), line(0, "failed")],
            Some(END)
        ));
        assert!(!is_complete(&[], Some(END)) && !is_complete(&[line(5, "x")], None));
    }

    #[test]
    fn lines_of_punctuation_take_no_line_s_place() {
        let printed = [
            "first",
            "    ^^^^^^^",
            "KeyError: 'x'",
            "    at Object.<anonymous> (/app/migrate.js:3:9)",
            "  schema: undefined,",
            "  routine: 'ClientAuthentication'",
            "npm notice New major version of npm available!",
            "----",
            "\u{1b}[0m",
            " ",
        ];
        let kept = |lines, counts| {
            let logs = AwsLogs {
                group: "/ecs/app".to_owned(),
                region: None,
                stream_prefix: None,
            };
            let wanted = Wanted {
                logs: &logs,
                stream: "app",
                lines,
                counts,
                ended_at: None,
            };
            counting(printed.map(|text| line(0, text)).to_vec(), &wanted)
        };
        assert_eq!(kept(2, tells), ["first", "KeyError: 'x'"]);
        assert_eq!(
            kept(1, is_seen),
            ["----"],
            "what a program returns may be punctuation"
        );
    }
}
