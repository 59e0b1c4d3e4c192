//! The local stage plays ECS on processes, CloudWatch Logs, Lambda and CloudFormation on loopback,
//! with their real protocols. The real binary with the real SDK lives its whole life on one
//! machine.
//!
//! From the bottom up: [`config`], [`protocol`] and [`report`] serve every service; [`service`] has
//! one file or folder for each; [`stage::Stage`] opens them on one address and routes requests to
//! them. [`template`] reads a template and does not know the stage; [`stack::Stack`] takes it
//! through create, update and delete. [`cli`] and [`console`] are the command. A Lambda's zip
//! contains none of it.

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
