//! What Lambda hands over, before anything reads it.

use lambda_runtime::LambdaInvocation;
use serde_json::Value;

/// A payload that is no JSON becomes a JSON text: the runtime would fail the invocation, and Lambda repeat
/// it, for something that no repetition mends.
pub fn readable(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if serde_json::from_slice::<Value>(&invocation.body).is_err() {
        invocation.body = Value::from(String::from_utf8_lossy(&invocation.body)).to_string().into();
    }
    invocation
}
