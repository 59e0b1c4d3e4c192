//! A storm of failures, in virtual time and without faults: the number of messages that it causes.

use std::sync::{Arc, Mutex};

use fastrand::Rng;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Builder;

use super::{Instance, Metrics, NOW, Sent, Sinks, failures, lock, reported};

/// Tells a story, and returns the subjects of the alerts and the number of TaskFailed metrics.
fn happen(story: impl AsyncFnOnce(&Arc<Mutex<Sinks>>, [Instance; 2])) -> (Vec<String>, usize) {
    let sinks = Sinks::new(Rng::with_seed(1), None);
    let metrics = Metrics::default();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let instances = [0, 1].map(|_| Instance::new(&sinks, &metrics));
    runtime.block_on(story(&sinks, instances));
    let subjects = lock(&sinks).subjects.lock().unwrap().clone();
    let measured = metrics
        .lock()
        .unwrap()
        .iter()
        .filter(|line| line.contains("TaskFailed"))
        .count();
    (subjects, measured)
}

fn failed(task: usize) -> Sent {
    Sent {
        task,
        end: 3,
        version: 3,
    }
}

#[test]
fn a_thousand_failures_of_one_service_are_a_few_messages_and_another_familys_is_one_of_its_own() {
    let (subjects, measured) = happen(async |sinks, [one, _]| {
        // One service's tasks have numbers of the form 4 n + 1; one other task belongs to no
        // service.
        let mut storm: Vec<Sent> = (0..1000).map(|number| failed(4 * number + 1)).collect();
        storm.insert(500, failed(0));
        for batch in storm.chunks(100) {
            assert_eq!(one.deliver(batch, false, NOW).await, []);
        }
        for minute in 1..=12 {
            one.tick(NOW + Duration::minutes(minute)).await;
        }
        assert!(
            lock(sinks)
                .dynamodb
                .bookkeeping()
                .iter()
                .all(|row| row["waiting"].is_null() || row["waiting"] == 0)
        );
    });
    assert!(subjects.len() <= 3, "{subjects:#?}");
    let reported = reported(&subjects);
    assert_eq!(
        reported["web-1 on prod: app exited with code 1"], 1000,
        "{subjects:#?}"
    );
    assert_eq!(
        reported["app on prod: app exited with code 1"], 1,
        "{subjects:#?}"
    );
    assert_eq!(measured, 1001);
}

#[test]
fn a_crash_loop_of_twenty_rounds_in_ten_minutes_is_at_most_five_messages() {
    let (subjects, measured) = happen(async |_, [one, _]| {
        for round in 0..20 {
            let now = NOW + Duration::seconds(30 * round);
            let task = 4 * usize::try_from(round).unwrap() + 1;
            assert_eq!(one.deliver(&[failed(task)], false, now).await, []);
            one.tick(now).await;
        }
        one.tick(NOW + Duration::minutes(20)).await;
    });
    assert!(subjects.len() <= 5, "{subjects:#?}");
    assert_eq!(
        (
            reported(&subjects)["web-1 on prod: app exited with code 1"],
            measured
        ),
        (20, 20)
    );
}

#[test]
fn a_task_that_comes_stopped_twice_is_reported_and_counted_once() {
    let (subjects, measured) = happen(async |sinks, [one, _]| {
        let twice = [
            failed(1),
            Sent {
                version: 4,
                ..failed(1)
            },
        ];
        assert_eq!(one.deliver(&twice, true, NOW).await, []);
        assert_eq!(
            one.deliver(&twice[1..], true, NOW + Duration::minutes(7))
                .await,
            []
        );
        one.tick(NOW + Duration::minutes(20)).await;
        assert_eq!(lock(sinks).dynamodb.items().len(), 2, "both are kept");
    });
    assert_eq!((subjects.len(), measured), (1, 1), "{subjects:?}");
}

#[test]
fn two_instances_at_once_report_and_count_once() {
    let (subjects, measured) = happen(async |_, [one, other]| {
        let (first, second) = (
            [failed(1)],
            [Sent {
                version: 4,
                ..failed(1)
            }],
        );
        let (here, there) = tokio::join!(
            one.deliver(&first, false, NOW),
            other.deliver(&second, false, NOW)
        );
        assert_eq!(
            [here, there].concat().len(),
            1,
            "one of them waits for the other"
        );
        let again = NOW + Duration::minutes(6);
        assert_eq!(one.deliver(&[first[0], second[0]], false, again).await, []);
        one.tick(NOW + Duration::minutes(20)).await;
    });
    assert_eq!((subjects.len(), measured), (1, 1), "{subjects:?}");
}

#[test]
fn five_deliveries_with_a_failing_sink_report_and_count_once() {
    let (subjects, measured) = happen(async |sinks, [one, _]| {
        lock(sinks).hangs = &["PutLogEvents"];
        for delivery in 0..5 {
            let now = NOW + Duration::minutes(6 * delivery);
            assert_eq!(one.deliver(&[failed(1)], false, now).await, [failed(1)]);
        }
        one.tick(NOW + Duration::hours(1)).await;
    });
    assert_eq!((subjects.len(), measured), (1, 1), "{subjects:?}");
}

#[test]
fn a_schedule_that_comes_twice_reports_a_count_once() {
    let (subjects, _) = happen(async |_, [one, other]| {
        for task in [1, 5, 9] {
            one.deliver(&[failed(task)], false, NOW).await;
        }
        let then = NOW + Duration::minutes(6);
        tokio::join!(one.tick(then), other.tick(then));
    });
    let expected = ["ECS task failed: web-1", "2 more ECS tasks failed: web-1"];
    let shown: Vec<&str> = subjects
        .iter()
        .map(|subject| subject.split(" on ").next().unwrap())
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_count_is_reported_although_its_latest_event_was_too_long_to_be_stored_whole() {
    let (subjects, _) = happen(async |_, [one, _]| {
        for task in [1, 5] {
            let mut event = failed(task).json();
            event["detail"]["padding"] = "x".repeat(20_000).into();
            let records = [json!({"messageId": "m", "body": event.to_string()})];
            let answer = one.monitor.handle(json!({"Records": records}), NOW).await;
            assert_eq!(failures(&answer.unwrap()).len(), 0);
        }
        one.tick(NOW + Duration::minutes(6)).await;
    });
    assert_eq!(
        reported(&subjects)["web-1 on prod: app exited with code 1"],
        2,
        "{subjects:?}"
    );
}

#[test]
fn a_group_whose_window_was_opened_by_a_call_without_an_answer_is_reported_at_once() {
    let (subjects, _) = happen(async |sinks, [one, _]| {
        lock(sinks).loses_answer = Some("attribute_not_exists(#until)");
        assert_eq!(one.deliver(&[failed(1)], false, NOW).await, []);
        assert_eq!(lock(sinks).loses_answer, None);
    });
    assert_eq!(subjects.len(), 1, "{subjects:?}");
}

/// A task of the service web-1 that has ended by itself with 0.
fn restarted(task: usize) -> Value {
    let mut event = Sent {
        task: 4 * task + 1,
        end: 2,
        version: 3,
    }
    .json();
    event["detail"]["stopCode"] = "EssentialContainerExited".into();
    event
}

/// An event of a deployment hook of the service web-1.
fn hook(name: &str, time: &str) -> Value {
    json!({"id": format!("{name}-{time}"), "source": "aws.ecs", "detail-type": "ECS Hook State Change", "time": time,
        "resources": ["arn:aws:ecs:us-west-2:123456789012:service-deployment/prod/web-1/x"],
        "detail": {"eventType": "INFO", "eventName": name, "hookType": "PAUSE",
            "clusterArn": "arn:aws:ecs:us-west-2:123456789012:cluster/prod",
            "serviceArn": "arn:aws:ecs:us-west-2:123456789012:service/prod/web-1"}})
}

async fn handle(instance: &Instance, event: &Value, now: OffsetDateTime) {
    let records = [json!({"messageId": "m", "body": event.to_string()})];
    let answer = instance
        .monitor
        .handle(json!({"Records": records}), now)
        .await;
    assert_eq!(failures(&answer.unwrap()).len(), 0);
}

#[test]
fn a_service_whose_tasks_end_with_0_three_times_in_a_window_is_restarting() {
    let (subjects, _) = happen(async |sinks, [one, other]| {
        for round in 0..8_i32 {
            let instance = if round % 2 == 0 { &one } else { &other };
            let event = restarted(usize::try_from(round).unwrap());
            let now = NOW + Duration::seconds(i64::from(round) * 30);
            handle(instance, &event, now).await;
            handle(instance, &event, now + Duration::seconds(1)).await;
        }
        one.tick(NOW + Duration::minutes(20)).await;
        let sinks = lock(sinks);
        let found = |finding: &str| {
            sinks
                .dynamodb
                .items()
                .iter()
                .filter(|item| item["finding"] == finding)
                .count()
        };
        assert_eq!((found("succeeded"), found("restarting")), (2, 6));
    });
    assert_eq!(subjects.len(), 2, "{subjects:#?}");
    assert!(
        subjects[0].starts_with("ECS service restarting: web-1 on prod: "),
        "{subjects:#?}"
    );
    assert!(
        subjects[1].starts_with("ECS service restarting, 5 more times: web-1 on prod"),
        "{subjects:#?}"
    );
}

#[test]
fn a_service_whose_tasks_end_with_0_now_and_then_is_not_restarting() {
    let (subjects, _) = happen(async |_, [one, _]| {
        for round in 0..10_i32 {
            let now = NOW + Duration::minutes(i64::from(round) * 3);
            handle(&one, &restarted(usize::try_from(round).unwrap()), now).await;
            one.tick(now).await;
        }
    });
    assert_eq!(subjects, Vec::<String>::new());
}

#[test]
fn a_restart_whose_report_fails_is_reported_by_its_next_delivery() {
    let (subjects, _) = happen(async |sinks, [one, _]| {
        for round in 0..2 {
            handle(&one, &restarted(round), NOW).await;
        }
        lock(sinks).hangs = &["Publish"];
        let records = [json!({"messageId": "m", "body": restarted(2).to_string()})];
        let answer = one.monitor.handle(json!({"Records": records}), NOW).await;
        assert_eq!(failures(&answer.unwrap()).len(), 1);
        lock(sinks).hangs = &[];
        handle(&one, &restarted(2), NOW + Duration::minutes(6)).await;
    });
    assert_eq!(subjects.len(), 1, "{subjects:#?}");
}

#[test]
fn a_hook_that_awaits_an_action_for_long_is_reported_and_one_that_somebody_continues_is_not() {
    let (waits, minute) = ("HOOK_AWAITING_ACTION", Duration::MINUTE);
    for (ended, expected) in [(None, 1), (Some("HOOK_SUCCEEDED"), 0)] {
        for in_order in [true, false] {
            let (subjects, _) = happen(async |_, [one, _]| {
                let mut events = vec![hook(waits, "2026-11-20T10:20:00Z")];
                events.extend(ended.map(|name| hook(name, "2026-11-20T10:25:00Z")));
                if !in_order {
                    events.reverse();
                }
                for event in &events {
                    handle(&one, event, NOW + minute * 6).await;
                    handle(&one, event, NOW + minute * 6).await;
                }
                for passed in 7..40 {
                    one.tick(NOW + minute * passed).await;
                }
            });
            assert_eq!(
                subjects.len(),
                expected,
                "{ended:?} {in_order} {subjects:#?}"
            );
        }
    }
}

#[test]
fn the_next_hook_of_a_deployment_is_watched_when_the_first_was_continued() {
    let (subjects, _) = happen(async |_, [one, _]| {
        for (name, time) in [
            ("HOOK_AWAITING_ACTION", "2026-11-20T10:20:00Z"),
            ("HOOK_SUCCEEDED", "2026-11-20T10:21:00Z"),
            ("HOOK_AWAITING_ACTION", "2026-11-20T10:22:00Z"),
        ] {
            handle(&one, &hook(name, time), NOW + Duration::minutes(3)).await;
        }
        for passed in 4..40 {
            one.tick(NOW + Duration::minutes(passed)).await;
        }
    });
    assert_eq!(subjects.len(), 1, "{subjects:#?}");
    assert!(
        subjects[0]
            .starts_with("ECS deployment hook in trouble: web-1 on prod: hook awaiting action"),
        "{subjects:?}"
    );
}
