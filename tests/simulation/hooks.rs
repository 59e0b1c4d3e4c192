//! Deployments of a service whose hook is the function: ECS invokes it, keeps its details, doubles or loses
//! what it likes, and replaces a deployment by a later one.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, task::Poll, time::Duration};

use ecs_tasks::{
    function::clock::Clock,
    runner::{Runner, invocation::Invocation},
};
use fastrand::Rng;
use futures_util::FutureExt;
use serde_json::{Value, json};
use time::Duration as Span;

use crate::{
    Lived,
    ecs::{Fate, Script, Seconds, SimTask},
    life::{Fault, Life, Refusal, SECRET, Trouble, pick},
    sabotage::Sabotage,
    simulated, wire,
    world::{Delivery, EPOCH, INVOCATION, World},
};

const SERVICE: &str = "arn:aws:ecs:us-west-2:123456789012:service/prod/web";
/// How long a deployment may go on beyond Timeout: the start, an earlier deployment's tasks, the stop.
const PATIENCE: Seconds = 60.0 + 600.0 + 600.0 + 60.0;

/// Some deployments of a service, one after the other.
#[derive(Clone, Debug)]
struct HookLife {
    /// The trouble, the tasks and the function's time limit.
    life: Life,
    /// The properties in the hook's details.
    task: Value,
    /// For each deployment, after how many seconds a later one replaces it, if one does.
    deployments: Vec<Option<Seconds>>,
    /// How probable it is that ECS invokes the function twice at the same moment.
    doubles: f64,
    /// How probable it is that ECS loses what the function has given it.
    loses: f64,
    /// ECS invokes the function again after an invocation that failed, or else rolls back.
    tries_again: bool,
}

/// One deployment.
#[derive(Debug)]
struct Deployment {
    began: Seconds,
    /// SUCCEEDED or FAILED, and when.
    verdict: Option<(String, Seconds)>,
    /// An invocation has failed, or another has taken over: nobody can expect a verdict.
    is_broken_off: bool,
}

impl HookLife {
    fn calm(task: Value, script: Script) -> Self {
        Self {
            life: Life::calm(json!({}), script),
            task,
            deployments: vec![None],
            doubles: 0.0,
            loses: 0.0,
            tries_again: true,
        }
    }

    fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let trouble = Trouble {
            // The bucket and CloudFormation have no part in it.
            late: None,
            ..Trouble::draw(rng)
        };
        let environment = json!([{"Name": "PASSWORD", "Value": SECRET}]);
        let task = json!({
            "Timeout": pick(rng, &[30, 120, 290, 900]),
            "Count": pick(rng, &[1, 1, 1, 2]),
            "StartRetries": pick(rng, &[0, 0, 1, 2]),
            "Overrides": {"ContainerOverrides": [{"Name": "app", "Environment": environment}]},
        });
        let several = pick(rng, &[1, 1, 2, 3]);
        let deployments = (0..several)
            .map(|number| {
                let is_last = number + 1 == several;
                (!is_last && rng.f64() < 0.7).then(|| rng.f64() * 200.0)
            })
            .collect();
        let life = Life {
            seed,
            lambda_timeout: pick(rng, &[20, 60, 900]),
            trouble,
            scripts: Vec::new(),
            ..Life::calm(json!({}), Script::plain(Fate::Hangs))
        };
        Self {
            life,
            task,
            deployments,
            doubles: pick(rng, &[0.0, 0.0, 0.3]),
            loses: pick(rng, &[0.0, 0.0, 0.05, 0.2]),
            tries_again: rng.f64() < 0.5,
        }
    }

    /// Whether nothing but the tasks themselves decides.
    fn is_survivable(&self) -> bool {
        let trouble = &self.life.trouble;
        self.life.is_survivable()
            && trouble.rate == 0.0
            && trouble.crashes == 0.0
            && trouble.fresh_role == 0.0
            && trouble.no_definitions.is_none()
    }

    fn count(&self) -> usize {
        self.task["Count"].as_u64().unwrap_or(1) as usize
    }
}

/// Lives the deployments of a seed.
pub(crate) fn live(seed: u64) -> Lived {
    live_out(HookLife::of(seed), None)
}

fn live_out(hooked: HookLife, sabotage: Option<Sabotage>) -> Lived {
    let ((world, deployments, mut objections), log) = simulated(hooked.life.seed, || async {
        let world = World::new(hooked.life.clone(), sabotage, None);
        let runner = Arc::new(wire::runner(&world));
        let mut objections = Vec::new();
        let mut deployments = Vec::new();
        for (number, replaced) in hooked.deployments.iter().enumerate() {
            let deployment = deploy(&world, &runner, &hooked, number, *replaced, &mut objections);
            deployments.push(deployment.await);
        }
        (world, deployments, objections)
    });
    objections.extend(broken(&hooked, &world, &deployments, &log));
    let state = world.state();
    Lived {
        objections,
        steps: format!("{hooked:?}\n{}", state.journal_lines()),
        calls: state.calls.len(),
        answers: Vec::new(),
        log,
    }
}

/// Deploys the service, as far as its hook: until the hook has ended, or a later deployment comes.
async fn deploy(
    world: &Arc<World>,
    runner: &Arc<Runner>,
    hooked: &HookLife,
    number: usize,
    replaced: Option<Seconds>,
    objections: &mut Vec<String>,
) -> Deployment {
    let began = world.now();
    let configured = json!({"ECSTask": hooked.task});
    let mut details = configured.clone();
    let revision = format!(
        "arn:aws:ecs:us-west-2:123456789012:service-revision/prod/web/93134235154628939{number:02}"
    );
    world.state().revisions.insert(revision.clone(), began);
    let mut deployment = Deployment {
        began,
        verdict: None,
        is_broken_off: false,
    };
    let timeout = hooked.task["Timeout"].as_f64().unwrap_or(290.0);
    for invocation in 0.. {
        if replaced.is_some_and(|after| world.now() >= began + after) {
            world.note(format!("deployment {number} is replaced"));
            deployment.is_broken_off = true;
            return deployment;
        }
        // A state that is lost again and again leaves nobody who knows how long the run has lasted.
        let is_known = hooked.loses == 0.0 && hooked.life.trouble.crashes == 0.0;
        if world.now() > began + timeout + PATIENCE && !is_known {
            deployment.is_broken_off = true;
            return deployment;
        }
        if world.now() > began + timeout + PATIENCE {
            objections.push(format!(
                "deployment {number}: no answer in {timeout} s and the time to stop"
            ));
            return deployment;
        }
        let payload = json!({
            "executionId": format!("e-{number}-{invocation}"),
            "lifecycleStage": "PRE_SCALE_UP",
            "resourceArn":
                format!("arn:aws:ecs:us-west-2:123456789012:service-deployment/prod/web/deployment-{number}"),
            "executionDetails": {
                "serviceArn": SERVICE,
                "targetServiceRevisionArn": revision,
                "testTrafficWeights": {},
                "productionTrafficWeights": {},
            },
            "hookDetails": details,
        });
        let twice = world.state().rng.f64() < hooked.doubles;
        let delivery = Delivery {
            request: format!("d-{number}"),
            number: invocation,
            chain: 1,
        };
        let first = invoke(world, runner, &payload, delivery.clone());
        let answer = match twice {
            true => {
                let second = Delivery {
                    number: invocation + 1_000_000,
                    ..delivery
                };
                tokio::join!(first, invoke(world, runner, &payload, second)).0
            }
            false => first.await,
        };
        let status = answer.as_ref().map(|answer| answer["hookStatus"].clone());
        match status.as_ref().and_then(Value::as_str) {
            Some("IN_PROGRESS") => {
                let answer = answer.unwrap_or_default();
                let has_failed = !answer["hookDetails"]["Run"]["failed"].is_null();
                if has_failed && world.sabotage == Some(Sabotage::FailsBeforeItStops) {
                    world.note(format!("deployment {number}: FAILED"));
                    deployment.verdict = Some(("FAILED".to_owned(), world.now()));
                    return deployment;
                }
                let run = answer["hookDetails"]["Run"].to_string();
                if run.contains(SECRET) {
                    objections.push(format!("deployment {number}: the state holds a secret"));
                }
                let lost = world.state().rng.f64() < hooked.loses;
                details = match lost {
                    true => configured.clone(),
                    false => merged(&configured, &answer["hookDetails"]),
                };
                let delay = answer["callBackDelay"].as_u64().unwrap_or(30);
                if !(1..=15).contains(&delay) {
                    objections.push(format!("deployment {number}: a delay of {delay} s"));
                }
                tokio::time::sleep(Duration::from_secs(delay)).await;
            }
            Some(status @ ("SUCCEEDED" | "FAILED")) => {
                world.note(format!("deployment {number}: {status}"));
                deployment.verdict = Some((status.to_owned(), world.now()));
                return deployment;
            }
            _ if answer.is_some() => {
                objections.push(format!("deployment {number}: no valid answer: {answer:?}"));
                return deployment;
            }
            _ if hooked.tries_again => {
                deployment.is_broken_off = true;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            _ => {
                deployment.is_broken_off = true;
                return deployment;
            }
        }
    }
    deployment
}

/// The details of the next invocation. AWS says that they are merged.
fn merged(configured: &Value, given: &Value) -> Value {
    let mut details = configured.clone();
    for (name, value) in given.as_object().into_iter().flatten() {
        details[name] = value.clone();
    }
    details
}

/// Invokes the function and returns its result; none if the invocation has crashed.
async fn invoke(
    world: &Arc<World>,
    runner: &Runner,
    payload: &Value,
    delivery: Delivery,
) -> Option<Value> {
    let dies_after = {
        let mut state = world.state();
        let dies = state.rng.f64() < world.life.trouble.crashes;
        dies.then(|| state.rng.u32(1..=60))
    };
    let limit = world.life.lambda_timeout;
    let ends_at = world.clock.now() + Span::seconds(limit.into());
    let told = match world.sabotage {
        Some(Sabotage::IgnoresItsDeadline) => ends_at + Span::HOUR,
        _ => ends_at,
    };
    let invocation = Invocation::begin(
        Clock::at(world.clock.now()),
        told,
        "arn:aws:lambda:us-west-2:123456789012:function:ecsTasks",
    );
    let handling = AssertUnwindSafe(runner.handle(payload, &invocation)).catch_unwind();
    let mut handling = pin!(INVOCATION.scope(delivery.clone(), handling));
    let mut polls = 0;
    let mortal = std::future::poll_fn(|cx| {
        polls += 1;
        if dies_after.is_some_and(|after| polls > after) {
            return Poll::Ready(None);
        }
        let polled = handling.as_mut().poll(cx);
        if world.state().dead.contains(&delivery) {
            world.state().dead.retain(|dead| *dead != delivery);
            return Poll::Ready(None);
        }
        polled.map(|result| result.ok()?.ok())
    });
    let limited = tokio::time::timeout(Duration::from_secs(limit.into()), mortal).await;
    if limited.is_err() {
        world.note("an invocation was killed at its deadline");
    }
    let result = limited.ok().flatten();
    if result.is_none() {
        world.note("the invocation has failed");
    }
    result
}

/// Every promise that was broken.
fn broken(hooked: &HookLife, world: &World, deployments: &[Deployment], log: &str) -> Vec<String> {
    let state = world.state();
    let mut objections = Vec::new();
    let mut object = |what: String| objections.push(what);
    let of = |number: usize| -> Vec<&SimTask> {
        let request = format!("d-{number}");
        let launches = state
            .launches
            .iter()
            .filter(|launch| launch.request == request);
        launches
            .flat_map(|launch| &launch.tasks)
            .map(|task| &state.tasks[*task])
            .collect()
    };
    let stops_are_denied = hooked.life.trouble.denied.is_some() || hooked.life.panics();
    for (number, deployment) in deployments.iter().enumerate() {
        let tasks = of(number);
        let ran = tasks.iter().filter(|task| task.running().is_some()).count();
        if ran > hooked.count() {
            object(format!(
                "deployment {number} did not start once: {ran} tasks ran"
            ));
        }
        for (later, _) in deployments.iter().enumerate().skip(number + 1) {
            for task in of(later) {
                let overlaps = |earlier: &&SimTask| {
                    let (Some(a), Some(b)) = (earlier.running(), task.running()) else {
                        return false;
                    };
                    a.0 < b.1 && b.0 < a.1
                };
                if let Some(earlier) = tasks.iter().find(|earlier| overlaps(earlier)) {
                    object(format!("side by side: {} and {}", earlier.arn, task.arn));
                }
            }
        }
        let Some((status, at)) = &deployment.verdict else {
            continue;
        };
        // Only the definition tells that the helper had not ended first.
        let good = |task: &&&SimTask| {
            let ends_well = task.ends_well(&hooked.task) || task.seems_stopped_by_its_helper();
            ends_well && task.ends_at() <= *at
        };
        let well = tasks.iter().filter(good).count();
        if status == "SUCCEEDED" && well < hooked.count() {
            object(format!(
                "deployment {number}: untrue SUCCESS: {well} tasks have ended well"
            ));
        }
        let deadline = tasks
            .iter()
            .map(|task| task.created)
            .fold(Seconds::INFINITY, Seconds::min)
            + hooked.task["Timeout"].as_f64().unwrap_or(290.0);
        let in_time = tasks.iter().all(|task| task.ends_at() < deadline - 1.0);
        if status == "FAILED" {
            let strictly = tasks.iter().all(|task| task.ends_well(&hooked.task));
            let ended_well = well == hooked.count() && tasks.len() == well && in_time && strictly;
            if (ended_well || tasks.is_empty())
                && hooked.is_survivable()
                && !deployment.is_broken_off
            {
                object(format!("deployment {number} should have succeeded"));
            }
            // Nothing could be done about it, and the Reason says so.
            let says_so = log.lines().any(|line| {
                let told = ["aws ecs stop-task", "could not check"];
                told.iter().any(|words| line.contains(words))
                    && line.contains(&format!("deployment-{number}"))
            });
            for task in &tasks {
                if stops_are_denied || deployment.is_broken_off {
                    continue;
                }
                if task.runs_on_after(*at) && !says_so {
                    object(format!(
                        "deployment {number} runs on after FAILED: {}",
                        task.arn
                    ));
                }
                let timed_out = task.stopped.as_ref();
                // An invocation without the state of the other, or of the one before, cannot know why its
                // tasks are stopping.
                let timed_out = timed_out.is_some_and(|(_, why)| why.contains("Timeout"))
                    && hooked.loses == 0.0
                    && hooked.doubles == 0.0;
                if timed_out && task.ends_at() > *at + 0.5 {
                    object(format!("deployment {number} is still dying: {}", task.arn));
                }
            }
            let tells = |line: &str| {
                line.contains("\"ERROR\"")
                    && line.contains("\"answering\"")
                    && line.contains(&format!("deployment-{number}"))
            };
            if !log.lines().any(tells) {
                object(format!("deployment {number}: no line tells why it failed"));
            }
        }
        if deployment.began > *at {
            object("time goes back".to_owned());
        }
    }
    if log.contains(SECRET) {
        object("a secret stands in the log".to_owned());
    }
    if state
        .journal
        .iter()
        .any(|(_, step)| step.contains("killed at its deadline"))
    {
        object("an invocation was killed at its deadline".to_owned());
    }
    objections
}

#[track_caller]
fn check(hooked: HookLife) -> Lived {
    let lived = live_out(hooked, None);
    lived.assert_kept();
    lived
}

#[test]
fn the_lives_of_many_deployments_keep_every_promise() {
    for seed in 0..150 {
        let lived = live(seed);
        lived.assert_kept();
    }
}

fn exits(code: i64, seconds: Seconds) -> Script {
    Script::plain(Fate::Exits(code, seconds))
}

#[test]
fn a_calm_run_starts_with_four_calls_and_looks_with_three_at_most() {
    for code in [0, 1] {
        let hooked = HookLife::calm(json!({}), exits(code, 100.0));
        let lived = check(hooked);
        let invocations = lived
            .log
            .lines()
            .filter(|line| line.contains("in progress") || line.contains("\"answering\""));
        let looks = invocations.count() - 1;
        // The first look reads the definition, too, and the last of a failure the log.
        let expected = 4 + looks + 1 + usize::from(code != 0);
        assert!(
            lived.calls <= expected,
            "{} calls, {looks} looks\n{}",
            lived.calls,
            lived.steps
        );
    }
}

/// Lives in which each sabotage must be noticed, with a word of the objection.
fn sabotaged() -> Vec<(Sabotage, &'static str, HookLife)> {
    let long = || HookLife::calm(json!({"Timeout": 290}), exits(0, 100.0));
    let replaced = || HookLife {
        deployments: vec![Some(40.0), None],
        ..long()
    };
    let endless = || HookLife::calm(json!({"Timeout": 60}), Script::plain(Fate::Hangs));
    let stubborn = || Script {
        stopping: (60.0, 137),
        ..exits(0, 500.0)
    };
    let panics = || {
        let mut hooked = long();
        hooked.life.always_panics = Some("RunTask");
        hooked.tries_again = true;
        hooked
    };
    let refused = || {
        let mut hooked = long();
        hooked.life.trouble.refusals = vec![Refusal::YoungRole];
        hooked
    };
    vec![
        (
            Sabotage::SendsNoToken,
            "start once",
            HookLife {
                loses: 1.0,
                ..long()
            },
        ),
        (Sabotage::StopsNothing, "runs on after", endless()),
        (
            Sabotage::TakesEveryEndForASuccess,
            "untrue SUCCESS",
            HookLife::calm(json!({}), exits(1, 20.0)),
        ),
        (Sabotage::DoesNotWait, "untrue SUCCESS", long()),
        (Sabotage::FindsNothing, "side by side", replaced()),
        (
            Sabotage::LooksAtWhatRunsAlone,
            "side by side",
            HookLife {
                life: Life {
                    scripts: vec![stubborn(), exits(0, 30.0)],
                    ..long().life
                },
                ..replaced()
            },
        ),
        (
            Sabotage::AnswersBeforeTheEnd,
            "still dying",
            HookLife::calm(
                json!({"Timeout": 60}),
                Script {
                    stopping: (60.0, 137),
                    ..Script::plain(Fate::Hangs)
                },
            ),
        ),
        (Sabotage::HasNoGuard, "no answer", panics()),
        (
            Sabotage::GivesUpOn(Refusal::YoungRole),
            "should have succeeded",
            refused(),
        ),
        (
            Sabotage::FailsBeforeItStops,
            "runs on after",
            HookLife::of(TWINS_DIFFER[0]),
        ),
    ]
}

#[test]
fn a_runner_that_breaks_a_rule_of_hooks_is_found_out() {
    for (sabotage, word, hooked) in sabotaged() {
        // Without the sabotage the same life keeps every promise.
        check(hooked.clone());
        let lived = live_out(hooked, Some(sabotage));
        assert!(
            lived.objections.iter().any(|one| one.contains(word)),
            "nobody notices that the runner {sabotage:?}\n{}{:#?}",
            lived.steps,
            lived.objections
        );
    }
}

#[test]
fn a_deployment_is_answered_though_the_runner_panics_at_any_call() {
    let endless = HookLife::calm(json!({"Timeout": 30}), Script::plain(Fate::Hangs));
    let fails = HookLife::calm(json!({}), exits(1, 20.0));
    let replaced = HookLife {
        deployments: vec![Some(20.0), None],
        ..HookLife::calm(json!({}), exits(0, 60.0))
    };
    for hooked in [endless, fails, replaced] {
        for nth in 1.. {
            let mut hooked = hooked.clone();
            hooked.life.planned = vec![("*", nth, Fault::Panics)];
            let lived = check_answered(hooked);
            if !lived.steps.contains("the runner panics") {
                assert!(nth > 4, "a life of {nth} calls");
                break;
            }
        }
    }
}

/// Every task has been stopped or has ended when the life is over.
#[track_caller]
fn check_answered(hooked: HookLife) -> Lived {
    let lived = check(hooked);
    assert!(
        !lived.steps.contains("the invocation has failed"),
        "{}",
        lived.steps
    );
    lived
}

/// A look that never gets an answer must leave time for the stop.
#[test]
fn a_task_is_stopped_at_its_deadline_in_whatever_time_an_invocation_has() {
    for lambda_timeout in [3, 10, 60] {
        let mut hooked = HookLife::calm(json!({"Timeout": 30}), Script::plain(Fate::Hangs));
        hooked.life.lambda_timeout = lambda_timeout;
        hooked.life.planned = (1..200)
            .map(|nth| ("DescribeTasks", nth, Fault::Hangs))
            .collect();
        let lived = live_out(hooked, None);
        assert!(lived.steps.contains("StopTask 01 → 200"), "{}", lived.steps);
    }
}

#[test]
fn a_run_that_never_ran_starts_anew() {
    let mut hooked = HookLife::calm(json!({"StartRetries": 1}), exits(0, 20.0));
    hooked.life.scripts = vec![Script::plain(Fate::FailsToStart), exits(0, 20.0)];
    let lived = check(hooked);
    assert!(lived.steps.contains("SUCCEEDED"), "{}", lived.steps);
}

#[test]
fn a_start_without_capacity_is_tried_again_by_the_next_invocation() {
    for partial_starts in [false, true] {
        let mut hooked = HookLife::calm(json!({"Count": 2}), exits(0, 20.0));
        hooked.life.scripts = vec![exits(0, 20.0), exits(0, 20.0)];
        hooked.life.trouble.without_capacity = 1;
        hooked.life.trouble.partial_starts = partial_starts;
        let lived = check(hooked);
        assert!(lived.steps.contains("SUCCEEDED"), "{}", lived.steps);
    }
}

/// Lives in which one of two invocations at the same moment had no time left to try the start again
/// and failed the hook, while the other one started the task.
const TWINS_DIFFER: [u64; 4] = [32983, 33227, 42615, 99726];

#[test]
fn no_task_runs_on_after_the_last_start_of_a_doubled_invocation() {
    for seed in TWINS_DIFFER {
        live(seed).assert_kept();
    }
}

/// The epoch of revisions, for [`World`].
pub(crate) fn revision(arn: &str, created: Seconds) -> Value {
    json!({
        "serviceRevisionArn": arn,
        "serviceArn": SERVICE,
        "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
        "taskDefinition": crate::DEFINITION,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        "createdAt": EPOCH as f64 + created,
    })
}
