//! A failed AWS call, in the one form that the rest of the crate decides on.
//!
//! Pure: `aws` makes it from the SDK's errors.

use crate::failures::{self, Retry};

/// A failed call. Displays as `operation: Code: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub struct CallError {
    /// The operation, spelt as in an IAM action: `ecs:RunTask`.
    pub operation: &'static str,
    /// AWS's error code, or the transport error if no answer came.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// The kind of the error, which decides whether another attempt makes sense.
    pub kind: CallErrorKind,
}

/// The kinds of errors, by whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// Throttling, 5xx, a time-out, a broken connection: the same call may work later. This one may
    /// have taken effect.
    Transient,
    /// The role has no permission. IAM is eventually consistent, so a role that is seconds old may
    /// have it soon.
    Denied,
    /// The same call fails every time.
    Final,
}

impl CallError {
    /// The error of a service that accepted the call and refused a part of it.
    pub fn refused(operation: &'static str, why: &str) -> Self {
        Self {
            operation,
            code: "Refused".to_owned(),
            message: why.to_owned(),
            kind: CallErrorKind::Final,
        }
    }

    /// The error of a service that accepted the call and had no capacity for a part of it.
    pub fn throttled(operation: &'static str) -> Self {
        Self {
            operation,
            code: "ThrottlingException".to_owned(),
            message: "AWS processed only a part of the request".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// The error of a call that got no answer within its time limit.
    pub fn no_answer(operation: &'static str) -> Self {
        Self {
            operation,
            code: "TimeoutError".to_owned(),
            message: "no answer in time".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// The error of a call whose answer lacks what was asked for.
    pub fn unreadable(operation: &'static str, lacks: &str) -> Self {
        Self {
            operation,
            code: "Unreadable".to_owned(),
            message: format!("the answer has no {lacks}"),
            kind: CallErrorKind::Transient,
        }
    }

    /// The error of a call that a bug in this function interrupted.
    pub fn own_fault() -> Self {
        Self {
            operation: "ecs-tasks",
            code: "InternalError".to_owned(),
            message: "the function's log says where".to_owned(),
            kind: CallErrorKind::Final,
        }
    }

    /// The error of a task that ECS lists but cannot describe yet.
    pub fn not_known_yet() -> Self {
        Self {
            operation: "ecs:DescribeTasks",
            code: "MISSING".to_owned(),
            message: "a task that ECS lists cannot be described yet".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// The error of a call that another delivery of the same request is making.
    pub fn being_made(operation: &'static str) -> Self {
        Self {
            operation,
            code: "Pending".to_owned(),
            message: "another delivery of this request is making the call".to_owned(),
            kind: CallErrorKind::Transient,
        }
    }

    /// True if the call was RunTask or StartTask.
    pub fn is_of_start(&self) -> bool {
        matches!(self.operation, "ecs:RunTask" | "ecs:StartTask")
    }

    /// True if the same call may work later.
    pub fn is_transient(&self) -> bool {
        self.kind == CallErrorKind::Transient
    }

    /// True if AWS throttled the call.
    pub fn is_throttled(&self) -> bool {
        is_throttling(&self.code) || is_wrapped_throttle(&self.code, &self.message)
    }

    /// Returns what the catalogue says about another attempt at a start that failed with this
    /// error.
    pub fn retry(&self) -> Retry {
        failures::of_call(&self.code, &self.message).entry.retry
    }

    /// True if the role has no permission for the call.
    pub fn is_denied(&self) -> bool {
        self.kind == CallErrorKind::Denied
    }

    /// True if AWS's error code is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

/// True if a service behind ECS throttled ECS's call. RunTask reports that as
/// InvalidParameterException.
pub(crate) fn is_wrapped_throttle(code: &str, message: &str) -> bool {
    code == "InvalidParameterException"
        && failures::of_call(code, message).entry.retry == Retry::Throttled
}

/// True if the text names a throttling error.
pub(crate) fn is_throttling(text: &str) -> bool {
    [
        // Only a part of the name: services say Throttling, ThrottlingException,
        // ThrottledException.
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
    /// The kind for AWS's error code and the HTTP status, `None` if no answer came.
    pub fn of(code: &str, status: Option<u16>) -> Self {
        // Services differ: most say AccessDeniedException, S3 AccessDenied, EC2
        // UnauthorizedOperation.
        if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" {
            return Self::Denied;
        }
        match status {
            // The code comes first: ECS and DynamoDB throttle with HTTP status 400.
            _ if is_throttling(code) || code == "RequestTimeout" => Self::Transient,
            // A success that cannot be read, such as a proxy's page, says nothing about the call.
            Some(200..=299 | 429 | 500..=599) | None => Self::Transient,
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
            (
                "ProvisionedThroughputExceededException",
                400,
                CallErrorKind::Transient,
            ),
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
