//! What AWS says when a call is not permitted, taken apart: which action, on what, by whom.
//!
//! AWS's sentence is no documented format: what cannot be found in it is left out, and the operation that was
//! called stands in for the action.

use crate::call::CallError;

/// The one thing to allow, and to whom; none for an error that is no denial.
pub(super) fn allowance(error: &CallError) -> Option<String> {
    if !error.is_denied() {
        return None;
    }
    let action = after(&error.message, "to perform: ").unwrap_or(error.operation);
    let on = after(&error.message, "on resource: ").map_or_else(String::new, |on| format!(" on {on}"));
    let role = after(&error.message, ":assumed-role/")
        .and_then(|role| role.split('/').next())
        .map_or_else(|| "the function's role".to_owned(), |role| format!("the function's role {role}"));
    Some(format!("Grant {action}{on} to {role}"))
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
            allowance(&CallError {
                operation: "ecs:RunTask",
                code: "AccessDeniedException".to_owned(),
                message: message.to_owned(),
                kind: CallErrorKind::Denied,
            })
        };
        assert_eq!(
            denied(message).as_deref(),
            Some(
                "Grant iam:PassRole on arn:aws:iam::123456789012:role/app to the function's role \
                 ecsTasks-role"
            )
        );
        assert_eq!(
            denied("User is not authorized").as_deref(),
            Some("Grant ecs:RunTask to the function's role")
        );
    }
}
