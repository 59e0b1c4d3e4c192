use time::{Duration, macros::datetime};

use super::*;
use crate::{cfn::fixtures, task::TaskArn};

const SENT: OffsetDateTime = datetime!(2026-11-20 10:15 UTC);

fn at(milliseconds: i64) -> OffsetDateTime {
    SENT + Duration::milliseconds(milliseconds)
}

/// A run that started after 2.5 s, ran for 10 s, and was answered a quarter of a second later.
fn run(run: RunEnd) -> Figures {
    Figures {
        logical_resource_id: Some("Migrate".to_owned()),
        requested_at: Some(SENT),
        started_at: Some(at(2500)),
        ended_at: Some(at(12_500)),
        run: Some(run),
        sent: Some(Sent::Delivered(at(12_750))),
        ..Figures::default()
    }
}

fn line(figures: &Figures, by_resource: bool) -> Value {
    serde_json::from_str(&super::line(figures, by_resource, at(13_000)).expect("a line"))
        .expect("JSON")
}

/// The values of a line, without their description for CloudWatch.
#[track_caller]
fn check(figures: &Figures, expected: Value) {
    let mut line = line(figures, false);
    line.as_object_mut().expect("an object").remove("_aws");
    assert_eq!(line, expected);
}

#[test]
fn a_run_is_one_line_with_its_times() {
    let expected = json!({
        "Runs": 1, "RunsFailed": 0, "RunSeconds": 10.0, "StartSeconds": 2.5, "AnswerLagSeconds": 0.25,
        "Undelivered": 0, "Throttled": 0,
    });
    check(&run(RunEnd::Succeeded), expected);
}

#[test]
fn a_failure_has_its_class() {
    let classes = [
        (FailureClass::Container, "container"),
        (FailureClass::Start, "start"),
        (FailureClass::Timeout, "timeout"),
        (FailureClass::Refused, "refused"),
        (FailureClass::OwnFault, "own_fault"),
    ];
    assert_eq!(classes.map(|(_, name)| name), CLASSES);
    for (class, name) in classes {
        let end = RunEnd::failed(class).expect("a run");
        let figures = Figures {
            run: Some(end),
            ..Figures::default()
        };
        check(
            &figures,
            json!({"Runs": 1, "RunsFailed": 1, "Class": name, "Throttled": 0}),
        );
        let directives = &line(&figures, false)["_aws"]["CloudWatchMetrics"];
        let by_class = json!({"Namespace": "ECSTasks", "Dimensions": [["Class"]],
            "Metrics": [{"Name": "RunsFailed", "Unit": "Count"}]});
        assert_eq!(directives[1], by_class, "{name}");
    }
    assert_eq!(RunEnd::failed(FailureClass::NoRun), None);
}

#[test]
fn what_is_no_run_s_is_measured_without_one() {
    check(
        &Figures {
            sent: Some(Sent::Undelivered),
            run: None,
            ..run(RunEnd::Succeeded)
        },
        json!({"Undelivered": 1, "Throttled": 0}),
    );
    check(
        &Figures {
            parked: true,
            throttled: 3,
            ..Figures::default()
        },
        json!({"Parked": 1, "Throttled": 3}),
    );
    let watched = Some(WatchRound {
        open: Some(12),
        overdue: 1,
    });
    check(
        &Figures {
            watched,
            ..Figures::default()
        },
        json!({"OpenWaits": 12, "Overdue": 1}),
    );
    // CloudWatch bills a metric for each hour with a value, and the watch runs each minute.
    let watched = Some(WatchRound {
        open: Some(0),
        overdue: 0,
    });
    check(
        &Figures {
            watched,
            ..Figures::default()
        },
        json!({"OpenWaits": 0}),
    );
    check(
        &Figures {
            throttled: 1,
            ..Figures::default()
        },
        json!({"Throttled": 1}),
    );
}

#[test]
fn nothing_to_report_is_no_line() {
    let seen = Figures {
        run: None,
        sent: None,
        ..run(RunEnd::Succeeded)
    };
    assert_eq!(super::line(&seen, true, at(0)), None);
}

#[test]
fn a_resource_s_name_is_a_dimension_where_somebody_wants_to_pay_for_it() {
    let line = |by_resource| line(&run(RunEnd::Succeeded), by_resource);
    assert_eq!(
        line(false)["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([[]])
    );
    assert_eq!(line(false)["LogicalResourceId"], Value::Null);
    assert_eq!(
        line(true)["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([[], ["LogicalResourceId"]])
    );
    assert_eq!(line(true)["LogicalResourceId"], "Migrate");
}

#[test]
fn every_metric_of_a_line_has_a_value_and_its_unit() {
    let all = Figures {
        parked: true,
        watched: Some(WatchRound {
            open: Some(1),
            overdue: 1,
        }),
        throttled: 1,
        ..run(RunEnd::Failed(FailureClass::Container))
    };
    let line = line(&all, true);
    let of_line = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        .as_array()
        .expect("metrics");
    let named: Vec<(&str, &str)> = of_line
        .iter()
        .map(|metric| {
            (
                metric["Name"].as_str().expect("a name"),
                metric["Unit"].as_str().expect("a unit"),
            )
        })
        .collect();
    assert_eq!(named, METRICS);
    for (name, _) in named {
        assert!(line[name].is_number(), "{name}");
    }
}

#[test]
fn clocks_that_disagree_measure_nothing_below_zero() {
    let early = Figures {
        started_at: Some(at(-500)),
        ..run(RunEnd::Succeeded)
    };
    assert_eq!(line(&early, false)["StartSeconds"], 0.0);
}

fn task(started: i64, ended: Option<i64>) -> Task {
    let at = |seconds| SENT + Duration::seconds(seconds);
    Task {
        started_at: Some(at(started)),
        stopped_at: ended.map(at),
        ..Task::unseen(TaskArn("task".to_owned()))
    }
}

#[test]
fn a_run_lasts_from_its_first_start_to_its_last_end() {
    let metrics = Metrics::default();
    let seen_at = SENT + Duration::seconds(60);
    metrics.record_run(
        &fixtures::reply_to("r-1"),
        &[task(3, Some(20)), task(2, Some(10))],
        seen_at,
    );
    metrics.record_run(&fixtures::reply_to("r-2"), &[task(3, None)], seen_at);
    let [first, second] = metrics.take().try_into().expect("two requests");
    let after = |seconds| Some(SENT + Duration::seconds(seconds));
    assert_eq!(
        (first.requested_at, first.started_at, first.ended_at),
        (Some(SENT), after(2), after(20))
    );
    assert_eq!(
        second.ended_at,
        Some(seen_at),
        "ECS has not said when it ended"
    );
    assert_eq!(metrics.take(), [], "nothing is reported twice");
}

#[test]
fn what_was_throttled_is_counted_once_whatever_was_handled() {
    let metrics = Metrics::default();
    metrics.record_throttled(2);
    assert_eq!(
        metrics.take(),
        [Figures {
            throttled: 2,
            ..Figures::default()
        }]
    );
    metrics.record_parked(&fixtures::reply_to("r-1"));
    metrics.record_parked(&fixtures::reply_to("r-2"));
    metrics.record_throttled(3);
    assert_eq!(
        metrics
            .take()
            .iter()
            .map(|figures| figures.throttled)
            .collect::<Vec<_>>(),
        [3, 0]
    );
}
