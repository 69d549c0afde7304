//! What has changed about an endpoint that was there before.

use std::collections::BTreeMap;

use ipnet::IpNet;
use jiff::Timestamp;

use super::Changes;
use crate::cli::evidence::inventory::{ApiKey, Authorizer, Endpoint, Oidc};

impl Changes {
    pub(super) fn endpoint(&mut self, old: &Endpoint, new: &Endpoint) {
        let name = &new.name;
        match (old.is_open(), new.is_open()) {
            (false, true) => self.lost(format!("endpoint {name} was opened: anyone may call it")),
            (true, false) => self.gained(format!("endpoint {name} now asks for a credential")),
            _ => {}
        }
        self.sources(name, old.allow_from.as_deref(), new.allow_from.as_deref());
        self.keys(name, &old.keys(), &new.keys());
        self.key_sets(name, &old.key_sets(), &new.key_sets());
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
            let place = format!("endpoint {name}: key {key} of client {client}");
            self.reach(
                &place,
                "endpoint",
                known.endpoints.as_ref(),
                entry.endpoints.as_ref(),
            );
            self.reach(
                &place,
                "model",
                known.models.as_ref(),
                entry.models.as_ref(),
            );
            let told = ["client_id", "key", "expires_at", "endpoints", "models"];
            self.fields(&place, known, entry, &told);
        }
        for (client, key) in before.keys().filter(|id| !after.contains_key(*id)) {
            self.changed(format!(
                "endpoint {name}: key {key} of client {client} is gone"
            ));
        }
    }

    /// What a key may call.
    fn reach(
        &mut self,
        place: &str,
        what: &str,
        old: Option<&Vec<String>>,
        new: Option<&Vec<String>>,
    ) {
        match (old, new) {
            (Some(_), None) => self.lost(format!("{place} may now call any {what}")),
            (None, Some(list)) => self.gained(format!(
                "{place} may now call these {what}s only: {}",
                list.join(", ")
            )),
            (Some(before), Some(after)) if before != after => {
                let more: Vec<&str> = after
                    .iter()
                    .filter(|name| !before.contains(name))
                    .map(String::as_str)
                    .collect();
                if more.is_empty() {
                    self.gained(format!("{place} may call fewer {what}s than before"));
                } else {
                    self.lost(format!(
                        "{place} may now call more {what}s: {}",
                        more.join(", ")
                    ));
                }
            }
            _ => {}
        }
    }

    fn key_sets(&mut self, name: &str, old: &[&str], new: &[&str]) {
        for set in new.iter().filter(|set| !old.contains(set)) {
            self.changed(format!(
                "endpoint {name}: now takes the keys of key set {set}"
            ));
        }
        for set in old.iter().filter(|set| !new.contains(set)) {
            self.changed(format!(
                "endpoint {name}: no longer takes the keys of key set {set}"
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
