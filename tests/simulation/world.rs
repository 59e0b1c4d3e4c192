//! The world of one life: ECS, Logs, Lambda, CloudFormation and the response bucket as plain state,
//! all in virtual time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use ecs_tasks::function::clock::Clock;
use fastrand::Rng;
use rehearse::service::ecs::token::{self, ClientTokens, TokenClaim};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc::UnboundedSender};

use crate::{
    ecs::{Script, Seconds, SimTask},
    hooks,
    ledger::{EVENT, Ledger, WATCH, is_of_table},
    life::Life,
    sabotage::Sabotage,
    scale::Account,
    stack::{Event, STACK_ID},
};

/// Difference between the task numbers of two stacks.
pub(crate) const TASKS_OF_A_STACK: usize = 1 << 16;
/// Start of every life.
pub(crate) const EPOCH: i64 = 1_795_600_000;

/// The world.
pub(crate) struct World {
    pub(crate) life: Life,
    pub(crate) clock: Clock,
    /// The rule that the runner breaks, to see whether anybody notices.
    pub(crate) sabotage: Option<Sabotage>,
    /// The account and its limits, if the stack shares one with others.
    pub(crate) account: Option<Arc<Account>>,
    /// The table and the rules, if the function has a ledger.
    pub(crate) ledger: Option<Ledger>,
    state: Mutex<State>,
    /// Somebody has answered.
    pub(crate) answered: Notify,
    /// Lambda's queue of events, until the life is over.
    pub(crate) queue: Mutex<Option<UnboundedSender<Event>>>,
    /// Number of events that are not finished.
    pub(crate) underway: AtomicU32,
    events: AtomicU32,
}

/// The things that exist, and everything that has happened: the rules are checked against this.
pub(crate) struct State {
    pub(crate) rng: Rng,
    pub(crate) stack_status: &'static str,
    pub(crate) tasks: Vec<SimTask>,
    pub(crate) launches: Vec<Launch>,
    pub(crate) requests: Vec<Asked>,
    pub(crate) invocations: Vec<Invoked>,
    /// Effects of calls and faults, for the rules that need to know what AWS let through.
    pub(crate) calls: Vec<Call>,
    /// The same for people.
    pub(crate) journal: Vec<(Seconds, String)>,
    /// The number of its first task, in an account of many stacks.
    first_task: usize,
    /// The requests of which every invocation dies.
    pub(crate) doomed: Vec<String>,
    /// The invocations that have died of a panic.
    pub(crate) dead: Vec<Delivery>,
    tokens: ClientTokens<usize>,
    capacity_refusals: u32,
    fresh_refusals: u32,
    /// Number of starts that have met a temporary refusal.
    refused: usize,
    /// When each service revision was made, by its ARN.
    pub(crate) revisions: BTreeMap<String, Seconds>,
    /// Number of calls of each operation.
    pub(crate) counted: BTreeMap<String, usize>,
}

/// The time of the last look at each cluster, by its name.
pub(crate) type Looks = BTreeMap<String, Seconds>;

/// One RunTask or StartTask that took effect.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) request: String,
    pub(crate) at: Seconds,
    pub(crate) tasks: Vec<usize>,
    pub(crate) by_token: bool,
    /// Times of the last look for the resource's tasks before it.
    pub(crate) looked_at: Looks,
    failures: Value,
}

/// One request of CloudFormation.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) properties: Value,
    pub(crate) sent: Seconds,
    pub(crate) first_delivered: Option<Seconds>,
    pub(crate) deliveries: u32,
    /// A crash, a late delivery or a lost hop has cost it time.
    pub(crate) disturbed: bool,
    pub(crate) hop_lost: bool,
    /// Lambda has dropped a self-invocation because the chain was too long.
    pub(crate) chain_broken: bool,
    /// Answers that the bucket accepted.
    pub(crate) answers: Vec<Answer>,
    /// Time from which CloudFormation has gone on without it.
    pub(crate) abandoned: Option<Seconds>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) at: Seconds,
    pub(crate) delivery: Delivery,
    /// Times of the last look of the answering delivery for the resource's tasks.
    pub(crate) looked_at: Looks,
    pub(crate) body: Value,
    /// The answer, as it came.
    pub(crate) text: String,
}

/// One invocation of the function.
#[derive(Clone, Debug)]
pub(crate) struct Invoked {
    pub(crate) delivery: Delivery,
    pub(crate) began: Seconds,
    pub(crate) ended: Seconds,
    pub(crate) end: Ending,
}

/// The end of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Running,
    Ok,
    Err,
    Crashed,
    /// Lambda killed it at its deadline.
    TimedOut,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Seconds,
    pub(crate) delivery: Delivery,
    pub(crate) operation: String,
    pub(crate) cluster: String,
    pub(crate) task: Option<String>,
    /// It took effect and its answer got through.
    pub(crate) ok: bool,
}

/// The subject of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) request: String,
    /// Number of the request's delivery that it came from.
    pub(crate) number: u32,
    /// Its place in the chain of self-invocations.
    pub(crate) chain: u32,
}

impl Delivery {
    /// True if CloudFormation has sent it.
    pub(crate) fn is_of_request(&self) -> bool {
        self.request != EVENT && self.request != WATCH && self.chain == 1
    }

    pub(crate) fn under_way() -> Self {
        INVOCATION.try_with(Clone::clone).unwrap_or_default()
    }
}

tokio::task_local! {
    /// The invocation that is under way.
    pub(crate) static INVOCATION: Delivery;
}

impl World {
    pub(crate) fn new(
        life: Life,
        sabotage: Option<Sabotage>,
        account: Option<Arc<Account>>,
    ) -> Arc<Self> {
        let state = State {
            rng: Rng::with_seed(life.seed ^ 0x5eed),
            stack_status: "CREATE_IN_PROGRESS",
            tasks: Vec::new(),
            launches: Vec::new(),
            requests: Vec::new(),
            invocations: Vec::new(),
            calls: Vec::new(),
            journal: Vec::new(),
            doomed: Vec::new(),
            dead: Vec::new(),
            first_task: account
                .as_ref()
                .map_or(1, |_| life.seed as usize * TASKS_OF_A_STACK + 1),
            tokens: ClientTokens::default(),
            capacity_refusals: 0,
            fresh_refusals: 0,
            refused: 0,
            revisions: BTreeMap::new(),
            counted: BTreeMap::new(),
        };
        let table = || {
            account
                .as_ref()
                .map_or_else(Ledger::empty_table, |account| Arc::clone(&account.table))
        };
        let ledger = life.ledger.as_ref().map(|_| Ledger::over(table()));
        let clock = Clock::at(OffsetDateTime::from_unix_timestamp(EPOCH).unwrap());
        Arc::new(Self {
            life,
            clock,
            sabotage,
            account,
            ledger,
            state: Mutex::new(state),
            answered: Notify::new(),
            queue: Mutex::new(None),
            underway: AtomicU32::new(0),
            events: AtomicU32::new(0),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Seconds since the beginning.
    pub(crate) fn now(&self) -> Seconds {
        (self.clock.now() - OffsetDateTime::from_unix_timestamp(EPOCH).unwrap()).as_seconds_f64()
    }

    /// True if it stands for an account's watch, and is not a stack.
    pub(crate) fn is_hub(&self) -> bool {
        self.life.chapters.is_empty()
    }

    /// The stack's id.
    pub(crate) fn stack_id(&self) -> String {
        match &self.account {
            Some(_) => STACK_ID.replace("/shop/", &format!("/shop-{}/", self.life.seed)),
            None => STACK_ID.to_owned(),
        }
    }

    /// The number of the next event.
    pub(crate) fn next_event(&self) -> u32 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        let now = self.now();
        self.state().journal.push((now, text.into()));
    }

    /// Performs an AWS call, and returns HTTP status and body.
    pub(crate) fn perform(&self, operation: &str, body: &Value) -> (u16, Value) {
        let now = self.now();
        let delivery = Delivery::under_way();
        if let Some(ledger) = self.ledger.as_ref().filter(|_| is_of_table(operation)) {
            return match ledger.table.call(operation, body) {
                Ok(answer) => (200, answer),
                Err(error) => (400, error.body()),
            };
        }
        if let Some(account) = self
            .account
            .as_ref()
            .filter(|_| self.is_hub() && operation == "DescribeTasks")
        {
            return (200, account.describe(body, now));
        }
        let mut state = self.state();
        if let Some(ledger) = self.ledger.as_ref().filter(|_| operation.ends_with("Task")) {
            ledger.changed.notify_waiters();
        }
        match operation {
            "RunTask" | "StartTask" => state.launch(&self.life, body, delivery, now),
            "DescribeTasks" => (200, state.describe(body, now)),
            "ListTasks" => state.list(&self.life, body, now),
            "ListClusters" => {
                let arns = ["prod", "other"]
                    .map(|name| format!("arn:aws:ecs:us-west-2:123456789012:cluster/{name}"));
                (200, json!({"clusterArns": arns}))
            }
            "StopTask" => state.stop(body, now),
            "DescribeTaskDefinition" => match self.life.trouble.no_definitions {
                Some((from, long)) if (from..from + long).contains(&now) => {
                    (400, error("ThrottlingException", "Rate exceeded"))
                }
                _ => (200, definition()),
            },
            "DescribeServices" => (200, service(body)),
            "GetLogEvents" => (200, state.log(body, now)),
            "DescribeServiceRevisions" => {
                let arn = body["serviceRevisionArns"][0].as_str().unwrap_or_default();
                let made = state.revisions.get(arn);
                let revisions: Vec<Value> = made
                    .map(|made| hooks::revision(arn, *made))
                    .into_iter()
                    .collect();
                (200, json!({"serviceRevisions": revisions}))
            }
            other => (400, error("UnknownOperationException", other)),
        }
    }
}

/// An AWS error's body.
pub(crate) fn error(code: &str, message: &str) -> Value {
    json!({"__type": code, "message": message})
}

fn definition() -> Value {
    let logs = json!({"logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/app", "awslogs-stream-prefix": "app"}});
    json!({"taskDefinition": {"taskDefinitionArn": crate::DEFINITION, "containerDefinitions": [
        {"name": "app", "image": "app", "essential": true, "logConfiguration": logs},
        {"name": "sidecar", "image": "sidecar", "essential": false},
    ]}})
}

/// A service that runs on Fargate.
fn service(body: &Value) -> Value {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-1"]}});
    json!({"services": [{"serviceName": body["services"][0], "status": "ACTIVE",
        "launchType": "FARGATE", "networkConfiguration": network}], "failures": []})
}

impl State {
    /// The events so far, a line each.
    pub(crate) fn journal_lines(&self) -> String {
        let line = |(at, step): &(Seconds, String)| format!("{at:9.2} s  {step}\n");
        self.journal.iter().map(line).collect()
    }

    fn launch(
        &mut self,
        life: &Life,
        body: &Value,
        delivery: Delivery,
        now: Seconds,
    ) -> (u16, Value) {
        let cluster = body["cluster"].as_str().unwrap_or_default().to_owned();
        let by_token = body["clientToken"].is_string();
        let used = match self.tokens.claim(&cluster, body) {
            TokenClaim::New => None,
            TokenClaim::Replay(launch) => Some((*launch, false)),
            TokenClaim::Conflict(launch) => Some((*launch, true)),
        };
        if let Some((launch, differs)) = used {
            let tasks = self.launches[launch].tasks.clone();
            if differs || !tasks.is_empty() && self.rng.f64() < life.trouble.conflicts {
                let arns: Vec<String> = tasks
                    .iter()
                    .map(|task| self.tasks[*task].arn.clone())
                    .collect();
                let conflict = token::conflict(&arns);
                let mut body = error(conflict.code, &conflict.message);
                if self.rng.f64() >= life.trouble.blank_conflicts {
                    conflict
                        .members
                        .into_iter()
                        .for_each(|(name, value)| body[name] = value);
                }
                return (400, body);
            }
            let tasks: Vec<Value> = tasks
                .iter()
                .map(|task| token::replayed(self.described(*task, now)))
                .collect();
            return (
                200,
                json!({"tasks": tasks, "failures": self.launches[launch].failures}),
            );
        }
        if self.fresh_refusals < life.trouble.fresh_stack {
            self.fresh_refusals += 1;
            let why = match self.fresh_refusals % 2 {
                0 => {
                    "Unable to assume the service linked role. Please verify that the ECS service linked \
                     role exists."
                }
                _ => "No Container Instances were found in your cluster.",
            };
            return (400, error("InvalidParameterException", why));
        }
        if now < life.trouble.iam_spreads {
            let why = "User: arn:aws:sts::123456789012:assumed-role/tasks/ecsTasks is not authorized to perform: \
                       iam:PassRole on resource: arn:aws:iam::123456789012:role/app";
            return (400, error("AccessDeniedException", why));
        }
        if let Some(refusal) = life.trouble.refusals.get(self.refused) {
            self.refused += 1;
            let (code, message) = refusal.error();
            return (400, error(code, message));
        }
        if life.trouble.short_arns && body["tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
            let why = "The new ARN and resource ID format must be enabled to add tags to the task. Opt in to the \
                       new format and try again.";
            return (400, error("InvalidParameterException", why));
        }
        let has_service =
            |asked: &Asked| asked.id == delivery.request && asked.properties["Service"].is_string();
        if body["networkConfiguration"].is_null() && self.requests.iter().any(has_service) {
            let why =
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.";
            return (400, error("InvalidParameterException", why));
        }
        let asked = match body["containerInstances"].as_array() {
            None => body["count"].as_u64().unwrap_or(1) as usize,
            Some(instances) => instances.len(),
        };
        let refused = self.capacity_refusals < life.trouble.without_capacity;
        let mut started = asked;
        if refused {
            self.capacity_refusals += 1;
            started = if life.trouble.partial_starts {
                asked - 1
            } else {
                0
            };
        }
        let failure = json!({"arn": "arn:aws:ecs:us-west-2:123456789012:container-instance/a",
            "reason": life.trouble.capacity_reason.unwrap_or("RESOURCE:MEMORY")});
        let failures = json!(vec![failure; asked - started]);
        let tags: BTreeMap<String, String> = body["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| {
                Some((
                    tag["key"].as_str()?.to_owned(),
                    tag["value"].as_str()?.to_owned(),
                ))
            })
            .collect();
        let mut tasks = Vec::new();
        for number in 0..started {
            let drawn = Script::draw(&mut self.rng, &life.trouble);
            let script = life.scripts.get(self.tasks.len()).cloned().unwrap_or(drawn);
            let arn = format!(
                "arn:aws:ecs:us-west-2:123456789012:task/{cluster}/{:032x}",
                self.tasks.len() + self.first_task
            );
            self.journal.push((now, format!("  a task: {script:?}")));
            tasks.push(self.tasks.len());
            self.tasks.push(SimTask {
                arn,
                cluster: cluster.clone(),
                instance: body["containerInstances"][number]
                    .as_str()
                    .map(str::to_owned),
                started_by: body["startedBy"].as_str().unwrap_or_default().to_owned(),
                tags: tags.clone(),
                script,
                created: now,
                stopped: None,
            });
        }
        // If StartTask starts the tasks, later looks are for tasks of the same request.
        let looked_at = match by_token {
            true => self.looked_at(&delivery, now),
            false => self.first_looked_at(&delivery, now),
        };
        self.launches.push(Launch {
            looked_at,
            request: delivery.request,
            at: now,
            tasks: tasks.clone(),
            by_token,
            failures: failures.clone(),
        });
        self.tokens.keep(&cluster, body, self.launches.len() - 1);
        let tasks: Vec<Value> = tasks
            .iter()
            .map(|task| self.described(*task, now))
            .collect();
        (200, json!({"tasks": tasks, "failures": failures}))
    }

    /// Returns the times at which a delivery last looked for the resource's tasks, in each cluster.
    pub(crate) fn looked_at(&self, delivery: &Delivery, now: Seconds) -> Looks {
        self.looks(delivery, now).collect()
    }

    /// Returns the times at which a delivery first looked for the resource's tasks, in each
    /// cluster.
    fn first_looked_at(&self, delivery: &Delivery, now: Seconds) -> Looks {
        let mut looks = Looks::new();
        for (cluster, at) in self.looks(delivery, now) {
            looks.entry(cluster).or_insert(at);
        }
        looks
    }

    fn looks(&self, delivery: &Delivery, now: Seconds) -> impl Iterator<Item = (String, Seconds)> {
        let same = |call: &&Call| {
            call.delivery.request == delivery.request && call.delivery.number == delivery.number
        };
        let looks = self
            .calls
            .iter()
            .filter(same)
            .filter(|call| call.operation == "ListTasks");
        let looks = looks.filter(move |call| call.ok && call.at <= now);
        looks.map(|call| (call.cluster.clone(), call.at))
    }

    fn described(&self, task: usize, now: Seconds) -> Value {
        self.tasks[task].described(now, EPOCH as f64)
    }

    pub(crate) fn describe(&self, body: &Value, now: Seconds) -> Value {
        let asked = body["tasks"].as_array().cloned().unwrap_or_default();
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for arn in asked.iter().filter_map(Value::as_str) {
            let here = |task: &SimTask| task.arn == arn && body["cluster"] == task.cluster.as_str();
            match self
                .tasks
                .iter()
                .position(|task| here(task) && !task.is_missing(now))
            {
                Some(task) => tasks.push(self.described(task, now)),
                None if arn.contains("/neighbour-") => tasks.push(neighbour(arn)),
                None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
            }
        }
        json!({"tasks": tasks, "failures": failures})
    }

    /// Answers ListTasks. startedBy must be the only filter beside the cluster; a family may come
    /// with a desired status.
    fn list(&self, life: &Life, body: &Value, now: Seconds) -> (u16, Value) {
        let started_by = body["startedBy"].as_str();
        if started_by.is_some() && (body["desiredStatus"].is_string() || body["family"].is_string())
        {
            return (
                400,
                error(
                    "InvalidParameterException",
                    "startedBy must be the only filter",
                ),
            );
        }
        let desired = body["desiredStatus"].as_str().unwrap_or("RUNNING");
        let tasks = self
            .tasks
            .iter()
            .filter(|task| body["cluster"] == task.cluster.as_str());
        let tasks =
            tasks.filter(|task| started_by.is_none_or(|started_by| task.started_by == started_by));
        let listed =
            tasks.filter(|task| task.desired_status(now) == desired && !task.has_vanished(now));
        let mut arns: Vec<String> = listed.map(|task| task.arn.clone()).collect();
        if started_by.is_none() {
            let cluster = body["cluster"].as_str().unwrap_or_default();
            let arn = |number| {
                format!("arn:aws:ecs:us-west-2:123456789012:task/{cluster}/neighbour-{number}")
            };
            arns.extend((0..life.trouble.neighbours).map(arn));
        }
        (200, json!({"taskArns": arns}))
    }

    /// Answers StopTask, which removes a task's tags.
    fn stop(&mut self, body: &Value, now: Seconds) -> (u16, Value) {
        let asked = body["task"].as_str().unwrap_or_default();
        let here =
            |task: &&mut SimTask| task.arn == asked && body["cluster"] == task.cluster.as_str();
        let Some(task) = self.tasks.iter_mut().find(here) else {
            return (
                400,
                error(
                    "InvalidParameterException",
                    "The referenced task was not found.",
                ),
            );
        };
        let reason = body["reason"].as_str().unwrap_or_default().to_owned();
        if task.stopped.is_none() && now < task.ends_at() {
            task.stopped = Some((now, reason));
        }
        task.tags.clear();
        (200, json!({"task": {"taskArn": asked}}))
    }

    /// Returns the log. A container prints a line a second before its end, and another one as the
    /// last thing that it does; that line arrives with the delay of the log driver.
    fn log(&self, body: &Value, now: Seconds) -> Value {
        let stream = body["logStreamName"].as_str().unwrap_or_default();
        let task = self
            .tasks
            .iter()
            .find(|task| stream.ends_with(task.arn.rsplit('/').next().unwrap_or_default()));
        let Some(task) = task else {
            return json!({"events": []});
        };
        let line = |at: Seconds, message: &str| {
            json!({"timestamp": EPOCH * 1000 + (at * 1000.0) as i64,
            "message": message})
        };
        let end = task.ends_at();
        let mut events = vec![line(end.min(now) - 1.0, "working")];
        if now >= end + task.script.log_delay {
            events.push(line(end, "the last line\u{7}"));
        }
        json!({"events": events})
    }
}

/// Describes a task of a service of the same family, which has been stopped.
fn neighbour(arn: &str) -> Value {
    json!({"taskArn": arn, "taskDefinitionArn": crate::DEFINITION, "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedBy": "ecs-svc/1", "containers": []})
}
