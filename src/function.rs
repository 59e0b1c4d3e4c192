//! The parts that both Lambda functions share: the clock, the log, the metrics lines, the raw
//! payload, an HTTP client, and the code's version.

pub mod cause;
pub mod clock;
pub mod embedded;
pub mod http;
pub mod logging;
pub mod payload;
pub mod version;
