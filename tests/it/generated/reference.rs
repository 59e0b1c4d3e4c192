//! The page of all properties and attributes, made from the shapes that the function reads by.

use std::fmt::Write;

use ecs_tasks::properties::{
    Properties,
    shape::{Absent, Field, Shape},
};

/// An example of each property, as a template writes it.
pub(crate) const EXAMPLES: [(&str, &str); 32] = [
    ("ServiceToken", "!ImportValue ecs-tasks-FunctionArn"),
    ("ServiceTimeout", "900"),
    ("Cluster", "!Ref Cluster"),
    ("TaskDefinition", "!Ref MigrateTaskDefinition"),
    ("Count", "3"),
    (
        "Instances",
        "[arn:aws:ecs:us-west-2:123456789012:container-instance/prod/9d8698b5]",
    ),
    ("Timeout", "600"),
    ("PollInterval", "30"),
    ("RunOnUpdate", "false"),
    ("RunOnRollback", "true"),
    (
        "UpdateCriteria",
        "[{Container: app, EnvironmentKeys: [DB_HOST], Image: true}]",
    ),
    (
        "Overrides",
        "{ContainerOverrides: [{Name: app, Command: [rake, 'db:migrate']}]}",
    ),
    ("LaunchType", "FARGATE"),
    ("PlatformVersion", "1.4.0"),
    (
        "NetworkConfiguration",
        "{AwsvpcConfiguration: {Subnets: [subnet-0123], SecurityGroups: [sg-0123]}}",
    ),
    (
        "CapacityProviderStrategy",
        "[{CapacityProvider: FARGATE_SPOT, Weight: 1}]",
    ),
    ("PlacementConstraints", "[{Type: distinctInstance}]"),
    ("PlacementStrategy", "[{Type: spread, Field: instanceId}]"),
    ("Group", "migrations"),
    ("Tags", "[{Key: team, Value: payments}]"),
    ("PropagateTags", "TASK_DEFINITION"),
    ("EnableECSManagedTags", "true"),
    ("EnableExecuteCommand", "true"),
    (
        "VolumeConfigurations",
        "[{Name: data, ManagedEBSVolume: {RoleArn: 'arn:aws:iam::123456789012:role/ebs', SizeInGiB: 20}}]",
    ),
    ("Service", "web"),
    ("WatchContainers", "[app]"),
    ("SuccessExitCodes", "[0, 3]"),
    ("StartRetries", "2"),
    ("LogLines", "20"),
    ("NoEcho", "true"),
    ("WaitHandle", "!Ref MigrateV1Handle"),
    ("ReturnOutput", "true"),
];

const HEAD: &str = "\
<!-- Made by `make generate` from the types that the function reads by. A change by hand is lost, and fails a test. -->

# Properties and attributes of Custom::ECSTask

Look up a property: its type, its default and an example. The attributes are at the end.

CloudFormation sends every scalar as a string; the function accepts strings and native types. Booleans are true, false, yes
or no in any case. Names inside structures can be spelt as in ECS (`containerOverrides`) or as in CloudFormation
(`ContainerOverrides`). An unknown name is an error that names the nearest one. The function reports all errors of a request
together, before it starts a task.

Check a template before the deploy: `ecs-tasks lint TEMPLATE`, or `ecs-tasks rehearse TEMPLATE`.

";

const ATTRIBUTES: &str = "\
## Attributes

`Fn::GetAtt` returns these after every successful Create and Update. A value can be empty. If Output has no line, the Reason
and the function's log say why. An Update that runs no task returns empty values.

| Attribute | What it is |
| --- | --- |
| TaskArn | ARN of the first task |
| TaskArns | ARNs of all tasks, joined by commas |
| TaskDefinitionArn | the revision of the task definition that ran |
| ExitCode | exit code of the first container that counts |
| StartedAt | when the first container started, RFC 3339 |
| StoppedAt | when the last container ended, RFC 3339 |
| Seconds | from StartedAt to StoppedAt |
| LogGroup | log group of the container that counts |
| LogStream | its log stream |
| Output | with ReturnOutput, the last line that this container logged: at most 1,024 characters, without colours and space around it |
| Ran | `true` if this request ran tasks, `false` if there was nothing to run |

`Ref` gives the PhysicalResourceId, which never changes. With `Timeout: 0` the attributes hold only what is known at the start.
";

/// The page, as Markdown.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    let Shape::Object(fields) = Properties::SHAPE else {
        return page;
    };
    page.push_str("## Properties\n");
    let mut structures = Vec::new();
    for field in fields {
        property(&mut page, field);
        collect(&field.rule.shape, field.name, &mut structures);
    }
    page.push_str("\n## Structures\n");
    for (path, fields) in structures {
        let _ = write!(
            page,
            "\n### {path}\n\n| Member | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
        );
        for field in fields {
            let Field { name, rule, doc } = field;
            let (kind, default, doc) = (kind(&rule.shape), default(&rule.absent), doc.trim());
            let _ = writeln!(page, "| {name} | {kind} | {default} | {doc} |");
        }
    }
    page.push('\n');
    page.push_str(ATTRIBUTES);
    page
}

fn property(page: &mut String, field: &Field) {
    let Field { name, rule, doc } = field;
    let (kind, default) = (kind(&rule.shape), default(&rule.absent));
    let _ = write!(
        page,
        "\n### {name}\n\n{}\n\n- Type: {kind}\n- Default: {default}\n",
        doc.trim()
    );
    if let Some((_, example)) = EXAMPLES.iter().find(|(property, _)| property == name) {
        let _ = writeln!(page, "- Example: `{name}: {example}`");
    }
}

/// The structures within a shape, each with its path, outermost first.
fn collect(shape: &Shape, path: &str, structures: &mut Vec<(String, &'static [Field])>) {
    match shape {
        Shape::Object(fields) => {
            structures.push((path.to_owned(), fields));
            for field in *fields {
                collect(
                    &field.rule.shape,
                    &format!("{path}.{}", field.name),
                    structures,
                );
            }
        }
        Shape::List { of, .. } => collect(of, &format!("{path}[]"), structures),
        _ => {}
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Anything => "anything".to_owned(),
        Shape::Text { max, .. } if *max < usize::MAX => format!("text of at most {max} characters"),
        Shape::Text { .. } => "text".to_owned(),
        Shape::Integer { min: 0, max } if *max == i64::from(i32::MAX) => "whole number".to_owned(),
        Shape::Integer { min, max } => format!("whole number from {min} to {max}"),
        Shape::Boolean => "boolean".to_owned(),
        Shape::List { of, max, .. } if *max < usize::MAX => {
            format!("list of at most {max}: {}", kind(of))
        }
        Shape::List { of, .. } => format!("list: {}", kind(of)),
        Shape::Object(_) => "structure".to_owned(),
    }
}

fn default(absent: &Absent) -> String {
    match absent {
        Absent::Refused => "required".to_owned(),
        Absent::Nothing => "none".to_owned(),
        Absent::Default(text) => format!("`{text}`"),
    }
}
