//! A migration by Alembic, from an image of an application, on a PostgreSQL: everything that a
//! deployment can meet.

use std::{env, process::Command};

use crate::rehearsal::{Rehearsal, Rehearsed, containers, file};

/// A database of its own on the server that DATABASE_URL names.
struct Database {
    url: String,
}

impl Database {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests are given their database"
    )]
    fn new(name: &str) -> Self {
        let server =
            env::var("DATABASE_URL").expect("DATABASE_URL, as tests/docker/engine sets it");
        let of_server = Self {
            url: server.clone(),
        };
        of_server.ask(&format!("CREATE DATABASE {name}"));
        Self {
            url: format!("{}/{name}", server.rsplit_once('/').unwrap().0),
        }
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        let arguments = [
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            sql,
        ];
        let output = Command::new("psql")
            .args(arguments)
            .arg(&self.url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn columns(&self) -> Vec<String> {
        self.ask("SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY 1")
    }

    fn rehearse(&self, arguments: &[&str]) -> Rehearsed {
        let rehearsal =
            Rehearsal::of_template(&file("migration.yml")).variable("DATABASE_URL", &self.url);
        let rehearsed = rehearsal.run(arguments);
        assert_eq!(containers("alembic"), [""; 0]);
        rehearsed
    }
}

/// Returns the end of each operation of the stack, in order.
fn ends(rehearsed: &Rehearsed) -> Vec<&str> {
    let of_stack = |words: &[&str]| {
        words.len() > 2 && words[2] == "shop" && !words[1].ends_with("_IN_PROGRESS")
    };
    let lines = rehearsed
        .text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| of_stack(words))
        .map(|words| words[1])
        .collect()
}

fn migrations(rehearsed: &Rehearsed) -> Vec<&str> {
    rehearsed
        .printed("alembic")
        .into_iter()
        .filter(|line| line.starts_with("Running upgrade"))
        .collect()
}

#[test]
fn a_migration_lives_through_create_update_failing_update_with_rollback_and_delete() {
    let database = Database::new("shop");

    let rehearsed = database
        .rehearse(&["--parameter", "Version=1", "--update", "Version=2"])
        .succeeded();
    assert_eq!(
        ends(&rehearsed),
        ["CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"]
    );
    assert_eq!(
        migrations(&rehearsed),
        [
            "Running upgrade  -> 1, the table of users",
            "Running upgrade 1 -> 2, an email for each user"
        ]
    );
    assert_eq!(
        database.ask("SELECT version_num FROM alembic_version"),
        ["2"]
    );
    assert_eq!(database.columns(), ["email", "id", "name"]);

    let rehearsed = database.rehearse(&["--parameter", "Version=2", "--update", "Version=3"]);
    assert_eq!(
        ends(&rehearsed),
        [
            "CREATE_COMPLETE",
            "UPDATE_ROLLBACK_COMPLETE",
            "DELETE_COMPLETE"
        ]
    );
    let failure = rehearsed.failure();
    assert!(
        failure.starts_with(
            "Container alembic exited with code 1: column name must have a value (NOT NULL)"
        ),
        "{failure}"
    );
    assert!(
        failure.contains("column \"name\" of relation \"users\" contains null values"),
        "{failure}"
    );
    assert!(!rehearsed.text.contains("a%20secret"), "{}", rehearsed.text);
    assert_eq!(
        migrations(&rehearsed).len(),
        1,
        "the rollback runs no migration: {}",
        rehearsed.text
    );
    assert_eq!(
        database.ask("SELECT version_num FROM alembic_version"),
        ["2"]
    );
    assert_eq!(
        database.columns(),
        ["email", "id", "name"],
        "a failed migration leaves nothing of itself"
    );
}
