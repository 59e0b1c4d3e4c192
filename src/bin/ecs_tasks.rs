//! The runner's Lambda: Custom::ECSTask on the runtime `provided.al2023`.

use std::env;

use ecs_tasks::{
    aws::{self, Aws, sns::Topic},
    callback::Callback,
    function::{clock::Clock, embedded, http::Http, logging::Logging, payload::readable},
    runner::{Runner, invocation::Invocation, ledger::Ledger},
};
use lambda_runtime::{Error, LambdaEvent, Runtime};
use serde_json::Value;
use time::OffsetDateTime;
use tower::{ServiceExt, layer::layer_fn, service_fn};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "reads the environment")]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(name).ok();
    Logging::of(variable).install();
    // Lambda tells a function nothing about its own RecursiveLoop setting, so the template repeats
    // it here. Without it a chain of self-invocations ends silently after about 16.
    let may_recurse =
        variable("RECURSIVE_LOOP").is_some_and(|value| value.eq_ignore_ascii_case("allow"));
    let http = Http::default();
    let config = aws::config_from_env(http.clone()).await;
    let ledger = variable("LEDGER_TABLE").filter(|name| !name.trim().is_empty());
    let ledger = ledger.map(|name| Ledger::new(&config, name.trim()));
    let topic = variable("ALARM_TOPIC").filter(|arn| !arn.trim().is_empty());
    let topic = topic.map(|arn| Topic::new(&aws::patient(config.clone()), arn.trim()));
    let runner = Runner::new(Aws::new(config), Callback::new(http)).with_ledger(ledger);
    let runner = runner.with_alarm_topic(topic);
    let runner = runner.with_metrics(variable("METRICS_BY").as_deref(), embedded::write);
    let runner = &runner;
    let handler = service_fn(move |event: LambdaEvent<Value>| handle(runner, event, may_recurse));
    let reads = layer_fn(|inner| ServiceExt::map_request(inner, readable));
    Runtime::new(handler).layer(reads).run().await
}

async fn handle(runner: &Runner, event: LambdaEvent<Value>, loops: bool) -> Result<Value, Error> {
    let ends_at = OffsetDateTime::from(event.context.deadline());
    let invocation = Invocation::begin(Clock::start(), ends_at, event.context.invoked_function_arn)
        .with_recursive_loop(loops);
    Ok(runner.handle(&event.payload, &invocation).await?)
}
