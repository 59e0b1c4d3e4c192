//! `rehearse --docker`, as a person would use it, on the engine that DOCKER_HOST names: `make
//! docker`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says why"
)]

mod containers;
mod ends;
mod migration;
mod pull;
mod registry;
mod rehearsal;
