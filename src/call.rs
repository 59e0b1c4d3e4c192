//! An AWS call that failed, in the one form that everything here reasons about.
//!
//! Pure: `aws` makes it from the SDK's errors.

use crate::failures::{self, Retry};

/// A call that failed. Displays as `operation: Code: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub struct CallError {
    /// The operation, spelt as in an IAM action: `ecs:RunTask`.
    pub operation: &'static str,
    /// AWS's error code, or what kept the call from an answer.
    pub code: String,
    /// AWS's words.
    pub message: String,
    /// What can be done about it.
    pub kind: CallErrorKind,
}

/// What can be done about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// Throttling, 5xx, a time-out, a connection cut: the same call may work later, and may have worked this
    /// time.
    Transient,
    /// Not permitted; a role that is seconds old may be, soon.
    Denied,
    /// It will never work like this.
    Final,
}

impl CallError {
    /// A service took the call and refused a part of it.
    pub fn refused(operation: &'static str, why: &str) -> Self {
        Self { operation, code: "Refused".to_owned(), message: why.to_owned(), kind: CallErrorKind::Final }
    }

    /// A service took the call, and left a part of it undone for want of capacity.
    pub fn throttled(operation: &'static str) -> Self {
        Self {
            operation,
            code: "ThrottlingException".to_owned(),
            message: "a part was left undone".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// No answer came in the time that there was.
    pub fn no_answer(operation: &'static str) -> Self {
        Self {
            operation,
            code: "TimeoutError".to_owned(),
            message: "no answer in time".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// A bug of ours kept the call from its answer.
    pub fn own_fault() -> Self {
        Self {
            operation: "ecs-tasks",
            code: "InternalError".to_owned(),
            message: "the function's log says where".to_owned(),
            kind: CallErrorKind::Final,
        }
    }

    /// A task is listed and cannot be described yet.
    pub fn not_known_yet() -> Self {
        Self {
            operation: "ecs:DescribeTasks",
            code: "MISSING".to_owned(),
            message: "a task that ECS lists cannot be described yet".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// Another delivery of the same request is making this call.
    pub fn being_made(operation: &'static str) -> Self {
        Self {
            operation,
            code: "Pending".to_owned(),
            message: "another delivery of this request is making the call".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// Whether it was to start tasks.
    pub fn is_of_start(&self) -> bool {
        matches!(self.operation, "ecs:RunTask" | "ecs:StartTask")
    }

    /// Whether the same call may work later.
    pub fn is_transient(&self) -> bool {
        self.kind == CallErrorKind::Transient
    }

    /// Whether there were too many calls at once.
    pub fn is_throttled(&self) -> bool {
        is_throttling(&self.code) || is_wrapped_throttle(&self.code, &self.message)
    }

    /// Whether the same start may work later, as far as the catalogue knows the error.
    pub fn retry(&self) -> Retry {
        failures::of_call(&self.code, &self.message).entry.retry
    }

    /// Whether it was not permitted.
    pub fn is_denied(&self) -> bool {
        self.kind == CallErrorKind::Denied
    }

    /// Whether AWS's error code is this one.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

/// Whether a service that ECS has called for us refused that for its rate: RunTask reports it as a parameter
/// that is not valid.
pub(crate) fn is_wrapped_throttle(code: &str, message: &str) -> bool {
    code == "InvalidParameterException" && failures::of_call(code, message).entry.retry == Retry::Throttled
}

/// Whether a text names an error that refuses a call for its rate.
pub(crate) fn is_throttling(text: &str) -> bool {
    [
        "Throttl",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "ProvisionedThroughputExceeded",
    ]
    .iter()
    .any(|name| text.contains(name))
}

impl CallErrorKind {
    /// By AWS's error code and the HTTP status.
    pub fn of(code: &str, status: Option<u16>) -> Self {
        if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" {
            return Self::Denied;
        }
        match status {
            _ if is_throttling(code) || code == "RequestTimeout" => Self::Transient,
            Some(429 | 500..=599) | None => Self::Transient,
            Some(_) => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_say_what_can_be_done() {
        for (code, status, kind) in [
            ("ThrottlingException", 400, CallErrorKind::Transient),
            ("Throttling", 400, CallErrorKind::Transient),
            ("TooManyRequestsException", 429, CallErrorKind::Transient),
            ("ProvisionedThroughputExceededException", 400, CallErrorKind::Transient),
            ("ServerException", 500, CallErrorKind::Transient),
            ("HTTP 503", 503, CallErrorKind::Transient),
            ("AccessDeniedException", 400, CallErrorKind::Denied),
            ("AccessDenied", 403, CallErrorKind::Denied),
            ("ClusterNotFoundException", 400, CallErrorKind::Final),
            ("InvalidParameterException", 400, CallErrorKind::Final),
        ] {
            assert_eq!(CallErrorKind::of(code, Some(status)), kind, "{code}");
        }
    }
}
