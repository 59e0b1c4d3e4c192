//! What ECS would refuse, asked before anything runs: the same rules on a state of its own.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{
    Ecs, EcsInner, State,
    placement::{self, Misplaced},
    short, spelling,
};
use crate::{protocol::lock, report::Report};

impl Ecs {
    /// A service that knows the task definitions that this one knows, and nothing else. Nobody hears of
    /// what it does.
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
                state: Mutex::new(State { definitions, ..State::default() }),
            }),
        }
    }

    /// What ECS refuses of where a task or a service is to run, as CloudFormation's properties say it.
    pub fn check_placement(&self, properties: &Value, is_service: bool) -> Result<(), Misplaced> {
        let request = spelling::normal(properties, "");
        placement::check_tags(&request, is_service)?;
        let state = lock(&self.inner.state);
        let cluster = state.clusters.get(short(request["cluster"].as_str().unwrap_or("default"))).cloned();
        match state.definition(request["taskDefinition"].as_str().unwrap_or_default()) {
            Ok(definition) => placement::check(definition, &cluster.unwrap_or_default(), &request),
            // One that lives elsewhere.
            Err(_) => Ok(()),
        }
    }

    /// Whether a name (family, family:revision or ARN) stands for the definition with this ARN.
    pub fn is_definition(&self, name: &str, arn: &str) -> bool {
        lock(&self.inner.state).definition(name).is_ok_and(|definition| definition.arn == arn)
    }

    /// The names of the containers of a task definition, if it is known.
    pub fn container_names(&self, definition: &str) -> Option<Vec<String>> {
        let state = lock(&self.inner.state);
        let definition = state.definition(definition).ok()?;
        Some(definition.containers.iter().map(|container| container.name.clone()).collect())
    }
}
