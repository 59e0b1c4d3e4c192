//! CloudFormation and Lambda: they send, deliver, hand over, lose and double requests, and receive
//! the answers.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use ecs_tasks::{
    function::clock::Clock,
    runner::{Runner, invocation::Invocation},
};
use futures_util::FutureExt;
use rehearse::service::lambda::chain;
use serde_json::{Value, json};
use time::{Duration as Span, macros::format_description};
use tokio::task::JoinSet;

use crate::{
    ledger::{self, Ledger},
    life::Chapter,
    sabotage::{self, Sabotage},
    world::{Answer, Asked, Delivery, Ending, INVOCATION, Invoked, World},
};

pub(crate) const STACK_ID: &str =
    "arn:aws:cloudformation:us-west-2:123456789012:stack/shop/12947b30-d31a-11e6-93df-503acbd4dc61";
/// Times that Lambda waits before it tries an event again.
const RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// Time for which a life is watched after CloudFormation's last request, if a row stays open; and
/// if a bug keeps it open.
const LONGEST: [f64; 2] = [9000.0, 600.0];
/// A secret in the query of the ResponseURL.
pub(crate) const URL_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Lives a life to its end: first the stack's requests, then everything of the function that still
/// runs.
pub(crate) async fn live(world: &Arc<World>, instances: &[Arc<Runner>]) {
    live_through(world, instances, async {
        deploy(world).await;
        if world.account.is_some() {
            // Time for the events that ECS still has to send about its task.
            tokio::time::sleep(Duration::from_secs(40)).await;
        }
    })
    .await;
}

/// Lives as long as a story takes, and everything that it has set off.
pub(crate) async fn live_through(
    world: &Arc<World>,
    instances: &[Arc<Runner>],
    story: impl Future<Output = ()>,
) {
    let (queue, mut events) = tokio::sync::mpsc::unbounded_channel();
    *world.queue.lock().unwrap() = Some(queue);
    let lambda = async {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    let instance = world.state().rng.usize(..instances.len());
                    running.spawn_local(deliver(Arc::clone(world), Arc::clone(&instances[instance]), event));
                }
                Some(done) = running.join_next() => done.unwrap(),
                else => break,
            }
        }
    };
    let stack = async {
        story.await;
        // The function does the rest without CloudFormation.
        let given_up_at = world.now() + LONGEST[usize::from(world.life.panics())];
        let is_at_work = || {
            let ledger = world.ledger.as_ref().filter(|_| world.account.is_none());
            let waits = ledger.is_some_and(Ledger::has_open_rows) && world.now() < given_up_at;
            // A watch that dies in every round is always under way.
            let is_over = world.life.panics() && world.now() >= given_up_at;
            waits || world.underway.load(Ordering::SeqCst) > 0 && !is_over
        };
        while is_at_work() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        *world.queue.lock().unwrap() = None;
    };
    let life = async { tokio::join!(lambda, stack) };
    tokio::select! {
        biased;
        _ = life => {}
        () = ledger::rules(world) => {}
    }
}

/// An event that Lambda is to deliver.
pub(crate) struct Event {
    pub(crate) payload: Value,
    pub(crate) delivery: Delivery,
    pub(crate) delay: Duration,
}

/// CloudFormation's wish about the resource.
#[derive(Clone, Copy)]
struct Wish<'w> {
    kind: &'static str,
    properties: &'w Value,
    old: Option<&'w Value>,
    physical_id: Option<&'w str>,
}

async fn deploy(world: &Arc<World>) {
    let mut physical_id: Option<String> = None;
    let mut good: Option<Value> = None;
    for (number, chapter) in world.life.chapters.clone().iter().enumerate() {
        let create = number == 0;
        world.state().stack_status = if create {
            "CREATE_IN_PROGRESS"
        } else {
            "UPDATE_IN_PROGRESS"
        };
        let kind = if create { "Create" } else { "Update" };
        let wish = Wish {
            kind,
            properties: &chapter.properties,
            old: good.as_ref(),
            physical_id: physical_id.as_deref(),
        };
        let answer = ask(world, wish, chapter.cancelled_after).await;
        let id = answer
            .as_ref()
            .and_then(|answer| answer["PhysicalResourceId"].as_str())
            .map(str::to_owned);
        let succeeded = answer.is_some_and(|answer| answer["Status"] == "SUCCESS");
        if create {
            physical_id = Some(id.unwrap_or_else(|| "shop-Migrate-MADEUPBYCFN".to_owned()));
        }
        if succeeded {
            good = Some(chapter.properties.clone());
            continue;
        }
        if create {
            world.state().stack_status = "ROLLBACK_IN_PROGRESS";
            return delete(world, &chapter.properties, physical_id.as_deref()).await;
        }
        world.state().stack_status = "UPDATE_ROLLBACK_IN_PROGRESS";
        let before = good.clone().unwrap_or_default();
        let wish = Wish {
            kind: "Update",
            properties: &before,
            old: Some(&chapter.properties),
            physical_id: physical_id.as_deref(),
        };
        let rolled_back = ask(world, wish, None).await;
        if rolled_back.is_none_or(|answer| answer["Status"] != "SUCCESS") {
            break;
        }
    }
    if world.life.deleted {
        world.state().stack_status = "DELETE_IN_PROGRESS";
        delete(world, &good.unwrap_or_default(), physical_id.as_deref()).await;
    }
}

/// Deletes the resource. A FAILED Delete is tried again a few times.
async fn delete(world: &Arc<World>, properties: &Value, physical_id: Option<&str>) {
    for _ in 0..3 {
        let answer = ask(
            world,
            Wish {
                kind: "Delete",
                properties,
                old: None,
                physical_id,
            },
            None,
        )
        .await;
        if answer.is_some_and(|answer| answer["Status"] == "SUCCESS") {
            return;
        }
    }
}

/// Sends a request and waits for its answer, until ServiceTimeout or until CloudFormation loses
/// interest.
async fn ask(world: &Arc<World>, wish: Wish<'_>, cancelled_after: Option<f64>) -> Option<Value> {
    let Wish {
        kind, properties, ..
    } = wish;
    let sent = world.now();
    let (id, late, twice) = {
        let mut state = world.state();
        let id = format!("r-{}", state.requests.len() + 1);
        let trouble = &world.life.trouble;
        let late = trouble
            .late
            .filter(|(chance, _)| state.rng.f64() < *chance)
            .map_or(0.0, |(_, late)| late);
        let apart = if trouble.twin { 0.05 } else { 30.0 };
        let twice = (state.rng.f64() < trouble.duplicates).then(|| state.rng.f64() * apart);
        state.requests.push(Asked {
            id: id.clone(),
            kind,
            properties: properties.clone(),
            sent,
            first_delivered: None,
            deliveries: 0,
            disturbed: late > 0.0,
            hop_lost: false,
            chain_broken: false,
            answers: Vec::new(),
            abandoned: None,
        });
        if state.rng.f64() < world.trouble().dies_thrice {
            state.doomed.push(id.clone());
        }
        (id, late, twice)
    };
    world.note(format!("=> {kind} {id}"));
    let payload = payload(world, &id, wish);
    for (number, delay) in std::iter::once(late)
        .chain(twice.map(|after| late + after))
        .enumerate()
    {
        let delivery = Delivery {
            request: id.clone(),
            number: number as u32,
            chain: 1,
        };
        world.queue(Event {
            payload: payload.clone(),
            delivery,
            delay: Duration::from_secs_f64(delay),
        });
    }
    let service_timeout = Chapter::number(properties, "ServiceTimeout", 3600.0);
    let patience = cancelled_after
        .unwrap_or(service_timeout)
        .min(service_timeout);
    let answer = || {
        let state = world.state();
        let asked = state.requests.iter().find(|asked| asked.id == id)?;
        asked.answers.first().map(|answer| answer.body.clone())
    };
    let answered = async {
        loop {
            let next = world.answered.notified();
            if let Some(answer) = answer() {
                return answer;
            }
            next.await;
        }
    };
    let result = tokio::time::timeout(Duration::from_secs_f64(patience), answered)
        .await
        .ok();
    if result.is_none() {
        world.note(format!("CloudFormation goes on without {id}"));
        let now = world.now();
        let mut state = world.state();
        state
            .requests
            .iter_mut()
            .filter(|asked| asked.id == id)
            .for_each(|asked| asked.abandoned = Some(now));
    }
    result
}

fn payload(world: &World, id: &str, wish: Wish<'_>) -> Value {
    let Wish {
        kind,
        properties,
        old,
        physical_id,
    } = wish;
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = world.clock.now().format(format).unwrap();
    let stack_id = world.stack_id();
    let stack = stack_id.replace(':', "%3A");
    let url = format!(
        "https://cloudformation-custom-resource-response-uswest2.s3.us-west-2.amazonaws.com/{stack}%7CMigrate%7C{id}\
         ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires=7200&X-Amz-Signature={URL_SECRET}"
    );
    let mut payload = json!({
        "RequestType": kind,
        "ServiceToken": properties["ServiceToken"],
        "ResponseURL": url,
        "StackId": stack_id,
        "RequestId": id,
        "LogicalResourceId": "Migrate",
        "ResourceType": "Custom::ECSTask",
        "ResourceProperties": properties,
    });
    if let Some(id) = physical_id {
        payload["PhysicalResourceId"] = id.into();
    }
    if let Some(old) = old {
        payload["OldResourceProperties"] = old.clone();
    }
    payload
}

/// Delivers an event as Lambda does: up to three times, until an invocation ends without error.
async fn deliver(world: Arc<World>, runner: Arc<Runner>, event: Event) {
    tokio::time::sleep(event.delay).await;
    let request = &event.delivery.request;
    for attempt in 0..=RETRIES.len() {
        if let Some(account) = &world.account {
            account.admit().await;
        }
        let end = invoke(&world, &runner, &event, attempt).await;
        if let Some(account) = &world.account {
            account.leave();
        }
        if end == Ending::Ok {
            break;
        }
        if let Some(pause) = RETRIES.get(attempt) {
            world.asked(request, |asked| asked.disturbed = true);
            tokio::time::sleep(*pause).await;
        }
    }
    world.underway.fetch_sub(1, Ordering::SeqCst);
}

async fn invoke(world: &Arc<World>, runner: &Runner, event: &Event, attempt: usize) -> Ending {
    let began = world.now();
    let (request, chain) = (&event.delivery.request, event.delivery.chain);
    let (number, dies_after) = {
        let mut state = world.state();
        let dies = attempt < RETRIES.len() && state.rng.f64() < world.life.trouble.crashes;
        let dies = dies || state.doomed.contains(request) && chain == 1;
        let deliveries = state
            .invocations
            .iter()
            .filter(|one| one.delivery.is_of_request())
            .count();
        let first = world
            .life
            .first_dies_after
            .filter(|_| deliveries < world.life.deaths);
        let dies_after = first.filter(|_| event.delivery.is_of_request());
        let dies_after = dies_after.or(dies.then(|| state.rng.u32(1..=60)));
        let end = Ending::Running;
        state.invocations.push(Invoked {
            delivery: event.delivery.clone(),
            began,
            ended: began,
            end,
        });
        (state.invocations.len() - 1, dies_after)
    };
    world.asked(request, |asked| {
        asked.first_delivered.get_or_insert(began);
        asked.deliveries += u32::from(chain == 1);
    });
    world.note(format!(
        "an invocation for {request}, number {chain} of its chain"
    ));
    let timeout = Span::seconds(world.life.lambda_timeout.into());
    let real_end = world.clock.now() + timeout;
    let told_end = if world.sabotage == Some(Sabotage::IgnoresItsDeadline) {
        real_end + Span::HOUR
    } else {
        real_end
    };
    let may_recurse =
        world.life.recursive_loop || world.sabotage == Some(Sabotage::IgnoresTheChain);
    let clock = Clock::at(world.clock.now());
    let invocation = Invocation::begin(
        clock,
        told_end,
        "arn:aws:lambda:us-west-2:123456789012:function:ecsTasks:live",
    )
    .with_recursive_loop(may_recurse);

    let payload = sabotage::payload(world, event.payload.clone());
    let handling = AssertUnwindSafe(runner.handle(&payload, &invocation)).catch_unwind();
    let mut handling = pin!(INVOCATION.scope(event.delivery.clone(), handling));
    let mut polls = 0;
    // An invocation dies at an await point: nothing of it is polled from there on.
    let mortal = std::future::poll_fn(|cx| {
        polls += 1;
        if dies_after.is_some_and(|after| polls > after) {
            return Poll::Ready(Ending::Crashed);
        }
        let polled = handling.as_mut().poll(cx);
        if world.state().dead.contains(&event.delivery) {
            world.state().dead.retain(|dead| *dead != event.delivery);
            return Poll::Ready(Ending::Crashed);
        }
        polled.map(|result| match result {
            Ok(Ok(_)) => Ending::Ok,
            Ok(Err(_)) => Ending::Err,
            Err(_) => Ending::Crashed,
        })
    });
    let limit = Duration::from_secs(world.life.lambda_timeout.into());
    let mut end = tokio::time::timeout(limit, mortal)
        .await
        .unwrap_or(Ending::TimedOut);
    if world.sabotage == Some(Sabotage::FailsAfterDelivery) && end == Ending::Ok {
        end = Ending::Err;
    }
    let ended = world.now();
    {
        let invoked = &mut world.state().invocations[number];
        (invoked.end, invoked.ended) = (end, ended);
    }
    if end != Ending::Ok {
        world.note(format!("the invocation for {request} ends: {end:?}"));
    }
    end
}

impl World {
    pub(crate) fn queue(&self, event: Event) {
        self.underway.fetch_add(1, Ordering::SeqCst);
        if let Some(queue) = &*self.queue.lock().unwrap() {
            queue.send(event).ok();
        }
    }

    pub(crate) fn asked(&self, request: &str, change: impl FnOnce(&mut Asked)) {
        if let Some(asked) = self
            .state()
            .requests
            .iter_mut()
            .find(|asked| asked.id == request)
        {
            change(asked);
        }
    }

    /// Takes the function's invocation of itself.
    pub(crate) fn hop(&self, payload: Value) {
        let delivery = Delivery::under_way();
        // Work that an event or the watch hands over belongs to one of its rows.
        let request = payload["Wait"]["reply_to"]["request_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let (lost, delay) = {
            let mut state = self.state();
            (
                state.rng.f64() < self.life.trouble.lost_hops,
                Duration::from_millis(state.rng.u64(10..400)),
            )
        };
        let dropped = chain::is_stopped(delivery.chain as usize, self.life.recursive_loop);
        if dropped || lost || self.sabotage == Some(Sabotage::DoesNotHandOver) {
            self.note("the self-invocation is lost");
            self.asked(&request, |asked| {
                (asked.hop_lost, asked.chain_broken) = (lost, dropped)
            });
            return;
        }
        let delivery = Delivery {
            chain: delivery.chain + 1,
            request,
            ..delivery
        };
        self.queue(Event {
            payload,
            delivery,
            delay,
        });
    }

    /// S3 has accepted an answer; CloudFormation reads it.
    pub(crate) fn take_answer(&self, body: &[u8]) {
        let now = self.now();
        let sent: Value = serde_json::from_slice(body).unwrap();
        let body_text = String::from_utf8_lossy(body).into_owned();
        let body = sabotage::answer(self, sent.clone());
        let text = if body == sent {
            body_text
        } else {
            body.to_string()
        };
        let id = body["RequestId"].as_str().unwrap_or_default().to_owned();
        let delivery = Delivery::under_way();
        let looked_at = self.state().looked_at(&delivery, now);
        self.asked(&id, |asked| {
            asked.answers.push(Answer {
                at: now,
                delivery,
                looked_at,
                body,
                text,
            })
        });
        self.answered.notify_waiters();
    }
}
