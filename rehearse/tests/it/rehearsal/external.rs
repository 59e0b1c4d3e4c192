//! Templates that use something from elsewhere.

use std::fs;

use super::{TemplateFile, lines, refused, rehearse};

/// Makes a template with nothing but a task; `task` are its properties.
fn lone_task(resource_type: &str, token: &str, task: &str) -> String {
    format!(
        "Resources:\n  Run:\n    Type: {resource_type}\n    Properties:\n      ServiceToken: {token}\n{}",
        task.lines()
            .map(|line| format!("      {line}\n"))
            .collect::<String>()
    )
}

/// Makes a file with the output of `aws ecs describe-task-definition` for `migrate:7`.
fn described() -> TemplateFile {
    TemplateFile::new(
        r#"{"taskDefinition": {"taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/migrate:7",
            "family": "migrate", "revision": 7, "status": "ACTIVE", "networkMode": "bridge", "containerDefinitions": [
            {"name": "app", "image": "x", "essential": true, "memory": 128, "entryPoint": ["sh", "-c"],
             "command": ["echo migrated"]}]}, "tags": []}"#,
    )
}

#[test]
fn cluster_service_and_definition_that_live_elsewhere_are_played() {
    let task = "Cluster: !ImportValue prod-ClusterName\nTaskDefinition: migrate\nService: web";
    let template = TemplateFile::new(&lone_task("Custom::ECSTask", "x", task));
    let definition = described();
    let arguments = [template.path(), "--task-definition", definition.path()];
    let (status, lines) = lines(&rehearse(&arguments));
    assert_eq!(status, Some(0), "{lines:#?}");
    let note = "the export prod-ClusterName has a made-up value: prod-ClusterName (override it with --import \
                prod-ClusterName=VALUE)";
    assert_eq!(lines[0], note);
    for expected in [
        "cluster prod-ClusterName is not in the template, so the rehearsal simulates it",
        "service web is not in the template, so the rehearsal simulates it",
        "app | migrated",
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected}: {lines:#?}"
        );
    }
}

#[test]
fn an_imported_definition_is_the_given_one() {
    let task = "Cluster: prod\nTaskDefinition: !ImportValue prod-MigrateDefinitionArn";
    let template = TemplateFile::new(&lone_task("Custom::ECSTask", "x", task));
    let definition = described();
    let (status, lines) = lines(&rehearse(&[
        template.path(),
        "--task-definition",
        definition.path(),
    ]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines.iter().any(|line| line == "app | migrated"),
        "{lines:#?}"
    );
}

#[test]
fn a_definition_that_is_neither_in_the_template_nor_given_is_an_error() {
    let template = lone_task(
        "Custom::ECSTask",
        "x",
        "Cluster: prod\nTaskDefinition: other:3",
    );
    let expected = "shop.yml: line 7: Run: task definition other:3 is not in the template: save the \
                    output of `aws ecs describe-task-definition` for it to a file, and pass --task-definition FILE";
    assert_eq!(refused(&template, &[]), expected);
    let definition = described();
    assert_eq!(
        refused(&template, &["--task-definition", definition.path()]),
        expected,
        "that is migrate:7"
    );
    let none = TemplateFile::new("{}");
    assert!(
        refused(&template, &["--task-definition", none.path()])
            .contains("it contains no task definition")
    );
}

#[test]
fn our_resources_are_known_by_their_token_whatever_their_type() {
    let task = "Cluster: prod\nTaskDefinition: migrate:7";
    let definition = described();
    let definition = ["--task-definition", definition.path()];
    let cdk = "AWS::CloudFormation::CustomResource";
    for (token, arguments) in [
        ("!ImportValue {'Fn::Sub': 'ecs-tasks-FunctionArn'}", &[][..]),
        ("!ImportValue other-Arn", &["--service-token", "other-Arn"]),
        ("arn:aws:lambda:x", &["--service-token", "arn:aws:lambda:x"]),
        ("!GetAtt Runner.Arn", &["--service-token", "Runner"]),
        ("!Sub '${Runner.Arn}'", &["--service-token", "Runner"]),
        (
            "!Sub '${Runner.Arn}:live'",
            &["--service-token", "Runner.Arn"],
        ),
        (
            "!Join [':', [!GetAtt Runner.Arn, live]]",
            &["--service-token", "Runner"],
        ),
    ] {
        let runner = "  Runner: { Type: \"AWS::Lambda::Function\", Properties: { Handler: x } }\n";
        let template = TemplateFile::new(&format!(
            "{}\n{runner}",
            lone_task(cdk, token, task).trim_end()
        ));
        let (status, lines) = lines(&rehearse(
            &[&[template.path()], arguments, &definition].concat(),
        ));
        assert_eq!(status, Some(0), "{lines:#?}");
        assert!(
            lines.iter().any(|line| line == "app | migrated"),
            "{lines:#?}"
        );
    }
}

#[test]
fn a_template_without_anything_to_rehearse_has_its_own_status_and_its_resources_are_named() {
    let check = |template: &str, arguments: &[&str], expected: &str| {
        let file = TemplateFile::new(template);
        let output = rehearse(&[&[file.path()], arguments].concat());
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(3), 0),
            "{output:?}"
        );
        let error = String::from_utf8(output.stderr)
            .unwrap()
            .replace(file.path(), "shop.yml");
        assert_eq!(
            error.trim_end(),
            format!("rehearse: shop.yml: there is nothing to rehearse: {expected}")
        );
    };
    check(
        "Resources: {A: {Type: AWS::ECS::Cluster}}",
        &[],
        "the template has no resource of type Custom::ECSTask; it has no custom resources",
    );
    check(
        &lone_task("Custom::EcsTasks", "x", "Cluster: prod"),
        &[],
        "the template has no resource of type Custom::ECSTask; its custom resources are Run (line 3) of type \
         Custom::EcsTasks (did you mean Custom::ECSTask?) (choose those to rehearse with --service-token)",
    );
    check(
        &lone_task("Custom::ECSTask", "x", "Cluster: prod"),
        &["--service-token", "y"],
        "the template has no custom resource with the ServiceToken y; its custom resources are Run (line 3), \
         which has the ServiceToken x",
    );
    check(
        &lone_task(
            "Custom::Migrate",
            "!ImportValue tasks-FunctionArn",
            "Cluster: prod",
        ),
        &["--service-token", "task-FunctionArn"],
        "the template has no custom resource with the ServiceToken task-FunctionArn; its custom resources \
         are Run (line 3), which imports tasks-FunctionArn (did you mean tasks-FunctionArn?)",
    );
    let conditional = lone_task("Custom::ECSTask", "x", "Cluster: prod")
        .replace("    Type", "    Condition: Migrates\n    Type");
    let conditional = format!("Conditions: {{Migrates: !Equals [a, b]}}\n{conditional}");
    check(
        &conditional,
        &[],
        "with these parameters the condition Migrates of Run (line 4) is false",
    );
}

#[test]
fn a_value_that_the_template_does_not_use_is_an_error_that_names_those_it_uses() {
    let task = "Cluster: !ImportValue prod-ClusterName\nTaskDefinition: !Sub \
                'migrate:{{resolve:ssm:/prod/revision}}'";
    let template = lone_task("Custom::ECSTask", "x", task);
    let definition = described();
    let with = |arguments: &[&str]| {
        let base = [
            "--task-definition",
            definition.path(),
            "--ssm",
            "/prod/revision=7",
        ];
        refused(&template, &[&base, arguments].concat())
    };
    assert_eq!(
        with(&["--import", "prod-ClusterNam=x"]),
        "shop.yml: --import prod-ClusterNam is not used: with these parameters, the template does not need \
         it (did you mean prod-ClusterName?)"
    );
    assert_eq!(
        with(&["--ssm", "level=x"]),
        "shop.yml: --ssm level is not used: with these parameters, the template reads /prod/revision"
    );
    let other = fs::read_to_string(definition.path())
        .unwrap()
        .replace("migrate", "seed");
    let other = TemplateFile::new(&other);
    assert_eq!(
        with(&["--task-definition", other.path()]),
        "shop.yml: --task-definition seed:7 is not used: with these parameters, the template runs migrate:7"
    );
    assert_eq!(
        refused(
            "Resources: {Run: {Type: Custom::ECSTask, Properties: {ServiceToken: x, Cluster: c, \
             TaskDefinition: d, Count: 0}}}",
            &["--import", "A=1"]
        ),
        "shop.yml: --import A is not used: with these parameters, the template imports no export"
    );
}

const SECRET: &str = r#"
Parameters:
  Image: { Type: "AWS::SSM::Parameter::Value<String>", Default: /prod/image }
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - Name: app
          Image: !Ref Image
          Memory: 128
          WorkingDirectory: /srv/no-such-app/bin
          EntryPoint: [sh, -c]
          Command: ['echo "$PWD" $TOKEN {{resolve:ssm:/prod/level}}']
          Secrets: [{ Name: TOKEN, ValueFrom: "arn:s" }]
  Run:
    Type: Custom::ECSTask
    Properties: { ServiceToken: x, Cluster: !Ref Cluster, TaskDefinition: !Ref Definition }
"#;

#[test]
fn a_made_up_secret_is_noted_and_the_working_directory_is_honoured() {
    let file = TemplateFile::new(SECRET);
    let (status, lines) = lines(&rehearse(&[file.path(), "--ssm", "/prod/level=high"]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines[0].starts_with(
            "the SSM parameter /prod/image has a made-up value: 123456789012.dkr.ecr."
        ),
        "{lines:#?}"
    );
    let note =
        "secret TOKEN has a made-up value: set the environment variable TOKEN to override it";
    assert!(lines.iter().any(|line| line == note), "{lines:#?}");
    let printed = lines
        .iter()
        .find(|line| line.starts_with("app | "))
        .unwrap();
    assert!(
        printed.ends_with("/srv/no-such-app/bin rehearsed-secret-TOKEN high"),
        "{printed}"
    );
    let directory = tempfile::tempdir().unwrap();
    let here = fs::canonicalize(directory.path()).unwrap();
    let file = TemplateFile::new(&SECRET.replace("/srv/no-such-app/bin", here.to_str().unwrap()));
    let (_, there) = self::lines(&rehearse(&[file.path()]));
    assert!(
        there
            .iter()
            .any(|line| line.starts_with(&format!("app | {} ", here.display()))),
        "{there:#?}"
    );
}
