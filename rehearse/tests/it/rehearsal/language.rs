//! The template language, from the command line: mistakes that are found before anything runs.

use super::{TemplateFile, lines, refused, rehearse};

const TEMPLATE: &str = r#"
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions: [{ Name: app, Image: x, Memory: 128, EntryPoint: [sh, -c], Command: [echo ran] }]
  Run:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: x
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: !Sub "ran ${Run.TaskArn}"
Outputs:
  Task: { Value: !GetAtt Run.TaskArn }
"#;

#[test]
fn an_attribute_that_our_resource_lacks_is_an_error_before_anything_runs() {
    let wrong = TEMPLATE.replace("Run.TaskArn }", "Run.StopedAt }");
    assert_eq!(
        refused(&wrong, &[]),
        "shop.yml: line 19: Run has no attribute StopedAt (did you mean StoppedAt?)"
    );
    let wrong = TEMPLATE.replace("${Run.TaskArn}", "${Run.Log}${Definition.Arn}");
    let error = refused(&wrong, &[]);
    assert!(
        error.starts_with("shop.yml: line 17: Run has no attribute Log"),
        "{error}"
    );
}

#[test]
fn a_resource_that_is_not_played_is_resolved_all_the_same() {
    let wrong = TEMPLATE
        .replace("ran ${Run.TaskArn}", "ran ${Rum}")
        .replace("Value: !GetAtt Run.TaskArn", "V: 1");
    assert_eq!(
        refused(&wrong, &[]),
        "shop.yml: line 17: Ref Rum: the template has no such parameter or resource (or its condition is \
         false)\n\
         rehearse: shop.yml: line 19: output Task has no Value"
    );
}

#[test]
fn an_unknown_property_is_found_wherever_its_value_comes_from() {
    let wrong = TEMPLATE.replace(
        "      ServiceToken: x\n",
        "      ServiceToken: x\n      Clutser: !GetAtt Cluster.Arn\n",
    );
    assert_eq!(
        refused(&wrong, &[]),
        "shop.yml: line 12: Run: unknown property Clutser (did you mean Cluster?)"
    );
}

#[test]
fn all_mistakes_are_named_at_once() {
    let wrong = TEMPLATE
        .replace(
            "TaskDefinition: !Ref Definition",
            "TaskDefinition: !Ref Definitions\n      Timout: 3",
        )
        .replace("Run.TaskArn }", "Run.Nope }");
    let error = refused(&wrong, &[]);
    for expected in [
        "line 13: Ref Definitions",
        "line 20: Run has no attribute Nope",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

const RETAINED: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Size: { Type: String, Default: small, AllowedPattern: "[a-z]+" }
Rules:
  Sizes: { Assertions: [{ Assert: !Contains [[small, big], !Ref Size], AssertDescription: small or big }] }
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Nested: { Type: "AWS::CloudFormation::Stack", Properties: { TemplateURL: "https://x.s3.amazonaws.com/n.yml" } }
  Data: { Type: "AWS::S3::Bucket", DeletionPolicy: Retain, Properties: { BucketName: kept } }
  Function: { Type: "AWS::Serverless::Function", Properties: { Role: !GetAtt Nested.Outputs.RoleArn } }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: app
          Image: x
          Memory: 128
          EntryPoint: [sh, -c]
          Command: [!Sub "echo ${Data} ${Data.Arn} ${Nested.Outputs.Queue}"]
  Run:
    Type: Custom::ECSTask
    Properties: { ServiceToken: x, Cluster: !Ref Cluster, TaskDefinition: !Ref Definition }
"#;

#[test]
fn unplayed_resources_have_values_of_their_shape_and_retained_ones_stay() {
    let file = TemplateFile::new(RETAINED);
    let output = rehearse(&[file.path()]);
    insta::assert_snapshot!(super::page(&output));
}

#[test]
fn syntax_that_cloudformation_or_the_rehearsal_does_not_accept_is_named() {
    let merged = TEMPLATE.replace("ServiceToken: x", "<<: *token").replace(
        "Resources:",
        "Metadata: { Token: &token { ServiceToken: x } }\nResources:",
    );
    let aliases = "shop.yml: line 12: CloudFormation does not allow YAML aliases (*name) or merge keys (<<): \
                   pass a template without them, such as the output of `aws cloudformation package`";
    assert_eq!(refused(&merged, &[]), aliases);
    let include = "{ 'Fn::Transform': { Name: AWS::Include, Parameters: { Location: s3://x } } }";
    let made = "the rehearsal does not support the transform AWS::Include: pass the processed template \
                instead (`aws cloudformation get-template --template-stage Processed`)";
    let within = TEMPLATE.replace("{ Type: \"AWS::ECS::Cluster\" }", include);
    assert_eq!(refused(&within, &[]), format!("shop.yml: line 3: {made}"));
    let above = TEMPLATE.replace(
        "Outputs:\n",
        &format!("Outputs:\n  {}\n", &include[2..include.len() - 2]),
    );
    assert_eq!(refused(&above, &[]), format!("shop.yml: line 19: {made}"));
}

#[test]
fn rules_and_patterns_are_checked() {
    assert_eq!(
        refused(RETAINED, &["-p", "Size=huge"]),
        "shop.yml: line 6: rule Sizes failed: small or big"
    );
    assert_eq!(
        refused(RETAINED, &["-p", "Size=5"]),
        "shop.yml: line 4: parameter Size is \"5\", which does not match its AllowedPattern [a-z]+"
    );
}

#[test]
fn attributes_that_are_lists_or_have_parts_can_be_taken_apart() {
    let resources = r#"  Api:
    Type: AWS::AppSync::GraphQLApi
    Properties: { Name: shop/api, AuthenticationType: API_KEY }
  Key:
    Type: AWS::AppSync::ApiKey
    Properties: { ApiId: !GetAtt Api.ApiId }
  Broker:
    Type: AWS::AmazonMQ::Broker
    Properties: { BrokerName: shop }
Outputs:
  Api: { Value: !Select [1, !Split ["/", !Ref Api]] }
  Arn: { Value: !Select [1, !Split ["/", !GetAtt Api.Arn]] }
  Dns: { Value: !Select [4, !Split [".", !GetAtt Api.GraphQLDns]] }
  Url: { Value: !Select [3, !Split ["/", !GetAtt Api.GraphQLUrl]] }
  RealtimeDns: { Value: !Select [4, !Split [".", !GetAtt Api.RealtimeDns]] }
  RealtimeUrl: { Value: !Select [3, !Split ["/", !GetAtt Api.RealtimeUrl]] }
  EndpointArn: { Value: !Select [2, !Split ["/", !GetAtt Api.GraphQLEndpointArn]] }
  Key: { Value: !Sub "${Key.ApiKey} ${Key.ApiKeyId}" }
  KeyArn: { Value: !Select [3, !Split ["/", !GetAtt Key.Arn]] }
  KeyRef: { Value: !Select [3, !Split ["/", !Ref Key]] }
  Amqp: { Value: !Select [2, !Split ["/", !Select [0, !GetAtt Broker.AmqpEndpoints]]] }
  All: { Value: !Join [",", !GetAtt Broker.IpAddresses] }
  Unheard: { Value: !Select [1, !GetAtt Broker.FutureEndpoints] }
"#;
    let text = TEMPLATE.replace("Outputs:\n", resources);
    let (status, lines) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    // What is no list cannot be taken for one.
    let wrong = text.replace("!GetAtt Broker.IpAddresses", "!GetAtt Broker.Arn");
    assert!(
        refused(&wrong, &[]).ends_with("Fn::Join needs a list here"),
        "{}",
        refused(&wrong, &[])
    );
}

#[test]
fn a_made_up_list_reaches_our_resource_as_a_list() {
    let text = TEMPLATE
        .replace(
            "      TaskDefinition: !Ref Definition\n",
            "      TaskDefinition: !Ref Definition\n      LaunchType: FARGATE\n      NetworkConfiguration: { \
             AwsvpcConfiguration: { Subnets: !GetAtt Place.VpcSubnetIds } }\n",
        )
        .replace(
            "  Topic:\n",
            "  Place: { Type: \"AWS::SageMaker::Place\" }\n  Topic:\n",
        )
        .replace(
            "      ContainerDefinitions:",
            "      RequiresCompatibilities: [FARGATE]\n      NetworkMode: awsvpc\n      Cpu: \"256\"\n      \
             Memory: \"512\"\n      ContainerDefinitions:",
        );
    let (status, lines) = lines(&rehearse(&[TemplateFile::new(&text).path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
}
