//! `Custom::ECSTask`: a CloudFormation custom resource that runs ECS tasks inside a deploy.
//!
//! The map, in reading order. Pure, with the clock as an argument and no AWS in sight:
//!
//! - [`task`], [`epoch`] and [`cfn`], the vocabulary of ECS and of the custom-resource protocol
//! - [`identity`], names derived from a request
//! - [`properties`], ResourceProperties parsed once into a typed value
//! - [`outcome`], the verdict over tasks
//! - [`reason`], every text that a person reads
//! - [`runner::plan`], [`runner::criteria`], [`runner::wait`], [`runner::answer`], what is decided on a request's way
//! - [`monitor::event`], [`monitor::finding`], [`monitor::settings`], [`monitor::sink`], the same for the second function
//!
//! The shell, which talks: [`aws`] and [`callback`] at the edge, [`clock`] and [`logging`], and the flows, [`runner`] and [`monitor`].
//! `rehearse`, behind the feature of that name, is the local stage on which all of this lives without an AWS account.

pub mod aws;
pub mod callback;
pub mod cause;
pub mod cfn;
pub mod clock;
pub mod epoch;
pub mod http;
pub mod identity;
pub mod logging;
pub mod monitor;
pub mod outcome;
pub mod payload;
pub mod properties;
pub mod reason;
#[cfg(feature = "rehearse")]
pub mod rehearse;
pub mod runner;
pub mod task;
pub mod version;
