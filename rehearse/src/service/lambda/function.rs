//! A function, and the variables that it runs with.

use std::{path::PathBuf, time::Duration};

use crate::{config::REGION, service::sns::Sns};

/// The time limit that cfn/provider.yml sets.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The configuration of a function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The binary, which is the function's code.
    pub binary: PathBuf,
    /// The time limit of one invocation.
    pub timeout: Duration,
    /// The function's own variables, beside Lambda's.
    pub environment: Vec<(String, String)>,
    /// True if RecursiveLoop is Allow, so that Lambda stops no chain.
    pub recursive_loop_allowed: bool,
}

impl Function {
    /// The function behind custom resources, as cfn/provider.yml configures it.
    pub fn runner(binary: PathBuf) -> Self {
        Self {
            name: "ecsTasks",
            binary,
            timeout: TIMEOUT,
            environment: Vec::new(),
            recursive_loop_allowed: true,
        }
    }

    /// The function behind ECS's events, as the template configures it, with every sink. The stage
    /// adds the address of its search.
    pub fn monitor(binary: PathBuf) -> Self {
        let topic_arn = Sns::topic_arn();
        let sinks = [
            ("AUDIT_TABLE", "audit"),
            ("ALERT_TOPIC_ARN", &topic_arn),
            ("EVENTS_LOG_GROUP", "/aws/events/ecs/failed"),
        ];
        let environment = sinks
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let timeout = Duration::from_secs(60);
        Self {
            name: "ecsEvents",
            binary,
            timeout,
            environment,
            recursive_loop_allowed: false,
        }
    }

    /// Lambda's variables, then the function's own.
    pub(super) fn variables(&self, endpoint: &str) -> Vec<(String, String)> {
        let standard = [
            ("AWS_LAMBDA_FUNCTION_NAME", self.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            (
                "AWS_LAMBDA_LOG_GROUP_NAME",
                &format!("/aws/lambda/{}", self.name),
            ),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "stage"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "rehearsed"),
            ("AWS_SESSION_TOKEN", "rehearsed"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("_HANDLER", "bootstrap"),
        ];
        let mut environment: Vec<(String, String)> = standard
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if self.recursive_loop_allowed {
            environment.push(("RECURSIVE_LOOP".to_owned(), "Allow".to_owned()));
        }
        environment.extend(self.environment.iter().cloned());
        environment
    }
}
