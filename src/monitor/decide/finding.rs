//! What an event means: nothing yet, a success, a failure, or a failure that is nobody's problem.
//!
//! Pure. The table in docs/monitor.md says the same, and a test holds it against this file.

use super::{
    event::{About, Event, ServiceEvent, TaskChange},
    pattern::Pattern,
    words,
};
use crate::{
    outcome::{Cause, Failure, Outcome, Rules, Verdict},
    task::{Container, Task},
};

/// What an event means.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The task is not STOPPED.
    Moving,
    /// Every container that counts exited with 0.
    Succeeded,
    /// The task failed, and nobody need know.
    Excused(TaskFailure, Excuse),
    /// The task failed.
    Failed(TaskFailure),
    /// ECS reports that a service cannot do its work: an event of type ERROR or WARN.
    Impaired,
}

/// How a task failed.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFailure {
    /// The cause in a few words, for subjects and groups: `out of memory`.
    pub words: String,
    /// Whether ECS ended it for its health checks, whatever its containers exited with.
    pub is_unhealthy: bool,
    /// What failed in it; nothing where all containers exited with 0.
    pub failure: Option<Failure>,
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

/// SIGKILL and SIGTERM: how a container ends that was told to stop.
const TOLD_TO_STOP: [Option<i64>; 2] = [Some(137), Some(143)];

impl Finding {
    /// Judges an event, if it is of a kind that is judged; `ignored` are the patterns of
    /// `IGNORE_STOPPED_REASONS`.
    pub fn of(event: &Event, ignored: &[Pattern]) -> Option<Self> {
        match &event.about {
            About::Task(change) => Some(Self::of_task(change, ignored)),
            About::Service(service) => service.is_trouble().then_some(Self::Impaired),
            About::Other => None,
        }
    }

    fn of_task(change: &TaskChange, ignored: &[Pattern]) -> Self {
        let task = &change.task;
        if task.last_status != "STOPPED" {
            return Self::Moving;
        }
        let Some(failure) = TaskFailure::of(task) else { return Self::Succeeded };
        let reason = task.stopped_reason.as_deref().unwrap_or_default();
        if let Some(pattern) = ignored.iter().find(|pattern| pattern.matches(reason)) {
            return Self::Excused(failure, Excuse::Pattern(pattern.to_string()));
        }
        if task.stop_code.as_deref() == Some("ServiceSchedulerInitiated")
            && !failure.is_unhealthy
            && counting(task).into_iter().all(|container| {
                container.reason.is_none()
                    && (container.exit_code == Some(0) || TOLD_TO_STOP.contains(&container.exit_code))
            })
        {
            return Self::Excused(failure, Excuse::Replaced);
        }
        Self::Failed(failure)
    }

    /// Its name in the audit trail, the metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Succeeded => "succeeded",
            Self::Excused(..) => "excused",
            Self::Failed(_) => "failed",
            Self::Impaired => "impaired",
        }
    }

    /// Why a failure is nobody's problem, if it is none's.
    pub fn excuse(&self) -> Option<&Excuse> {
        match self {
            Self::Excused(_, excuse) => Some(excuse),
            _ => None,
        }
    }

    /// How the task failed, if it did and somebody should know.
    pub fn failure(&self) -> Option<&TaskFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether people are alerted about it.
    pub fn is_alarming(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Impaired)
    }
}

impl TaskFailure {
    /// A failure of which the words are all that is known.
    pub fn in_words(words: &str) -> Self {
        Self { words: words.to_owned(), is_unhealthy: false, failure: None }
    }

    /// How a task that is STOPPED failed, if it did: the runner's verdict, without the containers that were
    /// only told to stop.
    fn of(task: &Task) -> Option<Self> {
        let is_unhealthy = task.stopped_reason.as_deref().is_some_and(is_of_health_checks);
        let verdict = match Outcome::of(std::slice::from_ref(task), RULES) {
            Outcome::Over { verdict: Verdict::Failed(failures), .. } => failures.into_iter().next(),
            _ => None,
        };
        let failure = verdict.and_then(|failure| of_its_own(failure, task));
        if failure.is_none() && !is_unhealthy {
            return None;
        }
        let words = words::of_task(task, is_unhealthy, failure.as_ref().map(|failure| &failure.cause));
        Some(Self { words, is_unhealthy, failure })
    }
}

impl ServiceEvent {
    fn is_trouble(&self) -> bool {
        matches!(self.event_type.as_str(), "ERROR" | "WARN")
    }
}

/// `Task failed ELB health checks in (target-group …)`, `Task failed container health checks`: the only hint
/// at such a failure is the text, since its stop code and exit codes are those of a deployment.
fn is_of_health_checks(stopped_reason: &str) -> bool {
    Pattern::new("*Task failed *health checks*").matches(stopped_reason)
}

fn counting(task: &Task) -> Vec<&Container> {
    RULES.counting(task)
}

/// The failure without what is no failure of the task's own.
fn of_its_own(failure: Failure, task: &Task) -> Option<Failure> {
    let ended_by_another = task.stop_code.as_deref() == Some("EssentialContainerExited")
        && counting(task)
            .into_iter()
            .any(|container| !was_told_to_stop(container.exit_code, &container.reason));
    let is_its_own = |cause: &Cause| match cause {
        // Who stops a task that then exits with 0 knows about it; for a deploy that is a failure, here it is
        // none.
        Cause::StoppedByUser => false,
        Cause::Exited { code, reason, .. } => !(ended_by_another && was_told_to_stop(Some(*code), reason)),
        _ => true,
    };
    let Failure { cause, others, .. } = failure;
    let mut causes = [vec![cause], others].concat().into_iter().filter(is_its_own);
    Some(Failure { cause: causes.next()?, others: causes.collect(), ..failure })
}

fn was_told_to_stop(exit_code: Option<i64>, reason: &Option<String>) -> bool {
    TOLD_TO_STOP.contains(&exit_code) && reason.is_none()
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
    use crate::monitor::decide::pattern;

    const PAGE: &str = include_str!("../../../docs/monitor.md");

    fn event(detail: &Value) -> Event {
        let mut detail = detail.clone();
        detail["taskArn"] = "arn:aws:ecs:us-east-1:123456789012:task/prod/1".into();
        let event = json!({
            "id": "1", "source": "aws.ecs", "detail-type": "ECS Task State Change", "time": "2026-11-20T10:15:00Z",
            "detail": detail,
        });
        Event::read(event, "").expect("an event")
    }

    fn judged(detail: &Value) -> Finding {
        Finding::of(&event(detail), &pattern::default()).expect("a task is judged")
    }

    #[track_caller]
    fn check(detail: Value, expected: &str) {
        let finding = judged(&detail);
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
            let finding = judged(&detail);
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
            let event = Event::read(event, "").expect("an event");
            let finding = Finding::of(&event, &pattern::default());
            assert_eq!(finding.map(|finding| finding.name()), Some(expected));
        }
    }

    fn with(stop_code: &str, stopped_reason: &str, containers: Value) -> Value {
        json!({"lastStatus": "STOPPED", "stopCode": stop_code, "stoppedReason": stopped_reason, "containers": containers})
    }

    #[test]
    fn a_task_that_its_health_checks_ended_failed_whatever_its_exit_codes() {
        for reason in [
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/web/1)",
            "Task failed container health checks",
            "service web: Task failed ELB health checks in (elb web)",
        ] {
            for code in [0, 137, 143] {
                let detail =
                    with("ServiceSchedulerInitiated", reason, json!([{"name": "web", "exitCode": code}]));
                check(detail.clone(), "failed");
                assert_eq!(
                    judged(&detail).failure().map(|failure| failure.words.as_str()),
                    Some("health checks failed")
                );
            }
        }
    }

    #[test]
    fn a_container_that_ran_out_of_memory_is_a_failure_of_a_service_too() {
        let killed = json!([{"name": "web", "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}]);
        for stop_code in ["ServiceSchedulerInitiated", "EssentialContainerExited"] {
            let detail = with(stop_code, "Essential container in task exited", killed.clone());
            check(detail.clone(), "failed");
            assert_eq!(
                judged(&detail).failure().map(|failure| failure.words.as_str()),
                Some("out of memory")
            );
        }
    }

    /// The containers that failed, in the order in which they are reported.
    fn culprits(stop_code: &str, containers: Value) -> Vec<String> {
        let finding = judged(&with(stop_code, "Essential container in task exited", containers));
        let Some(failure) = finding.failure().and_then(|failure| failure.failure.clone()) else {
            return Vec::new();
        };
        let causes = [vec![failure.cause], failure.others].concat();
        causes.iter().filter_map(|cause| cause.container().map(str::to_owned)).collect()
    }

    #[test]
    fn a_container_that_was_told_to_stop_is_neither_a_failure_nor_the_culprit() {
        let (agent, app) =
            (json!({"name": "datadog-agent", "exitCode": 143}), json!({"name": "app", "exitCode": 1}));
        assert_eq!(culprits("EssentialContainerExited", json!([agent, app])), ["app"]);
        let fine = json!({"name": "app", "exitCode": 0});
        check(with("EssentialContainerExited", "x", json!([agent, fine])), "succeeded");
        // Who ended first of these two, nobody knows.
        let killed = json!({"name": "app", "exitCode": 137});
        assert_eq!(culprits("EssentialContainerExited", json!([agent, killed])), ["datadog-agent", "app"]);
        let alone = json!({"name": "app", "exitCode": 137});
        check(with("EssentialContainerExited", "x", json!([alone])), "failed");
    }

    #[test]
    fn the_culprit_is_the_one_that_tells_most_and_all_that_failed_are_listed() {
        let containers = json!([
            {"name": "signal", "exitCode": 143}, {"name": "lost"}, {"name": "app", "exitCode": 3},
            {"name": "fine", "exitCode": 0}, {"name": "image", "reason": "CannotPullContainerError: x"},
        ]);
        assert_eq!(culprits("", containers), ["image", "app", "signal", "lost"]);
    }

    #[test]
    fn containers_that_aws_injects_never_count() {
        for injected in ["aws-guardduty-agent-AbC", "ecs-service-connect-X1y2"] {
            for container in [
                json!({"name": injected}),
                json!({"name": injected, "exitCode": 137, "reason": "OutOfMemoryError"}),
            ] {
                check(
                    with("EssentialContainerExited", "x", json!([{"name": "app", "exitCode": 0}, container])),
                    "succeeded",
                );
            }
        }
    }

    #[test]
    fn a_spot_interruption_is_reported_as_such_and_can_be_excused() {
        let containers = json!([{"name": "app", "exitCode": 143}]);
        let detail = with("SpotInterruption", "Your Spot Task was interrupted.", containers);
        assert_eq!(
            judged(&detail).failure().map(|failure| failure.words.as_str()),
            Some("Spot interruption")
        );
        let finding = Finding::of(&event(&detail), &[Pattern::new("Your Spot Task was interrupted*")]);
        assert!(matches!(finding, Some(Finding::Excused(_, Excuse::Pattern(_)))), "{finding:?}");
    }

    #[test]
    fn a_service_in_trouble_is_found_and_one_that_is_well_is_not_judged() {
        for (event_type, name, expected) in [
            ("ERROR", "SERVICE_DEPLOYMENT_FAILED", Some("impaired")),
            ("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", Some("impaired")),
            ("WARN", "SERVICE_TASK_START_IMPAIRED", Some("impaired")),
            ("INFO", "SERVICE_STEADY_STATE", None),
        ] {
            let json = json!({
                "id": "1", "source": "aws.ecs", "detail-type": "ECS Service Action", "time": "2026-11-20T10:15:00Z",
                "detail": {"eventType": event_type, "eventName": name},
            });
            let event = Event::read(json, "").expect("an event");
            assert_eq!(Finding::of(&event, &[]).map(|finding| finding.name()), expected, "{name}");
        }
    }

    /// The page's table of what counts, row by row: stop code, stoppedReason, containers, finding.
    #[test]
    fn the_page_says_what_is_found() {
        let rows = PAGE.lines().skip_while(|line| !line.starts_with("| stopCode")).skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with("| ")).collect();
        assert!(rows.len() >= 12, "the table is gone: {rows:?}");
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [stop_code, reason, containers, expected, _why] = cells[..] else { panic!("{row}") };
            let containers: Vec<Value> = containers.split(", ").map(container).collect();
            let mut detail = stopped(containers.into());
            for (name, cell) in [("stopCode", stop_code), ("stoppedReason", reason)] {
                if cell != "any" {
                    detail[name] = cell.trim_matches('`').into();
                }
            }
            assert_eq!(judged(&detail).name(), expected.trim_matches('*'), "{row}");
        }
    }

    /// `app 137 OutOfMemoryError`, `app none`
    fn container(cell: &str) -> Value {
        let mut words = cell.splitn(3, ' ');
        let (name, code, reason) = (words.next(), words.next(), words.next());
        let mut container = json!({"name": name, "lastStatus": "STOPPED"});
        if let Some(code) = code.and_then(|code| code.parse::<i64>().ok()) {
            container["exitCode"] = code.into();
        }
        if let Some(reason) = reason {
            container["reason"] = reason.into();
        }
        container
    }
}
