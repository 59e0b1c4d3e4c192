use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::outcome::{Awaited, Outcome, Verdict};

const START: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);
const SERVICE: &str = "arn:aws:ecs:us-west-2:123456789012:service/prod/web";
const DEPLOYMENT: &str =
    "arn:aws:ecs:us-west-2:123456789012:service-deployment/prod/web/NCWGC2ZR-taawPAYrIaU5";

fn payload(stage: &str, details: Value) -> Value {
    json!({
        "executionId": "e8d5a28f-eb01-4f3c-9454-a30ba6dc54bc",
        "lifecycleStage": stage,
        "resourceArn": DEPLOYMENT,
        "executionDetails": {
            "serviceArn": SERVICE,
            "targetServiceRevisionArn":
                "arn:aws:ecs:us-west-2:123456789012:service-revision/prod/web/9313423515462893900",
            "testTrafficWeights": {},
            "productionTrafficWeights": {},
        },
        "hookDetails": details,
    })
}

fn hook(details: Value) -> Hook {
    Hook::read(&payload("PRE_SCALE_UP", details))
}

fn details() -> Value {
    json!({"ECSTask": {"Overrides": {"ContainerOverrides": [{"Name": "app", "Command": ["migrate"]}]}}})
}

fn properties(more: Value) -> Properties {
    Properties::read_for_hook(&more).unwrap()
}

fn task(name: &str) -> TaskArn {
    TaskArn(format!(
        "arn:aws:ecs:us-west-2:123456789012:task/prod/{name}"
    ))
}

fn started() -> HookRun {
    let revision = ServiceRevision {
        cluster: "prod".to_owned(),
        created_at: Some(START),
        ..ServiceRevision::default()
    };
    let properties = properties(json!({"Timeout": 100, "StartRetries": 1})).deployed_as(&revision);
    let run =
        HookRun::begin("PRE_SCALE_UP", START).started(vec![task("1")], 0, (&properties, &revision));
    run.timing(&properties, START)
}

fn at(seconds: i64) -> OffsetDateTime {
    START + Duration::seconds(seconds)
}

#[test]
fn an_invocation_names_its_service_and_its_cluster() {
    let hook = hook(details());
    assert_eq!(
        (hook.service_name(), hook.cluster_name()),
        ("web", Some("prod"))
    );
    assert!(hook.properties().is_ok());
}

#[test]
fn an_invocation_that_lacks_a_member_says_which() {
    for name in ["resourceArn", "lifecycleStage"] {
        let mut payload = payload("PRE_SCALE_UP", details());
        payload[name] = Value::Null;
        let reason = Hook::read(&payload).properties().unwrap_err();
        assert_eq!(*reason, texts::hook_lacks(name));
    }
    for name in ["serviceArn", "targetServiceRevisionArn"] {
        let mut payload = payload("PRE_SCALE_UP", details());
        payload["executionDetails"][name] = json!("");
        let reason = Hook::read(&payload).properties().unwrap_err();
        assert_eq!(*reason, texts::hook_lacks(name));
    }
}

#[test]
fn an_older_payload_has_its_members_at_the_top() {
    let mut old = payload("PRE_SCALE_UP", details());
    let inner = old
        .as_object_mut()
        .unwrap()
        .remove("executionDetails")
        .unwrap();
    old.as_object_mut()
        .unwrap()
        .extend(inner.as_object().unwrap().clone());
    assert_eq!(Hook::read(&old), hook(details()));
}

#[test]
fn details_may_be_a_text() {
    let text = json!(details().to_string());
    assert!(hook(text.clone()).properties().is_ok());
    assert_eq!(hook(text).reply_to(None), hook(details()).reply_to(None));
    assert!(hook(json!("no JSON")).properties().is_err());
}

#[test]
fn a_stage_that_ecs_invokes_more_than_once_is_refused() {
    for stage in STAGES {
        let hook = Hook::read(&payload(stage, details()));
        assert!(hook.properties().is_ok(), "{stage}");
    }
    for stage in [
        "TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
        "PRODUCTION_TRAFFIC_SHIFT",
        "BAKE_TIME",
    ] {
        let hook = Hook::read(&payload(stage, details()));
        let reason = hook.properties().unwrap_err().fit(4000);
        assert!(
            reason.contains(stage) && reason.contains("PRE_SCALE_UP"),
            "{reason}"
        );
    }
}

#[test]
fn details_without_a_task_are_refused_with_an_example() {
    for (details, lead) in [
        (json!({}), "HookDetails has no ECSTask"),
        (Value::Null, "HookDetails has no ECSTask"),
        (
            json!({"EcsTask": {}}),
            "HookDetails has EcsTask instead of ECSTask",
        ),
        (json!(7), "HookDetails is not a JSON object in a string"),
        (json!("{"), "HookDetails is not a JSON object in a string"),
    ] {
        let reason = hook(details).properties().unwrap_err().fit(4000);
        assert!(reason.contains(lead), "{reason}");
        assert!(reason.contains(r#"{"ECSTask": {"Overrides""#), "{reason}");
    }
}

/// The token must not change while a deployment goes on, and must differ between deployments,
/// stages and details.
#[test]
fn the_id_rests_on_deployment_stage_and_details_alone() {
    let id = |payload: &Value| Hook::read(payload).reply_to(None).request_id;
    let first = payload("PRE_SCALE_UP", details());
    let mut again = first.clone();
    again["executionId"] = json!("another");
    again["hookDetails"]["Run"] = json!(started());
    assert_eq!(id(&first), id(&again));
    assert!(id(&first).starts_with("NCWGC2ZR-taawPAYrIaU5/"));
    let token = identity::client_token(&id(&first), 12);
    assert!(
        token.len() <= 64 && token.starts_with("NCWGC2ZR"),
        "{token}"
    );

    let mut other_details = first.clone();
    other_details["hookDetails"]["ECSTask"]["Timeout"] = json!(7);
    let mut other_deployment = first.clone();
    other_deployment["resourceArn"] = json!(DEPLOYMENT.replace("NCWG", "XCWG"));
    let other_stage = payload("POST_SCALE_UP", details());
    for other in [other_details, other_deployment, other_stage] {
        assert_ne!(id(&first), id(&other));
    }
}

#[test]
fn all_deployments_of_a_service_share_started_by_at_a_stage() {
    let reply_to = hook(details()).reply_to(None);
    let mut later = payload("PRE_SCALE_UP", json!({"ECSTask": {}}));
    later["resourceArn"] = json!(DEPLOYMENT.replace("NCWG", "XCWG"));
    let later = Hook::read(&later).reply_to(None);
    assert_eq!(reply_to.started_by(), later.started_by());
    assert_ne!(reply_to.request_id, later.request_id);
}

#[test]
fn an_answer_in_progress_brings_all_details_back() {
    let mut details = details();
    details["other"] = json!(1);
    let status = HookStatus::InProgress(Box::new(started()));
    let answer = hook(details.clone()).answer(&status, at(1));
    assert_eq!(answer["hookStatus"], "IN_PROGRESS");
    assert_eq!(answer["hookDetails"]["ECSTask"], details["ECSTask"]);
    assert_eq!(answer["hookDetails"]["other"], 1);
    assert_eq!(answer["hookDetails"]["Run"]["tasks"], json!([task("1")]));
    // ECS gives them to the next invocation.
    let next = hook(answer["hookDetails"].clone());
    assert_eq!(next.run, Some(started()));
    assert_eq!(next.reply_to(None), hook(details).reply_to(None));
}

#[test]
fn a_failed_start_keeps_its_whole_reason_for_the_next_invocation() {
    let reason = texts::no_revision("arn:revision", None);
    let reason = reason.about("unknown-refusal").said(Some("Something new"));
    assert!(reason.unknown().is_some());
    let run = HookRun::begin("PRE_SCALE_UP", START).failing(reason.clone());
    let answer = hook(details()).answer(&HookStatus::InProgress(Box::new(run)), at(1));
    let next = hook(answer["hookDetails"].clone()).run.unwrap();
    assert_eq!(next.failed.as_deref(), Some(&reason));
}

/// Otherwise a hook at two stages would take the end of the first run for that of the second.
#[test]
fn a_state_of_another_stage_is_not_this_runs() {
    let mut details = details();
    details["Run"] = json!(started());
    let other = Hook::read(&payload("POST_SCALE_UP", details));
    assert_eq!(other.run, None);
}

#[test]
fn a_state_of_another_version_counts_as_lost() {
    let mut run = json!(started());
    run["version"] = json!(2);
    for run in [run, json!("x"), json!({}), Value::Null] {
        let mut details = details();
        details["Run"] = run;
        assert_eq!(hook(details).run, None);
    }
}

#[test]
fn the_looks_are_frequent_in_the_first_minute_and_reach_the_deadline() {
    for (seconds, delay) in [
        (0, 5),
        (59, 5),
        (60, 15),
        (80, 15),
        (90, 11),
        (99, 2),
        (100, 1),
        (300, 1),
    ] {
        assert_eq!(started().delay(at(seconds)), delay, "after {seconds} s");
    }
    let stopping = HookRun {
        timed_out: Some(TimedOut {
            at: at(100),
            limit: Limit::Timeout(100),
            running: String::new(),
            container: None,
            task: None,
            trouble: None,
            at_deadline: Default::default(),
        }),
        ..started()
    };
    assert_eq!(stopping.delay(at(110)), 5);
    let properties = properties(json!({"Timeout": 100}));
    let wait = stopping.wait(&properties, hook(details()).reply_to(None));
    assert_eq!(wait.deadline, at(100) + STOP_PATIENCE);
}

#[test]
fn a_look_carries_its_facts_to_the_next_one() {
    let properties = properties(json!({"Timeout": 100}));
    let mut wait = started().wait(&properties, hook(details()).reply_to(None));
    let over = Outcome::Over {
        verdict: Verdict::Succeeded,
        awaited: Awaited::Codes,
    };
    wait.step(&over, at(10), at(1000), 0.0);
    let definition = TaskDefinition {
        arn: "web:7".to_owned(),
        ..TaskDefinition::default()
    };
    let run = started().seen(wait, Some(&definition));
    let next = run.wait(&properties, hook(details()).reply_to(None));
    assert_eq!(next.over_since, Some(at(10)));
    assert_eq!(next.definition.unwrap().arn, "web:7");
}

#[test]
fn a_run_that_never_ran_starts_anew_within_retries_and_timeout() {
    let properties = properties(json!({"Timeout": 100, "StartRetries": 1}));
    let anew = started().anew(&properties, at(20)).unwrap();
    assert_eq!((anew.attempt, anew.retries, anew.tasks.len()), (1, 1, 0));
    assert!(!anew.is_started(&properties));
    // Timeout counts from the first start.
    let again = anew.timing(&properties, at(30));
    assert_eq!(again.deadline, Some(at(100)));
    assert_eq!(again.anew(&properties, at(40)), None);
    assert_eq!(started().anew(&properties, at(100)), None);
}

#[test]
fn a_start_is_tried_again_for_a_minute_and_never_past_timeout() {
    let run = HookRun::begin("PRE_SCALE_UP", START);
    for (timeout, seconds, later, again) in [
        (290, 59, true, true),
        (290, 60, false, true),
        (290, 290, false, false),
        (5, 4, true, true),
        (5, 5, false, true),
        (5, 60, false, false),
    ] {
        let properties = properties(json!({"Timeout": timeout}));
        let now = at(seconds);
        assert_eq!(
            (
                run.may_start_later(now, &properties),
                run.may_ask_again(now, &properties)
            ),
            (later, again),
            "{seconds} s of {timeout} s"
        );
    }
}

#[test]
fn neither_state_nor_debug_shows_an_environment_value() {
    let secret = json!({"ECSTask": {"Overrides": {"ContainerOverrides": [
        {"Name": "app", "Environment": [{"Name": "PASSWORD", "Value": "hunter2"}]},
    ]}}});
    let hook = hook(secret);
    assert!(!format!("{hook:?}").contains("hunter2"));
    assert!(!json!(started()).to_string().contains("hunter2"));
}

#[test]
fn the_subject_fits_into_a_message() {
    let subject = texts::hook_subject("web", "prod", &"caf\u{e9} ".repeat(40));
    assert!(subject.len() <= 100 && subject.is_ascii(), "{subject}");
    assert!(
        subject.starts_with("Deployment of web on prod failed: caf?"),
        "{subject}"
    );
}
