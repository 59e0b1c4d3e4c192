//! AWS's message about a denied call, taken apart: the action, the resource and the role.
//!
//! AWS does not document the format of the message. Parts that cannot be found are left out, and
//! the operation stands in for the action.

use crate::{call::CallError, reason::ROLE_OF_FUNCTION};

/// A denied call, as far as AWS's message describes it.
pub(super) struct Denial {
    /// The permission to grant, and the role to grant it to.
    pub(super) allow: String,
    /// The message says nothing more.
    pub(super) is_all: bool,
}

/// The permission to grant; `None` if the error is no denial.
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
    Some(Denial {
        allow: format!("Grant {}{on} to {whom}", action.unwrap_or(error.operation)),
        is_all,
    })
}

/// The first word after these words.
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
