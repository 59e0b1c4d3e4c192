//! A stack's events, as the console shows them.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Stack;
use crate::{config::now, report::Report};

/// A line of a stack's events.
#[derive(Clone, Debug)]
pub struct StackEvent {
    /// When.
    pub at: OffsetDateTime,
    /// `CREATE_COMPLETE`, …
    pub status: String,
    /// The resource's name in the template, or the stack's own.
    pub logical_id: String,
    /// Why.
    pub reason: String,
    /// It is about the stack.
    pub is_stack: bool,
    /// It is about the stack, or about a resource that the function serves.
    pub is_ours: bool,
}

/// Takes a stack's events as they happen.
pub type StackEvents = Arc<dyn Fn(StackEvent) + Send + Sync>;

impl Stack {
    /// A line about a resource.
    pub(super) fn event(&self, logical_id: &str, status: &str, reason: &str) {
        let is_ours = self.ours.contains(logical_id);
        self.send(logical_id, status, reason, [false, is_ours]);
    }

    /// A line about the stack, which has this status from now on.
    pub(super) fn stack_event(&self, status: &str, reason: &str) {
        self.stage.cloudformation.set_status(&self.id, status);
        self.send(&self.name, status, reason, [true, true]);
    }

    fn send(&self, logical_id: &str, status: &str, reason: &str, [is_stack, is_ours]: [bool; 2]) {
        (self.events)(StackEvent {
            at: now(),
            status: status.to_owned(),
            logical_id: logical_id.to_owned(),
            reason: reason.to_owned(),
            is_stack,
            is_ours,
        });
    }

    /// What the rehearsal has to say besides.
    pub(super) fn note(&self, text: String) {
        self.stage.report(Report::Note(text));
    }
}
