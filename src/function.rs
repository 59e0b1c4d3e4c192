//! What stands around either Lambda: the clock, the log, the payload as it comes, an HTTP client, and which
//! code this is.

pub mod cause;
pub mod clock;
pub mod http;
pub mod logging;
pub mod payload;
pub mod version;
