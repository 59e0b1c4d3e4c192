//! A registry of images on loopback, with one image, for those who know its password.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

use std::{fs, net::TcpListener, path::PathBuf, sync::Arc, thread};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime;

use crate::rehearsal::podman;

/// `ada:secret`, as Basic authentication and Docker's file of credentials write it.
pub(crate) const CREDENTIALS: &str = "YWRhOnNlY3JldA==";

struct Registry {
    layout: TempDir,
}

/// Serves an image of the engine at this address, by any name.
pub(crate) fn serve(address: &str, image: &str) {
    let layout = tempfile::tempdir().unwrap();
    podman(&[
        "save",
        "--quiet",
        "--format",
        "oci-dir",
        "--output",
        layout.path().to_str().unwrap(),
        image,
    ]);
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::new(Registry { layout }));
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
}

async fn answer(State(registry): State<Arc<Registry>>, uri: Uri, headers: HeaderMap) -> Response {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if given != Some(&format!("Basic {CREDENTIALS}")) {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"tests\"")],
        )
            .into_response();
    }
    let (folder, asked) = uri.path().rsplit_once('/').unwrap();
    match folder.rsplit('/').next() {
        Some("manifests") => {
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            ([(header::CONTENT_TYPE, media_type)], registry.manifest()).into_response()
        }
        Some("blobs") => fs::read(registry.blob(asked)).unwrap().into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

impl Registry {
    fn manifest(&self) -> Vec<u8> {
        let index = fs::read(self.layout.path().join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        fs::read(self.blob(index["manifests"][0]["digest"].as_str().unwrap())).unwrap()
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.layout
            .path()
            .join("blobs")
            .join(digest.replace(':', "/"))
    }
}
