//! The WaitHandle of a request, and the checks that it can still be signalled.

use time::{Duration, OffsetDateTime};

use super::{Means, Refusal, Skip};
use crate::{
    cfn::{Request, RequestType, WaitHandle},
    properties::{MAX_WAIT, Properties},
    runner::decide::limit::SIGNAL_RESERVE,
};

/// The outcome of a request whose WaitHandle cannot be signalled.
pub(super) enum NotSignalled {
    /// The request fails.
    Refuse(Refusal),
    /// The request succeeds without a run.
    Skip(Skip),
}

/// The WaitHandle to signal, if the template gives one.
///
/// An Update with a used handle runs nothing: the rollback of an update brings the old handle back,
/// and must not fail for that.
pub(super) fn given(
    request: &Request,
    properties: &Properties,
    means: Means,
) -> Result<Option<WaitHandle>, NotSignalled> {
    let Some(text) = &properties.wait_handle else {
        return Ok(None);
    };
    let refuse = |refusal| Err(NotSignalled::Refuse(refusal));
    let is_update = request.request_type == RequestType::Update;
    if is_update && request.old_properties.wait_handle() == Some(text) {
        return Err(NotSignalled::Skip(Skip::HandleUsed));
    }
    let handle = match WaitHandle::parse(text, request.reply_to.region()) {
        Ok(handle) => handle,
        Err(error) => return refuse(Refusal::WaitHandle(error)),
    };
    if !means.remembers {
        return refuse(Refusal::NoLedger);
    }
    // A rollback can bring back an old handle that has expired by now.
    if let Some(expired) = handle
        .expires_at()
        .filter(|expiry| *expiry - SIGNAL_RESERVE <= means.now)
    {
        return match is_update {
            true => Err(NotSignalled::Skip(Skip::HandleUsed)),
            false => refuse(Refusal::HandleExpired {
                late_s: (means.now - expired).whole_seconds().max(0),
            }),
        };
    }
    if let Some(life) = handle.lifetime() {
        let most = life - SIGNAL_RESERVE;
        if Duration::seconds(properties.timeout.into()) > most {
            let (life_s, most_s) = (life.whole_seconds(), most.whole_seconds());
            return refuse(Refusal::OutlivesHandle {
                timeout_s: properties.timeout,
                life_s,
                most_s,
            });
        }
    }
    Ok(Some(handle))
}

/// The deadline of a run that signals this handle.
pub(super) fn signal_by(handle: &WaitHandle, requested_at: OffsetDateTime) -> OffsetDateTime {
    let longest = requested_at + Duration::seconds(MAX_WAIT.into());
    handle.expires_at().unwrap_or(longest) - SIGNAL_RESERVE
}
