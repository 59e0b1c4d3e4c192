use super::*;

fn task(last_status: &str, containers: &[&str]) -> Task {
    let container = |status: &&str| Container {
        last_status: (*status).to_owned(),
        ..Container::default()
    };
    Task {
        last_status: last_status.to_owned(),
        containers: containers.iter().map(container).collect(),
        ..Task::unseen(TaskArn(
            "arn:aws:ecs:us-west-2:123456789012:task/prod/0123".to_owned(),
        ))
    }
}

#[test]
fn a_task_is_over_when_it_is_stopped_or_past_running_with_every_container_stopped() {
    let over = [
        task("STOPPED", &[]),
        task("DELETED", &["RUNNING"]),
        task("DEPROVISIONING", &["STOPPED"]),
        task("STOPPING", &["STOPPED", "STOPPED"]),
        task("DEACTIVATING", &["STOPPED"]),
    ];
    let not_over = [
        task("RUNNING", &["STOPPED"]),
        task("PENDING", &["STOPPED"]),
        task("DEPROVISIONING", &["STOPPED", "RUNNING"]),
        task("DEPROVISIONING", &[]),
        task("SOMETHING_NEW", &["STOPPED"]),
    ];
    for task in over {
        assert!(task.is_over(), "{task:?}");
    }
    for task in not_over {
        assert!(!task.is_over(), "{task:?}");
    }
}

#[test]
fn only_a_stopped_task_has_let_go_of_its_network_interface() {
    assert!(task("STOPPED", &[]).is_stopped());
    assert!(!task("DEPROVISIONING", &["STOPPED"]).is_stopped());
}

#[test]
fn the_stream_of_a_container_is_prefix_container_and_task_id_or_its_runtime_id() {
    let prefixed = AwsLogs {
        group: "/ecs/app".to_owned(),
        region: None,
        stream_prefix: Some("app".to_owned()),
    };
    let bare = AwsLogs {
        stream_prefix: None,
        ..prefixed.clone()
    };
    let task = task("STOPPED", &[]).arn;
    assert_eq!(
        prefixed.stream("web", &task, Some("a1")).as_deref(),
        Some("app/web/0123")
    );
    assert_eq!(bare.stream("web", &task, Some("a1")).as_deref(), Some("a1"));
    assert_eq!(bare.stream("web", &task, None), None);
}

#[test]
fn debug_shows_the_names_of_variables_and_never_their_values() {
    let container = ContainerDefinition {
        environment: BTreeMap::from([("DB_HOST".to_owned(), "hidden".to_owned())]),
        ..ContainerDefinition::default()
    };
    let shown = format!("{container:?}");
    assert!(
        shown.contains("DB_HOST") && !shown.contains("hidden"),
        "{shown}"
    );
}

#[test]
fn a_task_ran_until_its_containers_ended_and_not_less_than_no_time() {
    use time::macros::datetime;
    let start = datetime!(2026-11-20 10:15 UTC);
    let ran = |executed: Option<i64>, stopped: Option<i64>| {
        let at = |seconds| start + Duration::seconds(seconds);
        let task = Task {
            started_at: Some(start),
            execution_stopped_at: executed.map(at),
            stopped_at: stopped.map(at),
            ..task("STOPPED", &[])
        };
        task.run_time().map(Duration::whole_seconds)
    };
    assert_eq!(ran(Some(60), Some(80)), Some(60));
    assert_eq!(ran(None, Some(80)), Some(80));
    assert_eq!(ran(Some(0), Some(20)), Some(0));
    // The containers ended before the task counted as started.
    assert_eq!(ran(Some(-5), Some(300)), Some(300));
    assert_eq!(ran(Some(-5), Some(-1)), None);
    assert_eq!(ran(None, None), None);
}
