//! What must be known before anything starts, and that AWS alone knows.

use time::OffsetDateTime;

use super::{
    Runner,
    decide::{
        criteria,
        plan::{Run, Skip},
    },
    invocation::Invocation,
};
use crate::{
    cfn::Request,
    properties::{Properties, service::ServicePlacement},
    reason::Reason,
};

impl Runner {
    /// Asks AWS what the plan leaves open: whether the stack rolls back, and whether UpdateCriteria are met.
    pub(super) async fn reason_to_skip(
        &self,
        run: &Run,
        request: &Request,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<Option<Skip>, Reason> {
        if run.unless_rolling_back {
            let asked =
                invocation.ride_out(until, || self.aws.stack_status(&request.reply_to.stack_id)).await;
            let status = asked.map_err(|error| Reason::no_stack_status(&error))?;
            if let Some(skip) = Skip::of_stack_status(&status) {
                // An earlier delivery may have started the tasks before the stack began to roll back: then this one goes
                // on with them, and does not call it a success that they still run.
                let started =
                    self.has_started(&run.properties.cluster, &request.reply_to, until, invocation).await;
                return Ok((!started).then_some(skip));
            }
        }
        let (Some(old), Some(criteria)) = (&run.compare_with, run.properties.update_criteria()) else {
            return Ok(None);
        };
        let new = &run.properties.task_definition;
        let read = |name| invocation.ride_out(until, move || self.aws.describe_task_definition(name));
        match tokio::join!(read(old), read(new)) {
            (Ok(old), Ok(new)) => {
                for container in criteria::unknown_containers(criteria, &new) {
                    tracing::warn!(
                        container,
                        "UpdateCriteria names a container that the task definition does not have"
                    );
                }
                Ok((!criteria::met(criteria, &old, &new)).then_some(Skip::CriteriaNotMet))
            }
            (old, new) => {
                for error in [old.err(), new.err()].into_iter().flatten() {
                    tracing::warn!(
                        "a task definition that UpdateCriteria compare counts as different: {error}"
                    );
                }
                Ok(None)
            }
        }
    }

    /// Where the service runs that the tasks belong to, if Service names one; and that WatchContainers names containers
    /// that there are.
    pub(super) async fn placement(
        &self,
        properties: &Properties,
        until: OffsetDateTime,
        invocation: &Invocation,
    ) -> Result<ServicePlacement, Reason> {
        let name = &properties.task_definition;
        if !properties.watch_containers().is_empty() {
            match invocation.ride_out(until, || self.aws.describe_task_definition(name)).await {
                Ok(definition) => {
                    let watched = properties.watch_containers().iter().map(String::as_str);
                    let unknown: Vec<&str> =
                        watched.filter(|one| definition.container(one).is_none()).collect();
                    if !unknown.is_empty() {
                        return Err(Reason::unknown_containers(&unknown, &definition));
                    }
                }
                // Whether it can be run the start will tell; whether the names are right, the verdict.
                Err(error) => tracing::warn!("WatchContainers go unchecked: {error}"),
            }
        }
        let Some(service) = &properties.service else { return Ok(ServicePlacement::default()) };
        let cluster = &properties.cluster;
        let asked = invocation.ride_out(until, || self.aws.describe_service(cluster, service)).await;
        let placement = asked.map_err(|error| Reason::no_service(service, cluster, Some(&error)))?;
        placement.ok_or_else(|| Reason::no_service(service, cluster, None))
    }
}
