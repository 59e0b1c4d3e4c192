//! RunTask's client tokens. The same token with the same parameters gives the first result again;
//! with other parameters it is a conflict that names the tasks. There is no clock, so a token never
//! expires.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::protocol::AwsError;

/// Used tokens by cluster, each with its result.
#[derive(Debug)]
pub struct ClientTokens<T> {
    used: HashMap<[String; 2], TokenUse<T>>,
}

#[derive(Debug)]
struct TokenUse<T> {
    parameters: Value,
    result: T,
}

/// The state of a request's token.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenClaim<'a, T> {
    /// The token is new, or the request has none.
    New,
    /// The request is a repetition. Holds the first result.
    Replay(&'a T),
    /// The token was used with other parameters. Holds their result.
    Conflict(&'a T),
}

impl<T> ClientTokens<T> {
    /// Looks up the token of a RunTask request, given the short name of its cluster.
    pub fn claim(&self, cluster: &str, request: &Value) -> TokenClaim<'_, T> {
        // A token counts in its own cluster only.
        let used =
            token(request).and_then(|token| self.used.get(&[cluster.to_owned(), token.to_owned()]));
        match used {
            None => TokenClaim::New,
            Some(used) if used.parameters == parameters(request) => {
                TokenClaim::Replay(&used.result)
            }
            Some(used) => TokenClaim::Conflict(&used.result),
        }
    }

    /// Saves the result of a request that has a token.
    pub fn keep(&mut self, cluster: &str, request: &Value, result: T) {
        if let Some(token) = token(request) {
            let used = TokenUse {
                parameters: parameters(request),
                result,
            };
            self.used
                .insert([cluster.to_owned(), token.to_owned()], used);
        }
    }
}

impl<T> Default for ClientTokens<T> {
    fn default() -> Self {
        Self {
            used: HashMap::new(),
        }
    }
}

/// The error of a request whose token has started these tasks with other parameters.
pub fn conflict(task_arns: &[String]) -> AwsError {
    let message =
        "The RunTask request could not be processed due to conflicts: the client token is in use.";
    let members = vec![("resourceIds", json!(task_arns))];
    AwsError {
        members,
        ..AwsError::new("ConflictException", message)
    }
}

/// Reduces a task of DescribeTasks to its form in a replayed answer: a stopped task has its ARN and
/// status only.
pub fn replayed(task: Value) -> Value {
    match task["lastStatus"] == "STOPPED" {
        true => {
            json!({ "taskArn": task["taskArn"], "lastStatus": task["lastStatus"], "version": 0 })
        }
        false => task,
    }
}

fn token(request: &Value) -> Option<&str> {
    request["clientToken"]
        .as_str()
        .filter(|token| !token.is_empty())
}

fn parameters(request: &Value) -> Value {
    let mut parameters = request.clone();
    parameters["clientToken"] = Value::Null;
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(token: &str, count: u32) -> Value {
        json!({ "clientToken": token, "count": count })
    }

    #[test]
    fn a_token_replays_the_same_request_and_refuses_another() {
        let mut tokens = ClientTokens::default();
        assert_eq!(tokens.claim("prod", &request("a", 1)), TokenClaim::New);
        tokens.keep("prod", &request("a", 1), "first");
        assert_eq!(
            tokens.claim("prod", &request("a", 1)),
            TokenClaim::Replay(&"first")
        );
        assert_eq!(
            tokens.claim("prod", &request("a", 2)),
            TokenClaim::Conflict(&"first")
        );
        assert_eq!(
            tokens.claim("test", &request("a", 2)),
            TokenClaim::New,
            "tokens belong to a cluster"
        );
        assert_eq!(tokens.claim("prod", &request("b", 1)), TokenClaim::New);
    }

    #[test]
    fn a_request_without_a_token_is_always_new() {
        let mut tokens = ClientTokens::default();
        for request in [json!({ "count": 1 }), request("", 1)] {
            tokens.keep("prod", &request, "first");
            assert_eq!(tokens.claim("prod", &request), TokenClaim::New);
        }
    }

    #[test]
    fn a_conflict_names_the_tasks() {
        let body = conflict(&["arn:t".to_owned()]).body();
        assert_eq!(
            (&body["__type"], &body["resourceIds"]),
            (&json!("ConflictException"), &json!(["arn:t"]))
        );
    }

    #[test]
    fn a_replay_shows_of_a_stopped_task_only_that_it_stopped() {
        let running = json!({ "taskArn": "t", "lastStatus": "RUNNING", "containers": [] });
        assert_eq!(replayed(running.clone()), running);
        let stopped = json!({ "taskArn": "t", "lastStatus": "STOPPED", "containers": [] });
        assert_eq!(
            replayed(stopped),
            json!({ "taskArn": "t", "lastStatus": "STOPPED", "version": 0 })
        );
    }
}
