//! `Custom::ECSTask`: a CloudFormation custom resource that runs ECS tasks inside a deploy.
//!
//! The modules in reading order. These are pure: they take the clock as an argument and never call
//! AWS.
//!
//! - [`task`], [`call`], [`item`], [`epoch`] and [`cfn`]: the vocabulary of ECS, of AWS's calls, of
//!   a table and of the custom-resource protocol
//! - [`identity`]: names that are derived from a request
//! - [`properties`]: ResourceProperties, parsed once into a typed value
//! - [`outcome`]: the verdict on tasks
//! - [`failures`]: the catalogue of failures
//! - [`reason`]: the parts of a text that a person reads, and its length
//! - [`runner::decide`]: the decisions on a request
//! - [`monitor::decide`] and [`monitor::render`]: the decisions and texts of the monitor
//!
//! These talk to AWS: [`aws`], [`callback`] and [`log_tail`] at the edge, [`function`] around both
//! Lambda functions, and the flows, [`runner`] and [`monitor`]. The package `rehearse` is a local
//! stage on which all of this runs without an AWS account.

pub mod aws;
pub mod call;
pub mod callback;
pub mod cfn;
pub mod epoch;
pub mod failures;
pub mod function;
pub mod identity;
pub mod item;
pub mod log_tail;
pub mod monitor;
pub mod outcome;
pub mod properties;
pub mod reason;
pub mod runner;
pub mod subject;
pub mod task;
