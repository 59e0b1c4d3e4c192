//! ECS in virtual time: the API's answers about tasks whose whole life is fixed when they start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Seconds since the life began.
pub(crate) type Seconds = f64;

/// The end of a task that nobody interferes with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// Its essential container exits with this code after that many seconds.
    Exits(i64, Seconds),
    /// It runs for ever.
    Hangs,
    /// Its image cannot be pulled, so no container ever runs.
    FailsToStart,
    /// Its host goes away after so many seconds: no exit code.
    LosesItsHost(Seconds),
    /// Somebody stops it from outside after so many seconds; it exits with this code.
    IsStopped(i64, Seconds),
    /// ECS forgets it after so many seconds.
    Vanishes(Seconds),
}

/// A second container, which is not essential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sidecar {
    /// It ends with this code, by itself or because ECS stops it.
    Ends(i64),
    /// ECS stops it and never learns its exit code.
    WithoutCode,
    /// The essential container ends before this one has started, which ECS calls TaskFailedToStart.
    NeverStarts,
}

/// The life of one task, drawn when it starts.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) fate: Fate,
    /// Time from RunTask until the containers run.
    pub(crate) starting: Seconds,
    /// Time from SIGTERM until the container exits, and the exit code then. Its stopTimeout is at
    /// most 120 s; then SIGKILL comes.
    pub(crate) stopping: (Seconds, i64),
    /// Time from the end of the containers until the network interface is free.
    pub(crate) deprovisioning: Seconds,
    /// Time after the containers' end until their exit codes can be read, and until the stop code
    /// can be.
    pub(crate) late_facts: (Seconds, Seconds),
    /// Time for which DescribeTasks does not know the task yet.
    pub(crate) missing: Seconds,
    /// Start of a while in which DescribeTasks does not know the task, counted from the start of
    /// the containers, and its length.
    pub(crate) flicker: Option<(Seconds, Seconds)>,
    /// Time until the last line of the log can be read, after it was printed.
    pub(crate) log_delay: Seconds,
    pub(crate) sidecar: Option<Sidecar>,
    /// GuardDuty's agent, which is in no definition and has no exit code.
    pub(crate) injected: bool,
}

/// A task of the world.
#[derive(Clone, Debug)]
pub(crate) struct SimTask {
    pub(crate) arn: String,
    pub(crate) cluster: String,
    /// The container instance that StartTask named.
    pub(crate) instance: Option<String>,
    pub(crate) started_by: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) script: Script,
    pub(crate) created: Seconds,
    /// The first StopTask that had an effect, with its reason.
    pub(crate) stopped: Option<(Seconds, String)>,
}

impl SimTask {
    fn runs_from(&self) -> Seconds {
        self.created + self.script.starting
    }

    /// Returns the time at which its containers end if nobody stops them.
    fn natural_end(&self) -> Seconds {
        match self.script.fate {
            Fate::Exits(_, after)
            | Fate::LosesItsHost(after)
            | Fate::IsStopped(_, after)
            | Fate::Vanishes(after) => self.runs_from() + after,
            Fate::FailsToStart => self.runs_from(),
            Fate::Hangs => Seconds::INFINITY,
        }
    }

    /// Returns the time of the StopTask. It counts only while there is something left to stop.
    fn stopped_at(&self) -> Option<Seconds> {
        self.stopped
            .as_ref()
            .map(|(at, _)| *at)
            .filter(|at| *at < self.natural_end())
    }

    /// Returns the time from which nothing of it runs.
    pub(crate) fn ends_at(&self) -> Seconds {
        match self.stopped_at() {
            Some(at) if at < self.runs_from() => at,
            Some(at) => at + self.script.stopping.0,
            None => self.natural_end(),
        }
    }

    /// Returns the time at which its network interface is free.
    pub(crate) fn gone_at(&self) -> Seconds {
        let at_once = matches!(self.script.fate, Fate::Vanishes(_)) && self.stopped_at().is_none();
        self.ends_at()
            + if at_once {
                0.0
            } else {
                self.script.deprovisioning
            }
    }

    /// Returns start and end of the time in which a container of it runs; `None` if none ever does.
    pub(crate) fn running(&self) -> Option<(Seconds, Seconds)> {
        let never = self.script.fate == Fate::FailsToStart || self.ends_at() < self.runs_from();
        (!never).then(|| (self.runs_from(), self.ends_at()))
    }

    /// True if its end is a success under these properties, by §5 of the contract.
    pub(crate) fn ends_well(&self, properties: &Value) -> bool {
        let every_container_counts = properties["WatchContainers"] == json!(["*"]);
        let helper_ends_well = matches!(self.script.sidecar, None | Some(Sidecar::Ends(0)));
        matches!(self.script.fate, Fate::Exits(0, _))
            && self.stopped_at().is_none()
            && (helper_ends_well || !every_container_counts)
    }

    /// True if, without the definition, it looks as if ECS stopped its essential container because
    /// the helper had ended.
    pub(crate) fn seems_stopped_by_its_helper(&self) -> bool {
        let own_end = self.stopped_at().is_none() && self.script.sidecar == Some(Sidecar::Ends(0));
        own_end && matches!(self.script.fate, Fate::Exits(137 | 143, _))
    }

    /// True if its essential container failed before its helper started.
    pub(crate) fn failed_before_its_helper_started(&self) -> bool {
        let never_started =
            self.script.sidecar == Some(Sidecar::NeverStarts) && self.stopped_at().is_none();
        never_started
            && matches!(self.script.fate, Fate::Exits(code, _) if ![0, 137, 143].contains(&code))
    }

    /// The code that its essential container ends with by itself.
    pub(crate) fn exit_code(&self) -> Option<i64> {
        match self.script.fate {
            Fate::Exits(code, _) => Some(code),
            _ => None,
        }
    }

    /// Returns a SUCCESS's words about the helper, if the answer has to name it.
    pub(crate) fn helper_that_failed(&self) -> Option<String> {
        match self.script.sidecar? {
            Sidecar::Ends(0) => None,
            Sidecar::Ends(code) => Some(format!("sidecar (exit code {code})")),
            Sidecar::WithoutCode | Sidecar::NeverStarts => {
                Some("sidecar (no exit code)".to_owned())
            }
        }
    }

    /// True if ECS still has it running, or wants to.
    pub(crate) fn runs_on_after(&self, now: Seconds) -> bool {
        self.ends_at() > now && self.stopped_at().is_none_or(|at| at > now)
    }

    /// True if DescribeTasks does not know it yet, or no longer.
    pub(crate) fn is_missing(&self, now: Seconds) -> bool {
        // ECS knows every task that it could stop or that has ended.
        let unknown = now < (self.created + self.script.missing).min(self.ends_at())
            && self.stopped.is_none();
        unknown || self.has_vanished(now) || self.flickers(now)
    }

    fn flickers(&self, now: Seconds) -> bool {
        let flicker = self
            .script
            .flicker
            .map(|(from, long)| (self.runs_from() + from, long));
        flicker.is_some_and(|(from, long)| (from..from + long).contains(&now))
            && now < self.ends_at()
    }

    pub(crate) fn has_vanished(&self, now: Seconds) -> bool {
        matches!(self.script.fate, Fate::Vanishes(_))
            && now >= self.ends_at()
            && self.stopped_at().is_none()
    }

    /// Returns the times at which ECS learns something new about it, as things are.
    pub(crate) fn changes(&self) -> [Seconds; 6] {
        let (ended, gone) = (self.ends_at(), self.gone_at());
        let stopped = self.stopped_at().unwrap_or(ended);
        let (codes, code) = self.script.late_facts;
        [
            self.runs_from(),
            stopped,
            ended,
            ended + codes,
            (ended + code).min(gone + 2.0),
            gone,
        ]
    }

    pub(crate) fn status(&self, now: Seconds) -> &'static str {
        if now >= self.gone_at() {
            "STOPPED"
        } else if now >= self.ends_at() {
            "DEPROVISIONING"
        } else if self.stopped_at().is_some_and(|at| now >= at) {
            "STOPPING"
        } else if now >= self.runs_from() {
            "RUNNING"
        } else if now >= self.created + self.script.starting / 2.0 {
            "PENDING"
        } else {
            "PROVISIONING"
        }
    }

    pub(crate) fn desired_status(&self, now: Seconds) -> &'static str {
        let asked = self.stopped_at().is_some_and(|at| now >= at);
        if asked || now >= self.ends_at() {
            "STOPPED"
        } else {
            "RUNNING"
        }
    }

    /// Returns the task as DescribeTasks reports it.
    pub(crate) fn described(&self, now: Seconds, epoch: f64) -> Value {
        let ended = now >= self.ends_at();
        let tags: Vec<Value> = self
            .tags
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let mut task = json!({
            "taskArn": self.arn,
            "taskDefinitionArn": crate::DEFINITION,
            "lastStatus": self.status(now),
            "desiredStatus": self.desired_status(now),
            "startedBy": self.started_by,
            "createdAt": epoch + self.created,
            "containerInstanceArn": self.instance,
            "containers": self.containers(now),
            "tags": tags,
        });
        if let Some((from, _)) = self.running().filter(|(from, _)| now >= *from) {
            task["startedAt"] = json!(epoch + from);
        }
        if ended {
            task["executionStoppedAt"] = json!(epoch + self.ends_at());
        }
        if now >= self.gone_at() {
            task["stoppedAt"] = json!(epoch + self.gone_at());
        }
        if ended && now >= (self.ends_at() + self.script.late_facts.1).min(self.gone_at() + 2.0) {
            let (code, reason) = self.stop();
            task["stopCode"] = code.into();
            task["stoppedReason"] = reason.into();
        }
        task
    }

    fn stop(&self) -> (&'static str, &str) {
        match (&self.stopped, &self.script.fate) {
            (Some((at, reason)), _) if self.stopped_at() == Some(*at) => ("UserInitiated", reason),
            (_, Fate::FailsToStart) => (
                "TaskFailedToStart",
                "CannotPullContainerError: image not found",
            ),
            (_, Fate::LosesItsHost(_)) => ("SpotInterruption", "Your Spot Task was interrupted."),
            (_, Fate::IsStopped(..)) => ("UserInitiated", "Task stopped by user"),
            _ if self.script.sidecar == Some(Sidecar::NeverStarts) => {
                ("TaskFailedToStart", "Task failed to start")
            }
            _ => (
                "EssentialContainerExited",
                "Essential container in task exited",
            ),
        }
    }

    fn containers(&self, now: Seconds) -> Vec<Value> {
        let ended = now >= self.ends_at();
        let told = now >= self.ends_at() + self.script.late_facts.0;
        let ran = self.running().is_some();
        let code = match (self.stopped_at(), &self.script.fate) {
            (Some(_), _) => Some(self.script.stopping.1),
            (None, Fate::Exits(code, _) | Fate::IsStopped(code, _)) => Some(*code),
            _ => None,
        };
        let container = |name: &str, code: Option<i64>, ran: bool| {
            let status = match self.status(now) {
                _ if ended => "STOPPED",
                "RUNNING" | "STOPPING" if ran && now >= self.runs_from() => "RUNNING",
                _ => "PENDING",
            };
            let mut container = json!({"name": name, "lastStatus": status});
            if ran && now >= self.runs_from() {
                container["runtimeId"] = format!("{name}-runtime").into();
            }
            if ended && told && ran {
                container["exitCode"] = code.into();
            }
            if ended && self.script.fate == Fate::FailsToStart {
                container["reason"] = "CannotPullContainerError: image not found".into();
            }
            container
        };
        let mut containers = vec![container("app", code, ran)];
        if let Some(sidecar) = self.script.sidecar {
            let own = match sidecar {
                Sidecar::Ends(own) => code.map(|_| own),
                Sidecar::WithoutCode | Sidecar::NeverStarts => None,
            };
            containers.push(container(
                "sidecar",
                own,
                ran && sidecar != Sidecar::NeverStarts,
            ));
        }
        if self.script.injected {
            containers.push(container("aws-guardduty-agent-a1b2", None, ran));
        }
        containers
    }
}
