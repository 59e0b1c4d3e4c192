//! Unquoted scalars, as YAML 1.1 reads them and CloudFormation delivers them: `012345670123` is an
//! octal number and arrives as `1402433619`, `yes` as `true`, `1_000` as `1000`, `5.10` as `5.1`,
//! `12:30` as `750`.
//!
//! Dates stay as they are written: `Version: 2012-10-17` works unquoted.
//!
//! <https://yaml.org/type/int.html>

use saphyr::ScalarStyle;
use saphyr_parser::{Event, Parser};

/// A whole number above this one loses digits as a floating-point number.
const EXACT: i128 = 1 << 53;

/// A note on each unquoted scalar that arrives changed.
pub(super) fn notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let Event::Scalar(written, ScalarStyle::Plain, _, None) = event else {
            continue;
        };
        // `True` arrives as `true`, which is the same to a reader.
        if let Some(delivered) = delivered(&written).filter(|it| !it.eq_ignore_ascii_case(&written))
        {
            let line = span.start.line();
            notes.push(format!(
                "line {line}: {written} is not quoted, so YAML reads it as {delivered}, and CloudFormation \
                 delivers that: quote it if you mean a string"
            ));
        }
    }
    notes
}

/// The text that CloudFormation makes of an unquoted scalar; `None` if it is the same.
pub(super) fn delivered(written: &str) -> Option<String> {
    let delivered = match written {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "True" | "TRUE" => "true".to_owned(),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "False" | "FALSE" => "false".to_owned(),
        _ => number(written)?,
    };
    (delivered != written).then_some(delivered)
}

fn number(written: &str) -> Option<String> {
    let (sign, digits) = match written.as_bytes().first()? {
        b'-' => ("-", &written[1..]),
        b'+' => ("", &written[1..]),
        _ => ("", written),
    };
    if let Some(whole) = whole(digits) {
        return Some(match whole > EXACT {
            true => format!("{sign}{}", scientific(whole)),
            false => format!("{sign}{whole}"),
        });
    }
    fraction(digits).map(|fraction| format!("{sign}{fraction}"))
}

fn whole(digits: &str) -> Option<i128> {
    let plain = digits.replace('_', "");
    if !plain.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    if let Some(hex) = plain.strip_prefix("0x") {
        return i128::from_str_radix(hex, 16).ok();
    }
    if let Some(binary) = plain.strip_prefix("0b") {
        return i128::from_str_radix(binary, 2).ok();
    }
    if plain.len() > 1 && plain.starts_with('0') {
        // With an 8 or a 9 it is not octal, and stays a string.
        return i128::from_str_radix(&plain, 8).ok();
    }
    if plain.contains(':') {
        return sexagesimal(&plain);
    }
    plain.parse().ok()
}

/// `12:30:45`, whose parts after the first are below 60.
fn sexagesimal(plain: &str) -> Option<i128> {
    plain
        .split(':')
        .enumerate()
        .try_fold(0_i128, |sum, (index, part)| {
            let value: i128 = part.parse().ok()?;
            let fits = index == 0 || part.len() <= 2 && value < 60;
            fits.then_some(())?;
            sum.checked_mul(60)?.checked_add(value)
        })
}

/// `5.10`, which is the number 5.1.
fn fraction(digits: &str) -> Option<String> {
    let plain = digits.replace('_', "");
    let (before, after) = plain.split_once('.')?;
    let is_digits = |text: &str| text.chars().all(|char| char.is_ascii_digit());
    if before.is_empty() && after.is_empty() || !is_digits(before) || !is_digits(after) {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    Some(format!("{value:?}"))
}

/// `1.2345678901234567E19`
fn scientific(whole: i128) -> String {
    format!("{:E}", whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expected: &str) {
        assert_eq!(
            delivered(written).as_deref().unwrap_or(written),
            expected,
            "{written}"
        );
    }

    #[test]
    fn scalars_that_yaml_reads_as_another_type_arrive_changed() {
        check("012345670123", "1402433619");
        check("0777", "511");
        check("0x1F", "31");
        check("0b101", "5");
        check("1_000", "1000");
        check("+12", "12");
        check("-1_0", "-10");
        check("12:30", "750");
        check("22:22", "1342");
        check("12:30:45", "45045");
        check("5.10", "5.1");
        check(".5", "0.5");
        check("yes", "true");
        check("Off", "false");
        check("True", "true");
        check("12345678901234567890", "1.2345678901234567E19");
    }

    #[test]
    fn all_others_arrive_as_they_are_written() {
        for written in [
            "0",
            "8080",
            "123456789012",
            "089012345678",
            "-1",
            "1.0",
            "2.5",
            "1.4.0",
            "2012-10-17",
            "80:80",
            "y",
            "n",
            "a_b",
            "10.0.0.0/16",
            "1.2.3.4",
            "rate(5 minutes)",
            "_",
            ".",
            "-",
            "+",
            "",
            "12:99",
            "v1",
            "1e3",
            "true",
        ] {
            check(written, written);
        }
    }

    #[test]
    fn each_changed_scalar_is_noted_with_its_line() {
        let text = "A: 012345670123\nB: '0777'\nC: !Sub 0777\nD: yes\nE: true\nF: True\n";
        let notes = notes(text);
        assert_eq!(notes.len(), 2, "{notes:#?}");
        assert!(
            notes[0]
                .starts_with("line 1: 012345670123 is not quoted, so YAML reads it as 1402433619")
        );
        assert!(
            notes[1].starts_with("line 4: yes is not quoted, so YAML reads it as true"),
            "{notes:#?}"
        );
    }
}
