use serde_json::json;

use super::{
    resolve::{Referable, Scope},
    *,
};

/// The value of `Value` in a template whose other sections are these.
fn resolved(sections: &str, value: &str) -> Result<Option<Value>, TemplateError> {
    let template = Template::read(&format!(
        "{sections}\nResources:\n  R:\n    Type: X\n    Properties:\n      Value: {value}\n"
    ))?;
    let parameters = template.parameter_values(&BTreeMap::new())?;
    let attributes = BTreeMap::from([("Arn".to_owned(), json!("arn:queue"))]);
    let resources = BTreeMap::from([(
        "Queue".to_owned(),
        Referable { reference: "queue-1".to_owned(), attributes, made_up: false },
    )]);
    let stack_id = "arn:aws:cloudformation:us-west-2:123456789012:stack/shop/1";
    let scope = Scope { template: &template, parameters: &parameters, resources: &resources, stack_id };
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

#[track_caller]
fn check(value: &str, expected: Value) {
    match resolved(SECTIONS, value) {
        Ok(resolved) => assert_eq!(resolved.unwrap_or(Value::Null), expected, "{value}"),
        Err(error) => panic!("{value}: {error}"),
    }
}

#[track_caller]
fn refused(value: &str, expected: &str) {
    assert_eq!(resolved(SECTIONS, value).unwrap_err().message, expected, "{value}");
}

#[test]
fn scalars_are_the_texts_that_were_written() {
    check("0123", json!("0123"));
    check("1.10", json!("1.10"));
    check("True", json!("true"));
    check("'True'", json!("True"));
    check("yes", json!("yes"));
    check("2010-09-09", json!("2010-09-09"));
    check("~", json!(null));
}

#[test]
fn short_and_long_forms_are_the_same() {
    for (short, long, expected) in [
        ("!Ref Name", "{Ref: Name}", json!("app")),
        ("!Ref Subnets", "{Ref: Subnets}", json!(["a", "b", "c"])),
        ("!Ref Queue", "{Ref: Queue}", json!("queue-1")),
        ("!GetAtt Queue.Arn", "{'Fn::GetAtt': [Queue, Arn]}", json!("arn:queue")),
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
        ("!Join ['-', [a, !Ref Name]]", "{'Fn::Join': ['-', [a, {Ref: Name}]]}", json!("a-app")),
        ("!Join [',', !Ref Subnets]", "{'Fn::Join': [',', {Ref: Subnets}]}", json!("a,b,c")),
        ("!If [IsProd, a, b]", "{'Fn::If': [IsProd, a, b]}", json!("a")),
        ("!If [IsTest, a, !Ref Name]", "{'Fn::If': [IsTest, a, {Ref: Name}]}", json!("app")),
        ("!If [Both, a, b]", "{'Fn::If': [Both, a, b]}", json!("b")),
        ("!If [Either, a, b]", "{'Fn::If': [Either, a, b]}", json!("a")),
        ("!Select [1, !Ref Subnets]", "{'Fn::Select': ['1', {Ref: Subnets}]}", json!("b")),
        ("!Split ['/', a/b]", "{'Fn::Split': ['/', a/b]}", json!(["a", "b"])),
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
    check("!Sub '${AWS::Partition}.${AWS::URLSuffix}'", json!("aws.amazonaws.com"));
}

#[test]
fn no_value_takes_away_what_holds_it() {
    check("[a, !Ref AWS::NoValue, b]", json!(["a", "b"]));
    check("{a: !If [IsTest, x, !Ref AWS::NoValue], b: y}", json!({"b": "y"}));
    assert_eq!(resolved(SECTIONS, "!Ref AWS::NoValue").unwrap(), None);
}

#[test]
fn what_cannot_be_resolved_is_named() {
    refused(
        "!Ref Nope",
        "Ref Nope: the template has no such parameter or resource (or its condition is false)",
    );
    refused("!GetAtt Queue.Url", "Queue has no attribute Url; it has Arn");
    refused(
        "!GetAtt Nope.Arn",
        "Fn::GetAtt Nope.Arn: the template has no such resource (or its condition is false)",
    );
    refused("!GetAZs ''", "the rehearsal does not know the intrinsic function Fn::GetAZs");
    refused("!ImportValue x", "the rehearsal does not know the intrinsic function Fn::ImportValue");
    refused(
        "{'Fn::Transform': {Name: x}}",
        "the rehearsal does not know the intrinsic function Fn::Transform",
    );
    refused("!If [Nope, a, b]", "the template has no condition Nope");
    refused("!If [IsProd, a]", "Fn::If takes 3 arguments, not 2");
    refused("!Join ['-', text]", "Fn::Join needs a list here");
    refused("!Select [7, [a]]", "Fn::Select has no item 7 in a list of 1");
    refused("!FindInMap [Sizes, dev, cpu]", "Fn::FindInMap finds nothing at Sizes.dev.cpu");
    refused("!Sub [1]", "Fn::Sub takes a text, or a text and variables");
}

#[test]
fn conditions_in_a_circle_are_told() {
    let sections = "Conditions:\n  A: !Condition B\n  B: !Condition A";
    assert_eq!(
        resolved(sections, "!If [A, 1, 2]").unwrap_err().message,
        "the conditions need each other in a circle"
    );
}

#[test]
fn an_error_knows_its_line() {
    let error = resolved("Conditions: {}", "\n        - a\n        - !Ref Nope").unwrap_err();
    assert_eq!(error.line, Some(8));
    assert!(Template::read("Resources:\n  A: {Type: X\n").unwrap_err().line.is_some());
    assert_eq!(Template::read("- a").unwrap_err().to_string(), "line 1: the template must be an object");
}

#[test]
fn resources_come_after_those_that_they_need() {
    let template = Template::read(
        "Resources:\n  A: {Type: X, Properties: {V: !Sub '${B.Arn}'}}\n  B: {Type: X, Properties: {V: [!GetAtt C.Arn]}}\n  \
         C: {Type: X}\n  D: {Type: X, DependsOn: [A, C]}\n",
    );
    let order: Vec<String> =
        template.unwrap().resources.into_iter().map(|resource| resource.logical_id).collect();
    assert_eq!(order, ["C", "B", "A", "D"]);
}

#[test]
fn anchors_and_json_are_read() {
    let yaml = Template::read("X: &t {Type: X}\nResources:\n  A: *t\n").unwrap();
    assert_eq!(yaml.resources[0].resource_type, "X");
    let json = Template::read("{\n\t\"Resources\": {\n\t\t\"A\": {\"Type\": \"X\"}\n\t}\n}").unwrap();
    assert_eq!(json.resources[0].line, 3);
}
