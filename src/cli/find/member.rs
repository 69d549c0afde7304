//! Members of messages of Envoy's. Protobuf's JSON takes `vm_id` and `vmId` for the same.

use serde_json::{Map, Value};

/// A member under any of its spellings.
pub(in crate::cli) fn member<'a>(
    members: &'a Map<String, Value>,
    spellings: &[&str],
) -> Option<&'a Value> {
    spellings.iter().find_map(|name| members.get(*name))
}

pub(in crate::cli) fn text<'a>(
    members: &'a Map<String, Value>,
    spellings: &[&str],
) -> Option<&'a str> {
    member(members, spellings)?.as_str()
}

pub(in crate::cli) fn object<'a>(
    members: &'a Map<String, Value>,
    spellings: &[&str],
) -> Option<&'a Map<String, Value>> {
    member(members, spellings)?.as_object()
}
