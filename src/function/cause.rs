//! The cause at the end of a chain of errors.

use std::error::Error;

/// The text of the innermost source: libraries wrap it in "error sending request" and the like.
pub fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
