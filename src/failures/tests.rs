use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::task::TaskArn;

/// Every message of the fixtures: its id, true for an answer to a call, and the text.
fn messages() -> Vec<(&'static str, bool, &'static str)> {
    let lines = include_str!("../../tests/failures/messages.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (id, text) = line.split_once(" | ").expect("an id and a message");
            match id.split_once(' ') {
                Some((_, id)) => (id, true, text),
                None => (id, false, text),
            }
        })
        .collect()
}

fn id_of(text: &str, of_call: bool) -> &'static str {
    ranked(text, of_call).map_or("unknown-refusal", |(_, recognised)| recognised.entry.id)
}

#[test]
fn every_documented_message_has_its_id() {
    let wrong: Vec<String> = messages()
        .into_iter()
        .filter(|(id, of_call, text)| id_of(text, *of_call) != *id)
        .map(|(id, of_call, text)| format!("{id}, not {}: {text}", id_of(text, of_call)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_is_of_two_kinds_of_the_first_rank() {
    for (_, of_call, text) in messages() {
        let all = candidates(text, of_call);
        let first = all.first().map(|(rank, _)| *rank);
        let ids: BTreeSet<&str> = all
            .iter()
            .filter(|(rank, _)| Some(*rank) == first)
            .map(|(_, id)| *id)
            .collect();
        assert!(ids.len() <= 1, "{ids:?}: {text}");
    }
}

/// Entries without texts: exit codes, stop codes or the function's own observations identify them.
fn by_circumstance(entry: &CatalogueEntry) -> bool {
    entry.says.is_empty()
}

#[test]
fn every_entry_is_reached() {
    let reached: BTreeSet<&str> = messages().into_iter().map(|(id, ..)| id).collect();
    let unreached = CATALOGUE
        .iter()
        .filter(|entry| !reached.contains(entry.id) && !by_circumstance(entry));
    let unreached: Vec<&str> = unreached.map(|entry| entry.id).collect();
    // A stop code identifies the first, the function's own stoppedReasons the others.
    assert_eq!(
        unreached,
        ["host-unhealthy", "stopped-by-ecs-tasks", "timeout"]
    );
    let named = include_str!("../failures.rs").to_owned()
        + include_str!("../runner/decide/texts.rs")
        + include_str!("../runner/decide/texts/start.rs")
        + include_str!("../reason/failure.rs");
    for entry in CATALOGUE.iter().filter(|entry| by_circumstance(entry)) {
        let is_found =
            !entry.codes.is_empty() || !entry.logs.is_empty() || !entry.stop_codes.is_empty();
        assert!(
            is_found || named.contains(&format!("\"{}\"", entry.id)),
            "{} is never made",
            entry.id
        );
    }
}

#[test]
fn ids_are_unique_and_every_id_that_the_code_names_exists() {
    let ids: BTreeSet<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), CATALOGUE.len());
    assert!(CATALOGUE.len() >= 100, "{} kinds", CATALOGUE.len());
    for source in [
        include_str!("../failures.rs"),
        include_str!("../runner/decide/texts.rs"),
        include_str!("../runner/decide/texts/start.rs"),
        include_str!("../reason/failure.rs"),
    ] {
        for rest in source.split("Recognised::of(\"").skip(1) {
            let id = rest.split('"').next().unwrap_or_default();
            assert!(ids.contains(id), "{id}");
        }
    }
}

#[test]
fn every_entry_says_what_to_do() {
    for entry in CATALOGUE {
        assert!(
            !entry.lead.is_empty() && !entry.lead.ends_with('.'),
            "{}",
            entry.id
        );
        assert!(!entry.step.is_empty(), "{}", entry.id);
        assert!(
            !entry.step.ends_with('.') && !entry.on_ec2.ends_with('.'),
            "{}",
            entry.id
        );
        assert!(
            entry.alert.len() <= 48 && entry.alert.is_ascii(),
            "{}",
            entry.id
        );
    }
}

#[test]
fn all_leads_and_steps_on_one_page() {
    let mut page = String::new();
    for entry in CATALOGUE {
        page.push_str(&format!(
            "{}\n  {}.\n  {}.\n",
            entry.id,
            shown(entry.lead, Reader::OfDeploy),
            shown(entry.step, Reader::OfDeploy)
        ));
        if !entry.on_ec2.is_empty() {
            page.push_str(&format!(
                "  on EC2: {}.\n",
                shown(entry.on_ec2, Reader::OfDeploy)
            ));
        }
        let in_alert = shown(entry.step, Reader::OfAlert);
        if in_alert != shown(entry.step, Reader::OfDeploy) {
            page.push_str(&format!("  in an alert: {in_alert}.\n"));
        }
    }
    insta::assert_snapshot!(page);
}

/// The same message as another agent would word it, for another task, on another day.
fn variant(text: &str, seed: u8) -> String {
    let mut text = match seed & 1 {
        0 => text.replace('\'', "’").replace('"', ""),
        _ => text.replace(['’', '"'], "'"),
    };
    if seed & 2 != 0 {
        text = text
            .replace(": ", ":\n  ")
            .replace(":\n  ", ": ")
            .replace(' ', "  ");
    }
    if seed & 4 != 0 {
        text = text
            .replace("111122223333", "999988887777")
            .replace("0123", "4567")
            .replace("us-east-1", "eu-west-1");
    }
    if seed & 8 != 0 {
        for times in [1, 3, 5, 7] {
            text = text.replace(&format!("retried {times} time(s)"), "retried 9 time(s)");
        }
    }
    if seed & 16 != 0 {
        text = text
            .replace("Error response from daemon: ", "")
            .replace("execution resource retrieval failed: ", "");
    }
    if seed & 32 != 0 {
        text = text.replace(
            "failed to create shim task: ",
            "failed to create task for container: ",
        );
        text.push_str(", request id: 6b1f");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_text_that_differs_in_names_ids_retries_space_quotes_or_frame_has_the_same_id(
        seed in 0_u8..64,
        at in 0_usize..10_000,
    ) {
        let all = messages();
        let (id, of_call, text) = all[at % all.len()];
        // A message of one code or one sentence has no frame.
        let is_whole = CATALOGUE.iter().any(|entry| {
            entry.id == id && entry.says.iter().any(|says| says.ends_with('$'))
        });
        let other = variant(text, if is_whole { seed & !32 } else { seed });
        prop_assert_eq!(id_of(&other, of_call), id, "{}", other);
    }

    #[test]
    fn any_text_can_be_looked_up(text in any::<String>(), code in any::<String>()) {
        let _ = of_text(&text);
        let recognised = of_call(&code, &text);
        let _ = (recognised.lead(&Particulars::default()), recognised.step(&Particulars::default()), cut(&text));
    }
}

fn failed(cause: Cause, stop_code: &str, reason: &str) -> Failure {
    Failure {
        task: TaskArn("arn:aws:ecs:us-west-2:123456789012:task/prod/1".to_owned()),
        cause,
        others: Vec::new(),
        stop_code: Some(stop_code.to_owned()),
        stopped_reason: Some(reason.to_owned()),
        ended_by: None,
        image: None,
        launch_type: None,
        capacity_provider: None,
    }
}

fn exited(code: i64, reason: Option<&str>) -> Cause {
    Cause::Exited {
        container: "app".to_owned(),
        code,
        reason: reason.map(str::to_owned),
    }
}

#[test]
fn of_several_hints_the_one_that_says_most_counts() {
    let essential = (
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    let unhealthy = (
        "ServiceSchedulerInitiated",
        "Task failed container health checks",
    );
    let memory = Some("OutOfMemoryError: Container killed due to memory usage");
    let log = |line: &str| vec!["migrating".to_owned(), line.to_owned()];
    for (cause, (stop_code, reason), log, id) in [
        (exited(137, memory), unhealthy, vec![], "out-of-memory"),
        (exited(143, None), unhealthy, vec![], "health-container"),
        (exited(1, None), essential, vec![], "exit-code"),
        (exited(127, None), essential, vec![], "command-not-found"),
        (
            exited(255, None),
            essential,
            log("exec /app: exec format error"),
            "program-platform",
        ),
        (
            exited(1, None),
            essential,
            log(
                "psycopg2.OperationalError: connection to server at \"db\" (10.0.1.5), port \
                                          5432 failed: Connection timed out",
            ),
            "connection-timeout",
        ),
        (
            exited(1, None),
            essential,
            log("Error: connect ECONNREFUSED 127.0.0.1:5432"),
            "connection-refused",
        ),
        (
            exited(1, None),
            essential,
            log("FATAL: password authentication failed for user \"app\""),
            "login-refused",
        ),
        (
            exited(1, None),
            essential,
            log("OSError: [Errno 28] No space left on device"),
            "disk-full",
        ),
        (
            exited(143, None),
            ("SpotInterruption", "Your Spot Task was interrupted."),
            vec![],
            "spot-interrupted",
        ),
        (
            exited(1, None),
            ("UserInitiated", "Task stopped by user"),
            vec![],
            "exit-code",
        ),
        (
            exited(137, None),
            ("UserInitiated", "a colleague"),
            vec![],
            "stopped-by-user",
        ),
        (
            exited(137, None),
            (
                "UserInitiated",
                "ecs-tasks: not finished within Timeout of 290 s",
            ),
            vec![],
            "timeout",
        ),
        (
            Cause::StoppedByUser,
            ("UserInitiated", "Task stopped by user"),
            vec![],
            "stopped-by-user",
        ),
        (
            exited(137, None),
            ("InfrastructureHealth", "x"),
            vec![],
            "host-unhealthy",
        ),
        (
            exited(143, None),
            ("UserInitiated", "ecs-tasks: superseded"),
            vec![],
            "stopped-by-ecs-tasks",
        ),
        (
            exited(137, None),
            essential,
            log("Connection timed out"),
            "killed",
        ),
        (
            exited(137, None),
            essential,
            log("/app/entrypoint.sh: line 14:    27 Killed                  python -m export"),
            "memory-child",
        ),
        (
            exited(3_221_225_781, None),
            essential,
            vec![],
            "library-missing",
        ),
        (
            exited(-1_073_741_515, None),
            essential,
            vec![],
            "library-missing",
        ),
        (exited(3_221_225_477, None), essential, vec![], "crashed"),
        (
            exited(3_221_225_786, None),
            essential,
            vec![],
            "interrupted",
        ),
        (exited(132, None), essential, vec![], "illegal-instruction"),
        (exited(139, None), essential, vec![], "crashed"),
        (exited(137, None), essential, vec![], "killed"),
        (
            Cause::FailedToStart {
                container: None,
                reason: None,
            },
            ("TaskFailedToStart", "Something new"),
            vec![],
            "unknown-start",
        ),
        (
            Cause::FailedToStart {
                container: None,
                reason: None,
            },
            ("TaskFailedToStart", "RESOURCE:GPU"),
            vec![],
            "resource-gpu",
        ),
    ] {
        let recognised = of_failure(&failed(cause.clone(), stop_code, reason), &log);
        assert_eq!(recognised.entry.id, id, "{cause:?} {reason} {log:?}");
    }
}

#[test]
fn secrets_and_the_network_behind_one_prefix_are_two_kinds() {
    let prefix = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                  retrieval failed: ";
    for (rest, id) in [
        (
            "unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: send request \
          failed caused by: Post \"https://api.ecr.us-east-1.amazonaws.com/\": dial tcp 10.0.0.1:443: i/o timeout",
            "registry-unreachable",
        ),
        (
            "unable to retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret \
          arn:aws:secretsmanager:us-west-2:1:secret:db-AbCdEf from secrets manager: RequestCanceled: request context \
          canceled caused by: context deadline exceeded",
            "secret-unreachable",
        ),
        (
            "unable to retrieve secret from asm: service call has been retried 1 time(s): AccessDeniedException",
            "secret-denied",
        ),
    ] {
        assert_eq!(id_of(&format!("{prefix}{rest}"), false), id, "{rest}");
    }
}

/// Words that tell only somebody something who deploys a stack.
const OF_A_DEPLOY: [&str; 10] = [
    "eploy again",
    "StartRetries",
    "Overrides",
    "WatchContainers",
    "the function",
    "next deploy",
    "this resource",
    "let the resource",
    "CloudFormation",
    "stack",
];

#[test]
fn an_alert_says_nothing_about_a_deploy() {
    // These are of the runner's own calls, requests and deadlines.
    let of_the_runner = [
        FailureClass::Timeout,
        FailureClass::Refused,
        FailureClass::OwnFault,
        FailureClass::NoRun,
    ];
    let alerted = CATALOGUE
        .iter()
        .filter(|entry| entry.is_for_alerts() && !of_the_runner.contains(&entry.class));
    for entry in alerted {
        for text in [entry.lead, entry.step, entry.on_ec2] {
            let shown = shown(text, Reader::OfAlert);
            let found = OF_A_DEPLOY.iter().find(|words| shown.contains(*words));
            // Its name says who has stopped the task.
            let is_own = entry.id == "stopped-by-ecs-tasks" && found == Some(&"the function");
            assert!(
                found.is_none() || is_own,
                "{}: {found:?} in {shown}",
                entry.id
            );
            assert!(
                !shown.contains("deploy:") && !shown.contains("alert:"),
                "{}",
                entry.id
            );
        }
    }
}

#[test]
fn a_lead_names_the_thing() {
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf";
    let fargate = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
                   failed: unable to retrieve secret from asm: service call has been retried 1 time(s): ";
    let facts = Particulars::default()
        .with_secrets(&[format!("{secret}:password::"), format!("{secret}:user::")])
        .with("image", Some("registry.example:5000/app:1"))
        .with("driver", Some("fluentd"))
        .about(Some("app"));
    for (message, lead, step) in [
        (
            format!("{fargate}failed to fetch secret {secret} from secrets manager: InvalidRequestException: You can't \
                     perform this operation on the secret because it was marked for deletion."),
            "The secret prod/db-AbCdEf is scheduled for deletion, and cannot be read",
            format!("aws secretsmanager restore-secret --secret-id {secret}"),
        ),
        (
            format!("{fargate}retrieved secret from Secrets Manager did not contain json key password"),
            "The secret prod/db-AbCdEf has no JSON key password",
            format!("--secret-id {secret} shows it"),
        ),
        (
            format!("{fargate}retrieved secret from Secrets Manager did not contain json key other"),
            "The secret that the task names has no JSON key other",
            "--secret-id SECRET shows it".to_owned(),
        ),
        (
            format!("{fargate}failed to fetch secret {secret} from secrets manager: RequestCanceled: request context canceled"),
            "Secrets Manager or Parameter Store could not be reached from the task's network, so its secret \
             prod/db-AbCdEf was not read",
            "secretsmanager, ssm and kms".to_owned(),
        ),
        (
            "CannotStartContainerError: dependency graph: container ordering dependency [db(postgres:16) \
             (RUNNING->RUNNING)] for target [app(app:1) (PULLED->RUNNING)] has timed out."
                .to_owned(),
            "Container app was not started: it depends on container db, which was not ready within its StartTimeout",
            "See the log of container db".to_owned(),
        ),
        (
            "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(app:1) \
             (STOPPED->STOPPED) - Exit: 1] for target [app(app:1) (NONE->RUNNING)] as dependency did not exit successfully."
                .to_owned(),
            "Container app was not started, because container init failed or never started",
            "the log of container init".to_owned(),
        ),
        (
            "CannotPullContainerError: Get \"https://registry.example:5000/v2/\": x509: certificate signed by unknown \
             authority"
                .to_owned(),
            "The registry of the image registry.example:5000/app:1 of container app presented a certificate that the agent \
             does not trust",
            "push the image to ECR".to_owned(),
        ),
        (
            "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: dial unix \
             /var/run/fluent.sock: connect: no such file or directory"
                .to_owned(),
            "The log driver fluentd of container app could not reach its collector (/var/run/fluent.sock), and \
             Docker does not start a container without its log driver",
            "fluentd-address".to_owned(),
        ),
    ] {
        let recognised = of_text(&message).expect("known");
        assert_eq!(recognised.lead(&facts), lead, "{message}");
        assert!(recognised.step(&facts).contains(&step), "{}", recognised.step(&facts));
    }
    let on_ec2 = facts.on(Some("EC2"));
    let certificate = of_text("CannotPullContainerError: x509: unknown authority").expect("known");
    assert!(
        certificate
            .step(&on_ec2)
            .contains("/etc/docker/certs.d/registry.example:5000/ca.crt")
    );
}

#[test]
fn a_platform_version_is_talked_about_only_if_it_is_given() {
    let message = "One or more of the requested capabilities are not supported.";
    let refused = of_call("PlatformTaskDefinitionIncompatibilityException", message);
    let facts = Particulars::default().with("definition", Some("app:7"));
    assert_eq!(
        refused.lead(&facts),
        "The task definition app:7 uses a feature that its Fargate platform does not have"
    );
    assert!(!refused.step(&facts).contains("PlatformVersion"));
    let given = facts.with("platformVersion", Some("1.3.0"));
    assert!(refused.lead(&given).contains("(PlatformVersion 1.3.0)"));
    assert!(refused.step(&given).contains("LATEST instead of 1.3.0"));
}

#[test]
fn the_last_lines_of_a_program_tell_its_kind_of_failure() {
    let node_trace: Vec<String> = (1..15)
        .map(|number| {
            format!("{number:2}: 0xb{number} v8::internal::Heap::CollectGarbage() [node]")
        })
        .collect();
    for (code, before, line, after, id) in [
        (
            134,
            "<--- Last few GCs --->",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            node_trace.clone(),
            "memory-node",
        ),
        (
            1,
            "",
            "FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory",
            node_trace,
            "memory-node",
        ),
        (
            1,
            "",
            "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
            vec!["\tat app.Main.main(Main.java:7)".to_owned(); 9],
            "memory-java",
        ),
        (
            3,
            "",
            "Terminating due to java.lang.OutOfMemoryError: Metaspace",
            vec![],
            "memory-java",
        ),
        (
            137,
            "",
            "java.lang.OutOfMemoryError: GC overhead limit exceeded",
            vec![],
            "memory-java",
        ),
        (
            1,
            "  File \"app.py\", line 3, in <module>",
            "MemoryError",
            vec![],
            "memory-exhausted",
        ),
        (
            1,
            "",
            "app.rb:3:in `*': failed to allocate memory (NoMemoryError)",
            vec!["\tfrom app.rb:3:in `<main>'".to_owned(); 7],
            "memory-exhausted",
        ),
        (
            134,
            "",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            vec!["  what():  std::bad_alloc".to_owned()],
            "memory-exhausted",
        ),
        (
            255,
            "",
            "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes)",
            vec![],
            "memory-exhausted",
        ),
        (139, "", "Connection refused", vec![], "crashed"),
        (
            1,
            "",
            "FATAL:  no pg_hba.conf entry for host \"10.0.1.17\", user \"app\", database \"app\", no encryption",
            vec![],
            "database-tls",
        ),
        (
            1,
            "",
            "org.postgresql.util.PSQLException: FATAL: pg_hba.conf rejects connection for host \"10.0.1.17\", user \"app\", database \"app\", SSL off",
            vec![],
            "database-tls",
        ),
        (
            1,
            "",
            "ERROR 3159 (HY000): Connections using insecure transport are prohibited while --require_secure_transport=ON.",
            vec![],
            "database-tls",
        ),
        (
            1,
            "",
            "ConnectionError: Server requires encryption, set 'encrypt' config option to true.",
            vec![],
            "database-tls",
        ),
        (
            1,
            "",
            "FATAL:  no pg_hba.conf entry for host \"10.0.1.17\", user \"app\", database \"app\", SSL encryption",
            vec![],
            "database-not-admitted",
        ),
        (
            1,
            "",
            "psycopg2.OperationalError: server does not support SSL, but SSL was required",
            vec![],
            "database-no-tls",
        ),
        (
            1,
            "",
            "Error: self signed certificate in certificate chain",
            vec!["    at TLSSocket.onConnectSecure (node:_tls_wrap:1659:34)".to_owned(); 8],
            "certificate-untrusted",
        ),
        (
            1,
            "",
            "FATAL:  password authentication failed for user \"app\"",
            vec![],
            "login-refused",
        ),
        (
            1,
            "",
            "'app.exe' is not recognized as an internal or external command,",
            vec!["operable program or batch file.".to_owned()],
            "command-not-found",
        ),
        (
            1,
            "",
            "System.IO.IOException: There is not enough space on the disk.",
            vec![],
            "disk-full",
        ),
    ] {
        let log: Vec<String> = [before, line]
            .map(str::to_owned)
            .into_iter()
            .chain(after)
            .collect();
        let essential = "Essential container in task exited";
        let failure = failed(exited(code, None), "EssentialContainerExited", essential);
        assert_eq!(of_failure(&failure, &log).entry.id, id, "{code} {line}");
    }
}

const LOGS_PAGE: &str = include_str!("../../tests/failures/logs.txt");

#[test]
fn the_logs_of_databases_migrations_and_runtimes_tell_their_kind() {
    let exited = exited(1, None);
    let failure = failed(
        exited,
        "EssentialContainerExited",
        "Essential container in task exited",
    );
    let found = |log: &str| {
        let lines: Vec<String> = log.split("\\n").map(str::to_owned).collect();
        of_failure(&failure, &lines).entry.id
    };
    let logged = LOGS_PAGE.lines().filter_map(|line| line.split_once(" | "));
    let wrong: Vec<String> = logged
        .filter(|(id, log)| found(log) != *id)
        .map(|(id, log)| format!("{id}, not {}: {log}", found(log)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_come_from_the_message_and_arns_are_shortened() {
    let message = "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/service/app' that was provided \
                   for this task.";
    let lead = of_call("ClientException", message).lead(&Particulars::default());
    assert_eq!(lead, "ECS could not assume the role app of the task");
    let message = "failed to resolve ref docker.io/library/app:9: not found";
    let lead = of_text(message)
        .expect("known")
        .lead(&Particulars::default().about(Some("app")));
    assert_eq!(
        lead,
        "The image docker.io/library/app:9 of container app does not exist in its registry"
    );
    for (arn, name) in [
        (
            "arn:aws:logs:us-east-1:1:log-group:/ecs/app:log-stream:",
            "/ecs/app",
        ),
        (
            "arn:aws:secretsmanager:us-east-1:1:secret:prod/db-AbCdEf",
            "prod/db-AbCdEf",
        ),
        ("arn:aws:ssm:us-east-1:1:parameter/prod/db", "/prod/db"),
        (
            "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/0123",
            "web",
        ),
        ("plain", "plain"),
    ] {
        assert_eq!(short(arn), name);
    }
}

#[test]
fn starts_that_time_mends_are_tried_again() {
    let call = |message: &str| of_call("InvalidParameterException", message).entry.retry;
    let ec2 = "Error retrieving security group information for [sg-1]: x (ErrorCode: ";
    assert_eq!(
        call(&format!("{ec2}RequestLimitExceeded)")),
        Retry::Throttled
    );
    assert_eq!(call(&format!("{ec2}Throttling)")), Retry::Throttled);
    assert_eq!(call(&format!("{ec2}InvalidGroup.NotFound)")), Retry::No);
    assert_eq!(
        call("ECS was unable to assume the role 'x' that was provided for this task."),
        Retry::Passing
    );
    assert_eq!(
        call("No Container Instances were found in your capacity provider."),
        Retry::Passing
    );
    assert_eq!(
        call("The new ARN and resource ID format must be enabled to add tags to the task."),
        Retry::WithoutTags
    );
    for reason in [
        "RESOURCE:MEMORY",
        "RESOURCE:NEW",
        "AGENT",
        "Capacity is unavailable at this time. Please try again later",
        "You’ve \
          reached the limit on the number of vCPUs you can run concurrently",
    ] {
        assert_eq!(of_launch(reason).entry.retry, Retry::Capacity, "{reason}");
    }
    for reason in [
        "ATTRIBUTE",
        "LOCATION",
        "MISSING",
        "INACTIVE",
        "",
        "something",
    ] {
        assert_eq!(of_launch(reason).entry.retry, Retry::No, "{reason}");
    }
}
