//! Images that are not on the engine.

use std::{env, fs};

use serde_json::json;

use crate::{
    registry::{self, CREDENTIALS},
    rehearsal::{BUSYBOX, Rehearsal, podman},
};

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests are given an address that the engine trusts"
)]
fn an_image_is_pulled_with_the_credentials_of_docker_login() {
    let address = env::var("REGISTRY").expect("REGISTRY, as tests/docker/engine sets it");
    registry::serve(&address, BUSYBOX);
    let image = format!("{address}/shop/pulled");
    let config = tempfile::tempdir().unwrap();
    let pull = || {
        let rehearsal =
            Rehearsal::of(json!({"Name": "pulled", "Image": image, "Command": ["echo here"]}));
        rehearsal
            .variable("DOCKER_CONFIG", config.path().to_str().unwrap())
            .run(&[])
    };

    let stranger = pull();
    let failure = stranger.failure();
    assert!(
        failure.contains("CannotPullContainerError: ") && failure.contains("unauthorized"),
        "{failure}"
    );

    let auths = json!({"auths": {address.as_str(): {"auth": CREDENTIALS}}});
    fs::write(config.path().join("config.json"), auths.to_string()).unwrap();
    let known = pull().succeeded();
    assert_eq!(known.printed("pulled"), ["here"]);
    assert!(
        known
            .text
            .contains(&format!("image {image} is not on this machine: pulling it")),
        "{}",
        known.text
    );
    assert!(!known.text.contains("secret"), "{}", known.text);
    assert!(
        !pull().succeeded().text.contains("pulling"),
        "an image that is there is not pulled"
    );
    podman(&["rmi", "--force", &format!("{image}:latest")]);
}
