//! Plugin configuration, wherever it stands: alone, in an Envoy configuration, or in a Kubernetes resource.
//!
//! Knows where others keep the configuration of a wasm filter, and nothing of what is in it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::read::{documents, has_extension};

const WASM_FILTER: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// Top-level members of what is not plugin configuration.
const OTHER_KINDS: [&str; 9] = [
    "@type",
    "admin",
    "apiVersion",
    "dynamic_resources",
    "dynamicResources",
    "kind",
    "resources",
    "static_resources",
    "staticResources",
];

/// A plugin configuration in a file.
#[derive(Debug)]
pub(super) struct Found {
    /// Where; empty where the file is nothing else.
    pub place: String,
    /// Names by which it may be known as ours.
    names: Vec<String>,
    /// Where its module lies: a file or a URL.
    pub module: Option<String>,
    pub configuration: Configuration,
}

/// What a filter is configured with.
#[derive(Debug)]
pub(super) enum Configuration {
    /// As a document.
    Document(Value),
    /// As bytes, which the filter gets as they are.
    Bytes(Vec<u8>),
    /// In a way that the filter cannot be given, for this reason.
    Unusable(String),
}

impl Found {
    pub fn is_ours(&self) -> bool {
        self.names
            .iter()
            .any(|name| name.to_ascii_lowercase().contains("tenantgate"))
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        self.names
            .iter()
            .find(|name| !name.is_empty())
            .map_or("without a name", String::as_str)
    }
}

/// All plugin configurations in the documents of a file, ours or not.
pub(super) fn find(documents: Vec<Value>) -> Vec<Found> {
    let several = documents.len() > 1;
    let mut found = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let place = if several {
            format!("document {}", index.saturating_add(1))
        } else {
            String::new()
        };
        resource(document, &place, &mut found);
    }
    if found.is_empty() {
        let alone = documents
            .into_iter()
            .enumerate()
            .filter(|(_, document)| !is_of_another_kind(document));
        found.extend(alone.map(|(index, document)| Found {
            place: if several {
                format!("document {}", index.saturating_add(1))
            } else {
                String::new()
            },
            names: vec!["tenantgate".to_owned()],
            module: None,
            configuration: Configuration::Document(document),
        }));
    }
    found
}

/// All wasm filters in a part of a file, with the configuration of each.
pub(super) fn filters(part: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    resource(part, "", &mut found);
    found
}

fn is_of_another_kind(document: &Value) -> bool {
    let has = |name: &&str| document.get(name).is_some();
    document.is_null() || OTHER_KINDS.iter().any(has)
}

/// Looks into a resource, and below it: lists hold resources, resources hold filters.
fn resource(value: &Value, place: &str, found: &mut Vec<Found>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                resource(element, &format!("{place}[{index}]"), found);
            }
        }
        Value::Object(members) => {
            let place = named_place(members, place);
            match text(members, &["kind"]) {
                Some("WasmPlugin") => {
                    found.extend(
                        members
                            .get("spec")
                            .map(|spec| istio(spec, members, &below(&place, "spec"))),
                    );
                }
                Some("TrafficExtension") => {
                    let wasm = members.get("spec").and_then(|spec| spec.get("wasm"));
                    found
                        .extend(wasm.map(|wasm| istio(wasm, members, &below(&place, "spec.wasm"))));
                }
                Some("EnvoyExtensionPolicy") => {
                    let filters = value
                        .pointer("/spec/wasm")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten();
                    found.extend(filters.enumerate().map(|(index, filter)| {
                        envoy_gateway(
                            filter,
                            members,
                            &below(&place, &format!("spec.wasm[{index}]")),
                        )
                    }));
                }
                Some("ConfigMap") => config_map(members, &place, found),
                _ => match wasm_filter(members) {
                    Some(config) => found.push(envoy(config, &place)),
                    None => {
                        for (name, member) in members {
                            resource(member, &below(&place, name), found);
                        }
                    }
                },
            }
        }
        _ => {}
    }
}

/// The files in a `ConfigMap`.
fn config_map(members: &Map<String, Value>, place: &str, found: &mut Vec<Found>) {
    let files = object(members, &["data"]).into_iter().flatten();
    for (name, text) in files.filter_map(|(name, text)| Some((name, text.as_str()?))) {
        let place = below(place, &format!("data[{name}]"));
        match documents(text, Path::new(name)) {
            Ok(documents) => documents
                .iter()
                .for_each(|document| resource(document, &place, found)),
            Err(message) if has_extension(Path::new(name), &["json", "yaml", "yml"]) => {
                found.push(Found {
                    place,
                    names: vec![name.clone()],
                    module: None,
                    configuration: Configuration::Unusable(message),
                });
            }
            // Any other text.
            Err(_) => {}
        }
    }
}

/// A Kubernetes resource is known by its kind and name, wherever it stands in a file.
fn named_place(members: &Map<String, Value>, place: &str) -> String {
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

fn below(place: &str, step: &str) -> String {
    match place {
        "" => step.to_owned(),
        // The name of a resource or a document is no part of the path.
        name if name.contains(' ') && !name.contains(": ") => format!("{name}: {step}"),
        path => format!("{path}.{step}"),
    }
}

/// The `config` of a wasm filter, if these are the members of one: an `Any`, or a `TypedStruct` around it, as Istio's
/// `EnvoyFilter`s have it.
fn wasm_filter(members: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let message = match shape(members)? {
        Shape::Any => members,
        Shape::TypedStruct => members.get("value")?.as_object()?,
    };
    message.get("config").and_then(Value::as_object)
}

/// How a wasm filter is written.
enum Shape {
    Any,
    TypedStruct,
}

fn shape(members: &Map<String, Value>) -> Option<Shape> {
    let is_wasm = |name: &str| text(members, &[name]).is_some_and(|url| url.ends_with(WASM_FILTER));
    if is_wasm("@type") {
        Some(Shape::Any)
    } else if is_wasm("type_url") || is_wasm("typeUrl") {
        Some(Shape::TypedStruct)
    } else {
        None
    }
}

/// The `config` of every wasm filter in a resource of Envoy's own, in the order in which [`find`] has them.
pub(super) fn wasm_filters_mut(value: &mut Value) -> Vec<&mut Map<String, Value>> {
    match value {
        Value::Array(elements) => elements.iter_mut().flat_map(wasm_filters_mut).collect(),
        Value::Object(members) => {
            if wasm_filter(members).is_none() {
                return members.values_mut().flat_map(wasm_filters_mut).collect();
            }
            let message = match shape(members) {
                Some(Shape::TypedStruct) => members.get_mut("value").and_then(Value::as_object_mut),
                Some(Shape::Any) | None => Some(members),
            };
            let config = message.and_then(|message| message.get_mut("config"));
            config.and_then(Value::as_object_mut).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// An `envoy.extensions.wasm.v3.PluginConfig`.
fn envoy(config: &Map<String, Value>, place: &str) -> Found {
    let vm = object(config, &["vm_config", "vmConfig"]);
    let code = vm.and_then(|vm| object(vm, &["code"]));
    let local = code.and_then(|code| object(code, &["local"]));
    let remote = code.and_then(|code| object(code, &["remote"]));
    let uri = remote.and_then(|remote| object(remote, &["http_uri", "httpUri"]));
    let names = [
        text(config, &["name"]),
        text(config, &["root_id", "rootId"]),
        vm.and_then(|vm| text(vm, &["vm_id", "vmId"])),
        local.and_then(|local| text(local, &["filename"])),
        uri.and_then(|uri| text(uri, &["uri"])),
    ];
    Found {
        place: below(place, "config.configuration"),
        names: names.into_iter().flatten().map(str::to_owned).collect(),
        module: names
            .into_iter()
            .skip(3)
            .flatten()
            .next()
            .map(str::to_owned),
        configuration: any(config.get("configuration")),
    }
}

/// What Envoy hands over for an `Any`.
fn any(message: Option<&Value>) -> Configuration {
    let Some(Value::Object(message)) = message else {
        return Configuration::Bytes(Vec::new());
    };
    let name = text(message, &["@type"]).unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    match (name, message.get("value")) {
        ("google.protobuf.Struct", Some(value @ Value::Object(_))) => Configuration::Document(value.clone()),
        ("google.protobuf.StringValue", Some(Value::String(text))) => Configuration::Bytes(text.clone().into_bytes()),
        ("google.protobuf.BytesValue", Some(Value::String(text))) => match STANDARD.decode(text) {
            Ok(bytes) => Configuration::Bytes(bytes),
            Err(_) => Configuration::Unusable("the `value` of a BytesValue must be base64".to_owned()),
        },
        _ => Configuration::Unusable(
            "must be a google.protobuf.Struct with an object as `value`, or a google.protobuf.StringValue with JSON text"
                .to_owned(),
        ),
    }
}

/// `spec` of a `WasmPlugin`, `spec.wasm` of a `TrafficExtension`.
fn istio(spec: &Value, resource: &Map<String, Value>, place: &str) -> Found {
    let names = ["pluginName", "url"].map(|name| spec.get(name).and_then(Value::as_str));
    kubernetes(
        spec.get("pluginConfig"),
        &names,
        resource,
        below(place, "pluginConfig"),
    )
}

/// An entry of `spec.wasm` of an `EnvoyExtensionPolicy`.
fn envoy_gateway(filter: &Value, resource: &Map<String, Value>, place: &str) -> Found {
    let names = ["/name", "/rootID", "/code/http/url", "/code/image/url"];
    let names = names.map(|pointer| filter.pointer(pointer).and_then(Value::as_str));
    kubernetes(
        filter.get("config"),
        &names,
        resource,
        below(place, "config"),
    )
}

fn kubernetes(
    config: Option<&Value>,
    names: &[Option<&str>],
    resource: &Map<String, Value>,
    place: String,
) -> Found {
    let resource_name =
        object(resource, &["metadata"]).and_then(|metadata| text(metadata, &["name"]));
    Found {
        place,
        names: names
            .iter()
            .copied()
            .chain([resource_name])
            .flatten()
            .map(str::to_owned)
            .collect(),
        module: names
            .iter()
            .copied()
            .skip(1)
            .flatten()
            .next_back()
            .map(str::to_owned),
        configuration: match config {
            None | Some(Value::Null) => Configuration::Bytes(Vec::new()),
            Some(config) => Configuration::Document(config.clone()),
        },
    }
}

/// A member under any of its spellings: protobuf's JSON takes `vm_id` and `vmId` for the same.
fn member<'a>(members: &'a Map<String, Value>, spellings: &[&str]) -> Option<&'a Value> {
    spellings.iter().find_map(|name| members.get(*name))
}

fn text<'a>(members: &'a Map<String, Value>, spellings: &[&str]) -> Option<&'a str> {
    member(members, spellings)?.as_str()
}

fn object<'a>(
    members: &'a Map<String, Value>,
    spellings: &[&str],
) -> Option<&'a Map<String, Value>> {
    member(members, spellings)?.as_object()
}
