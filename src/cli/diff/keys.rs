//! API keys that an edit adds, ends or changes: by client and the beginning of the key's digest, never the key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::words::{alternatives, changed};
use crate::authorizer::api_key::{KeyDigest, digest_of_key};

/// What a key is known by, and its entry; by endpoint.
type Keys<'a> = BTreeMap<String, &'a Value>;

/// Differences in the keys of the endpoints. What several endpoints have in common is said once.
pub(super) fn differences(
    old: &BTreeMap<&str, &Value>,
    new: &BTreeMap<&str, &Value>,
) -> Vec<String> {
    let mut said: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for name in names {
        let (before, after) = (keys(old.get(name).copied()), keys(new.get(name).copied()));
        for (key, entry) in &before {
            let line = match after.get(key) {
                None => format!("key ended: {key}"),
                Some(now) => match alteration(entry, now) {
                    Some(what) => format!("key changed: {key}: {what}"),
                    None => continue,
                },
            };
            said.entry(line).or_default().insert(name);
        }
        for key in after.keys().filter(|key| !before.contains_key(*key)) {
            said.entry(format!("key added: {key}"))
                .or_default()
                .insert(name);
        }
    }
    said.into_iter()
        .map(|(line, endpoints)| {
            let endpoints: Vec<_> = endpoints.iter().map(|name| format!("`{name}`")).collect();
            format!("{line} ({})", endpoints.join(", "))
        })
        .collect()
}

fn keys(endpoint: Option<&Value>) -> Keys<'_> {
    alternatives(endpoint.and_then(|endpoint| endpoint.get("authorizer")))
        .into_iter()
        .filter_map(|authorizer| authorizer.get("keys")?.as_array())
        .flatten()
        .map(|entry| (known_by(entry), entry))
        .collect()
}

fn known_by(entry: &Value) -> String {
    let text = |member: &str| entry.get(member).and_then(Value::as_str);
    let variable = entry.pointer("/key/env").and_then(Value::as_str);
    let digest: Option<KeyDigest> = match (text("key_sha256"), text("key")) {
        (Some(digest), _) => digest.parse().ok(),
        (_, Some(key)) => digest_of_key(key).ok(),
        (None, None) => None,
    };
    let key = match (digest, variable) {
        (Some(digest), _) => format!("{digest:?}"),
        (None, Some(variable)) => format!("from {variable}"),
        (None, None) => String::new(),
    };
    format!("client `{}`, {key}", text("client_id").unwrap_or_default())
}

/// How long a key holds, for whom and where.
fn alteration(old: &Value, new: &Value) -> Option<String> {
    let shown = |value: Option<&Value>| {
        value.map_or_else(
            || "not written".to_owned(),
            |value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            },
        )
    };
    let changes: Vec<String> = changed(Some(old), Some(new))
        .into_iter()
        // The same key, written another way.
        .filter(|name| !matches!(name.as_str(), "key" | "key_sha256"))
        .map(|name| {
            format!(
                "{name}: {} → {}",
                shown(old.get(&name)),
                shown(new.get(&name))
            )
        })
        .collect();
    (!changes.is_empty()).then(|| changes.join(", "))
}
