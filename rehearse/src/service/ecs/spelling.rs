//! Turns a template's spelling and types into those of ECS: `ContainerDefinitions` becomes
//! `containerDefinitions`, and `"256"` a number where the API has one.

use serde_json::{Value, json};

/// Members that are numbers in ECS's API. `cpu` and `memory` are numbers in a container only.
const NUMBERS: [&str; 23] = [
    "base",
    "containerPort",
    "hardLimit",
    "hostPort",
    "ignoredExitCodes",
    "interval",
    "maxComputePercent",
    "maxSwap",
    "memoryReservation",
    "restartAttemptPeriod",
    "retries",
    "sharedMemorySize",
    "size",
    "sizeInGiB",
    "softLimit",
    "startPeriod",
    "startTimeout",
    "stopTimeout",
    "swappiness",
    "timeout",
    "timeoutInMinutes",
    "transitEncryptionPort",
    "weight",
];
const BOOLEANS: [&str; 12] = [
    "autoprovision",
    "configuredAtLaunch",
    "disableNetworking",
    "enabled",
    "enableFaultInjection",
    "essential",
    "initProcessEnabled",
    "interactive",
    "privileged",
    "pseudoTerminal",
    "readOnly",
    "readonlyRootFilesystem",
];
/// Objects with keys of the user's own, which stay as they are.
const OWN_KEYS: [&str; 5] = [
    "dockerLabels",
    "driverOpts",
    "hookDetails",
    "labels",
    "options",
];

/// A value in ECS's spelling. `name` is the member that holds it.
pub(super) fn normal(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(object) if OWN_KEYS.contains(&name) => Value::Object(object.clone()),
        Value::Object(object) => {
            let field = |(key, value): (&String, &Value)| {
                let key = lower_first(key);
                // The task's own cpu and memory are texts in the API.
                let is_number = matches!(
                    (name, key.as_str()),
                    ("containerDefinitions", "cpu" | "memory") | ("nvidiaMps", "memory")
                );
                let value = if is_number {
                    number(value)
                } else {
                    normal(value, &key)
                };
                (key, value)
            };
            Value::Object(object.iter().map(field).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| normal(item, name)).collect()),
        Value::String(_) if NUMBERS.contains(&name) => number(value),
        Value::String(text) if BOOLEANS.contains(&name) => {
            json!(text.eq_ignore_ascii_case("true"))
        }
        other => other.clone(),
    }
}

fn number(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| text.parse::<i64>().ok());
    // A made-up value stays a text, and the rules recognize it by that.
    parsed.map_or_else(|| value.clone(), Value::from)
}

fn lower_first(name: &str) -> String {
    // ECS writes an abbreviation at the beginning of a name in lower case. CloudFormation writes
    // AwsVpcConfiguration in a task set, and AwsvpcConfiguration everywhere else.
    for (written, own) in [
        ("AwsVpc", "awsvpc"),
        ("EFS", "efs"),
        ("FSx", "fsx"),
        ("IAM", "iam"),
        ("S3Files", "s3files"),
    ] {
        if let Some(rest) = name.strip_prefix(written) {
            return format!("{own}{rest}");
        }
    }
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

/// A member in CloudFormation's spelling.
pub(super) fn upper_first(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_templates_values_get_the_types_of_the_api() {
        let written = json!({
            "Cpu": "256",
            "Volumes": [
                {"EFSVolumeConfiguration": {"TransitEncryptionPort": "2049",
                    "AuthorizationConfig": {"IAM": "ENABLED"}}},
                {"ConfiguredAtLaunch": "true"},
            ],
            "NetworkConfiguration": {"AwsVpcConfiguration": {"Subnets": ["s"]}},
            "ContainerDefinitions": [{
                "ResourceRequirements": [{"SharingStrategy": {"NvidiaMps": {"Memory": "1024"}}}],
                "Name": "1", "Cpu": "128", "Memory": "64", "Essential": "True", "DockerLabels": {"Size": "5"},
                "HealthCheck": {"Command": ["CMD", "5"], "Interval": "5", "Retries": "3",
                    "StartPeriod": "10"},
                "Ulimits": [{"Name": "nofile", "SoftLimit": "-1", "HardLimit": "4096"}],
                "MountPoints": [{"SourceVolume": "v", "ReadOnly": "false"}],
                "LinuxParameters": {"InitProcessEnabled": "true", "Tmpfs": [{"Size": "16"}]},
                "RestartPolicy": {"Enabled": "true", "IgnoredExitCodes": ["0", "3"]},
            }],
        });
        let expected = json!({
            "cpu": "256",
            "volumes": [
                {"efsVolumeConfiguration": {"transitEncryptionPort": 2049,
                    "authorizationConfig": {"iam": "ENABLED"}}},
                {"configuredAtLaunch": true},
            ],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
            "containerDefinitions": [{
                "resourceRequirements": [{"sharingStrategy": {"nvidiaMps": {"memory": 1024}}}],
                "name": "1", "cpu": 128, "memory": 64, "essential": true, "dockerLabels": {"Size": "5"},
                "healthCheck": {"command": ["CMD", "5"], "interval": 5, "retries": 3, "startPeriod": 10},
                "ulimits": [{"name": "nofile", "softLimit": -1, "hardLimit": 4096}],
                "mountPoints": [{"sourceVolume": "v", "readOnly": false}],
                "linuxParameters": {"initProcessEnabled": true, "tmpfs": [{"size": 16}]},
                "restartPolicy": {"enabled": true, "ignoredExitCodes": [0, 3]},
            }],
        });
        assert_eq!(normal(&written, ""), expected);
    }
}
