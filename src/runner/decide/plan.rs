//! The plan for a request: tasks to run, tasks to stop, or an answer at once.
//!
//! Pure. If only AWS knows a fact (the stack's status, an older task definition), the plan says
//! which question to ask, and the functions here interpret the answer.

mod handle;
mod refusal;

use time::{Duration, OffsetDateTime};

pub use self::refusal::Refusal;
use super::limit::{self, Limit, Limits};
use crate::{
    cfn::{RawProperties, ReplyTo, Request, RequestType, WaitHandle},
    properties::Properties,
    task::{cluster_name, family},
};

/// The plan for a request.
#[derive(Debug, PartialEq)]
pub enum Plan {
    /// Answer FAILED without starting a task.
    Refuse(Refusal),
    /// Answer SUCCESS without a run, and signal the WaitHandle if it is unused.
    Skip(Skip, Earlier, Option<WaitHandle>),
    /// Run tasks, unless AWS's answers to the open questions forbid it.
    Run(Box<Run>),
    /// Stop the tasks of the resource.
    Stop(Stop),
}

/// The reason for which a request runs no task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// Count is 0.
    #[error("Count is 0")]
    CountIsZero,
    /// RunOnUpdate is false.
    #[error("RunOnUpdate is false")]
    RunOnUpdateIsFalse,
    /// RunOnRollback is false, and the stack rolls back.
    #[error("RunOnRollback is false and the stack is rolling back")]
    RollingBack,
    /// RunOnRollback is false, and the stack is being deleted: an Update that arrives then is late.
    #[error("RunOnRollback is false and the stack is being deleted")]
    Deleting,
    /// UpdateCriteria are given, and none of them is met.
    #[error("nothing that UpdateCriteria names has changed")]
    CriteriaNotMet,
    /// An earlier request has used the WaitHandle.
    #[error(
        "an earlier request has already used WaitHandle, and a handle works only once: to run the task again, rename \
         the handle, its WaitCondition and the resource together"
    )]
    HandleUsed,
}

/// A run: the tasks to start, and the questions to ask first.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// The validated properties.
    pub properties: Properties,
    /// The time limits.
    pub limits: Limits,
    /// The clusters and families in which earlier requests may have left tasks.
    pub earlier: Earlier,
    /// RunOnRollback is false, so the runner asks for the stack's status first.
    pub unless_rolling_back: bool,
    /// The run may start although the status is unknown. The template does not give RunOnRollback,
    /// and roles that were made for the Python function do not allow the question.
    pub may_run_unasked: bool,
    /// The task definition to compare with, if UpdateCriteria are given. An old resource without a
    /// usable TaskDefinition counts as different, and is not compared.
    pub compare_with: Option<String>,
    /// The WaitHandle that gets the verdict. The request is then answered as soon as the tasks have
    /// started.
    pub wait_handle: Option<WaitHandle>,
}

/// The places in which earlier requests of the resource may have left running tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Names or ARNs of the clusters, the request's own first. Empty for a Create, which has no
    /// earlier request.
    pub clusters: Vec<String>,
    /// The families of their task definitions.
    pub families: Vec<String>,
    /// The request before this one waited for its tasks, according to its properties.
    pub waited: bool,
    /// The last moment at which the request may be answered. Until then a task that cannot be
    /// described holds a start back.
    pub answer_deadline: OffsetDateTime,
}

/// The tasks of a resource to stop, for a Delete.
#[derive(Debug, PartialEq, Eq)]
pub struct Stop {
    /// The cluster. A request without a cluster cannot have started a task.
    pub cluster: Option<String>,
    /// The families of their task definitions.
    pub families: Vec<String>,
    /// The deadline of the answer.
    pub deadline: OffsetDateTime,
    /// The property that sets the deadline.
    pub limit: Limit,
}

/// The limits of the invocation that a plan must respect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// The start of the invocation.
    pub now: OffsetDateTime,
    /// The timeout of the function.
    pub lambda_timeout: Duration,
    /// The part of the timeout that a wait can use.
    pub usable: Duration,
    /// Lambda does not stop a chain of self-invocations.
    pub recursive_loop_allowed: bool,
    /// The function has a ledger.
    pub remembers: bool,
}

impl Plan {
    /// The plan for a request.
    pub fn for_request(request: &Request, means: Means) -> Self {
        if request.request_type == RequestType::Delete {
            return Self::Stop(Stop::for_request(request, means));
        }
        let properties = match Properties::read(&request.properties.0) {
            Ok(properties) => properties,
            Err(errors) => return Self::Refuse(Refusal::Properties(errors)),
        };
        let is_update = request.request_type == RequestType::Update;
        // CloudFormation's clock starts with the signature, and Lambda may deliver a request
        // minutes later.
        let requested_at = request.reply_to.sent_at().unwrap_or(means.now);
        let (timeout, service_timeout) = (properties.timeout, properties.service_timeout);
        let limits = Limits {
            timeout,
            service_timeout,
            requested_at,
            signal_by: None,
        };
        let earlier = Earlier::left_to(request, limits);
        let wait_handle = match handle::given(request, &properties, means) {
            Ok(handle) => handle,
            Err(handle::NotSignalled::Refuse(refusal)) => return Self::Refuse(refusal),
            Err(handle::NotSignalled::Skip(skip)) => return Self::Skip(skip, earlier, None),
        };
        if properties.tasks() == 0 {
            return Self::Skip(Skip::CountIsZero, earlier, wait_handle);
        }
        if is_update && !properties.run_on_update {
            return Self::Skip(Skip::RunOnUpdateIsFalse, earlier, wait_handle);
        }
        // CloudFormation has already failed the resource: a task that starts now would run unseen.
        if means.now >= limits.given_up_at() {
            let late_s = (means.now - requested_at).whole_seconds();
            return Self::Refuse(Refusal::TooLate {
                late_s,
                service_timeout_s: service_timeout,
            });
        }
        let signal_by = wait_handle
            .as_ref()
            .map(|handle| handle::signal_by(handle, requested_at));
        let limits = Limits {
            signal_by,
            ..limits
        };
        // Lambda's limit on self-invocations does not apply to a run with a handle, which waits in
        // the ledger.
        if timeout > 0
            && wait_handle.is_none()
            && let Some(refusal) = means.refuses(limits)
        {
            return Self::Refuse(refusal);
        }
        let old_task_definition = request.old_properties.task_definition().map(str::to_owned);
        Self::Run(Box::new(Run {
            limits,
            earlier,
            unless_rolling_back: is_update && !properties.run_on_rollback,
            may_run_unasked: request.properties.0.get("RunOnRollback").is_none(),
            compare_with: old_task_definition
                .filter(|_| is_update && properties.update_criteria().is_some()),
            wait_handle,
            properties,
        }))
    }
}

impl Run {
    /// The reply that carries the verdict: to the WaitHandle if there is one, or else to the
    /// request.
    pub fn reply_to(&self, request: &Request) -> ReplyTo {
        let reply_to = &request.reply_to;
        self.wait_handle
            .as_ref()
            .map_or_else(|| reply_to.clone(), |handle| reply_to.signalling(handle))
    }
}

impl Skip {
    /// The reason for which an Update with RunOnRollback false does not run while its stack has
    /// this status; `None` if it runs.
    pub fn for_stack_status(status: &str) -> Option<Self> {
        // Every status of a rollback has the word in it, UPDATE_ROLLBACK_IN_PROGRESS and
        // ROLLBACK_COMPLETE alike.
        if status.contains("ROLLBACK") {
            Some(Self::RollingBack)
        } else {
            status.starts_with("DELETE").then_some(Self::Deleting)
        }
    }
}

impl Stop {
    /// Reads Cluster, TaskDefinition and ServiceTimeout, each by itself: a Delete may have the
    /// properties that made its Create fail.
    fn for_request(request: &Request, means: Means) -> Self {
        let limits = Limits {
            timeout: 0,
            service_timeout: Properties::service_timeout_of(&request.properties.0),
            requested_at: request.reply_to.sent_at().unwrap_or(means.now),
            signal_by: None,
        };
        let (deadline, limit) = limits.deadline(means.now);
        let cluster = request.properties.cluster().map(str::to_owned);
        Self {
            cluster,
            families: families([&request.properties]),
            deadline,
            limit,
        }
    }
}

impl Earlier {
    /// The clusters and families of the requests before an Update: those of its own and of its old
    /// properties. After a cancelled Update CloudFormation gives the cancelled properties as the
    /// old ones.
    fn left_to(request: &Request, limits: Limits) -> Self {
        let is_update = request.request_type == RequestType::Update;
        let both = [&request.properties, &request.old_properties];
        let mut clusters: Vec<String> = Vec::new();
        // A function starts tasks in its own Region and account, so a name identifies a cluster.
        for cluster in both
            .iter()
            .filter(|_| is_update)
            .filter_map(|properties| properties.cluster())
        {
            if !clusters
                .iter()
                .any(|known| cluster_name(known) == cluster_name(cluster))
            {
                clusters.push(cluster.to_owned());
            }
        }
        let waited = !Properties::is_fire_and_forget(&request.old_properties.0);
        Self {
            clusters,
            families: families(both),
            waited,
            answer_deadline: limits.answer_deadline(),
        }
    }
}

/// The families of the task definitions that these properties name, each once.
fn families<const N: usize>(all: [&RawProperties; N]) -> Vec<String> {
    let mut families: Vec<String> = all
        .iter()
        .filter_map(|properties| properties.task_definition())
        .map(|name| family(name).to_owned())
        .collect();
    families.sort();
    families.dedup();
    families
}

impl Means {
    fn refuses(&self, limits: Limits) -> Option<Refusal> {
        let (deadline, limit) = limits.deadline(self.now);
        let wait = deadline - self.now;
        if wait <= Duration::ZERO {
            return Some(Refusal::NoTime(limit));
        }
        let hops = limit::hops(wait, self.usable);
        (hops > limit::MAX_HOPS && !self.recursive_loop_allowed).then(|| Refusal::TooManyHops {
            wait_s: wait.whole_seconds(),
            hops,
            usable_s: self.usable.whole_seconds(),
            lambda_timeout_s: self.lambda_timeout.whole_seconds(),
        })
    }
}

#[cfg(test)]
mod tests;
