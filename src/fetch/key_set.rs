//! A set of API keys that is kept somewhere else: in an object store, by a control plane, in a file that a server shows.

use std::rc::Rc;

use jiff::Timestamp;

use super::document::{Document, Schedule, State};
use super::location::{Clusters, Location};
use super::source::{Part, Question, Received, Source, Unfit};
use super::terms::Terms;
use crate::authorizer::api_key::{ApiKeys, parse_key_set};
use crate::metrics::Metric;
use crate::policy::ShortDigest;

/// A hundred thousand keys, each with a tenant, a user and an end, take this.
const MAX_BODY_BYTES: usize = 24 * 1024 * 1024;

/// Where a set of API keys is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeySource {
    /// What authorizers, logs and metrics call it.
    pub name: String,
    /// The document.
    pub location: Location,
    /// What the operator decided about its life.
    pub terms: Terms,
}

/// A set of keys.
#[derive(Debug)]
pub(super) struct KeySet {
    name: String,
    question: Question,
    document: Document<Rc<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    keys: ApiKeys,
    version: ShortDigest,
}

impl KeySet {
    /// A set that has what one of these has, if it is from the same place: to read it again would take long.
    pub fn new(
        source: ApiKeySource,
        clusters: &Clusters,
        predecessors: &[Self],
        random: u64,
    ) -> Self {
        let question = Question::get(source.location, clusters);
        let same = predecessors.iter().find(|other| other.question == question);
        let document = same.and_then(|same| same.document.inherited_by(source.terms, random));
        Self {
            name: source.name,
            question,
            document: document.unwrap_or_else(|| Document::new(source.terms)),
        }
    }

    /// The keys, or why they are not there.
    pub fn state(&self, now: Timestamp) -> State<&ApiKeys> {
        self.document.state(now).map(|loaded| &loaded.keys)
    }
}

impl Source for KeySet {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self) -> &'static [Part] {
        &[Part::KeySet]
    }

    fn question(&self, _: Part) -> Option<&Question> {
        Some(&self.question)
    }

    fn schedule(&mut self, _: Part) -> Option<&mut Schedule> {
        Some(&mut self.document.schedule)
    }

    fn accept(&mut self, _: Part, received: Received<'_>, _: &Clusters) -> Result<(), Unfit> {
        let loaded = Rc::new(Loaded {
            keys: parse_key_set(received.body)?,
            version: ShortDigest::of(received.body),
        });
        let life = self.document.schedule.terms().life(received.fresh_for);
        if self.document.value().map(|loaded| &loaded.version) != Some(&loaded.version) {
            log::info!(
                "key set {} is {} with {} keys",
                self.name,
                loaded.version,
                loaded.keys.len()
            );
        }
        self.document
            .succeeded(loaded, received.fetched_at, life, received.random);
        Ok(())
    }

    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES
    }

    fn measure(&self, now: Timestamp, say: &mut dyn FnMut(Metric<'_>, u64)) {
        let key_set = self.name.as_str();
        if let Some(age) = self.document.schedule.age_in_seconds(now) {
            say(Metric::KeySetAge { key_set }, age);
        }
        if let Some(loaded) = self.document.value() {
            let count = u64::try_from(loaded.keys.len()).unwrap_or(u64::MAX);
            say(Metric::KeySetKeys { key_set }, count);
            say(Metric::KeySetVersion { key_set }, loaded.version.number());
        }
    }
}
