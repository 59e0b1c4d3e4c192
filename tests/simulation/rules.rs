//! The promises, checked after each life against everything that happened in its world.

mod remembered;

use serde_json::Value;

use self::remembered::Remembered;
use crate::{
    ecs::{Seconds, SimTask},
    life::{Chapter, SECRET},
    stack::URL_SECRET,
    world::{Answer, Asked, Call, Ending, Invoked, Launch, State, World},
};

/// A bug of the function.
const PANIC: &str = "internal error";
/// A task none of whose containers was started.
const NOT_STARTED: &str = "could not be started";
/// A run that was stopped at its deadline.
const TIMED_OUT: &str = "did not finish within";
/// Why nobody knows whether such a run has stopped.
const NOT_SEEN_TO_STOP: [&str; 3] = [
    "had not stopped",
    "may still be running",
    "The last check of the tasks failed",
];
/// Why tasks are not stopped, or not seen to have stopped.
const NOT_FOUND: [&str; 3] = [
    "may still be running",
    "the function cannot look for tasks",
    "could not check",
];
/// A SUCCESS without the Output that was asked for, and one cause of that.
const NO_OUTPUT: &str = "Output is empty";
const DEFINITION_UNREAD: &str = "could not read the task definition";

/// Returns every broken promise, in words.
pub(crate) fn broken(world: &World, log: &str) -> Vec<String> {
    let state = world.state();
    let court = Court {
        world,
        state: &state,
        remembered: Remembered::of(world, &state),
    };
    let mut objections = Vec::new();
    for asked in &state.requests {
        let mut object =
            |what: String| objections.push(format!("{} {}: {what}", asked.kind, asked.id));
        court.one_answer_in_time(asked, &mut object);
        court.a_true_answer(asked, &mut object);
        court.started_once(asked, &mut object);
        court.nothing_runs_on(asked, &mut object);
        court.stopped_when_timed_out(asked, &mut object);
        if world.ledger.is_some() {
            court.remembered.check(asked, &mut object);
        }
    }
    court.never_side_by_side(&mut objections);
    court.invocations_end_well(&mut objections);
    court.remembered.events_cost_no_look(&mut objections);
    for secret in [SECRET, URL_SECRET] {
        if let Some(line) = log.lines().find(|line| line.contains(secret)) {
            objections.push(format!("a secret is in the log: {line}"));
        }
    }
    objections
}

struct Court<'w> {
    world: &'w World,
    state: &'w State,
    remembered: Remembered<'w>,
}

impl Court<'_> {
    fn launches<'s>(&'s self, asked: &'s Asked) -> impl DoubleEndedIterator<Item = &'s Launch> {
        self.state
            .launches
            .iter()
            .filter(|launch| launch.request == asked.id)
    }

    fn tasks<'s>(&'s self, launch: &'s Launch) -> impl Iterator<Item = &'s SimTask> {
        launch.tasks.iter().map(|task| &self.state.tasks[*task])
    }

    /// Returns the cluster that a launch's tasks run in.
    fn cluster(&self, launch: &Launch) -> Option<&str> {
        Some(self.state.tasks[*launch.tasks.first()?].cluster.as_str())
    }

    /// Returns the launches that made up a request's run at that time, without those before a
    /// StartRetries.
    fn run<'s>(&'s self, asked: &'s Asked, before: Seconds) -> Vec<&'s Launch> {
        let expected = expected(&asked.properties);
        let mut run: Vec<&Launch> = Vec::new();
        let launches = self
            .launches(asked)
            .filter(|launch| !launch.tasks.is_empty() && launch.at < before);
        for launch in launches {
            let tasks = || run.iter().flat_map(|launch| self.tasks(launch));
            if tasks().count() >= expected && tasks().all(|task| task.running().is_none()) {
                run.clear();
            }
            run.push(launch);
        }
        run
    }

    /// There is an answer, before ServiceTimeout. All answers are alike, short enough, and have the
    /// id that never changes.
    fn one_answer_in_time(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let trouble = &self.world.life.trouble;
        if asked.chain_broken {
            object("its chain of self-invocations was too long, and Lambda dropped it".to_owned());
        }
        let late = asked
            .first_delivered
            .is_none_or(|at| at > asked.sent + 7200.0 - 1.0);
        let Some(Answer {
            at, body: first, ..
        }) = asked.answers.first()
        else {
            if !trouble.bucket_refuses && !late && !self.remembered.is_lost(asked) {
                object("no answer".to_owned());
            }
            return;
        };
        let service_timeout = Chapter::number(&asked.properties, "ServiceTimeout", 3600.0);
        let shaken = asked.disturbed || asked.hop_lost || self.remembered.is_shaken();
        if *at > asked.sent + service_timeout && !shaken {
            object(format!(
                "the answer came {:.1} s after the request, ServiceTimeout is {service_timeout}",
                at - asked.sent
            ));
        }
        for other in asked.answers[1..].iter().map(|answer| &answer.body) {
            let alone =
                asked.deliveries == 1 && !asked.disturbed && !self.remembered.table_failed();
            let told_alike = first["Status"] == other["Status"]
                && self.told(asked, first) == self.told(asked, other);
            if alone && first != other || !told_alike && !self.may_differ(asked, first, other) {
                object(format!("two answers differ: {first} and {other}"));
            }
        }
        let length = first.to_string().len();
        if length > 4096 {
            object(format!("an answer of {length} bytes"));
        }
        let id = |answer: &Value| {
            answer["PhysicalResourceId"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let created = self.state.requests[0]
            .answers
            .first()
            .map(|answer| id(&answer.body));
        let known = created.unwrap_or_else(|| id(first));
        if asked.kind == "Update" && id(first) != known {
            object(format!(
                "the PhysicalResourceId changed from {known} to {}",
                id(first)
            ));
        }
    }

    /// Returns the part of an answer that the template can read and that two deliveries must agree
    /// on. One of them may not have been able to read the task definition, which names the log, or
    /// the log itself.
    fn told(&self, asked: &Asked, answer: &Value) -> Value {
        let mut data = answer["Data"].clone();
        if data.is_object() {
            // A call that hangs leaves no trace except in the answer.
            let says = |why| {
                asked
                    .answers
                    .iter()
                    .any(|one| says_no_output(&one.body, why))
            };
            if self.unread(asked, "DescribeTaskDefinition") || says(DEFINITION_UNREAD) {
                for name in ["LogGroup", "LogStream", "TaskDefinitionArn", "Output"] {
                    data[name] = Value::Null;
                }
            }
            let was_ending = asked.answers.iter().any(|one| self.was_ending(one.at));
            if self.unread(asked, "GetLogEvents") || says("") || was_ending {
                data["Output"] = Value::Null;
            }
        }
        data
    }

    /// True if a call of this operation has failed for a request.
    fn unread(&self, asked: &Asked, operation: &str) -> bool {
        let calls = &mut self.state.calls.iter();
        calls.any(|call| {
            call.delivery.request == asked.id && call.operation == operation && !call.ok
        })
    }

    /// True if an invocation was about to end: it has to answer, so it cannot wait for a line that
    /// comes late.
    fn was_ending(&self, at: Seconds) -> bool {
        let lasts = f64::from(self.world.life.lambda_timeout);
        let is_ending = |one: &Invoked| {
            (one.began..one.began + lasts).contains(&at) && one.began + lasts - at < 7.0
        };
        self.state.invocations.iter().any(is_ending)
    }

    /// With ReturnOutput the answer has the last line of a task that was waited for, and never
    /// another line.
    fn a_true_output(&self, asked: &Asked, answer: &Value, object: &mut impl FnMut(String)) {
        let output = answer["Data"]["Output"].as_str().unwrap_or_default();
        let waited = asked.properties["Timeout"] != "0" && answer["Data"]["Ran"] == "true";
        if asked.properties["ReturnOutput"] != "true" || !waited {
            if !output.is_empty() {
                object(format!("an Output that nobody asked for: {answer}"));
            }
            return;
        }
        let trouble = &self.world.life.trouble;
        let unread = trouble.rate > 0.0 && output.is_empty() && says_no_output(answer, "");
        let unread = unread
            || self.unread(asked, "DescribeTaskDefinition")
            || self.unread(asked, "GetLogEvents");
        let at = asked
            .answers
            .iter()
            .find(|one| one.body == *answer)
            .map_or(0.0, |one| one.at);
        let unread = unread || self.was_ending(at);
        if output != "the last line" && !unread {
            object(format!("an Output that is not the last line: {answer}"));
        }
    }

    /// Two deliveries of a request see different facts at different times: a task that one gave up
    /// on can start, or end, for the other (docs/reliability.md).
    fn may_differ(&self, asked: &Asked, first: &Value, other: &Value) -> bool {
        // An event and the watch also look at a wait that is polled; the table decides who answers.
        let several = asked.deliveries > 1 || asked.disturbed || self.remembered.table_failed();
        // Each delivery asks whether the stack rolls back.
        let asks_the_stack = asked.properties["RunOnRollback"] != "true";
        let failed = first["Status"] == "FAILED" || other["Status"] == "FAILED";
        // StartTask has no token, so two deliveries at the same time cannot know of each other.
        let starts_twice = asked.properties["Instances"].is_array();
        several && (failed || asks_the_stack || starts_twice)
    }

    /// The answer is SUCCESS only if the tasks that it names ended well, and FAILED only for a
    /// reason.
    fn a_true_answer(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let Some(Answer {
            at, body: answer, ..
        }) = asked.answers.first()
        else {
            return;
        };
        let reason = answer["Reason"].as_str().unwrap_or_default();
        if reason.contains(PANIC) {
            if !self.world.life.panics() {
                object("a panic".to_owned());
            }
            return;
        }
        if asked.kind == "Delete" {
            return;
        }
        let timeout = Chapter::number(&asked.properties, "Timeout", 290.0);
        let run = self.run(asked, *at);
        let tasks: Vec<&SimTask> = run.iter().flat_map(|launch| self.tasks(launch)).collect();
        if answer["Status"] == "SUCCESS" {
            self.a_true_output(asked, answer, object);
            let ran = answer["Data"]["Ran"] == "true";
            let told: Vec<&str> = answer["Data"]["TaskArns"]
                .as_str()
                .unwrap_or_default()
                .split(',')
                .collect();
            if run.is_empty() {
                if ran {
                    object("untrue SUCCESS: nothing was started".to_owned());
                }
                return;
            }
            // Two deliveries both ask whether the stack rolls back, and one may start the tasks
            // that the other skips.
            let asks_the_stack =
                asked.properties["RunOnRollback"] != "true" && asked.deliveries > 1;
            if !ran && asks_the_stack && !self.remembered.keeps(asked) {
                return;
            }
            // Two deliveries of StartTask at the same moment cannot know of each other.
            let twice = asked.properties["Instances"].is_array() && asked.deliveries > 1;
            for task in tasks
                .iter()
                .filter(|task| !twice || told.contains(&task.arn.as_str()))
            {
                if !told.contains(&task.arn.as_str()) {
                    object(format!(
                        "untrue SUCCESS: {} is not among {told:?}",
                        task.arn
                    ));
                }
                // Only the definition shows which of two containers ended first
                // (docs/reliability.md). An event or the watch may have asked for it.
                let mut calls = self.state.calls.iter();
                let unread =
                    calls.any(|call| call.operation == "DescribeTaskDefinition" && !call.ok);
                let unread = unread && task.seems_stopped_by_its_helper();
                if timeout > 0.0
                    && !(task.ends_well(&asked.properties) && task.ends_at() <= *at)
                    && !unread
                {
                    object(format!("untrue SUCCESS: {task:?}"));
                }
                let helper = task.helper_that_failed().filter(|_| timeout > 0.0 && ran);
                let names = |helper: &String| {
                    answer["Reason"]
                        .as_str()
                        .is_some_and(|reason| reason.contains(helper.as_str()))
                };
                if helper.as_ref().is_some_and(|helper| !names(helper)) {
                    object(format!("a SUCCESS that hides a helper: {task:?}: {answer}"));
                }
            }
            if tasks.len() < expected(&asked.properties) {
                object("untrue SUCCESS: not all tasks were started".to_owned());
            }
            return;
        }
        let reason = answer["Reason"].as_str().unwrap_or_default();
        if let [task] = tasks.as_slice()
            && let Some(code) = task
                .exit_code()
                .filter(|_| task.failed_before_its_helper_started())
            && reason.contains(NOT_STARTED)
            && !reason.contains(&format!("code {code}"))
        {
            object(format!(
                "a failed start in place of exit code {code}: {answer}"
            ));
        }
        let service_timeout = Chapter::number(&asked.properties, "ServiceTimeout", 3600.0);
        let deadline = asked.sent + timeout.min(service_timeout - 30.0);
        if tasks.len() < expected(&asked.properties) {
            if !asked.disturbed && self.world.life.trouble.refuses_for_a_moment() {
                object(format!("should have started: {answer}"));
            }
            return;
        }
        let good = |task: &SimTask| {
            task.ends_well(&asked.properties)
                && task.ends_at() + 40.0 < deadline
                && task.script.missing < 30.0
        };
        // A definition that cannot be read until the deadline excuses nobody.
        let unread = self.world.life.trouble.no_definitions;
        if unread.is_some_and(|(from, long)| from + long + 20.0 > deadline) {
            return;
        }
        let undisturbed =
            !asked.disturbed && asked.abandoned.is_none_or(|abandoned| abandoned > *at);
        if undisturbed && self.world.life.is_survivable() && tasks.iter().all(|task| good(task)) {
            object(format!("should have succeeded: {answer}"));
        }
    }

    /// A request starts its tasks once. It starts them anew only if none of them ever ran, or if
    /// not all could be started.
    fn started_once(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let mut launches = self
            .launches(asked)
            .filter(|launch| !launch.tasks.is_empty());
        let Some(before) = launches.next() else {
            return;
        };
        let service_timeout = Chapter::number(&asked.properties, "ServiceTimeout", 3600.0);
        // The function cannot recall a start that is on its way when CloudFormation gives up.
        if !asked.disturbed && before.at > asked.sent + service_timeout + 1.0
            || asked
                .first_delivered
                .is_some_and(|at| at > asked.sent + service_timeout + 1.0)
        {
            object(format!(
                "its tasks started at {:.1} s, when CloudFormation had given up",
                before.at
            ));
        }
        let expected = expected(&asked.properties);
        let (mut tasks, first) = (self.tasks(before).collect::<Vec<_>>(), before.at);
        for launch in launches {
            let complete = tasks.len() >= expected;
            if complete
                && tasks.iter().any(|task| task.running().is_some())
                && !self.may_start_twice(asked, launch)
            {
                object(format!(
                    "its tasks did not start once, but at {first:.1} s and {:.1} s",
                    launch.at
                ));
            }
            if complete {
                tasks.clear();
            }
            tasks.extend(self.tasks(launch));
        }
    }

    /// StartTask has no client token: without a ledger two deliveries at the same moment both start
    /// tasks (docs/reliability.md), and neither knows of the other's.
    fn may_start_twice(&self, asked: &Asked, launch: &Launch) -> bool {
        let several = asked.deliveries > 1 || asked.disturbed;
        !launch.by_token && several && !self.remembered.keeps(asked)
    }

    /// Nothing of a request runs on after FAILED, and nothing of the resource after Delete.
    fn nothing_runs_on(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let Some(first) = asked.answers.first() else {
            return;
        };
        let Answer {
            at,
            looked_at,
            body: answer,
            ..
        } = first;
        let failed = answer["Status"] == "FAILED";
        let delete = asked.kind == "Delete";
        if delete && failed || !delete && !failed {
            return;
        }
        for launch in &self.state.launches {
            let concerned = delete || launch.request == asked.id;
            // Nobody can know of a task that another delivery starts after the last look
            // (docs/reliability.md).
            let several = launch.request != asked.id || asked.deliveries > 1 || asked.disturbed;
            let looked = self
                .cluster(launch)
                .and_then(|cluster| looked_at.get(cluster));
            let unseen = looked.is_none_or(|looked| launch.at >= *looked);
            // The same holds for tasks that the function may not look at: the delivery that started
            // them stops them.
            let denied = matches!(
                self.world.life.trouble.denied,
                Some("ListTasks" | "DescribeTasks")
            );
            let unknowable = several && (unseen || denied);
            if !concerned || launch.at > *at || unknowable {
                continue;
            }
            for task in self.tasks(launch) {
                // Only the delivery that started a task knows whose it is, until ECS describes it.
                let described = launch.at + task.script.missing;
                if several && looked.is_none_or(|looked| described >= *looked) {
                    continue;
                }
                // A Delete that has no time left answers when the tasks have been told to stop.
                let in_time = *at
                    < asked.sent + Chapter::number(&asked.properties, "ServiceTimeout", 3600.0)
                        - 31.0;
                // In a cluster that the resource has left, a Delete does not wait for tasks that
                // are already stopping; and without time it does not look there a second time.
                let here = asked.properties["Cluster"] == task.cluster.as_str();
                if delete && !here && !in_time {
                    continue;
                }
                let runs = if delete && in_time && here {
                    task.gone_at() > *at
                } else {
                    task.runs_on_after(*at)
                };
                if runs && !self.aws_refused(task, first) {
                    let what = if delete {
                        "after Delete"
                    } else {
                        "runs on after FAILED"
                    };
                    object(format!("a task {what} at {at:.1} s: {task:?}"));
                }
            }
        }
    }

    /// A run that timed out has stopped when it is answered, unless the answer says that there was
    /// no time for it.
    fn stopped_when_timed_out(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let Some(first) = asked.answers.first() else {
            return;
        };
        let reason = first.body["Reason"].as_str().unwrap_or_default();
        if !reason.contains(TIMED_OUT)
            || NOT_SEEN_TO_STOP.iter().any(|words| reason.contains(words))
        {
            return;
        }
        let own = self
            .run(asked, first.at)
            .into_iter()
            .filter(|launch| !self.may_start_twice(asked, launch));
        for task in own.flat_map(|launch| self.tasks(launch)) {
            if task.created < first.at && task.ends_at() > first.at {
                object(format!(
                    "a task was still dying at {:.1} s: {task:?}",
                    first.at
                ));
            }
        }
    }

    /// True if AWS let no StopTask for this task through, or did not let the tasks be found; the
    /// answer then says so.
    fn aws_refused(&self, task: &SimTask, answer: &Answer) -> bool {
        let Answer {
            at, delivery, body, ..
        } = answer;
        let mine = |call: &&Call| {
            call.delivery.request == delivery.request && call.delivery.number == delivery.number
        };
        let recent = self
            .state
            .calls
            .iter()
            .filter(mine)
            .filter(|call| call.at <= *at && call.at > at - 40.0);
        let mut stops = recent
            .clone()
            .filter(|call| call.task.as_ref() == Some(&task.arn))
            .peekable();
        let not_stopped = stops.peek().is_some() && stops.all(|call| !call.ok);
        let reason = body["Reason"].as_str().unwrap_or_default();
        let said = NOT_FOUND.iter().any(|words| reason.contains(words));
        not_stopped || said && recent.clone().any(|call| !call.ok)
    }

    /// Two runs of the resource that are waited for never run at the same time.
    fn never_side_by_side(&self, objections: &mut Vec<String>) {
        let waited: Vec<&Launch> =
            self.state
                .launches
                .iter()
                .filter(|launch| {
                    self.state.requests.iter().any(|asked| {
                        asked.id == launch.request && asked.properties["Timeout"] != "0"
                    })
                })
                .collect();
        for (index, first) in waited.iter().enumerate() {
            for second in waited[index + 1..]
                .iter()
                .filter(|second| second.request != first.request)
            {
                let number = |launch: &Launch| {
                    self.state
                        .requests
                        .iter()
                        .position(|asked| asked.id == launch.request)
                };
                let looked = self
                    .cluster(first)
                    .and_then(|cluster| second.looked_at.get(cluster));
                // Nobody can know of an older request's start that took effect after the newer one
                // had looked.
                if number(first) > number(second)
                    || looked.is_some_and(|looked| first.at >= *looked)
                {
                    continue;
                }
                // Without a ledger nobody remembers a cluster that neither this request nor the one
                // before it names.
                let names = |number: usize| {
                    let asked = self.state.requests.get(number);
                    asked.is_some_and(|asked| {
                        self.cluster(first)
                            .is_some_and(|cluster| asked.properties["Cluster"] == *cluster)
                    })
                };
                let own = number(second).unwrap_or_default();
                if self.world.ledger.is_none() && !names(own) && !names(own.saturating_sub(1)) {
                    continue;
                }
                let spans = |launch: &Launch| {
                    self.tasks(launch)
                        .filter_map(SimTask::running)
                        .collect::<Vec<_>>()
                };
                for (from, to) in spans(first) {
                    for (other_from, other_to) in spans(second) {
                        if from < other_to && other_from < to {
                            objections.push(format!(
                                "runs of {} and {} are side by side: {from:.1}–{to:.1} s and \
                                 {other_from:.1}–{other_to:.1} s",
                                first.request, second.request
                            ));
                        }
                    }
                }
            }
        }
    }

    fn invocations_end_well(&self, objections: &mut Vec<String>) {
        for one in &self.state.invocations {
            match one.end {
                Ending::TimedOut => objections.push(format!(
                    "{}: an invocation that began at {:.1} s was killed at its deadline",
                    one.delivery.request, one.began
                )),
                Ending::Err => {
                    let asked = self
                        .state
                        .requests
                        .iter()
                        .find(|asked| asked.id == one.delivery.request);
                    let trouble = &self.world.life.trouble;
                    let answered = asked.is_some_and(|asked| {
                        asked.answers.iter().any(|answer| answer.at <= one.ended)
                    });
                    if answered && !trouble.bucket_refuses && trouble.rate == 0.0 {
                        objections.push(format!(
                            "{}: an invocation failed after its answer was delivered",
                            one.delivery.request
                        ));
                    }
                }
                Ending::Running | Ending::Ok | Ending::Crashed => {}
            }
        }
    }
}

/// True if an answer says in these words that it has no Output.
fn says_no_output(answer: &Value, why: &str) -> bool {
    answer["Reason"]
        .as_str()
        .is_some_and(|reason| reason.contains(NO_OUTPUT) && reason.contains(why))
}

/// Returns the number of tasks that a run has.
fn expected(properties: &Value) -> usize {
    let instances = properties["Instances"].as_array().map_or(0, Vec::len);
    if instances > 0 {
        instances
    } else {
        Chapter::number(properties, "Count", 1.0) as usize
    }
}

#[test]
fn the_rules_read_an_answer_by_words_that_answers_have() {
    let texts = [
        include_str!("../../src/failures/catalogue.rs"),
        include_str!("../../src/reason.rs"),
        include_str!("../../src/runner/decide/texts.rs"),
        include_str!("../../src/runner/delete.rs"),
    ];
    let words = [NOT_SEEN_TO_STOP, NOT_FOUND].concat();
    let alone = [PANIC, NOT_STARTED, TIMED_OUT, NO_OUTPUT, DEFINITION_UNREAD];
    for words in words.into_iter().chain(alone) {
        assert!(texts.iter().any(|text| text.contains(words)), "{words}");
    }
}
