//! AWS's own words, cut to their useful part.

/// Links that every message's chain has, and that tell only who called whom.
const FRAMES: [&str; 12] = [
    "error response from daemon",
    "failed to create shim task",
    "failed to create task for container",
    "failed to create new container runtime task",
    "oci runtime create failed",
    "runc create failed",
    "unable to start container process",
    "error during container init",
    "starting container process caused",
    "execution resource retrieval failed",
    "unknown",
    "api error (500)",
];

/// The message without retries, frames and request ids.
pub fn cut(message: &str) -> String {
    let message = without_states(&without_request_ids(&without_queries(message)));
    let links = message.split(": ").filter(|link| {
        let link = link.trim().to_ascii_lowercase();
        let is_frame = FRAMES.contains(&link.as_str()) || link.starts_with("container_linux.go");
        let is_count = link.contains("has been retried") && link.ends_with("time(s)");
        !(link.is_empty() || is_frame || is_count)
    });
    let text = links.map(str::trim).collect::<Vec<_>>().join(": ");
    text.trim().trim_end_matches(['.', ',', ':']).to_owned()
}

/// The message without the queries of addresses: that of a presigned one is a secret.
fn without_queries(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("://") {
        let after = &rest[at..];
        let end = after
            .find(|char: char| char.is_whitespace() || "\"'<>".contains(char))
            .unwrap_or(after.len());
        let address = &after[..end];
        text.push_str(&rest[..at]);
        text.push_str(address.split('?').next().unwrap_or(address));
        rest = &after[end..];
    }
    text + rest
}

/// Names in front of an id or a code that helps only AWS's support. CloudTrail has request ids as
/// well.
const IDS: [&str; 11] = [
    "s3 extended request id: ",
    "x-amz-request-id: ",
    "extended request id: ",
    "request id: ",
    "requestid: ",
    "hostid: ",
    "host id: ",
    "https response error statuscode: ",
    "statuscode: ",
    "status code: ",
    "proxy: ",
];

/// The message in one line, without ids and status codes.
fn without_request_ids(message: &str) -> String {
    let mut text = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in IDS {
        let mut from = 0;
        while let Some(found) = text[from..].to_ascii_lowercase().find(name) {
            let at = from + found;
            let after = &text[at + name.len()..];
            let end = after.find([' ', ',', ';', ')']).unwrap_or(after.len());
            let value = &after[..end];
            // A sentence may have the words as well.
            if name == "proxy: " && value != "null" {
                from = at + name.len();
                continue;
            }
            let start = text[..at].trim_end_matches([' ', ',', ';']).len();
            text.replace_range(start..at + name.len() + end, "");
            from = start;
        }
    }
    // Brackets that held nothing else.
    text.replace("(,", "(").replace(" ()", "").replace("()", "")
}

/// The message without the images and the states of containers, as in `[app(app:9)
/// (PULLED->RUNNING)]`. Their names remain.
fn without_states(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find('[') {
        text.push_str(&rest[..at]);
        let inner = rest[at + 1..].split(']').next().unwrap_or_default();
        let name = inner.split('(').next().unwrap_or_default();
        let length = if !name.is_empty() && inner.contains("->") {
            text.push_str(name);
            // The last message of a cut text has no closing bracket.
            (inner.len() + 2).min(rest.len() - at)
        } else {
            text.push('[');
            1
        };
        rest = &rest[at + length..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_an_address_is_cut() {
        let signed = "Get \"https://bucket.s3.amazonaws.com/key?X-Amz-Signature=0123\": dial tcp: i/o timeout";
        assert_eq!(
            cut(signed),
            "Get \"https://bucket.s3.amazonaws.com/key\": dial tcp: i/o timeout"
        );
        assert_eq!(cut("see s3://bucket/key? no"), "see s3://bucket/key no");
    }

    #[test]
    fn what_helps_nobody_is_left_out() {
        for (message, expected) in [
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve \
                 ref docker.io/library/app:9: not found",
                "CannotPullContainerError: failed to resolve ref docker.io/library/app:9: not found",
            ),
            (
                "CannotStartContainerError: Error response from daemon: failed to create shim task: OCI \
                 runtime create failed: runc create failed: unable to start container process: exec: \"x\": \
                 executable file not found in $PATH: unknown",
                "CannotStartContainerError: exec: \"x\": executable file not found in $PATH",
            ),
            (
                "AccessDeniedException: User: arn:x is not authorized\n\tstatus code: 400, request id: \
                 0b3c-11",
                "AccessDeniedException: User: arn:x is not authorized",
            ),
            (
                "operation error SSM: GetParameters, https response error StatusCode: 400, RequestID: 9-1, \
                 api error AccessDeniedException: no",
                "operation error SSM: GetParameters, api error AccessDeniedException: no",
            ),
            (
                "operation error S3: HeadObject, https response error StatusCode: 403, RequestID: 8E2A, HostID: \
                 kJ8x0q+1tM=, api error Forbidden: Forbidden",
                "operation error S3: HeadObject, api error Forbidden: Forbidden",
            ),
            (
                "Access denied (Service: AmazonS3; Status Code: 403; Error Code: AccessDenied; Request ID: 8E2A; S3 \
                 Extended Request ID: kJ8x=; Proxy: null)",
                "Access denied (Service: AmazonS3; Error Code: AccessDenied)",
            ),
            (
                "Rate exceeded (Status Code: 400, Request ID: 8E2A)",
                "Rate exceeded",
            ),
            (
                "RequestError: send request failed, StatusCode: 0, RequestID: , canceled",
                "RequestError: send request failed, canceled",
            ),
            (
                "CannotStartContainerError: dependency graph: container ordering dependency [db(postgres:16) \
                 (RUNNING->RUNNING)] for target [app(1.dkr.ecr.us-east-1.amazonaws.com/app:2) (PULLED->RUNNING)] has \
                 timed out.",
                "CannotStartContainerError: dependency graph: container ordering dependency db for target app has \
                 timed out",
            ),
            (
                "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
                "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
            ),
            ("for [subnet-1]: x -> y", "for [subnet-1]: x -> y"),
        ] {
            assert_eq!(cut(message), expected);
        }
    }
}
