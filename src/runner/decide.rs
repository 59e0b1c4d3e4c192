//! What the runner decides. Pure: no clock, no network, no SDK; each value carries the evidence for what it
//! says.
//!
//! [`entry`] reads a payload, [`ledger`] is what is remembered of a request, [`plan`] says what a request
//! asks for, [`wait`] is the continuation with its one step, and [`answer`] is what goes back. [`texts`]
//! holds every message of the runner that a person reads.

pub mod answer;
pub mod criteria;
pub mod entry;
pub mod ledger;
pub mod limit;
pub mod marks;
pub mod plan;
pub mod texts;
pub mod wait;
