//! What has changed between two packs, and what of it lets more people in than before.

mod endpoint;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::inventory::{Endpoint, Gap, Inventory};
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
    changes.fields("key_sets", &before.key_sets, &after.key_sets, &[]);
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

    fn gaps(&mut self, old: &Inventory, new: &Inventory) {
        let text = |gap: &Gap| {
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
