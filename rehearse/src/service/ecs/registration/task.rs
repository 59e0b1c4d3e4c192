//! Rules of the task as a whole.

use serde_json::Value;

use super::{Broken, Facts, is_given, is_name, is_true, items};
use crate::service::ecs::fargate;

/// Containers that a definition can have.
const MAX_CONTAINERS: usize = 10;
/// CPU units that a task on an instance can have.
const CPU_UNITS: core::ops::RangeInclusive<u64> = 128..=196_608;

/// Kinds of volumes, each with the member that makes one.
const VOLUME_KINDS: [&str; 5] = [
    "dockerVolumeConfiguration",
    "efsVolumeConfiguration",
    "s3filesVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "host",
];

pub(super) fn check(facts: &Facts<'_>, broken: &mut Broken) {
    let definition = facts.definition;
    if let Some(family) = definition["family"]
        .as_str()
        .filter(|family| !is_name(family))
    {
        broken.when(true, "Family", || {
            format!(
                "Family must be 1 to 255 letters, numbers, hyphens and underscores, not {family}."
            )
        });
    }
    check_size(facts, broken);
    broken.one_of(
        &definition["pidMode"],
        &["host", "task"],
        "PidMode".to_owned(),
        "pidMode",
    );
    broken.one_of(
        &definition["ipcMode"],
        &["host", "task", "none"],
        "IpcMode".to_owned(),
        "ipcMode",
    );
    let architecture = &definition["runtimePlatform"]["cpuArchitecture"];
    let place = "RuntimePlatform.CpuArchitecture".to_owned();
    broken.one_of(architecture, &["X86_64", "ARM64"], place, "cpuArchitecture");
    let storage = &definition["ephemeralStorage"]["sizeInGiB"];
    broken.between(
        storage,
        21,
        200,
        "EphemeralStorage.SizeInGiB".to_owned(),
        "ephemeralStorage.sizeInGiB",
    );
    for (index, one) in items(&definition["placementConstraints"]).enumerate() {
        let place = format!("PlacementConstraints[{index}].Type");
        broken.one_of(
            &one["type"],
            &["memberOf"],
            place,
            "The type of a placement constraint",
        );
    }
    let constraints = definition["placementConstraints"]
        .as_array()
        .map_or(0, Vec::len);
    broken.when(constraints > 10, "PlacementConstraints", || {
        format!("A task definition can have 10 placementConstraints, not {constraints}.")
    });
    let tags = definition["tags"].as_array().map_or(0, Vec::len);
    broken.when(tags > 50, "Tags", || {
        format!("A task definition can have 50 tags, not {tags}.")
    });
    for (index, tag) in items(&definition["tags"]).enumerate() {
        let key = tag["key"].as_str().unwrap_or_default();
        let is_reserved = key.to_ascii_lowercase().starts_with("aws:");
        broken.when(is_reserved, format!("Tags[{index}].Key"), || {
            format!("aws: prefixed tag key names are not allowed for external use: {key}.")
        });
    }
    check_containers(facts, broken);
    check_volumes(facts, broken);
    if facts.is_for_fargate {
        check_fargate(facts, broken);
    }
}

/// The task's CPU and memory, and its containers' shares of them.
fn check_size(facts: &Facts<'_>, broken: &mut Broken) {
    let size = |name: &str| fargate::size(&facts.definition[name], name);
    // Fargate's own rules name the sizes that go together.
    if !facts.is_for_fargate {
        for (name, place) in [("cpu", "Cpu"), ("memory", "Memory")] {
            if let Some(Err(problem)) = size(name) {
                broken.when(true, place, || problem);
            }
        }
    }
    if let Some(Ok(cpu)) = size("cpu") {
        broken.when(
            !facts.is_for_fargate && !CPU_UNITS.contains(&cpu),
            "Cpu",
            || {
                format!(
                    "Invalid 'cpu' setting for task: {cpu} is not from 128 to 196608 CPU units."
                )
            },
        );
        let of_containers: i64 = containers(facts)
            .filter_map(|one| one["cpu"].as_i64())
            .sum();
        broken.when(
            u64::try_from(of_containers).unwrap_or(0) > cpu,
            "Cpu",
            || format!("The containers' cpu ({of_containers}) is more than the task's ({cpu})."),
        );
    }
    if let Some(Ok(memory)) = size("memory") {
        // ECS subtracts the reservation from the task's memory if there is one, and the limit
        // otherwise.
        let reserved = |one: &Value| {
            one["memoryReservation"]
                .as_i64()
                .or_else(|| one["memory"].as_i64())
        };
        let of_containers: i64 = containers(facts).filter_map(reserved).sum();
        broken.when(u64::try_from(of_containers).unwrap_or(0) > memory, "Memory", || {
            format!("The containers' memory ({of_containers} MiB) is more than the task's ({memory} MiB).")
        });
    }
}

/// Rules that several containers break together.
fn check_containers(facts: &Facts<'_>, broken: &mut Broken) {
    let count = containers(facts).count();
    broken.when(count > MAX_CONTAINERS, "ContainerDefinitions", || {
        format!("A task definition can have {MAX_CONTAINERS} containers, not {count}.")
    });
    let mut seen = Vec::new();
    for (index, name) in containers(facts)
        .filter_map(|one| one["name"].as_str())
        .enumerate()
    {
        broken.when(seen.contains(&name), format!("ContainerDefinitions[{index}].Name"), || {
            format!("Container names must be unique within a task definition: {name} stands there twice.")
        });
        seen.push(name);
    }
    let routers = containers(facts)
        .filter(|one| is_given(&one["firelensConfiguration"]))
        .count();
    broken.when(routers > 1, "ContainerDefinitions", || {
        "A task definition can have one container with a firelensConfiguration.".to_owned()
    });
    let requirements = |kind: &'static str| {
        let of_kind = move |one: &&Value| one["type"] == kind;
        containers(facts)
            .flat_map(|container| items(&container["resourceRequirements"]))
            .filter(of_kind)
    };
    let neuron = requirements("NeuronDevice").count();
    broken.when(neuron > 1, "ContainerDefinitions", || {
        format!("One container of a task definition can have a NeuronDevice, not {neuron}.")
    });
    let shares = |one: &Value| is_given(&one["sharingStrategy"]);
    let shared = requirements("GPU").filter(|one| shares(one)).count();
    broken.when(
        shared > 0 && shared < requirements("GPU").count(),
        "ContainerDefinitions",
        || "All GPUs of a task definition need value, or all need sharingStrategy.".to_owned(),
    );
    let proxy = &facts.definition["proxyConfiguration"];
    let container = proxy["containerName"].as_str();
    if let Some(unknown) =
        container.filter(|name| containers(facts).all(|one| one["name"] != **name))
    {
        broken.when(true, "ProxyConfiguration.ContainerName", || {
            format!("The proxy's container {unknown} is not in the task definition.")
        });
    }
}

fn check_volumes(facts: &Facts<'_>, broken: &mut Broken) {
    let volumes = || items(&facts.definition["volumes"]);
    for (index, volume) in volumes().enumerate() {
        let name = volume["name"].as_str().unwrap_or_default();
        let place = |member: &str| format!("Volumes[{index}].{member}");
        broken.when(!name.is_empty() && !is_name(name), place("Name"), || {
            format!(
                "Volume name {name} must be 1 to 255 letters, numbers, hyphens and underscores."
            )
        });
        let kinds = VOLUME_KINDS
            .iter()
            .filter(|kind| is_given(&volume[**kind]))
            .count();
        broken.when(kinds > 1, format!("Volumes[{index}]"), || {
            format!("Volume {name} can have one configuration only.")
        });
        let efs = &volume["efsVolumeConfiguration"];
        let authorization = &efs["authorizationConfig"];
        let needs_transit =
            is_given(&authorization["accessPointId"]) || authorization["iam"] == "ENABLED";
        let transit = "EFSVolumeConfiguration.TransitEncryption";
        broken.when(needs_transit && efs["transitEncryption"] != "ENABLED", place(transit), || {
            format!(
                "Volume {name}: transitEncryption must be ENABLED with an access point or IAM authorization."
            )
        });
        for (member, access_point, written) in [
            (
                efs,
                &authorization["accessPointId"],
                "EFSVolumeConfiguration",
            ),
            (
                &volume["s3filesVolumeConfiguration"],
                &volume["s3filesVolumeConfiguration"]["accessPointArn"],
                "S3FilesVolumeConfiguration",
            ),
        ] {
            let root = member["rootDirectory"].as_str().unwrap_or("/");
            let is_broken = is_given(access_point) && !matches!(root, "/" | "");
            broken.when(is_broken, place(&format!("{written}.RootDirectory")), || {
                format!(
                    "Volume {name}: with an access point rootDirectory must be / or left out, not {root}."
                )
            });
        }
        broken.when(
            facts.is_for_fargate && is_given(&volume["host"]["sourcePath"]),
            place("Host"),
            || format!("Volume {name}: Fargate does not support host.sourcePath."),
        );
        let docker = is_given(&volume["dockerVolumeConfiguration"]);
        broken.when(
            facts.is_for_fargate && docker,
            place("DockerVolumeConfiguration"),
            || format!("Volume {name}: Fargate does not support dockerVolumeConfiguration."),
        );
    }
    let at_launch = volumes()
        .filter(|volume| is_true(&volume["configuredAtLaunch"]))
        .count();
    broken.when(at_launch > 1, "Volumes", || {
        "A task definition can have one volume that is configuredAtLaunch.".to_owned()
    });
}

fn check_fargate(facts: &Facts<'_>, broken: &mut Broken) {
    let definition = facts.definition;
    broken.when(definition["pidMode"] == "host", "PidMode", || {
        "Fargate supports the pidMode task only, not host.".to_owned()
    });
    broken.when(is_given(&definition["ipcMode"]), "IpcMode", || {
        "Fargate does not support ipcMode.".to_owned()
    });
    broken.when(
        is_given(&definition["placementConstraints"]),
        "PlacementConstraints",
        || "Fargate does not support placementConstraints.".to_owned(),
    );
    let needs_role =
        |one: &Value| is_given(&one["secrets"]) || is_given(&one["repositoryCredentials"]);
    let secret_options = |one: &Value| is_given(&one["logConfiguration"]["secretOptions"]);
    let is_broken = !is_given(&definition["executionRoleArn"])
        && containers(facts).any(|one| needs_role(one) || secret_options(one));
    broken.when(is_broken, "ExecutionRoleArn", || {
        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            .to_owned()
    });
    let cpu = fargate::size(&definition["cpu"], "cpu");
    broken.when(
        facts.is_windows && matches!(cpu, Some(Ok(0..=1023))),
        "Cpu",
        || "Windows containers on Fargate need at least 1024 CPU units.".to_owned(),
    );
}

fn containers<'d>(facts: &Facts<'d>) -> impl Iterator<Item = &'d Value> + use<'d> {
    facts.definition["containerDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
}
