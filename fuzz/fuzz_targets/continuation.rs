//! A continuation of any form is refused, or it can be resumed at any time without a panic and
//! handed over unchanged.

#![no_main]

use ecs_tasks::{outcome::Outcome, runner::decide::wait::Wait, task::Observation};
use libfuzzer_sys::fuzz_target;
use time::{Duration, OffsetDateTime};

fuzz_target!(|input: (i64, &[u8])| {
    let (seconds, bytes) = input;
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Ok(mut wait) = Wait::read(&value) else { return };
    let json = serde_json::to_value(&wait).expect("a continuation is JSON");
    assert_eq!(Wait::read(&json).as_ref(), Ok(&wait));
    // No invocation takes place in another century.
    let now = OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds.rem_euclid(4_000_000_000));
    let missing = Observation { tasks: Vec::new(), missing: wait.tasks.clone() };
    for observation in [Observation::default(), missing] {
        let outcome = wait.judge(&observation, wait.rules(None), now);
        wait.step(&outcome, now, now + Duration::seconds(880), 0.5);
        wait.step(&Outcome::Pending, now, now + Duration::seconds(880), 0.5);
    }
});
