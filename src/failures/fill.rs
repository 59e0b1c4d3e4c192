//! Fills the leads and steps of the catalogue with the values of a failure.
//!
//! `{name}` stands for a value, and `{name|text}` for the text if the value is not known. `[…]` is
//! left out as a whole if a value in it is not known. `[deploy: …]` is for the reader of a stack's
//! events alone, and `[alert: …]` for the reader of an alert alone.

/// The two readers of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reader {
    /// Somebody whose deployment failed, and who can change and repeat it.
    #[default]
    OfDeploy,
    /// Somebody who got an alert of a task that a service, a schedule or a person started.
    OfAlert,
}

impl Reader {
    /// The beginning of a part that is for this reader alone.
    fn mark(self) -> &'static str {
        match self {
            Self::OfDeploy => "deploy: ",
            Self::OfAlert => "alert: ",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::OfDeploy => Self::OfAlert,
            Self::OfAlert => Self::OfDeploy,
        }
    }
}

/// The filled text. A name without value or alternative text leaves nothing.
pub(super) fn fill(
    template: &str,
    reader: Reader,
    value: &dyn Fn(&str) -> Option<String>,
) -> String {
    let (text, _) = filled(template, reader, value);
    text
}

/// The filled text, and true if every value in it is known.
fn filled(
    template: &str,
    reader: Reader,
    value: &dyn Fn(&str) -> Option<String>,
) -> (String, bool) {
    let (mut text, mut is_whole, mut rest) =
        (String::with_capacity(template.len()), true, template);
    while let Some(at) = rest.find(['{', '[']) {
        text.push_str(&rest[..at]);
        let (inner, after) = enclosed(&rest[at..]);
        if rest[at..].starts_with('[') {
            if !inner.starts_with(reader.other().mark()) {
                let inner = inner.strip_prefix(reader.mark()).unwrap_or(inner);
                let (part, is_known) = filled(inner, reader, value);
                text.push_str(if is_known { &part } else { "" });
            }
        } else {
            let (name, otherwise) = inner
                .split_once('|')
                .map_or((inner, None), |(a, b)| (a, Some(b)));
            match value(name).filter(|value| !value.is_empty()) {
                Some(value) => text.push_str(&value),
                None => {
                    is_whole &= otherwise.is_some();
                    text.push_str(otherwise.unwrap_or_default());
                }
            }
        }
        rest = after;
    }
    text.push_str(rest);
    (text, is_whole)
}

/// The text between a bracket and its closing one, and the text after that.
fn enclosed(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, char) in text.char_indices() {
        match char {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    (&text[1..], "")
}

/// Every name in a template.
pub fn names(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| {
        let (inner, _) = rest.split_once('}')?;
        Some(inner.split('|').next().unwrap_or(inner))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_what_is_not_known_is_left_out() {
        let value = |name: &str| (name == "image").then(|| "app:9".to_owned());
        assert_eq!(
            fill(
                "Pull {image} of {container|a container}",
                Reader::OfDeploy,
                &value
            ),
            "Pull app:9 of a container"
        );
        assert_eq!(
            fill(
                "Pull[ {image}][ of {container}] now",
                Reader::OfDeploy,
                &value
            ),
            "Pull app:9 now"
        );
        assert_eq!(
            fill(
                "Pull[ {image}[ of {container}]] now",
                Reader::OfDeploy,
                &value
            ),
            "Pull app:9 now"
        );
        let both = "[deploy: Deploy[ {container}] again][alert: Start {image} again]; look at it";
        for (reader, expected) in [
            (Reader::OfDeploy, "Deploy again; look at it"),
            (Reader::OfAlert, "Start app:9 again; look at it"),
        ] {
            assert_eq!(fill(both, reader, &value), expected);
        }
        assert_eq!(names("a {b} [c {d|e}]").collect::<Vec<_>>(), ["b", "d"]);
    }
}
