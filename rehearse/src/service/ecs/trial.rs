//! A trial of ECS: the same rules on a state of its own, before anything runs.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;

use super::{
    Ecs, EcsInner, State,
    placement::{self, Misplaced},
    short, spelling,
};
use crate::{protocol::lock, report::Report};

impl Ecs {
    /// A copy of ECS with the same task definitions and nothing else. It reports nothing.
    pub fn trial(&self) -> Self {
        let inner = &self.inner;
        let definitions = lock(&inner.state).definitions.clone();
        Self {
            inner: Arc::new(EcsInner {
                engine: inner.engine.clone(),
                pace: inner.pace,
                logs: Arc::default(),
                reporter: Arc::new(|_: Report| {}),
                events: None,
                task_ends: watch::Sender::default(),
                state: Mutex::new(State {
                    definitions,
                    ..State::default()
                }),
            }),
        }
    }

    /// Checks the place of a task or a service, in CloudFormation's spelling. `Err` is ECS's
    /// refusal.
    pub fn check_placement(&self, properties: &Value, is_service: bool) -> Result<(), Misplaced> {
        let request = spelling::normal(properties, "");
        placement::check_tags(&request, is_service)?;
        let state = lock(&self.inner.state);
        let cluster = state
            .clusters
            .get(short(request["cluster"].as_str().unwrap_or("default")))
            .cloned();
        match state.definition(request["taskDefinition"].as_str().unwrap_or_default()) {
            Ok(definition) => placement::check(definition, &cluster.unwrap_or_default(), &request),
            // A definition that lives elsewhere is unknown here, so nothing can be checked.
            Err(_) => Ok(()),
        }
    }

    /// True if a name (family, family:revision or ARN) stands for the definition with this ARN.
    pub fn is_definition(&self, name: &str, arn: &str) -> bool {
        lock(&self.inner.state)
            .definition(name)
            .is_ok_and(|definition| definition.arn == arn)
    }

    /// The names of a task definition's containers; `None` if the definition is unknown.
    pub fn container_names(&self, definition: &str) -> Option<Vec<String>> {
        let state = lock(&self.inner.state);
        let definition = state.definition(definition).ok()?;
        Some(
            definition
                .containers
                .iter()
                .map(|container| container.name.clone())
                .collect(),
        )
    }
}
