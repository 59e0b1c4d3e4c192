//! The monitor's decisions: an event is read and judged, by settings. Pure.

pub mod envelope;
pub mod event;
pub mod finding;
pub mod group;
pub mod pattern;
pub mod rows;
pub mod settings;
pub mod windows;
mod words;
