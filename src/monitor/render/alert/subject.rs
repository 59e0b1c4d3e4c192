//! An alert's subject: how many, who, where, and the cause in words.

use super::Failures;
use crate::{
    monitor::decide::{
        event::{Kind, ServiceEvent},
        group::Subject,
    },
    subject::{LONGEST, ascii, fitted},
};

/// Characters of a name that stay if a subject has no room for all.
const BEGINNING: usize = 16;

/// Renders the subject, with account and region if there is room.
pub(super) fn render(failures: &Failures<'_>) -> String {
    let event = failures.failing.event;
    let what = match (failures.failing.what, failures.count, failures.since) {
        (Subject::Task(..), 1, None) => "ECS task failed".to_owned(),
        (Subject::Task(..), count, None) => format!("{count} ECS tasks failed"),
        (Subject::Task(..), 1, Some(_)) => "1 more ECS task failed".to_owned(),
        (Subject::Task(..), count, Some(_)) => format!("{count} more ECS tasks failed"),
        (Subject::Restarting(_), _, None) => "ECS service restarting".to_owned(),
        (Subject::Restarting(_), count, Some(_)) => {
            format!("ECS service restarting, {count} more times")
        }
        (Subject::Service(service), 1, None) => in_trouble(service),
        // A hook is reported at the end of its patience.
        (Subject::Service(service), 1, Some(_)) if service.awaits_action() => in_trouble(service),
        (Subject::Service(service), count, None) => {
            format!("{}, {count} times", in_trouble(service))
        }
        (Subject::Service(service), 1, Some(_)) => format!("{}, once more", in_trouble(service)),
        (Subject::Service(service), count, Some(_)) => {
            format!("{}, {count} more times", in_trouble(service))
        }
    };
    let [cluster, who, cause] = [
        &failures.group.cluster,
        &failures.group.service,
        &failures.group.cause,
    ]
    .map(|text| ascii(text));
    let named = who_and_where(&who, &cluster)
        .len()
        .min(2 * BEGINNING + " on ".len());
    let cause = short_cause(
        &cause,
        LONGEST.saturating_sub(what.len() + 2 * ": ".len() + named),
    );
    let rest = what.len() + ": ".len() + " on ".len() + ": ".len() + cause.len();
    let (who, cluster) = shortened(&who, &cluster, LONGEST.saturating_sub(rest));
    let about = who_and_where(&who, &cluster);
    let subject = [what, about, cause]
        .into_iter()
        .filter(|part| !part.is_empty());
    let subject = subject.collect::<Vec<_>>().join(": ");
    let place = ascii(&format!(" ({}, {})", event.account, event.region));
    let region = ascii(&format!(" ({})", event.region));
    match [place, region]
        .into_iter()
        .find(|place| subject.len() + place.len() <= LONGEST)
    {
        Some(place) => subject + &place,
        None => fitted(subject),
    }
}

fn in_trouble(service: &ServiceEvent) -> String {
    match service.kind {
        Kind::RunTask => "ECS task not started".to_owned(),
        kind => format!("ECS {} in trouble", kind.noun()),
    }
}

/// Shortens the cause to so many characters. The code or the event stands at its end, so a long
/// name in front of it is cut, and an explanation behind it is left out.
fn short_cause(cause: &str, room: usize) -> String {
    if cause.len() <= room {
        return cause.to_owned();
    }
    let bare = cause.split_once(" (").map_or(cause, |(bare, _)| bare);
    let end = [" exited with ", " ended without "]
        .iter()
        .find_map(|said| bare.rfind(said));
    match end {
        Some(at) if bare.len() > room => {
            let name =
                &bare[..at.min(room.saturating_sub(bare.len() - at).max(BEGINNING) - "...".len())];
            format!("{name}...{}", &bare[at..])
        }
        _ => bare.to_owned(),
    }
}

/// `web on prod`, as far as the event says.
pub(super) fn who_and_where(service: &str, cluster: &str) -> String {
    let place = if cluster.is_empty() {
        String::new()
    } else {
        format!("on {cluster}")
    };
    [service, &place]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Shortens both names to so many characters, but keeps the beginning of each: the cause comes
/// after them. CDK's names alone can fill a subject.
fn shortened(service: &str, cluster: &str, room: usize) -> (String, String) {
    let half = (room / 2).max(BEGINNING);
    let room_beside = |other: &str| half.max(room.saturating_sub(other.len()));
    let cut = |name: &str, room: usize| match name.len() <= room {
        true => name.to_owned(),
        false => format!("{}...", &name[..room - 3]),
    };
    (
        cut(service, room_beside(cluster)),
        cut(cluster, room_beside(service)),
    )
}
