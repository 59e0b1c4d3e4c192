//! The page of all kinds of failures, made from the catalogue and from AWS's messages.

use std::fmt::Write;

use ecs_tasks::failures::{
    CATALOGUE, CatalogueEntry, FailureClass, Reader, Retry, shown as filled,
};

const MESSAGES: &str = include_str!("../../failures/messages.txt");

const HEAD: &str = "\
<!-- Made by `make generate` from the catalogue that the functions read. A change by hand is lost, and fails a test. -->

# Failures: how AWS says it, what it means, what to do

The Reason of a failed resource, and an alert of the monitor, end with the name of an entry of this page in brackets. If
you have only AWS's message, search this page for a part of it. `<name>` stands for the name in your message.

";

/// A text as the reader of a stack's events gets it.
fn shown(template: &str) -> String {
    filled(template, Reader::OfDeploy)
}

/// The page, as Markdown.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| In brackets | What it means |\n| --- | --- |\n");
    for entry in CATALOGUE {
        let _ = writeln!(
            page,
            "| [{}](#{}) | {} |",
            entry.id,
            entry.id,
            cell(&shown(entry.lead))
        );
    }
    for entry in CATALOGUE {
        section(&mut page, entry);
    }
    page
}

fn section(page: &mut String, entry: &CatalogueEntry) {
    let _ = write!(page, "\n## {}\n\n{}.\n", entry.id, text(&shown(entry.lead)));
    if !entry.step.is_empty() {
        let _ = write!(page, "\n**What to do.** {}.\n", text(&shown(entry.step)));
    }
    if !entry.on_ec2.is_empty() {
        let _ = write!(page, "\n**On EC2.** {}.\n", text(&shown(entry.on_ec2)));
    }
    let in_alert = filled(entry.step, Reader::OfAlert);
    if in_alert != shown(entry.step) {
        let _ = write!(page, "\n**In an alert.** {}.\n", text(&in_alert));
    }
    if let Some(retry) = retry(entry.retry) {
        let _ = write!(page, "\n**Retries.** {retry}\n");
    }
    let _ = write!(
        page,
        "\nClass of the metric RunsFailed: `{}`.",
        class(entry.class)
    );
    if !entry.alert.is_empty() {
        let _ = write!(page, " Subject of an alert: `{}`.", entry.alert);
    }
    page.push('\n');
    let known = signs(entry);
    if !known.is_empty() {
        let _ = write!(page, "\nRecognised by {known}.\n");
    }
    let messages = messages(entry.id);
    if !messages.is_empty() {
        page.push_str("\nAWS says:\n\n```text\n");
        messages
            .iter()
            .for_each(|message| page.extend([message, "\n"]));
        page.push_str("```\n");
    }
}

/// Returns the signs that identify an entry, beside AWS's messages.
fn signs(entry: &CatalogueEntry) -> String {
    let codes = entry.codes.iter().map(|code| format!("exit code {code}"));
    let stop_codes = entry
        .stop_codes
        .iter()
        .map(|code| format!("stop code {code}"));
    let mut signs: Vec<String> = codes.chain(stop_codes).collect();
    let logs: Vec<String> = entry
        .logs
        .iter()
        .map(|log| format!("`{}`", log.trim_end_matches('$')))
        .collect();
    if !logs.is_empty() {
        signs.push(format!("a last log line that contains {}", logs.join(", ")));
    }
    signs.join(", ")
}

fn messages(id: &str) -> Vec<&'static str> {
    let lines = MESSAGES.lines().filter_map(|line| line.split_once(" | "));
    lines
        .filter(|(of, _)| of.rsplit(' ').next() == Some(id))
        .map(|(_, message)| message)
        .collect()
}

fn retry(retry: Retry) -> Option<&'static str> {
    Some(match retry {
        Retry::No => return None,
        Retry::Capacity | Retry::Passing => {
            "The function retries the start for 60 s, never past Timeout."
        }
        Retry::Throttled => "The function retries the call until the deadline.",
        Retry::Denied => {
            "The function retries the call for 60 s on a Create, otherwise for 15 s: IAM may need that long."
        }
        Retry::WithoutTags => {
            "If the template has no Tags, the function starts the task without those that it adds."
        }
    })
}

fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Container => "container",
        FailureClass::Start => "start",
        FailureClass::Timeout => "timeout",
        FailureClass::Refused => "refused",
        FailureClass::OwnFault => "own_fault",
        FailureClass::NoRun => "none",
    }
}

/// Escapes angle brackets, which Markdown reads as HTML.
fn text(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn cell(shown: &str) -> String {
    text(shown).replace('|', "\\|")
}
