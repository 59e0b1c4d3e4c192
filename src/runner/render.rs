//! What is written about a request beside its answer and the log.
//!
//! Pure.

pub mod metrics;
