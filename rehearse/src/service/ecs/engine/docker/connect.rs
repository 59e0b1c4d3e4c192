//! Finds the engine: the one in DOCKER_HOST, or the first of the usual sockets that answers.

use std::{path::Path, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};

/// Time limit for the first answer of an engine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time limit of a request, in seconds: a container may take minutes to stop.
const REQUEST_LIMIT: u64 = 180;

/// The reason why no engine can run containers.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// DOCKER_HOST has a form that is not supported.
    #[error(
        "--docker: DOCKER_HOST is {host}, but must be unix://PATH, tcp://HOST:PORT or http://HOST:PORT \
         (without TLS)"
    )]
    Unsupported {
        /// The value of DOCKER_HOST.
        host: String,
    },
    /// Nothing answers at DOCKER_HOST.
    #[error("--docker: no container engine answers at {host} (from DOCKER_HOST): {cause}")]
    Silent {
        /// The value of DOCKER_HOST.
        host: String,
        /// The error at this address.
        cause: String,
    },
    /// DOCKER_HOST is not set, and nothing answers at the usual sockets.
    #[error(
        "--docker: no container engine answers; start Docker or Podman, or set DOCKER_HOST. Tried {tried}"
    )]
    NotFound {
        /// Each socket, with its error.
        tried: String,
    },
}

/// Connects to an engine that answers. `Err` names the addresses and their errors.
pub(super) async fn connect() -> Result<Docker, EngineError> {
    if let Some(host) = variable("DOCKER_HOST") {
        // bollard is built without TLS, so a remote engine with certificates is refused before it
        // is tried.
        let has_tls = variable("DOCKER_TLS_VERIFY").is_some() && !host.starts_with("unix://");
        if has_tls
            || !["unix://", "tcp://", "http://"]
                .iter()
                .any(|scheme| host.starts_with(scheme))
        {
            return Err(EngineError::Unsupported { host });
        }
        return answering(&host)
            .await
            .map_err(|cause| EngineError::Silent { host, cause });
    }
    let mut tried = Vec::new();
    for path in usual_sockets(
        variable("XDG_RUNTIME_DIR").as_deref(),
        variable("HOME").as_deref(),
    ) {
        match answering(&format!("unix://{path}")).await {
            Ok(docker) => return Ok(docker),
            Err(cause) => tried.push(format!("{path} ({cause})")),
        }
    }
    Err(EngineError::NotFound {
        tried: tried.join(", "),
    })
}

/// Docker's sockets, then Podman's. The machine's socket comes first, except for Podman, whose
/// machine-wide socket is open to root alone.
fn usual_sockets(runtime_folder: Option<&str>, home: Option<&str>) -> Vec<String> {
    let of_user =
        |folder: Option<&str>, socket: &str| folder.map(|folder| format!("{folder}/{socket}"));
    let sockets = [
        Some("/var/run/docker.sock".to_owned()),
        of_user(runtime_folder, "docker.sock"),
        of_user(home, ".docker/run/docker.sock"),
        of_user(home, ".docker/desktop/docker.sock"),
        of_user(runtime_folder, "podman/podman.sock"),
        Some("/run/podman/podman.sock".to_owned()),
    ];
    sockets.into_iter().flatten().collect()
}

/// Connects to the engine at this address. `Err` is the error in the system's words.
async fn answering(host: &str) -> Result<Docker, String> {
    let docker = match host.strip_prefix("unix://") {
        Some(path) if !Path::new(path).exists() => return Err("no such file".to_owned()),
        Some(path) => Docker::connect_with_unix(path, REQUEST_LIMIT, API_DEFAULT_VERSION),
        None => Docker::connect_with_http(host, REQUEST_LIMIT, API_DEFAULT_VERSION),
    };
    let docker = docker.map_err(|error| deepest(&error))?;
    // The engine's version of the API may be older than bollard's: both must agree on one.
    let negotiated = tokio::time::timeout(PATIENCE, docker.negotiate_version()).await;
    negotiated
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| deepest(&error))
}

/// The innermost cause: bollard wraps the error of a connection several times.
fn deepest(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the engine is, is a setting of the machine"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_sockets_come_before_podmans() {
        let sockets = usual_sockets(Some("/run/user/1000"), Some("/home/ada"));
        assert_eq!(
            sockets,
            [
                "/var/run/docker.sock",
                "/run/user/1000/docker.sock",
                "/home/ada/.docker/run/docker.sock",
                "/home/ada/.docker/desktop/docker.sock",
                "/run/user/1000/podman/podman.sock",
                "/run/podman/podman.sock",
            ]
        );
        assert_eq!(
            usual_sockets(None, None),
            ["/var/run/docker.sock", "/run/podman/podman.sock"]
        );
    }
}
