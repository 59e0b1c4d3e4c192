//! The templates against the code: what the function calls it may call, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `service:Action` texts of these services.
fn actions(text: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == ':';
    text.split(|char| !is_part(char))
        .filter(|word| {
            let (service, action) = word.split_once(':').unwrap_or_default();
            matches!(service, "ecs" | "lambda" | "cloudformation" | "iam" | "logs" | "sqs")
                && action.starts_with(|char: char| char.is_ascii_uppercase())
                && action.chars().all(|char| char.is_ascii_alphabetic())
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_role_allows_what_the_function_calls_and_nothing_else() {
    let source: String = ["aws/ecs.rs", "aws/lambda.rs", "aws/cloudformation.rs", "aws/logs.rs"]
        .map(|file| read(&format!("src/{file}")))
        .concat();
    let mut needed = actions(&source);
    // ECS and Lambda ask for these on the function's behalf.
    needed.extend(
        ["ecs:TagResource", "iam:PassRole", "logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"]
            .map(str::to_owned),
    );
    let template = read("cfn/provider.yml");
    let allowed = template
        .lines()
        .filter(|line| line.contains("Action: ") && !line.contains("sts:"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut allowed = actions(&allowed);
    allowed.remove("ecs:CreateAction");
    assert_eq!(allowed, needed);
}

#[test]
fn every_statement_has_a_comment_that_names_its_call() {
    let template = read("cfn/provider.yml");
    let lines: Vec<&str> = template.lines().map(str::trim).collect();
    let statements: Vec<usize> =
        (0..lines.len()).filter(|index| lines[*index].starts_with("- Sid:")).collect();
    assert_eq!(statements.len(), 14);
    for index in statements {
        assert!(lines[index - 1].starts_with('#'), "no comment above {}", lines[index]);
    }
}

#[test]
fn no_template_names_a_partition() {
    for template in ["cfn/provider.yml", "cfn/example.yml"] {
        assert!(!read(template).contains("arn:aws:"), "{template}");
    }
}

#[test]
fn the_template_sets_what_the_function_reads() {
    let template = read("cfn/provider.yml");
    for setting in [
        "RECURSIVE_LOOP: Allow",
        "RecursiveLoop: Allow",
        "Timeout: 900",
        "MemorySize: 128",
        "LogFormat: JSON",
    ] {
        assert!(template.contains(setting), "{setting}");
    }
}
