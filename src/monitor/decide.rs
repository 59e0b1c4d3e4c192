//! The monitor's decisions: it reads an event and judges it by the settings. Pure.

pub mod envelope;
pub mod event;
pub mod finding;
pub mod group;
pub mod pattern;
pub mod rows;
pub mod settings;
pub mod windows;
mod words;
