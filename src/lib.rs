//! `Custom::ECSTask`: a CloudFormation custom resource that runs ECS tasks inside a deploy.
//!
//! The map, in reading order. Pure, with the clock as an argument and no AWS in sight:
//!
//! - [`task`], [`call`], [`item`], [`epoch`] and [`cfn`], the vocabulary of ECS, of AWS's calls, of a table and of the
//!   custom-resource protocol
//! - [`identity`], names derived from a request
//! - [`properties`], ResourceProperties parsed once into a typed value
//! - [`outcome`], the verdict over tasks
//! - [`reason`], every text that a person reads
//! - [`runner::decide`], what is decided on a request's way
//! - [`monitor::decide`] and [`monitor::render`], the same for the second function
//!
//! The shell, which talks: [`aws`] and [`callback`] at the edge, [`function`] around either Lambda, and the
//! flows, [`runner`] and [`monitor`]. The package `rehearse` is the local stage on which all of this lives
//! without an AWS account.

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
pub mod task;
