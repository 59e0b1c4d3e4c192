//! An HTTP client that is created on first use, so that a start does not wait for the machine's
//! certificates.

use std::sync::OnceLock;

use reqwest::Client;

/// The client, once it exists.
#[derive(Debug, Default)]
pub struct LazyClient(OnceLock<Client>);

impl LazyClient {
    /// The client. The first call creates it with `make`.
    pub fn get(&self, make: impl FnOnce() -> reqwest::Result<Client>) -> reqwest::Result<&Client> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = make()?;
        Ok(self.0.get_or_init(|| client))
    }
}
