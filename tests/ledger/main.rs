//! Lives of tests/it with a ledger, and lives that only a ledger makes possible.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says why"
)]

#[path = "../it/delivery.rs"]
mod delivery;
#[path = "../it/failures.rs"]
mod failures;
#[path = "../it/lives.rs"]
mod lives;
mod measures;
mod moving_over;
#[path = "../it/scenario.rs"]
mod scenario;
mod take_over;
mod wait_handle;

/// Time between two rounds of the watch.
const WATCH: Option<std::time::Duration> = Some(std::time::Duration::from_millis(300));
