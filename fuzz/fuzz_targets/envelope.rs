//! Whatever the function is invoked with: no panic, and an answer wherever one can be given.

#![no_main]

use ecs_tasks::{
    cfn::{MAX_RESPONSE_BYTES, Received, ReplyTo, ResponseUrl},
    reason::Reason,
    runner::decide::answer::Answer,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else { return };
    let text = |name: &str| payload[name].as_str().filter(|text| !text.trim().is_empty());
    let can_be_answered = text("ResponseURL").is_some_and(|url| ResponseUrl::parse(url).is_ok())
        && ["StackId", "RequestId", "LogicalResourceId"].into_iter().all(|name| text(name).is_some());
    match Received::of(&payload) {
        Received::Unanswerable { problem } => {
            assert!(!problem.is_empty() && !can_be_answered, "{problem}");
        }
        Received::Garbled { reply_to, problem } => answers(&reply_to, &problem),
        Received::Request(request) => answers(&request.reply_to, "a reason"),
    }
});

/// An answer names the request that it is to, and CloudFormation reads all of it, unless its own
/// names are too long.
fn answers(reply_to: &ReplyTo, reason: &str) {
    let body = Answer::Failed(Reason::new(reason)).into_body(reply_to);
    let answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
    assert_eq!(answer["Status"], "FAILED");
    assert_eq!(answer["RequestId"], reply_to.request_id.as_str());
    let names = [
        &reply_to.stack_id,
        &reply_to.request_id,
        &reply_to.logical_resource_id,
        &reply_to.physical_resource_id,
    ];
    let escaped: usize =
        names.iter().map(|name| serde_json::to_string(name).map_or(0, |json| json.len())).sum();
    assert!(body.len() <= MAX_RESPONSE_BYTES || escaped > 3000, "{} bytes", body.len());
}
