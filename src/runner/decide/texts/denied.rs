//! What AWS says when a call is not permitted, taken apart: which action, on what, by whom.
//!
//! AWS's sentence is no documented format: what cannot be found in it is left out, and the operation that was
//! called stands in for the action.

use crate::{call::CallError, reason::ROLE_OF_FUNCTION};

/// A denial, as far as AWS's sentence says.
pub(super) struct Denial {
    /// The one thing to allow, and to whom.
    pub(super) allow: String,
    /// Whether the sentence says nothing beyond that.
    pub(super) is_all: bool,
}

/// What is to be allowed; none for an error that is no denial.
pub(super) fn denial(error: &CallError) -> Option<Denial> {
    if !error.is_denied() {
        return None;
    }
    let message = &error.message;
    let action = after(message, "to perform: ");
    let resource = after(message, "on resource: ");
    let on = resource.map_or_else(String::new, |on| format!(" on {on}"));
    // Lambda names the session after the function.
    let session = after(message, ":assumed-role/").and_then(|role| role.split_once('/'));
    let whom = match session {
        Some((role, function)) => format!("role {role} of function {function}"),
        None => ROLE_OF_FUNCTION.to_owned(),
    };
    let is_all = action.is_some() && session.is_some() && !message.contains("explicit deny");
    Some(Denial { allow: format!("Grant {}{on} to {whom}", action.unwrap_or(error.operation)), is_all })
}

/// The word after these words.
fn after<'m>(message: &'m str, words: &str) -> Option<&'m str> {
    let word = message.split_once(words)?.1.split_whitespace().next()?;
    Some(word.trim_end_matches(['.', ',', '\'', '"']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallErrorKind;

    #[test]
    fn the_one_action_its_resource_and_the_role_are_named() {
        let message = "User: arn:aws:sts::123456789012:assumed-role/ecsTasks-role/ecsTasks is not authorized \
                       to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/app because no \
                       identity-based policy allows the iam:PassRole action";
        let denied = |message: &str| {
            denial(&CallError {
                operation: "ecs:RunTask",
                code: "AccessDeniedException".to_owned(),
                message: message.to_owned(),
                kind: CallErrorKind::Denied,
            })
            .map(|denial| denial.allow)
        };
        assert_eq!(
            denied(message).as_deref(),
            Some(
                "Grant iam:PassRole on arn:aws:iam::123456789012:role/app to role ecsTasks-role of function \
                 ecsTasks"
            )
        );
        assert_eq!(
            denied("User is not authorized").as_deref(),
            Some("Grant ecs:RunTask to the role of the function")
        );
    }
}
