//! The runner's decisions. Pure: no clock, no network, no SDK. Each value carries the evidence for
//! it.
//!
//! [`entry`] reads a payload, [`hook`] is what ECS asks in a deployment, [`ledger`] holds the rows,
//! [`plan`] says what a request asks for, [`wait`] is the continuation with its one step, and
//! [`answer`] goes back to CloudFormation. [`texts`] holds the messages of the shell; [`plan`] and
//! [`answer`] have those of their own results.

pub mod answer;
pub mod criteria;
pub mod entry;
pub mod hook;
pub mod ledger;
pub mod limit;
pub mod marks;
pub mod plan;
pub mod texts;
pub mod wait;
