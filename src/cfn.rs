//! The custom-resource protocol: CloudFormation's requests, and the answers that it accepts.
//!
//! Pure vocabulary. [`Received`] is the envelope of a payload. It is parsed first and leniently,
//! because every request that can be answered must be answered. The properties inside are parsed
//! later (see [`crate::properties`]). [`Response`] is the body of the answer, never longer than
//! CloudFormation reads.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>

mod request;
mod response;
mod response_url;
mod signal;
mod wait_handle;

#[cfg(test)]
pub(crate) use request::fixtures;
pub use request::{RawProperties, Received, ReplyTo, Request, RequestType};
pub use response::{Data, MAX_RESPONSE_BYTES, Response, Status};
pub use response_url::{ResponseUrl, ResponseUrlError, is_loopback};
pub use signal::Signal;
pub use wait_handle::{WaitHandle, WaitHandleError};
