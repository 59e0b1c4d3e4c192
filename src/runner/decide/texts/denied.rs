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
    let granted = action.unwrap_or(error.operation);
    let resource = after(message, "on resource: ");
    let on = resource.map_or_else(String::new, |on| format!(" on {}", lasting(on)));
    // Lambda names the session after the function.
    let session = after(message, ":assumed-role/").and_then(|role| role.split_once('/'));
    let whom = match session {
        Some((role, function)) => format!("role {role} of function {function}"),
        None => ROLE_OF_FUNCTION.to_owned(),
    };
    let only = match granted {
        "iam:PassRole" => ", with iam:PassedToService ecs-tasks.amazonaws.com",
        _ => "",
    };
    // A grant to the role does not help where another policy is the limit.
    let limit = LIMITS.iter().find(|(words, _)| message.contains(words));
    let allow = match limit {
        Some((_, policy)) => format!("Allow {granted}{on} to {whom} in {policy}"),
        None => format!("Grant {granted}{on} to {whom}{only}"),
    };
    Some(Denial {
        allow,
        is_all: action.is_some()
            && session.is_some()
            && message.contains("no identity-based policy"),
    })
}

/// The policies that AWS names as the reason for a denial, and the places to change them.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
const LIMITS: [(&str, &str); 6] = [
    ("no permissions boundary allows", "its permissions boundary"),
    ("no session policy allows", "its session policy"),
    (
        "no service control policy allows",
        "a service control policy of the organization",
    ),
    (
        "no resource control policy allows",
        "a resource control policy of the organization",
    ),
    (
        "no VPC endpoint policy allows",
        "the policy of the VPC endpoint that the function uses",
    ),
    ("no resource-based policy allows", "the resource's policy"),
];

/// The resource, or a pattern for it if only one revision or task is named: the next deploy has
/// another.
fn lasting(resource: &str) -> String {
    let part = |at: char| {
        resource
            .rsplit_once(at)
            .map_or(resource, |(before, _)| before)
    };
    let kind = resource.splitn(6, ':').nth(5).unwrap_or_default();
    match kind.split('/').next() {
        Some("task-definition") if kind.contains(':') => format!("{}:*", part(':')),
        Some("task" | "service-revision") => format!("{}/*", part('/')),
        _ => resource.to_owned(),
    }
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
    fn a_grant_lasts_longer_than_one_revision_or_task() {
        let of = "arn:aws:ecs:us-west-2:123456789012";
        for (named, expected) in [
            ("task-definition/app:7", "task-definition/app:*"),
            ("task-definition/app", "task-definition/app"),
            ("task/prod/0123", "task/prod/*"),
            ("service-revision/prod/web/9", "service-revision/prod/web/*"),
            ("cluster/prod", "cluster/prod"),
        ] {
            assert_eq!(
                lasting(&format!("{of}:{named}")),
                format!("{of}:{expected}")
            );
        }
        assert_eq!(lasting("*"), "*");
    }

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
                 ecsTasks, with iam:PassedToService ecs-tasks.amazonaws.com"
            )
        );
        let message = "User: arn:aws:sts::123456789012:assumed-role/ecsTasks-role/ecsTasks is not authorized to \
                       perform: ecs:RunTask on resource: \
                       arn:aws:ecs:us-west-2:123456789012:task-definition/app:7 because no permissions boundary \
                       allows the ecs:RunTask action";
        assert_eq!(
            denied(message).as_deref(),
            Some(
                "Allow ecs:RunTask on arn:aws:ecs:us-west-2:123456789012:task-definition/app:* to role \
                 ecsTasks-role of function ecsTasks in its permissions boundary"
            )
        );
        assert_eq!(
            denied("User is not authorized").as_deref(),
            Some("Grant ecs:RunTask to the role of the function")
        );
    }
}
