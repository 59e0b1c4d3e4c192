use proptest::prelude::*;
use serde_json::json;

use super::{check::MAX_OVERRIDES, *};

/// The required properties, and those of the test.
fn with(more: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": "arn:aws:lambda:us-west-2:123456789012:function:ecsTasks",
        "Cluster": "prod",
        "TaskDefinition": "app:7",
    });
    let more = more.as_object().cloned().unwrap_or_default();
    properties.as_object_mut().unwrap().extend(more);
    properties
}

#[track_caller]
fn good(more: Value) -> Properties {
    match Properties::read(&with(more)) {
        Ok(properties) => properties,
        Err(errors) => panic!("{errors}"),
    }
}

/// Checks the errors, joined as in the Reason.
#[track_caller]
fn bad(more: Value, expected: &str) {
    match Properties::read(&with(more)) {
        Ok(properties) => panic!("{properties:?} should be refused"),
        Err(errors) => assert_eq!(errors.to_string(), expected),
    }
}

#[test]
fn what_is_not_given_has_its_default() {
    let properties = good(json!({}));
    assert_eq!(
        (
            properties.count,
            properties.timeout,
            properties.service_timeout
        ),
        (1, 290, 3600)
    );
    assert!(properties.run_on_update && !properties.run_on_rollback);
    assert_eq!((properties.poll_interval, properties.tasks()), (None, 1));
    assert_eq!(
        (properties.instances(), properties.update_criteria()),
        (None, None)
    );
    assert!(properties.overrides.is_none() && properties.network_configuration.is_none());
}

#[test]
fn strings_and_native_types_are_the_same() {
    let strings = json!({
        "ServiceTimeout": "2000", "Count": "3", "Timeout": " 1800 ", "PollInterval": "30",
        "RunOnUpdate": "True",
        "RunOnRollback": "no", "UpdateCriteria": [{"Container": "app", "EnvironmentKeys": ["A"],
            "Image": "yes"}],
        "Overrides": {"cpu": "256", "containerOverrides": [{"name": "app", "cpu": "128", "memory": "64"}]},
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": "1", "base": "0"}],
    });
    let native = json!({
        "ServiceTimeout": 2000, "Count": 3.0, "Timeout": 1800, "PollInterval": 30, "RunOnUpdate": true,
        "RunOnRollback": false, "UpdateCriteria": [{"Container": "app", "EnvironmentKeys": ["A"],
            "Image": true}],
        "Overrides": {"cpu": 256, "containerOverrides": [{"name": "app", "cpu": 128, "memory": 64}]},
        "CapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
    });
    assert!(good(strings.clone()) == good(native));
    let properties = good(strings);
    assert_eq!(
        properties.overrides.as_ref().unwrap().cpu.as_deref(),
        Some("256"),
        "a task override's cpu is a string"
    );
    let container = &properties
        .overrides
        .as_ref()
        .unwrap()
        .container_overrides
        .as_ref()
        .unwrap()[0];
    assert_eq!(
        (container.cpu, container.memory),
        (Some(128), Some(64)),
        "a container override's is a number"
    );
    assert_eq!((properties.count, properties.run_on_rollback), (3, false));
}

#[test]
fn structures_take_both_spellings_and_keep_values_as_they_are() {
    let ecs = json!({
        "Overrides": {"containerOverrides": [{"name": "App",
            "environment": [{"name": "containerName", "value": "True"}]}]},
        "NetworkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"], "assignPublicIp": "ENABLED"}},
    });
    let cloudformation = json!({
        "Overrides": {"ContainerOverrides": [{"Name": "App",
            "Environment": [{"Name": "containerName", "Value": "True"}]}]},
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["s"], "AssignPublicIp": "ENABLED"}},
    });
    assert!(good(ecs.clone()) == good(cloudformation));
    let properties = good(ecs);
    let container = &properties
        .overrides
        .as_ref()
        .unwrap()
        .container_overrides
        .as_ref()
        .unwrap()[0];
    let variable = &container.environment.as_ref().unwrap()[0];
    assert_eq!(
        (variable.name.as_str(), variable.value.as_str()),
        ("containerName", "True")
    );
    bad(
        json!({"Overrides": {"cpu": "1", "Cpu": "1"}}),
        "Overrides.cpu is given twice, also as Cpu",
    );
}

#[test]
fn every_limit_is_told_with_what_was_written() {
    for (name, value, text) in [
        (
            "Count",
            "11",
            "Count must be a whole number from 0 to 10, not \"11\"",
        ),
        (
            "Count",
            "-1",
            "Count must be a whole number from 0 to 10, not \"-1\"",
        ),
        (
            "Count",
            "1.5",
            "Count must be a whole number from 0 to 10, not \"1.5\"",
        ),
        (
            "Count",
            "",
            "Count must be a whole number from 0 to 10, not an empty string",
        ),
        (
            "Timeout",
            "43201",
            "Timeout must be a whole number from 0 to 43200, not \"43201\"",
        ),
        (
            "Timeout",
            "five minutes",
            "Timeout must be a whole number from 0 to 43200, not \"five minutes\"",
        ),
        (
            "PollInterval",
            "0",
            "PollInterval must be a whole number from 1 to 60, not \"0\"",
        ),
        (
            "PollInterval",
            "61",
            "PollInterval must be a whole number from 1 to 60, not \"61\"",
        ),
        (
            "ServiceTimeout",
            "0",
            "ServiceTimeout must be a whole number from 1 to 3600, not \"0\"",
        ),
        (
            "RunOnUpdate",
            "maybe",
            "RunOnUpdate must be true or false, not \"maybe\"",
        ),
        (
            "RunOnRollback",
            "1",
            "RunOnRollback must be true or false, not \"1\"",
        ),
        ("Cluster", "", "Cluster must not be empty"),
        ("TaskDefinition", "", "TaskDefinition must not be empty"),
        ("LaunchType", "", "LaunchType must not be empty"),
        ("Instances", "arn", "Instances must be a list, not a string"),
        (
            "Overrides",
            "{}",
            "Overrides must be an object, not a string",
        ),
        (
            "NetworkConfiguration",
            "x",
            "NetworkConfiguration must be an object, not a string",
        ),
    ] {
        bad(json!({ name: value }), text);
    }
    for (name, value) in [
        ("Count", "0"),
        ("Count", "10"),
        ("Timeout", "0"),
        ("Timeout", "3600"),
        ("PollInterval", "60"),
    ] {
        good(json!({ name: value }));
    }
}

#[test]
fn a_wait_beyond_an_hour_needs_a_handle_that_somebody_signals() {
    bad(
        json!({"Timeout": "3601"}),
        "Timeout must be at most 3600, the longest that CloudFormation waits for a custom resource; with \
         WaitHandle it may be up to 43200",
    );
    let handle =
        "https://cloudformation-waitcondition-us-west-2.s3.amazonaws.com/Handle?Signature=secret";
    good(json!({"Timeout": "43200", "WaitHandle": handle}));
    bad(
        json!({"Timeout": "0", "StartRetries": "2", "WaitHandle": handle}),
        "Timeout must not be 0 with WaitHandle: nothing would signal the handle; StartRetries cannot be given \
         together with WaitHandle: the resource is complete as soon as its tasks have started, and the function does \
         not store what it would need to start them again",
    );
}

#[test]
fn a_native_value_of_the_wrong_kind_is_named_by_its_kind() {
    bad(
        json!({"Count": true}),
        "Count must be a whole number from 0 to 10, not a boolean",
    );
    bad(
        json!({"Count": 2.5}),
        "Count must be a whole number from 0 to 10, not 2.5",
    );
    bad(
        json!({"Cluster": ["prod"]}),
        "Cluster must be a string, not a list",
    );
    bad(
        json!({"Cluster": {"Ref": "X"}}),
        "Cluster must be a string, not an object",
    );
    bad(
        json!({"RunOnUpdate": 1}),
        "RunOnUpdate must be true or false, not 1",
    );
}

#[test]
fn what_is_missing_is_named_and_null_is_as_good_as_missing() {
    let errors = Properties::read(&json!({"ServiceToken": null}))
        .unwrap_err()
        .to_string();
    assert_eq!(
        errors,
        "ServiceToken is missing; Cluster is missing; TaskDefinition is missing"
    );
    for nothing in [json!(null), json!("text"), json!([])] {
        let errors = Properties::read(&nothing).unwrap_err().to_string();
        assert!(errors.starts_with("must be an object, not "), "{errors}");
    }
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one_at_every_depth() {
    bad(
        json!({"Overides": {}}),
        "unknown property Overides (did you mean Overrides?)",
    );
    bad(
        json!({"cluster": "x"}),
        "unknown property cluster (did you mean Cluster?)",
    );
    bad(json!({"Zzz": "x"}), "unknown property Zzz");
    bad(
        json!({"tags": []}),
        "unknown property tags (did you mean Tags?)",
    );
    bad(
        json!({"Overrides": {"containerOverrides": [{"name": "a", "comand": []}]}}),
        "unknown property comand in Overrides.containerOverrides[0] (did you mean command?)",
    );
    bad(
        json!({"NetworkConfiguration": {"awsvpcConfiguration": {"subnets": ["a"], "SecurityGroup": []}}}),
        "unknown property SecurityGroup in NetworkConfiguration.awsvpcConfiguration (did you mean \
         SecurityGroups?)",
    );
}

#[test]
fn all_errors_come_together() {
    bad(
        json!({"Count": "x", "Tiemout": "1",
            "Overrides": {"containerOverrides": [{"environment": [{"name": "A"}]}]}}),
        "unknown property Tiemout (did you mean Timeout?); Count must be a whole number from 0 to 10, not \
         \"x\"; Overrides.containerOverrides[0].name is missing; \
         Overrides.containerOverrides[0].environment[0].value is missing",
    );
}

#[test]
fn lists_have_their_limits() {
    let many = |count: usize| vec!["x"; count];
    good(json!({"Instances": many(10)}));
    bad(
        json!({"Instances": many(11)}),
        "Instances has 11 elements, but at most 10 are allowed",
    );
    bad(
        json!({"Instances": ["a", {}]}),
        "Instances[1] must be a string, not an object",
    );
    bad(
        json!({"NetworkConfiguration": {"awsvpcConfiguration": {"subnets": many(17)}}}),
        "NetworkConfiguration.awsvpcConfiguration.subnets has 17 elements, but at most 16 are allowed",
    );
    bad(
        json!({"NetworkConfiguration": {"awsvpcConfiguration": {"subnets": ["a"],
            "securityGroups": many(6)}}}),
        "NetworkConfiguration.awsvpcConfiguration.securityGroups has 6 elements, but at most 5 are allowed",
    );
}

#[test]
fn overrides_may_have_8192_characters_of_json() {
    let overrides = |length: usize| json!({"Overrides": {"taskRoleArn": "é".repeat(length)}});
    let frame = r#"{"taskRoleArn":""}"#.len();
    good(overrides(MAX_OVERRIDES - frame));
    bad(
        overrides(MAX_OVERRIDES - frame + 1),
        "Overrides has 8193 characters of JSON, but ECS accepts at most 8192",
    );
}

#[test]
fn a_list_that_could_never_be_met_is_refused() {
    for (name, value, path) in [
        ("SuccessExitCodes", json!([]), "SuccessExitCodes"),
        (
            "UpdateCriteria",
            json!([{"Container": "app", "EnvironmentKeys": []}]),
            "UpdateCriteria[0].EnvironmentKeys",
        ),
    ] {
        let mut properties = json!({"ServiceToken": "x", "Cluster": "x", "TaskDefinition": "x"});
        properties[name] = value;
        let errors = Properties::read(&properties).unwrap_err();
        assert_eq!(
            errors.to_string(),
            format!("{path} must have at least one element: add one, or leave the property out")
        );
    }
}

#[test]
fn what_excludes_each_other_is_told() {
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT"}]);
    bad(
        json!({"LaunchType": "FARGATE", "CapacityProviderStrategy": strategy}),
        "LaunchType cannot be given together with CapacityProviderStrategy: leave one of them out",
    );
    bad(
        json!({"Instances": ["i"], "LaunchType": "EC2", "PlatformVersion": "LATEST"}),
        "LaunchType cannot be given together with Instances: leave one of them out (with Instances the function calls \
         StartTask, which has no LaunchType); PlatformVersion cannot be given together with Instances: leave one of \
         them out (with Instances the function calls StartTask, which has no PlatformVersion)",
    );
    bad(
        json!({"UpdateCriteria": [{"Container": "app"}]}),
        "UpdateCriteria[0] compares nothing: set EnvironmentKeys or Image: true",
    );
}

#[test]
fn count_and_instances_make_the_number_of_tasks() {
    for (more, tasks) in [
        (json!({"Count": 3}), 3),
        (json!({"Count": 0}), 0),
        (json!({"Count": 7, "Instances": ["a", "b"]}), 2),
        (json!({"Count": 0, "Instances": ["a", "b"]}), 0),
        (json!({"Count": 2, "Instances": []}), 2),
    ] {
        assert_eq!(good(more).tasks(), tasks);
    }
}

#[test]
fn triggers_may_be_anything_but_no_dynamic_reference_of_a_secret_may_stand_anywhere() {
    good(json!({"Triggers": [{"any": ["thing", 1, null]}]}));
    good(json!({"Triggers": "{{resolve:ssm:/plain}}"}));
    for (more, path) in [
        (
            json!({"Triggers": ["{{resolve:ssm-secure:/a:1}}"]}),
            "Triggers[0]",
        ),
        (
            json!({"Overrides": {"containerOverrides": [{"name": "a", "environment":
                [{"name": "P", "value": "x{{resolve:secretsmanager:db:SecretString:p}}"}]}]}}),
            "Overrides.containerOverrides[a].environment[P].value",
        ),
    ] {
        let errors = Properties::read(&with(more)).unwrap_err().to_string();
        assert!(
            errors.starts_with(&format!("{path} holds a dynamic reference")),
            "{errors}"
        );
        assert!(
            errors.contains("into Secrets") && !errors.contains("resolve:"),
            "{errors}"
        );
    }
}

#[test]
fn no_error_and_no_debug_shows_the_value_of_a_variable() {
    let secret = "hunter2";
    for more in [
        json!({"Overrides": {"containerOverrides": [{"name": "a",
            "environment": [{"name": "P", "value": [secret]}]}]}}),
        json!({"Overrides": {"containerOverrides": [{"name": "a", "environment": {"P": secret}}]}}),
        json!({"Overrides": {"containerOverrides": [{"name": "a", "environment": [secret]}]}}),
    ] {
        let errors = Properties::read(&with(more)).unwrap_err();
        assert!(
            !errors.to_string().contains(secret) && !format!("{errors:?}").contains(secret),
            "{errors}"
        );
    }
    let overrides = json!({"containerOverrides": [
        {"name": "a", "environment": [{"name": "P", "value": secret}], "command": ["login", secret]},
    ]});
    let properties = good(json!({"Overrides": overrides}));
    let shown = format!("{properties:?}");
    assert!(!shown.contains(secret), "{shown}");
    let variable = &properties.overrides.unwrap().container_overrides.unwrap()[0].environment;
    let shown = format!("{variable:?}");
    assert!(shown.contains("P=…") && !shown.contains(secret), "{shown}");
}

#[test]
fn the_properties_of_the_python_functions_example_are_good() {
    let request: Value =
        serde_json::from_str(include_str!("../../tests/events/create.json")).unwrap();
    let properties = Properties::read(&request["ResourceProperties"]).unwrap();
    assert_eq!(
        (
            properties.timeout,
            properties.poll_interval,
            properties.service_timeout
        ),
        (1800, Some(30), 2000)
    );
}

/// Any JSON, with names of properties among its keys.
fn anything() -> impl Strategy<Value = Value> {
    let Shape::Object(fields) = Properties::SHAPE else {
        panic!("properties are an object")
    };
    let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        (0..400_i64).prop_map(|number| Value::from(number.to_string())),
    ];
    leaf.prop_recursive(4, 60, 8, move |inner| {
        let key = prop_oneof![
            proptest::sample::select(names.clone()).prop_map(str::to_owned),
            any::<String>()
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..8)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused_with_a_reason(value in anything()) {
        match Properties::read(&value) {
            Ok(properties) => prop_assert!(properties.count <= 10 && properties.timeout <= 43_200),
            Err(errors) => prop_assert!(!errors.0.is_empty() && !errors.to_string().is_empty()),
        }
    }
}

#[test]
fn errors_read_from_top_to_bottom() {
    let all = json!({"Cluster": "", "TaskDefinition": "app", "Overides": {}, "Timeout": "soon", "Count": "11",
        "LaunchType": "FARGATE", "CapacityProviderStrategy": [{"Weight": "1"}], "NoEcho": "perhaps",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"SecurityGroup": ["sg-1"]}},
        "SuccessExitCodes": [], "Instances": "i-1", "LogLines": "51",
        "Overrides": {"ContainerOverrides": [{"Name": "app", "Comand": ["x"], "Environment":
            [{"Name": "PASSWORD", "Value": "{{resolve:secretsmanager:db}}"}]}]}});
    let combined = json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app",
        "LaunchType": "FARGATE",
        "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT"}], "Instances": ["i-1"],
        "NetworkConfiguration": {"AwsvpcConfiguration": {"SecurityGroups": ["sg-1"]}},
        "Tags": [{"Key": "ecs-tasks:mine", "Value": "x"}], "UpdateCriteria": [{"Container": "app"}]});
    let page = [all, combined].map(|properties| {
        let PropertyErrors(errors) = Properties::read(&properties).unwrap_err();
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    });
    insta::assert_snapshot!(page.join("\n\n"));
}

#[test]
fn combinations_are_checked_beside_errors_of_other_properties() {
    let errors = |properties: Value| -> Vec<String> {
        let PropertyErrors(errors) = Properties::read(&properties).unwrap_err();
        errors
            .iter()
            .map(|error| error.property().to_owned())
            .collect()
    };
    let with = |more: Value| {
        let mut all = json!({"ServiceToken": "x", "Cluster": "prod", "TaskDefinition": "app"});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        errors(all)
    };
    let network = json!({"AwsvpcConfiguration": {"SecurityGroups": ["sg-1"]}});
    assert_eq!(
        with(json!({"Count": "11", "Timeout": "7200"})),
        ["Count", "Timeout"]
    );
    assert_eq!(
        with(json!({"Overides": {}, "NetworkConfiguration": network})),
        ["Overides", "NetworkConfiguration"]
    );
    // What a faulty property would allow is not missed.
    assert_eq!(
        with(json!({"Service": {}, "NetworkConfiguration": network})),
        ["Service"]
    );
    assert_eq!(
        with(json!({"WaitHandle": {}, "Timeout": "7200"})),
        ["WaitHandle"]
    );
}

#[test]
fn a_property_beside_its_structure_is_told_where_it_belongs() {
    let home = "NetworkConfiguration.AwsvpcConfiguration";
    for name in ["Subnets", "subnets", "SecurityGroups", "AssignPublicIp"] {
        bad(
            json!({ name: ["x"] }),
            &format!("unknown property {name}, which belongs in {home}"),
        );
    }
    bad(
        json!({"NetworkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}, "assignPublicIp": "ENABLED"}}),
        "unknown property assignPublicIp in NetworkConfiguration, which belongs in AwsvpcConfiguration",
    );
    bad(
        json!({"ContainerOverrides": []}),
        "unknown property ContainerOverrides, which belongs in Overrides",
    );
}

#[test]
fn a_gpu_is_counted_or_shared() {
    let overrides = |requirement: Value| {
        json!({"Overrides": {"containerOverrides": [
            {"name": "app", "resourceRequirements": [requirement]},
        ]}})
    };
    good(overrides(json!({"type": "GPU", "value": "1"})));
    good(overrides(json!({"type": "NeuronDevice", "value": "ALL"})));
    let mps = json!({"memory": "1024", "maxComputePercent": "50"});
    good(overrides(
        json!({"type": "GPU", "sharingStrategy": {"nvidiaMps": mps}}),
    ));
    bad(
        overrides(json!({"type": "GPU"})),
        "Overrides.ContainerOverrides[0].ResourceRequirements[0].Value is missing: it can be left out only \
         with SharingStrategy",
    );
    bad(
        json!({"Overrides": {"ephemeralStorage": {"sizeInGiB": "20"}}}),
        "Overrides.ephemeralStorage.sizeInGiB must be a whole number from 21 to 200, not \"20\"",
    );
}

#[test]
fn the_security_groups_are_found_again_in_the_text_of_a_network() {
    for (groups, found) in [
        (json!(["sg-1", "sg-2"]), Some("sg-1, sg-2")),
        (json!([]), None),
    ] {
        let network = json!({"AwsvpcConfiguration": {"Subnets": ["s"], "SecurityGroups": groups}});
        let properties = good(json!({"NetworkConfiguration": network}));
        let network = properties.network_configuration.unwrap().to_string();
        assert_eq!(run_task::groups_of(&network), found);
    }
}
