//! `tenantgate schema`: of the plugin configuration, or of whole files that carry one.

use serde_json::{Value, json};

use super::Outcome;
use crate::config;

/// Prints the JSON Schema of the plugin configuration alone, or of a file that `find` would find it in.
pub(super) fn schema(whole_file: bool) -> Outcome {
    let schema = if whole_file {
        whole_files()
    } else {
        config::schema()
    };
    Outcome {
        stdout: format!("{schema:#}\n"),
        ..Outcome::default()
    }
}

/// Anything at all, but for plugin configurations of ours, wherever they stand. Follows `find`.
fn whole_files() -> Value {
    let mut configuration = config::schema();
    let take = |schema: &mut Value, member: &str| {
        schema
            .as_object_mut()
            .and_then(|schema| schema.remove(member))
            .unwrap_or_default()
    };
    let dialect = take(&mut configuration, "$schema");
    let mut definitions = take(&mut configuration, "$defs");
    if let Some(definitions) = definitions.as_object_mut() {
        definitions.insert("Configuration".to_owned(), configuration);
        definitions.insert("Anything".to_owned(), anything());
        definitions.insert("EnvoyPlugin".to_owned(), envoy_plugin());
    }
    json!({
        "$schema": dialect,
        "title": "A file that carries plugin configuration of tenantgate",
        "description": "An Envoy bootstrap, a file of Envoy resources, or Kubernetes resources of Istio or Envoy Gateway.",
        "$ref": "#/$defs/Anything",
        "$defs": definitions,
    })
}

/// What is called tenantgate.
const OURS: &str = "[Tt]enant[Gg]ate";
const WASM: &str = "envoy\\.extensions\\.filters\\.http\\.wasm\\.v3\\.Wasm$";

/// An object that has all of these members. What is no object is not one, which `required` alone would not say.
fn is(members: &Value) -> Value {
    let names = members
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    json!({ "type": "object", "properties": members, "required": names.collect::<Vec<_>>() })
}

fn anything() -> Value {
    let configuration = json!({ "$ref": "#/$defs/Configuration" });
    let ours = json!({ "name": { "pattern": OURS } });
    // In Istio it is the resource that has a name, in Envoy Gateway each filter.
    let istio = json!({ "properties": { "pluginConfig": configuration } });
    let extension = json!({ "properties": { "wasm": istio } });
    let gateway = json!({ "properties": { "wasm": { "items": {
        "if": is(&ours), "then": { "properties": { "config": configuration } },
    } } } });
    let resource = |members: &Value, spec: &Value| json!({ "if": is(members), "then": { "properties": { "spec": spec } } });
    let plugin = json!({ "properties": { "config": { "$ref": "#/$defs/EnvoyPlugin" } } });
    let below = json!({
        "items": { "$ref": "#/$defs/Anything" },
        "additionalProperties": { "$ref": "#/$defs/Anything" },
    });
    json!({
        "allOf": [
            resource(&json!({ "kind": { "const": "WasmPlugin" }, "metadata": is(&ours) }), &istio),
            resource(&json!({ "kind": { "const": "TrafficExtension" }, "metadata": is(&ours) }), &extension),
            resource(&json!({ "kind": { "const": "EnvoyExtensionPolicy" } }), &gateway),
            {
                "if": is(&json!({ "@type": { "pattern": WASM } })),
                "then": plugin,
                "else": {
                    "if": is(&json!({ "type_url": { "pattern": WASM } })),
                    "then": { "properties": { "value": plugin } },
                    "else": below,
                },
            },
        ],
    })
}

/// An `envoy.extensions.wasm.v3.PluginConfig` that is called ours.
fn envoy_plugin() -> Value {
    json!({
        "if": is(&json!({ "name": { "pattern": OURS } })),
        "then": { "properties": { "configuration": {
            "if": is(&json!({ "@type": { "pattern": "google\\.protobuf\\.Struct$" } })),
            "then": { "properties": { "value": { "$ref": "#/$defs/Configuration" } } },
        } } },
    })
}
