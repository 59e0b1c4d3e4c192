//! Patterns over messages that AWS documents only by example, and that differ between agents.
//!
//! `*` stands for any text, and `{name}` for one word that is captured. `^` and `$` bind a pattern
//! to the ends of the message; without them it matches anywhere. Case, quotes and white space do
//! not matter.

use std::collections::BTreeMap;

/// The words that a pattern captured, by name.
pub(super) type Captures = BTreeMap<&'static str, String>;

/// A message, normalised for comparison.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    plain: String,
    lower: String,
}

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Glob {
    parts: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// This text, in lower case.
    Text(String),
    /// Any text.
    Any,
    /// One word.
    Word(&'static str),
    /// The end of the message.
    End,
}

impl Saying {
    /// A message as AWS wrote it.
    pub(super) fn new(text: &str) -> Self {
        let plain = plain(text);
        // ASCII only, so that both texts have the same length and an index into one fits the other.
        let lower = plain.to_ascii_lowercase();
        Self { plain, lower }
    }
}

impl Glob {
    pub(super) fn new(written: &'static str) -> Self {
        let (from_start, written) = strip(written.strip_prefix('^'), written);
        let (to_end, written) = strip(written.strip_suffix('$'), written);
        let mut parts = if from_start {
            Vec::new()
        } else {
            vec![Piece::Any]
        };
        let mut rest = written;
        while let Some(at) = rest.find(['*', '{']) {
            parts.extend(text(&rest[..at]));
            if let Some(after) = rest[at..].strip_prefix('*') {
                parts.push(Piece::Any);
                rest = after;
            } else {
                let (name, after) = rest[at + 1..]
                    .split_once('}')
                    .unwrap_or((&rest[at + 1..], ""));
                parts.push(Piece::Word(name));
                rest = after;
            }
        }
        parts.extend(text(rest));
        parts.extend(to_end.then_some(Piece::End));
        Self { parts }
    }

    /// The captured words, or `None` if the message does not match.
    pub(super) fn find(&self, message: &Saying) -> Option<Captures> {
        let mut captures = Captures::new();
        fits(&self.parts, message, 0, &mut captures).then_some(captures)
    }
}

fn strip<'p>(stripped: Option<&'p str>, whole: &'p str) -> (bool, &'p str) {
    stripped.map_or((false, whole), |stripped| (true, stripped))
}

fn text(written: &str) -> Option<Piece> {
    let text: String = written.chars().filter(|char| !is_quote(*char)).collect();
    (!text.is_empty()).then(|| Piece::Text(text.to_ascii_lowercase()))
}

/// True if the message from `at` on matches these parts.
fn fits(parts: &[Piece], message: &Saying, at: usize, captures: &mut Captures) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return true;
    };
    match part {
        // Some agents end their messages with a full stop.
        Piece::End => message.lower[at..].trim_end_matches('.').is_empty(),
        Piece::Text(text) => {
            message.lower[at..].starts_with(text.as_str())
                && fits(rest, message, at + text.len(), captures)
        }
        Piece::Any => match rest.first() {
            Some(Piece::Text(next)) => {
                let mut from = at;
                while let Some(found) = message.lower[from..].find(next.as_str()) {
                    if fits(rest, message, from + found, captures) {
                        return true;
                    }
                    // By whole characters: an index inside one would panic.
                    from += found + char_len(&message.lower[from + found..]);
                }
                false
            }
            Some(Piece::Word(_)) => {
                let starts = message.lower[at..]
                    .match_indices(' ')
                    .map(|(space, _)| at + space + 1);
                [at].into_iter()
                    .chain(starts)
                    .any(|start| fits(rest, message, start, captures))
            }
            Some(Piece::Any) => fits(rest, message, at, captures),
            Some(Piece::End) | None => true,
        },
        Piece::Word(name) => {
            let length = message.plain[at..]
                .find(' ')
                .unwrap_or(message.plain.len() - at);
            let word = &message.lower[at..at + length];
            let ends = match rest.first() {
                // The text after the word may begin inside it: `app:9: not found`.
                Some(Piece::Text(next)) => {
                    let found = message.lower[at..]
                        .match_indices(next.as_str())
                        .map(|(end, _)| end);
                    found.take_while(|end| *end <= length).find(|end| *end > 0)
                }
                _ => Some(word.trim_end_matches(['.', ',', ':', ';', ')']).len())
                    .filter(|end| *end > 0),
            };
            let Some(end) = ends.filter(|end| fits(rest, message, at + end, captures)) else {
                return false;
            };
            captures.insert(name, message.plain[at..at + end].to_owned());
            true
        }
    }
}

fn char_len(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// A text without quotes, and with single spaces for white space. The agents differ in both.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars().filter(|char| !is_quote(*char)) {
        match char.is_whitespace() || char.is_control() {
            true if plain.ends_with(' ') || plain.is_empty() => {}
            true => plain.push(' '),
            false => plain.push(char),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

fn is_quote(char: char) -> bool {
    matches!(char, '\'' | '"' | '`' | '‘' | '’' | '“' | '”')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &'static str, message: &str, expected: Option<&[(&'static str, &str)]>) {
        let expected = expected.map(|all| {
            all.iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect::<Captures>()
        });
        assert_eq!(
            Glob::new(pattern).find(&Saying::new(message)),
            expected,
            "{pattern} on {message}"
        );
    }

    #[test]
    fn case_quotes_and_white_space_do_not_count() {
        check(
            "You've reached the limit",
            "  you’ve REACHED\n the limit.",
            Some(&[]),
        );
        check("no such host", "no such hos", None);
    }

    #[test]
    fn a_word_is_kept_up_to_the_text_behind_it() {
        check(
            "resolve ref {image}: not found",
            "failed to resolve ref docker.io/app:9: not found",
            Some(&[("image", "docker.io/app:9")]),
        );
        check(
            "the role '{role}' that",
            "assume the role 'arn:aws:iam::1:role/a' that was",
            Some(&[("role", "arn:aws:iam::1:role/a")]),
        );
        check(
            "resource: {on}",
            "on resource: arn:x.",
            Some(&[("on", "arn:x")]),
        );
        check("resource: {on}", "on resource: ", None);
    }

    #[test]
    fn stars_stand_for_any_text_and_anchors_for_the_ends() {
        check("pull * denied", "cannot pull: denied", None);
        check("pull*denied", "cannot pull this: denied", Some(&[]));
        check("^AGENT$", "AGENT", Some(&[]));
        check("^AGENT$", "the AGENT", None);
        check("^No tasks$", "No tasks.", Some(&[]));
        check(
            "fetch*{file} from",
            "fetch file a.env from s3",
            Some(&[("file", "a.env")]),
        );
    }

    #[test]
    fn a_hostile_message_is_searched_in_its_bounds() {
        check(
            "{file}: not found",
            "sh: 1: rake: not found",
            Some(&[("file", "rake")]),
        );
        check("é*ü", "ééé ü", Some(&[]));
        check("a*{x} é", "a é é", Some(&[("x", "é")]));
    }
}
