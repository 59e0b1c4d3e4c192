//! The local stage: ECS on processes, CloudWatch Logs, Lambda and CloudFormation, on loopback and with their
//! real protocols, so that the real binary with the real SDK lives its whole life on one machine.
//!
//! From the bottom up: [`config`], [`protocol`] and [`report`] are what every service needs; [`service`] has one
//! file or folder for each service; [`stage::Stage`] opens them on one address and routes requests to them.
//! [`template`] reads a template and knows nothing of a stage; [`stack::Stack`] takes it through create,
//! update and delete on one. [`cli`] and [`console`] are the command. None of it is in a Lambda's zip.

pub mod cli;
pub mod config;
pub mod console;
pub mod protocol;
pub mod recorded;
pub mod report;
pub mod service;
pub mod stack;
pub mod stage;
pub mod template;
