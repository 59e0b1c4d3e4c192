//! The payload of an invocation, before anything reads it.

use lambda_runtime::LambdaInvocation;
use serde_json::Value;

/// Turns a payload that is not JSON into a JSON text. Otherwise the runtime would fail the
/// invocation, and Lambda would repeat it, although no repetition can help.
pub fn readable(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if serde_json::from_slice::<Value>(&invocation.body).is_err() {
        invocation.body = Value::from(String::from_utf8_lossy(&invocation.body))
            .to_string()
            .into();
    }
    invocation
}
