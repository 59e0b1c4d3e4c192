use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::cfn::Received;

/// The time at which the fixtures were signed.
const NOW: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

const MEANS: Means = Means {
    now: NOW,
    lambda_timeout: Duration::seconds(900),
    usable: Duration::seconds(890),
    recursive_loop_allowed: false,
    remembers: true,
};

const CREATE: &str = include_str!("../../../../tests/events/create.json");
const UPDATE: &str = include_str!("../../../../tests/events/update.json");
const DELETE: &str = include_str!("../../../../tests/events/delete.json");

/// The plan for a fixture with some properties changed; null removes a property.
fn plan(fixture: &str, changes: Value, means: Means) -> Plan {
    let mut payload: Value = serde_json::from_str(fixture).unwrap();
    let properties = payload["ResourceProperties"].as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => properties.remove(name),
            value => properties.insert(name.clone(), value.clone()),
        };
    }
    match Received::of(&payload) {
        Received::Request(request) => Plan::for_request(&request, means),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn runs(fixture: &str, changes: Value) -> Run {
    match plan(fixture, changes, MEANS) {
        Plan::Run(run) => *run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn create_runs_and_asks_nothing_first() {
    let run = runs(CREATE, json!({}));
    assert_eq!(
        run.limits.deadline(NOW),
        (NOW + Duration::seconds(1800), Limit::Timeout(1800))
    );
    assert_eq!((run.unless_rolling_back, run.compare_with), (false, None));
    assert!(!runs(CREATE, json!({"RunOnRollback": "false"})).unless_rolling_back);
    runs(CREATE, json!({"RunOnUpdate": "false"}));
}

#[test]
fn update_runs_unless_it_is_told_not_to() {
    let skipped = plan(UPDATE, json!({"RunOnUpdate": "false"}), MEANS);
    assert!(matches!(skipped, Plan::Skip(Skip::RunOnUpdateIsFalse, ..)));
    let given = runs(UPDATE, json!({"RunOnRollback": "false"}));
    assert!(given.unless_rolling_back && !given.may_run_unasked);
    let by_default = runs(UPDATE, json!({}));
    assert!(by_default.unless_rolling_back && by_default.may_run_unasked);
    assert!(!runs(UPDATE, json!({"RunOnRollback": "true"})).unless_rolling_back);
}

#[test]
fn criteria_compare_with_the_old_definition() {
    let old = "arn:aws:ecs:us-west-2:123456789012:task-definition/app:6";
    assert_eq!(runs(UPDATE, json!({})).compare_with.as_deref(), Some(old));
    assert_eq!(
        runs(UPDATE, json!({"UpdateCriteria": null})).compare_with,
        None
    );
    assert_eq!(
        runs(UPDATE, json!({"UpdateCriteria": []})).compare_with,
        None
    );
}

#[test]
fn an_old_definition_that_is_missing_counts_as_different() {
    let mut payload: Value = serde_json::from_str(UPDATE).unwrap();
    payload["OldResourceProperties"] = json!({"Cluster": 7});
    let Received::Request(request) = Received::of(&payload) else {
        panic!("a request")
    };
    let Plan::Run(run) = Plan::for_request(&request, MEANS) else {
        panic!("a run")
    };
    assert_eq!(run.compare_with, None);
}

#[test]
fn a_count_of_zero_runs_nothing_instances_or_not() {
    for changes in [
        json!({"Count": "0"}),
        json!({"Count": "0", "Instances": ["i"]}),
    ] {
        for fixture in [CREATE, UPDATE] {
            assert!(matches!(
                plan(fixture, changes.clone(), MEANS),
                Plan::Skip(Skip::CountIsZero, ..)
            ));
        }
    }
}

#[test]
fn bad_properties_are_refused_on_create_and_update_and_do_not_matter_on_delete() {
    for fixture in [CREATE, UPDATE] {
        let Plan::Refuse(refusal) = plan(fixture, json!({"Count": "x", "Nope": "1"}), MEANS) else {
            panic!("a refusal")
        };
        let text = refusal.to_string();
        assert!(
            text.contains("unknown property Nope") && text.contains("Count must be"),
            "{text}"
        );
    }
    let cluster = Some("prod-ApplicationCluster".to_owned());
    for changes in [
        json!({}),
        json!({"Count": "x", "Nope": "1", "TaskDefinition": null}),
    ] {
        let Plan::Stop(stop) = plan(DELETE, changes, MEANS) else {
            panic!("a stop")
        };
        assert_eq!(
            (stop.cluster, stop.deadline),
            (cluster.clone(), NOW + Duration::seconds(1970))
        );
    }
}

#[test]
fn delete_reads_what_it_can_of_its_properties() {
    for (changes, cluster, seconds) in [
        (json!({"Cluster": null, "ServiceTimeout": null}), None, 3570),
        (
            json!({"Cluster": ["x"], "ServiceTimeout": "many"}),
            None,
            3570,
        ),
        (json!({"Cluster": "", "ServiceTimeout": 600}), None, 570),
        (
            json!({"Cluster": "c", "ServiceTimeout": "99999"}),
            Some("c"),
            3570,
        ),
    ] {
        let Plan::Stop(stop) = plan(DELETE, changes, MEANS) else {
            panic!("a stop")
        };
        assert_eq!(
            (stop.cluster.as_deref(), stop.deadline),
            (cluster, NOW + Duration::seconds(seconds))
        );
    }
}

#[test]
fn a_wait_that_lambda_would_cut_short_is_refused_with_both_numbers() {
    let means = Means {
        lambda_timeout: Duration::seconds(60),
        usable: Duration::seconds(50),
        ..MEANS
    };
    let Plan::Refuse(refusal) = plan(CREATE, json!({}), means) else {
        panic!("a refusal")
    };
    let expected = Refusal::TooManyHops {
        wait_s: 1800,
        hops: 35,
        usable_s: 50,
        lambda_timeout_s: 60,
    };
    assert_eq!(refusal, expected);
    let text = refusal.to_string();
    assert!(
        text.starts_with(
            "raise the function's timeout, which is 60 s, or set RecursiveLoop: Allow"
        ),
        "{text}"
    );
    assert!(text.contains("RECURSIVE_LOOP=Allow"), "{text}");
    let allowed = Means {
        recursive_loop_allowed: true,
        ..means
    };
    assert!(matches!(plan(CREATE, json!({}), allowed), Plan::Run(_)));
    assert!(
        matches!(plan(CREATE, json!({"Timeout": "800"}), means), Plan::Run(_)),
        "15 hops are enough"
    );
    assert!(
        matches!(plan(CREATE, json!({"Timeout": "0"}), means), Plan::Run(_)),
        "nobody waits"
    );
}

#[test]
fn a_service_timeout_that_leaves_no_time_is_refused() {
    let Plan::Refuse(refusal) = plan(CREATE, json!({"ServiceTimeout": "30"}), MEANS) else {
        panic!("a refusal")
    };
    assert_eq!(refusal, Refusal::NoTime(Limit::ServiceTimeout(30)));
    assert!(matches!(
        plan(CREATE, json!({"ServiceTimeout": "31"}), MEANS),
        Plan::Run(_)
    ));
    assert!(matches!(
        plan(
            CREATE,
            json!({"ServiceTimeout": "30", "Timeout": "0"}),
            MEANS
        ),
        Plan::Run(_)
    ));
}

#[test]
fn a_start_that_is_not_waited_for_still_has_the_time_that_cloudformation_gives() {
    let run = runs(CREATE, json!({"Timeout": "0"}));
    assert_eq!(
        run.limits.deadline(NOW),
        (NOW + Duration::seconds(1970), Limit::ServiceTimeout(2000))
    );
}

#[test]
fn a_request_that_cloudformation_has_given_up_on_starts_nothing() {
    let after = |seconds| Means {
        now: NOW + Duration::seconds(seconds),
        ..MEANS
    };
    for timeout in ["0", "1800"] {
        let Plan::Refuse(refusal) = plan(CREATE, json!({"Timeout": timeout}), after(2000)) else {
            panic!("a refusal")
        };
        assert_eq!(
            refusal,
            Refusal::TooLate {
                late_s: 2000,
                service_timeout_s: 2000
            }
        );
        assert!(
            refusal
                .to_string()
                .contains("2000 s after CloudFormation had sent it"),
            "{refusal}"
        );
    }
    assert!(matches!(
        plan(CREATE, json!({"Timeout": "0"}), after(1999)),
        Plan::Run(_)
    ));
}

#[test]
fn an_update_of_a_stack_that_rolls_back_or_is_deleted_can_be_skipped() {
    for (status, skip) in [
        ("UPDATE_IN_PROGRESS", None),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Some(Skip::RollingBack)),
        ("UPDATE_ROLLBACK_FAILED", Some(Skip::RollingBack)),
        ("ROLLBACK_IN_PROGRESS", Some(Skip::RollingBack)),
        ("DELETE_IN_PROGRESS", Some(Skip::Deleting)),
        ("", None),
    ] {
        assert_eq!(Skip::for_stack_status(status), skip, "{status}");
    }
}

#[test]
fn an_update_ends_what_was_left_in_the_cluster_that_its_resource_had_before() {
    let mut payload: Value = serde_json::from_str(UPDATE).unwrap();
    payload["ResourceProperties"]["Cluster"] = json!("new");
    for (old, expected) in [
        ("old", vec!["new", "old"]),
        (
            "arn:aws:ecs:us-west-2:123456789012:cluster/new",
            vec!["new"],
        ),
    ] {
        payload["OldResourceProperties"]["Cluster"] = json!(old);
        payload["OldResourceProperties"]["TaskDefinition"] = json!("before:3");
        payload["ResourceProperties"]["TaskDefinition"] = json!("after");
        let Received::Request(request) = Received::of(&payload) else {
            panic!("a request")
        };
        let Plan::Run(run) = Plan::for_request(&request, MEANS) else {
            panic!("a run")
        };
        assert_eq!(
            (run.earlier.clusters, run.earlier.families),
            (
                expected.iter().map(|name| (*name).to_owned()).collect(),
                vec!["after".to_owned(), "before".to_owned()]
            )
        );
    }
}

#[test]
fn a_create_has_nothing_before_it() {
    assert!(runs(CREATE, json!({})).earlier.clusters.is_empty());
}

/// A handle with the lifetime of CloudFormation's handles, made when the fixtures were signed.
const HANDLE: &str = "https://cloudformation-waitcondition-us-west-2.s3.us-west-2.amazonaws.com/\
    arn%3Aaws%3Acloudformation/Handle?X-Amz-Date=20261120T101500Z&X-Amz-Expires=43199&X-Amz-Signature=secret";

#[test]
fn a_run_with_a_handle_is_answered_at_once_and_waited_for_as_long_as_the_handle_lives() {
    let run = runs(CREATE, json!({"WaitHandle": HANDLE, "Timeout": "40000"}));
    let at = |seconds| NOW + Duration::seconds(seconds);
    assert_eq!(
        run.limits.deadline(at(0)),
        (at(40_000), Limit::Timeout(40_000))
    );
    assert_eq!(
        run.limits.deadline(at(5_000)),
        (at(43_139), Limit::WaitHandle)
    );
    assert!(
        run.limits.answer_deadline() < at(3600),
        "the start has no more time than ServiceTimeout gives"
    );
    assert!(run.wait_handle.is_some());
}

#[test]
fn a_handle_that_nobody_could_signal_is_refused_with_the_reason() {
    let later = |seconds| Means {
        now: NOW + Duration::seconds(seconds),
        ..MEANS
    };
    for (changes, means, expected) in [
        (
            json!({"WaitHandle": HANDLE}),
            Means {
                remembers: false,
                ..MEANS
            },
            "needs the ledger",
        ),
        (
            json!({"WaitHandle": HANDLE, "Timeout": "43140"}),
            MEANS,
            "set Timeout to at most 43139",
        ),
        (
            json!({"WaitHandle": "https://example.com/"}),
            MEANS,
            "points to example.com",
        ),
        (
            json!({"WaitHandle": HANDLE}),
            later(43_200),
            "WaitHandle expired 1 s ago",
        ),
    ] {
        match plan(CREATE, changes, means) {
            Plan::Refuse(refusal) => assert!(refusal.to_string().contains(expected), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_update_with_a_handle_that_serves_no_more_runs_nothing_and_does_not_fail() {
    let mut payload: Value = serde_json::from_str(UPDATE).unwrap();
    for (old, new, now) in [
        (HANDLE, HANDLE, NOW),
        ("", HANDLE, NOW + Duration::seconds(50_000)),
    ] {
        payload["OldResourceProperties"]["WaitHandle"] = json!(old);
        payload["ResourceProperties"]["WaitHandle"] = json!(new);
        let Received::Request(request) = Received::of(&payload) else {
            panic!("a good request")
        };
        let plan = Plan::for_request(&request, Means { now, ..MEANS });
        assert!(
            matches!(plan, Plan::Skip(Skip::HandleUsed, _, None)),
            "{plan:?}"
        );
    }
    let skipped = plan(
        UPDATE,
        json!({"WaitHandle": HANDLE, "RunOnUpdate": "false"}),
        MEANS,
    );
    assert!(
        matches!(skipped, Plan::Skip(Skip::RunOnUpdateIsFalse, _, Some(_))),
        "{skipped:?}"
    );
}
