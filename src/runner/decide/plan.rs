//! What a request asks for: tasks to run, tasks to stop, or an answer at once.
//!
//! Pure. Where the answer lies with AWS (the stack's status, an older task definition), the plan says what to
//! ask, and the functions here say what it means.

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

/// What to do about a request.
#[derive(Debug, PartialEq)]
pub enum Plan {
    /// Answer FAILED; nothing is started.
    Refuse(Refusal),
    /// Answer SUCCESS; there is nothing to run. A WaitHandle that is still unused is signalled, too.
    Skip(Skip, Earlier, Option<WaitHandle>),
    /// Run tasks, unless what is to be asked first says otherwise.
    Run(Box<Run>),
    /// Stop what this resource has started.
    Stop(Stop),
}

/// Why there is nothing to run.
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
    /// UpdateCriteria are given, and none is met.
    #[error("nothing that UpdateCriteria names has changed")]
    CriteriaNotMet,
    /// The WaitHandle is that of an earlier request.
    #[error(
        "WaitHandle was given to an earlier request, and a handle serves once: to run again, rename the \
         handle, its WaitCondition and the resource together"
    )]
    HandleUsed,
}

/// Tasks to run.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// What to run.
    pub properties: Properties,
    /// How long that may take.
    pub limits: Limits,
    /// What earlier requests may have left running.
    pub earlier: Earlier,
    /// Ask for the stack's status first: RunOnRollback is false.
    pub unless_rolling_back: bool,
    /// Run where the status cannot be asked for: the template does not give RunOnRollback, and roles that were
    /// made for the Python function do not allow the question.
    pub may_run_unasked: bool,
    /// Compare with this task definition first: UpdateCriteria are given. An old resource without a usable
    /// TaskDefinition counts as different, and is not compared.
    pub compare_with: Option<String>,
    /// Who is signalled how the run ended; then the request is answered when its tasks have started.
    pub wait_handle: Option<WaitHandle>,
}

/// Where earlier requests of the resource may have left tasks that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Names or ARNs of the clusters, the request's own first; none for a Create, which has nothing before
    /// it.
    pub clusters: Vec<String>,
    /// The families that they ran from.
    pub families: Vec<String>,
    /// Whether the request before this one waited for its tasks, as far as its properties say.
    pub waited: bool,
    /// The last moment at which the request may be answered.
    pub answer_deadline: OffsetDateTime,
}

/// Tasks to stop.
#[derive(Debug, PartialEq, Eq)]
pub struct Stop {
    /// Where they run; without a cluster there is nothing that could have been started.
    pub cluster: Option<String>,
    /// The families that they ran from.
    pub families: Vec<String>,
    /// When the request must be answered.
    pub deadline: OffsetDateTime,
    /// What set that.
    pub limit: Limit,
}

/// What an invocation has to work with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// The time at the beginning of the invocation.
    pub now: OffsetDateTime,
    /// The function's own time limit.
    pub lambda_timeout: Duration,
    /// What of that a wait can use.
    pub usable: Duration,
    /// Whether Lambda lets the function invoke itself as often as it likes.
    pub recursive_loop_allowed: bool,
    /// Whether there is a ledger.
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
        let requested_at = request.reply_to.response_url.signed_at().unwrap_or(means.now);
        let (timeout, service_timeout) = (properties.timeout, properties.service_timeout);
        let limits = Limits { timeout, service_timeout, requested_at, signal_by: None };
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
        if means.now >= limits.given_up_at() {
            let late_s = (means.now - requested_at).whole_seconds();
            return Self::Refuse(Refusal::TooLate { late_s, service_timeout_s: service_timeout });
        }
        let signal_by = wait_handle.as_ref().map(|handle| handle::signal_by(handle, requested_at));
        let limits = Limits { signal_by, ..limits };
        // A run with a handle waits in the ledger, and not in a chain of invocations.
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
            compare_with: old_task_definition.filter(|_| is_update && properties.update_criteria().is_some()),
            wait_handle,
            properties,
        }))
    }
}

impl Run {
    /// Who is to know how the run ends.
    pub fn reply_to(&self, request: &Request) -> ReplyTo {
        let reply_to = &request.reply_to;
        self.wait_handle.as_ref().map_or_else(|| reply_to.clone(), |handle| reply_to.signalling(handle))
    }
}

impl Skip {
    /// Why an Update with RunOnRollback false does not run while its stack has this status, if it does not.
    pub fn for_stack_status(status: &str) -> Option<Self> {
        if status.contains("ROLLBACK") {
            Some(Self::RollingBack)
        } else {
            status.starts_with("DELETE").then_some(Self::Deleting)
        }
    }
}

impl Stop {
    /// Delete reads Cluster, TaskDefinition and ServiceTimeout, each by itself: its properties may be those
    /// that made Create fail.
    fn for_request(request: &Request, means: Means) -> Self {
        let limits = Limits {
            timeout: 0,
            service_timeout: Properties::service_timeout_of(&request.properties.0),
            requested_at: request.reply_to.response_url.signed_at().unwrap_or(means.now),
            signal_by: None,
        };
        let (deadline, limit) = limits.deadline(means.now);
        let cluster = request.properties.cluster().map(str::to_owned);
        Self { cluster, families: families([&request.properties]), deadline, limit }
    }
}

impl Earlier {
    /// What the requests before an Update may have left: in its own cluster, and in the one that its resource
    /// had before. After a cancelled Update the old properties are those that were cancelled.
    fn left_to(request: &Request, limits: Limits) -> Self {
        let is_update = request.request_type == RequestType::Update;
        let both = [&request.properties, &request.old_properties];
        let mut clusters: Vec<String> = Vec::new();
        // A function starts tasks in its own region and account, so the name tells clusters apart.
        for cluster in both.iter().filter(|_| is_update).filter_map(|properties| properties.cluster()) {
            if !clusters.iter().any(|known| cluster_name(known) == cluster_name(cluster)) {
                clusters.push(cluster.to_owned());
            }
        }
        let waited = !Properties::is_fire_and_forget(&request.old_properties.0);
        Self { clusters, families: families(both), waited, answer_deadline: limits.answer_deadline() }
    }
}

/// The families of the task definitions that these properties name.
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
