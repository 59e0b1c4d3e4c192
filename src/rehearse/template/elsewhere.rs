//! What a template takes from elsewhere: exports of other stacks, parameters of SSM, secrets. A value that
//! was not given is made up, with a note.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::made_up;

/// The values that were given, and notes on those that were not.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Exports of other stacks.
    pub exports: BTreeMap<String, String>,
    /// Parameters of SSM.
    pub ssm: BTreeMap<String, String>,
    made_up: Mutex<Vec<MadeUp>>,
}

#[derive(Debug)]
struct MadeUp {
    what: String,
    value: String,
    note: String,
}

impl Elsewhere {
    /// These exports and parameters of SSM, and no others.
    pub fn of(exports: BTreeMap<String, String>, ssm: BTreeMap<String, String>) -> Self {
        Self { exports, ssm, made_up: Mutex::default() }
    }

    /// The value of an export.
    pub fn export(&self, name: &str) -> String {
        self.exports.get(name).cloned().unwrap_or_else(|| {
            let value = made_up::value(name);
            self.note(&format!("the export {name}"), &value, &format!("--import {name}=VALUE"))
        })
    }

    /// The value of a parameter of SSM.
    pub fn ssm_parameter(&self, name: &str) -> String {
        let name = name.split(':').next().unwrap_or(name);
        self.ssm.get(name).cloned().unwrap_or_else(|| {
            let value = made_up::value(name);
            self.note(&format!("the SSM parameter {name}"), &value, &format!("--ssm {name}=VALUE"))
        })
    }

    /// Keeps a note on a value that was made up; the value. `how` gives another one.
    pub(super) fn note(&self, what: &str, value: &str, how: &str) -> String {
        self.keep(what, value, format!("{what} is made up: {value} (give another with {how})"));
        value.to_owned()
    }

    fn keep(&self, what: &str, value: &str, note: String) {
        let mut made_up = self.made_up();
        if !made_up.iter().any(|known| known.what == what) {
            made_up.push(MadeUp { what: what.to_owned(), value: value.to_owned(), note });
        }
    }

    fn made_up(&self) -> MutexGuard<'_, Vec<MadeUp>> {
        self.made_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A made-up secret, with a note. Nobody should have to put a real one on a command line.
    pub(super) fn note_secret(&self, what: &str) -> String {
        let value = "rehearsed-secret";
        self.keep(what, value, format!("{what} is made up"));
        value.to_owned()
    }

    /// Whether a value was made up.
    pub fn is_made_up(&self, value: &str) -> bool {
        self.made_up().iter().any(|known| known.value == value)
    }

    /// The notes so far, one for each value that was made up.
    pub fn notes(&self) -> Vec<String> {
        self.made_up().iter().map(|known| known.note.clone()).collect()
    }
}
