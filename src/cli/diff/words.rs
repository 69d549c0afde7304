//! What an edit changes, in words, from the documents as they were written. Never shows a secret: what may hold one is
//! named, and not told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keys;
use super::opening::lists_within;
use crate::source::AllowList;

/// Members of an endpoint whose values are told as they were written.
const PLAIN: [&str; 7] = [
    "hosts",
    "path",
    "methods",
    "preflight",
    "allow_encoded_slash",
    "forward_credential",
    "usage",
];
/// Members of the whole whose values are told as they were written.
const PLAIN_ON_TOP: [&str; 4] = ["source_address", "unmatched", "token_cache_size", "metrics"];

/// All differences, a line each.
pub(super) fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    on_top(old, new, &mut lines);
    let (before, after) = (endpoints(old), endpoints(new));
    for (name, endpoint) in &before {
        match after.get(name) {
            None => lines.push(format!("endpoint `{name}` removed: {}", summary(endpoint))),
            Some(now) => {
                let mut found = Vec::new();
                compare(endpoint, now, &mut found);
                lines.extend(
                    found
                        .into_iter()
                        .map(|line| format!("endpoint `{name}`: {line}")),
                );
            }
        }
    }
    for (name, endpoint) in &after {
        if !before.contains_key(name) {
            lines.push(format!("endpoint `{name}` added: {}", summary(endpoint)));
        }
    }
    lines.extend(keys::differences(&before, &after));
    lines
}

fn endpoints(document: &Value) -> BTreeMap<&str, &Value> {
    let list = document.get("endpoints").and_then(Value::as_array);
    let named = |endpoint| Some((text(endpoint, "name")?, endpoint));
    list.into_iter().flatten().filter_map(named).collect()
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// Names of members that differ, of either.
pub(super) fn changed(old: Option<&Value>, new: Option<&Value>) -> BTreeSet<String> {
    let names = members(old).chain(members(new)).map(|(name, _)| name);
    let member = |value: Option<&Value>, name: &str| value.and_then(|v| v.get(name)).cloned();
    names
        .filter(|name| member(old, name) != member(new, name))
        .cloned()
        .collect()
}

/// `name: old → new`, with the values as JSON.
fn told(name: &str, old: Option<&Value>, new: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| match value {
        None => "not written".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    format!("{name}: {} → {}", shown(old), shown(new))
}

fn on_top(old: &Value, new: &Value, lines: &mut Vec<String>) {
    for name in changed(Some(old), Some(new)) {
        let (before, after) = (old.get(&name), new.get(&name));
        match name.as_str() {
            "endpoints" => {}
            plain if PLAIN_ON_TOP.contains(&plain) => lines.push(told(plain, before, after)),
            "identity_headers" | "clusters" => {
                for part in changed(before, after) {
                    let part_of = |value: Option<&Value>| value.and_then(|v| v.get(&part)).cloned();
                    let (before, after) = (part_of(before), part_of(after));
                    lines.push(told(
                        &format!("{name}: {part}"),
                        before.as_ref(),
                        after.as_ref(),
                    ));
                }
            }
            // Parts with names of their own, which may hold URLs with secrets in them.
            _ => named_parts(&name, before, after, lines),
        }
    }
}

fn named_parts(name: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    let parts = changed(old, new);
    if parts.is_empty() {
        lines.push(format!("{name}: changed"));
    }
    for part in parts {
        let part_of = |value: Option<&Value>| value.and_then(|v| v.get(&part)).cloned();
        let what = match (part_of(old), part_of(new)) {
            (None, _) => "added".to_owned(),
            (_, None) => "removed".to_owned(),
            (Some(before), Some(after)) => alterations(&before, &after),
        };
        lines.push(format!("{name}: {part}: {what}"));
    }
}

/// Which members changed, without their values.
fn alterations(old: &Value, new: &Value) -> String {
    let names: Vec<_> = changed(Some(old), Some(new)).into_iter().collect();
    if names.is_empty() {
        "changed".to_owned()
    } else {
        format!("changed: {}", names.join(", "))
    }
}

/// What an endpoint is, in a line.
fn summary(endpoint: &Value) -> String {
    let list = |member: &str, otherwise: &str| {
        let texts = endpoint.get(member).and_then(Value::as_array);
        let texts = texts.map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        texts.map_or_else(|| otherwise.to_owned(), |texts| texts.join(", "))
    };
    let from = endpoint
        .get("allow_from")
        .map(|networks| format!(", from {networks}"));
    format!(
        "{} {} on {}, {}{}",
        list("methods", "any method"),
        text(endpoint, "path").unwrap_or_default(),
        list("hosts", "any host"),
        guards(endpoint.get("authorizer")),
        from.unwrap_or_default()
    )
}

/// What an authorizer asks for.
fn guards(authorizer: Option<&Value>) -> String {
    let kinds: Vec<String> = alternatives(authorizer)
        .into_iter()
        .map(|one| match text(one, "type") {
            Some("oidc") => {
                let issuer = one.get("oidc").and_then(|oidc| text(oidc, "issuer"));
                format!("guarded by oidc of {}", issuer.unwrap_or_default())
            }
            Some("none") => "open to anyone".to_owned(),
            kind => format!("guarded by {}", kind.unwrap_or_default()),
        })
        .collect();
    kinds.join(" or ")
}

/// The authorizers of an endpoint, one or several.
pub(super) fn alternatives(authorizer: Option<&Value>) -> Vec<&Value> {
    let several = authorizer
        .and_then(|authorizer| authorizer.get("any_of"))
        .and_then(Value::as_array);
    match several {
        Some(list) => list.iter().collect(),
        None => authorizer.into_iter().collect(),
    }
}

fn compare(old: &Value, new: &Value, lines: &mut Vec<String>) {
    for name in changed(Some(old), Some(new)) {
        let (before, after) = (old.get(&name), new.get(&name));
        match name.as_str() {
            plain if PLAIN.contains(&plain) => lines.push(told(plain, before, after)),
            "allow_from" => lines.push(sources(before, after)),
            "authorizer" => authorizer(before, after, lines),
            "upstream_auth" => lines.push(upstream_auth(before, after)),
            _ => lines.push(match (before, after) {
                (Some(before), Some(after)) => format!("{name}: {}", alterations(before, after)),
                (None, _) => format!("{name}: added"),
                (_, None) => format!("{name}: removed"),
            }),
        }
    }
}

/// Whether a source list lets more or fewer addresses call.
fn sources(old: Option<&Value>, new: Option<&Value>) -> String {
    let list = |value: Option<&Value>| {
        let networks = value?.as_array()?.iter().filter_map(Value::as_str);
        let mut list = AllowList::default();
        networks.for_each(|network| list.add(network).unwrap_or_default());
        Some(list)
    };
    let within = |inner: &Option<AllowList>, outer: &Option<AllowList>| match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => lists_within(inner, outer),
    };
    let (before, after) = (list(old), list(new));
    let verdict = match (within(&before, &after), within(&after, &before)) {
        (true, true) => "the same addresses",
        (true, false) => "wider",
        (false, true) => "narrower",
        (false, false) => "other addresses",
    };
    told(&format!("allow_from {verdict}"), old, new)
}

fn authorizer(old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    let open = |authorizer| guards(authorizer) == "open to anyone";
    match (open(old), open(new)) {
        (true, true) => return,
        (true, false) => return lines.push(format!("closed: {}", guards(new))),
        (false, true) => return lines.push(format!("opened to anyone; was {}", guards(old))),
        (false, false) => {}
    }
    if guards(old) != guards(new) {
        lines.push(format!("re-guarded: {} → {}", guards(old), guards(new)));
    }
    // The n-th authorizer of a kind (and issuer) with the n-th.
    let (before, after) = (by_kind(old), by_kind(new));
    for (kind, one) in &before {
        let Some(other) = after.get(kind) else {
            continue;
        };
        let what = one.get("oidc").and_then(|oidc| text(oidc, "issuer"));
        let what = what.map_or_else(|| kind.0.clone(), |issuer| format!("oidc of {issuer}"));
        let (mut before, mut after) = ((*one).clone(), (*other).clone());
        // Flattened, since nothing in it is a secret.
        for value in [&mut before, &mut after] {
            if let Some(Value::Object(oidc)) = value.get("oidc").cloned() {
                *value = Value::Object(with_from(oidc, value.get("from").cloned()));
            }
        }
        for name in changed(Some(&before), Some(&after)) {
            if name != "keys" {
                let line = told(&name, before.get(&name), after.get(&name));
                lines.push(format!("{what}: {line}"));
            }
        }
    }
}

fn with_from(mut oidc: Map<String, Value>, from: Option<Value>) -> Map<String, Value> {
    oidc.extend(from.map(|from| ("from".to_owned(), from)));
    oidc
}

/// Each authorizer by its kind, its issuer, and how many such stand before it.
fn by_kind(authorizer: Option<&Value>) -> BTreeMap<(String, String, usize), &Value> {
    let mut found = BTreeMap::new();
    for one in alternatives(authorizer) {
        let issuer = one.get("oidc").and_then(|oidc| text(oidc, "issuer"));
        let kind = text(one, "type").unwrap_or_default().to_owned();
        let issuer = issuer.unwrap_or_default().to_owned();
        let number = found
            .keys()
            .filter(|(k, i, _)| (k, i) == (&kind, &issuer))
            .count();
        found.insert((kind, issuer, number), one);
    }
    found
}

fn upstream_auth(old: Option<&Value>, new: Option<&Value>) -> String {
    let kind = |value: &Value| {
        let by_tenant = value.get("by_tenant").map(|_| "by tenant");
        text(value, "type")
            .or(by_tenant)
            .unwrap_or_default()
            .to_owned()
    };
    match (old, new) {
        (None, Some(new)) => format!("upstream_auth added: the provider sees {}", kind(new)),
        (Some(old), None) => format!(
            "upstream_auth removed: the provider no longer sees {}",
            kind(old)
        ),
        (Some(old), Some(new)) if kind(old) != kind(new) => {
            format!("upstream_auth: {} → {}", kind(old), kind(new))
        }
        (Some(old), Some(new)) => {
            format!("upstream_auth ({}) {}", kind(new), alterations(old, new))
        }
        (None, None) => String::new(),
    }
}
