//! The monitor's Lambda: ECS's events on the runtime `provided.al2023`.

use std::{env, process::ExitCode};

use ecs_tasks::{
    aws,
    function::{clock::Clock, embedded, http::Http, logging::Logging, payload::readable},
    monitor::{Monitor, decide::settings::Settings},
};
use lambda_runtime::{Error, LambdaEvent, Runtime};
use serde_json::Value;
use tower::{ServiceExt, layer::layer_fn, service_fn};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "reads the environment")]
async fn main() -> Result<ExitCode, Error> {
    let variable = |name: &str| env::var(name).ok();
    Logging::of(variable).install();
    let settings = match Settings::of(variable) {
        Ok(settings) => settings,
        Err(errors) => {
            tracing::error!("the function's environment variables are wrong: {errors}");
            // A failed start shows as an error of the Lambda function. A monitor that ran on half
            // of its settings would lose alerts without a trace.
            return Ok(ExitCode::FAILURE);
        }
    };
    let http = Http::default();
    let monitor = Monitor::new(
        settings,
        aws::config_from_env(http.clone()).await,
        http,
        Box::new(embedded::write),
    );
    let monitor = &monitor;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<Value, Error>(monitor.handle(event.payload, Clock::start().now()).await?)
    });
    Runtime::new(handler)
        .layer(layer_fn(|inner| ServiceExt::map_request(inner, readable)))
        .run()
        .await?;
    Ok(ExitCode::SUCCESS)
}
