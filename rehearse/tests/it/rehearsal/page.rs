//! The output of `rehearse` as a page that is the same every time: times and ids have names in
//! place of their values, and counts of calls are left to other tests.

use std::process::Output;

/// Returns exit status, stdout and stderr as a page.
pub(crate) fn page(output: &Output) -> String {
    let mut page = format!("exit status {}\n", output.status.code().unwrap_or(-1));
    for stream in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(stream)
            .lines()
            .filter(|line| !is_of_slowness(line))
        {
            page.push_str(normal(line).trim_end());
            page.push('\n');
        }
    }
    page
}

/// True if a line is there only because something took long: `… Migrate is CREATE_IN_PROGRESS for 5
/// s`.
fn is_of_slowness(line: &str) -> bool {
    line.trim_start().starts_with('…') && line.contains("_IN_PROGRESS for ")
}

fn normal(line: &str) -> String {
    if let Some((steps, _)) = line.split_once("; called ") {
        let steps = steps.rsplit_once(" in ").map_or(steps, |(steps, _)| steps);
        return format!("{steps} in SECONDS; called OPERATIONS");
    }
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Returns a word with its times and ids named.
fn word(word: &str) -> String {
    let mut named = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let is_id_char = |char: char| char.is_ascii_hexdigit();
        let length = rest
            .find(|char: char| !is_id_char(char))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        let is_id = run.len() >= 12
            && run.chars().any(|char| char.is_ascii_digit())
            && run != "123456789012";
        named.push_str(if is_id { "ID" } else { run });
        let mut chars = after.chars();
        named.extend(chars.next());
        rest = chars.as_str();
    }
    let is_clock = |text: &str| {
        text.len() == 8
            && text.char_indices().all(|(index, char)| match index {
                2 | 5 => char == ':',
                _ => char.is_ascii_digit(),
            })
    };
    if is_clock(&named) {
        "HH:MM:SS".to_owned()
    } else {
        named
    }
}

#[test]
fn a_page_names_the_values_that_differ_from_run_to_run() {
    let line = "22:10:23  CREATE_COMPLETE  Migrate  task/prod/0123456789abcdef0123456789abcdef of 123456789012";
    assert_eq!(
        normal(line),
        "HH:MM:SS  CREATE_COMPLETE  Migrate  task/prod/ID of 123456789012"
    );
    let line = "create complete in 5.3 s; 3 invocations; called DescribeTasks 12, RunTask 2";
    assert_eq!(
        normal(line),
        "create complete in SECONDS; called OPERATIONS"
    );
}
