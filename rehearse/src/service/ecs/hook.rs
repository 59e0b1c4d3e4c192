//! A lifecycle hook of a service, and what follows from its answer. Pure.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html>

use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Map, Value};

/// The stages of a deployment that have hooks, in AWS's order.
pub const LIFECYCLE_STAGES: [&str; 8] = [
    RECONCILE_SERVICE,
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
];
/// The stage of a deployment that finds more than one revision active. Deployments on the stage
/// follow each other, so none does.
const RECONCILE_SERVICE: &str = "RECONCILE_SERVICE";
/// The delay between two invocations, in seconds, if the answer gives none.
const DELAY: f64 = 30.0;
/// A delay on the stage is this part of AWS's.
const SHORTENED: f64 = 0.1;
/// The default of TimeoutInMinutes.
const TIMEOUT_IN_MINUTES: u64 = 1440;

/// A hook of a service.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    /// The function's ARN; `None` for a pause.
    pub(super) target: Option<String>,
    stages: Vec<String>,
    /// The details for the next invocation.
    pub(super) details: Option<Map<String, Value>>,
    timeout: Duration,
    /// True if the deployment goes on after the timeout.
    continues: bool,
}

/// The consequence of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// The stage is over for this hook.
    Succeeded,
    /// The same, because its timeout has passed.
    Continued,
    /// ECS invokes it again after this time.
    Again(Duration),
    /// ECS rolls the deployment back. Holds the problem.
    Failed(String),
}

/// The stages at which one of these hooks is invoked, in AWS's order.
pub(super) fn stages(hooks: &[Hook]) -> Vec<&'static str> {
    let is_played =
        |stage: &&str| *stage != RECONCILE_SERVICE && hooks.iter().any(|hook| hook.is_at(stage));
    LIFECYCLE_STAGES.into_iter().filter(is_played).collect()
}

/// The object in a hook's details, which are JSON in a text. `Err` says what they must be.
pub fn hook_details(given: &Value) -> Result<Option<Map<String, Value>>, String> {
    match given {
        Value::Null => Ok(None),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Object(details)) => Ok(Some(details)),
            Ok(_) => Err("must be a string that contains a JSON object".to_owned()),
            Err(error) => Err(format!("is not JSON: {error}")),
        },
        _ => Err(
            "must be a string that contains JSON, and here is an object or a list: write it as text below HookDetails: |"
                .to_owned(),
        ),
    }
}

impl Hook {
    /// The hooks of a service, in ECS's spelling.
    pub(super) fn all_of(service: &Value) -> Vec<Self> {
        let hooks = service["deploymentConfiguration"]["lifecycleHooks"].as_array();
        hooks.into_iter().flatten().map(Self::read).collect()
    }

    fn read(hook: &Value) -> Self {
        let timeout = &hook["timeoutConfiguration"];
        let minutes = timeout["timeoutInMinutes"].as_u64();
        let stages = hook["lifecycleStages"].as_array().into_iter().flatten();
        let target = hook["hookTargetArn"].as_str().map(str::to_owned);
        Self {
            target: target.filter(|_| hook["targetType"] != "PAUSE"),
            stages: stages
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            details: hook_details(&hook["hookDetails"]).unwrap_or_default(),
            timeout: Duration::from_secs(60 * minutes.unwrap_or(TIMEOUT_IN_MINUTES)),
            continues: timeout["action"] == "CONTINUE",
        }
    }

    pub(super) fn is_at(&self, stage: &str) -> bool {
        self.stages.iter().any(|one| one == stage)
    }

    /// Takes the answer to an invocation; `Err` is a failed one. `elapsed` is the time since the
    /// first invocation at this stage.
    pub(super) fn take(
        &mut self,
        stage: &str,
        answer: &Result<Bytes, String>,
        elapsed: Duration,
    ) -> Step {
        let hook = format!("the lifecycle hook at {stage}");
        let Ok(answer) = answer else {
            return Step::Failed(format!("the invocation of {hook} failed"));
        };
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        match answer["hookStatus"].as_str() {
            Some("SUCCEEDED") => Step::Succeeded,
            Some("FAILED") => Step::Failed(format!("{hook} returned FAILED")),
            Some("IN_PROGRESS") => {
                if let Some(given) = answer["hookDetails"].as_object() {
                    self.details.get_or_insert_default().extend(given.clone());
                }
                let left = self.timeout.saturating_sub(elapsed);
                let minutes = self.timeout.as_secs() / 60;
                let delay = answer["callBackDelay"].as_f64().unwrap_or(DELAY).max(0.0);
                match (left.is_zero(), self.continues) {
                    (false, _) => Step::Again(left.min(Duration::from_secs_f64(delay * SHORTENED))),
                    (true, true) => Step::Continued,
                    (true, false) => {
                        Step::Failed(format!("{hook} took longer than {minutes} minutes"))
                    }
                }
            }
            _ => Step::Failed(format!("{hook} returned no valid hookStatus")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(hook: Value) -> Hook {
        Hook::read(&hook)
    }

    #[track_caller]
    fn check(hook: &mut Hook, answer: Value, seconds: u64, expected: Step) {
        let answer = Ok(answer.to_string().into());
        let elapsed = Duration::from_secs(seconds);
        assert_eq!(hook.take("PRE_SCALE_UP", &answer, elapsed), expected);
    }

    fn failed(problem: &str) -> Step {
        Step::Failed(problem.to_owned())
    }

    #[test]
    fn stages_come_in_awss_order_and_only_those_with_hooks() {
        let at = |stages: Value| hook(json!({ "lifecycleStages": stages }));
        let hooks = [
            at(json!(["POST_PRODUCTION_TRAFFIC_SHIFT", "PRE_SCALE_UP"])),
            at(json!([
                "RECONCILE_SERVICE",
                "POST_SCALE_UP",
                "PRE_SCALE_UP"
            ])),
        ];
        let expected = [
            "PRE_SCALE_UP",
            "POST_SCALE_UP",
            "POST_PRODUCTION_TRAFFIC_SHIFT",
        ];
        assert_eq!(stages(&hooks), expected);
    }

    #[test]
    fn an_answer_ends_the_stage_or_the_deployment() {
        let hook = &mut hook(json!({}));
        check(hook, json!({"hookStatus": "SUCCEEDED"}), 0, Step::Succeeded);
        let problem = "the lifecycle hook at PRE_SCALE_UP returned FAILED";
        check(hook, json!({"hookStatus": "FAILED"}), 0, failed(problem));
        let problem = "the lifecycle hook at PRE_SCALE_UP returned no valid hookStatus";
        for answer in [
            json!(null),
            json!({"hookStatus": "DONE"}),
            json!("SUCCEEDED"),
        ] {
            check(hook, answer, 0, failed(problem));
        }
        let problem = failed("the invocation of the lifecycle hook at PRE_SCALE_UP failed");
        let crashed = Err("Runtime exited".to_owned());
        assert_eq!(hook.take("PRE_SCALE_UP", &crashed, Duration::ZERO), problem);
    }

    #[test]
    fn the_delay_is_a_tenth_of_awss() {
        let hook = &mut hook(json!({}));
        let again = |millis: u64| Step::Again(Duration::from_millis(millis));
        check(hook, json!({"hookStatus": "IN_PROGRESS"}), 0, again(3000));
        check(
            hook,
            json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 5}),
            0,
            again(500),
        );
    }

    #[test]
    fn the_timeout_ends_the_deployment_or_the_stage() {
        let timeout = |action: Value| json!({"timeoutConfiguration": {"timeoutInMinutes": 2, "action": action}});
        let going_on = || json!({"hookStatus": "IN_PROGRESS"});
        let problem = failed("the lifecycle hook at PRE_SCALE_UP took longer than 2 minutes");
        check(&mut hook(timeout(Value::Null)), going_on(), 120, problem);
        check(
            &mut hook(timeout("CONTINUE".into())),
            going_on(),
            120,
            Step::Continued,
        );
        let last = Step::Again(Duration::from_secs(1));
        check(&mut hook(timeout(Value::Null)), going_on(), 119, last);
        check(
            &mut hook(json!({})),
            going_on(),
            86_400 - 60,
            Step::Again(Duration::from_secs(3)),
        );
    }

    #[test]
    fn details_are_merged_member_by_member() {
        let hook =
            &mut hook(json!({"hookDetails": r#"{"ECSTask": {"Count": 1}, "Run": {"a": 1}}"#}));
        let details = json!({"Run": {"b": 2}, "more": true});
        let answer =
            json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 0, "hookDetails": details});
        check(hook, answer, 0, Step::Again(Duration::ZERO));
        let expected = json!({"ECSTask": {"Count": 1}, "Run": {"b": 2}, "more": true});
        assert_eq!(hook.details.as_ref(), expected.as_object());
    }

    #[test]
    fn details_are_json_in_a_text_or_absent() {
        let object = json!({"ECSTask": {}});
        let details = |given: &Value| hook_details(given).map(|details| json!(details));
        assert_eq!(details(&object.to_string().into()), Ok(object.clone()));
        for (wrong, problem) in [
            (json!("{"), "is not JSON: EOF while parsing"),
            (json!("[]"), "must be a string that contains a JSON object"),
            (json!([]), "must be a string that contains JSON"),
            (object, "must be a string that contains JSON"),
        ] {
            let told = details(&wrong).unwrap_err();
            assert!(told.starts_with(problem), "{wrong}: {told}");
        }
        assert_eq!(hook(json!({})).details, None);
    }
}
