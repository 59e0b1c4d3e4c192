//! An alert's subject: how many, who, where, and the cause in words.

use super::Failures;
use crate::monitor::decide::group::Broken;

/// SNS takes a subject of at most 100 ASCII characters.
pub(super) const SUBJECT: usize = 100;
/// How much of a name stays in a subject that has no room for it.
const BEGINNING: usize = 16;

/// The subject, with account and region where there is room.
pub(super) fn render(failures: &Failures<'_>) -> String {
    let event = failures.failing.event;
    let what = match (failures.failing.what, failures.count, failures.since) {
        (Broken::Task(..), 1, None) => "ECS task failed".to_owned(),
        (Broken::Task(..), count, None) => format!("{count} ECS tasks failed"),
        (Broken::Task(..), 1, Some(_)) => "1 more ECS task failed".to_owned(),
        (Broken::Task(..), count, Some(_)) => format!("{count} more ECS tasks failed"),
        (Broken::Service(_), 1, None) => "ECS service in trouble".to_owned(),
        (Broken::Service(_), count, None) => format!("ECS service in trouble, {count} times"),
        (Broken::Service(_), 1, Some(_)) => "ECS service in trouble, once more".to_owned(),
        (Broken::Service(_), count, Some(_)) => format!("ECS service in trouble, {count} more times"),
    };
    let [cluster, who, words] =
        [&failures.group.cluster, &failures.group.who, &failures.group.words].map(|text| plain(text));
    let rest = what.len() + ": ".len() + " on ".len() + ": ".len() + words.len();
    let (who, cluster) = shortened(&who, &cluster, SUBJECT.saturating_sub(rest));
    let about = who_and_where(&who, &cluster);
    let subject = [what, about, words].into_iter().filter(|part| !part.is_empty());
    let subject = subject.collect::<Vec<_>>().join(": ");
    let place = plain(&format!(" ({}, {})", event.account, event.region));
    let region = plain(&format!(" ({})", event.region));
    // Plain is ASCII, so that a byte is a character.
    match [place, region].into_iter().find(|place| subject.len() + place.len() <= SUBJECT) {
        Some(place) => subject + &place,
        None if subject.len() <= SUBJECT => subject,
        None => format!("{}...", subject[..SUBJECT - 3].trim_end()),
    }
}

/// `web on prod`, as far as the event says.
pub(super) fn who_and_where(who: &str, cluster: &str) -> String {
    let place = if cluster.is_empty() { String::new() } else { format!("on {cluster}") };
    [who, &place].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Both names in so many characters, as far as each keeps its beginning: the cause stands behind them. CDK's
/// names alone can fill a subject.
fn shortened(who: &str, cluster: &str, room: usize) -> (String, String) {
    let half = (room / 2).max(BEGINNING);
    let room_beside = |other: &str| half.max(room.saturating_sub(other.len()));
    let cut = |name: &str, room: usize| match name.len() <= room {
        true => name.to_owned(),
        false => format!("{}...", &name[..room - 3]),
    };
    (cut(who, room_beside(cluster)), cut(cluster, room_beside(who)))
}

/// What SNS takes in a subject.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' }).collect()
}
