//! Values from elsewhere: exports of other stacks, SSM parameters, secrets. A value that was not
//! given is made up, with a note.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{error::TemplateError, nearest::did_you_mean, placeholders};

/// The given values, and notes on the made-up ones.
#[derive(Debug, Default)]
pub struct External {
    /// Exports of other stacks.
    pub exports: BTreeMap<String, String>,
    /// SSM parameters.
    pub ssm: BTreeMap<String, String>,
    made_up: Mutex<Vec<MadeUp>>,
    /// Everything from elsewhere that the template uses, given or not.
    asked: Mutex<BTreeSet<(Origin, String)>>,
}

/// The kinds of things from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An export of another stack.
    Export,
    /// An SSM parameter.
    Ssm,
    /// A task definition.
    Definition,
}

#[derive(Debug)]
struct MadeUp {
    what: String,
    value: String,
    note: String,
}

impl External {
    /// These exports and SSM parameters, and no others.
    pub fn of(exports: BTreeMap<String, String>, ssm: BTreeMap<String, String>) -> Self {
        Self {
            exports,
            ssm,
            ..Self::default()
        }
    }

    /// The value of an export, made up unless it was given.
    pub fn export(&self, name: &str) -> String {
        self.ask(Origin::Export, name);
        self.exports.get(name).cloned().unwrap_or_else(|| {
            let value = placeholders::value(name);
            self.note(
                &format!("the export {name}"),
                &value,
                &format!("--import {name}=VALUE"),
            )
        })
    }

    /// The value of an SSM parameter, made up unless it was given.
    pub fn ssm_parameter(&self, name: &str) -> String {
        // A reference may end with a version: `{{resolve:ssm:name:3}}`.
        let name = name.split(':').next().unwrap_or(name);
        self.ask(Origin::Ssm, name);
        self.ssm.get(name).cloned().unwrap_or_else(|| {
            let value = placeholders::value(name);
            self.note(
                &format!("the SSM parameter {name}"),
                &value,
                &format!("--ssm {name}=VALUE"),
            )
        })
    }

    /// Notes a made-up value and returns it. `how` is the option that overrides it.
    pub(super) fn note(&self, what: &str, value: &str, how: &str) -> String {
        self.keep(
            what,
            value,
            format!("{what} has a made-up value: {value} (override it with {how})"),
        );
        value.to_owned()
    }

    fn keep(&self, what: &str, value: &str, note: String) {
        let mut made_up = self.made_up();
        if !made_up.iter().any(|known| known.what == what) {
            made_up.push(MadeUp {
                what: what.to_owned(),
                value: value.to_owned(),
                note,
            });
        }
    }

    /// Notes that the template uses this from elsewhere.
    pub fn ask(&self, origin: Origin, name: &str) {
        self.all_asked().insert((origin, name.to_owned()));
    }

    /// The names of this kind that the template uses.
    pub fn asked(&self, origin: Origin) -> Vec<String> {
        self.all_asked()
            .iter()
            .filter(|(from, _)| *from == origin)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// An error for each given value that the template does not use.
    pub fn unused(&self) -> Vec<TemplateError> {
        let exports = self.exports.keys().map(|name| (Origin::Export, name));
        let ssm = self.ssm.keys().map(|name| (Origin::Ssm, name));
        let unused = exports
            .chain(ssm)
            .filter(|(origin, name)| !self.asked(*origin).contains(name));
        unused
            .map(|(origin, name)| self.not_asked(origin, name))
            .collect()
    }

    /// The error of a given value that the template does not use.
    pub fn not_asked(&self, origin: Origin, name: &str) -> TemplateError {
        let (option, verb, what) = match origin {
            Origin::Export => ("--import", "imports", "export"),
            Origin::Ssm => ("--ssm", "reads", "SSM parameter"),
            Origin::Definition => ("--task-definition", "runs", "external task definition"),
        };
        let asked = self.asked(origin);
        let hint = did_you_mean(name, asked.iter().map(String::as_str));
        let known = match (hint.as_str(), asked.as_slice()) {
            ("", []) => format!("with these parameters, the template {verb} no {what}"),
            ("", asked) => format!(
                "with these parameters, the template {verb} {}",
                asked.join(", ")
            ),
            (hint, _) => format!("with these parameters, the template does not need it{hint}"),
        };
        TemplateError::given(format!("{option} {name} is not used: {known}"))
    }

    fn all_asked(&self) -> MutexGuard<'_, BTreeSet<(Origin, String)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made_up(&self) -> MutexGuard<'_, Vec<MadeUp>> {
        self.made_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a resource that SAM's transform adds to a template.
    pub(super) fn note_generated(&self, name: &str, value: &str) {
        let what = format!("{name}, which SAM generates,");
        self.keep(&what, value, format!("{what} has a made-up value: {value}"));
    }

    /// A made-up secret, with a note: nobody should have to put a real one on a command line.
    pub(super) fn note_secret(&self, what: &str) -> String {
        let value = "rehearsed-secret";
        self.keep(what, value, format!("{what} has a made-up value"));
        value.to_owned()
    }

    /// True if a value was made up.
    pub fn is_made_up(&self, value: &str) -> bool {
        self.made_up().iter().any(|known| known.value == value)
    }

    /// The notes so far, one for each made-up value.
    pub fn notes(&self) -> Vec<String> {
        self.made_up()
            .iter()
            .map(|known| known.note.clone())
            .collect()
    }
}
