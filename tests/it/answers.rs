//! A continuation that this function cannot read.

use std::{sync::Arc, time::Duration as StdDuration};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use time::Duration;

use ecs_tasks::{
    aws::{Aws, ecs::Launch, http::over},
    callback::Callback,
    cfn::{ReplyTo, ResponseUrl},
    function::{clock::Clock, http::Http},
    properties::Properties,
    runner::{Runner, invocation::Invocation},
};
use rehearse::{
    config::{Pace, arn},
    service::{ecs::Engine, lambda::Function},
    stage::{Config, Stage},
};
use serde_json::Value;

async fn stage() -> Arc<Stage> {
    let config = Config {
        runner: Function::runner("/bin/false".into()),
        monitor: None,
        pace: Pace {
            start: StdDuration::ZERO,
            deprovision: StdDuration::ZERO,
            retries: [StdDuration::ZERO; 2],
        },
        engine: Engine::default(),
        watch: None,
    };
    Stage::open(config, Arc::new(|_| {})).await.unwrap()
}

/// A runner in this process, on the stage.
fn aws(stage: &Stage) -> Aws {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .endpoint_url(stage.endpoint())
        .http_client(over(Http::default()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDEXAMPLE",
            "example",
            None,
            None,
            "test",
        )))
        .build();
    Aws::new(config)
}

fn reply_to(stage: &Stage) -> ReplyTo {
    let stack_id = arn("cloudformation", "stack/shop/1");
    let url = stage.cloudformation.response_url(
        &stack_id,
        "Migrate",
        "r-1",
        time::OffsetDateTime::now_utc(),
    );
    ReplyTo {
        response_url: ResponseUrl::parse(&url).ok(),
        stack_id,
        request_id: "r-1".to_owned(),
        logical_resource_id: "Migrate".to_owned(),
        physical_resource_id: "shop-Migrate-1".to_owned(),
        no_echo: false,
        given_up_at: None,
        wait_handle: None,
        revision_created_at: None,
    }
}

fn invocation() -> Invocation {
    let clock = Clock::start();
    Invocation::begin(
        clock,
        clock.now() + Duration::seconds(60),
        "arn:aws:lambda:us-west-2:123456789012:function:f",
    )
}

/// Starts a task as the request would have done.
async fn start_a_task(aws: &Aws, reply_to: &ReplyTo, stage: &Stage) {
    stage.ecs.create_cluster("prod");
    let containers = serde_json::json!([
        {"name": "app", "image": "busybox", "memory": 128, "command": ["sleep", "60"]},
    ]);
    stage
        .ecs
        .register(&serde_json::json!({"family": "app", "containerDefinitions": containers}))
        .unwrap();
    let properties =
        serde_json::json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app"});
    let properties = Properties::read(&properties).unwrap();
    let tags = [(
        "ecs-tasks:request-id".to_owned(),
        reply_to.request_id.clone(),
    )];
    let launch = Launch {
        properties: &properties,
        started_by: &reply_to.started_by(),
        tags: &tags,
        count: 1,
    };
    aws.run_task(&launch, "token").await.unwrap();
}

fn answer(stage: &Stage) -> Value {
    serde_json::from_slice(&stage.cloudformation.answers()[0].body).unwrap()
}

#[tokio::test]
async fn a_continuation_of_another_version_is_answered_failed_and_its_task_is_stopped() {
    let stage = stage().await;
    let (aws, reply_to) = (aws(&stage), reply_to(&stage));
    start_a_task(&aws, &reply_to, &stage).await;
    let runner = Runner::new(aws, Callback::new(Http::default()));
    let wait =
        serde_json::json!({"Wait": {"version": 99, "reply_to": reply_to, "cluster": "prod"}});
    runner.handle(&wait, &invocation()).await.unwrap();
    let answer = answer(&stage);
    assert_eq!(answer["Status"], "FAILED");
    assert!(
        answer["Reason"]
            .as_str()
            .unwrap()
            .starts_with("The function cannot continue to wait for the task"),
        "{answer}"
    );
    assert_eq!(stage.requests("StopTask").len(), 1);
    stage.close();
}
