//! Causes in a few words, as they stand in an alert's subject; failures with the same words are one
//! group.
//!
//! Pure. The words are the catalogue's, or those of an exit code if the container's own end is the
//! cause.

use crate::{
    failures::Recognised,
    outcome::{Cause, Failure},
};

/// The cause of a task's failure.
pub(super) fn of_failure(failure: &Failure, recognised: &Recognised) -> String {
    let alert = recognised.entry.alert;
    match &failure.cause {
        _ if !alert.is_empty() => alert.to_owned(),
        Cause::Exited {
            container, code, ..
        } => {
            format!("{container} exited with code {code}{}", signal(*code))
        }
        Cause::NoExitCode { container, .. } => format!("{container} ended without an exit code"),
        Cause::FailedToStart { .. } => "failed to start".to_owned(),
        Cause::StoppedByUser | Cause::NoContainer | Cause::Missing => {
            "no container that decides the verdict".to_owned()
        }
    }
}

/// The signal behind an exit code, if the number alone says little.
fn signal(code: i64) -> &'static str {
    match code {
        134 => " (SIGABRT: it crashed)",
        137 => " (SIGKILL: something killed it)",
        139 => " (SIGSEGV: it crashed)",
        143 => " (SIGTERM: it was told to stop)",
        _ => "",
    }
}

/// A service's event in words: `SERVICE_TASK_START_IMPAIRED` is `service task start impaired`.
pub(super) fn of_event(event_name: &str) -> String {
    event_name.replace('_', " ").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        monitor::decide::finding::of_its_end,
        task::{Task, TaskArn},
    };

    fn words(stop_code: &str, text: &str, cause: Cause) -> String {
        let task = Task {
            stop_code: Some(stop_code.to_owned()),
            stopped_reason: Some(text.to_owned()),
            ..Task::unseen(TaskArn(
                "arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned(),
            ))
        };
        let failure = Failure {
            cause,
            ..of_its_end(&task)
        };
        of_failure(&failure, &failure.recognised(None))
    }

    #[test]
    fn causes_that_aws_gives_as_text_have_words() {
        let prefix = "ResourceInitializationError: unable to pull secrets or registry auth: ";
        for (text, expected) in [
            (
                "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
                "image cannot be pulled",
            ),
            (
                &format!(
                    "{prefix}execution resource retrieval failed: unable to retrieve secret from asm: \
                          AccessDeniedException"
                ),
                "secret cannot be read",
            ),
            (
                &format!(
                    "{prefix}execution resource retrieval failed: unable to retrieve secret from asm: \
                          RequestCanceled"
                ),
                "network cannot be reached (secrets)",
            ),
            (
                &format!(
                    "{prefix}The task cannot pull registry auth from Amazon ECR: There is a connection issue"
                ),
                "registry cannot be reached (network)",
            ),
            (
                "Timeout waiting for network interface provisioning to complete.",
                "no network interface",
            ),
            (
                "Unexpected EC2 error while attempting to Create Network Interface: x",
                "no network interface",
            ),
            (
                "CannotPullContainerError: toomanyrequests",
                "pull limit of the registry",
            ),
            (
                "image Manifest does not contain descriptor matching platform 'linux/amd64'",
                "image is for another platform",
            ),
            (
                "failed to create Cloudwatch log stream: The specified log group does not exist.",
                "log group is missing",
            ),
            ("Something new", "failed to start"),
        ] {
            let culprit = Cause::FailedToStart {
                container: None,
                reason: None,
            };
            assert_eq!(
                words("TaskFailedToStart", text, culprit),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn running_out_of_memory_is_the_cause_of_failed_health_checks() {
        let unhealthy = "Task failed ELB health checks in (target-group arn)";
        let memory = Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
        let exited = |reason| Cause::Exited {
            container: "app".to_owned(),
            code: 137,
            reason,
        };
        assert_eq!(
            words("ServiceSchedulerInitiated", unhealthy, exited(memory)),
            "out of memory"
        );
        assert_eq!(
            words("ServiceSchedulerInitiated", unhealthy, exited(None)),
            "health checks failed"
        );
    }
}
