//! The templates against the code: the role allows every call that the function makes, and no
//! other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ecs_tasks::runner::decide::ledger;
use rehearse::{
    service::rules,
    template::node::{Node, NodeKind},
};
use serde_json::{Value, json};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Reads a template as values, with all scalars as text, and with only the argument of a function
/// (`!Ref x`).
fn template(path: &str) -> Value {
    fn value(node: &Node) -> Value {
        if let Some((_, argument)) = node
            .single()
            .filter(|(name, _)| *name == "Ref" || name.starts_with("Fn::"))
        {
            return value(argument);
        }
        match &node.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Text(text) => text.clone().into(),
            NodeKind::List(items) => items.iter().map(value).collect(),
            NodeKind::Map(fields) => fields
                .iter()
                .map(|(name, node)| (name.clone(), value(node)))
                .collect(),
        }
    }
    value(&Node::read(&read(path)).unwrap())
}

fn provider() -> Value {
    template("cfn/provider.yml")
}

/// Returns the actions behind the table's methods that the ledger calls.
fn calls_of_the_ledger() -> BTreeSet<String> {
    let table = read("src/aws/dynamodb.rs") + &read("src/aws/dynamodb/read.rs");
    let methods: BTreeMap<&str, &str> = table
        .split("pub async fn ")
        .skip(1)
        .filter_map(|method| method.split_once('('))
        .collect();
    let ledger = read("src/runner/ledger.rs");
    let called = ledger
        .split("self.table.")
        .skip(1)
        .filter_map(|call| call.split_once('('));
    called
        .filter_map(|(name, _)| {
            let method = methods.get(name)?;
            let queries = || {
                method
                    .contains("queried(")
                    .then(|| "dynamodb:Query".to_owned())
            };
            actions(method).pop_first().or_else(queries)
        })
        .collect()
}

/// Returns the texts of the form `service:Action` of these services.
fn actions(text: &str) -> BTreeSet<String> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == ':';
    text.split(|char| !is_part(char))
        .filter(|word| {
            let (service, action) = word.split_once(':').unwrap_or_default();
            matches!(
                service,
                "ecs" | "lambda" | "cloudformation" | "iam" | "logs" | "sqs" | "sns" | "dynamodb"
            ) && action.starts_with(|char: char| char.is_ascii_uppercase())
                && action.chars().all(|char| char.is_ascii_alphabetic())
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_role_allows_the_functions_calls_and_no_others() {
    let source: String = [
        "aws/ecs.rs",
        "aws/lambda.rs",
        "aws/cloudformation.rs",
        "aws/logs.rs",
        "aws/sns.rs",
    ]
    .map(|file| read(&format!("src/{file}")))
    .concat();
    let mut needed = actions(&source);
    needed.extend(calls_of_the_ledger());
    // ECS and Lambda need these, and call on the function's behalf.
    needed.extend(
        [
            "ecs:TagResource",
            "iam:PassRole",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "sqs:SendMessage",
        ]
        .map(str::to_owned),
    );
    let template = read("cfn/provider.yml");
    let allowed = template
        .lines()
        .filter(|line| line.contains("Action: ") && !line.contains("sts:"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut allowed = actions(&allowed);
    allowed.remove("ecs:CreateAction");
    assert_eq!(allowed, needed);
}

#[test]
fn every_statement_has_a_comment_that_names_its_call() {
    let template = read("cfn/provider.yml");
    let lines: Vec<&str> = template.lines().map(str::trim).collect();
    let statements: Vec<usize> = (0..lines.len())
        .filter(|index| lines[*index].starts_with("- Sid:"))
        .collect();
    assert_eq!(statements.len(), 23);
    for index in statements {
        assert!(
            lines[index - 1].starts_with('#'),
            "no comment above {}",
            lines[index]
        );
    }
}

#[test]
fn no_template_names_a_partition() {
    for template in ["cfn/provider.yml", "cfn/example.yml", "cfn/hook.yml"] {
        assert!(!read(template).contains("arn:aws:"), "{template}");
    }
}

#[test]
fn the_template_has_the_settings_that_the_function_relies_on() {
    let template = read("cfn/provider.yml");
    for setting in [
        "RECURSIVE_LOOP: Allow",
        "RecursiveLoop: Allow",
        "Timeout: 900",
        "MemorySize: 128",
        "LogFormat: JSON",
    ] {
        assert!(template.contains(setting), "{setting}");
    }
}

#[test]
fn the_ledger_s_table_has_the_keys_and_the_index_that_the_code_uses() {
    let table = &provider()["Resources"]["Requests"]["Properties"];
    let key = |name, kind| json!({ "AttributeName": name, "KeyType": kind });
    let keys = |hash, range| json!([key(hash, "HASH"), key(range, "RANGE")]);
    assert_eq!(table["KeySchema"], keys(ledger::RESOURCE, ledger::REQUEST));
    let [index] = table["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("one index")
    };
    assert_eq!(index["IndexName"], ledger::OPEN_INDEX);
    assert_eq!(index["KeySchema"], keys(ledger::OPEN, ledger::NEXT_LOOK));
    assert_eq!(
        index["Projection"]["ProjectionType"], "KEYS_ONLY",
        "the watch gets the rows by their keys"
    );
    assert_eq!(
        table["TimeToLiveSpecification"],
        json!({ "AttributeName": "ttl", "Enabled": "true" })
    );
    let beat = ledger::heartbeat(time::OffsetDateTime::UNIX_EPOCH);
    assert!(
        [ledger::RESOURCE, ledger::REQUEST, "ttl"]
            .iter()
            .all(|name| beat.contains_key(*name)),
        "{beat:?}"
    );
    let types = |name| if name == ledger::NEXT_LOOK { "N" } else { "S" };
    for attribute in table["AttributeDefinitions"].as_array().unwrap() {
        assert_eq!(
            attribute["AttributeType"],
            types(attribute["AttributeName"].as_str().unwrap())
        );
    }
}

#[test]
fn the_rules_are_those_that_the_stage_plays() {
    let resources = &provider()["Resources"];
    let [ended, watch] = ["Ended", "Watch"].map(|rule| resources[rule]["Properties"].clone());
    assert_eq!(ended["EventPattern"], rules::ended_pattern());
    assert_eq!(watch["ScheduleExpression"], "rate(1 minute)");
    let input: Value =
        serde_json::from_str(watch["Targets"][0]["Input"].as_str().unwrap()).unwrap();
    assert_eq!(input, rules::watch_input());
    for rule in ["Ended", "Watch"] {
        assert_eq!(resources[rule]["Properties"]["Targets"][0]["Arn"], "Woken");
        let permission = &resources[format!("{rule}Permission")]["Properties"];
        assert_eq!(permission["FunctionName"], "Woken");
        assert_eq!(permission["SourceArn"], format!("{rule}.Arn"));
        assert_eq!(permission["SourceAccount"], "AWS::AccountId");
    }
}

#[test]
fn a_failed_invocation_by_a_rule_is_not_kept_among_the_undelivered_requests() {
    let resources = &provider()["Resources"];
    let woken = &resources["WokenInvocation"]["Properties"];
    assert_eq!(woken["Qualifier"], resources["Woken"]["Properties"]["Name"]);
    assert_eq!(
        (
            &woken["MaximumRetryAttempts"],
            woken.get("DestinationConfig")
        ),
        (&json!("0"), None)
    );
    let requests = &resources["AsynchronousInvocation"]["Properties"];
    assert_eq!(requests["Qualifier"], "$LATEST");
    assert_eq!(
        requests["DestinationConfig"]["OnFailure"]["Destination"],
        "Undelivered.Arn"
    );
}

#[test]
fn without_the_ledger_its_resources_are_not_made() {
    let provider = provider();
    let of_the_ledger = [
        "DeadlinePassed",
        "Ended",
        "EndedPermission",
        "Requests",
        "Watch",
        "WatchPermission",
        "WatchSilent",
        "Woken",
        "WokenInvocation",
    ];
    let resources = provider["Resources"].as_object().unwrap();
    let conditional = resources
        .iter()
        .filter(|(_, one)| one["Condition"] == "HasLedger")
        .map(|(name, _)| name.as_str());
    assert_eq!(
        conditional.collect::<BTreeSet<_>>(),
        BTreeSet::from(of_the_ledger)
    );
    let variables = &resources["Function"]["Properties"]["Environment"]["Variables"];
    assert_eq!(
        variables["LEDGER_TABLE"],
        json!(["HasLedger", "Requests", "AWS::NoValue"])
    );
    let statements = resources["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap();
    for statement in statements {
        let is_on_the_table = statement.to_string().contains("dynamodb:");
        assert_eq!(statement[0] == "HasLedger", is_on_the_table, "{statement}");
    }
}

#[test]
fn the_hook_s_role_may_only_be_ecs_s_and_only_invoke_the_function() {
    let provider = provider();
    let role = &provider["Resources"]["HookRole"];
    assert_eq!(role["Condition"], "HasHook");
    let properties = &role["Properties"];
    assert_eq!(
        properties["AssumeRolePolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "ecs.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }])
    );
    assert_eq!(properties["Policies"].as_array().unwrap().len(), 1);
    assert_eq!(
        properties["Policies"][0]["PolicyDocument"]["Statement"],
        json!([{
            "Sid": "Invoke",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": ["Function.Arn", "${Function.Arn}:*"],
        }])
    );
    let output = &provider["Outputs"]["HookRoleArn"];
    assert_eq!(output["Condition"], "HasHook");
    assert_eq!(output["Export"]["Name"], "${AWS::StackName}-HookRoleArn");
}

#[test]
fn every_variable_of_the_template_is_one_that_the_function_reads() {
    let main = read("src/bin/ecs_tasks.rs");
    let provider = provider();
    let variables = provider["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        .as_object()
        .unwrap();
    for name in variables.keys() {
        assert!(main.contains(&format!("variable(\"{name}\")")), "{name}");
    }
}
