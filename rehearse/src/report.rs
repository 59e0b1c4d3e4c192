//! Reports of the stage.

use std::sync::Arc;

use serde_json::Value;

/// A report of the stage.
#[derive(Clone, Debug)]
pub enum Report {
    /// A line that a container printed.
    Line {
        /// The container's name.
        container: String,
        /// The line, without its end.
        text: String,
    },
    /// The monitor has put an item into its table.
    Audited {
        /// The item, with plain values.
        item: Value,
        /// True if the same item was there before.
        known: bool,
    },
    /// The monitor has published an alert.
    Alerted {
        /// Its subject.
        subject: String,
        /// Its body.
        message: String,
    },
    /// A line that the function logged.
    Log(String),
    /// A note about something that AWS does silently, such as a time-out of the function.
    Note(String),
}

/// Receives reports as they come.
pub type Reporter = Arc<dyn Fn(Report) + Send + Sync>;
