//! ECS's refusals are found before anything starts.

use super::{TemplateFile, lines, refused, rehearse};

/// Returns a template for Fargate, with `from` replaced by `to`.
fn template(from: &str, to: &str) -> String {
    let template = r#"
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ExecutionRoleArn: arn:r
      ContainerDefinitions: [{ Name: app, Image: x, Memory: 128, EntryPoint: [sh, -c], Command: [echo ran] }]
  Run:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: x
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      LaunchType: FARGATE
      NetworkConfiguration:
        AwsvpcConfiguration: { Subnets: [subnet-1], AssignPublicIp: ENABLED }
  Web:
    Type: AWS::ECS::Service
    DependsOn: Run
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      LaunchType: FARGATE
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [subnet-1] } }
"#;
    assert!(template.contains(from), "{from}");
    template.replacen(from, to, 1)
}

/// Checks that the template is refused, with this error alone, before anything starts.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert_eq!(
        refused(&template(from, to), &[]),
        format!("shop.yml: {expected}")
    );
}

#[test]
fn what_ecs_takes_is_taken() {
    let file = TemplateFile::new(&template("LaunchType: FARGATE", "LaunchType: FARGATE"));
    assert_eq!(lines(&rehearse(&[file.path()])).0, Some(0));
    // A cluster's own providers, and its default strategy.
    let providers = "Cluster: { Type: \"AWS::ECS::Cluster\", Properties: { CapacityProviders: \
                     [FARGATE_SPOT], DefaultCapacityProviderStrategy: [{CapacityProvider: FARGATE_SPOT}] } }";
    let text = template("Cluster: { Type: \"AWS::ECS::Cluster\" }", providers);
    let text = text.replacen("LaunchType: FARGATE", "PlatformVersion: LATEST", 1);
    let file = TemplateFile::new(&text);
    assert_eq!(lines(&rehearse(&[file.path()])).0, Some(0));
}

#[test]
fn a_fargate_definition_can_run_on_instances_that_the_template_has() {
    let instances = "Cluster: { Type: \"AWS::ECS::Cluster\" }\n  Group: { Type: \"AWS::AutoScaling::AutoScalingGroup\" }";
    let text = template("Cluster: { Type: \"AWS::ECS::Cluster\" }", instances);
    let text = text
        .replace("      LaunchType: FARGATE\n", "")
        .replace(", AssignPublicIp: ENABLED", "");
    assert_eq!(
        lines(&rehearse(&[TemplateFile::new(&text).path()])).0,
        Some(0)
    );
}

#[test]
fn launch_types_and_platform_versions_that_do_not_fit_are_refused() {
    check(
        "LaunchType: FARGATE",
        "LaunchType: FARGAT",
        "line 19: Run: ECS refuses it: launchType should be one of [EC2, FARGATE, EXTERNAL, \
         MANAGED_INSTANCES], not FARGAT (did you mean FARGATE?)",
    );
    check(
        "LaunchType: FARGATE",
        "LaunchType: EC2\n      PlatformVersion: LATEST",
        "line 20: Run: ECS refuses it: The platform version must be null when specifying an EC2 launch type",
    );
    check(
        "LaunchType: FARGATE",
        "CapacityProviderStrategy: [{ CapacityProvider: FARGATE_SPOT }]",
        "line 19: Run: ECS refuses it: The specified capacity provider strategy cannot contain a capacity \
         provider that is not associated with the cluster: FARGATE_SPOT",
    );
    check(
        "      LaunchType: FARGATE\n      NetworkConfiguration:\n        AwsvpcConfiguration: { Subnets: \
         [subnet-1], AssignPublicIp: ENABLED }",
        "      NetworkConfiguration:\n        AwsvpcConfiguration: { Subnets: [subnet-1] }",
        "line 16: Run: ECS refuses it: No Container Instances were found in your cluster: without LaunchType \
         and CapacityProviderStrategy the launch type is EC2, as the cluster has no default strategy; set \
         LaunchType: FARGATE",
    );
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    check(
        "AssignPublicIp: ENABLED",
        "AssignPublicIp: true",
        "line 21: Run: ECS refuses it: assignPublicIp should be one of [ENABLED, DISABLED], not true",
    );
    check(
        "LaunchType: FARGATE",
        "LaunchType: EC2",
        "line 21: Run: ECS refuses it: Assign public IP is not supported for this launch type",
    );
    check(
        "      NetworkConfiguration:\n        AwsvpcConfiguration: { Subnets: [subnet-1], AssignPublicIp: \
         ENABLED }\n",
        "",
        "line 16: Run: ECS refuses it: Network Configuration must be provided when networkMode 'awsvpc' is \
         specified: add NetworkConfiguration with Subnets",
    );
    check(
        "      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [subnet-1] } }\n",
        "",
        "line 26: Web: ECS refuses it: Network Configuration must be provided when networkMode 'awsvpc' is \
         specified: add NetworkConfiguration with Subnets",
    );
}

#[test]
fn definitions_that_do_not_fit_are_refused() {
    check(
        "NetworkMode: awsvpc",
        "NetworkMode: bridge",
        "line 7: Definition: Fargate only supports network mode 'awsvpc', not 'bridge'.",
    );
    check(
        "      Cpu: \"256\"\n",
        "",
        "line 7: Definition: Fargate requires that 'cpu' be defined at the task level.",
    );
    check(
        "[FARGATE]",
        "[fargate]",
        "line 7: Definition: requiresCompatibilities should be among [EC2, FARGATE, EXTERNAL, \
         MANAGED_INSTANCES], not fargate.",
    );
    let bridge = "RequiresCompatibilities: [EC2]\n      NetworkMode: bridge";
    let fargate = "RequiresCompatibilities: [FARGATE]\n      NetworkMode: awsvpc";
    let unfit = "ECS refuses it: Task definition does not support launch_type FARGATE";
    let error = refused(&template(fargate, bridge), &[]);
    assert_eq!(
        error,
        format!("shop.yml: line 19: Run: {unfit}\nrehearse: shop.yml: line 28: Web: {unfit}")
    );
}

/// The error for a property of a type that CloudFormation does not know.
fn unknown(id: &str, resource_type: &str, path: &str, meant: &str) -> String {
    format!(
        "{id}: CloudFormation refuses it: {resource_type} has no property {path} (did you mean {meant}?)"
    )
}

#[test]
fn misspelt_properties_of_ecs_resources_are_refused() {
    let definition =
        |path: &str, meant: &str| unknown("Definition", "AWS::ECS::TaskDefinition", path, meant);
    check(
        "ContainerDefinitions:",
        "ContainerDefinitons:",
        &format!(
            "line 12: {}",
            definition("ContainerDefinitons", "ContainerDefinitions")
        ),
    );
    // The API's own spelling is not CloudFormation's.
    check(
        "NetworkMode: awsvpc",
        "networkMode: awsvpc",
        &format!("line 8: {}", definition("networkMode", "NetworkMode")),
    );
    check(
        "Image: x",
        "Imag: x",
        &format!(
            "line 12: {}",
            definition("ContainerDefinitions[0].Imag", "Image")
        ),
    );
    // The branch that a condition chooses.
    let text = template(
        "Image: x",
        "Image: x, LogConfiguration: !If [IsBig, { LogDriverss: x }, { LogDrivers: awslogs }], Usr: !Ref AWS::NoValue",
    );
    let text = text.replace(
        "Resources:",
        "Conditions: { IsBig: !Equals [a, b] }\nResources:",
    );
    assert_eq!(
        refused(&text, &[]),
        format!(
            "shop.yml: line 13: {}",
            definition(
                "ContainerDefinitions[0].LogConfiguration.LogDrivers",
                "LogDriver"
            )
        )
    );
    let web = template("", "");
    let (before, web) = web.split_at(web.find("  Web:").unwrap());
    for (from, to, line) in [
        ("TaskDefinition:", "TaskDefintion:", 27),
        ("NetworkConfiguration:", "NetworkConfigration:", 29),
    ] {
        let text = format!("{before}{}", web.replacen(from, to, 1));
        let [to, from] = [to, from].map(|name| name.trim_end_matches(':'));
        assert_eq!(
            refused(&text, &[]),
            format!(
                "shop.yml: line {line}: {}",
                unknown("Web", "AWS::ECS::Service", to, from)
            )
        );
    }
    let cluster = "Cluster: { Type: \"AWS::ECS::Cluster\"";
    check(
        cluster,
        &format!("{cluster}, Properties: {{ ClusterNames: shop }}"),
        &format!(
            "line 3: {}",
            unknown(
                "Cluster",
                "AWS::ECS::Cluster",
                "ClusterNames",
                "ClusterName"
            )
        ),
    );
}

#[test]
fn an_attribute_cannot_be_given() {
    let web = "    DependsOn: Run\n    Properties:\n";
    check(
        web,
        &format!("{web}      Name: web\n"),
        "line 26: Web: CloudFormation refuses it: Name is an attribute of AWS::ECS::Service, not a property",
    );
}

#[test]
fn a_property_that_aws_may_have_added_is_noted() {
    // Keys of the user's own are no properties.
    let own = "Image: x, DockerLabels: { Nam: x }, LogConfiguration: { LogDriver: awslogs, Options: \
               { awslogs-group: g, awslogs-region: r, awslogs-stream-prefix: p, Nam: x } }, Sandbox: { Mode: x }";
    let text = template("Image: x", own);
    let (status, lines) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    let note = concat!(
        "line 12: Definition: rehearse ",
        env!("CARGO_PKG_VERSION"),
        " does not know the property ContainerDefinitions[0].Sandbox. CloudFormation refuses it unless AWS has \
         added it to AWS::ECS::TaskDefinition since"
    );
    let notes: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("does not know"))
        .collect();
    assert_eq!(notes, [note], "{lines:#?}");
}

#[test]
fn a_protocol_that_ecs_treats_as_tcp_is_noted() {
    let ports = "Image: x, PortMappings: [{ ContainerPort: 80, Protocol: udp }, { ContainerPort: 81, Protocol: \
                 sctp }, { ContainerPort: 82, Protocol: TCP }]";
    let text = template("Image: x", ports);
    let (status, lines) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    let notes: Vec<&str> = lines
        .iter()
        .filter(|line| line.contains("Protocol"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        notes,
        [
            "line 12: Definition: ContainerDefinitions[0].PortMappings[1].Protocol is sctp, which ECS treats as \
             tcp: it knows tcp and udp, in lower case"
        ]
    );
}

#[test]
fn containers_that_the_definition_lacks_are_refused() {
    check(
        "LaunchType: FARGATE",
        "LaunchType: FARGATE\n      Overrides: { ContainerOverrides: [{ Name: ap }] }",
        "line 20: Run: Overrides.ContainerOverrides[0].Name is ap, which the task definition does not have \
         (did you mean app?)",
    );
    check(
        "LaunchType: FARGATE",
        "LaunchType: FARGATE\n      WatchContainers: [app, sidecar]",
        "line 20: Run: WatchContainers[1] is sidecar, which the task definition does not have; it has app",
    );
    check(
        "LaunchType: FARGATE",
        "LaunchType: FARGATE\n      UpdateCriteria: [{ Container: web, Image: true }]",
        "line 20: Run: UpdateCriteria[0].Container is web, which the task definition does not have; it has \
         app",
    );
}

#[test]
fn a_definition_whose_type_is_misspelt_is_named() {
    check(
        "Type: AWS::ECS::TaskDefinition",
        "Type: AWS::ECS::TaskDefinitoin",
        "line 18: Run: TaskDefinition refers to Definition (line 5), whose type is AWS::ECS::TaskDefinitoin, \
         not AWS::ECS::TaskDefinition",
    );
}

#[test]
fn a_service_token_that_is_almost_the_provider_s_is_asked_about() {
    check(
        "ServiceToken: x",
        "ServiceToken: !ImportValue ecs-task-FunctionArn",
        "line 16: Run: ServiceToken imports ecs-task-FunctionArn; did you mean ecs-tasks-FunctionArn? If \
         not, set its value with --import ecs-task-FunctionArn=VALUE",
    );
    let meant = template(
        "ServiceToken: x",
        "ServiceToken: !ImportValue ecs-task-FunctionArn",
    );
    let file = TemplateFile::new(&meant);
    assert_eq!(
        lines(&rehearse(&[
            file.path(),
            "--import",
            "ecs-task-FunctionArn=x"
        ]))
        .0,
        Some(0)
    );
}

#[test]
fn an_unknown_source_of_tags_is_refused() {
    let with = |value: &str| format!("LaunchType: FARGATE\n      PropagateTags: {value}");
    check(
        "LaunchType: FARGATE",
        &with("SERVICE"),
        "line 20: Run: ECS refuses it: propagateTags should be one of [TASK_DEFINITION], not SERVICE",
    );
    check(
        "LaunchType: FARGATE",
        &with("TASKDEFINITION"),
        "line 20: Run: ECS refuses it: propagateTags should be one of [TASK_DEFINITION], not \
         TASKDEFINITION (did you mean TASK_DEFINITION?)",
    );
}

#[test]
fn runs_that_fargate_cannot_make_are_refused() {
    let with = |more: &str| format!("LaunchType: FARGATE\n      {more}");
    check(
        "LaunchType: FARGATE",
        &with("PropagateTags: NONE"),
        "line 20: Run: ECS refuses it: propagateTags should be one of [TASK_DEFINITION], not NONE",
    );
    check(
        "LaunchType: FARGATE",
        &with("PlacementStrategy: [{ Type: random }]"),
        "line 20: Run: ECS refuses it: Placement strategies are not supported with FARGATE launch type",
    );
    check(
        "LaunchType: FARGATE",
        &with("PlacementConstraints: [{ Type: distinctInstance }]"),
        "line 20: Run: ECS refuses it: Placement constraints are not supported with FARGATE launch type",
    );
    check(
        "LaunchType: FARGATE",
        &with("Overrides: { Cpu: \"512\" }"),
        "line 20: Run: ECS refuses it: No Fargate configuration exists for given values: 512 CPU, 512 memory",
    );
    check(
        "LaunchType: FARGATE",
        &with("EnableExecuteCommand: true"),
        "line 20: Run: ECS refuses it: The execute command failed because a valid task role is not being \
         used. Specify a valid task role in your task definition or as a task override and try again (ECS \
         Exec needs TaskRoleArn)",
    );
    let role = with("EnableExecuteCommand: true\n      Overrides: { TaskRoleArn: arn:r }");
    let file = TemplateFile::new(&template("LaunchType: FARGATE", &role));
    assert_eq!(lines(&rehearse(&[file.path()])).0, Some(0));
}

#[test]
fn a_definition_with_an_image_of_ecr_needs_an_execution_role_on_fargate() {
    let text = template("      ExecutionRoleArn: arn:r\n", "");
    let text = text.replace(
        "Image: x",
        "Image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/shop:1",
    );
    let told = refused(&text, &[]);
    assert!(
        told.contains(
            "Fargate requires task definition to have execution role ARN to support ECR images."
        ),
        "{told}"
    );
}

#[test]
fn a_misspelt_attribute_or_function_is_refused() {
    check(
        "DependsOn: Run",
        "DependOn: Run",
        "line 23: resource Web has no attribute DependOn (did you mean DependsOn?)",
    );
    check(
        "LaunchType: FARGATE",
        "LaunchType: { \"Fn::Joins\": [\"\", [FAR, GATE]] }",
        "line 19: there is no intrinsic function Fn::Joins (did you mean Fn::Join?)",
    );
}

#[test]
fn a_dependency_that_cannot_be_met_is_refused() {
    let app = "Command: [echo ran] }";
    let with = |depends: &str| format!("Command: [echo ran], DependsOn: [{depends}] }}");
    check(
        app,
        &with("{ ContainerName: ini, Condition: SUCCESS }"),
        "line 7: Definition: Container app depends on ini, which is no container of it.",
    );
    check(
        app,
        &with("{ ContainerName: app, Condition: START }"),
        "line 7: Definition: The dependencies of app form a circle.",
    );
    check(
        app,
        &with("{ ContainerName: app, Condition: DONE }"),
        "line 7: Definition: The condition of app's dependency on app should be one of [START, COMPLETE, \
         SUCCESS, HEALTHY], not DONE.",
    );
}

#[test]
fn a_handle_that_no_condition_waits_for_is_refused() {
    let handle = "  Handle: { Type: \"AWS::CloudFormation::WaitConditionHandle\" }\n  Run:\n    Type: \
                  Custom::ECSTask\n";
    let text = template("  Run:\n    Type: Custom::ECSTask\n", handle);
    let text = text.replace(
        "ServiceToken: x\n",
        "ServiceToken: x\n      WaitHandle: !Ref Handle\n",
    );
    assert_eq!(
        refused(&text, &[]),
        "shop.yml: line 18: Run: no WaitCondition waits for Handle, so the stack would complete while the \
         task is still running: add one with Handle: !Ref Handle and DependsOn: Run"
    );
    let text = text.replace("!Ref Handle", "!GetAtt Handle.Arn");
    assert!(
        refused(&text, &[])
            .contains("Handle has no attribute Arn; it has none, so write !Ref Handle")
    );
}
