//! A bug in the runner: it panics at a call, but everyone who waits for an answer gets one.

use serde_json::json;

use crate::{
    Lived,
    ecs::{Fate, Script},
    ledger::LedgerTrouble,
    life::{Chapter, Fault, Life, Trouble},
    live_out,
    sabotage::Sabotage,
};

/// Returns a life for every kind of work: a request that polls, parks, times out, hands over,
/// updates, retries and deletes; an event; a round of the watch.
fn kinds() -> Vec<(&'static str, Life)> {
    let exits = |seconds| Script::plain(Fate::Exits(0, seconds));
    let calm = |properties, script| Life::calm(properties, script);
    let remembered = LedgerTrouble::default;
    let without_events = || LedgerTrouble {
        dropped: 1.0,
        ..LedgerTrouble::default()
    };
    let mut cancelled = calm(json!({"Timeout": "120"}), exits(1.0));
    let properties = cancelled.chapters[0].properties.clone();
    cancelled.chapters.push(Chapter {
        properties,
        cancelled_after: Some(5.0),
    });
    cancelled.scripts = vec![exits(1.0), Script::plain(Fate::Hangs), exits(1.0)];
    let retried = Life {
        scripts: vec![Script::plain(Fate::FailsToStart), exits(5.0)],
        ..calm(json!({"StartRetries": "1"}), exits(5.0))
    };
    let handed_over = Life {
        lambda_timeout: 60,
        ..calm(json!({"Timeout": "290"}), exits(100.0))
    };
    let instances = json!(["arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a"]);
    let long = || calm(json!({"Timeout": "1800"}), exits(200.0));
    let endless = || calm(json!({"Timeout": "150"}), Script::plain(Fate::Hangs));
    vec![
        ("polls", calm(json!({}), exits(5.0))),
        (
            "forgets",
            calm(json!({"Timeout": "0"}), Script::plain(Fate::Hangs)),
        ),
        ("times out", endless()),
        ("clears the way", cancelled.clone()),
        ("hands over", handed_over),
        (
            "calls StartTask",
            calm(json!({"Instances": instances}), exits(5.0)),
        ),
        ("is answered by an event", long().with_ledger(remembered())),
        (
            "is answered by the watch",
            long().with_ledger(without_events()),
        ),
        (
            "times out in the watch",
            endless().with_ledger(without_events()),
        ),
        (
            "clears the way by the ledger",
            cancelled.with_ledger(remembered()),
        ),
        ("starts anew", retried.with_ledger(remembered())),
    ]
}

/// Returns the objections to an answer that never came.
fn unanswered(lived: &Lived) -> Vec<&String> {
    lived
        .objections
        .iter()
        .filter(|one| one.contains("no answer"))
        .collect()
}

#[test]
fn a_panic_at_any_call_is_answered_and_leaves_nothing_running() {
    for (kind, life) in kinds() {
        for nth in 1.. {
            let life = Life {
                planned: vec![("*", nth, Fault::Panics)],
                ..life.clone()
            };
            let lived = live_out(life, None);
            if !lived.steps.contains("the runner panics") {
                assert!(nth > 4, "{kind}: a life of {nth} calls");
                break;
            }
            // If the bug prevents the write of a row, there is no row: the guard promises none.
            let broken: Vec<&String> = lived
                .objections
                .iter()
                .filter(|one| !one.contains("row"))
                .collect();
            // No panic reaches the guard around the invocation, which ends a round of the watch.
            let ends_the_invocation = lived.log.contains("ended the invocation");
            assert!(
                broken.is_empty() && !ends_the_invocation,
                "{kind}, call {nth}\n{}{broken:#?}",
                lived.steps
            );
        }
    }
}

#[test]
fn a_request_is_answered_though_the_runner_panics_at_each_call_of_one_operation() {
    let operations = [
        "RunTask",
        "DescribeTasks",
        "ListTasks",
        "StopTask",
        "DescribeTaskDefinition",
        "GetLogEvents",
        "PutItem",
        "UpdateItem",
        "Query",
        "BatchGetItem",
    ];
    for (kind, life) in kinds() {
        let needs_watch = life
            .ledger
            .as_ref()
            .is_some_and(|ledger| ledger.dropped == 1.0);
        // A watch that cannot read its rows does no work.
        for operation in operations
            .into_iter()
            .filter(|one| !needs_watch || *one != "BatchGetItem")
        {
            let lived = live_out(
                Life {
                    always_panics: Some(operation),
                    ..life.clone()
                },
                None,
            );
            assert!(
                unanswered(&lived).is_empty(),
                "{kind}, {operation}\n{}",
                lived.steps
            );
        }
    }
}

/// Makes a round of the watch in which the runner panics at another stack's row.
fn cursed_round() -> Life {
    let trouble = LedgerTrouble {
        dropped: 1.0,
        cursed: true,
        ..LedgerTrouble::default()
    };
    let properties = json!({"Timeout": "250", "ServiceTimeout": "400"});
    let life = Life::calm(properties, Script::plain(Fate::Exits(0, 200.0)));
    Life {
        deleted: false,
        trouble: Trouble::default(),
        ..life
    }
    .with_ledger(trouble)
}

#[test]
fn the_other_rows_of_a_round_go_on_though_the_runner_panics_at_one() {
    let lived = live_out(cursed_round(), None);
    assert!(lived.steps.contains("the runner panics"), "{}", lived.steps);
    lived.assert_kept();
    assert_eq!(lived.answers[0]["Status"], "SUCCESS");
}

#[test]
fn a_runner_without_its_guard_leaves_requests_and_rows_without_an_answer() {
    let request = Life {
        always_panics: Some("RunTask"),
        ..Life::calm(
            json!({"ServiceTimeout": "400"}),
            Script::plain(Fate::Exits(0, 5.0)),
        )
    };
    for life in [request, cursed_round()] {
        let lived = live_out(life, Some(Sabotage::HasNoGuard));
        assert!(!unanswered(&lived).is_empty(), "{}", lived.steps);
    }
}
