//! Names that are derived from a request alone, so that every delivery derives the same ones.

use sha2::{Digest, Sha256};

/// The PhysicalResourceId of a resource that has none yet: `<stack name>-<logical id>-<12 hex
/// digits>`.
///
/// The digits are a digest of the request: two resources never share an id, and two deliveries of
/// one Create always do.
pub fn physical_resource_id(stack_id: &str, logical_resource_id: &str, request_id: &str) -> String {
    let stack_name = stack_id.split('/').nth(1).unwrap_or("stack");
    let digits = digest(&[stack_id, logical_resource_id, request_id], 12);
    let [stack_name, logical_resource_id] = [stack_name, logical_resource_id].map(|part| {
        // CloudFormation limits the two names to 128 and 255 characters. A garbled request can hold
        // longer ones, and an id may have 1 KB.
        part.chars()
            .filter(|char| char.is_ascii_graphic())
            .take(255)
            .collect::<String>()
    });
    format!("{stack_name}-{logical_resource_id}-{digits}")
}

/// The prefix of `startedBy`, so that an event pattern can match all our tasks.
const STARTED_BY_PREFIX: &str = "ecs-tasks/";

/// `startedBy` of every task of one resource: `ecs-tasks/` and 26 hex digits. Together they have
/// the 36 characters that StartTask allows.
///
/// The PhysicalResourceId is no part of it: Delete can arrive with an id that CloudFormation made
/// up. StackId and LogicalResourceId are always the same.
pub fn started_by(stack_id: &str, logical_resource_id: &str) -> String {
    format!(
        "{STARTED_BY_PREFIX}{}",
        digest(&[stack_id, logical_resource_id], 26)
    )
}

/// `clientToken` for one attempt of one request: the RequestId, and from the second attempt on
/// `RequestId-n`.
///
/// ECS allows 64 characters. CloudFormation's RequestIds have 36; a longer one is replaced by its
/// digest.
pub fn client_token(request_id: &str, attempt: u32) -> String {
    // 58 of the 64 characters leave room for the attempt's suffix.
    let fits = request_id.len() <= 58 && request_id.chars().all(|char| char.is_ascii_graphic());
    let base = if fits {
        request_id.to_owned()
    } else {
        digest(&[request_id], 32)
    };
    if attempt == 0 {
        base
    } else {
        format!("{base}-{attempt}")
    }
}

/// The id of a deployment's hook, which takes the place of a RequestId: `<deployment>/<24 hex
/// digits>`. Hooks of one deployment differ in the digits, which are a digest of the deployment's
/// ARN, the stage and the hook's details.
pub fn hook_request_id(deployment: &str, stage: &str, details: &str) -> String {
    let id = deployment.rsplit('/').next().unwrap_or_default();
    format!("{id}/{}", digest(&[deployment, stage, details], 24))
}

/// The deployment of a hook, from its id; `None` for the RequestId of CloudFormation.
pub fn deployment_of(request_id: &str) -> Option<&str> {
    request_id.split_once('/').map(|(deployment, _)| deployment)
}

fn digest(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Each part's length goes first, so that ("ab", "c") and ("a", "bc") have different
        // digests.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut text = hex::encode(hash.finalize());
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str = "arn:aws:cloudformation:us-west-2:123456789012:stack/prod/12947b30";

    #[test]
    fn ids_are_the_same_for_the_same_request_and_differ_else() {
        let id = physical_resource_id(STACK, "Migrate", "r-1");
        assert!(id.starts_with("prod-Migrate-"), "{id}");
        assert_eq!(id, physical_resource_id(STACK, "Migrate", "r-1"));
        assert_ne!(id, physical_resource_id(STACK, "Migrate", "r-2"));
        assert_ne!(started_by("a", "bc"), started_by("ab", "c"));
        assert_eq!(started_by(STACK, "Migrate").len(), 36);
    }

    #[test]
    fn a_token_is_the_request_id_and_counts_attempts() {
        assert_eq!(client_token("720958cb", 0), "720958cb");
        assert_eq!(client_token("720958cb", 2), "720958cb-2");
        assert!(client_token(&"x".repeat(200), 5).len() <= 64);
        assert!(client_token("ä b", 0).is_ascii());
    }

    #[test]
    fn a_garbled_stack_id_still_makes_an_id_within_its_limit() {
        assert!(physical_resource_id("nonsense", "L", "r").starts_with("stack-L-"));
        assert!(physical_resource_id(STACK, &"ü\u{1}x".repeat(5000), "r").len() <= 1024);
    }
}
