use serde_json::json;

use super::{referable::Referable, resolve::Scope, *};

/// The value of `Value` in a template whose other sections are these.
fn resolved(sections: &str, value: &str) -> Result<Option<Value>, TemplateErrors> {
    let external = External::default();
    let template = Template::read(&format!(
        "{sections}\nResources:\n  R:\n    Type: X\n    Properties:\n      Value: {value}\n"
    ))?;
    let parameters = template.parameter_values(&BTreeMap::new(), &external)?;
    let attributes = BTreeMap::from([("Arn".to_owned(), json!("arn:queue"))]);
    let resources = BTreeMap::from([(
        "Queue".to_owned(),
        Referable {
            reference: "queue-1".to_owned(),
            attributes,
            ..Referable::default()
        },
    )]);
    let stack_id = "arn:aws:cloudformation:us-west-2:123456789012:stack/shop/1";
    let scope = Scope {
        template: &template,
        parameters: &parameters,
        resources: &resources,
        stack_id,
        external: &external,
    };
    let properties = scope.resolve(&template.resources[0].properties)?;
    Ok(properties.and_then(|properties| properties.get("Value").cloned()))
}

const SECTIONS: &str = r#"
Parameters:
  Name: { Type: String, Default: app }
  Subnets: { Type: CommaDelimitedList, Default: "a, b,c" }
  Stage: { Type: String, Default: prod }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsTest: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition IsTest]
  Either: !Or [!Condition IsProd, !Condition IsTest]
Mappings:
  Sizes: { prod: { cpu: 512 }, test: { cpu: 256 } }
"#;

/// The one error of a result.
#[track_caller]
fn one<T: std::fmt::Debug>(result: Result<T, TemplateErrors>) -> TemplateError {
    let [error] = result.unwrap_err().0.try_into().unwrap();
    error
}

#[track_caller]
fn check(value: &str, expected: Value) {
    match resolved(SECTIONS, value) {
        Ok(resolved) => assert_eq!(resolved.unwrap_or(Value::Null), expected, "{value}"),
        Err(error) => panic!("{value}: {error}"),
    }
}

#[track_caller]
fn refused(value: &str, expected: &str) {
    assert_eq!(one(resolved(SECTIONS, value)).message, expected, "{value}");
}

#[test]
fn scalars_are_the_texts_that_cloudformation_delivers() {
    check("0123", json!("83"));
    check("'0123'", json!("0123"));
    check("1.10", json!("1.1"));
    check("True", json!("true"));
    check("'True'", json!("True"));
    check("yes", json!("true"));
    check("2010-09-09", json!("2010-09-09"));
    refused(
        "~",
        "'null' values are not allowed in templates: leave the member out, or set it to !Ref AWS::NoValue",
    );
}

#[test]
fn short_and_long_forms_are_the_same() {
    for (short, long, expected) in [
        ("!Ref Name", "{Ref: Name}", json!("app")),
        ("!Ref Subnets", "{Ref: Subnets}", json!(["a", "b", "c"])),
        ("!Ref Queue", "{Ref: Queue}", json!("queue-1")),
        (
            "!GetAtt Queue.Arn",
            "{'Fn::GetAtt': [Queue, Arn]}",
            json!("arn:queue"),
        ),
        (
            "!Sub 'x-${Name}-${Queue.Arn}-${!Keep}'",
            "{'Fn::Sub': 'x-${Name}-${Queue.Arn}-${!Keep}'}",
            json!("x-app-arn:queue-${Keep}"),
        ),
        (
            "!Sub ['${A}${Name}', {A: !Ref Queue}]",
            "{'Fn::Sub': ['${A}${Name}', {A: {Ref: Queue}}]}",
            json!("queue-1app"),
        ),
        (
            "!Join ['-', [a, !Ref Name]]",
            "{'Fn::Join': ['-', [a, {Ref: Name}]]}",
            json!("a-app"),
        ),
        (
            "!Join [',', !Ref Subnets]",
            "{'Fn::Join': [',', {Ref: Subnets}]}",
            json!("a,b,c"),
        ),
        (
            "!If [IsProd, a, b]",
            "{'Fn::If': [IsProd, a, b]}",
            json!("a"),
        ),
        (
            "!If [IsTest, a, !Ref Name]",
            "{'Fn::If': [IsTest, a, {Ref: Name}]}",
            json!("app"),
        ),
        ("!If [Both, a, b]", "{'Fn::If': [Both, a, b]}", json!("b")),
        (
            "!If [Either, a, b]",
            "{'Fn::If': [Either, a, b]}",
            json!("a"),
        ),
        (
            "!Select [1, !Ref Subnets]",
            "{'Fn::Select': ['1', {Ref: Subnets}]}",
            json!("b"),
        ),
        (
            "!Split ['/', a/b]",
            "{'Fn::Split': ['/', a/b]}",
            json!(["a", "b"]),
        ),
        (
            "!FindInMap [Sizes, !Ref Stage, cpu]",
            "{'Fn::FindInMap': [Sizes, {Ref: Stage}, cpu]}",
            json!("512"),
        ),
    ] {
        check(short, expected.clone());
        check(long, expected);
    }
}

#[test]
fn pseudo_parameters_have_the_stages_values() {
    check("!Ref AWS::AccountId", json!("123456789012"));
    check("!Ref AWS::Region", json!("us-west-2"));
    check("!Ref AWS::StackName", json!("shop"));
    check(
        "!Sub '${AWS::Partition}.${AWS::URLSuffix}'",
        json!("aws.amazonaws.com"),
    );
}

#[test]
fn no_value_removes_the_member_that_holds_it() {
    check("[a, !Ref AWS::NoValue, b]", json!(["a", "b"]));
    check(
        "{a: !If [IsTest, x, !Ref AWS::NoValue], b: y}",
        json!({"b": "y"}),
    );
    assert_eq!(resolved(SECTIONS, "!Ref AWS::NoValue").unwrap(), None);
}

#[test]
fn values_that_cannot_be_resolved_are_named() {
    refused(
        "!Ref Nope",
        "Ref Nope: the template has no such parameter or resource (or its condition is false)",
    );
    refused(
        "!GetAtt Queue.Url",
        "Queue has no attribute Url; it has Arn",
    );
    refused(
        "!GetAtt Nope.Arn",
        "Fn::GetAtt Nope.Arn: the template has no such resource (or its condition is false)",
    );
    refused(
        "{'Fn::Transform': {Name: x}}",
        "the rehearsal does not support the transform x: pass the processed template instead (`aws \
         cloudformation get-template --template-stage Processed`)",
    );
    refused("!If [Nope, a, b]", "the template has no condition Nope");
    refused("!If [IsProd, a]", "Fn::If takes 3 arguments, not 2");
    refused("!Join ['-', text]", "Fn::Join needs a list here");
    refused(
        "!Select [7, [a]]",
        "Fn::Select: index 7 is out of range for a list of 1",
    );
    refused(
        "!FindInMap [Sizes, dev, cpu]",
        "Fn::FindInMap: no value at Sizes.dev.cpu",
    );
    refused(
        "!Sub [1]",
        "Fn::Sub takes a string, or a string and variables",
    );
}

#[test]
fn conditions_in_a_circle_are_reported() {
    let sections = "Conditions:\n  A: !Condition B\n  B: !Condition A";
    assert_eq!(
        one(resolved(sections, "!If [A, 1, 2]")).message,
        "the conditions refer to each other in a cycle"
    );
}

#[test]
fn an_error_knows_its_line() {
    let error = one(resolved(
        "Conditions: {}",
        "\n        - a\n        - !Ref Nope",
    ));
    assert_eq!(error.line, Some(8));
    assert!(
        one(Template::read("Resources:\n  A: {Type: X\n"))
            .line
            .is_some()
    );
    assert_eq!(
        Template::read("- a").unwrap_err().to_string(),
        "line 1: the template must be an object"
    );
}

#[test]
fn resources_come_after_those_that_they_need() {
    let template = Template::read(
        "Resources:\n  A: {Type: X, Properties: {V: !Sub '${B.Arn}'}}\n  B: {Type: X, Properties: {V: \
         [!GetAtt C.Arn]}}\n  C: {Type: X}\n  D: {Type: X, DependsOn: [A, C]}\n",
    );
    let order: Vec<String> = template
        .unwrap()
        .resources
        .into_iter()
        .map(|resource| resource.logical_id)
        .collect();
    assert_eq!(order, ["C", "B", "A", "D"]);
}

#[test]
fn json_and_anchors_that_nothing_refers_to_are_read() {
    let yaml = Template::read("Resources:\n  A: &t {Type: X}\n").unwrap();
    assert_eq!(yaml.resources[0].resource_type, "X");
    let alias = one(Template::read("X: &t {Type: X}\nResources:\n  A: *t\n"));
    assert!(
        alias
            .to_string()
            .starts_with("line 3: CloudFormation does not allow YAML aliases"),
        "{alias}"
    );
    let json =
        Template::read("{\n\t\"Resources\": {\n\t\t\"A\": {\"Type\": \"X\"}\n\t}\n}").unwrap();
    assert_eq!(json.resources[0].line, 3);
}

#[test]
fn values_from_elsewhere_are_the_given_ones_or_have_their_shape() {
    let exports = [("prod-Cluster".to_owned(), "blue".to_owned())].into();
    let external = External::of(exports, BTreeMap::new());
    let text = "Resources: {R: {Type: X, Properties: {A: !ImportValue prod-Cluster, B: !ImportValue prod-VpcId}}}";
    let template = Template::read(text).unwrap();
    let (parameters, resources) = (BTreeMap::new(), BTreeMap::new());
    let scope = Scope {
        template: &template,
        parameters: &parameters,
        resources: &resources,
        stack_id: "",
        external: &external,
    };
    let properties = scope
        .resolve(&template.resources[0].properties)
        .unwrap()
        .unwrap();
    assert_eq!(properties["A"], "blue");
    assert!(
        properties["B"].as_str().unwrap().starts_with("vpc-"),
        "{properties}"
    );
    let notes = external.notes();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].contains("--import prod-VpcId=VALUE"),
        "{}",
        notes[0]
    );
}

#[test]
fn functions_that_need_no_transform_are_known() {
    for region in ["''", ""] {
        check(
            &format!("!GetAZs {region}"),
            json!(["us-west-2a", "us-west-2b", "us-west-2c"]),
        );
    }
    check("!Select [0, !GetAZs eu-west-1]", json!("eu-west-1a"));
    check(
        "!Cidr [10.1.0.0/16, 2, 8]",
        json!(["10.1.0.0/24", "10.1.1.0/24"]),
    );
    check("!Base64 'echo é'", json!("ZWNobyDDqQ=="));
    check("!Ref AWS::NotificationARNs", json!([]));
    check("!Select [1, !Split ['-', !ImportValue a-b]]", json!("b"));
    let output = "{'Fn::GetStackOutput': {StackName: !Ref Name, OutputName: ClusterName}}";
    check(output, json!("app.ClusterName"));
    refused(
        "{'Fn::GetStackOutput': {StackName: a}}",
        "Fn::GetStackOutput needs OutputName",
    );
    refused(
        "!Cidr [10.1.0.0/16, 2]",
        "10.1.0.0/16 has no room for 2 ranges of 32 bits each",
    );
    refused("!Sub '${Subnets}'", "${Subnets} in Fn::Sub is not a string");
    let transform = "Fn::Length needs `Transform: AWS::LanguageExtensions`";
    refused("{'Fn::Length': [a, b]}", transform);
}

#[test]
fn functions_of_the_language_extensions_are_known() {
    let sections =
        format!("Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]\n{SECTIONS}");
    for (value, expected) in [
        ("{'Fn::Length': !Ref Subnets}", json!("3")),
        (
            "{'Fn::ToJsonString': {a: [!Ref Name]}}",
            json!(r#"{"a":["app"]}"#),
        ),
        (
            "!FindInMap [Sizes, dev, cpu, {DefaultValue: '128'}]",
            json!("128"),
        ),
        (
            "!FindInMap [Sizes, test, cpu, {DefaultValue: '128'}]",
            json!("256"),
        ),
        ("!GetAtt [Queue, !Select [0, [Arn]]]", json!("arn:queue")),
    ] {
        assert_eq!(
            resolved(&sections, value).unwrap(),
            Some(expected),
            "{value}"
        );
    }
}

#[test]
fn a_transform_that_cannot_be_played_is_named() {
    let error = one(Template::read("Transform: [MyMacro]\nResources: {}\n"));
    let not_played =
        "line 1: the rehearsal does not support the transform MyMacro: pass the processed template";
    assert!(error.to_string().starts_with(not_played), "{error}");
}

const LOOP: &str = r#"
Transform: AWS::LanguageExtensions
Parameters:
  Names: { Type: CommaDelimitedList, Default: "web,job-one" }
Resources:
  Fn::ForEach::Definitions:
    - Name
    - !Ref Names
    - "Task&{Name}":
        Type: X
        Properties: { Family: !Sub "a-${Name}", Which: !Ref Name, "${Name}Key": 1 }
  Fn::ForEach::Nested:
    - A
    - [x, y]
    - Fn::ForEach::Inner:
        - B
        - ["1", "2"]
        - R${A}${B}: { Type: X, DependsOn: !Sub Taskweb }
Outputs:
  Fn::ForEach::Out:
    - Name
    - [web]
    - "Out${Name}": { Value: !Ref "Task${Name}" }
"#;

#[test]
fn a_loop_is_written_out_for_each_item() {
    let template = Template::read(&LOOP.replace("!Sub Taskweb", "Taskweb")).unwrap();
    let ids: Vec<&str> = template
        .resources
        .iter()
        .map(|one| one.logical_id.as_str())
        .collect();
    assert_eq!(ids, ["Taskweb", "Taskjobone", "Rx1", "Rx2", "Ry1", "Ry2"]);
    let properties = &template.resources[1].properties;
    assert_eq!(
        properties.field("Which").and_then(Node::text),
        Some("job-one")
    );
    assert!(properties.field("job-oneKey").is_some());
    assert_eq!(
        properties
            .field("Family")
            .unwrap()
            .single()
            .unwrap()
            .1
            .text(),
        Some("a-job-one")
    );
    assert!(template.outputs.contains_key("Outweb") && template.unknown_names().0.is_empty());
    let given = [("Names".to_owned(), "only".to_owned())].into();
    let text = LOOP
        .replace("DependsOn: !Sub Taskweb", "")
        .replace("[web]", "[only]")
        .replace("X,  }", "X }");
    let template = Template::read_given(&text, &given, &External::default()).unwrap();
    assert_eq!(template.resources[0].logical_id, "Taskonly");
}

#[test]
fn a_loop_without_its_transform_is_an_error() {
    let error = one(Template::read(
        &LOOP.replace("Transform: AWS::LanguageExtensions", ""),
    ));
    assert!(
        error
            .message
            .contains("Fn::ForEach needs `Transform: AWS::LanguageExtensions`"),
        "{error}"
    );
}

#[track_caller]
fn parameter(declared: &str, given: Option<&str>) -> Result<Value, String> {
    let template =
        Template::read(&format!("Parameters:\n  P: {declared}\nResources: {{}}\n")).unwrap();
    let given = given
        .map(|text| ("P".to_owned(), text.to_owned()))
        .into_iter()
        .collect();
    let values = template.parameter_values(&given, &External::default());
    values
        .map(|values| values["P"].clone())
        .map_err(|errors| errors.to_string())
}

#[test]
fn a_value_must_match_the_whole_of_its_allowed_pattern() {
    let declared = r"{Type: String, AllowedPattern: '[a-z]+(?!x)', Default: abc}";
    assert_eq!(parameter(declared, None), Ok(json!("abc")));
    assert_eq!(
        parameter(declared, Some("abc1")),
        Err(
            "line 2: parameter P is \"abc1\", which does not match its AllowedPattern [a-z]+(?!x)"
                .to_owned()
        )
    );
}

#[test]
fn a_parameter_of_ssm_is_a_value_or_made_up_of_its_type() {
    let shaped = |of: &str, default: &str| {
        let declared = format!("{{Type: 'AWS::SSM::Parameter::Value<{of}>', Default: {default}}}");
        parameter(&declared, None).unwrap()
    };
    assert!(
        shaped("AWS::EC2::Image::Id", "/aws/ami")
            .as_str()
            .unwrap()
            .starts_with("ami-")
    );
    let subnets = shaped("List<AWS::EC2::Subnet::Id>", "/net/private");
    assert!(
        subnets
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one.as_str().unwrap().starts_with("subnet-"))
    );
    assert_eq!(
        shaped("CommaDelimitedList", "/net/names")
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        shaped("String", "/prod/db/host"),
        json!("host.example.internal")
    );
    let declared = "{Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /x}";
    assert_eq!(parameter(declared, Some("a,b")), Ok(json!(["a", "b"])));
}

#[test]
fn every_parameter_that_is_missing_or_wrong_is_named_at_once() {
    let text = "Parameters: {A: {Type: String}, B: {Type: Number}, C: {Type: Number, Default: x}}\nResources: {}";
    let given = [("D".to_owned(), String::new())].into();
    let errors = Template::read(text)
        .unwrap()
        .parameter_values(&given, &External::default())
        .unwrap_err();
    let messages: Vec<&str> = errors
        .0
        .iter()
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "the template has no parameter D; it has A, B, C",
            "parameter A has no default: set it with --parameter A=VALUE",
            "parameter B has no default: set it with --parameter B=VALUE",
            "parameter C is \"x\", but must be a number",
        ]
    );
}

/// The errors of a template's rules.
fn rules(rules: &str) -> Vec<String> {
    let text = format!("{SECTIONS}\nRules:\n{rules}\nResources: {{}}\n");
    let template = Template::read(&text).unwrap();
    let external = External::default();
    let parameters = template
        .parameter_values(&BTreeMap::new(), &external)
        .unwrap();
    let resources = BTreeMap::new();
    let scope = Scope {
        template: &template,
        parameters: &parameters,
        resources: &resources,
        stack_id: "",
        external: &external,
    };
    scope
        .check_rules()
        .err()
        .unwrap_or_default()
        .0
        .into_iter()
        .map(|error| error.message)
        .collect()
}

#[test]
fn rules_hold_or_say_why_not() {
    let contains =
        "  Known: {Assertions: [{Assert: {'Fn::Contains': [[prod, test], {Ref: Stage}]}}]}";
    assert_eq!(rules(contains), [""; 0]);
    let broken = "  Big: {RuleCondition: !Equals [!Ref Stage, prod], Assertions: [{Assert: !Equals [!Ref \
                  Name, web], AssertDescription: only web in prod}]}";
    assert_eq!(rules(broken), ["rule Big failed: only web in prod"]);
    assert_eq!(rules(&broken.replace("Stage, prod", "Stage, dev")), [""; 0]);
    let members = "  All: {Assertions: [{Assert: {'Fn::EachMemberIn': [{Ref: Subnets}, [a, b]]}}]}";
    assert_eq!(
        rules(members),
        ["rule All failed: it has no AssertDescription"]
    );
    let asks = "  Vpc: {Assertions: [{Assert: {'Fn::EachMemberEquals': [{'Fn::ValueOf': [Name, VpcId]}, x]}}]}";
    assert_eq!(rules(asks), [""; 0]);
}

#[test]
fn an_unknown_name_is_an_error_in_an_unused_branch_too() {
    let text = "Conditions: {Never: !Equals [a, b]}\nResources:\n  A:\n    Type: X\n    Condition: Never\n    \
                Properties: {V: !If [Never, !Ref Nope, x], W: !Sub '${A.B}${Lost.Arn}'}\nOutputs: {O: {Value: !Ref Gone}}\n";
    let errors = Template::read(text).unwrap().unknown_names();
    let names: Vec<&str> = errors
        .0
        .iter()
        .map(|error| error.message.split(':').next().unwrap())
        .collect();
    assert_eq!(names, ["Ref Nope", "Fn", "Ref Gone"]);
}

/// A template of SAM whose outputs are these.
fn serverless(outputs: &str) -> Template {
    let template = format!(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  Hello:\n    Type: AWS::Serverless::Function\n    \
         Properties: {{Events: {{Get: {{Type: Api}}}}}}\n  Shop: {{Type: AWS::Serverless::Api}}\nOutputs: \
         {{{outputs}}}\n"
    );
    Template::read(&template).unwrap()
}

#[test]
fn a_resource_that_sam_generates_has_a_made_up_value() {
    let names = [
        "ServerlessRestApi",
        "ServerlessHttpApi",
        "HelloRole",
        "ShopStage",
        "ShopProdStage",
        "Hello.Alias",
        "Hello.Version",
        "HelloAliaslive",
        "HelloGetPermissionProd",
        "HelloUrl",
        "ServerlessRestApiProdStage",
    ];
    for name in names {
        let template = serverless(&format!("A: {{Value: !Ref {name}}}"));
        assert_eq!(
            template.unknown_names(),
            TemplateErrors::default(),
            "{name}"
        );
        let (external, nothing) = (External::default(), BTreeMap::new());
        let stack_id = "arn:aws:cloudformation:us-west-2:123456789012:stack/shop/1";
        let parameters = Parameters::new();
        let scope = Scope {
            template: &template,
            parameters: &parameters,
            resources: &nothing,
            stack_id,
            external: &external,
        };
        let value = scope
            .resolve(template.outputs["A"].field("Value").unwrap())
            .unwrap();
        assert!(value.is_some_and(|value| value.is_string()), "{name}");
        assert!(external.notes()[0].starts_with(&format!(
            "{name}, which SAM generates, has a made-up value: "
        )));
    }
}

#[test]
fn a_name_that_sam_does_not_generate_is_unknown() {
    for name in ["HelloFunction", "Helo", "ServerlessRestApis", "Shop2"] {
        let errors = serverless(&format!("A: {{Value: !Ref {name}}}")).unknown_names();
        assert_eq!(errors.0.len(), 1, "{name}: {errors}");
    }
    let plain = "Resources: {A: {Type: X}}\nOutputs: {A: {Value: !Ref ServerlessRestApi}}\n";
    assert_eq!(Template::read(plain).unwrap().unknown_names().0.len(), 1);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let template = Template::read(
        "Resources:\n  A: {Type: X, Properties: {V: 1, V: 2}}\n  A: {Type: Y, Properties: {V: 3, V: 4}}\n",
    );
    let resources = template.unwrap().resources;
    assert_eq!(
        (resources.len(), resources[0].resource_type.as_str()),
        (1, "Y")
    );
    assert_eq!(
        resources[0].properties.field("V").and_then(Node::text),
        Some("4")
    );
}
