//! A pack before it is written: everything that its pages tell, and what they are called.

use askama::Template;
use jiff::Timestamp;
use serde::Serialize;

use super::access_log::Attribution;
use super::answers::{self, Answer};
use super::coverage;
use super::diff::Change;
use super::exchange::Exchange;
use super::inventory::{Endpoint, Inventory};
use super::manifest::{Manifest, Versions};
use super::pages;
use super::probe::{Left, Verdict};
use super::topology::{Cluster, Topology};
use crate::denial::Denial;

/// Everything that the pages tell.
pub(super) struct Pack {
    pub inventory: Inventory,
    pub proofs: Option<Proofs>,
    pub attribution: Option<Attribution>,
    pub changes: Option<Drift>,
    /// The live Envoy has another configuration: one sentence.
    pub mismatch: Option<String>,
    pub versions: Versions,
}

/// Requests that were made, and endpoints that were not asked.
pub(super) struct Proofs {
    pub base: String,
    pub exchanges: Vec<Exchange>,
    pub left: Vec<Left>,
}

/// What has changed since an earlier pack.
pub(super) struct Drift {
    /// The date of that pack.
    pub since: String,
    pub list: Vec<Change>,
}

/// The files of a pack, by the names that auditors use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Inventory,
    Configuration,
    Denials,
    Attribution,
    Questionnaire,
    Exposure,
    Report,
    Manifest,
}

/// A cluster, and what an auditor wants to know of it.
pub(super) struct ClusterRow<'a> {
    pub cluster: &'a Cluster,
    pub role: &'static str,
    pub ways_around: Vec<String>,
}

impl Page {
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Inventory => ("endpoint-inventory", "md"),
            Self::Configuration => ("gateway-auth-config", "json"),
            Self::Denials => ("denied-request-sample", "txt"),
            Self::Attribution => ("tenant-attribution", "md"),
            Self::Questionnaire => ("model-endpoint-authentication", "md"),
            Self::Exposure => ("network-exposure", "md"),
            Self::Report => ("report", "html"),
            Self::Manifest => ("manifest", "json"),
        }
    }

    /// What the file is called in a pack of that date.
    pub fn file(self, date: &str) -> String {
        let (name, extension) = self.name();
        format!("{name}-{date}.{extension}")
    }
}

impl Pack {
    /// What a page's file is called.
    pub fn file(&self, page: Page) -> String {
        page.file(&self.inventory.date)
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        &self.inventory.configuration.endpoints
    }

    pub fn open_first(&self) -> impl Iterator<Item = &Endpoint> {
        let guarded = self
            .endpoints()
            .iter()
            .filter(|endpoint| !endpoint.is_open());
        self.inventory.open().chain(guarded)
    }

    pub fn answers(&self) -> Vec<Answer> {
        answers::answers(self)
    }

    /// Requests that were not denied, or of which that is not known.
    pub fn undenied(&self) -> impl Iterator<Item = &Exchange> {
        let exchanges = self.proofs.iter().flat_map(|proofs| &proofs.exchanges);
        exchanges.filter(|exchange| !exchange.verdict.is_denied())
    }

    /// How many requests were denied for that reason.
    pub fn denied_as(&self, denial: Denial) -> usize {
        let exchanges = self.proofs.iter().flat_map(|proofs| &proofs.exchanges);
        let reason = |exchange: &&Exchange| matches!(&exchange.verdict, Verdict::Denied(reason) if reason == denial.reason());
        exchanges.filter(reason).count()
    }

    /// What must be read first: the worst first, a sentence each.
    pub fn alarms(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        let through = self
            .undenied()
            .filter(|exchange| matches!(exchange.verdict, Verdict::NotDenied(_)));
        let through = through.count();
        if through > 0 {
            alarms.push(format!(
                "{} NOT denied.",
                was(through, "request", "was", "were")
            ));
        }
        let unproved = self.undenied().count().saturating_sub(through);
        if unproved > 0 {
            alarms.push(format!(
                "{} no proof of denial.",
                was(unproved, "request", "is", "are")
            ));
        }
        alarms.extend(
            self.mismatch
                .iter()
                .map(|what| format!("Not what is running: {what}.")),
        );
        let elsewhere = self.denied_as(Denial::UnknownEndpoint);
        if elsewhere > 0 {
            alarms.push(format!(
                "{} denied as unknown_endpoint: the gate that answers has another configuration.",
                was(elsewhere, "request", "was", "were")
            ));
        }
        let gaps = self.inventory.open_gaps().count();
        if gaps > 0 {
            alarms.push(format!(
                "{} to a model server without an endpoint's protection.",
                was(gaps, "way", "leads", "lead")
            ));
        }
        let untied = self.attribution.as_ref().map_or(0, |log| log.untied);
        if untied > 0 {
            alarms.push(format!(
                "{untied} requests were let through without a tenant."
            ));
        }
        alarms
    }

    /// The clusters, each with the ways around the gate that lead to it.
    pub fn clusters<'a>(&self, envoy: &'a Topology) -> Vec<ClusterRow<'a>> {
        let models = coverage::model_clusters(&self.inventory.configuration, envoy);
        let own: Vec<&String> = self.inventory.configuration.clusters.values().collect();
        let row = |cluster: &'a Cluster| {
            let is_model = models.contains(&cluster.name);
            ClusterRow {
                cluster,
                role: match (is_model, own.contains(&&cluster.name)) {
                    (true, _) => "model server",
                    (false, true) => "called by the filter itself",
                    (false, false) => "other",
                },
                ways_around: if is_model {
                    coverage::ways_around(&cluster.name, envoy)
                } else {
                    Vec::new()
                },
            }
        };
        envoy.clusters.iter().map(row).collect()
    }

    /// All files, the manifest last.
    ///
    /// # Errors
    /// That a page cannot be made.
    pub fn files(&self, written_at: Timestamp) -> Result<Vec<(String, String)>, String> {
        let failed = |error: askama::Error| format!("a page cannot be made: {error}");
        let mut files = vec![
            (
                Page::Inventory,
                pages::Inventory { pack: self }.render().map_err(failed)?,
            ),
            (Page::Configuration, pretty(&self.inventory)?),
            (Page::Denials, pages::denials(self)),
            (
                Page::Attribution,
                pages::Attribution { pack: self }.render().map_err(failed)?,
            ),
            (
                Page::Questionnaire,
                pages::Questionnaire { pack: self }
                    .render()
                    .map_err(failed)?,
            ),
            (
                Page::Exposure,
                pages::Exposure { pack: self }.render().map_err(failed)?,
            ),
            (
                Page::Report,
                pages::Report::of(self).render().map_err(failed)?,
            ),
        ];
        for (_, text) in &mut files {
            let end = text.trim_end().len();
            text.truncate(end);
            text.push('\n');
        }
        let mut files: Vec<(String, String)> = files
            .into_iter()
            .map(|(page, text)| (self.file(page), text))
            .collect();
        let manifest = Manifest::over(&files, self, written_at);
        files.push((
            self.file(Page::Manifest),
            format!("{}\n", pretty(&manifest)?),
        ));
        Ok(files)
    }
}

impl Proofs {
    /// What was not denied first.
    pub fn bad_first(&self) -> impl Iterator<Item = &Exchange> {
        let denied = |exchange: &&Exchange| exchange.verdict.is_denied();
        let bad = self
            .exchanges
            .iter()
            .filter(move |exchange| !denied(exchange));
        bad.chain(self.exchanges.iter().filter(denied))
    }
}

fn pretty(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| format!("a page cannot be made: {error}"))
}

/// `1 request was`, `2 requests were`.
fn was(count: usize, what: &str, one: &str, more: &str) -> String {
    if count == 1 {
        format!("1 {what} {one}")
    } else {
        format!("{count} {what}s {more}")
    }
}
