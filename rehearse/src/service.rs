//! The services of the stage, one file each, as far as the functions and a template need them.

pub mod cloudformation;
pub mod dynamodb;
pub mod ecs;
pub mod events;
pub mod lambda;
pub mod logs;
pub mod opensearch;
pub mod rules;
pub mod sns;
