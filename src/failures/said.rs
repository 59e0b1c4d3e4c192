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
    let message = without_request_ids(message);
    let links = message.split(": ").filter(|link| {
        let link = link.trim().to_ascii_lowercase();
        let is_frame = FRAMES.contains(&link.as_str()) || link.starts_with("container_linux.go");
        let is_count = link.contains("has been retried") && link.ends_with("time(s)");
        !(link.is_empty() || is_frame || is_count)
    });
    let text = links.map(str::trim).collect::<Vec<_>>().join(": ");
    text.trim().trim_end_matches(['.', ',', ':']).to_owned()
}

/// Removes request ids and status codes. They help only AWS's support, and CloudTrail has them as
/// well.
fn without_request_ids(message: &str) -> String {
    let mut text = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in ["request id: ", "requestid: "] {
        while let Some(at) = text.to_ascii_lowercase().find(name) {
            let after = &text[at + name.len()..];
            let id = after.find([' ', ',', ';', ')']).unwrap_or(after.len());
            let end = at + name.len() + id;
            let start = text[..at].trim_end_matches([' ', ',', ';']).len();
            text.replace_range(start..end, "");
        }
    }
    for name in [
        "status code: ",
        "https response error StatusCode: ",
        "StatusCode: ",
    ] {
        while let Some(at) = text.find(name) {
            let after = &text[at + name.len()..];
            let code = after
                .find(|char: char| !char.is_ascii_digit())
                .unwrap_or(after.len());
            let end = at + name.len() + code;
            let start = text[..at].trim_end_matches([' ', ',', ';']).len();
            text.replace_range(start..end, "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_message_says_is_left_out() {
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
        ] {
            assert_eq!(cut(message), expected);
        }
    }
}
