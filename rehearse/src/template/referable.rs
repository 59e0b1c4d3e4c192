//! The values by which a template refers to a resource.

use std::collections::BTreeMap;

use serde_json::Value;

/// The values of Ref and Fn::GetAtt for a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Referable {
    /// The resource's type.
    pub resource_type: String,
    /// The value of Ref.
    pub reference: String,
    /// The values of Fn::GetAtt, by attribute.
    pub attributes: BTreeMap<String, Value>,
    /// True if the stage does not play the type, so that any other attribute has a made-up value.
    pub is_open: bool,
}
