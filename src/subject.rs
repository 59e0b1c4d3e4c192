//! The subject of an SNS message: at most 100 ASCII characters without control characters.
//!
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

/// The longest subject that SNS accepts, in characters.
pub const LONGEST: usize = 100;

/// Replaces the characters that SNS does not accept. The result is ASCII, so a byte is a character.
pub fn ascii(text: &str) -> String {
    let accepted = |char: char| match char.is_ascii_graphic() || char == ' ' {
        true => char,
        false => '?',
    };
    text.chars().map(accepted).collect()
}

/// Cuts an ASCII subject that is too long, and marks the cut.
pub fn fitted(subject: String) -> String {
    match subject.len() <= LONGEST {
        true => subject,
        false => format!("{}...", subject[..LONGEST - 3].trim_end()),
    }
}
