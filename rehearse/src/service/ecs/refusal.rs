//! The most common refusal of ECS.

use crate::protocol::AwsError;

/// An InvalidParameterException with this message.
pub(super) fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}
