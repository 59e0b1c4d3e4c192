//! What stands around either Lambda: the clock, the log, the lines that become metrics, the payload as it
//! comes, an HTTP client, and which code this is.

pub mod cause;
pub mod clock;
pub mod embedded;
pub mod http;
pub mod logging;
pub mod payload;
pub mod version;
