//! Whole lives of Custom::ECSTask: the real binary on the local stage.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says why"
)]

mod answers;
mod delivery;
mod failures;
mod generated;
mod layers;
mod lives;
mod metrics;
mod polling;
mod properties;
mod provider;
mod scenario;
mod stage;
mod wire;

/// Without a ledger; tests/ledger repeats delivery, failures and lives with one.
const WATCH: Option<std::time::Duration> = None;
