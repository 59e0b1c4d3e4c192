use super::*;

#[track_caller]
fn check(reason: &Reason, expected: &str) {
    assert_eq!(reason.fit(4096), expected);
}

#[test]
fn a_start_that_failed_says_what_ecs_said() {
    let failure = |reason: &str, arn: Option<&str>| LaunchFailure {
        reason: reason.to_owned(),
        arn: arn.map(str::to_owned),
        detail: None,
    };
    check(
        &not_all_started(0, 1, &[failure("RESOURCE:MEMORY", Some("arn:instance"))]),
        "The task could not be started. ECS says: RESOURCE:MEMORY (arn:instance)",
    );
    check(
        &not_all_started(1, 3, &[failure("AGENT", None), failure("AGENT", None)]),
        "Only 1 of 3 tasks could be started, and what had started was stopped again. ECS says: AGENT",
    );
    let error = |kind, code: &str, message: &str| CallError {
        operation: "ecs:RunTask",
        code: code.to_owned(),
        message: message.to_owned(),
        kind,
    };
    check(
        &start_refused(
            &error(CallErrorKind::Final, "ClusterNotFoundException", "Cluster not found."),
            "prod",
            "app:7",
        ),
        "The task app:7 could not be started on cluster prod. ecs:RunTask: ClusterNotFoundException: Cluster not found.",
    );
    check(
        &start_refused(
            &error(CallErrorKind::Denied, "AccessDeniedException", "User is not authorized"),
            "prod",
            "app",
        ),
        "The task app could not be started on cluster prod. ecs:RunTask: AccessDeniedException: User is not authorized. \
         Allow ecs:RunTask to the function's role, and iam:PassRole for the task's roles",
    );
}

#[test]
fn a_time_out_names_the_limit_and_that_the_task_was_stopped() {
    check(
        &timed_out(&Limit::Timeout(290), &[]),
        "The task did not finish within Timeout of 290 s and has been stopped",
    );
    check(
        &timed_out(&Limit::ServiceTimeout(600), &[]),
        "The task did not finish within ServiceTimeout of 600 s (less 30 s to answer) and has been stopped",
    );
}
