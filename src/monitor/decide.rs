//! What the monitor decides: how an event is read and judged, and by which settings. Pure.

pub mod envelope;
pub mod event;
pub mod finding;
pub mod group;
pub mod pattern;
pub mod settings;
mod words;
