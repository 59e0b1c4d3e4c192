//! The output for each sink, as pure functions; [`crate::aws`] sends it.

pub mod alert;
pub mod audit;
pub mod index;
pub mod link;
pub mod metrics;
