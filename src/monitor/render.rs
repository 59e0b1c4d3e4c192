//! What each sink gets of an event, as pure functions; what sends it is in [`crate::aws`].

pub mod alert;
pub mod audit;
pub mod index;
pub mod link;
pub mod metrics;
