//! Updates: the next version of a template, and what changes in place.

use super::{TemplateFile, lines, page, refused, rehearse};

const TEMPLATE: &str = r#"
Parameters:
  Count: { Type: Number, Default: "1" }
  Owner: { Type: String, Default: me }
Resources:
  Cluster: { Type: "AWS::ECS::Cluster" }
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions: [{ Name: app, Image: x, Memory: 128, EntryPoint: [sh, -c], Command: [echo ran version 1] }]
      Tags: [{ Key: owner, Value: !Ref Owner }]
  Web:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      DesiredCount: !Ref Count
  Run:
    Type: Custom::ECSTask
    Properties:
      ServiceToken: x
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      Service: !GetAtt Web.Name
"#;

fn ran(lines: &[String]) -> usize {
    lines
        .iter()
        .filter(|line| line.starts_with("app | ran"))
        .count()
}

#[test]
fn an_update_that_changes_nothing_is_skipped() {
    let file = TemplateFile::new(TEMPLATE);
    let next = TemplateFile::new(&TEMPLATE.replace("Resources:", "# The same.\nResources:"));
    let none = "the update changes no resource and no output, so CloudFormation refuses it: No updates are \
                to be performed.";
    for arguments in [
        &["--update", "Count=1"][..],
        &["--update-template", next.path()],
    ] {
        let (status, lines) = lines(&rehearse(&[&[file.path()], arguments].concat()));
        assert_eq!(status, Some(0), "{lines:#?}");
        assert!(lines.iter().any(|line| line == none), "{lines:#?}");
        assert!(
            !lines.iter().any(|line| line.contains("UPDATE_")),
            "{lines:#?}"
        );
        let last = lines.last().unwrap();
        assert!(
            last.starts_with("create complete, no update, delete complete in "),
            "{last}"
        );
        assert!(
            last.contains("; 2 invocations, plus "),
            "a Create and a Delete: {last}"
        );
    }
}

#[test]
fn a_new_output_is_an_update() {
    let file = TemplateFile::new(TEMPLATE);
    let next = TemplateFile::new(&format!(
        "{TEMPLATE}Outputs: {{ Task: {{ Value: !GetAtt Run.TaskArn }} }}\n"
    ));
    let (status, lines) = lines(&rehearse(&[file.path(), "--update-template", next.path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("create complete, update complete, "),
        "{lines:#?}"
    );
}

#[test]
fn a_service_without_a_name_is_updated_in_place() {
    let file = TemplateFile::new(TEMPLATE);
    let (status, lines) = lines(&rehearse(&[file.path(), "--update", "Count=2"]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("UPDATE_COMPLETE") && line.ends_with("Web")),
        "{lines:#?}"
    );
    assert_eq!(
        ran(&lines),
        1,
        "the migration does not run for a DesiredCount: {lines:#?}"
    );
}

#[test]
fn a_named_service_that_would_have_to_be_replaced_fails_the_update() {
    let named = TEMPLATE.replace(
        "      DesiredCount",
        "      ServiceName: web\n      DesiredCount",
    );
    let file = TemplateFile::new(&named);
    let next = TemplateFile::new(&named.replace(
        "      DesiredCount",
        "      SchedulingStrategy: DAEMON\n      DesiredCount",
    ));
    let (status, lines) = lines(&rehearse(&[
        file.path(),
        "--update-template",
        next.path(),
        "--quiet",
    ]));
    assert_eq!(status, Some(1), "{lines:#?}");
    let failed = lines
        .iter()
        .find(|line| line.contains("UPDATE_FAILED"))
        .unwrap();
    assert!(
        failed.contains("a custom-named resource requires replacing. Rename web"),
        "{failed}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("UPDATE_ROLLBACK_COMPLETE")),
        "{lines:#?}"
    );
}

#[test]
fn a_change_of_tags_alone_makes_no_new_revision() {
    let file = TemplateFile::new(TEMPLATE);
    let (status, lines) = lines(&rehearse(&[file.path(), "--update", "Owner=you"]));
    assert_eq!(status, Some(0), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("UPDATE_COMPLETE") && line.ends_with("Definition"))
    );
    assert_eq!(ran(&lines), 1, "{lines:#?}");
}

#[test]
fn the_stack_is_updated_to_the_next_version_of_its_template() {
    let file = TemplateFile::new(TEMPLATE);
    let next = TEMPLATE
        .replace("version 1", "version 2")
        .replace("Owner:", "Team:")
        .replace("Ref Owner", "Ref Team");
    let next = next.replace("  Web:", "  Extra: { Type: \"AWS::SNS::Topic\" }\n  Web:");
    let next = TemplateFile::new(&next);
    let arguments = [
        file.path(),
        "-p",
        "Owner=x",
        "--update-template",
        next.path(),
        "--update",
        "Team=y",
        "--quiet",
    ];
    insta::assert_snapshot!(page(&rehearse(&arguments)));
}

#[test]
fn a_mistake_in_the_next_version_is_found_before_anything_starts() {
    let next =
        TemplateFile::new(&TEMPLATE.replace("Cluster: !Ref Cluster", "Cluster: !Ref Clutser"));
    let error = refused(TEMPLATE, &["--update-template", next.path()]);
    assert!(
        error.contains("line 15: Ref Clutser") && error.contains("line 22: Ref Clutser"),
        "{error}"
    );
    let error = refused(TEMPLATE, &["--update", "Cuont=2"]);
    assert_eq!(
        error,
        "shop.yml: the template has no parameter Cuont; it has Count, Owner"
    );
}

#[test]
fn names_wider_than_the_columns_leave_them_where_they_are() {
    let wide = "AVeryLongLogicalIdSuchAsTheCloudDevelopmentKitMakesForNestedConstructs0123456789";
    let template = TEMPLATE
        .replace("Run:", &format!("{wide}:"))
        .replace("ran version 1", "ran; exit 3");
    let file = TemplateFile::new(&template);
    insta::assert_snapshot!(page(&rehearse(&[file.path(), "--quiet"])));
}

#[test]
fn an_update_that_runs_nothing_says_why() {
    let file = TemplateFile::new(TEMPLATE);
    let (status, untouched) = lines(&rehearse(&[file.path(), "--update", "Count=2"]));
    assert_eq!(status, Some(0), "{untouched:#?}");
    let why = "Run: no task runs, because none of its properties has changed and CloudFormation therefore sends no Update";
    assert!(untouched.iter().any(|line| line == why), "{untouched:#?}");
    let skipping = TEMPLATE.replace(
        "ServiceToken: x\n",
        "ServiceToken: x\n      RunOnUpdate: false\n",
    );
    let next = TemplateFile::new(&skipping.replace("version 1", "version 2"));
    let file = TemplateFile::new(&skipping);
    let (status, skipped) = lines(&rehearse(&[file.path(), "--update-template", next.path()]));
    assert_eq!(status, Some(0), "{skipped:#?}");
    let why = "Run: Nothing was run: RunOnUpdate is false";
    assert!(
        skipped.iter().any(|line| line.starts_with(why)),
        "{skipped:#?}"
    );
    assert_eq!(ran(&skipped), 1, "{skipped:#?}");
}

#[test]
fn a_condition_that_something_else_signals_counts_as_complete() {
    let elsewhere = "  Handle: { Type: \"AWS::CloudFormation::WaitConditionHandle\" }\n  Ready:\n    Type: \
                     AWS::CloudFormation::WaitCondition\n    Properties: { Handle: !Ref Handle, Timeout: \
                     \"900\" }\n";
    let file = TemplateFile::new(&format!("{TEMPLATE}{elsewhere}"));
    let (status, lines) = lines(&rehearse(&[file.path()]));
    assert_eq!(status, Some(0), "{lines:#?}");
    let note = "Ready: nothing in the rehearsal signals its handle, so it counts as complete";
    assert!(lines.iter().any(|line| line == note), "{lines:#?}");
}
