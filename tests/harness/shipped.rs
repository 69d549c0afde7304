//! The files of `envoy/`, as operators copy them.

use std::path::Path;

use serde_json::Value;

/// A file of `envoy/`, as operators copy it.
pub fn shipped(file: &str) -> Value {
    let [document] = <[Value; 1]>::try_from(documents(file)).expect("one document");
    document
}

/// All documents of a file of `envoy/`.
pub fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `envoy/envoy.yaml`, which operators copy from.
pub fn documented() -> Value {
    shipped("envoy/envoy.yaml")
}
