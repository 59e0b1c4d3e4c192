//! Routes each call to its service, by path, header or form, as AWS's SDKs and CloudFormation's PUT
//! address it.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    super::{
        protocol::{AwsError, Fault, answer, json_response, status_code, xml_error, xml_response},
        service::cloudformation::WAIT_CONDITION_PATH,
    },
    Stage,
};

/// DynamoDB's name in the header that names a service and an operation.
const DYNAMODB: &str = "DynamoDB_20120810";

pub(super) async fn serve(
    State(stage): State<Arc<Stage>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    if method == Method::PUT && path.starts_with("/response/") {
        return match stage.note("PUT", Value::Null) {
            Some(Fault::Error(status, ..)) => status_code(status).into_response(),
            _ => stage.cloudformation.take_answer(path, &headers, &body),
        };
    }
    if method == Method::PUT && path.starts_with(WAIT_CONDITION_PATH) {
        return match stage.note("PUT signal", Value::Null) {
            Some(Fault::Error(status, ..)) => status_code(status).into_response(),
            _ => stage.cloudformation.take_signal(path, &headers, &body),
        };
    }
    let json_body = || serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    if let Some((service, operation)) = target.and_then(|target| target.split_once('.')) {
        return json_call(&stage, service, operation, &json_body());
    }
    if let Some(function) = path
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|rest| rest.strip_suffix("/invocations"))
    {
        if let Some(fault) = stage.note("Invoke", json_body()) {
            return fault.into_json();
        }
        let function = percent_encoding::percent_decode_str(function)
            .decode_utf8_lossy()
            .into_owned();
        return stage.lambda.invoke(&function, &headers, body);
    }
    if method == Method::PUT && path.starts_with("/_index_template/") {
        return match stage.note("_index_template", json_body()) {
            Some(fault) => fault.into_json(),
            None => json_response(StatusCode::OK, &json!({ "acknowledged": true })),
        };
    }
    if path == "/_bulk" {
        return match stage.note("_bulk", Value::Null) {
            Some(fault) => fault.into_json(),
            None => answer(stage.opensearch.bulk(&body)),
        };
    }
    query_call(&stage, path, &body)
}

/// Answers a call in AWS's JSON protocol.
fn json_call(stage: &Stage, service: &str, operation: &str, body: &Value) -> Response {
    if let Some(fault) = stage.note_call(operation, body.clone(), service == DYNAMODB) {
        return fault.into_json();
    }
    answer(match service {
        "AmazonEC2ContainerServiceV20141113" => stage.ecs.call(operation, body),
        "Logs_20140328" => stage.logs.call(operation, body),
        DYNAMODB => stage.dynamodb.call(operation, body),
        _ => Err(AwsError::unknown_operation(operation)),
    })
}

/// Answers a call in the query protocol.
fn query_call(stage: &Stage, path: &str, body: &Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let action = form.get("Action").map_or("", String::as_str);
    if let Some(Fault::Error(status, code, message)) = stage.note(action, json!(form)) {
        return xml_error(status, code, message);
    }
    let xml = match action {
        "DescribeStacks" => stage
            .cloudformation
            .describe_stacks(form.get("StackName").map_or("", String::as_str)),
        "Publish" => stage.sns.publish(&form),
        _ => return AwsError::unknown_operation(path).into_json(),
    };
    match xml {
        Ok(xml) => xml_response(xml),
        Err(error) => xml_error(400, error.code, &error.message),
    }
}
