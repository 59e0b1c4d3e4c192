//! EventBridge's wildcard patterns: `*` stands for any text, `\*` and `\\` for themselves, and case
//! matters.
//!
//! Pure. The same patterns can stand in a rule:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching>

use std::fmt;

/// A pattern, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    /// The texts between the stars, in order; one more than there are stars.
    parts: Vec<String>,
}

/// The patterns of stops that nobody needs to know about.
pub fn default() -> Vec<Pattern> {
    [
        "Scaling activity initiated by*",
        "*container instance is in DRAINING state*",
        "*ECS is performing maintenance on the underlying infrastructure hosting the task*",
        "Task stopped during instance draining*",
    ]
    .map(Pattern::new)
    .to_vec()
}

impl Pattern {
    /// Reads a pattern; every text is one.
    pub fn new(written: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut chars = written.chars().peekable();
        while let Some(char) = chars.next() {
            let literal = match char {
                '*' => {
                    parts.push(String::new());
                    continue;
                }
                '\\' => chars
                    .next_if(|next| matches!(next, '*' | '\\'))
                    .unwrap_or(char),
                other => other,
            };
            parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.push(literal));
        }
        Self {
            written: written.to_owned(),
            parts,
        }
    }

    /// True if the pattern matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_everything_else_for_itself() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "ABC", false),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("*b*d*", "abcde", true),
            ("*d*b*", "abcde", false),
            ("*ab", "aab", true),
            ("a*ab*b", "aabb", true),
            ("a*ab*b", "aab", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\\*", r"a\bc", true),
            (r"a\c", r"a\c", true),
            ("a?c", "abc", false),
            ("*äöü*", "x äöü y", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                expected,
                "{pattern} on {text}"
            );
        }
    }
}
