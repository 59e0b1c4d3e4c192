//! One life of a resource, drawn from a seed: the requests of CloudFormation, and the faults on the
//! way.

use std::fmt;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::{
    ecs::{Fate, Script, Seconds, Sidecar},
    ledger::LedgerTrouble,
};

/// A secret that no log may contain.
pub(crate) const SECRET: &str = "hunter2-in-an-override";

/// A life.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// The function's time limit.
    pub(crate) lambda_timeout: u32,
    /// `RecursiveLoop: Allow`, and the environment variable that says so.
    pub(crate) recursive_loop: bool,
    /// The requests of CloudFormation, one after the other.
    pub(crate) chapters: Vec<Chapter>,
    /// True if the stack is deleted in the end.
    pub(crate) deleted: bool,
    pub(crate) trouble: Trouble,
    /// The lives of the first tasks; the lives of later ones are drawn.
    pub(crate) scripts: Vec<Script>,
    /// The fault of the nth call of an operation, counted from 1; `*` is any operation.
    pub(crate) planned: Vec<(&'static str, usize, Fault)>,
    /// The runner panics at each call of this operation.
    pub(crate) always_panics: Option<&'static str>,
    /// Number of polls after which the first invocation dies, and number of invocations that do.
    pub(crate) first_dies_after: Option<u32>,
    pub(crate) deaths: usize,
    /// It has a ledger, with these troubles.
    pub(crate) ledger: Option<LedgerTrouble>,
}

/// One change to the stack.
#[derive(Clone, Debug)]
pub(crate) struct Chapter {
    pub(crate) properties: Value,
    /// CloudFormation loses interest after so many seconds: another resource failed, or the update
    /// was cancelled.
    pub(crate) cancelled_after: Option<Seconds>,
}

/// The troubles of a life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// Probability that a call meets a fault, and the faults to choose from.
    pub(crate) rate: f64,
    pub(crate) faults: Vec<Fault>,
    /// Start and length of a time in which nothing answers.
    pub(crate) outage: Option<(Seconds, Seconds)>,
    /// Time until which every call is denied.
    pub(crate) fresh_role: Seconds,
    /// A permission that is missing for good.
    pub(crate) denied: Option<&'static str>,
    /// Probability that an invocation dies (at most two of three attempts).
    pub(crate) crashes: f64,
    /// Probability that an event is delivered twice.
    pub(crate) duplicates: f64,
    /// The second delivery comes at the same moment as the first.
    pub(crate) twin: bool,
    /// Probability that CloudFormation's request is delivered late, and its delay.
    pub(crate) late: Option<(f64, Seconds)>,
    /// Probability that Lambda accepts a self-invocation and never makes it.
    pub(crate) lost_hops: f64,
    /// Number of first starts that meet a want of capacity; `partial_starts`: some tasks start all
    /// the same.
    pub(crate) without_capacity: u32,
    pub(crate) partial_starts: bool,
    /// Probability that a replayed token is answered by a ConflictException.
    pub(crate) conflicts: f64,
    /// Probability that a ConflictException names no task: the first call is still at work.
    pub(crate) blank_conflicts: f64,
    /// Number of first starts that are refused because the stack is new: no container instance, no
    /// service-linked role yet.
    pub(crate) fresh_stack: u32,
    /// The temporary refusals of the first starts, one after the other.
    pub(crate) refusals: Vec<Refusal>,
    /// The reason of a start without capacity, if it is not RESOURCE:MEMORY.
    pub(crate) capacity_reason: Option<&'static str>,
    /// Time until which RunTask is denied, because IAM has not spread.
    pub(crate) iam_spreads: Seconds,
    /// Time until which DescribeTaskDefinition is denied.
    pub(crate) definitions_denied: Seconds,
    /// The account has short ARNs, which take no tags.
    pub(crate) short_arns: bool,
    /// Start and length of a time in which DescribeTaskDefinition is throttled.
    pub(crate) no_definitions: Option<(Seconds, Seconds)>,
    /// Number of other tasks of the same family in each cluster, which no request here has started.
    pub(crate) neighbours: usize,
    /// Start and length of a time in which the bucket answers 503.
    pub(crate) bucket_fails: Option<(Seconds, Seconds)>,
    /// The bucket refuses every answer.
    pub(crate) bucket_refuses: bool,
    /// True if tasks can meet every fate.
    pub(crate) rough_tasks: bool,
}

/// A temporary refusal of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// EC2 throttles ECS.
    Ec2Throttle,
    /// The role is seconds old.
    YoungRole,
    /// A quota is full for the moment.
    FullQuota,
    /// The capacity provider has no instance yet.
    EmptyProvider,
}

impl Refusal {
    /// AWS's code and message.
    pub(crate) fn error(self) -> (&'static str, &'static str) {
        match self {
            Self::Ec2Throttle => (
                "InvalidParameterException",
                "Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: \
                 RequestLimitExceeded)",
            ),
            Self::YoungRole => (
                "ClientException",
                "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/app' that was provided for this \
                 task.",
            ),
            Self::FullQuota => (
                "ClientException",
                "You’ve reached the limit on the number of vCPUs you can run concurrently",
            ),
            Self::EmptyProvider => (
                "InvalidParameterException",
                "No Container Instances were found in your capacity provider.",
            ),
        }
    }
}

/// The faults that a call can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Throttled,
    /// HTTP 500, without effect.
    Fails,
    /// HTTP 500, with effect.
    FailsAfter,
    /// The connection is cut, without effect.
    Cut,
    /// The connection is cut, with effect.
    CutAfter,
    /// No answer ever, without effect.
    Hangs,
    /// No answer ever, with effect.
    HangsAfter,
    /// The answer takes seconds.
    Slow,
    /// The runner has a bug, and panics while it makes the call.
    Panics,
}

pub(crate) const FAULTS: [Fault; 8] = [
    Fault::Throttled,
    Fault::Fails,
    Fault::FailsAfter,
    Fault::Cut,
    Fault::CutAfter,
    Fault::Hangs,
    Fault::HangsAfter,
    Fault::Slow,
];

impl Life {
    /// Makes a life of a Create and a Delete without any trouble, with one task that lives by this
    /// script.
    pub(crate) fn calm(properties: Value, script: Script) -> Self {
        let mut all = json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app"});
        for (name, value) in properties.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        Self {
            seed: 1,
            lambda_timeout: 900,
            recursive_loop: false,
            chapters: vec![Chapter {
                properties: all,
                cancelled_after: None,
            }],
            deleted: true,
            trouble: Trouble::default(),
            scripts: vec![script],
            planned: Vec::new(),
            always_panics: None,
            first_dies_after: None,
            deaths: 1,
            ledger: None,
        }
    }

    /// Returns the same life with a ledger.
    pub(crate) fn with_ledger(self, trouble: LedgerTrouble) -> Self {
        Self {
            ledger: Some(trouble),
            ..self
        }
    }

    /// Draws the life of this seed. Half of the lives have a ledger.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let trouble = Trouble::draw(rng);
        let updates = pick(rng, &[0, 0, 1, 1, 2]);
        let create = Chapter::draw(rng, 0);
        let chapters = std::iter::once(create.clone())
            .chain((1..=updates).map(|number| {
                let chapter = Chapter::draw(rng, number);
                // An update can have a cluster and a kind of start of its own; mostly they stay the
                // same.
                if rng.f64() < 0.7 {
                    chapter.like(&create)
                } else {
                    chapter
                }
            }))
            .collect();
        Self {
            seed,
            lambda_timeout: pick(rng, &[20, 60, 60, 300, 900, 900, 900]),
            recursive_loop: rng.f64() < 0.5,
            chapters,
            deleted: rng.f64() < 0.7,
            trouble,
            scripts: Vec::new(),
            planned: Vec::new(),
            always_panics: None,
            first_dies_after: None,
            deaths: 1,
            ledger: (seed % 2 == 1)
                .then(|| LedgerTrouble::draw(&mut Rng::with_seed(seed ^ 0x1ed9e4))),
        }
    }

    /// True if the runner has a bug that this life meets.
    pub(crate) fn panics(&self) -> bool {
        self.always_panics.is_some()
            || self
                .planned
                .iter()
                .any(|(.., fault)| *fault == Fault::Panics)
            || self.ledger.as_ref().is_some_and(|ledger| ledger.cursed)
    }

    /// True if only the tasks themselves can keep a request from its success.
    pub(crate) fn is_survivable(&self) -> bool {
        let trouble = &self.trouble;
        trouble.denied.is_none()
            && !self.panics()
            && !trouble.bucket_refuses
            && trouble.lost_hops == 0.0
            && trouble.rate <= 0.15
            && trouble.outage.is_none()
            && trouble.late.is_none()
            && trouble.without_capacity == 0
            && trouble.fresh_stack == 0
            && self
                .ledger
                .as_ref()
                .is_none_or(|ledger| ledger.spoiled.is_none() && ledger.watch_dies.is_none())
    }
}

impl Trouble {
    /// True if every refusal of a start is temporary.
    pub(crate) fn refuses_for_a_moment(&self) -> bool {
        let refuses = !self.refusals.is_empty()
            || self.capacity_reason.is_some()
            || self.iam_spreads > 0.0
            || self.short_arns;
        refuses
            && self.rate == 0.0
            && self.crashes == 0.0
            && self.denied.is_none()
            && self.outage.is_none()
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut trouble = Self {
            rough_tasks: rng.f64() < 0.5,
            ..Self::default()
        };
        match rng.u8(0..10) {
            0 | 1 => return trouble,
            2..=6 => {
                trouble.rate = pick(rng, &[0.02, 0.05, 0.1, 0.3]);
                trouble.faults = vec![pick(rng, &FAULTS), pick(rng, &FAULTS)];
            }
            _ => {
                trouble.rate = pick(rng, &[0.02, 0.1, 0.3]);
                trouble.faults = FAULTS.to_vec();
            }
        }
        let mut chance = |of: f64| rng.f64() < of;
        let kinds = [
            chance(0.3),
            chance(0.3),
            chance(0.1),
            chance(0.05),
            chance(0.2),
            chance(0.2),
            chance(0.1),
        ];
        let others = [
            chance(0.1),
            chance(0.1),
            chance(0.05),
            chance(0.2),
            chance(0.1),
            chance(0.2),
            chance(0.3),
        ];
        if kinds[0] {
            trouble.crashes = pick(rng, &[0.1, 0.4]);
        }
        if kinds[1] {
            trouble.duplicates = pick(rng, &[0.2, 1.0]);
        }
        if kinds[2] {
            trouble.late = Some((0.7, pick(rng, &[5.0, 120.0, 1500.0, 4000.0, 8000.0])));
        }
        if kinds[3] {
            trouble.lost_hops = 0.5;
        }
        if kinds[4] {
            trouble.without_capacity = rng.u32(1..=4);
            trouble.partial_starts = rng.bool();
        }
        if kinds[5] {
            trouble.conflicts = 0.5;
        }
        if kinds[6] {
            trouble.fresh_role = 1.0 + 11.0 * rng.f64();
        }
        if others[0] {
            let actions = [
                "RunTask",
                "StopTask",
                "DescribeTasks",
                "ListTasks",
                "DescribeTaskDefinition",
                "Invoke",
                "GetLogEvents",
            ];
            trouble.denied = Some(pick(rng, &actions));
        }
        if others[1] {
            trouble.outage = Some((rng.f64() * 60.0, pick(rng, &[5.0, 20.0, 60.0])));
        }
        trouble.bucket_refuses = others[2];
        trouble.blank_conflicts = if others[3] { 0.3 } else { 0.0 };
        trouble.fresh_stack = if others[4] { rng.u32(1..=3) } else { 0 };
        trouble.no_definitions = others[5].then(|| {
            (
                pick(rng, &[0.0, 10.0]) * rng.f64(),
                pick(rng, &[10.0, 120.0, 400.0]),
            )
        });
        trouble.neighbours = if others[6] { pick(rng, &[1, 120]) } else { 0 };
        trouble
    }
}

impl Chapter {
    fn draw(rng: &mut Rng, number: u32) -> Self {
        let timeout = pick(rng, &[0, 3, 20, 60, 60, 120, 290, 290, 290, 600, 1800]);
        let service_timeout = match rng.u8(0..10) {
            0 => pick(rng, &[31, 60, 90]),
            1..=3 => 300,
            _ => 3600,
        };
        let mut properties = json!({
            "ServiceToken": "arn:aws:lambda:us-west-2:123456789012:function:ecsTasks",
            "Cluster": "prod",
            "TaskDefinition": "app",
            "Timeout": timeout.to_string(),
            "ServiceTimeout": service_timeout.to_string(),
            "Triggers": [number.to_string()],
            "Overrides": {"containerOverrides": [
                {"name": "app", "environment": [{"name": "PASSWORD", "value": SECRET}]}
            ]},
        });
        let optional = [
            (0.3, "Count", json!(pick(rng, &["2", "3"]))),
            (
                0.2,
                "PollInterval",
                json!(pick(rng, &["1", "5", "30", "60"])),
            ),
            (0.2, "StartRetries", json!(pick(rng, &["1", "2"]))),
            (0.5, "RunOnRollback", json!(pick(rng, &["true", "false"]))),
            (0.1, "LogLines", json!("0")),
            (
                0.15,
                "Instances",
                json!(["arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a"]),
            ),
            (0.1, "NoEcho", json!("true")),
            (0.2, "Cluster", json!("other")),
        ];
        for (chance, name, value) in optional {
            if rng.f64() < chance {
                properties[name] = value;
            }
        }
        // From dice of their own, so that the rest of a seed's life stays the same.
        let watched = Rng::with_seed(rng.clone().u64(..).wrapping_add(2)).f64();
        if watched < 0.3 {
            properties["WatchContainers"] = json!([if watched < 0.15 { "*" } else { "app" }]);
        }
        if Rng::with_seed(rng.clone().u64(..).wrapping_add(1)).f64() < 0.25 {
            properties["ReturnOutput"] = json!("true");
        }
        let cancelled_after =
            (rng.f64() < 0.2).then(|| pick(rng, &[0.0, 0.3, 2.0, 20.0, 100.0]) + rng.f64());
        Self {
            properties,
            cancelled_after,
        }
    }

    /// Returns the same chapter, with its tasks run as another chapter runs them.
    fn like(mut self, other: &Self) -> Self {
        for name in ["Instances", "Timeout", "ServiceTimeout"] {
            match other.properties.get(name) {
                Some(value) => self.properties[name] = value.clone(),
                None => drop(
                    self.properties
                        .as_object_mut()
                        .and_then(|properties| properties.remove(name)),
                ),
            }
        }
        self
    }

    /// Returns a property as a number.
    pub(crate) fn number(properties: &Value, name: &str, default: f64) -> f64 {
        properties[name]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }
}

impl Script {
    /// Makes a task that starts within a second, ends at once when it is told to stop, and hides
    /// nothing.
    pub(crate) fn plain(fate: Fate) -> Self {
        Self {
            fate,
            starting: 0.5,
            stopping: (1.0, 143),
            deprovisioning: 0.0,
            late_facts: (0.0, 0.0),
            missing: 0.0,
            flicker: None,
            log_delay: 0.0,
            sidecar: None,
            injected: false,
        }
    }

    /// Draws the life of one task.
    pub(crate) fn draw(rng: &mut Rng, trouble: &Trouble) -> Self {
        let runs =
            pick(rng, &[0.0, 0.4, 3.0, 12.0, 45.0, 130.0, 400.0, 1200.0]) * (0.5 + rng.f64());
        let fate = match rng.u8(0..20) {
            _ if !trouble.rough_tasks => Fate::Exits(0, runs),
            0..=8 => Fate::Exits(0, runs),
            9..=12 => Fate::Exits(pick(rng, &[1, 2, 137, 139, 143, 255, 3_221_225_786]), runs),
            13 | 14 => Fate::Hangs,
            15 | 16 => Fate::FailsToStart,
            17 => Fate::LosesItsHost(runs),
            18 => Fate::IsStopped(pick(rng, &[0, 143]), runs),
            // If ECS forgot it at once, nobody could know of it.
            _ => Fate::Vanishes(runs.max(60.0)),
        };
        let graceful = rng.bool();
        Self {
            fate,
            starting: pick(rng, &[0.1, 0.5, 2.0, 10.0, 30.0]) * (0.5 + rng.f64()),
            stopping: match graceful {
                true => (rng.f64() * 3.0, pick(rng, &[0, 143])),
                false => (pick(rng, &[30.0, 30.0, 120.0]), 137),
            },
            deprovisioning: pick(rng, &[0.0, 1.0, 25.0]),
            late_facts: (
                pick(rng, &[0.0, 0.0, 0.5, 4.0]),
                pick(rng, &[0.0, 0.0, 0.5, 4.0]),
            ),
            missing: if trouble.rate > 0.0 {
                pick(rng, &[0.0, 0.0, 0.0, 2.0, 45.0])
            } else {
                0.0
            },
            flicker: (rng.f64() < 0.1).then(|| (rng.f64() * 100.0, pick(rng, &[1.0, 10.0, 25.0]))),
            log_delay: pick(rng, &[0.0, 1.0, 2.5]),
            sidecar: (rng.f64() < 0.3).then(|| {
                let codes = [0, 0, 1, 2, 130, 137, 137, 143, 255].map(Sidecar::Ends);
                let kinds = [&codes[..], &[Sidecar::WithoutCode, Sidecar::NeverStarts]].concat();
                pick(rng, &kinds)
            }),
            injected: rng.f64() < 0.2,
        }
    }
}

/// Picks one of these.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the life of seed {}", self.seed)?;
        writeln!(
            f,
            "  Lambda timeout {} s, RecursiveLoop {}",
            self.lambda_timeout,
            if self.recursive_loop {
                "Allow"
            } else {
                "Terminate"
            }
        )?;
        for (number, chapter) in self.chapters.iter().enumerate() {
            let name = if number == 0 { "Create" } else { "Update" };
            let properties = chapter.properties.as_object().into_iter().flatten();
            let plain = properties.filter(|(name, _)| {
                !["ServiceToken", "Overrides", "Triggers"].contains(&name.as_str())
            });
            let plain: Vec<String> = plain
                .map(|(name, value)| format!("{name} {value}"))
                .collect();
            write!(f, "  {name}: {}", plain.join(", "))?;
            match chapter.cancelled_after {
                Some(after) => writeln!(f, "; cancelled after {after:.1} s")?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "  {}",
            if self.deleted {
                "deleted in the end"
            } else {
                "never deleted"
            }
        )?;
        writeln!(f, "  {:?}", self.trouble)?;
        match &self.ledger {
            Some(trouble) => writeln!(f, "  with a ledger: {trouble}"),
            None => writeln!(f, "  without a ledger"),
        }
    }
}
