//! What a template can refer to of a resource.

use std::collections::BTreeMap;

use serde_json::Value;

/// What Ref and Fn::GetAtt give of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Referable {
    /// The resource's type.
    pub resource_type: String,
    /// What Ref gives.
    pub reference: String,
    /// What Fn::GetAtt gives, by name.
    pub attributes: BTreeMap<String, Value>,
    /// The stage does not play it: any other attribute has a made-up value.
    pub is_open: bool,
}
