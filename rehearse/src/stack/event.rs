//! A stack's events, as the console shows them.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Stack;
use crate::{config::now, report::Report};

/// A line of a stack's events.
#[derive(Clone, Debug)]
pub struct StackEvent {
    /// The time of the event.
    pub at: OffsetDateTime,
    /// The status, such as `CREATE_COMPLETE`.
    pub status: String,
    /// The resource's name in the template, or the stack's own.
    pub logical_id: String,
    /// The reason beside the status; may be empty.
    pub reason: String,
    /// True for an event of the stack itself.
    pub is_stack: bool,
    /// True for an event of the stack, or of a resource that the function serves.
    pub is_ours: bool,
}

/// Receives a stack's events.
pub type StackEvents = Arc<dyn Fn(StackEvent) + Send + Sync>;

impl Stack {
    /// Reports an event of a resource.
    pub(super) fn event(&self, logical_id: &str, status: &str, reason: &str) {
        let is_ours = self.ours.contains(logical_id);
        self.send(logical_id, status, reason, [false, is_ours]);
    }

    /// Reports an event of the stack, and sets its status.
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

    /// Reports a note.
    pub(super) fn note(&self, text: String) {
        self.stage.report(Report::Note(text));
    }
}
