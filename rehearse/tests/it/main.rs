//! The command `rehearse`, with the functions' real binaries: `cargo test` at the root builds them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says why"
)]

mod engine;
mod rehearsal;
