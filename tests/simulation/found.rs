//! The faults that the simulation has found, each as the shortest life that shows it.

use serde_json::json;

use crate::{
    ecs::{Fate, Script, Sidecar},
    ledger::{LedgerTrouble, Spoiled, TableTrouble},
    life::{Chapter, Fault, Life, Refusal, Trouble},
    live_out,
};

/// Lives a life without a ledger and with one, and expects these statuses in the order of the
/// answers.
#[track_caller]
fn check(life: Life, statuses: &[&str]) {
    lives_right(life.clone().with_ledger(LedgerTrouble::default()), statuses);
    lives_right(life, statuses);
}

#[track_caller]
fn lives_right(life: Life, statuses: &[&str]) {
    let has_ledger = life.ledger.is_some();
    let lived = live_out(life, None);
    let mut answered: Vec<&str> = lived
        .answers
        .iter()
        .filter_map(|answer| answer["Status"].as_str())
        .collect();
    let mut statuses = statuses.to_vec();
    if has_ledger {
        // One of two deliveries answers, or both answer alike.
        answered.dedup();
        statuses.dedup();
    }
    assert!(
        lived.objections.is_empty() && answered == statuses,
        "{}{}\n{answered:?}",
        lived.steps,
        lived.objections.join("\n")
    );
}

const RUNS_FOR_EVER: Fate = Fate::Hangs;

#[test]
fn delete_stops_a_task_that_cannot_be_described_yet() {
    let script = Script {
        missing: 20.0,
        deprovisioning: 10.0,
        ..Script::plain(RUNS_FOR_EVER)
    };
    check(
        Life::calm(json!({"Timeout": "0"}), script),
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn delete_asks_again_for_the_tasks_that_are_stopping() {
    let script = Script {
        deprovisioning: 25.0,
        ..Script::plain(Fate::Exits(0, 1.0))
    };
    let failing = (2..=8)
        .map(|nth| ("ListTasks", nth, Fault::Fails))
        .collect();
    check(
        Life {
            planned: failing,
            ..Life::calm(json!({}), script)
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn delete_answers_success_when_its_time_is_over_and_the_tasks_are_told_to_stop() {
    let script = Script {
        stopping: (30.0, 137),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let properties = json!({"Timeout": "0", "ServiceTimeout": "31"});
    check(Life::calm(properties, script), &["SUCCESS", "SUCCESS"]);
}

#[test]
fn a_conflict_that_names_fewer_tasks_than_were_asked_for_is_no_complete_start() {
    let scripts = [1.0; 10]
        .map(|runs| Script::plain(Fate::Exits(0, runs)))
        .to_vec();
    let trouble = Trouble {
        without_capacity: 1,
        partial_starts: true,
        conflicts: 1.0,
        ..Trouble::default()
    };
    let planned = vec![("RunTask", 1, Fault::CutAfter)];
    let life = Life::calm(json!({"Count": "3"}), scripts[0].clone());
    check(
        Life {
            scripts,
            trouble,
            planned,
            ..life
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn a_container_that_ends_well_on_sigterm_is_no_success_while_its_stop_code_is_missing() {
    let script = Script {
        stopping: (1.4, 0),
        late_facts: (0.0, 0.5),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let mut life = Life::calm(json!({"Timeout": "600"}), script);
    life.chapters[0].cancelled_after = Some(20.0);
    check(life, &["FAILED", "SUCCESS"]);
}

#[test]
fn a_container_that_another_wait_stops_at_the_deadline_is_no_success_either() {
    let script = Script {
        stopping: (0.3, 0),
        late_facts: (0.0, 2.0),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let twice = Trouble {
        duplicates: 1.0,
        ..Trouble::default()
    };
    let life = Life::calm(json!({"Timeout": "40"}), script);
    check(
        Life {
            trouble: twice,
            ..life
        },
        &["FAILED", "FAILED", "SUCCESS", "SUCCESS"],
    );
}

#[test]
fn a_request_that_cloudformation_has_given_up_on_starts_nothing() {
    let late = Trouble {
        late: Some((1.0, 90.0)),
        ..Trouble::default()
    };
    let properties = json!({"Timeout": "0", "ServiceTimeout": "60"});
    let life = Life::calm(properties, Script::plain(RUNS_FOR_EVER));
    let lived = live_out(
        Life {
            trouble: late,
            ..life
        },
        None,
    );
    assert!(
        lived.objections.is_empty() && !lived.steps.contains("a task:"),
        "{}",
        lived.steps
    );
}

#[test]
fn a_start_task_whose_answer_is_lost_is_found_although_it_cannot_be_described() {
    let script = Script {
        missing: 30.0,
        ..Script::plain(Fate::Exits(0, 60.0))
    };
    let properties =
        json!({"Instances": ["arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a"]});
    let planned = vec![("StartTask", 1, Fault::CutAfter)];
    check(
        Life {
            planned,
            ..Life::calm(properties, script)
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn a_self_invocation_without_an_answer_is_made_again() {
    for fault in [Fault::Hangs, Fault::Cut, Fault::HangsAfter] {
        let life = Life::calm(
            json!({"Timeout": "290"}),
            Script::plain(Fate::Exits(0, 100.0)),
        );
        let life = Life {
            lambda_timeout: 60,
            planned: vec![("Invoke", 1, fault)],
            ..life
        };
        let lived = live_out(life, None);
        lived.assert_kept();
        lived.assert_succeeded();
    }
}

#[test]
fn wherever_the_first_invocation_dies_the_second_finishes_its_work() {
    for (properties, fate) in [
        (json!({"Timeout": "290"}), Fate::Exits(0, 5.0)),
        (json!({"Timeout": "60", "Count": "2"}), RUNS_FOR_EVER),
        // At the second try CloudFormation has no time left.
        (
            json!({"Timeout": "290", "ServiceTimeout": "90"}),
            RUNS_FOR_EVER,
        ),
        (json!({"Timeout": "0"}), RUNS_FOR_EVER),
    ] {
        for polls in 1..60 {
            let life = Life::calm(properties.clone(), Script::plain(fate.clone()));
            let scripts = vec![Script::plain(fate.clone()); 4];
            let lived = live_out(
                Life {
                    first_dies_after: Some(polls),
                    scripts,
                    ..life
                },
                None,
            );
            assert!(
                lived.objections.is_empty(),
                "after {polls} polls\n{}{}",
                lived.steps,
                lived.objections.join("\n")
            );
        }
    }
}

#[test]
fn an_update_waits_for_the_earlier_run_that_cannot_be_described_yet() {
    let earlier = Script {
        missing: 30.0,
        stopping: (20.0, 137),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let first = Script::plain(Fate::Exits(0, 1.0));
    let mut life = Life::calm(json!({"Timeout": "120"}), first.clone());
    let properties = life.chapters[0].properties.clone();
    let cancelled = Chapter {
        properties: properties.clone(),
        cancelled_after: Some(2.0),
    };
    life.chapters.extend([
        cancelled,
        Chapter {
            properties,
            cancelled_after: None,
        },
    ]);
    let scripts = vec![first.clone(), earlier, first.clone(), first];
    let lived = live_out(Life { scripts, ..life }, None);
    lived.assert_kept();
}

#[test]
fn a_delivery_that_finds_the_stack_rolling_back_waits_for_the_tasks_of_another() {
    let (quick, long) = (
        Script::plain(Fate::Exits(0, 1.0)),
        Script::plain(Fate::Exits(0, 60.0)),
    );
    for seed in 0..20 {
        let mut life = Life::calm(
            json!({"Timeout": "120", "RunOnRollback": "false"}),
            quick.clone(),
        );
        let cancelled = Chapter {
            cancelled_after: Some(2.0),
            ..life.chapters[0].clone()
        };
        life.chapters.push(cancelled);
        let scripts = vec![quick.clone(), long.clone(), quick.clone()];
        let twice = Trouble {
            duplicates: 1.0,
            ..Trouble::default()
        };
        let lived = live_out(
            Life {
                seed,
                scripts,
                trouble: twice,
                ..life
            },
            None,
        );
        lived.assert_kept();
    }
}

/// Makes a life of several chapters with these properties; the scripts are those of its tasks in
/// the order of their starts.
fn chapters(all: &[serde_json::Value], scripts: Vec<Script>) -> Life {
    let mut life = Life::calm(all[0].clone(), scripts[0].clone());
    let more = all[1..].iter().map(|properties| {
        let mut chapter = Life::calm(properties.clone(), scripts[0].clone())
            .chapters
            .remove(0);
        chapter.cancelled_after = properties["CancelledAfter"].as_f64();
        drop(
            chapter
                .properties
                .as_object_mut()
                .and_then(|properties| properties.remove("CancelledAfter")),
        );
        chapter
    });
    life.chapters.extend(more);
    Life { scripts, ..life }
}

#[test]
fn a_run_that_was_left_in_another_cluster_has_ended_before_the_rollback_runs() {
    let (quick, long) = (
        Script::plain(Fate::Exits(0, 1.0)),
        Script::plain(RUNS_FOR_EVER),
    );
    let moved = json!({"Timeout": "120", "Cluster": "other", "CancelledAfter": 5.0});
    check(
        chapters(
            &[json!({"Timeout": "120"}), moved],
            vec![quick.clone(), long, quick],
        ),
        &["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"],
    );
}

#[test]
fn delete_stops_tasks_in_a_cluster_that_the_resource_has_left() {
    let all = [
        json!({"Timeout": "0", "Cluster": "other"}),
        json!({"Timeout": "0"}),
    ];
    check(
        chapters(&all, vec![Script::plain(RUNS_FOR_EVER); 2]),
        &["SUCCESS", "SUCCESS", "SUCCESS"],
    );
}

#[test]
fn a_run_with_a_killed_sidecar_succeeds_though_its_definition_is_unreadable_for_a_while() {
    let script = Script {
        sidecar: Some(Sidecar::Ends(137)),
        ..Script::plain(Fate::Exits(0, 30.0))
    };
    for (from, long) in [(20.0, 60.0), (0.0, 90.0)] {
        let trouble = Trouble {
            no_definitions: Some((from, long)),
            ..Trouble::default()
        };
        check(
            Life {
                trouble,
                ..Life::calm(json!({}), script.clone())
            },
            &["SUCCESS", "SUCCESS"],
        );
    }
}

#[test]
fn a_request_that_waits_for_no_end_does_not_wait_long_for_a_definition() {
    let trouble = Trouble {
        no_definitions: Some((0.0, 5000.0)),
        ..Trouble::default()
    };
    let life = Life::calm(
        json!({"Timeout": "0", "ServiceTimeout": "60"}),
        Script::plain(RUNS_FOR_EVER),
    );
    check(Life { trouble, ..life }, &["SUCCESS", "SUCCESS"]);
}

#[test]
fn one_answer_without_the_task_proves_nothing() {
    let script = Script {
        flicker: Some((70.0, 25.0)),
        ..Script::plain(Fate::Exits(0, 150.0))
    };
    check(Life::calm(json!({}), script), &["SUCCESS", "SUCCESS"]);
}

#[test]
fn a_task_that_ecs_has_lost_is_stopped_before_its_run_fails() {
    let lived = live_out(
        Life::calm(json!({}), Script::plain(Fate::Vanishes(70.0))),
        None,
    );
    let stops = lived.steps.matches("StopTask").count();
    assert!(
        lived.objections.is_empty() && stops > 0,
        "{}{}",
        lived.steps,
        lived.objections.join("\n")
    );
}

#[test]
fn a_redelivery_that_meets_the_old_lack_of_capacity_waits_for_the_started_tasks() {
    for polls in [40, 60, 80, 100] {
        let script = Script::plain(Fate::Exits(0, 200.0));
        let trouble = Trouble {
            without_capacity: 9,
            ..Trouble::default()
        };
        let life = Life::calm(json!({}), script.clone());
        let life = Life {
            trouble,
            first_dies_after: Some(polls),
            scripts: vec![script; 3],
            ..life
        };
        let lived = live_out(life, None);
        lived.assert_kept();
    }
}

#[test]
fn started_tasks_are_kept_and_only_missing_ones_are_started() {
    let scripts = vec![Script::plain(Fate::Exits(0, 20.0)); 12];
    for properties in [
        json!({"Count": "3"}),
        json!({"Instances": ["i-1", "i-2", "i-3"]}),
    ] {
        let trouble = Trouble {
            without_capacity: 2,
            partial_starts: true,
            ..Trouble::default()
        };
        let life = Life {
            trouble,
            scripts: scripts.clone(),
            ..Life::calm(properties, scripts[0].clone())
        };
        let lived = live_out(life, None);
        assert_eq!(lived.steps.matches("a task:").count(), 3, "{}", lived.steps);
        lived.assert_kept();
    }
}

#[test]
fn resources_that_a_new_stack_lacks_for_some_seconds_fail_no_start() {
    let trouble = Trouble {
        fresh_stack: 3,
        ..Trouble::default()
    };
    let life = Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)));
    check(Life { trouble, ..life }, &["SUCCESS", "SUCCESS"]);
}

#[test]
fn a_temporary_refusal_fails_no_start() {
    let quota = "You’ve reached the limit on the number of vCPUs you can run concurrently";
    let refused = |refusal| Trouble {
        refusals: vec![refusal; 3],
        ..Trouble::default()
    };
    for trouble in [
        refused(Refusal::Ec2Throttle),
        refused(Refusal::YoungRole),
        refused(Refusal::FullQuota),
        refused(Refusal::EmptyProvider),
        Trouble {
            without_capacity: 3,
            capacity_reason: Some(quota),
            ..Trouble::default()
        },
        Trouble {
            iam_spreads: 25.0,
            ..Trouble::default()
        },
        Trouble {
            iam_spreads: 50.0,
            ..Trouble::default()
        },
        Trouble {
            short_arns: true,
            ..Trouble::default()
        },
    ] {
        let life = Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)));
        check(Life { trouble, ..life }, &["SUCCESS", "SUCCESS"]);
    }
}

#[test]
fn a_lasting_refusal_fails_the_start_with_its_cause() {
    let refusals = |refusal| vec![refusal; 200];
    for (trouble, id) in [
        (
            Trouble {
                refusals: refusals(Refusal::YoungRole),
                ..Trouble::default()
            },
            "[role-not-assumable]",
        ),
        (
            Trouble {
                refusals: refusals(Refusal::FullQuota),
                ..Trouble::default()
            },
            "[quota-vcpu]",
        ),
        (
            Trouble {
                refusals: refusals(Refusal::EmptyProvider),
                ..Trouble::default()
            },
            "[provider-empty]",
        ),
        (
            Trouble {
                iam_spreads: 500.0,
                ..Trouble::default()
            },
            "[pass-role-denied]",
        ),
    ] {
        let life = Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)));
        let lived = live_out(Life { trouble, ..life }, None);
        let reason = lived.answers[0]["Reason"].as_str().unwrap_or_default();
        assert!(reason.ends_with(id), "{id} {reason}");
    }
    // The function keeps the tags that the template asks for.
    let trouble = Trouble {
        short_arns: true,
        ..Trouble::default()
    };
    let tags = json!({"Tags": [{"Key": "team", "Value": "payments"}]});
    let life = Life::calm(tags, Script::plain(Fate::Exits(0, 5.0)));
    let lived = live_out(Life { trouble, ..life }, None);
    let reason = lived.answers[0]["Reason"].as_str().unwrap_or_default();
    assert!(reason.contains("taskLongArnFormat"), "{reason}");
}

#[test]
fn a_conflict_that_names_no_task_is_asked_again() {
    let trouble = Trouble {
        conflicts: 1.0,
        blank_conflicts: 0.7,
        ..Trouble::default()
    };
    let planned = vec![("RunTask", 1, Fault::CutAfter)];
    let life = Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)));
    check(
        Life {
            trouble,
            planned,
            ..life
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn delete_stops_tasks_that_it_may_list_but_not_describe() {
    let trouble = Trouble {
        denied: Some("DescribeTasks"),
        ..Trouble::default()
    };
    let life = Life::calm(json!({"Timeout": "0"}), Script::plain(RUNS_FOR_EVER));
    let lived = live_out(Life { trouble, ..life }, None);
    assert!(lived.steps.contains("StopTask"), "{}", lived.steps);
    lived.assert_kept();
}

#[test]
fn an_update_that_runs_nothing_ends_the_cancelled_run_before_it_all_the_same() {
    let (quick, long) = (
        Script::plain(Fate::Exits(0, 1.0)),
        Script::plain(RUNS_FOR_EVER),
    );
    let first = json!({"Timeout": "120", "RunOnUpdate": "false"});
    let cancelled = json!({"Timeout": "120", "CancelledAfter": 5.0});
    let lived = live_out(chapters(&[first, cancelled], vec![quick, long]), None);
    let rollback = lived.steps.find("=> Update r-3").unwrap();
    let delete = lived.steps.find("=> Delete").unwrap();
    assert!(
        lived.steps[rollback..delete].contains("StopTask"),
        "{}",
        lived.steps
    );
    lived.assert_kept();
}

#[test]
fn a_rollback_with_a_short_timeout_waits_for_an_earlier_task_that_stops_slowly() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let stubborn = Script {
        stopping: (110.0, 137),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let cancelled = json!({"Timeout": "20", "CancelledAfter": 5.0});
    check(
        chapters(
            &[json!({"Timeout": "20"}), cancelled],
            vec![quick.clone(), stubborn, quick],
        ),
        &["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"],
    );
}

#[test]
fn after_a_time_out_the_rollback_does_not_meet_the_dying_task() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let stubborn = Script {
        stopping: (120.0, 137),
        deprovisioning: 20.0,
        ..Script::plain(RUNS_FOR_EVER)
    };
    for lambda_timeout in [60, 900] {
        let all = [json!({"Timeout": "30"}), json!({"Timeout": "30"})];
        let life = chapters(&all, vec![quick.clone(), stubborn.clone(), quick.clone()]);
        let lived = live_out(
            Life {
                lambda_timeout,
                recursive_loop: true,
                ..life
            },
            None,
        );
        lived.assert_kept();
        assert!(
            lived
                .steps
                .contains("did not finish within the Timeout of 30 s"),
            "{}",
            lived.steps
        );
    }
}

#[test]
fn the_answer_waits_for_the_line_that_says_why() {
    let script = Script {
        log_delay: 2.5,
        ..Script::plain(Fate::Exits(1, 5.0))
    };
    let lived = live_out(Life::calm(json!({}), script), None);
    assert!(
        lived
            .steps
            .contains("Last log lines: working | the last line"),
        "{}",
        lived.steps
    );
}

#[test]
fn an_exit_code_of_more_than_32_bits_is_read() {
    let lived = live_out(
        Life::calm(json!({}), Script::plain(Fate::Exits(3_221_225_786, 5.0))),
        None,
    );
    assert!(
        lived.steps.contains("exited with code 3221225786"),
        "{}",
        lived.steps
    );
}

#[test]
fn a_late_redelivery_leaves_the_run_of_a_later_request_alone() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let long = Script::plain(Fate::Exits(0, 100.0));
    for seed in 0..20 {
        let all = [
            json!({"Timeout": "200"}),
            json!({"Timeout": "200"}),
            json!({"Timeout": "200"}),
        ];
        let life = chapters(&all, vec![quick.clone(), quick.clone(), long.clone()]);
        // The second delivery of an Update comes up to half a minute after the first, while the
        // next Update runs.
        let trouble = Trouble {
            duplicates: 1.0,
            ..Trouble::default()
        };
        let lived = live_out(
            Life {
                seed,
                trouble,
                ..life
            },
            None,
        );
        let statuses: Vec<_> = lived
            .answers
            .iter()
            .map(|answer| answer["Status"].as_str())
            .collect();
        assert!(
            statuses.iter().all(|status| *status == Some("SUCCESS")),
            "{}\n{statuses:?}",
            lived.steps
        );
        lived.assert_kept();
    }
}

#[test]
fn wherever_three_invocations_die_the_watch_finishes_their_work() {
    for (properties, fate) in [
        (json!({"Timeout": "1800"}), Fate::Exits(0, 5.0)),
        (
            json!({"Timeout": "1800", "Count": "2"}),
            Fate::Exits(0, 1500.0),
        ),
        (json!({"Timeout": "60"}), RUNS_FOR_EVER),
        (json!({"Timeout": "0"}), RUNS_FOR_EVER),
    ] {
        for polls in 1..40 {
            let script = Script::plain(fate.clone());
            let life = Life::calm(properties.clone(), script.clone())
                .with_ledger(LedgerTrouble::default());
            let life = Life {
                first_dies_after: Some(polls),
                deaths: 3,
                scripts: vec![script; 4],
                deleted: false,
                ..life
            };
            let lived = live_out(life, None);
            let remembered = lived.steps.contains("PutItem r-1");
            assert!(
                lived.objections.is_empty() || !remembered,
                "after {polls} polls\n{}{}",
                lived.steps,
                lived.objections.join("\n")
            );
            assert!(
                !remembered || !lived.answers.is_empty(),
                "after {polls} polls\n{}",
                lived.steps
            );
        }
    }
}

/// Lambda does not repeat the invocation that an event made, so the watch has to send its answer.
#[test]
fn the_watch_sends_an_answer_again_that_the_bucket_rejects_for_minutes() {
    let trouble = Trouble {
        bucket_fails: Some((150.0, 200.0)),
        ..Trouble::default()
    };
    let life = Life::calm(
        json!({"Timeout": "1800"}),
        Script::plain(Fate::Exits(0, 200.0)),
    );
    let life = Life {
        trouble,
        deleted: false,
        ..life
    };
    lives_right(life.with_ledger(LedgerTrouble::default()), &["SUCCESS"]);
}

#[test]
fn the_watch_ends_a_wait_whose_events_are_all_lost() {
    let lost = LedgerTrouble {
        dropped: 1.0,
        ..LedgerTrouble::default()
    };
    let life = Life::calm(
        json!({"Timeout": "1800"}),
        Script::plain(Fate::Exits(0, 700.0)),
    );
    lives_right(life.with_ledger(lost), &["SUCCESS", "SUCCESS"]);
}

#[test]
fn an_answer_whose_write_seems_to_fail_is_sent_all_the_same() {
    let script = Script::plain(Fate::Exits(0, 200.0));
    // Faults at the writes of the row's waits, and then of its answer.
    for fault in [Fault::CutAfter, Fault::FailsAfter, Fault::HangsAfter] {
        let life = Life::calm(json!({"Timeout": "1800"}), script.clone());
        let life = Life {
            planned: vec![("UpdateItem", 2, fault)],
            deleted: false,
            ..life
        };
        let dead = LedgerTrouble {
            watch_dies: Some(150.0),
            ..LedgerTrouble::default()
        };
        lives_right(life.with_ledger(dead), &["SUCCESS"]);
    }
}

#[test]
fn a_table_that_refuses_makes_waits_poll() {
    for kind in [
        TableTrouble::Denies,
        TableTrouble::Throttles,
        TableTrouble::IsSlow,
        TableTrouble::IsCutAfter,
    ] {
        let trouble = LedgerTrouble {
            table: Some((kind, 0.0, 1e6)),
            ..LedgerTrouble::default()
        };
        let life = Life::calm(
            json!({"Timeout": "1800"}),
            Script::plain(Fate::Exits(0, 400.0)),
        );
        let lived = live_out(
            Life {
                deleted: false,
                ..life
            }
            .with_ledger(trouble),
            None,
        );
        lived.assert_kept();
        lived.assert_succeeded();
    }
}

#[test]
fn a_row_of_another_version_is_answered_and_its_task_stopped() {
    for kind in [Spoiled::Version, Spoiled::Wait, Spoiled::State] {
        let trouble = LedgerTrouble {
            spoiled: Some((kind, 30.0)),
            dropped: 1.0,
            ..LedgerTrouble::default()
        };
        let life = Life::calm(json!({"Timeout": "1800"}), Script::plain(RUNS_FOR_EVER));
        let lived = live_out(
            Life {
                deleted: false,
                ..life
            }
            .with_ledger(trouble),
            None,
        );
        let failed = lived
            .answers
            .first()
            .is_some_and(|answer| answer["Status"] == "FAILED");
        assert!(
            failed && lived.steps.contains("StopTask"),
            "{kind:?}\n{}",
            lived.steps
        );
    }
}

#[test]
fn two_deliveries_of_start_task_at_the_same_moment_start_once() {
    for seed in 0..40 {
        let properties = json!({
            "Timeout": "600", "Instances": ["arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a"],
        });
        let trouble = Trouble {
            duplicates: 1.0,
            twin: true,
            ..Trouble::default()
        };
        let life = Life::calm(properties, Script::plain(Fate::Exits(0, 200.0)));
        let lived = live_out(
            Life {
                seed,
                trouble,
                deleted: false,
                ..life
            }
            .with_ledger(LedgerTrouble::default()),
            None,
        );
        lived.assert_kept();
        assert_eq!(
            lived.steps.matches("  a task:").count(),
            1,
            "{}",
            lived.steps
        );
    }
}

#[test]
fn the_watch_makes_up_for_a_lost_self_invocation() {
    let mut lost = 0;
    for seed in 0..20 {
        let trouble = Trouble {
            lost_hops: 0.5,
            ..Trouble::default()
        };
        // It is polled, because its deadline is near, by a function that has to hand over.
        let life = Life::calm(
            json!({"Timeout": "110"}),
            Script::plain(Fate::Exits(0, 80.0)),
        );
        let life = Life {
            seed,
            lambda_timeout: 30,
            trouble,
            deleted: false,
            ..life
        };
        let lived = live_out(
            life.with_ledger(LedgerTrouble {
                dropped: 1.0,
                ..LedgerTrouble::default()
            }),
            None,
        );
        lost += lived.steps.matches("the self-invocation is lost").count();
        assert!(!lived.answers.is_empty(), "{}", lived.steps);
        lived.assert_kept();
    }
    assert!(lost > 0);
}

#[test]
fn a_run_that_may_start_anew_is_not_parked_while_its_task_is_unknown() {
    let fails = Script {
        missing: 3.0,
        starting: 2.0,
        ..Script::plain(Fate::FailsToStart)
    };
    let scripts = vec![fails.clone(), Script::plain(Fate::Exits(0, 5.0))];
    check(
        Life {
            scripts,
            ..Life::calm(json!({"StartRetries": "2"}), fails)
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn listed_tasks_of_an_ended_request_are_waited_for_though_they_cannot_be_described() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let update = json!({"ServiceTimeout": "60", "Timeout": "1800"});
    // Either it cannot be stopped in time and runs on unseen, or it is seen while it stops, but not
    // when the rollback looks.
    let unseen = Script {
        missing: 45.0,
        stopping: (20.0, 137),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let hidden = Script {
        flicker: Some((50.0, 25.0)),
        stopping: (90.0, 137),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let hanging = (1..=6).map(|nth| ("StopTask", nth, Fault::Hangs)).collect();
    for (script, planned) in [(unseen, hanging), (hidden, Vec::new())] {
        let life = chapters(
            &[json!({}), update.clone()],
            vec![quick.clone(), script, quick.clone()],
        );
        let life = Life { planned, ..life };
        lives_right(life.clone(), &["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"]);
        let lived = live_out(life.with_ledger(LedgerTrouble::default()), None);
        lived.assert_kept();
    }
}

#[test]
fn a_superseded_start_stops_the_tasks_of_a_call_without_an_answer() {
    for tenths in 1..20 {
        let mut planned = vec![("RunTask", 1, Fault::FailsAfter)];
        planned.extend((2..8).map(|nth| ("RunTask", nth, Fault::Throttled)));
        let mut life = Life::calm(json!({"Timeout": "60"}), Script::plain(RUNS_FOR_EVER));
        life.chapters[0].cancelled_after = Some(f64::from(tenths) / 10.0);
        let lived = live_out(
            Life { planned, ..life }.with_ledger(LedgerTrouble::default()),
            None,
        );
        lived.assert_kept();
    }
}

#[test]
fn delete_asks_again_for_the_tasks_in_a_cluster_that_the_resource_has_left() {
    let all = [
        json!({"Timeout": "0", "Cluster": "other"}),
        json!({"Timeout": "0"}),
    ];
    for first in 4..14 {
        let failing = (first..first + 8)
            .map(|nth| ("ListTasks", nth, Fault::Fails))
            .collect();
        let life = chapters(&all, vec![Script::plain(RUNS_FOR_EVER); 2]);
        lives_right(
            Life {
                planned: failing,
                ..life
            },
            &["SUCCESS", "SUCCESS", "SUCCESS"],
        );
    }
}

#[test]
fn the_watch_adopts_tasks_that_were_started_anew_but_not_those_that_never_ran() {
    let scripts = vec![
        Script::plain(Fate::FailsToStart),
        Script::plain(Fate::Exits(0, 30.0)),
    ];
    for polls in (5..200).step_by(5) {
        let life = Life::calm(json!({"StartRetries": "1"}), scripts[0].clone());
        let life = Life {
            first_dies_after: Some(polls),
            deaths: 3,
            scripts: scripts.clone(),
            ..life
        };
        let lived = live_out(life.with_ledger(LedgerTrouble::default()), None);
        lived.assert_kept();
    }
}

#[test]
fn the_last_line_is_read_though_the_invocation_is_about_to_end() {
    let properties = json!({"ReturnOutput": "true", "PollInterval": "60"});
    let late_code = Script {
        late_facts: (0.5, 4.0),
        log_delay: 1.0,
        ..Script::plain(Fate::Exits(0, 0.0))
    };
    let late_line = |runs| Script {
        log_delay: 2.5,
        ..Script::plain(Fate::Exits(0, runs))
    };
    let life = |lambda_timeout, properties, script| {
        let life = Life::calm(properties, script);
        check(
            Life {
                lambda_timeout,
                recursive_loop: true,
                ..life
            },
            &["SUCCESS", "SUCCESS"],
        );
    };
    life(20, properties, late_code);
    for seconds in 25..32 {
        life(
            40,
            json!({"ReturnOutput": "true"}),
            late_line(f64::from(seconds)),
        );
    }
}

#[test]
fn one_answer_without_a_task_that_is_stopping_is_not_its_end() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let dying = Script {
        stopping: (120.0, 137),
        flicker: Some((75.0, 25.0)),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let cancelled = json!({"Timeout": "290", "CancelledAfter": 2.0});
    let life = chapters(&[json!({}), cancelled], vec![quick.clone(), dying, quick]);
    for life in [life.clone(), life.with_ledger(LedgerTrouble::default())] {
        let lived = live_out(life, None);
        lived.assert_kept();
    }
}

#[test]
fn a_stopping_task_that_one_look_does_not_describe_is_waited_for_before_the_next_run() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let dying = Script {
        stopping: (40.0, 137),
        flicker: Some((12.0, 20.0)),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let cancelled = json!({"Timeout": "120", "CancelledAfter": 12.5});
    let life = chapters(
        &[json!({"Timeout": "120"}), cancelled],
        vec![quick.clone(), dying, quick],
    );
    let planned = vec![("ListTasks", 3, Fault::Slow)];
    let lived = live_out(Life { planned, ..life }, None);
    lived.assert_kept();
}

#[test]
fn a_task_that_is_over_before_its_helper_has_started_has_done_its_work() {
    let ended = |code| {
        let script = Script {
            sidecar: Some(Sidecar::NeverStarts),
            ..Script::plain(Fate::Exits(code, 0.4))
        };
        Script {
            deprovisioning: 25.0,
            late_facts: (4.0, 0.5),
            ..script
        }
    };
    for properties in [json!({}), json!({"WatchContainers": ["app"]})] {
        check(
            Life::calm(properties.clone(), ended(0)),
            &["SUCCESS", "SUCCESS"],
        );
        check(Life::calm(properties, ended(1)), &["FAILED", "SUCCESS"]);
    }
    check(
        Life::calm(json!({"WatchContainers": ["*"]}), ended(0)),
        &["FAILED", "SUCCESS"],
    );
}

#[test]
fn without_its_definition_a_helper_that_ecs_stopped_fails_no_run() {
    for (code, status) in [(137, "SUCCESS"), (143, "SUCCESS"), (1, "FAILED")] {
        let script = Script {
            sidecar: Some(Sidecar::Ends(code)),
            ..Script::plain(Fate::Exits(0, 30.0))
        };
        let trouble = Trouble {
            denied: Some("DescribeTaskDefinition"),
            ..Trouble::default()
        };
        check(
            Life {
                trouble,
                ..Life::calm(json!({}), script)
            },
            &[status, "SUCCESS"],
        );
    }
}

#[test]
fn a_helper_fails_no_run_unless_every_container_counts() {
    let ends = [1, 2, 130, 137, 143, 255].map(Sidecar::Ends);
    for sidecar in ends.into_iter().chain([Sidecar::WithoutCode]) {
        let script = Script {
            sidecar: Some(sidecar),
            ..Script::plain(Fate::Exits(0, 30.0))
        };
        check(
            Life::calm(json!({}), script.clone()),
            &["SUCCESS", "SUCCESS"],
        );
        check(
            Life::calm(json!({"WatchContainers": ["*"]}), script),
            &["FAILED", "SUCCESS"],
        );
    }
    let script = Script {
        sidecar: Some(Sidecar::Ends(0)),
        ..Script::plain(Fate::Exits(0, 30.0))
    };
    check(
        Life::calm(json!({"WatchContainers": ["*"]}), script),
        &["SUCCESS", "SUCCESS"],
    );
}

/// Lives a life, and expects no objection.
#[track_caller]
fn keeps_every_promise(life: Life) -> String {
    let lived = live_out(life, None);
    lived.assert_kept();
    lived.steps
}

const INSTANCE: &str = "arn:aws:ecs:us-west-2:123456789012:container-instance/prod/a";

/// An event is about a Create's row and a Delete's. The Create waits for an exit code that never
/// comes, until the invocation must end, and the Delete's look then hangs.
#[test]
fn an_event_settles_the_second_row_of_its_task_while_the_first_waits() {
    let never_runs = Script {
        starting: 30.0,
        deprovisioning: 25.0,
        ..Script::plain(RUNS_FOR_EVER)
    };
    let runs = Script {
        starting: 0.5,
        stopping: (3.0, 143),
        ..never_runs.clone()
    };
    for nth in 3..40 {
        let properties = json!({"Timeout": "1800", "Count": "2"});
        let mut life = Life::calm(properties, never_runs.clone());
        life.chapters[0].cancelled_after = Some(5.0);
        let hanging = (nth..nth + 3)
            .map(|nth| ("DescribeTasks", nth, Fault::Hangs))
            .collect();
        let life = Life {
            lambda_timeout: 20,
            recursive_loop: true,
            planned: hanging,
            scripts: vec![never_runs.clone(), runs.clone()],
            ..life
        };
        keeps_every_promise(life.with_ledger(LedgerTrouble::default()));
    }
}

/// An invocation of twenty seconds has half as much left as a hanging call takes.
#[test]
fn a_short_invocation_ends_by_itself_though_every_other_call_hangs() {
    let quick = Script::plain(Fate::Exits(0, 1.0));
    let long = Script::plain(RUNS_FOR_EVER);
    for seed in 0..150 {
        let cancelled = json!({"Timeout": "120", "CancelledAfter": 20.0});
        let life = chapters(
            &[json!({"Timeout": "120"}), cancelled],
            vec![quick.clone(), long.clone(), quick.clone()],
        );
        let trouble = Trouble {
            rate: 0.4,
            faults: vec![Fault::Hangs, Fault::HangsAfter],
            ..Trouble::default()
        };
        let life = Life {
            seed,
            lambda_timeout: 20,
            recursive_loop: true,
            trouble,
            ..life
        };
        let lost = LedgerTrouble {
            dropped: 1.0,
            ..LedgerTrouble::default()
        };
        keeps_every_promise(life.with_ledger(lost));
    }
}

#[test]
fn a_table_that_denies_a_row_does_not_take_the_time_of_a_short_invocation() {
    let trouble = LedgerTrouble {
        table: Some((TableTrouble::Denies, 0.0, 1e6)),
        ..LedgerTrouble::default()
    };
    // A denial is retried for fifteen seconds, and an attempt that hangs takes its time beside.
    let planned = [2, 4, 6, 8]
        .map(|nth| ("PutItem", nth, Fault::Hangs))
        .to_vec();
    let life = Life::calm(
        json!({"Instances": [INSTANCE], "Timeout": "60"}),
        Script::plain(Fate::Exits(0, 1.0)),
    );
    let life = Life {
        lambda_timeout: 20,
        planned,
        ..life
    };
    lives_right(life.with_ledger(trouble), &["SUCCESS", "SUCCESS"]);
}

/// Without the watch nothing is parked, and a Delete hands over while its task releases its network
/// interface.
#[test]
fn what_is_polled_for_want_of_a_watch_is_looked_at() {
    let script = Script {
        deprovisioning: 25.0,
        ..Script::plain(RUNS_FOR_EVER)
    };
    let life = Life {
        lambda_timeout: 20,
        ..Life::calm(json!({"Timeout": "0"}), script)
    };
    let dead = LedgerTrouble {
        watch_dies: Some(0.0),
        ..LedgerTrouble::default()
    };
    lives_right(life.with_ledger(dead), &["SUCCESS", "SUCCESS"]);
}

/// StopTask takes the tags away, so the task of the Update after it looks like one of a cancelled
/// Update that still looks for its own.
#[test]
fn what_a_delete_has_stopped_is_no_start_of_a_cancelled_update() {
    let all = [
        json!({"Timeout": "0", "Instances": [INSTANCE], "RunOnRollback": "true"}),
        json!({"Timeout": "0", "Instances": [INSTANCE], "CancelledAfter": 1.0}),
    ];
    for nth in 3..8 {
        let life = chapters(&all, vec![Script::plain(RUNS_FOR_EVER); 3]);
        keeps_every_promise(Life {
            planned: vec![("ListTasks", nth, Fault::Slow)],
            ..life
        });
    }
}

/// One delivery has the tasks in RunTask's order, and the other from a list of running and one of
/// stopped tasks.
#[test]
fn two_deliveries_name_their_tasks_in_the_same_order() {
    let [quick, long] = [5.0, 120.0].map(|runs| Script::plain(Fate::Exits(0, runs)));
    for seed in 0..10 {
        let trouble = Trouble {
            duplicates: 1.0,
            without_capacity: 1,
            no_definitions: Some((1.0, 120.0)),
            ..Trouble::default()
        };
        let properties = json!({"Count": "3", "WatchContainers": ["app"], "RunOnRollback": "true"});
        keeps_every_promise(Life {
            seed,
            trouble,
            lambda_timeout: 60,
            deleted: false,
            scripts: vec![quick.clone(), long.clone(), quick.clone()],
            ..Life::calm(properties, quick.clone())
        });
    }
}

#[test]
fn delete_waits_beyond_an_invocation_for_a_stopping_task_that_cannot_be_described() {
    let dying = Script {
        stopping: (120.0, 137),
        flicker: Some((9.0, 25.0)),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let mut life = Life::calm(json!({"Timeout": "3"}), dying);
    life.chapters[0].cancelled_after = Some(10.0);
    let life = Life {
        lambda_timeout: 20,
        recursive_loop: true,
        ..life
    };
    check(life, &["FAILED", "SUCCESS"]);
}

#[test]
fn a_definition_that_cannot_be_read_does_not_delay_an_answer_beyond_service_timeout() {
    let script = Script {
        stopping: (2.0, 0),
        ..Script::plain(RUNS_FOR_EVER)
    };
    let properties = json!({"Timeout": "600", "ServiceTimeout": "90"});
    for nth in 30..50 {
        let trouble = Trouble {
            no_definitions: Some((0.0, 300.0)),
            ..Trouble::default()
        };
        let planned = [
            ("StopTask", 1, Fault::Hangs),
            ("StopTask", 2, Fault::Hangs),
            ("DescribeTasks", nth, Fault::Hangs),
        ];
        let life = Life::calm(properties.clone(), script.clone());
        keeps_every_promise(Life {
            trouble,
            planned: planned.to_vec(),
            ..life
        });
    }
}

#[test]
fn a_start_whose_tasks_cannot_be_stopped_is_answered_before_service_timeout() {
    let trouble = Trouble {
        denied: Some("StopTask"),
        without_capacity: 9,
        partial_starts: true,
        ..Trouble::default()
    };
    let properties = json!({"Count": "3", "ServiceTimeout": "31"});
    let script = Script::plain(RUNS_FOR_EVER);
    keeps_every_promise(Life {
        trouble,
        planned: vec![("DescribeTasks", 1, Fault::Hangs)],
        scripts: vec![script.clone(); 9],
        ..Life::calm(properties, script)
    });
}

#[test]
fn a_throttled_start_goes_without_the_tags_that_short_arns_do_not_take() {
    let trouble = Trouble {
        short_arns: true,
        ..Trouble::default()
    };
    let life = Life::calm(json!({}), Script::plain(Fate::Exits(0, 5.0)));
    let planned = vec![("RunTask", 1, Fault::Throttled)];
    check(
        Life {
            trouble,
            planned,
            ..life
        },
        &["SUCCESS", "SUCCESS"],
    );
}

#[test]
fn a_row_of_another_version_is_started_by_no_redelivery() {
    let script = Script::plain(Fate::Exits(0, 200.0));
    for polls in 5..25 {
        let trouble = LedgerTrouble {
            spoiled: Some((Spoiled::State, 30.0)),
            dropped: 1.0,
            ..LedgerTrouble::default()
        };
        let life = Life {
            first_dies_after: Some(polls),
            deleted: false,
            ..Life::calm(json!({"Timeout": "1800"}), script.clone())
        };
        let lived = live_out(life.with_ledger(trouble), None);
        let spoiled = lived.steps.find("of another version").unwrap();
        let failed = lived.answers[0]["Status"] == "FAILED";
        assert!(
            failed && lived.objections.is_empty() && !lived.steps[spoiled..].contains("RunTask"),
            "after {polls} polls\n{}{}",
            lived.steps,
            lived.objections.join("\n")
        );
    }
}

/// The first delivery cannot read the definitions, runs, and dies when it has started two of three
/// tasks. The second one reads that nothing has changed.
#[test]
fn a_redelivery_that_would_run_nothing_starts_what_is_missing_where_the_service_runs() {
    let changed = json!([{"Container": "app", "Image": true}]);
    let all = [
        json!({"Count": "0"}),
        json!({"Count": "3", "Service": "web", "UpdateCriteria": changed}),
    ];
    let script = Script::plain(Fate::Exits(0, 100.0));
    for polls in 20..90 {
        let trouble = Trouble {
            without_capacity: 1,
            partial_starts: true,
            definitions_denied: 30.0,
            ..Trouble::default()
        };
        let life = Life {
            trouble,
            first_dies_after: Some(polls),
            deaths: 2,
            deleted: false,
            ..chapters(&all, vec![script.clone(); 4])
        };
        let lived = live_out(life, None);
        let succeeded = lived
            .answers
            .iter()
            .all(|answer| answer["Status"] == "SUCCESS");
        assert!(
            succeeded && lived.objections.is_empty(),
            "after {polls} polls\n{}{}",
            lived.steps,
            lived.objections.join("\n")
        );
    }
}

#[test]
fn a_start_without_capacity_whose_call_hangs_ends_with_its_invocation() {
    for seed in 0..40 {
        let trouble = Trouble {
            without_capacity: 9,
            ..Trouble::default()
        };
        let life = Life::calm(json!({"Timeout": "120"}), Script::plain(RUNS_FOR_EVER));
        keeps_every_promise(Life {
            seed,
            trouble,
            lambda_timeout: 20,
            planned: vec![("RunTask", 3, Fault::Hangs)],
            ..life
        });
    }
}

/// A definition that cannot be read for longer than Timeout left the task no time: it was started
/// at its deadline, and stopped at once.
#[test]
fn a_question_before_the_start_takes_nothing_of_timeout() {
    let trouble = Trouble {
        no_definitions: Some((0.0, 25.0)),
        ..Trouble::default()
    };
    let properties = json!({"Timeout": "20", "WatchContainers": ["app"]});
    let life = Life::calm(properties, Script::plain(Fate::Exits(0, 10.0)));
    check(Life { trouble, ..life }, &["SUCCESS", "SUCCESS"]);
}

/// A VPC without a route to CloudFormation gets no answer. The Update runs after 30 s, and has all
/// of its Timeout.
#[test]
fn an_update_runs_though_cloudformation_never_says_whether_the_stack_rolls_back() {
    let script = Script::plain(Fate::Exits(0, 40.0));
    let mut life = Life::calm(json!({"Timeout": "60"}), script.clone());
    let mut changed = life.chapters[0].clone();
    changed.properties["Triggers"] = json!(["2"]);
    life.chapters.push(changed);
    life.scripts = vec![script.clone(), script];
    life.planned = (1..40)
        .map(|nth| ("DescribeStacks", nth, Fault::Hangs))
        .collect();
    check(life, &["SUCCESS", "SUCCESS", "SUCCESS"]);
}

/// A 5xx is an answer that passes: the Update asks until its deadline.
#[test]
fn an_update_waits_for_a_status_while_cloudformation_fails() {
    let script = Script::plain(Fate::Exits(0, 5.0));
    let mut life = Life::calm(json!({"Timeout": "290"}), script.clone());
    let mut changed = life.chapters[0].clone();
    changed.properties["Triggers"] = json!(["2"]);
    life.chapters.push(changed);
    life.scripts = vec![script.clone(), script];
    // The SDK makes three attempts each time, so these last for more than 30 s.
    life.planned = (1..40)
        .map(|nth| ("DescribeStacks", nth, Fault::Fails))
        .collect();
    check(life, &["SUCCESS", "SUCCESS", "SUCCESS"]);
}
