//! The SDK's errors as a [`CallError`].

use aws_sdk_ecs::{
    config::http::HttpResponse,
    error::{BuildError, ProvideErrorMetadata, SdkError},
};

use crate::{
    call::{CallError, CallErrorKind, is_wrapped_throttle},
    function::cause::innermost,
};

impl CallError {
    /// Converts the SDK's error, whose own `Display` says no more than "service error".
    pub fn of<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let (code, message) = match &error {
            SdkError::ServiceError(service) => {
                let code = service
                    .err()
                    .code()
                    .map_or_else(|| format!("HTTP {}", status.unwrap_or(0)), str::to_owned);
                (
                    code,
                    service.err().message().unwrap_or("no message").to_owned(),
                )
            }
            SdkError::TimeoutError(_) => {
                ("TimeoutError".to_owned(), "no answer in time".to_owned())
            }
            SdkError::DispatchFailure(_) => ("DispatchFailure".to_owned(), innermost(&error)),
            SdkError::ResponseError(_) => ("ResponseError".to_owned(), innermost(&error)),
            _ => ("ConstructionFailure".to_owned(), innermost(&error)),
        };
        let kind = match &error {
            // Nothing was sent, and the same request cannot be built later either.
            SdkError::ConstructionFailure(_) => CallErrorKind::Final,
            SdkError::ServiceError(_) if is_wrapped_throttle(&code, &message) => {
                CallErrorKind::Transient
            }
            SdkError::ServiceError(_) => CallErrorKind::of(&code, status),
            // No complete answer came, so the call may have taken effect.
            _ => CallErrorKind::Transient,
        };
        Self {
            operation,
            code,
            message,
            kind,
        }
    }

    /// The error of a request that the SDK refuses to build because a required member is missing.
    pub fn unbuilt(operation: &'static str, error: &BuildError) -> Self {
        Self {
            operation,
            code: "BuildError".to_owned(),
            message: error.to_string(),
            kind: CallErrorKind::Final,
        }
    }
}
