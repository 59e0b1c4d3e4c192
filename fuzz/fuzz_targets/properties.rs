//! Whatever a template says: properties that can be run, or every error of them in words.

#![no_main]

use ecs_tasks::properties::Properties;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(given) = serde_json::from_slice::<Value>(bytes) else { return };
    Properties::no_echo_of(&given);
    match Properties::read(&given) {
        Ok(properties) => {
            assert!(properties.count <= 10 && properties.timeout <= 3600 && properties.start_retries <= 5);
            assert!((1..=3600).contains(&properties.service_timeout));
            assert!(!properties.cluster.is_empty() && !properties.task_definition.is_empty());
        }
        Err(errors) => assert!(!errors.to_string().trim().is_empty()),
    }
});
