//! The code's version, set by `build.rs`.

/// The crate's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The git revision of the build; empty outside a checkout.
pub const REVISION: &str = env!("ECS_TASKS_REVISION");
/// The target triple.
pub const TARGET: &str = env!("ECS_TASKS_TARGET");
/// The User-Agent for AWS and for the response bucket.
pub const USER_AGENT: &str = env!("ECS_TASKS_USER_AGENT");
