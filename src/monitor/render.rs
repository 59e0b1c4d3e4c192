//! The sinks: what each gets of an event. Each is a pure `render`; what sends it is in [`crate::aws`].

pub mod alert;
pub mod audit;
pub mod index;
pub mod metrics;
