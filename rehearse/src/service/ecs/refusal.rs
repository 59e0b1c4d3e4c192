//! The refusal that most of ECS's calls share.

use crate::protocol::AwsError;

/// A request that ECS refuses for one of its parameters.
pub(super) fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}
