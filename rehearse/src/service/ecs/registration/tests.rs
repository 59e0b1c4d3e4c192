use serde_json::{Value, json};

use crate::service::ecs::Revision;

/// A definition that ECS accepts, for Fargate.
fn definition() -> Value {
    json!({
        "family": "app", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "cpu": "256", "memory": "512", "executionRoleArn": "arn:aws:iam::123456789012:role/pulls",
        "volumes": [{"name": "data"}],
        "containerDefinitions": [
            {"name": "app", "image": "x", "portMappings": [{"containerPort": 80}],
             "environment": [{"name": "A", "value": "1"}],
             "secrets": [{"name": "PASSWORD", "valueFrom": "arn:s"}],
             "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
            {"name": "init", "image": "x", "essential": false},
        ],
    })
}

/// A definition that ECS accepts, for instances.
fn on_instances() -> Value {
    json!({"family": "app", "networkMode": "bridge",
        "containerDefinitions": [{"name": "app", "image": "x", "memory": 128}]})
}

fn changed(mut definition: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match definition.pointer_mut(parent).unwrap() {
        Value::Array(items) => {
            let index: usize = name.parse().unwrap();
            items.truncate(index);
            items.push(value);
        }
        object => object[name] = value,
    }
    definition
}

/// The messages that a definition is refused with.
fn refusals(definition: &Value) -> Vec<String> {
    match Revision::registered(definition) {
        Ok(_) => Vec::new(),
        Err(refusals) => refusals
            .0
            .into_iter()
            .map(|refusal| refusal.message)
            .collect(),
    }
}

#[track_caller]
fn refused(definition: Value, pointer: &str, value: Value, expected: &str) {
    let found = refusals(&changed(definition, pointer, value));
    assert!(
        found.len() == 1 && found[0].contains(expected),
        "{pointer}: {found:#?}"
    );
}

#[track_caller]
fn taken(definition: Value, pointer: &str, value: Value) {
    assert_eq!(
        refusals(&changed(definition, pointer, value)),
        Vec::<String>::new(),
        "{pointer}"
    );
}

#[test]
fn definitions_that_ecs_accepts_are_accepted() {
    assert_eq!(refusals(&definition()), Vec::<String>::new());
    assert_eq!(refusals(&on_instances()), Vec::<String>::new());
    let app = "/containerDefinitions/0";
    taken(
        definition(),
        &format!("{app}/portMappings"),
        json!([{"containerPort": 80, "hostPort": 80}]),
    );
    taken(definition(), &format!("{app}/stopTimeout"), json!(120));
    taken(definition(), "/ephemeralStorage", json!({"sizeInGiB": 21}));
    taken(
        definition(),
        "/volumes/1",
        json!({"name": "files", "s3filesVolumeConfiguration": {"fileSystemArn": "arn:f", "rootDirectory": "/x"}}),
    );
    taken(
        on_instances(),
        "/trustedExecutionConfiguration",
        json!({"isolationMode": "ISOLATED_SANDBOX"}),
    );
    taken(
        on_instances(),
        &format!("{app}/portMappings"),
        json!([{"containerPort": 80, "hostPort": 8080}]),
    );
    let shared = json!([{"type": "GPU", "sharingStrategy": {"nvidiaMps": {"memory": 1024}}}]);
    taken(
        on_instances(),
        &format!("{app}/resourceRequirements"),
        shared,
    );
    let neuron = json!([{"type": "NeuronDevice", "value": "ALL"}]);
    taken(
        on_instances(),
        &format!("{app}/resourceRequirements"),
        neuron,
    );
    taken(on_instances(), &format!("{app}/memory"), json!(4));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let memory = "/containerDefinitions/0/memory";
    refused(
        on_instances(),
        memory,
        Value::Null,
        "At least one of 'memory' or 'memoryReservation'",
    );
    refused(on_instances(), memory, json!(2), "at least 4 MiB");
    refused(
        on_instances(),
        "/containerDefinitions/0/memoryReservation",
        json!(256),
        "must not be less than",
    );
    refused(
        on_instances(),
        "/memory",
        json!("64"),
        "containers' memory (128 MiB) is more than the task's",
    );
    refused(
        on_instances(),
        "/cpu",
        json!("64"),
        "not from 128 to 196608",
    );
    refused(
        on_instances(),
        "/cpu",
        json!("many"),
        "Invalid 'cpu' setting for task: many.",
    );
    let cpu = json!(512);
    refused(
        definition(),
        "/containerDefinitions/0/cpu",
        cpu,
        "The containers' cpu (512) is more than the",
    );
    refused(
        definition(),
        "/ephemeralStorage",
        json!({"sizeInGiB": 20}),
        "must be from 21 to 200, not 20",
    );
}

#[test]
fn ports_and_networks_that_do_not_fit_are_refused() {
    let ports = "/containerDefinitions/0/portMappings";
    let fixed = json!([{"containerPort": 80, "hostPort": 8080}]);
    refused(
        definition(),
        ports,
        fixed,
        "host ports and container ports in port mappings must match",
    );
    refused(
        definition(),
        ports,
        json!([{"containerPort": 70000}]),
        "containerPort must be from 0 to 65535",
    );
    let range = json!([{"containerPortRange": "80-90", "hostPort": 80}]);
    refused(
        on_instances(),
        ports,
        range,
        "a mapping with containerPortRange has no hostPort",
    );
    let named = json!([{"containerPort": 80, "name": "-Web"}]);
    refused(
        definition(),
        ports,
        named,
        "does not begin with a hyphen: -Web",
    );
    let spoken = json!([{"containerPort": 80, "appProtocol": "https"}]);
    refused(
        definition(),
        ports,
        spoken,
        "appProtocol should be one of [http, http2, grpc]",
    );
    let none = changed(on_instances(), "/networkMode", json!("none"));
    refused(
        none,
        ports,
        json!([{"containerPort": 80}]),
        "networkMode none has no portMappings",
    );
    refused(
        definition(),
        "/containerDefinitions/0/links",
        json!(["init"]),
        "Links are not supported",
    );
    refused(
        definition(),
        "/containerDefinitions/0/hostname",
        json!("a"),
        "hostname is not supported",
    );
}

#[test]
fn variables_have_one_source() {
    let secrets = "/containerDefinitions/0/secrets";
    let both = json!([{"name": "A", "valueFrom": "arn:s"}]);
    refused(
        definition(),
        secrets,
        both,
        "The secret name must be unique",
    );
    let twice = json!([{"name": "B", "valueFrom": "arn:s"}, {"name": "B", "valueFrom": "arn:t"}]);
    refused(definition(), secrets, twice, "such as 'B'");
    refused(
        definition(),
        "/executionRoleArn",
        Value::Null,
        "specify a value for 'executionRoleArn'",
    );
    refused(
        definition(),
        secrets,
        json!([{"name": "B"}]),
        "secret B has no valueFrom",
    );
}

#[test]
fn dependencies_that_cannot_hold_are_refused() {
    let on = |name: &str, condition: &str| json!([{"containerName": name, "condition": condition}]);
    let init = "/containerDefinitions/1/dependsOn";
    refused(
        definition(),
        init,
        on("app", "SUCCESS"),
        "Set Essential: false on app",
    );
    refused(
        definition(),
        init,
        on("app", "COMPLETE"),
        "which is essential",
    );
    let app = "/containerDefinitions/0/dependsOn";
    taken(definition(), app, on("init", "SUCCESS"));
    refused(
        definition(),
        app,
        on("init", "HEALTHY"),
        "which has no healthCheck",
    );
}

#[test]
fn logging_that_does_not_work_is_refused() {
    let logging = "/containerDefinitions/0/logConfiguration";
    let awslogs = |options: Value| json!({"logDriver": "awslogs", "options": options});
    let region = awslogs(json!({"awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app"}));
    refused(
        definition(),
        logging,
        region,
        "requires options: awslogs-group.",
    );
    let both = awslogs(json!({}));
    refused(
        on_instances(),
        logging,
        both,
        "requires options: awslogs-group, awslogs-region.",
    );
    let router = json!({"logDriver": "awsfirelens"});
    refused(
        definition(),
        logging,
        router.clone(),
        "no container of the task definition has a firelens",
    );
    let with = changed(
        definition(),
        "/containerDefinitions/1/firelensConfiguration",
        json!({"type": "fluentbit"}),
    );
    taken(with, logging, router);
    refused(
        definition(),
        logging,
        json!({"logDriver": "json-file"}),
        "logDriver should be one of [awslogs,",
    );
}

#[test]
fn health_checks_keep_their_limits() {
    let check = |member: &str, value: i64| json!({"command": ["CMD", "true"], member: value});
    let at = "/containerDefinitions/0/healthCheck";
    for (member, low, high) in [
        ("interval", 5, 300),
        ("timeout", 2, 60),
        ("retries", 1, 10),
        ("startPeriod", 0, 300),
    ] {
        taken(definition(), at, check(member, low));
        taken(definition(), at, check(member, high));
        refused(
            definition(),
            at,
            check(member, low - 1),
            &format!("healthCheck.{member} must be from {low}"),
        );
        refused(
            definition(),
            at,
            check(member, high + 1),
            &format!("to {high}, not {}", high + 1),
        );
    }
    refused(
        definition(),
        at,
        json!({"command": ["curl -f x"]}),
        "must start with CMD or CMD-SHELL",
    );
    refused(
        definition(),
        at,
        json!({"interval": 30}),
        "healthCheck has no command",
    );
}

#[test]
fn volumes_that_cannot_be_mounted_are_refused() {
    let mounts = "/containerDefinitions/0/mountPoints";
    refused(
        definition(),
        mounts,
        json!([{"sourceVolume": "dat"}]),
        "Unknown volume 'dat'.",
    );
    let host = json!({"name": "data", "host": {"sourcePath": "/data"}});
    taken(on_instances(), "/volumes", json!([host.clone()]));
    refused(
        definition(),
        "/volumes/0",
        host,
        "Fargate does not support host.sourcePath",
    );
    let docker = json!({"name": "data", "dockerVolumeConfiguration": {"scope": "task"}});
    refused(
        definition(),
        "/volumes/0",
        docker,
        "Fargate does not support dockerVolumeConfiguration",
    );
    let efs = |more: Value| {
        let mut efs = json!({"fileSystemId": "fs-1"});
        efs.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"name": "data", "efsVolumeConfiguration": efs})
    };
    let access_point = json!({"accessPointId": "fsap-1"});
    let plain = efs(json!({"authorizationConfig": access_point}));
    refused(
        definition(),
        "/volumes/0",
        plain,
        "transitEncryption must be ENABLED",
    );
    let rooted = efs(
        json!({"authorizationConfig": access_point, "transitEncryption": "ENABLED",
        "rootDirectory": "/x"}),
    );
    refused(
        definition(),
        "/volumes/0",
        rooted,
        "rootDirectory must be / or left out, not /x",
    );
    let volumes = json!([{"name": "data", "configuredAtLaunch": true},
        {"name": "more", "configuredAtLaunch": true}]);
    refused(
        definition(),
        "/volumes",
        volumes,
        "one volume that is configuredAtLaunch",
    );
}

#[test]
fn members_that_fargate_does_not_have_are_refused() {
    refused(
        definition(),
        "/pidMode",
        json!("host"),
        "Fargate supports the pidMode task only",
    );
    refused(
        definition(),
        "/ipcMode",
        json!("task"),
        "Fargate does not support ipcMode",
    );
    let constraints = json!([{"type": "memberOf", "expression": "x"}]);
    refused(
        definition(),
        "/placementConstraints",
        constraints,
        "does not support placementConstraints",
    );
    let app = |member: &str| format!("/containerDefinitions/0/{member}");
    refused(
        definition(),
        &app("privileged"),
        json!(true),
        "does not support privileged",
    );
    refused(
        definition(),
        &app("dockerSecurityOptions"),
        json!(["x"]),
        "dockerSecurityOptions",
    );
    refused(
        definition(),
        &app("stopTimeout"),
        json!(121),
        "stopTimeout must be from 2 to 120, not 121",
    );
    let linux = |member: &str, value: Value| json!({member: value});
    let at = app("linuxParameters");
    refused(
        definition(),
        &at,
        linux("sharedMemorySize", json!(64)),
        "linuxParameters.sharedMemorySize",
    );
    let added = linux("capabilities", json!({"add": ["SYS_PTRACE", "NET_ADMIN"]}));
    refused(definition(), &at, added, "SYS_PTRACE only, not NET_ADMIN");
    let gpu = json!([{"type": "GPU", "value": "1"}]);
    refused(
        definition(),
        &app("resourceRequirements"),
        gpu,
        "Fargate has no GPU",
    );
}

#[test]
fn values_that_ecs_does_not_know_are_refused() {
    refused(
        on_instances(),
        "/family",
        json!("a b"),
        "Family must be 1 to 255 letters",
    );
    refused(
        on_instances(),
        "/pidMode",
        json!("hosts"),
        "pidMode should be one of [host, task], not hosts",
    );
    refused(
        on_instances(),
        "/ipcMode",
        json!("all"),
        "ipcMode should be one of [host, task, none]",
    );
    let platform = json!({"cpuArchitecture": "arm64"});
    refused(
        on_instances(),
        "/runtimePlatform",
        platform,
        "cpuArchitecture should be one of [X86_64, ARM64]",
    );
    let app = |member: &str| format!("/containerDefinitions/0/{member}");
    refused(
        on_instances(),
        &app("name"),
        json!("a.b"),
        "Container name a.b must be",
    );
    let limits = json!([{"name": "files", "softLimit": 1, "hardLimit": 2}]);
    refused(
        on_instances(),
        &app("ulimits"),
        limits,
        "The name of a ulimit should be one of",
    );
    let devices = json!([{"type": "TPU", "value": "1"}]);
    refused(
        on_instances(),
        &app("resourceRequirements"),
        devices,
        "type of a resource requirement should be",
    );
    let policy = json!({"enabled": true, "restartAttemptPeriod": 30});
    refused(
        on_instances(),
        &app("restartPolicy"),
        policy,
        "restartAttemptPeriod must be from 60 to 1800",
    );
    let twice = json!({"name": "app", "image": "x", "memory": 128});
    let two = changed(
        on_instances(),
        "/containerDefinitions",
        json!([twice.clone(), twice]),
    );
    assert!(
        refusals(&two)[0].contains("Container names must be unique"),
        "{:?}",
        refusals(&two)
    );
}

#[test]
fn resource_requirements_that_do_not_fit_are_refused() {
    let of = |json: Value| {
        let json = json.as_array().unwrap().iter();
        let container = |(index, requirements): (usize, &Value)| {
            json!({"name": format!("c{index}"), "image": "x", "memory": 128,
                "resourceRequirements": requirements})
        };
        let containers: Vec<Value> = json.enumerate().map(container).collect();
        changed(on_instances(), "/containerDefinitions", json!(containers))
    };
    let neuron = |value: &str| json!([{"type": "NeuronDevice", "value": value}]);
    let managed = json!(["MANAGED_INSTANCES"]);
    let one = of(json!([neuron("ALL")]));
    let path = "/requiresCompatibilities";
    taken(one.clone(), path, managed.clone());
    taken(one.clone(), path, json!(["EC2", "MANAGED_INSTANCES"]));
    refused(
        one,
        path,
        json!(["EC2"]),
        "Container c0: NeuronDevice needs MANAGED_INSTANCES in requiresCompatibilities.",
    );
    refused(
        of(json!([neuron("1")])),
        path,
        managed.clone(),
        "Container c0: the value of NeuronDevice must be ALL, not 1.",
    );
    refused(
        of(json!([neuron("ALL"), neuron("ALL")])),
        path,
        managed.clone(),
        "One container of a task definition can have a NeuronDevice, not 2.",
    );
    refused(
        of(json!([[{"type": "NeuronDevice"}]])),
        path,
        managed,
        "Container c0: NeuronDevice needs a value.",
    );
    let gpu = json!([{"type": "GPU", "value": "1"}]);
    let share = json!([{"type": "GPU", "sharingStrategy": {"nvidiaMps": {"memory": 1024}}}]);
    taken(of(json!([gpu, gpu])), "/cpu", Value::Null);
    taken(of(json!([share, share])), path, json!(["EC2"]));
    refused(
        of(json!([gpu, share])),
        "/cpu",
        Value::Null,
        "All GPUs of a task definition need value, or all need sharingStrategy.",
    );
    refused(
        of(json!([share])),
        path,
        json!(["EXTERNAL"]),
        "Container c0: EXTERNAL does not support sharing a GPU.",
    );
    let accelerator = of(json!([[{"type": "InferenceAccelerator", "value": "eia"}]]));
    let given = |name: &str| json!([{"deviceName": name, "deviceType": "eia2.medium"}]);
    taken(accelerator.clone(), "/inferenceAccelerators", given("eia"));
    refused(
        accelerator,
        "/inferenceAccelerators",
        given("eia1"),
        "Container c0: eia is not the deviceName of one of the inferenceAccelerators.",
    );
}

#[test]
fn system_controls_that_do_not_fit_are_refused() {
    let controls = "/containerDefinitions/0/systemControls";
    let control = |namespace: &str| json!([{"namespace": namespace, "value": "1"}]);
    let all = json!([{"namespace": "net.core.somaxconn", "value": "1024"},
        {"namespace": "kernel.shmmax", "value": "1"}, {"namespace": "fs.mqueue.msg_max", "value": "1"}]);
    taken(definition(), controls, all.clone());
    taken(on_instances(), controls, all);
    let host = changed(on_instances(), "/networkMode", json!("host"));
    taken(host.clone(), controls, control("kernel.sem"));
    refused(
        host,
        controls,
        control("net.core.somaxconn"),
        "Container app: networkMode host does not support the systemControl net.core.somaxconn.",
    );
    let ipc = changed(on_instances(), "/ipcMode", json!("host"));
    taken(ipc.clone(), controls, control("net.core.somaxconn"));
    for namespace in ["kernel.sem", "fs.mqueue.msg_max"] {
        let expected =
            format!("Container app: ipcMode host does not support the systemControl {namespace}.");
        refused(ipc.clone(), controls, control(namespace), &expected);
    }
    refused(
        on_instances(),
        controls,
        control("vm.max_map_count"),
        "Container app: systemControls can set net.*, fs.mqueue.* and kernel.{msgmax, msgmnb, msgmni, sem, \
         shmall, shmmax, shmmni, shm_rmid_forced}, not vm.max_map_count.",
    );
    let windows = changed(
        on_instances(),
        "/runtimePlatform",
        json!({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}),
    );
    refused(
        windows,
        controls,
        control("net.core.somaxconn"),
        "Container app: Windows has no systemControls.",
    );
}
