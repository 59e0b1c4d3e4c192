//! Whole lives of Custom::ECSTask: the real binary on the local stage.

mod delivery;
mod lives;
mod properties;
mod purity;
mod rehearsal;
mod scenario;
mod stage;
