//! Answers of all services, as JSON or as the query protocol's XML, and the lock on their state.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::config::random_uuid;

/// An answer that a test puts in place of the stage's own.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error of AWS with this HTTP status, code and message.
    Error(u16, &'static str, &'static str),
    /// An answer with HTTP status 200 and this body, for JSON operations.
    Answer(Value),
}

/// Turns a service's result into JSON.
pub(super) fn answer(result: Result<Value, AwsError>) -> Response {
    match result {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(error) => error.into_json(),
    }
}

/// An error of one of the stage's services.
#[derive(Debug)]
pub struct AwsError {
    /// Its code, such as `ConflictException`.
    pub code: &'static str,
    /// The message for a person.
    pub message: String,
    /// Further members, such as `resourceIds`.
    pub members: Vec<(&'static str, Value)>,
}

impl AwsError {
    /// An error without further members.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            members: Vec::new(),
        }
    }

    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("the stage does not play {operation}"),
        )
    }

    /// The body of an answer in AWS's JSON protocol.
    pub fn body(&self) -> Value {
        let mut body = json!({ "__type": self.code, "message": self.message });
        for (name, value) in &self.members {
            body[*name] = value.clone();
        }
        body
    }

    pub(super) fn into_json(self) -> Response {
        json_response(StatusCode::BAD_REQUEST, &self.body())
    }
}

impl Fault {
    pub(super) fn into_json(self) -> Response {
        match self {
            Self::Answer(body) => json_response(StatusCode::OK, &body),
            Self::Error(status, code, message) => {
                let mut response = json_response(
                    status_code(status),
                    &json!({ "__type": code, "message": message }),
                );
                // The SDKs look for the code in this header before they look into the body.
                if let Ok(code) = code.parse() {
                    response.headers_mut().insert("x-amzn-errortype", code);
                }
                response
            }
        }
    }
}

pub(super) fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(CONTENT_TYPE, "application/x-amz-json-1.1")],
        body.to_string(),
    )
        .into_response()
}

/// An error in the query protocol.
pub(super) fn xml_error(status: u16, code: &str, message: &str) -> Response {
    let xml = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        random_uuid()
    );
    (status_code(status), [(CONTENT_TYPE, "text/xml")], xml).into_response()
}

/// An answer in the query protocol.
pub(super) fn xml_response(xml: String) -> Response {
    ([(CONTENT_TYPE, "text/xml")], xml).into_response()
}

/// Locks a mutex, poisoned or not: a test that panicked with the lock has failed already.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
