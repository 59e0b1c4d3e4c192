//! The generated files in the repository are those that the code makes today.
//!
//! `make generate` writes them anew.

mod failures;
mod reference;
mod schema;

use std::{collections::BTreeSet, env, fs, path::Path};

use ecs_tasks::properties::{Properties, shape::Shape};
use rehearse::template::node::{Node, NodeKind};
use serde_json::{Value, json};

use self::reference::EXAMPLES;

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "make generate sets GENERATE")]
fn check(path: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var("GENERATE").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert!(stands == made, "{} is stale: make generate", path.display());
}

#[test]
fn the_generated_page_of_properties_is_up_to_date() {
    check("docs/properties.md", &reference::page());
}

#[test]
fn the_generated_page_of_failures_is_up_to_date() {
    check("docs/failures.md", &failures::page());
}

#[test]
fn the_generated_schema_is_up_to_date() {
    let schema = serde_json::to_string_pretty(&schema::schema()).unwrap();
    check("cfn/lint/ecs_task.schema.json", &format!("{schema}\n"));
}

/// A template's value without its intrinsic functions.
fn plain(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Text(text) => json!(text),
        NodeKind::List(items) => items.iter().map(plain).collect(),
        NodeKind::Map(fields) if fields[0].0.starts_with("Fn::") || fields[0].0 == "Ref" => {
            json!("resolved")
        }
        NodeKind::Map(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
    }
}

#[test]
fn the_generated_page_has_an_example_of_every_property_and_each_is_valid() {
    let Shape::Object(fields) = Properties::SHAPE else {
        panic!("properties are an object")
    };
    let known: BTreeSet<&str> = fields
        .iter()
        .map(|field| field.name)
        .filter(|name| *name != "Triggers")
        .collect();
    assert_eq!(
        EXAMPLES
            .iter()
            .map(|(name, _)| *name)
            .collect::<BTreeSet<_>>(),
        known
    );
    for (name, example) in EXAMPLES {
        let node = Node::read(&format!("{name}: {example}")).unwrap();
        let mut properties = json!({"ServiceToken": "x", "Cluster": "x", "TaskDefinition": "x"});
        properties
            .as_object_mut()
            .unwrap()
            .extend(plain(&node).as_object().unwrap().clone());
        if let Err(errors) = Properties::read(&properties) {
            panic!("{name}: {errors}");
        }
    }
}

#[test]
fn the_generated_page_names_every_attribute() {
    let page = reference::page();
    for name in serde_json::to_value(ecs_tasks::cfn::Data::default())
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(page.contains(&format!("| {name} |")), "{name}");
    }
}

#[test]
fn the_page_of_behaviour_links_to_the_generated_page_and_names_every_property() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/behaviour.md"))
            .unwrap();
    assert!(readme.contains("docs/properties.md") && readme.contains("docs/failures.md"));
    let Shape::Object(fields) = Properties::SHAPE else {
        panic!("properties are an object")
    };
    let (_, table) = readme.split_once("| Property |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let named: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect();
    let known: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
    let split: BTreeSet<&str> = named.iter().flat_map(|names| names.split(", ")).collect();
    assert_eq!(split, known);
}
