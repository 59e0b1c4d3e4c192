//! Fargate's rules for a task definition.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>

use serde_json::Value;

/// CPU units and their memory in MiB: from, to, and the step between.
const SIZES: [(u64, u64, u64, u64); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// Checks a definition in ECS's spelling. `Err` is the first rule that it breaks, in ECS's words.
pub(super) fn check(definition: &Value, network_mode: &str) -> Result<(), String> {
    if network_mode != "awsvpc" {
        return Err(format!(
            "Fargate only supports network mode 'awsvpc', not '{network_mode}'."
        ));
    }
    let size = |name: &str| {
        let missing = || {
            Err(format!(
                "Fargate requires that '{name}' be defined at the task level."
            ))
        };
        size(&definition[name], name).unwrap_or_else(missing)
    };
    let (cpu, memory) = (size("cpu")?, size("memory")?);
    let fits = |(units, from, to, step): &(u64, u64, u64, u64)| {
        *units == cpu
            && (*from..=*to).contains(&memory)
            && (memory - from) % step == 0
            // 0.25 vCPU goes with 0.5, 1 or 2 GB, so this step is left out.
            && !(cpu == 256 && memory == 1536)
    };
    if !SIZES.iter().any(fits) {
        return Err(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
        ));
    }
    let containers = definition["containerDefinitions"]
        .as_array()
        .into_iter()
        .flatten();
    let is_logging = |container: &Value| container["logConfiguration"]["logDriver"] == "awslogs";
    let is_of_ecr = |container: &Value| container["image"].as_str().is_some_and(is_of_ecr);
    let has_role = definition["executionRoleArn"]
        .as_str()
        .is_some_and(|role| !role.is_empty());
    // The agent needs the role to pull images and to write to the log group, before any container
    // runs.
    let what = match has_role {
        true => return Ok(()),
        false if containers.clone().any(is_of_ecr) => "ECR images",
        false if containers.clone().any(is_logging) => "log driver awslogs",
        false => return Ok(()),
    };
    Err(format!(
        "Fargate requires task definition to have execution role ARN to support {what}."
    ))
}

/// Checks the task sizes of a run, whose overrides may have others than the definition.
pub(super) fn check_overrides(definition: &Value, overrides: &Value) -> Result<(), String> {
    let of = |name: &str| match &overrides[name] {
        Value::Null => definition[name].clone(),
        given => given.clone(),
    };
    if overrides["cpu"].is_null() && overrides["memory"].is_null() {
        return Ok(());
    }
    let sizes = serde_json::json!({"cpu": of("cpu"), "memory": of("memory")});
    check(&sizes, "awsvpc")
}

/// True for an image of a private repository: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/…`.
fn is_of_ecr(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or_default();
    let account = host.split('.').next().unwrap_or_default();
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && (host.contains(".dkr.ecr.") || host.contains(".dkr-ecr."))
}

/// A task's `cpu` in units or `memory` in MiB, if given.
pub(super) fn size(value: &Value, name: &str) -> Option<Result<u64, String>> {
    let text = text(value)?;
    Some(units(&text, name).ok_or_else(|| format!("Invalid '{name}' setting for task: {text}.")))
}

/// A size such as `256`, `.25 vCPU`, `512` or `0.5 GB`.
fn units(text: &str, name: &str) -> Option<u64> {
    let lower = text.to_lowercase().replace(' ', "");
    let unit = if name == "cpu" { "vcpu" } else { "gb" };
    match lower.strip_suffix(unit) {
        Some(number) => number
            .parse::<f64>()
            .ok()
            .map(|number| (number * 1024.0) as u64),
        None => lower.parse().ok(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(cpu: &str, memory: &str, expected: &str) {
        let definition = json!({"cpu": cpu, "memory": memory, "containerDefinitions": []});
        assert_eq!(check(&definition, "awsvpc").unwrap_err(), expected);
    }

    #[test]
    fn fargates_sizes_are_accepted_in_either_unit() {
        for (cpu, memory) in [
            ("256", "512"),
            (".25 vCPU", "2 GB"),
            ("1024", "3072"),
            ("16 vCPU", "120GB"),
        ] {
            let definition = json!({"cpu": cpu, "memory": memory, "containerDefinitions": []});
            assert_eq!(check(&definition, "awsvpc"), Ok(()), "{cpu} {memory}");
        }
    }

    #[test]
    fn definitions_that_fargate_refuses_are_refused() {
        refused(
            "256",
            "4096",
            "No Fargate configuration exists for given values: 256 CPU, 4096 memory.",
        );
        refused(
            "100",
            "512",
            "No Fargate configuration exists for given values: 100 CPU, 512 memory.",
        );
        refused("big", "512", "Invalid 'cpu' setting for task: big.");
        let bridge = check(&json!({"cpu": "256", "memory": "512"}), "bridge");
        assert_eq!(
            bridge.unwrap_err(),
            "Fargate only supports network mode 'awsvpc', not 'bridge'."
        );
        let without = check(&json!({"memory": "512"}), "awsvpc").unwrap_err();
        assert_eq!(
            without,
            "Fargate requires that 'cpu' be defined at the task level."
        );
        let logging = json!({"cpu": "256", "memory": "512",
            "containerDefinitions": [{"logConfiguration": {"logDriver": "awslogs"}}]});
        assert!(
            check(&logging, "awsvpc")
                .unwrap_err()
                .contains("execution role ARN")
        );
        let of = |image: &str, role: &str| {
            let containers = json!([{"image": image}]);
            let sizes = json!({"cpu": "256", "memory": "512"});
            let mut definition = sizes.clone();
            definition["containerDefinitions"] = containers;
            definition["executionRoleArn"] = role.into();
            check(&definition, "awsvpc")
        };
        let ecr = "123456789012.dkr.ecr.us-west-2.amazonaws.com/shop:1";
        assert!(of(ecr, "").unwrap_err().ends_with("to support ECR images."));
        assert_eq!(of(ecr, "arn:aws:iam::123456789012:role/execution"), Ok(()));
        assert_eq!(of("public.ecr.aws/docker/library/busybox", ""), Ok(()));
    }

    #[test]
    fn overrides_must_be_a_size_of_fargates() {
        let definition = json!({"cpu": "256", "memory": "512"});
        let run = |overrides| check_overrides(&definition, &overrides);
        assert_eq!(run(json!({})), Ok(()));
        assert_eq!(run(json!({"cpu": "512", "memory": "1024"})), Ok(()));
        assert_eq!(
            run(json!({"cpu": "512"})).unwrap_err(),
            "No Fargate configuration exists for given values: 512 CPU, 512 memory."
        );
    }
}
