//! What came of a soak, and what has to hold of it beside every decision.

use std::sync::Arc;
use std::time::Duration;

use crate::contexts::Contexts;
use crate::edits::Edits;
use crate::gate::{COOLDOWN_MS, KEY_SET_FRESH_MS, KEYS_FRESH_MS, LOAN_SECONDS};
use crate::latency::Latencies;
use crate::ledger::Totals;
use crate::outages::Outages;
use crate::services::Fetches;
use crate::watch::{Health, Plateau, Sample};

/// What came of a soak.
pub struct Soaked {
    pub totals: Totals,
    pub kinds: Vec<(&'static str, bool)>,
    pub took: Duration,
    pub edits: Edits,
    pub outages: Outages,
    pub samples: Vec<Sample>,
    pub health: Health,
    pub contexts: Contexts,
    pub fetches: Fetches,
    pub latencies: Arc<Latencies>,
}

/// Something that has to hold at the end.
pub struct Check {
    pub name: &'static str,
    pub found: String,
    pub holds: bool,
}

impl Soaked {
    /// What has to hold beside every decision.
    pub fn checks(&self) -> Vec<Check> {
        let plateau = Plateau::of(&self.samples);
        let ms = u64::try_from(self.took.as_millis()).expect("a length that fits");
        // Each edit makes a VM for a moment, which may ask once more.
        let more = 5 + 2 * self.edits.in_force();
        let most = |every_ms: u64| ms / every_ms + more;
        let bounded = |name, found: u64, bound: u64| Check {
            name,
            found: format!("{found} (at most {bound})"),
            holds: found <= bound,
        };
        vec![
            bounded(
                "VMs that trapped and were loaded anew",
                self.health.vm_reloads,
                0,
            ),
            bounded("streams left", self.health.requests_active, 0),
            Check {
                name: "contexts of streams that were made and deleted, traced at the end",
                found: format!("{} and {}", self.contexts.made, self.contexts.deleted),
                holds: self.contexts.made == self.contexts.deleted && self.contexts.made > 0,
            },
            bounded(
                "resident memory in the last third, KiB",
                plateau.last_kib,
                plateau.bound_kib(),
            ),
            // Each early by up to a fifth, and whatever unknown keys ask for once in a cooldown.
            bounded(
                "fetches of the signing keys",
                self.fetches.jwks,
                most(KEYS_FRESH_MS * 8 / 10) + ms / COOLDOWN_MS,
            ),
            bounded(
                "fetches of the discovery document",
                self.fetches.discovery,
                most(KEYS_FRESH_MS * 8 / 10),
            ),
            bounded(
                "fetches of the key set",
                self.fetches.key_set,
                most(KEY_SET_FRESH_MS * 8 / 10),
            ),
            bounded(
                "fetches of access tokens",
                self.fetches.access_tokens,
                most(LOAN_SECONDS * 720),
            ),
        ]
    }
}
