//! The stage's made-up account, its clock, its ids, and the durations that it plays.

use std::time::Duration;

use time::OffsetDateTime;

/// The region that the stage plays.
pub const REGION: &str = "us-west-2";
/// The account in AWS's documentation.
pub const ACCOUNT: &str = "123456789012";

/// Durations that take longer at AWS.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time in each of PROVISIONING and PENDING.
    pub start: Duration,
    /// Time in DEPROVISIONING, some 20 s on Fargate.
    pub deprovision: Duration,
    /// Delays before the two retries of a failed asynchronous invocation, 1 and 2 minutes at AWS.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
    pub retries: [Duration; 2],
}

/// An ARN of the stage's account.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// The time of the system clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the stage plays AWS, whose clock is the wall's"
)]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from(std::time::SystemTime::now())
}

/// Random hex digits, for ids that AWS would make up.
pub(crate) fn random_hex(digits: usize) -> String {
    (0..digits)
        .map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0'))
        .collect()
}

pub(crate) fn random_digits(digits: usize) -> String {
    (0..digits)
        .map(|_| char::from(b'0' + fastrand::u8(0..10)))
        .collect()
}

/// A random id in the form of a UUID.
pub(crate) fn random_uuid() -> String {
    [8, 4, 4, 4, 12].map(random_hex).join("-")
}
