//! What the runner decides. Pure: no clock, no network, no AWS; each value carries the evidence for what it says.

pub mod answer;
pub mod criteria;
pub mod plan;
pub mod wait;
