//! Each property on the wire: the requests that RunTask and StartTask get.

use serde_json::{Value, json};

use crate::scenario::{Scenario, container, properties};

/// A scenario with a task definition for awsvpc, whose tasks end at once.
async fn fargate() -> (Scenario, String) {
    let scenario = Scenario::new().await;
    let containers = json!([container("app", "true")]);
    let definition = json!({"family": "fargate", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
            "taskRoleArn": "arn:aws:iam::123456789012:role/task", "executionRoleArn": "arn:aws:iam::123456789012:role/pulls",
            "containerDefinitions": containers});
    let definition = scenario.stage.ecs.register(&definition).unwrap();
    (scenario, definition)
}

/// Returns the request of an operation's last call, without the members that every call has.
fn sent(scenario: &Scenario, operation: &str) -> Value {
    let mut request = scenario.stage.requests(operation).pop().unwrap();
    let members = request.as_object_mut().unwrap();
    for always in [
        "cluster",
        "taskDefinition",
        "startedBy",
        "clientToken",
        "count",
        "tags",
        "containerInstances",
    ] {
        members.remove(always);
    }
    request
}

#[tokio::test]
async fn every_structure_of_run_task_is_sent_as_given_in_ecs_spelling_and_types() {
    let (scenario, definition) = fargate().await;
    let network = json!({"awsvpcConfiguration": {"subnets": ["s"]}});
    for (given, expected) in [
        (json!({"Group": "family:x"}), json!({"group": "family:x"})),
        (
            json!({"PropagateTags": "TASK_DEFINITION"}),
            json!({"propagateTags": "TASK_DEFINITION"}),
        ),
        (
            json!({"EnableECSManagedTags": "true"}),
            json!({"enableECSManagedTags": true}),
        ),
        (
            json!({"EnableExecuteCommand": "no"}),
            json!({"enableExecuteCommand": false}),
        ),
        (
            json!({"LaunchType": "FARGATE"}),
            json!({"launchType": "FARGATE"}),
        ),
        (
            json!({"PlatformVersion": "LATEST"}),
            json!({"platformVersion": "LATEST"}),
        ),
        (
            json!({"CapacityProviderStrategy": [{"CapacityProvider": "A", "Weight": "0", "Base": "2"},
                {"capacityProvider": "B"}]}),
            json!({"capacityProviderStrategy": [{"capacityProvider": "A", "weight": 0, "base": 2},
                {"capacityProvider": "B"}]}),
        ),
        (
            json!({"PlacementConstraints": [{"Type": "memberOf", "Expression": "attribute:x == y"},
                {"type": "distinctInstance"}]}),
            json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:x == y"},
                {"type": "distinctInstance"}]}),
        ),
        (
            json!({"PlacementStrategy": [{"Type": "spread", "Field": "instanceId"}, {"Type": "random"}]}),
            json!({"placementStrategy": [{"type": "spread", "field": "instanceId"}, {"type": "random"}]}),
        ),
        (
            json!({"VolumeConfigurations": [{"Name": "data",
                "ManagedEBSVolume": {"RoleArn": "arn:r", "SizeInGiB": "20",
                "Encrypted": "true", "Iops": "3000", "Throughput": "125", "VolumeInitializationRate": "100",
                "VolumeType": "gp3", "SnapshotId": "snap-1", "KmsKeyId": "k", "FilesystemType": "xfs",
                "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}],
                    "PropagateTags": "NONE"}],
                "TerminationPolicy": {"DeleteOnTermination": "false"}}}]}),
            json!({"volumeConfigurations": [{"name": "data",
                "managedEBSVolume": {"roleArn": "arn:r", "sizeInGiB": 20,
                "encrypted": true, "iops": 3000, "throughput": 125, "volumeInitializationRate": 100,
                "volumeType": "gp3", "snapshotId": "snap-1", "kmsKeyId": "k", "filesystemType": "xfs",
                "tagSpecifications": [{"resourceType": "volume", "tags": [{"key": "a", "value": "b"}],
                    "propagateTags": "NONE"}],
                "terminationPolicy": {"deleteOnTermination": false}}}]}),
        ),
        (
            json!({"Overrides": {"Cpu": "256", "Memory": "512", "TaskRoleArn": "arn:t",
                "ExecutionRoleArn": "arn:e",
                "EphemeralStorage": {"SizeInGiB": "21"},
                "ContainerOverrides": [{"Name": "app", "Cpu": "1", "Memory": "64",
                "MemoryReservation": "32", "EnvironmentFiles": [{"Value": "arn:f", "Type": "s3"}],
                "ResourceRequirements": [{"Value": "1", "Type": "GPU"}, {"Type": "GPU", "SharingStrategy":
                    {"NvidiaMps": {"Memory": "4096", "MaxComputePercent": "50"}}}]}]}}),
            json!({"overrides": {"cpu": "256", "memory": "512", "taskRoleArn": "arn:t",
                "executionRoleArn": "arn:e",
                "ephemeralStorage": {"sizeInGiB": 21},
                "containerOverrides": [{"name": "app", "cpu": 1, "memory": 64,
                "memoryReservation": 32, "environmentFiles": [{"value": "arn:f", "type": "s3"}],
                "resourceRequirements": [{"value": "1", "type": "GPU"}, {"type": "GPU", "sharingStrategy":
                    {"nvidiaMps": {"memory": 4096, "maxComputePercent": 50}}}]}]}}),
        ),
    ] {
        let mut more = json!({"Timeout": 0, "NetworkConfiguration": network});
        more.as_object_mut()
            .unwrap()
            .extend(given.as_object().unwrap().clone());
        let created = scenario.create(&properties(&definition, more)).await;
        assert!(created.succeeded, "{given}: {}", created.reason);
        let mut expected = expected;
        expected["networkConfiguration"] = network.clone();
        assert_eq!(sent(&scenario, "RunTask"), expected);
    }
}

#[tokio::test]
async fn tags_come_beside_the_functions_own() {
    let (scenario, definition) = fargate().await;
    let network = json!({"awsvpcConfiguration": {"subnets": ["s"]}});
    let more = json!({"Timeout": 0, "NetworkConfiguration": network, "Tags": [{"Key": "team", "Value": "db"}]});
    assert!(
        scenario
            .create(&properties(&definition, more))
            .await
            .succeeded
    );
    let tags = scenario.stage.requests("RunTask")[0]["tags"].clone();
    let keys: Vec<&str> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["key"].as_str().unwrap())
        .collect();
    let own = [
        "stack-id",
        "logical-resource-id",
        "request-id",
        "waits",
        "sent-at",
    ];
    let own = own.map(|name| format!("ecs-tasks:{name}"));
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    assert_eq!(keys, [&["team"][..], &own[..]].concat());
    assert_eq!(
        (tags[0]["value"].as_str(), tags[4]["value"].as_str()),
        (Some("db"), Some("false"))
    );
}

#[tokio::test]
async fn start_task_is_sent_only_the_members_that_it_accepts() {
    let (scenario, definition) = fargate().await;
    let given = json!({"Timeout": 0, "Instances": ["arn:i"], "Group": "g", "EnableExecuteCommand": true,
        "PropagateTags": "TASK_DEFINITION", "EnableECSManagedTags": true,
        "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["s"]}}});
    assert!(
        scenario
            .create(&properties(&definition, given))
            .await
            .succeeded
    );
    let expected = json!({"group": "g", "enableExecuteCommand": true, "propagateTags": "TASK_DEFINITION",
        "enableECSManagedTags": true, "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}}});
    assert_eq!(sent(&scenario, "StartTask"), expected);
}

#[tokio::test]
async fn a_service_gives_the_properties_that_are_missing() {
    let (scenario, definition) = fargate().await;
    let network = json!({"awsvpcConfiguration":
        {"subnets": ["s-1", "s-2"], "securityGroups": ["sg-web"], "assignPublicIp": "DISABLED"}});
    let service = json!({"networkConfiguration": network, "platformVersion": "1.4.0", "launchType": "FARGATE"});
    scenario.stage.ecs.create_service("prod", "web", &service);
    let plain = json!({"Timeout": 0, "Service": "web"});
    assert!(
        scenario
            .create(&properties(&definition, plain))
            .await
            .succeeded
    );
    assert_eq!(sent(&scenario, "RunTask"), service);
    let own_group = json!({"Timeout": 0, "Service": "web",
        "NetworkConfiguration": {"AwsvpcConfiguration": {"SecurityGroups": ["sg-migrate"]}}});
    assert!(
        scenario
            .create(&properties(&definition, own_group))
            .await
            .succeeded
    );
    let network = &sent(&scenario, "RunTask")["networkConfiguration"]["awsvpcConfiguration"];
    assert_eq!(
        (&network["subnets"], &network["securityGroups"]),
        (&json!(["s-1", "s-2"]), &json!(["sg-migrate"]))
    );
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_named_before_anything_starts() {
    let (scenario, definition) = fargate().await;
    let created = scenario
        .create(&properties(&definition, json!({"Service": "wbe"})))
        .await;
    assert!(
        created.reason.contains("cluster prod has no service wbe"),
        "{}",
        created.reason
    );
    assert_eq!(scenario.calls("RunTask"), 0);
}
