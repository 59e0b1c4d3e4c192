//! Counts what AWS throttles, attempt by attempt. The SDK's own retries hide most of it from the
//! callers.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use aws_sdk_ecs::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, http::HttpResponse,
        interceptors::FinalizerInterceptorContextRef,
    },
    error::BoxError,
};

use crate::call::is_throttling;

/// The number of attempts that AWS throttled. All clients with a clone share one count.
#[derive(Clone, Debug, Default)]
pub struct Throttles(Arc<AtomicU32>);

impl Throttles {
    /// Returns the count and sets it to 0.
    pub fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Intercept for Throttles {
    fn name(&self) -> &'static str {
        "Throttles"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // After each attempt, because the error that a caller sees is the last attempt's alone.
        if context.response().is_some_and(says_so) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// True if the answer refuses a call for its rate. Each protocol says so in its own place.
fn says_so(response: &HttpResponse) -> bool {
    let status = response.status().as_u16();
    if status < 400 {
        return false;
    }
    let named = response
        .headers()
        .get("x-amzn-errortype")
        .unwrap_or_default();
    let body = response.body().bytes().unwrap_or_default();
    status == 429 || is_throttling(named) || is_throttling(&String::from_utf8_lossy(body))
}
