//! Rules of one container.

use serde_json::Value;

use super::{Broken, Facts, is_given, is_name, items};

const LOG_DRIVERS: [&str; 8] = [
    "json-file",
    "syslog",
    "journald",
    "gelf",
    "fluentd",
    "awslogs",
    "splunk",
    "awsfirelens",
];
const FARGATE_LOG_DRIVERS: [&str; 3] = ["awslogs", "splunk", "awsfirelens"];
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// Kernel parameters of the IPC namespace, below `kernel.`.
const IPC_CONTROLS: [&str; 8] = [
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "shmall",
    "shmmax",
    "shmmni",
    "shm_rmid_forced",
];
/// Members of LinuxParameters that Fargate refuses.
const INSTANCE_LINUX_PARAMETERS: [&str; 4] =
    ["devices", "sharedMemorySize", "maxSwap", "swappiness"];

/// Members of a container that are lists.
const LISTS: [(&str, &str); 18] = [
    ("command", "Command"),
    ("credentialSpecs", "CredentialSpecs"),
    ("dependsOn", "DependsOn"),
    ("dnsSearchDomains", "DnsSearchDomains"),
    ("dnsServers", "DnsServers"),
    ("dockerSecurityOptions", "DockerSecurityOptions"),
    ("entryPoint", "EntryPoint"),
    ("environment", "Environment"),
    ("environmentFiles", "EnvironmentFiles"),
    ("extraHosts", "ExtraHosts"),
    ("links", "Links"),
    ("mountPoints", "MountPoints"),
    ("portMappings", "PortMappings"),
    ("resourceRequirements", "ResourceRequirements"),
    ("secrets", "Secrets"),
    ("systemControls", "SystemControls"),
    ("ulimits", "Ulimits"),
    ("volumesFrom", "VolumesFrom"),
];

pub(super) fn check(facts: &Facts<'_>, container: &Value, place: &str, broken: &mut Broken) {
    for (member, written) in LISTS {
        let is_wrong = is_given(&container[member]) && !container[member].is_array();
        broken.when(is_wrong, format!("{place}.{written}"), || {
            format!("{written} must be a list. Write it as [\"...\"].")
        });
    }
    let name = container["name"].as_str().unwrap_or_default();
    broken.when(
        !name.is_empty() && !is_name(name),
        format!("{place}.Name"),
        || {
            format!(
                "Container name {name} must be 1 to 255 letters, numbers, hyphens and underscores."
            )
        },
    );
    let one = Container {
        facts,
        json: container,
        name,
        place,
    };
    one.check_memory(broken);
    one.check_network(broken);
    one.check_ports(broken);
    one.check_environment(broken);
    one.check_health_check(broken);
    one.check_logging(broken);
    one.check_dependencies(broken);
    one.check_mounts(broken);
    one.check_limits(broken);
    one.check_system_controls(broken);
    if facts.is_for_fargate {
        one.check_fargate(broken);
    }
}

struct Container<'c> {
    facts: &'c Facts<'c>,
    json: &'c Value,
    name: &'c str,
    place: &'c str,
}

impl Container<'_> {
    fn at(&self, member: &str) -> String {
        format!("{}.{member}", self.place)
    }

    fn check_memory(&self, broken: &mut Broken) {
        let name = self.name;
        let number = |member: &str| self.json[member].as_i64();
        let [memory, reservation] = ["memory", "memoryReservation"].map(number);
        // A number that is still a text is a made-up value.
        let is_unread = ["memory", "memoryReservation"]
            .iter()
            .any(|one| self.json[*one].is_string());
        let has_some = [memory, reservation]
            .into_iter()
            .flatten()
            .any(|mebibytes| mebibytes != 0);
        let is_missing = !is_given(&self.facts.definition["memory"]) && !has_some && !is_unread;
        broken.when(is_missing, self.place, || {
            format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' \
                 must be specified."
            )
        });
        if let (Some(memory), Some(reservation)) = (memory, reservation) {
            broken.when(memory < reservation, self.at("Memory"), || {
                format!(
                    "Container {name}: memory ({memory} MiB) must not be less than memoryReservation \
                     ({reservation} MiB)."
                )
            });
        }
        broken.when(
            memory.is_some_and(|memory| memory < 4),
            self.at("Memory"),
            || format!("Container {name}: memory must be at least 4 MiB."),
        );
    }

    fn check_network(&self, broken: &mut Broken) {
        let (name, mode) = (self.name, self.facts.network_mode);
        if mode == "awsvpc" {
            for (member, written) in [("hostname", "Hostname"), ("extraHosts", "ExtraHosts")] {
                broken.when(is_given(&self.json[member]), self.at(written), || {
                    format!("Container {name}: {member} is not supported when networkMode=awsvpc.")
                });
            }
        }
        // Links are a feature of Docker's bridge network.
        broken.when(
            mode != "bridge" && is_given(&self.json["links"]),
            self.at("Links"),
            || format!("Links are not supported when networkMode={mode}."),
        );
    }

    fn check_ports(&self, broken: &mut Broken) {
        let (name, mode) = (self.name, self.facts.network_mode);
        let mappings = &self.json["portMappings"];
        broken.when(
            mode == "none" && is_given(mappings),
            self.at("PortMappings"),
            || format!("Container {name}: networkMode none has no portMappings."),
        );
        for (index, mapping) in items(mappings).enumerate() {
            let at = |member: &str| self.at(&format!("PortMappings[{index}].{member}"));
            let [host, port] = ["hostPort", "containerPort"].map(|member| mapping[member].as_i64());
            // A task with its own interface, or the host's, has no port translation.
            let is_fixed = matches!(mode, "awsvpc" | "host");
            broken.when(is_fixed && matches!((host, port), (Some(host @ 1..), Some(port)) if host != port), at("HostPort"), || {
                format!(
                    "When networkMode={mode}, the host ports and container ports in port mappings must match: \
                     {} and {} of container {name} do not.",
                    host.unwrap_or_default(),
                    port.unwrap_or_default()
                )
            });
            broken.between(&mapping["hostPort"], 0, 65_535, at("HostPort"), "hostPort");
            broken.between(
                &mapping["containerPort"],
                0,
                65_535,
                at("ContainerPort"),
                "containerPort",
            );
            let range = is_given(&mapping["containerPortRange"]);
            broken.when(
                range && host.is_some_and(|host| host > 0),
                at("HostPort"),
                || format!("Container {name}: a mapping with containerPortRange has no hostPort."),
            );
            broken.when(range && mode == "host", at("ContainerPortRange"), || {
                format!("Container {name}: containerPortRange needs networkMode bridge or awsvpc.")
            });
            broken.one_of(
                &mapping["appProtocol"],
                &["http", "http2", "grpc"],
                at("AppProtocol"),
                "appProtocol",
            );
            let well_formed = |name: &str| {
                let fits = |char: char| {
                    char.is_ascii_lowercase() || char.is_ascii_digit() || "_-".contains(char)
                };
                name.len() <= 64 && !name.starts_with('-') && name.chars().all(fits)
            };
            if let Some(other) = mapping["name"].as_str().filter(|other| !well_formed(other)) {
                broken.when(true, at("Name"), || {
                    format!(
                        "The name of a port mapping can have 64 lower-case letters, numbers, underscores and \
                         hyphens, and does not begin with a hyphen: {other}."
                    )
                });
            }
        }
    }

    /// A variable may have one source alone.
    fn check_environment(&self, broken: &mut Broken) {
        let variables: Vec<&str> = items(&self.json["environment"])
            .filter_map(|one| one["name"].as_str())
            .collect();
        let mut secrets: Vec<&str> = Vec::new();
        for (index, secret) in items(&self.json["secrets"]).enumerate() {
            let Some(name) = secret["name"].as_str() else {
                continue;
            };
            let is_double = variables.contains(&name) || secrets.contains(&name);
            broken.when(is_double, self.at(&format!("Secrets[{index}].Name")), || {
                format!(
                    "The secret name must be unique and not shared with any new or existing environment \
                     variables set on the container, such as '{name}'."
                )
            });
            broken.when(
                !is_given(&secret["valueFrom"]),
                self.at(&format!("Secrets[{index}]")),
                || format!("Container {}: secret {name} has no valueFrom.", self.name),
            );
            secrets.push(name);
        }
        broken.when(variables.contains(&""), self.at("Environment"), || {
            format!(
                "Container {}: an environment variable has no name.",
                self.name
            )
        });
        for (index, file) in items(&self.json["environmentFiles"]).enumerate() {
            let place = self.at(&format!("EnvironmentFiles[{index}].Type"));
            broken.one_of(
                &file["type"],
                &["s3"],
                place,
                "The type of an environment file",
            );
        }
        let files = self.json["environmentFiles"].as_array().map_or(0, Vec::len);
        broken.when(files > 10, self.at("EnvironmentFiles"), || {
            format!(
                "Container {}: it can have 10 environmentFiles, not {files}.",
                self.name
            )
        });
    }

    fn check_health_check(&self, broken: &mut Broken) {
        let check = &self.json["healthCheck"];
        if !is_given(check) {
            return;
        }
        let first = items(&check["command"]).next().and_then(Value::as_str);
        broken.when(first.is_none(), self.at("HealthCheck"), || {
            format!("Container {}: healthCheck has no command.", self.name)
        });
        if let Some(other) = first.filter(|first| !matches!(*first, "CMD" | "CMD-SHELL" | "NONE")) {
            broken.when(true, self.at("HealthCheck.Command"), || {
                format!(
                    "Container {}: the command of healthCheck must start with CMD or CMD-SHELL, not {other}.",
                    self.name
                )
            });
        }
        for (member, written, from, to) in [
            ("interval", "Interval", 5, 300),
            ("timeout", "Timeout", 2, 60),
            ("retries", "Retries", 1, 10),
            ("startPeriod", "StartPeriod", 0, 300),
        ] {
            let place = self.at(&format!("HealthCheck.{written}"));
            broken.between(
                &check[member],
                from,
                to,
                place,
                &format!("healthCheck.{member}"),
            );
        }
    }

    fn check_logging(&self, broken: &mut Broken) {
        let logging = &self.json["logConfiguration"];
        let place = || self.at("LogConfiguration.LogDriver");
        let driver = logging["logDriver"].as_str();
        broken.when(
            is_given(logging) && driver.is_none(),
            self.at("LogConfiguration"),
            || {
                format!(
                    "Container {}: logConfiguration has no logDriver.",
                    self.name
                )
            },
        );
        let known: &[&str] = if self.facts.is_for_fargate {
            &FARGATE_LOG_DRIVERS
        } else {
            &LOG_DRIVERS
        };
        broken.one_of(&logging["logDriver"], known, place(), "logDriver");
        let options = &logging["options"];
        if driver == Some("awslogs") {
            let needed: &[&str] = match self.facts.is_for_fargate {
                true => &["awslogs-group", "awslogs-region", "awslogs-stream-prefix"],
                false => &["awslogs-group", "awslogs-region"],
            };
            let missing: Vec<&str> = needed
                .iter()
                .copied()
                .filter(|one| !is_given(&options[*one]))
                .collect();
            broken.when(!missing.is_empty(), self.at("LogConfiguration"), || {
                format!(
                    "Log driver awslogs requires options: {}.",
                    missing.join(", ")
                )
            });
            let both = ["awslogs-datetime-format", "awslogs-multiline-pattern"];
            broken.when(
                both.iter().all(|one| is_given(&options[*one])),
                self.at("LogConfiguration.Options"),
                || format!("Log driver awslogs takes one of {}.", both.join(" and ")),
            );
        }
        let is_router = |one: &Value| is_given(&one["firelensConfiguration"]);
        let has_router = items(&self.facts.definition["containerDefinitions"]).any(is_router);
        broken.when(driver == Some("awsfirelens") && !has_router, place(), || {
            format!(
                "Container {} logs by awsfirelens, and no container of the task definition has a \
                 firelensConfiguration.",
                self.name
            )
        });
        let router = &self.json["firelensConfiguration"]["type"];
        let at = self.at("FirelensConfiguration.Type");
        broken.one_of(
            router,
            &["fluentd", "fluentbit"],
            at,
            "The type of firelensConfiguration",
        );
    }

    fn check_dependencies(&self, broken: &mut Broken) {
        for (index, dependency) in items(&self.json["dependsOn"]).enumerate() {
            let (on, condition) = (
                &dependency["containerName"],
                dependency["condition"].as_str(),
            );
            let mut containers = items(&self.facts.definition["containerDefinitions"]);
            // `dependency::check` has refused an unknown container already.
            let Some(other) = containers.find(|one| one["name"] == *on) else {
                continue;
            };
            let place = self.at(&format!("DependsOn[{index}].Condition"));
            let on = on.as_str().unwrap_or_default();
            let is_essential = other["essential"].as_bool().unwrap_or(true);
            let ends = matches!(condition, Some("SUCCESS" | "COMPLETE"));
            broken.when(is_essential && ends, place.clone(), || {
                format!(
                    "Container {} waits for the {} of container {on}, which is essential: its end would end the \
                     task. Set Essential: false on {on}.",
                    self.name,
                    condition.unwrap_or_default()
                )
            });
            broken.when(condition == Some("HEALTHY") && !is_given(&other["healthCheck"]), place, || {
                format!(
                    "Container {} waits for container {on} to be HEALTHY, which has no healthCheck.",
                    self.name
                )
            });
        }
    }

    fn check_mounts(&self, broken: &mut Broken) {
        for (index, mount) in items(&self.json["mountPoints"]).enumerate() {
            let Some(source) = mount["sourceVolume"].as_str() else {
                continue;
            };
            let is_there =
                items(&self.facts.definition["volumes"]).any(|one| one["name"] == source);
            let place = self.at(&format!("MountPoints[{index}].SourceVolume"));
            broken.when(!is_there, place, || format!("Unknown volume '{source}'."));
        }
        for (index, from) in items(&self.json["volumesFrom"]).enumerate() {
            let Some(source) = from["sourceContainer"].as_str() else {
                continue;
            };
            let mut containers = items(&self.facts.definition["containerDefinitions"]);
            let place = self.at(&format!("VolumesFrom[{index}].SourceContainer"));
            broken.when(!containers.any(|one| one["name"] == source), place, || {
                format!(
                    "Container {}: volumesFrom names container {source}, which is not there.",
                    self.name
                )
            });
        }
    }

    fn check_limits(&self, broken: &mut Broken) {
        for (index, limit) in items(&self.json["ulimits"]).enumerate() {
            let place = self.at(&format!("Ulimits[{index}].Name"));
            broken.one_of(&limit["name"], &ULIMITS, place, "The name of a ulimit");
        }
        for (index, one) in items(&self.json["resourceRequirements"]).enumerate() {
            let at = |member: &str| self.at(&format!("ResourceRequirements[{index}].{member}"));
            let kinds = ["GPU", "InferenceAccelerator", "NeuronDevice"];
            broken.one_of(
                &one["type"],
                &kinds,
                at("Type"),
                "The type of a resource requirement",
            );
            let [value, shares] = ["value", "sharingStrategy"].map(|member| is_given(&one[member]));
            let kind = one["type"].as_str().unwrap_or_default();
            broken.when(shares && kind != "GPU", at("SharingStrategy"), || {
                format!(
                    "Container {}: only GPU takes a sharingStrategy, not {kind}.",
                    self.name
                )
            });
            broken.when(value == shares && kind == "GPU", at("Value"), || {
                format!(
                    "Container {}: a GPU needs either value or sharingStrategy.",
                    self.name
                )
            });
            self.check_requirement(one, kind, &at, broken);
        }
        let linux = &self.json["linuxParameters"];
        let swappiness = self.at("LinuxParameters.Swappiness");
        broken.between(&linux["swappiness"], 0, 100, swappiness, "swappiness");
        let period = &self.json["restartPolicy"]["restartAttemptPeriod"];
        let place = self.at("RestartPolicy.RestartAttemptPeriod");
        broken.between(period, 60, 1800, place, "restartAttemptPeriod");
        let ignored = self.json["restartPolicy"]["ignoredExitCodes"]
            .as_array()
            .map_or(0, Vec::len);
        broken.when(
            ignored > 50,
            self.at("RestartPolicy.IgnoredExitCodes"),
            || {
                format!(
                    "Container {}: ignoredExitCodes can name 50 exit codes, not {ignored}.",
                    self.name
                )
            },
        );
        let consistency = &self.json["versionConsistency"];
        let place = self.at("VersionConsistency");
        broken.one_of(
            consistency,
            &["enabled", "disabled"],
            place,
            "versionConsistency",
        );
    }

    /// The rules of each kind of a resource requirement.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ResourceRequirement.html>
    fn check_requirement(
        &self,
        requirement: &Value,
        kind: &str,
        at: &impl Fn(&str) -> String,
        broken: &mut Broken,
    ) {
        let (name, definition) = (self.name, self.facts.definition);
        let value = requirement["value"].as_str().unwrap_or_default();
        let compatibilities = &definition["requiresCompatibilities"];
        let is_for = |one: &str| items(compatibilities).any(|other| other == one);
        let needs_value = matches!(kind, "NeuronDevice" | "InferenceAccelerator");
        broken.when(
            needs_value && !is_given(&requirement["value"]),
            at("Value"),
            || format!("Container {name}: {kind} needs a value."),
        );
        let is_shared = is_given(&requirement["sharingStrategy"]);
        broken.when(
            is_shared && is_for("EXTERNAL"),
            at("SharingStrategy"),
            || format!("Container {name}: EXTERNAL does not support sharing a GPU."),
        );
        if value.is_empty() {
            return;
        }
        if kind == "NeuronDevice" {
            broken.when(value != "ALL", at("Value"), || {
                format!("Container {name}: the value of NeuronDevice must be ALL, not {value}.")
            });
            let is_elsewhere = is_given(compatibilities) && !is_for("MANAGED_INSTANCES");
            broken.when(is_elsewhere, at("Type"), || {
                format!(
                    "Container {name}: NeuronDevice needs MANAGED_INSTANCES in requiresCompatibilities."
                )
            });
        }
        let is_known = items(&definition["inferenceAccelerators"])
            .any(|accelerator| accelerator["deviceName"] == value);
        broken.when(
            kind == "InferenceAccelerator" && !is_known,
            at("Value"),
            || {
                format!(
                    "Container {name}: {value} is not the deviceName of one of the inferenceAccelerators."
                )
            },
        );
    }

    /// Kernel parameters, each in a namespace that the task must have to itself.
    ///
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_SystemControl.html>
    fn check_system_controls(&self, broken: &mut Broken) {
        let (name, controls) = (self.name, &self.json["systemControls"]);
        if self.facts.is_windows {
            broken.when(is_given(controls), self.at("SystemControls"), || {
                format!("Container {name}: Windows has no systemControls.")
            });
            return;
        }
        for (index, control) in items(controls).enumerate() {
            let Some(namespace) = control["namespace"].as_str() else {
                continue;
            };
            let place = || self.at(&format!("SystemControls[{index}].Namespace"));
            let is_of_network = namespace.starts_with("net.");
            let kernel = namespace.strip_prefix("kernel.");
            let is_of_ipc = namespace.starts_with("fs.mqueue.")
                || kernel.is_some_and(|own| IPC_CONTROLS.contains(&own));
            broken.when(!is_of_network && !is_of_ipc, place(), || {
                format!(
                    "Container {name}: systemControls can set net.*, fs.mqueue.* and kernel.{{{}}}, not {namespace}.",
                    IPC_CONTROLS.join(", ")
                )
            });
            let modes = [
                ("networkMode", self.facts.network_mode, is_of_network),
                (
                    "ipcMode",
                    self.facts.definition["ipcMode"]
                        .as_str()
                        .unwrap_or_default(),
                    is_of_ipc,
                ),
            ];
            for (member, mode, is_concerned) in modes {
                broken.when(is_concerned && mode == "host", place(), || {
                    format!(
                        "Container {name}: {member} host does not support the systemControl {namespace}."
                    )
                });
            }
        }
    }

    fn check_fargate(&self, broken: &mut Broken) {
        let name = self.name;
        broken.when(
            self.json["privileged"].as_bool() == Some(true),
            self.at("Privileged"),
            || format!("Container {name}: Fargate does not support privileged."),
        );
        broken.when(
            is_given(&self.json["dockerSecurityOptions"]),
            self.at("DockerSecurityOptions"),
            || format!("Container {name}: Fargate does not support dockerSecurityOptions."),
        );
        for (member, written) in [
            ("startTimeout", "StartTimeout"),
            ("stopTimeout", "StopTimeout"),
        ] {
            broken.between(&self.json[member], 2, 120, self.at(written), member);
        }
        let linux = &self.json["linuxParameters"];
        for member in INSTANCE_LINUX_PARAMETERS {
            broken.when(is_given(&linux[member]), self.at("LinuxParameters"), || {
                format!("Container {name}: Fargate does not support linuxParameters.{member}.")
            });
        }
        let added = items(&linux["capabilities"]["add"]).filter_map(Value::as_str);
        // The only capability that Fargate lets a container add.
        let unknown: Vec<&str> = added.filter(|one| *one != "SYS_PTRACE").collect();
        broken.when(!unknown.is_empty(), self.at("LinuxParameters.Capabilities.Add"), || {
            format!(
                "Container {name}: Fargate supports adding the capability SYS_PTRACE only, not {}.",
                unknown.join(", ")
            )
        });
        let has_gpu = items(&self.json["resourceRequirements"]).any(|one| one["type"] == "GPU");
        broken.when(has_gpu, self.at("ResourceRequirements"), || {
            format!("Container {name}: Fargate has no GPU.")
        });
    }
}
