//! Writes a Reason within a number of bytes, counted as serialized in JSON.

use super::Reason;

/// The lengths that a long detail is cut to if not all of them fit. Each step applies to all
/// details.
const DETAIL_LIMITS: [usize; 4] = [1000, 400, 150, 60];

/// The longest log line. Several short lines tell more than one very long one.
const LOG_LINE_LIMIT: usize = 500;

impl Reason {
    /// The text, at most `room` bytes of JSON. Drops or shortens, in this order: log lines from the
    /// oldest on, further failures from the last on, the length of AWS's words and of the facts,
    /// then the id, the places, AWS's words, the facts and the steps, and at last the end of the
    /// lead.
    pub fn fit(&self, room: usize) -> String {
        let mut reason = self.clone();
        let texts = reason
            .steps
            .iter_mut()
            .chain(&mut reason.facts)
            .chain(&mut reason.said);
        for text in [&mut reason.lead]
            .into_iter()
            .chain(texts)
            .chain(&mut reason.further)
        {
            *text = without_controls(text);
        }
        loop {
            let text = reason.text();
            if serialized_len(&text) <= room {
                return text;
            }
            if !reason.log.is_empty() {
                // The oldest lines go first: a program's last line mostly names its error.
                reason.log.remove(0);
            } else if reason.further.len() > 1 {
                // The first one stays, because it counts the others.
                reason.further.pop();
            } else if let Some(limit) = limit_to_cut_to(reason.said.iter().chain(&reason.facts)) {
                let details = reason.said.iter_mut().chain(&mut reason.facts);
                details.for_each(|detail| *detail = cut(detail, limit));
            } else if reason.id.take().is_some() || reason.drops_a_part() {
                // The loop tries again with the rest.
            } else if let Some(limit) = limit_to_cut_to(&reason.steps) {
                reason
                    .steps
                    .iter_mut()
                    .for_each(|step| *step = cut(step, limit));
            } else if reason.steps.pop().is_none() {
                return cut(&text, room);
            }
        }
    }

    /// Drops the last of the least useful parts other than lead and steps. False if there is none.
    fn drops_a_part(&mut self) -> bool {
        [&mut self.place, &mut self.said, &mut self.facts]
            .into_iter()
            .any(|parts| parts.pop().is_some())
    }

    fn text(&self) -> String {
        let mut sentences = vec![self.lead.clone()];
        sentences.extend(self.steps.iter().chain(&self.facts).cloned());
        if !self.log.is_empty() {
            sentences.push(format!("Last log lines: {}", self.log.join(" | ")));
        }
        sentences.extend(self.further.iter().cloned());
        if !self.said.is_empty() {
            sentences.push(format!("AWS says: {}", self.said.join("; ")));
        }
        if !self.place.is_empty() {
            sentences.push(self.place.join(", "));
        }
        let mut text = String::new();
        for sentence in sentences {
            if !text.is_empty() {
                text.push_str(if text.ends_with(['.', '!', '?', '…']) {
                    " "
                } else {
                    ". "
                });
            }
            text.push_str(&sentence);
        }
        text.extend(self.id.as_ref().map(|id| format!(" [{id}]")));
        text
    }
}

fn limit_to_cut_to<'t>(texts: impl IntoIterator<Item = &'t String>) -> Option<usize> {
    let longest = texts.into_iter().map(|text| serialized_len(text)).max()?;
    DETAIL_LIMITS.into_iter().find(|limit| longest > *limit)
}

fn serialized_len(text: &str) -> usize {
    // CloudFormation's limit holds for the body, in which JSON escapes quotes, backslashes and
    // controls.
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len() - 2)
}

/// The beginning of a text within `room` bytes of JSON. An ellipsis marks the cut.
fn cut(text: &str, room: usize) -> String {
    if serialized_len(text) <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub('…'.len_utf8());
    let mut end = 0;
    for (index, char) in text.char_indices() {
        let length = serialized_len(char.encode_utf8(&mut [0; 4]));
        if length > left {
            break;
        }
        left -= length;
        end = index + char.len_utf8();
    }
    let kept = &text[..end];
    if room < '…'.len_utf8() {
        kept.to_owned()
    } else {
        format!("{kept}…")
    }
}

/// A log line without control sequences, cut to a length that leaves room for others.
pub(super) fn log_line(line: &str) -> String {
    cut(&plain(line), LOG_LINE_LIMIT)
}

/// A log line without colours, other control sequences, and space around it.
pub fn plain(line: &str) -> String {
    without_controls(&anstream::adapter::strip_str(line).to_string())
        .trim()
        .to_owned()
}

/// A control character tells a reader nothing, and takes six bytes in JSON.
fn without_controls(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}
