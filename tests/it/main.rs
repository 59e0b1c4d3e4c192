//! Whole lives of Custom::ECSTask: the real binary on the local stage.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod delivery;
mod lives;
mod properties;
mod purity;
mod rehearsal;
mod scenario;
mod stage;
