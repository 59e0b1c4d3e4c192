//! Pulls images, with the credentials of `docker login` or `podman login`.

use bollard::{
    Docker, auth::DockerCredentials, errors::Error, query_parameters::CreateImageOptionsBuilder,
};
use docker_credential::{DockerCredential, get_credential, get_podman_credential};
use futures_util::TryStreamExt;

/// Docker Hub's name in credential files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Pulls an image. The future can be dropped at any time.
pub(super) async fn pull(docker: &Docker, image: &str) -> Result<(), Error> {
    let server = registry(image).unwrap_or(DOCKER_HUB).to_owned();
    // A credential helper is a program, and waiting for it blocks.
    let credentials = tokio::task::spawn_blocking(move || credentials(&server))
        .await
        .unwrap_or(None);
    let options = CreateImageOptionsBuilder::default()
        .from_image(&with_tag(image))
        .build();
    docker
        .create_image(Some(options), None, credentials)
        .try_for_each(|_| async { Ok(()) })
        .await
}

/// The stored credentials. Without any the image may still be public.
fn credentials(server: &str) -> Option<DockerCredentials> {
    let found = get_credential(server)
        .or_else(|_| get_podman_credential(server))
        .ok()?;
    let serveraddress = Some(server.to_owned());
    Some(match found {
        DockerCredential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            serveraddress,
            ..DockerCredentials::default()
        },
        DockerCredential::UsernamePassword(username, password) => DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress,
            ..DockerCredentials::default()
        },
    })
}

/// The registry in an image's name; `None` stands for Docker Hub.
fn registry(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    // An image's first component is a registry only if it looks like a host: `app/api` is on Docker
    // Hub.
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// The image's name with its tag: without a tag the engine would pull all tags.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_the_first_part_with_a_dot_or_a_port() {
        assert_eq!(registry("busybox"), None);
        assert_eq!(registry("library/busybox:1"), None);
        assert_eq!(
            registry("public.ecr.aws/docker/library/busybox"),
            Some("public.ecr.aws")
        );
        assert_eq!(registry("localhost/app"), Some("localhost"));
        assert_eq!(registry("registry:5000/app:1"), Some("registry:5000"));
    }

    #[test]
    fn a_name_without_tag_or_digest_means_latest() {
        assert_eq!(with_tag("registry:5000/app"), "registry:5000/app:latest");
        assert_eq!(with_tag("app:1"), "app:1");
        assert_eq!(with_tag("app@sha256:00"), "app@sha256:00");
    }
}
