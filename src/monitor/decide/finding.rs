//! What a task state change means: nothing yet, a success, a failure, or a failure that is nobody's problem.
//!
//! Pure, and the runner's judgement ([`crate::outcome`]): the monitor has no second one.

use super::{event::TaskChange, pattern::Pattern};
use crate::outcome::{Cause, Failure, Outcome, Rules, Verdict};

/// What a task state change means.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The task is not STOPPED.
    Moving,
    /// Every container that counts exited with 0.
    Succeeded,
    /// It failed, and nobody need know.
    Excused(Vec<Failure>, Excuse),
    /// It failed.
    Failed(Vec<Failure>),
}

/// Why a failure is nobody's problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// stoppedReason matches this pattern.
    Pattern(String),
    /// The scheduler of a service has replaced the task.
    Replaced,
}

/// The monitor has no task definition at hand, so all containers but those that AWS injected count.
const RULES: Rules<'static> = Rules { watch_containers: &[], success_exit_codes: &[0], definition: None };

impl Finding {
    /// Judges a change; `ignored` are the patterns of `IGNORE_STOPPED_REASONS`.
    pub fn of(change: &TaskChange, ignored: &[Pattern]) -> Self {
        let task = &change.task;
        if task.last_status != "STOPPED" {
            return Self::Moving;
        }
        let Outcome::Over { verdict: Verdict::Failed(failures), .. } =
            Outcome::of(std::slice::from_ref(task), RULES)
        else {
            return Self::Succeeded;
        };
        // Who stops a task that then exits with 0 knows about it; for a deploy that is a failure, here it is none.
        let failures: Vec<Failure> =
            failures.into_iter().filter(|failure| failure.cause != Cause::StoppedByUser).collect();
        if failures.is_empty() {
            return Self::Succeeded;
        }
        let reason = task.stopped_reason.as_deref().unwrap_or_default();
        if let Some(pattern) = ignored.iter().find(|pattern| pattern.matches(reason)) {
            return Self::Excused(failures, Excuse::Pattern(pattern.to_string()));
        }
        // The failure names one container; that none exited by itself with another code is asked of all.
        let codes = || RULES.counting(task).into_iter().map(|container| container.exit_code);
        let was_ended =
            codes().all(|code| matches!(code, Some(0 | 137 | 143))) && codes().any(|code| code != Some(0));
        match task.stop_code.as_deref() {
            Some("ServiceSchedulerInitiated") if was_ended => Self::Excused(failures, Excuse::Replaced),
            _ => Self::Failed(failures),
        }
    }

    /// Its name in the audit trail, the metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Succeeded => "succeeded",
            Self::Excused(..) => "excused",
            Self::Failed(_) => "failed",
        }
    }

    /// Why a failure is nobody's problem, if it is none's.
    pub fn excuse(&self) -> Option<&Excuse> {
        match self {
            Self::Excused(_, excuse) => Some(excuse),
            _ => None,
        }
    }
}

impl std::fmt::Display for Excuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "stoppedReason matches {pattern}"),
            Self::Replaced => f.write_str("the service's scheduler has replaced the task"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::decide::{event::Payload, pattern};

    fn change(detail: &Value) -> TaskChange {
        let mut detail = detail.clone();
        detail["taskArn"] = "arn:aws:ecs:us-east-1:123456789012:task/prod/1".into();
        let event = json!({
            "id": "1", "source": "aws.ecs", "detail-type": "ECS Task State Change", "time": "2026-11-20T10:15:00Z",
            "detail": detail,
        });
        match Payload::of(event) {
            Payload::Event(Ok(event)) => event.change.expect("a task"),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(detail: Value, expected: &str) {
        let finding = Finding::of(&change(&detail), &pattern::default());
        let shown = match finding.excuse() {
            Some(excuse) => format!("excused: {excuse}"),
            None => finding.name().to_owned(),
        };
        assert_eq!(shown, expected, "{detail}");
    }

    fn stopped(containers: Value) -> Value {
        json!({"lastStatus": "STOPPED", "containers": containers})
    }

    #[test]
    fn a_task_that_is_not_stopped_is_moving_whatever_else_it_says() {
        for status in ["PROVISIONING", "RUNNING", "DEPROVISIONING", "DELETED", "SOMETHING_NEW", ""] {
            check(json!({"lastStatus": status, "containers": [{"name": "web", "exitCode": 1}]}), "moving");
        }
    }

    #[test]
    fn exit_codes_decide() {
        check(stopped(json!([{"name": "web", "exitCode": 0}])), "succeeded");
        check(stopped(json!([{"name": "web", "exitCode": 1}])), "failed");
        check(stopped(json!([{"name": "web"}])), "failed");
        check(stopped(json!([{"name": "web", "exitCode": 0}, {"name": "log"}])), "failed");
        check(stopped(json!([{"name": "web", "exitCode": 0}, {"name": "log", "exitCode": 137}])), "failed");
        check(
            stopped(json!([{"name": "web", "exitCode": 0}, {"name": "aws-guardduty-agent-x"}])),
            "succeeded",
        );
    }

    #[test]
    fn a_task_that_failed_to_start_failed_even_with_an_exit_code_of_zero() {
        let mut detail = stopped(json!([{"name": "web", "exitCode": 0}]));
        detail["stopCode"] = "TaskFailedToStart".into();
        check(detail, "failed");
    }

    #[test]
    fn who_stops_a_task_that_exits_with_zero_knows_about_it() {
        let stopped_by_user = |code: i64| {
            let mut detail = stopped(json!([{"name": "web", "exitCode": code}]));
            detail["stopCode"] = "UserInitiated".into();
            detail
        };
        check(stopped_by_user(0), "succeeded");
        check(stopped_by_user(143), "failed");
    }

    #[test]
    fn the_default_patterns_excuse_what_ecs_does_by_itself() {
        for reason in [
            "Scaling activity initiated by (deployment ecs-svc/1)",
            "Service web: container instance is in DRAINING state",
            "ECS is performing maintenance on the underlying infrastructure hosting the task.",
        ] {
            let mut detail = stopped(json!([{"name": "web", "exitCode": 1}]));
            detail["stoppedReason"] = reason.into();
            let finding = Finding::of(&change(&detail), &pattern::default());
            assert!(matches!(finding, Finding::Excused(_, Excuse::Pattern(_))), "{reason}");
        }
        let mut detail = stopped(json!([{"name": "web", "exitCode": 1}]));
        detail["stoppedReason"] = "No scaling activity initiated by anybody".into();
        check(detail, "failed");
    }

    #[test]
    fn a_deployment_that_replaces_a_task_is_excused_unless_a_container_failed_by_itself() {
        let replaced = |containers: Value| {
            let mut detail = stopped(containers);
            detail["stopCode"] = "ServiceSchedulerInitiated".into();
            detail
        };
        let excused = "excused: the service's scheduler has replaced the task";
        check(replaced(json!([{"name": "web", "exitCode": 143}])), excused);
        check(replaced(json!([{"name": "web", "exitCode": 137}, {"name": "log", "exitCode": 0}])), excused);
        check(replaced(json!([{"name": "web", "exitCode": 143}, {"name": "log", "exitCode": 1}])), "failed");
        check(replaced(json!([{"name": "web", "exitCode": 143}, {"name": "log"}])), "failed");
        check(replaced(json!([{"name": "web", "exitCode": 1}])), "failed");
        check(replaced(json!([{"name": "web", "exitCode": 0}])), "succeeded");
    }

    #[test]
    fn real_events_are_found_what_they_are() {
        for (event, expected) in [
            (include_str!("../../../tests/events/task-stopped-exit-1.json"), "failed"),
            (include_str!("../../../tests/events/task-failed-to-start.json"), "failed"),
            (include_str!("../../../tests/events/task-drained.json"), "excused"),
        ] {
            let event: Value = serde_json::from_str(event).expect("a fixture");
            let Payload::Event(Ok(event)) = Payload::of(event) else { panic!("an event") };
            let change = event.change.expect("a task");
            assert_eq!(Finding::of(&change, &pattern::default()).name(), expected);
        }
    }
}
