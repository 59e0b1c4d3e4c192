//! Lambda's detection of recursive loops. The trace header carries an invocation's position in its
//! chain, and a function that invokes itself passes the header on. There is no clock.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>

use crate::config::random_hex;

/// The length at which Lambda stops a chain, approximately.
pub const CHAIN_LIMIT: usize = 16;

/// True if Lambda silently drops an invocation, given its position in the chain, from 0.
pub fn is_stopped(position: usize, recursive_loop_allowed: bool) -> bool {
    position >= CHAIN_LIMIT && !recursive_loop_allowed
}

/// An invocation's position in its chain, from a trace header such as `…;Lineage=1:ab12:3`.
pub fn position(trace_header: &str) -> usize {
    let lineage = trace_header
        .split(';')
        .find_map(|part| part.strip_prefix("Lineage="));
    lineage
        .and_then(|lineage| lineage.rsplit(':').next()?.parse().ok())
        .unwrap_or(0)
}

/// A trace header for an invocation at this position.
pub(super) fn trace_header(position: usize) -> String {
    format!(
        "Root=1-{}-{};Parent={};Sampled=0;Lineage=1:{}:{position}",
        random_hex(8),
        random_hex(24),
        random_hex(16),
        random_hex(8)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_header_tells_the_position_in_the_chain() {
        assert_eq!(
            position("Root=1-a-b;Parent=c;Sampled=0;Lineage=1:ab12:3"),
            3
        );
        assert_eq!(position("Root=1-a-b"), 0);
        assert_eq!(position(""), 0);
        assert_eq!(position(&trace_header(15)), 15);
    }

    #[test]
    fn a_chain_ends_after_sixteen_invocations_unless_the_function_may_invoke_itself() {
        assert!(!is_stopped(15, false));
        assert!(is_stopped(16, false));
        assert!(!is_stopped(1000, true));
    }
}
