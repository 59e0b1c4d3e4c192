use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    Settings::of(|name| {
        variables
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[track_caller]
fn check_error(name: &str, value: &str, expected: &str) {
    assert_eq!(
        read(&[(name, value)]).map_err(|errors| errors.to_string()),
        Err(format!("{name} must be {expected}, not {value:?}"))
    );
}

#[test]
fn without_settings_there_are_no_sinks_and_the_default_patterns_excuse() {
    let nothing = Settings {
        restarts: true,
        audit: None,
        alert: None,
        log_group: None,
        index: None,
        ignored: pattern::default(),
        metrics_by_family: false,
    };
    assert_eq!(read(&[]).as_ref(), Ok(&nothing));
    assert_eq!(
        read(&[("AUDIT_TABLE", ""), ("ALERT_TOPIC_ARN", " ")]),
        Ok(nothing)
    );
}

#[test]
fn every_setting_is_read() {
    let settings = read(&[
        ("AUDIT_TABLE", "ecs-audit"),
        ("RETENTION_DAYS", "30"),
        (
            "ALERT_TOPIC_ARN",
            "arn:aws:sns:us-west-2:123456789012:alerts",
        ),
        ("ALERT_FORMAT", "Chat"),
        ("ALERT_WINDOW_SECONDS", "60"),
        ("ALERT_LOG_LINES", "0"),
        ("METRICS_BY_FAMILY", "true"),
        ("EVENTS_LOG_GROUP", "/ecs/failed-tasks"),
        ("OPENSEARCH_ENDPOINT", "https://search.example.com"),
        ("OPENSEARCH_INDEX", "tasks"),
        ("IGNORE_STOPPED_REASONS", "[\"a, b*\"]"),
    ])
    .expect("good settings");
    assert_eq!(
        settings.audit,
        Some(Audit {
            table: "ecs-audit".to_owned(),
            retention_days: 30
        })
    );
    let alert = settings.alert.expect("alerts");
    assert_eq!(
        (alert.format, alert.window, alert.log_lines),
        (AlertFormat::Chat, Duration::MINUTE, 0)
    );
    assert!(settings.metrics_by_family);
    assert_eq!(settings.log_group.as_deref(), Some("/ecs/failed-tasks"));
    assert_eq!(
        settings.index.map(|index| index.name),
        Some("tasks".to_owned())
    );
    assert_eq!(settings.ignored, [Pattern::new("a, b*")]);
}

#[test]
fn patterns_can_be_written_in_a_templates_parameter() {
    for list in [
        "a*,*b",
        "a*\n*b\n",
        " a* ; *b ",
        "a*|*b",
        "[\"a*\", \"*b\"]",
    ] {
        let settings = read(&[("IGNORE_STOPPED_REASONS", list)]).expect("patterns");
        assert_eq!(
            settings.ignored,
            [Pattern::new("a*"), Pattern::new("*b")],
            "{list}"
        );
    }
    assert_eq!(
        read(&[("IGNORE_STOPPED_REASONS", "[]")])
            .expect("none")
            .ignored,
        []
    );
}

#[test]
fn an_error_names_the_variable_and_what_it_should_be() {
    check_error("AUDIT_TABLE", "a b", "the name or ARN of a DynamoDB table");
    check_error("RETENTION_DAYS", "0", "a number of days from 1 to 3650");
    check_error(
        "RETENTION_DAYS",
        "two weeks",
        "a number of days from 1 to 3650",
    );
    let topic = "the ARN of an SNS topic (not a FIFO topic)";
    check_error("ALERT_TOPIC_ARN", "alerts", topic);
    check_error(
        "ALERT_TOPIC_ARN",
        "arn:aws:sns:us-west-2:123456789012:alerts.fifo",
        topic,
    );
    check_error(
        "ALERT_WINDOW_SECONDS",
        "5m",
        "a number of seconds from 0 to 86400",
    );
    check_error("ALERT_LOG_LINES", "51", "a number of lines from 0 to 50");
    check_error("METRICS_BY_FAMILY", "maybe", "true or false");
    check_error("ALERT_FORMAT", "html", "text, json or chat");
    check_error("EVENTS_LOG_GROUP", "my group", "the name of a log group");
    let address = "an https address (http only for a loopback host) without a path";
    check_error("OPENSEARCH_ENDPOINT", "http://search.example.com", address);
    check_error("OPENSEARCH_ENDPOINT", "search.example.com", address);
    check_error(
        "OPENSEARCH_INDEX",
        "ECS",
        "an index name of lowercase letters, digits, - and _",
    );
    let list = "a JSON list of patterns, or patterns separated by commas or new lines";
    check_error("IGNORE_STOPPED_REASONS", "[1]", list);
    assert!(read(&[("OPENSEARCH_ENDPOINT", "http://127.0.0.1:9200")]).is_ok());
}

#[test]
fn all_errors_are_reported_together() {
    let errors = read(&[("ALERT_FORMAT", "x"), ("RETENTION_DAYS", "y")])
        .expect_err("two errors")
        .to_string();
    assert!(
        errors.contains("ALERT_FORMAT")
            && errors.contains("; ")
            && errors.contains("RETENTION_DAYS"),
        "{errors}"
    );
}
