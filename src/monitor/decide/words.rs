//! Causes in a few words, as they stand in an alert's subject; failures with the same words are one group.
//!
//! Pure. AWS gives most causes as text only:
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>

use crate::{outcome::Cause, reason::exit_code_meaning, task::Task};

/// What stands in ECS's or the agent's text, and what it comes to. The first that is found counts.
const TELLING: [(&str, &str); 11] = [
    ("OutOfMemory", "out of memory"),
    ("retrieve ecr registry auth", "image cannot be pulled"),
    ("retrieve secret", "secret cannot be read"),
    ("fetching secret data", "secret cannot be read"),
    ("unable to pull secrets", "secret cannot be read"),
    ("CannotPull", "image cannot be pulled"),
    ("failed to resolve ref", "image cannot be pulled"),
    ("network interface", "no network interface"),
    ("CannotStartContainer", "container cannot be started"),
    ("CannotCreateContainer", "container cannot be created"),
    ("ResourceInitializationError", "resources cannot be initialized"),
];

/// The cause of a task's failure, given what has failed in it first.
pub(super) fn of_task(task: &Task, is_unhealthy: bool, culprit: Option<&Cause>) -> String {
    let stop_code = task.stop_code.as_deref().unwrap_or_default();
    let stopped_reason = task.stopped_reason.as_deref().unwrap_or_default();
    if stop_code == "SpotInterruption" || stopped_reason.starts_with("Your Spot Task was interrupted") {
        return "Spot interruption".to_owned();
    }
    if is_unhealthy {
        return "health checks failed".to_owned();
    }
    let own = culprit.and_then(|cause| match cause {
        Cause::FailedToStart { reason, .. }
        | Cause::Exited { reason, .. }
        | Cause::NoExitCode { reason, .. } => reason.as_deref(),
        _ => None,
    });
    let texts = [own.unwrap_or_default(), stopped_reason];
    let found = texts.iter().find_map(|text| TELLING.iter().find(|(telling, _)| text.contains(telling)));
    if let Some((_, words)) = found {
        return (*words).to_owned();
    }
    match (stop_code, culprit) {
        ("TerminationNotice", _) => "its host was terminated".to_owned(),
        ("InfrastructureHealth", _) => "its host was unhealthy".to_owned(),
        (_, Some(Cause::Exited { container, code, .. })) => match exit_code_meaning(*code) {
            Some(meaning) => format!("{container} exited with code {code} ({meaning})"),
            None => format!("{container} exited with code {code}"),
        },
        (_, Some(Cause::NoExitCode { container, .. })) => format!("{container} ended without an exit code"),
        (_, Some(Cause::FailedToStart { .. })) => "failed to start".to_owned(),
        _ => "no container could be judged".to_owned(),
    }
}

/// A service's event in words: `SERVICE_TASK_START_IMPAIRED` is `service task start impaired`.
pub(super) fn of_event(event_name: &str) -> String {
    event_name.replace('_', " ").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskArn;

    #[test]
    fn causes_that_aws_gives_as_text_have_words() {
        for (text, words) in [
            ("OutOfMemoryError: Container killed due to memory usage", "out of memory"),
            (
                "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
                "image cannot be pulled",
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                 retrieval failed: unable to retrieve secret from asm: service call has been retried 1 \
                 time(s)",
                "secret cannot be read",
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                 retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 \
                 time(s)",
                "image cannot be pulled",
            ),
            (
                "Fetching secret data from AWS Secrets Manager in region: fetching secret data failed",
                "secret cannot be read",
            ),
            ("Timeout waiting for network interface provisioning to complete.", "no network interface"),
            (
                "ResourceInitializationError: failed to invoke EFS utils commands",
                "resources cannot be initialized",
            ),
            ("CannotStartContainerError: exec format error", "container cannot be started"),
        ] {
            let task = Task {
                stop_code: Some("TaskFailedToStart".to_owned()),
                stopped_reason: Some(text.to_owned()),
                ..Task::unseen(TaskArn("arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned()))
            };
            let culprit = Cause::FailedToStart { container: None, reason: None };
            assert_eq!(of_task(&task, false, Some(&culprit)), words, "{text}");
        }
    }
}
