//! Plugin configuration, wherever it stands: alone, in an Envoy configuration, or in a Kubernetes resource.
//!
//! Knows where others keep the configuration of a wasm filter, and nothing of what is in it or of what else they say.

mod member;
mod place;

use std::borrow::Cow;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::read::{documents, has_extension};
use crate::json;
pub(super) use member::{member, object, text};
pub(super) use place::below;
use place::named_place;

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
    /// What it stands in; nothing where the file is nothing else.
    pub carrier: Option<Carrier>,
}

/// What a plugin configuration stands in, and what that says beside it.
#[derive(Debug)]
pub(super) struct Carrier {
    pub kind: Kind,
    /// Where.
    pub place: String,
    pub members: Map<String, Value>,
    /// Which document of the file it is in.
    pub document: usize,
    /// The HTTP connection manager that it is a filter of, if that is in the file.
    pub manager: Option<Manager>,
}

/// What an HTTP connection manager says, and where.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    pub place: String,
    pub members: Map<String, Value>,
}

/// Who reads a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Envoy: an `envoy.extensions.wasm.v3.PluginConfig`.
    Envoy,
    /// Envoy, after Istio: the same in an `EnvoyFilter`.
    EnvoyFilter,
    /// Istio: `spec` of a `WasmPlugin`, `spec.wasm` of a `TrafficExtension`.
    Istio,
    /// Envoy Gateway: an entry of `spec.wasm` of an `EnvoyExtensionPolicy`.
    EnvoyGateway,
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

impl Configuration {
    /// What the filter makes of it before it reads any field; nothing where that is not text.
    pub fn document(&self) -> Option<Cow<'_, Value>> {
        match self {
            Self::Document(document) => Some(Cow::Borrowed(document)),
            Self::Bytes(bytes) => json::parse(bytes).ok().map(Cow::Owned),
            Self::Unusable(_) => None,
        }
    }
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
pub(super) fn find(documents: &[Value]) -> Vec<Found> {
    let place = |index: usize| {
        if documents.len() > 1 {
            format!("document {}", index.saturating_add(1))
        } else {
            String::new()
        }
    };
    let mut found = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        resource(document, &place(index), index, &mut found);
    }
    if found.is_empty() {
        let alone = documents
            .iter()
            .enumerate()
            .filter(|(_, document)| !is_of_another_kind(document));
        found.extend(alone.map(|(index, document)| Found {
            place: place(index),
            names: vec!["tenantgate".to_owned()],
            module: None,
            configuration: Configuration::Document(document.clone()),
            carrier: None,
        }));
    }
    found
}

/// All wasm filters in a part of a file, with the configuration of each.
pub(super) fn filters(part: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    resource(part, "", 0, &mut found);
    found
}

fn is_of_another_kind(document: &Value) -> bool {
    let has = |name: &&str| document.get(name).is_some();
    document.is_null() || OTHER_KINDS.iter().any(has)
}

/// Looks into a resource, and below it: lists hold resources, resources hold filters.
fn resource(value: &Value, place: &str, document: usize, found: &mut Vec<Found>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                resource(element, &format!("{place}[{index}]"), document, found);
            }
        }
        Value::Object(members) => {
            let place = named_place(members, place);
            let carrier = |kind, members: &Map<String, Value>, step: &str| Carrier {
                kind,
                place: below(&place, step),
                members: members.clone(),
                document,
                manager: None,
            };
            let istio = |pointer: &str, step: &str| {
                let spec = value.pointer(pointer).and_then(Value::as_object);
                spec.map(|spec| istio(carrier(Kind::Istio, spec, step), members))
            };
            match text(members, &["kind"]) {
                Some("WasmPlugin") => found.extend(istio("/spec", "spec")),
                Some("TrafficExtension") => found.extend(istio("/spec/wasm", "spec.wasm")),
                Some("EnvoyExtensionPolicy") => {
                    let filters = value
                        .pointer("/spec/wasm")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .enumerate();
                    found.extend(filters.filter_map(|(index, filter)| {
                        let step = format!("spec.wasm[{index}]");
                        let carrier = carrier(Kind::EnvoyGateway, filter.as_object()?, &step);
                        Some(envoy_gateway(carrier, members))
                    }));
                }
                Some("ConfigMap") => config_map(members, &place, document, found),
                kind => {
                    if let Some(config) = wasm_filter(members) {
                        return found.push(envoy(carrier(Kind::Envoy, config, "config")));
                    }
                    let before = found.len();
                    for (name, member) in members {
                        resource(member, &below(&place, name), document, found);
                    }
                    let manages = member(members, &["http_filters", "httpFilters"]).is_some();
                    let carriers = found.iter_mut().skip(before);
                    for carrier in carriers.filter_map(|found| found.carrier.as_mut()) {
                        if kind == Some("EnvoyFilter") {
                            carrier.kind = Kind::EnvoyFilter;
                        }
                        if manages {
                            carrier.manager = Some(Manager {
                                place: place.clone(),
                                members: members.clone(),
                            });
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

/// The files in a `ConfigMap`.
fn config_map(members: &Map<String, Value>, place: &str, document: usize, found: &mut Vec<Found>) {
    let files = object(members, &["data"]).into_iter().flatten();
    for (name, text) in files.filter_map(|(name, text)| Some((name, text.as_str()?))) {
        let place = below(place, &format!("data[{name}]"));
        match documents(text, Path::new(name)) {
            Ok(documents) => documents
                .iter()
                .for_each(|part| resource(part, &place, document, found)),
            Err(message) if has_extension(Path::new(name), &["json", "yaml", "yml"]) => {
                found.push(Found {
                    place,
                    names: vec![name.clone()],
                    module: None,
                    configuration: Configuration::Unusable(message),
                    carrier: None,
                });
            }
            // Any other text.
            Err(_) => {}
        }
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
fn envoy(carrier: Carrier) -> Found {
    let config = &carrier.members;
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
    let [.., file, url] = names;
    let module = file.or(url).map(str::to_owned);
    Found {
        place: below(&carrier.place, "configuration"),
        names: names.into_iter().flatten().map(str::to_owned).collect(),
        module,
        configuration: any(config.get("configuration")),
        carrier: Some(carrier),
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
fn istio(carrier: Carrier, resource: &Map<String, Value>) -> Found {
    kubernetes(carrier, "pluginConfig", &["/pluginName", "/url"], resource)
}

/// An entry of `spec.wasm` of an `EnvoyExtensionPolicy`.
fn envoy_gateway(carrier: Carrier, resource: &Map<String, Value>) -> Found {
    let names = ["/name", "/rootID", "/code/http/url", "/code/image/url"];
    kubernetes(carrier, "config", &names, resource)
}

fn kubernetes(
    carrier: Carrier,
    member: &str,
    names: &[&str],
    resource: &Map<String, Value>,
) -> Found {
    let spec = Value::Object(carrier.members.clone());
    let resource_name =
        object(resource, &["metadata"]).and_then(|metadata| text(metadata, &["name"]));
    Found {
        place: below(&carrier.place, member),
        names: names
            .iter()
            .map(|pointer| spec.pointer(pointer).and_then(Value::as_str))
            .chain([resource_name])
            .flatten()
            .map(str::to_owned)
            .collect(),
        module: names
            .iter()
            .skip(1)
            .filter_map(|pointer| spec.pointer(pointer).and_then(Value::as_str))
            .next_back()
            .map(str::to_owned),
        configuration: match spec.get(member) {
            None | Some(Value::Null) => Configuration::Bytes(Vec::new()),
            Some(config) => Configuration::Document(config.clone()),
        },
        carrier: Some(carrier),
    }
}
