//! Which code this is, stamped in by `build.rs`.

/// The crate's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The git revision that was built; empty outside a checkout.
pub const REVISION: &str = env!("ECS_TASKS_REVISION");
/// The target triple.
pub const TARGET: &str = env!("ECS_TASKS_TARGET");
/// How we introduce ourselves to AWS and to the response bucket.
pub const USER_AGENT: &str = env!("ECS_TASKS_USER_AGENT");
