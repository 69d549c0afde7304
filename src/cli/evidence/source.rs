//! Where the configuration of a pack comes from: a file, a live Envoy, or both.
//!
//! It is found and made into a policy by what `tenantgate check` and the filter use, so its errors are theirs.

use std::path::Path;

use serde_json::Value;
use ureq::Agent;

use super::envoy::{self, Extension};
use super::http;
use super::inventory::{FORMAT, Inventory};
use super::topology::{Gate, Topology};
use super::{MakeArgs, coverage, effective};
use crate::cli::Status;
use crate::cli::find::{self, Configuration, Found};
use crate::cli::read::{self, StandIns};
use crate::config;
use crate::json;
use crate::policy::Policy;

/// The configuration that a pack is about, and what else its source says.
pub(super) struct Source {
    pub inventory: Inventory,
    pub policy: Policy,
    /// What the filter's module is called where Envoy finds it.
    pub module: Option<String>,
    /// As Envoy's admin interface says it.
    pub envoy_version: Option<String>,
    /// The live Envoy has another configuration: one sentence.
    pub mismatch: Option<String>,
}

/// Why there is nothing to make a pack of.
pub(super) struct Unusable {
    pub status: Status,
    /// One line each.
    pub lines: Vec<String>,
}

/// A plugin configuration that made a policy.
struct Chosen {
    document: Value,
    policy: Policy,
    module: Option<String>,
}

/// Reads what the arguments name.
pub(super) fn read(args: &MakeArgs, date: &str, agent: &Agent) -> Result<Source, Unusable> {
    let unusable = |line| Unusable {
        status: Status::Unusable,
        lines: vec![line],
    };
    let admin = args.admin.as_deref();
    let live = match admin {
        Some(admin) => Some(vec![dump(agent, admin).map_err(unusable)?]),
        None => None,
    };
    let (name, documents) = match (&args.config, &live) {
        (Some(file), _) => {
            let name = file.display().to_string();
            let text = read::read(file).map_err(|error| unusable(format!("{name}: {error}")))?;
            let documents =
                read::documents(&text, file).map_err(|error| wrong(format!("{name}: {error}")))?;
            (name, documents)
        }
        (None, Some(live)) => (
            format!("{}/config_dump", admin.unwrap_or_default()),
            live.clone(),
        ),
        (None, None) => return Err(unusable("--config or --admin is needed".to_owned())),
    };
    let chosen = choose(&name, &documents, args.filter.as_deref())?;
    let envoy_documents = live.as_deref().unwrap_or(&documents);
    let judge = |filter: &Extension| judge(filter, &chosen.policy);
    let topology = envoy::resources(envoy_documents).map(|found| Topology::new(found, &judge));

    let mut configuration = effective::configuration(&chosen.document, &chosen.policy);
    let mut gaps = Vec::new();
    if let Some(topology) = &topology {
        coverage::route(&mut configuration, topology);
        gaps = coverage::gaps(&configuration, topology);
    }
    let config_id = chosen.policy.config_id.to_string();
    let mismatch = match (&args.config, admin, &topology) {
        (Some(_), Some(admin), Some(topology)) => mismatch(&name, admin, &config_id, topology),
        _ => None,
    };
    Ok(Source {
        inventory: Inventory {
            format: FORMAT,
            date: date.to_owned(),
            config_id,
            source: match &args.config {
                Some(file) if file == Path::new("-") => "standard input".to_owned(),
                Some(file) => {
                    let name = file.file_name().unwrap_or(file.as_os_str());
                    name.to_string_lossy().into_owned()
                }
                None => name,
            },
            configuration,
            envoy: topology,
            gaps,
        },
        module: chosen.module,
        policy: chosen.policy,
        envoy_version: match admin {
            Some(admin) => version(agent, admin).map_err(unusable)?,
            None => None,
        },
        mismatch,
    })
}

/// The configuration that a live Envoy runs.
fn dump(agent: &Agent, admin: &str) -> Result<Value, String> {
    let page = http::page(agent, admin, "/config_dump?include_eds")?;
    let dump =
        json::parse(page.as_bytes()).map_err(|error| format!("{admin}/config_dump: {error}"))?;
    match dump.get("configs") {
        Some(_) => Ok(dump),
        None => Err(format!(
            "{admin}/config_dump: is no config dump; is this Envoy's admin interface?"
        )),
    }
}

fn wrong(line: String) -> Unusable {
    Unusable {
        status: Status::Wrong,
        lines: vec![line],
    }
}

/// The one plugin configuration that is meant.
fn choose(name: &str, documents: &[Value], wanted: Option<&str>) -> Result<Chosen, Unusable> {
    let parts: Vec<Value> = documents.iter().flat_map(envoy::parts).cloned().collect();
    let found = find::find(&parts);
    if found.is_empty() {
        return Err(wrong(format!(
            "{name}: no plugin configuration: neither on its own, nor a wasm filter that has one; where the filter is gone \
             from the listener, nothing is protected"
        )));
    }
    let alone = found.len() == 1;
    let ours: Vec<Found> = found
        .into_iter()
        .filter(|found| match wanted {
            Some(wanted) => found.place.contains(wanted) || found.name() == wanted,
            None => alone || found.is_ours(),
        })
        .collect();
    let mut chosen: Vec<(String, Chosen)> = Vec::new();
    for found in ours {
        let place = found.place.clone();
        let next = compile(name, found)?;
        // The same filter on several listeners, or in several states of one.
        if chosen
            .iter()
            .all(|(_, known)| known.policy.config_id != next.policy.config_id)
        {
            chosen.push((place, next));
        }
    }
    if chosen.len() > 1 {
        let places = chosen.iter().map(|(place, _)| format!("\n  {place}"));
        return Err(wrong(format!(
            "{name}: several filters with different configurations; name one with --filter PLACE, and make a pack of \
             each:{}",
            places.collect::<String>()
        )));
    }
    let none = match wanted {
        Some(wanted) => format!(
            "{name}: no wasm filter is called {wanted:?} or stands at such a place (--filter)"
        ),
        None => format!(
            "{name}: several wasm filters, and none has `tenantgate` in its name, root_id, vm_id or code; name one with \
             --filter"
        ),
    };
    chosen
        .pop()
        .map(|(_, chosen)| chosen)
        .ok_or_else(|| wrong(none))
}

fn compile(name: &str, found: Found) -> Result<Chosen, Unusable> {
    let separator = if found.place.is_empty() { "" } else { ": " };
    let place = format!("{name}{separator}{}", found.place);
    let document =
        document(found.configuration).map_err(|message| wrong(format!("{place}: {message}")))?;
    let policy =
        config::compile(document.clone(), &StandIns::default()).map_err(|problems| Unusable {
            status: Status::Wrong,
            lines: problems
                .iter()
                .map(|problem| format!("{place}: {problem}"))
                .collect(),
        })?;
    Ok(Chosen {
        document,
        policy,
        module: found.module,
    })
}

fn document(configuration: Configuration) -> Result<Value, String> {
    match configuration {
        Configuration::Document(document) => Ok(document),
        Configuration::Bytes(bytes) => {
            config::read(&bytes).map_err(|problems| problems.to_string())
        }
        Configuration::Unusable(message) => Err(message),
    }
}

/// What an HTTP filter is to the gate that the pack is about. Another wasm filter is the gate as well if it has the very
/// configuration, whatever it is called.
fn judge(filter: &Extension, policy: &Policy) -> Option<Gate> {
    let found = find::filters(&filter.typed_config).into_iter().next()?;
    let called_ours = found.is_ours();
    let id = document(found.configuration)
        .ok()
        .and_then(|document| config::compile(document, &StandIns::default()).ok())
        .map(|other| other.config_id);
    match id {
        Some(id) if id == policy.config_id => Some(Gate::Here),
        _ => called_ours.then_some(Gate::Other),
    }
}

fn mismatch(name: &str, admin: &str, config_id: &str, live: &Topology) -> Option<String> {
    let gates: Vec<Gate> = live.chains().map(|(_, chain)| chain.gate).collect();
    if gates.contains(&Gate::Here) {
        return None;
    }
    Some(if gates.contains(&Gate::Other) {
        format!(
            "the Envoy at {admin} runs another configuration than {name} (config_id {config_id})"
        )
    } else {
        format!(
            "no listener of the Envoy at {admin} has the filter with the configuration of {name} (config_id {config_id})"
        )
    })
}

fn version(agent: &Agent, admin: &str) -> Result<Option<String>, String> {
    let page = http::page(agent, admin, "/server_info")?;
    let info =
        json::parse(page.as_bytes()).map_err(|error| format!("{admin}/server_info: {error}"))?;
    Ok(info
        .get("version")
        .and_then(Value::as_str)
        .map(str::to_owned))
}
