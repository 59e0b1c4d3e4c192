//! The local stage: ECS on processes, CloudWatch Logs, Lambda and CloudFormation, on loopback and with their real
//! protocols, so that the real binary with the real SDK lives its whole life on one machine.
//!
//! [`stage::Stage`] wires the services together; [`stack::Stack`] takes a [`template::Template`] through create, update
//! and delete. None of it is in a Lambda's zip.

pub mod cli;
pub mod console;
pub mod recorded;
pub mod service;
pub mod stack;
pub mod stage;
pub mod template;

use time::OffsetDateTime;

/// The partition, region and account that the stage plays.
pub const REGION: &str = "us-west-2";
/// Documentation's account.
pub const ACCOUNT: &str = "123456789012";

/// An ARN of the stage's account.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// The wall's time.
#[expect(clippy::disallowed_methods, reason = "the stage plays AWS, whose clock is the wall's")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from(std::time::SystemTime::now())
}

/// Random hex digits, for ids that AWS would make up.
pub(crate) fn random_hex(digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect()
}

/// An id in the form of a UUID.
pub(crate) fn random_uuid() -> String {
    [8, 4, 4, 4, 12].map(random_hex).join("-")
}
