//! The names of places in a file.

use serde_json::{Map, Value};

use super::text;

/// A Kubernetes resource is known by its kind and name, wherever it stands in a file.
pub(super) fn named_place(members: &Map<String, Value>, place: &str) -> String {
    let metadata = members.get("metadata").and_then(Value::as_object);
    match (
        text(members, &["kind"]),
        metadata.and_then(|metadata| text(metadata, &["name"])),
    ) {
        (Some(kind), Some(name)) => {
            let namespace = metadata.and_then(|metadata| text(metadata, &["namespace"]));
            let namespace = namespace
                .map(|namespace| format!("{namespace}/"))
                .unwrap_or_default();
            format!("{kind} {namespace}{name}")
        }
        _ => place.to_owned(),
    }
}

/// The place of what stands at this step below another.
pub(in crate::cli) fn below(place: &str, step: &str) -> String {
    match place {
        "" => step.to_owned(),
        // The name of a resource or a document is no part of the path.
        name if name.contains(' ') && !name.contains(": ") => format!("{name}: {step}"),
        path => format!("{path}.{step}"),
    }
}
