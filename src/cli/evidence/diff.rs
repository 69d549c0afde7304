//! What has changed between two packs, and what of it lets more people in than before.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::inventory::{ApiKey, Authorizer, Endpoint, Inventory, Oidc};
use super::topology::{Encryption, Topology};

/// One difference, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Change {
    pub weight: Weight,
    pub what: String,
}

/// In order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Weight {
    /// Something is less protected than before.
    Lost,
    /// Something is different.
    Changed,
    /// Something is better protected than before.
    Gained,
}

impl Weight {
    pub fn is_loss(self) -> bool {
        self == Self::Lost
    }

    /// For a style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Gained => "gained",
        }
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "protection lost",
            Self::Changed => "changed",
            Self::Gained => "protection gained",
        }
    }
}

/// All differences, what was lost first.
pub(super) fn changes(old: &Inventory, new: &Inventory) -> Vec<Change> {
    let mut changes = Changes::default();
    let (before, after) = (&old.configuration, &new.configuration);
    match (before.unmatched.as_str(), after.unmatched.as_str()) {
        ("deny", "pass") => {
            changes.lost("requests that address no endpoint now pass unjudged (unmatched: pass)");
        }
        ("pass", "deny") => {
            changes.gained("requests that address no endpoint are now refused (unmatched: deny)");
        }
        _ => {}
    }
    changes.fields("clusters", &before.clusters, &after.clusters, &[]);
    changes.fields(
        "identity_headers",
        &before.identity_headers,
        &after.identity_headers,
        &[],
    );
    changes.fields(
        "source_address",
        &before.source_address,
        &after.source_address,
        &[],
    );
    changes.fields("metrics", &before.metrics, &after.metrics, &[]);

    let named = |endpoints: &'_ [Endpoint]| -> BTreeMap<String, Endpoint> {
        endpoints
            .iter()
            .map(|endpoint| (endpoint.name.clone(), endpoint.clone()))
            .collect()
    };
    let (before, after) = (named(&before.endpoints), named(&after.endpoints));
    for (name, endpoint) in &after {
        match before.get(name) {
            Some(known) => changes.endpoint(known, endpoint),
            None if endpoint.is_open() => changes.lost(format!(
                "new endpoint {name} ({}) is open: anyone may call it",
                endpoint.path
            )),
            None => changes.changed(format!("new endpoint {name} ({})", endpoint.path)),
        }
    }
    for (name, endpoint) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        changes.changed(format!("endpoint {name} ({}) is gone", endpoint.path));
    }
    changes.gaps(old, new);
    if let (Some(old), Some(new)) = (&old.envoy, &new.envoy) {
        changes.encryption(old, new);
    }
    changes.0.into_iter().collect()
}

#[derive(Default)]
struct Changes(BTreeSet<Change>);

impl Changes {
    fn add(&mut self, weight: Weight, what: impl Into<String>) {
        let what = what.into();
        self.0.insert(Change { weight, what });
    }

    fn lost(&mut self, what: impl Into<String>) {
        self.add(Weight::Lost, what);
    }

    fn changed(&mut self, what: impl Into<String>) {
        self.add(Weight::Changed, what);
    }

    fn gained(&mut self, what: impl Into<String>) {
        self.add(Weight::Gained, what);
    }

    fn endpoint(&mut self, old: &Endpoint, new: &Endpoint) {
        let name = &new.name;
        match (old.is_open(), new.is_open()) {
            (false, true) => self.lost(format!("endpoint {name} was opened: anyone may call it")),
            (true, false) => self.gained(format!("endpoint {name} now asks for a credential")),
            _ => {}
        }
        self.sources(name, old.allow_from.as_deref(), new.allow_from.as_deref());
        self.keys(name, &old.keys(), &new.keys());
        self.issuers(name, &old.issuers(), &new.issuers());
        if old.authorizers != new.authorizers {
            self.fields(
                &format!("endpoint {name}: from"),
                &old.places(),
                &new.places(),
                &[],
            );
        }
        if !old.preflight && new.preflight {
            self.lost(format!(
                "endpoint {name} lets CORS preflights through without a credential"
            ));
        }
        let told = ["name", "allow_from", "authorizers", "preflight"];
        self.fields(&format!("endpoint {name}"), old, new, &told);
    }

    fn sources(&mut self, name: &str, old: Option<&[String]>, new: Option<&[String]>) {
        let nets = |list: &[String]| -> Vec<IpNet> {
            list.iter().filter_map(|net| net.parse().ok()).collect()
        };
        match (old, new) {
            (None, None) => {}
            (None, Some(list)) => self.gained(format!(
                "endpoint {name} may be called from {} only",
                list.join(", ")
            )),
            (Some(_), None) => self.lost(format!(
                "endpoint {name} has no source list any more: any address may call"
            )),
            (Some(old), Some(new)) => {
                let (before, after) = (nets(old), nets(new));
                let beyond = |nets: &[IpNet], others: &[IpNet]| -> Vec<String> {
                    let inside = |net: &&IpNet| !others.iter().any(|other| other.contains(*net));
                    nets.iter()
                        .filter(inside)
                        .map(ToString::to_string)
                        .collect()
                };
                let (more, fewer) = (beyond(&after, &before), beyond(&before, &after));
                if !more.is_empty() {
                    self.lost(format!(
                        "endpoint {name} may now be called from {}",
                        more.join(", ")
                    ));
                }
                if !fewer.is_empty() {
                    self.gained(format!(
                        "endpoint {name} may no longer be called from all of {}",
                        fewer.join(", ")
                    ));
                }
            }
        }
    }

    fn keys(&mut self, name: &str, old: &[&ApiKey], new: &[&ApiKey]) {
        let named = |keys: &[&ApiKey]| -> BTreeMap<(String, String), ApiKey> {
            let id = |key: &ApiKey| (key.client_id.clone(), key.key.0.clone());
            keys.iter().map(|key| (id(key), (*key).clone())).collect()
        };
        let (before, after) = (named(old), named(new));
        for ((client, key), entry) in &after {
            let Some(known) = before.get(&(client.clone(), key.clone())) else {
                self.changed(format!(
                    "endpoint {name}: new key {key} of client {client} (tenant {})",
                    entry.tenant_id
                ));
                continue;
            };
            let end = |key: &ApiKey| {
                key.expires_at
                    .as_ref()
                    .map(|end| end.parse::<Timestamp>().ok())
            };
            match (end(known), end(entry)) {
                (Some(_), None) => self.lost(format!(
                    "endpoint {name}: key {key} of client {client} no longer expires"
                )),
                (Some(before), Some(after)) if after > before => self.lost(format!(
                    "endpoint {name}: key {key} of client {client} holds longer than before"
                )),
                (before, after) if before != after => self.gained(format!(
                    "endpoint {name}: key {key} of client {client} expires earlier than before"
                )),
                _ => {}
            }
            self.fields(
                &format!("endpoint {name}: key {key} of client {client}"),
                known,
                entry,
                &["client_id", "key", "expires_at"],
            );
        }
        for (client, key) in before.keys().filter(|id| !after.contains_key(*id)) {
            self.changed(format!(
                "endpoint {name}: key {key} of client {client} is gone"
            ));
        }
    }

    fn issuers(&mut self, name: &str, old: &[&Oidc], new: &[&Oidc]) {
        let known =
            |oidc: &Oidc, list: &[&Oidc]| list.iter().any(|other| other.issuer == oidc.issuer);
        for oidc in new.iter().filter(|oidc| !known(oidc, old)) {
            self.changed(format!(
                "endpoint {name}: now takes tokens of {}",
                oidc.issuer
            ));
        }
        for oidc in old.iter().filter(|oidc| !known(oidc, new)) {
            self.changed(format!(
                "endpoint {name}: no longer takes tokens of {}",
                oidc.issuer
            ));
        }
        for (index, after) in new.iter().enumerate() {
            // An issuer may stand twice; then the first is compared with the first.
            let nth = new
                .iter()
                .take(index)
                .filter(|other| other.issuer == after.issuer)
                .count();
            let Some(before) = old
                .iter()
                .filter(|other| other.issuer == after.issuer)
                .nth(nth)
            else {
                continue;
            };
            let place = format!("endpoint {name}, issuer {}", after.issuer);
            for claim in before
                .required_claims
                .keys()
                .filter(|claim| !after.required_claims.contains_key(*claim))
            {
                self.lost(format!("{place}: claim {claim} is not required any more"));
            }
            for (claim, requirement) in &after.required_claims {
                match before.required_claims.get(claim) {
                    None => self.gained(format!("{place}: claim {claim} must be {requirement}")),
                    Some(other) if other != requirement => self.changed(format!(
                        "{place}: claim {claim} must be {requirement}; before: {other}"
                    )),
                    Some(_) => {}
                }
            }
            self.fields(&place, *before, *after, &["required_claims"]);
        }
    }

    fn gaps(&mut self, old: &Inventory, new: &Inventory) {
        let text = |gap: &super::inventory::Gap| {
            format!(
                "listener {}, {}: {}",
                gap.listener,
                gap.what,
                gap.kind.meaning()
            )
        };
        for gap in new.gaps.iter().filter(|gap| !old.gaps.contains(gap)) {
            let weight = if gap.kind.is_open() {
                Weight::Lost
            } else {
                Weight::Changed
            };
            self.add(weight, format!("new gap: {}", text(gap)));
        }
        for gap in old.gaps.iter().filter(|gap| !new.gaps.contains(gap)) {
            let weight = if gap.kind.is_open() {
                Weight::Gained
            } else {
                Weight::Changed
            };
            self.add(weight, format!("gap closed: {}", text(gap)));
        }
    }

    fn encryption(&mut self, old: &Topology, new: &Topology) {
        let listeners = |topology: &Topology| -> BTreeMap<String, Encryption> {
            let all = topology.chains();
            all.map(|(listener, chain)| (format!("listener {}", listener.name), chain.encryption))
                .collect()
        };
        let clusters = |topology: &Topology| -> BTreeMap<String, Encryption> {
            let all = topology.clusters.iter();
            all.map(|cluster| (format!("cluster {}", cluster.name), cluster.encryption))
                .collect()
        };
        for (before, after) in [
            (listeners(old), listeners(new)),
            (clusters(old), clusters(new)),
        ] {
            for (name, now) in &after {
                match before.get(name) {
                    Some(then) if then != now => {
                        let weight = if *now == Encryption::None {
                            Weight::Lost
                        } else {
                            Weight::Changed
                        };
                        self.add(
                            weight,
                            format!(
                                "{name}: encryption {} (before: {})",
                                now.as_str(),
                                then.as_str()
                            ),
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    /// What else is different, field by field.
    fn fields<T: Serialize>(&mut self, place: &str, old: &T, new: &T, told: &[&str]) {
        let (before, after) = (leaves(old, told), leaves(new, told));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let text = |leaves: &BTreeMap<String, String>| {
                leaves
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| "nothing".to_owned())
            };
            let (then, now) = (text(&before), text(&after));
            if then != now {
                let separator = if name.is_empty() { "" } else { ": " };
                self.changed(format!("{place}{separator}{name} is {now}; before: {then}"));
            }
        }
    }
}

/// The members of a value that are no objects, each by its path.
fn leaves<T: Serialize>(value: &T, told: &[&str]) -> BTreeMap<String, String> {
    // These types have string keys only, so they are always JSON.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Value::Object(members) = &mut value {
        members.retain(|name, _| !told.contains(&name.as_str()));
    }
    let mut leaves = BTreeMap::new();
    gather(&value, String::new(), &mut leaves);
    leaves
}

fn gather(value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
    let Value::Object(members) = value else {
        leaves.insert(path, value.to_string());
        return;
    };
    for (name, member) in members {
        let separator = if path.is_empty() { "" } else { "." };
        gather(member, format!("{path}{separator}{name}"), leaves);
    }
}

impl Endpoint {
    /// All API keys that are good for it.
    pub fn keys(&self) -> Vec<&ApiKey> {
        let keys = self.authorizers.iter().map(|authorizer| match authorizer {
            Authorizer::ApiKey { keys, .. } => keys.as_slice(),
            Authorizer::None | Authorizer::Oidc { .. } => &[],
        });
        keys.flatten().collect()
    }

    /// All issuers whose tokens are good for it.
    pub fn issuers(&self) -> Vec<&Oidc> {
        let issuers = self
            .authorizers
            .iter()
            .filter_map(|authorizer| match authorizer {
                Authorizer::Oidc { oidc, .. } => Some(oidc.as_ref()),
                Authorizer::None | Authorizer::ApiKey { .. } => None,
            });
        issuers.collect()
    }
}
