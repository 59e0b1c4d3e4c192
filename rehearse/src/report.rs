//! What the stage reports to whoever watches.

use std::sync::Arc;

use serde_json::Value;

/// One report.
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
        /// It was there before.
        known: bool,
    },
    /// An alert has gone out.
    Alerted {
        /// Its subject.
        subject: String,
        /// What it says.
        message: String,
    },
    /// A line that the function logged.
    Log(String),
    /// Something that AWS does and that a person would see nowhere, such as a time-out of the function.
    Note(String),
}

/// Takes reports as they come.
pub type Reporter = Arc<dyn Fn(Report) + Send + Sync>;
