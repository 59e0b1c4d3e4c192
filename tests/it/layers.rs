//! The promises of the layout: code that decides or renders touches nothing outside, and imports go
//! down only.
//!
//! Rooms are read from the folders and imports from the code, so that a new file keeps the rules of
//! its room.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms from the ground up: a room may import those before it, and no others.
///
/// A folder that is not named belongs to the room of the file that has its name.
const ROOMS: [&str; 43] = [
    "epoch",
    "subject",
    "task",
    "item",
    "identity",
    "cfn",
    "properties",
    "outcome",
    "failures",
    "call",
    "reason",
    "function",
    "runner/decide",
    "monitor/decide",
    "monitor/render",
    "aws",
    "log_tail",
    "callback",
    "runner/metrics",
    "runner/invocation",
    "runner/ledger",
    "runner/work",
    "runner/evidence",
    "runner/tasks",
    "runner/conclude",
    "runner/wait",
    "runner/clear",
    "runner/start",
    "runner/delete",
    "runner/run",
    "runner",
    "monitor/sinks",
    "monitor/in_flight",
    "monitor/definitions",
    "monitor/tail",
    "monitor/search",
    "monitor/restarts",
    "monitor/hooks",
    "monitor/write_audit",
    "monitor/settle",
    "monitor/report",
    "monitor/flush",
    "monitor",
];

/// The pure rooms, which decide or render: they name nothing outside.
const PURE: [&str; 14] = [
    "epoch",
    "subject",
    "task",
    "call",
    "item",
    "identity",
    "cfn",
    "properties",
    "outcome",
    "failures",
    "reason",
    "runner/decide",
    "monitor/decide",
    "monitor/render",
];

/// Clock, environment, network, files, SDK.
const OUTSIDE: [&str; 9] = [
    "aws_sdk_",
    "aws_config",
    "reqwest",
    "tokio",
    "::now(",
    "std::env",
    "std::fs",
    "std::net",
    "Clock",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns every file of the library by its module's path, without its tests.
fn modules() -> BTreeMap<String, String> {
    fn walk(folder: &Path, modules: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(source()).unwrap().with_extension("");
            if path.is_dir() && name != Path::new("bin") {
                walk(&path, modules);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                // A link in a comment is not an import, and neither is a visibility.
                let code = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                let code = code
                    .collect::<Vec<_>>()
                    .join("\n")
                    .replace("pub(in crate::", "pub(in ");
                modules.insert(name.to_str().unwrap().to_owned(), code);
            }
        }
    }
    let mut modules = BTreeMap::new();
    walk(&source(), &mut modules);
    modules.remove("lib");
    modules
}

/// Returns the paths below `crate` that a module names, as `a/b/c`, in `use` trees and in the code.
fn imports(module: &str, code: &str) -> BTreeSet<String> {
    let here: Vec<&str> = module.split('/').collect();
    let mut found = BTreeSet::new();
    let mut rest = code;
    while let Some((_, tree)) = rest.split_once("use ") {
        let (tree, after) = tree.split_once(';').unwrap_or((tree, ""));
        for path in leaves(tree) {
            found.extend(absolute(&here, &path));
        }
        rest = after;
    }
    for (start, _) in code.match_indices("crate::") {
        let path: String = code[start..]
            .chars()
            .take_while(|char| char.is_alphanumeric() || "_:".contains(*char))
            .collect();
        // A path that ends with `::` is the root of a `use` tree, which was read above.
        if !path.ends_with("::") {
            found.extend(absolute(&here, &path));
        }
    }
    found
}

/// Returns every path that a `use` tree stands for.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, body)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let body = body.rsplit_once('}').map_or(body, |(body, _)| body);
    let (mut depth, mut items) = (0, vec![String::new()]);
    for char in body.chars() {
        depth += i32::from(char == '{') - i32::from(char == '}');
        match char {
            ',' if depth == 0 => items.push(String::new()),
            char => items.last_mut().unwrap().push(char),
        }
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items
        .flat_map(|item| leaves(item))
        .map(|leaf| format!("{prefix}{leaf}"))
        .collect()
}

/// Returns a path of this crate from its root; `None` for a path of another crate.
fn absolute(here: &[&str], path: &str) -> Option<String> {
    let mut base = here.to_vec();
    let mut segments: Vec<&str> = path.split("::").map(str::trim).collect();
    match segments.first().copied() {
        Some("crate") => base.clear(),
        Some("self") => {}
        Some("super") => {
            base.pop();
        }
        _ => return None,
    }
    segments.remove(0);
    while segments.first() == Some(&"super") {
        base.pop();
        segments.remove(0);
    }
    Some([base, segments].concat().join("/"))
}

fn stands_in(path: &str, room: &str) -> bool {
    path.strip_prefix(room)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the room that a path belongs to: the longest name of a room that the path begins with.
fn room(path: &str) -> Option<usize> {
    let mut rooms = ROOMS
        .iter()
        .enumerate()
        .filter(|(_, room)| stands_in(path, room))
        .collect::<Vec<_>>();
    rooms.sort_by_key(|(_, room)| room.len());
    rooms.pop().map(|(number, _)| number)
}

/// Returns every import that goes up, in words.
fn upward(modules: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (module, code) in modules {
        let Some(here) = room(module) else {
            wrong.push(format!("{module} stands in no room"));
            continue;
        };
        for path in imports(module, code) {
            match room(&path) {
                Some(there) if there > here => {
                    wrong.push(format!("{module} needs {path}, which stands above it"));
                }
                _ => {}
            }
        }
    }
    wrong
}

#[test]
fn imports_go_down_only() {
    assert_eq!(upward(&modules()), [""; 0]);
}

#[test]
fn an_import_that_goes_up_is_found_whichever_way_it_is_written() {
    for (module, code) in [
        ("runner/tasks", "use super::wait::follow;"),
        (
            "runner/evidence",
            "use super::{\n    tasks::stop,\n    work::Work,\n};",
        ),
        (
            "runner/decide/plan",
            "use crate::{\n    cfn::Request,\n    runner::{run::{run}},\n};",
        ),
        ("aws/ecs", "fn x() { crate::runner::run::y() }"),
        ("reason/fit", "use super::super::aws::CallError;"),
        ("somewhere", ""),
    ] {
        let modules = BTreeMap::from([(module.to_owned(), code.to_owned())]);
        assert_eq!(upward(&modules).len(), 1, "{module}: {code}");
    }
}

/// Returns the blocks `impl Type` of a module: each type, with the block's code.
fn implementations(code: &str) -> Vec<(String, &str)> {
    let blocks = code
        .split("\nimpl")
        .skip(1)
        .filter_map(|block| block.split_once("\n}"))
        .map(|(block, _)| block);
    blocks
        .filter_map(|block| {
            let (head, body) = block.split_once(" {\n")?;
            let head = head.rsplit_once(" for ").map_or(head, |(_, of)| of);
            let name = head.trim_start_matches(|char| char != ' ').trim();
            Some((name.split('<').next().unwrap_or_default().to_owned(), body))
        })
        .collect()
}

/// Returns the name that a text begins with.
fn word(text: &str) -> String {
    text.chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect()
}

/// Returns the circles of calls that no import shows: methods of one type that call each other from
/// file to file.
fn circles(modules: &BTreeMap<String, String>) -> Vec<String> {
    let mut homes: BTreeMap<(String, String), String> = BTreeMap::new();
    for (module, code) in modules {
        for (name, body) in implementations(code) {
            for (at, _) in body.match_indices("fn ") {
                homes.insert((name.clone(), word(&body[at + 3..])), module.clone());
            }
        }
    }
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, code) in modules {
        for (name, body) in implementations(code) {
            // rustfmt breaks a long call in front of its dot.
            let body = body
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace(" .", ".");
            for (at, _) in body.match_indices("self.") {
                let method = word(&body[at + 5..]);
                let is_called = body[at + 5 + method.len()..].starts_with('(');
                let home = homes
                    .get(&(name.clone(), method))
                    .filter(|home| is_called && *home != module);
                if let Some(home) = home {
                    calls.entry(module).or_default().insert(home);
                }
            }
        }
    }
    let reaches = |from: &str, to: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for home in calls
                .get(module)
                .into_iter()
                .flatten()
                .filter(|home| seen.insert(**home))
            {
                next.push(home);
            }
        }
        seen.contains(to)
    };
    let mut found = Vec::new();
    for (module, homes) in &calls {
        let back = homes.iter().filter(|home| reaches(home, module));
        found.extend(back.map(|home| format!("{module} calls {home}, which calls it back")));
    }
    found
}

#[test]
fn methods_of_one_type_call_each_other_in_one_direction() {
    assert_eq!(circles(&modules()), [""; 0]);
}

#[test]
fn a_circle_that_no_import_shows_is_found() {
    let module = |name: &str, code: &str| (name.to_owned(), format!("use super::Runner;\n{code}"));
    let down = "\nimpl Runner {\n    fn find(&self) {\n        self.other();\n    }\n}\n";
    let up = "\nimpl<'a> Runner<'a> {\n    fn stop(&self) {\n        self.find();\n    }\n}\n";
    let ring = down.replace("other", "stop");
    let one_way = BTreeMap::from([module("a", down), module("b", up)]);
    let in_a_ring = BTreeMap::from([module("a", &ring), module("b", up)]);
    assert_eq!((circles(&one_way).len(), circles(&in_a_ring).len()), (0, 2));
}

#[test]
fn rooms_that_decide_or_render_name_nothing_outside() {
    for (module, code) in modules() {
        if !PURE.iter().any(|room| stands_in(&module, room)) {
            continue;
        }
        for outside in OUTSIDE {
            assert!(!code.contains(outside), "{module} names {outside}");
        }
    }
}

#[test]
fn only_the_edge_names_the_sdk() {
    for (module, code) in modules() {
        let at_the_edge = module == "aws" || module.starts_with("aws/");
        assert!(
            at_the_edge || !code.contains("aws_sdk_"),
            "{module} names the SDK"
        );
    }
}

#[test]
fn no_type_has_the_name_of_another() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut twice = Vec::new();
    for (module, code) in modules() {
        for line in code.lines().map(str::trim_start) {
            let line = line
                .strip_prefix("pub(")
                .and_then(|rest| rest.split_once(") "))
                .map_or(line, |rest| rest.1);
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let mut words = line.split(|char: char| !char.is_alphanumeric() && char != '_');
            if !matches!(words.next(), Some("struct" | "enum" | "type" | "trait")) {
                continue;
            }
            let name = words.next().unwrap_or_default();
            // A type in the implementation of a trait has the trait's name.
            if line.starts_with("type Error =") || name.is_empty() || name.starts_with('$') {
                continue;
            }
            if let Some(other) = known.insert(name.to_owned(), module.clone()) {
                twice.push(format!("{name} in {other} and {module}"));
            }
        }
    }
    assert_eq!(twice, [""; 0]);
}

#[test]
fn main_is_a_table_of_contents() {
    for entry in fs::read_dir(source().join("bin")).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 45, "{} has {lines} lines", path.display());
    }
}
