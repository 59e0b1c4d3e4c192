//! OpenSearch, as far as the monitor needs it: `_bulk`.
//!
//! <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::{Value, json};

use crate::protocol::{AwsError, lock};

/// The documents of all indexes.
#[derive(Debug, Default)]
pub struct OpenSearch {
    /// Documents by index and id.
    documents: Mutex<BTreeMap<(String, String), Value>>,
}

impl OpenSearch {
    /// The number of documents.
    pub fn documents(&self) -> usize {
        lock(&self.documents).len()
    }

    /// Answers `_bulk`: pairs of lines, an action and its document.
    pub(crate) fn bulk(&self, body: &[u8]) -> Result<Value, AwsError> {
        let malformed = |_| {
            AwsError::new(
                "illegal_argument_exception",
                "Malformed action/metadata line",
            )
        };
        let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(body)
            .into_iter()
            .collect();
        let mut documents = lock(&self.documents);
        let items = lines
            .map_err(malformed)?
            .chunks_exact(2)
            .map(|pair| {
                let target = |name: &str| pair[0]["index"][name].as_str().unwrap_or_default().to_owned();
                let (index, id) = (target("_index"), target("_id"));
                let replaced = documents.insert((index.clone(), id.clone()), pair[1].clone()).is_some();
                json!({ "index": { "_index": index, "_id": id, "status": if replaced { 200 } else { 201 } } })
            })
            .collect::<Vec<_>>();
        Ok(json!({ "took": 1, "errors": false, "items": items }))
    }
}
