//! The HTTP client of a function: for the answers to CloudFormation, the calls of AWS's SDK, and
//! OpenSearch. The SDK's own client is left out, because it brings a second TLS stack and HTTP/2,
//! which AWS's services do not need (docs/decisions/0016).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::Client;

/// The time limit for a connection alone.
const CONNECT: Duration = Duration::from_secs(3);

/// The client. It is made on first use, so that a start does not wait for the machine's
/// certificates. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Http(Arc<OnceLock<Client>>);

impl Http {
    /// The client. An error if the machine has no usable certificates.
    pub fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = make()?;
        Ok(self.0.get_or_init(|| client))
    }
}

fn make() -> reqwest::Result<Client> {
    // An error means that a client of this process has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(super::version::USER_AGENT)
        .connect_timeout(CONNECT)
        // A redirect would send an answer, and with it the right to answer, to another host.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}
