//! What ECS refuses, the stage refuses.

use super::{TemplateFile, lines, rehearse};

/// A template for Fargate, with `from` replaced by `to`.
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
      ContainerDefinitions: [{ Name: app, Image: x, EntryPoint: [sh, -c], Command: [echo ran] }]
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

/// The template fails at a resource, with these words.
#[track_caller]
fn check(from: &str, to: &str, resource: &str, expected: &str) {
    let file = TemplateFile::new(&template(from, to));
    let (status, lines) = lines(&rehearse(&[file.path(), "--quiet"]));
    assert_eq!(status, Some(1), "{lines:#?}");
    let failed = lines.iter().find(|line| line.contains("CREATE_FAILED")).unwrap();
    assert!(failed.contains(resource) && failed.contains(expected), "{failed}");
}

#[test]
fn what_ecs_takes_is_taken() {
    let file = TemplateFile::new(&template("LaunchType: FARGATE", "LaunchType: FARGATE"));
    assert_eq!(lines(&rehearse(&[file.path()])).0, Some(0));
    // A cluster's own providers, and the strategy that it falls back on.
    let providers = "Cluster: { Type: \"AWS::ECS::Cluster\", Properties: { CapacityProviders: [FARGATE_SPOT], \
                     DefaultCapacityProviderStrategy: [{CapacityProvider: FARGATE_SPOT}] } }";
    let text = template("Cluster: { Type: \"AWS::ECS::Cluster\" }", providers);
    let text = text.replacen("LaunchType: FARGATE", "PlatformVersion: LATEST", 1);
    let file = TemplateFile::new(&text);
    assert_eq!(lines(&rehearse(&[file.path()])).0, Some(0));
}

#[test]
fn launch_types_and_platform_versions_that_do_not_fit_are_refused() {
    check("LaunchType: FARGATE", "LaunchType: Fargate", "Run", "launchType should be one of [EC2, FARGATE");
    let version = "LaunchType: EC2\n      PlatformVersion: LATEST";
    check("LaunchType: FARGATE", version, "Run", "The platform version must be null when specifying an EC2");
    check("LaunchType: FARGATE", "PlatformVersion: LATEST", "Run", "The platform version must be null");
    let strategy = "CapacityProviderStrategy: [{ CapacityProvider: FARGATE_SPOT }]";
    check(
        "LaunchType: FARGATE",
        strategy,
        "Run",
        "a capacity provider that is not associated with the cluster",
    );
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    check("AssignPublicIp: ENABLED", "AssignPublicIp: true", "Run", "assignPublicIp should be one of");
    check(
        "LaunchType: FARGATE",
        "LaunchType: EC2",
        "Run",
        "Assign public IP is not supported for this launch type",
    );
    check(
        "      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [subnet-1] } }\n",
        "",
        "Web",
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    );
}

#[test]
fn definitions_that_do_not_fit_are_refused() {
    check(
        "NetworkMode: awsvpc",
        "NetworkMode: bridge",
        "Definition",
        "Fargate only supports network mode 'awsvpc'",
    );
    check(
        "      Cpu: \"256\"\n",
        "",
        "Definition",
        "Fargate requires that 'cpu' be defined at the task level.",
    );
    check("[FARGATE]", "[fargate]", "Definition", "requiresCompatibilities should be among [EC2, FARGATE");
    let bridge = "RequiresCompatibilities: [EC2]\n      NetworkMode: bridge";
    let fargate = "RequiresCompatibilities: [FARGATE]\n      NetworkMode: awsvpc";
    check(fargate, bridge, "Run", "Task definition does not support launch_type FARGATE.");
}

#[test]
fn containers_in_overrides_that_the_definition_lacks_are_refused() {
    let overrides = "LaunchType: FARGATE\n      Overrides: { ContainerOverrides: [{ Name: ap }] }";
    check("LaunchType: FARGATE", overrides, "Run", "Override for container named ap is not a container");
}
