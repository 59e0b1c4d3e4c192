//! Reports of people who deploy. Each template was green here, and CloudFormation or ECS refused
//! it.

use super::{TemplateFile, lines, refused, rehearse};

const TEMPLATE: &str = r#"
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: app
      ContainerDefinitions:
        - { Name: app, Image: x, Memory: 128, EntryPoint: [sh, -c], Command: ['echo "ran $V"'] }
  Run:
    Type: AWS::CloudFormation::CustomResource
    Properties:
      ServiceToken: !ImportValue ecs-tasks-FunctionArn
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      Triggers: [1]
"#;

#[track_caller]
fn has(lines: &[String], part: &str) {
    assert!(
        lines.iter().any(|line| line.contains(part)),
        "{part}: {lines:#?}"
    );
}

/// Updates one template to another.
fn updated(from: &str, to: &str) -> (Option<i32>, Vec<String>) {
    let (template, next) = (TemplateFile::new(from), TemplateFile::new(to));
    lines(&rehearse(&[
        template.path(),
        "--update-template",
        next.path(),
    ]))
}

#[test]
fn an_update_to_another_type_is_refused_before_anything_starts() {
    let to = TEMPLATE.replace("AWS::CloudFormation::CustomResource", "Custom::ECSTask");
    let next = TemplateFile::new(&to);
    let error = refused(TEMPLATE, &["--update-template", next.path()]);
    assert!(
        error.contains(
            "line 11: Update of resource type is not permitted. The new template modifies resource type of \
             the following resources: [Run], from AWS::CloudFormation::CustomResource to Custom::ECSTask"
        ),
        "{error}"
    );
}

#[test]
fn an_update_to_another_service_token_fails_and_sends_no_request() {
    let from = TEMPLATE.replace(
        "!ImportValue ecs-tasks-FunctionArn",
        "arn:aws:lambda:us-west-2:1:function:old",
    );
    let (status, lines) = updated(&from, &TEMPLATE.replace("[1]", "[2]"));
    assert_eq!(status, Some(1), "{lines:#?}");
    has(&lines, "Modifying service token is not allowed.");
    has(&lines, "UPDATE_ROLLBACK_COMPLETE");
    assert!(
        !lines.iter().any(|line| line.starts_with("app | ran")),
        "{lines:#?}"
    );
}

#[test]
fn scalars_arrive_as_yaml_reads_them() {
    let overrides = "Overrides: { ContainerOverrides: [{ Name: app, Environment: [{ Name: V, Value: \
                     012345670123 }] }] }";
    let template = TemplateFile::new(&TEMPLATE.replace("Triggers: [1]", overrides));
    let (status, lines) = lines(&rehearse(&[template.path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    has(
        &lines,
        "line 16: 012345670123 is not quoted, so YAML reads it as 1402433619",
    );
    has(&lines, "app | ran 1402433619");
}

#[test]
fn a_task_after_the_service_of_its_own_image_is_noted() {
    let service = "  Web:\n    Type: AWS::ECS::Service\n    Properties: { Cluster: !Ref Cluster, \
                   TaskDefinition: !Ref Definition }\n  Run:\n";
    let text = TEMPLATE
        .replace("  Run:\n", service)
        .replace("Triggers: [1]", "Service: !GetAtt Web.Name");
    let (_, found) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    has(
        &found,
        "Run waits until Web is stable with the new image of the same task definition",
    );
    let right = text.replace("!GetAtt Web.Name", "web").replace(
        "AWS::ECS::Service\n",
        "AWS::ECS::Service\n    DependsOn: Run\n",
    );
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&right).path()]));
    assert_eq!(status, Some(0), "{found:#?}");
    assert!(
        !found.iter().any(|line| line.contains("waits until")),
        "{found:#?}"
    );
}

#[test]
fn a_strategy_before_the_cluster_has_its_providers_is_noted() {
    let providers = "  Providers:\n    Type: AWS::ECS::ClusterCapacityProviderAssociations\n    Properties: { \
                     Cluster: !Ref Cluster, CapacityProviders: [own], DefaultCapacityProviderStrategy: [] }\n  \
                     Run:\n";
    let text = TEMPLATE.replace("  Run:\n", providers).replace(
        "Triggers: [1]",
        "CapacityProviderStrategy: [{ CapacityProvider: own }]",
    );
    let early = "Run can start before its cluster has the capacity providers of Providers";
    let (_, found) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    has(&found, early);
    let right = text.replace("  Run:\n", "  Run:\n    DependsOn: Providers\n");
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&right).path()]));
    assert_eq!(status, Some(0), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains(early)), "{found:#?}");
}

#[test]
fn an_attribute_of_another_custom_resource_may_be_a_list() {
    let other = "  Lookup:\n    Type: Custom::Lookup\n    Properties: { ServiceToken: arn:x }\n  Vpc:\n    Type: \
                 AWS::EC2::VPC\n    Properties: { CidrBlock: 10.7.0.0/16 }\n  Run:\n";
    let triggers = "Triggers: [!Select [1, !GetAtt Lookup.SubnetIds], !Join [\",\", !GetAtt Lookup.Zones], \
                    !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]";
    let text = TEMPLATE
        .replace("  Run:\n", other)
        .replace("Triggers: [1]", triggers);
    let text = format!("{text}Outputs:\n  Block: {{ Value: !GetAtt Vpc.CidrBlock }}\n");
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{found:#?}");
}

#[test]
fn a_service_with_an_external_controller_lends_its_primary_task_set() {
    let text = TEMPLATE
        .replace("      Family: app\n", "      Family: app\n      RequiresCompatibilities: [FARGATE]\n      \
                  NetworkMode: awsvpc\n      Cpu: \"256\"\n      Memory: \"512\"\n")
        .replace(
            "  Run:\n",
            "  Web:\n    Type: AWS::ECS::Service\n    Properties: { ServiceName: web, Cluster: !Ref Cluster, \
             DeploymentController: { Type: EXTERNAL } }\n  Set:\n    Type: AWS::ECS::TaskSet\n    Properties: { \
             Cluster: !Ref Cluster, Service: !Ref Web, TaskDefinition: !Ref Definition, LaunchType: FARGATE, \
             NetworkConfiguration: { AwsVpcConfiguration: { Subnets: [subnet-1] } } }\n  Primary:\n    Type: \
             AWS::ECS::PrimaryTaskSet\n    Properties: { Cluster: !Ref Cluster, Service: !Ref Web, TaskSetId: \
             !GetAtt Set.Id }\n  Run:\n    DependsOn: Primary\n",
        )
        .replace("Triggers: [1]", "Service: web");
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{found:#?}");
    assert!(
        found.iter().any(|line| line.starts_with("app | ran")),
        "{found:#?}"
    );
    let without = text
        .replace("  Run:\n    DependsOn: Primary\n", "  Run:\n")
        .replace("Type: AWS::ECS::PrimaryTaskSet", "Type: AWS::SQS::Queue");
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&without).path()]));
    assert_eq!(status, Some(1), "no task set is PRIMARY: {found:#?}");
}

#[test]
fn with_disable_rollback_failed_resources_stay_and_the_next_operation_meets_them() {
    let failing = TEMPLATE.replace("echo \"ran $V\"", "echo \"ran $V\"; exit 3");
    let (template, next) = (TemplateFile::new(&failing), TemplateFile::new(TEMPLATE));
    for option in ["--disable-rollback", "--express"] {
        let output = rehearse(&[template.path(), option, "--update-template", next.path()]);
        let (status, found) = lines(&output);
        assert_eq!(status, Some(1), "{found:#?}");
        has(&found, "CREATE_FAILED");
        has(&found, "UPDATE_COMPLETE");
        assert!(
            !found.iter().any(|line| line.contains("ROLLBACK")),
            "{found:#?}"
        );
        assert_eq!(
            found
                .iter()
                .filter(|line| line.starts_with("app | ran"))
                .count(),
            2,
            "{found:#?}"
        );
        let is_express = found
            .iter()
            .any(|line| line.contains("AWS does not document whether EXPRESS waits"));
        assert_eq!(is_express, option == "--express", "{found:#?}");
    }
}

#[test]
fn subnets_beside_the_network_configuration_get_a_hint_to_their_place() {
    let error = refused(
        &TEMPLATE.replace("Triggers: [1]", "Subnets: [subnet-1]"),
        &[],
    );
    assert_eq!(
        error,
        "shop.yml: line 16: Run: unknown property Subnets, which belongs in \
         NetworkConfiguration.AwsvpcConfiguration"
    );
}

#[test]
fn every_broken_rule_of_a_definition_is_reported_at_its_line() {
    let text = TEMPLATE.replace(
        "Memory: 128,",
        "HealthCheck: { Command: [CMD, x], Interval: 1 }, MountPoints: [{ SourceVolume: a, ContainerPath: /a }],",
    );
    let error = refused(&text, &[]);
    for expected in [
        "line 9: Definition: Invalid setting for container 'app'. At least one of 'memory' or",
        "line 9: Definition: healthCheck.interval must be from 5 to 300, not 1.",
        "line 9: Definition: Unknown volume 'a'.",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_transform_that_is_not_simulated_is_noted() {
    let text = format!("Transform: AWS::CodeDeployBlueGreen{TEMPLATE}");
    let (status, found) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{found:#?}");
    has(
        &found,
        "the transform AWS::CodeDeployBlueGreen is not simulated",
    );
}
