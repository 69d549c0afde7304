//! Things fetched: documents behind URLs that are fresh for a while, kept for all who need them.
//!
//! [`document`] is the state machine of one document and knows no network; [`Fetcher`] puts it to work on a
//! [`Host`], once for a whole process (`shared`). What comes is taken in by `intake`. What is asked, and what an answer means,
//! is for the sources to say (`source`): `jwks` has the documents of an issuer, `access_token` the tokens for a provider,
//! `key_set` sets of API keys.

mod access_token;
pub mod document;
mod edition;
#[cfg(test)]
pub mod fake;
mod intake;
mod jwks;
mod key_set;
mod location;
mod shared;
mod source;
mod terms;

use std::collections::HashMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::api_key::ApiKeys;
use crate::authorizer::jwt;
use crate::host::{Answer, CalloutId, Host};
use crate::metrics::Metric;
use crate::upstream::ProviderCredential;
use access_token::AccessToken;
pub use access_token::{ClientAuth, ClientCredentials};
pub use document::Refresh;
pub use document::State;
use document::{Cause, Schedule};
use intake::{Taken, fail, take_in, take_over};
use jwks::IssuerKeys;
pub use jwks::{IssuerError, KeySource, discovery_location};
pub use key_set::ApiKeySource;
use key_set::KeySet;
pub use location::{Clusters, Location, LocationError};
use shared::{Shelf, Turn};
pub use source::{Part, SourceId};
use source::{Question, Source, Sources};
pub use terms::Terms;
use terms::{BACK_OFF_FIRST, BACK_OFF_UNSENT};

/// How soon a worker looks whether another one's fetch has ended. Requests may be waiting for it.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(25);

/// Names a source of keys within its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySourceId(pub usize);

/// Keys, as far as they can be had.
pub type Keys<'a> = State<&'a jwt::KeySet>;

/// Somebody who has keys.
pub trait KeysOf {
    /// The keys of that source.
    fn of(&self, source: KeySourceId, now: Timestamp) -> Keys<'_>;

    /// Asks for newer ones, because a token names one that is not among them.
    fn refresh(&mut self, source: KeySourceId, now: Timestamp) -> Refresh;
}

/// Names a source of access tokens within its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenSourceId(pub usize);

/// Somebody who has access tokens.
pub trait TokensOf {
    /// The token of that source as it is lent to a request, and when it was asked for, which tells it from others of the
    /// same source.
    fn token(
        &self,
        source: TokenSourceId,
        now: Timestamp,
    ) -> State<(&Rc<ProviderCredential>, Timestamp)>;
}

/// Names a set of API keys within its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKeySetId(pub usize);

/// Somebody who has sets of API keys.
pub trait ApiKeysOf {
    /// The keys of that set.
    fn api_keys(&self, set: ApiKeySetId, now: Timestamp) -> State<&ApiKeys>;
}

/// Fetches the documents of a policy and keeps them.
#[derive(Debug)]
pub struct Fetcher {
    clusters: Clusters,
    sources: Sources,
    in_flight: HashMap<CalloutId, InFlight>,
    /// How often something has come, or has turned out not to come.
    news: u64,
}

/// A callout that was sent and not answered.
#[derive(Debug)]
struct InFlight {
    source: SourceId,
    part: Part,
    /// What was asked. The document may have moved meanwhile.
    question: Question,
    /// The entity tag of the edition that it was asked for only if there is another one.
    validator: Option<String>,
    /// The age of what it brings counts from here: it cannot be newer, however long it takes.
    sent_at: Timestamp,
    /// When others stop waiting for it.
    until: Timestamp,
}

impl KeysOf for Fetcher {
    fn of(&self, source: KeySourceId, now: Timestamp) -> Keys<'_> {
        let keys = self.sources.issuers.get(source.0);
        keys.map_or_else(not_ours, |source| source.state(now))
    }

    fn refresh(&mut self, source: KeySourceId, now: Timestamp) -> Refresh {
        let keys = self.schedule(SourceId::Keys(source), Part::Keys);
        keys.map_or(Refresh::TooSoon, |keys| keys.hurry(Cause::UnknownKey, now))
    }
}

impl TokensOf for Fetcher {
    fn token(
        &self,
        source: TokenSourceId,
        now: Timestamp,
    ) -> State<(&Rc<ProviderCredential>, Timestamp)> {
        let token = self.sources.tokens.get(source.0);
        token.map_or_else(not_ours, |source| source.state(now))
    }
}

impl ApiKeysOf for Fetcher {
    fn api_keys(&self, set: ApiKeySetId, now: Timestamp) -> State<&ApiKeys> {
        let set = self.sources.key_sets.get(set.0);
        set.map_or_else(not_ours, |set| set.state(now))
    }
}

/// What is said of an id from another policy.
fn not_ours<T>() -> State<T> {
    State::Unavailable {
        retry_after: terms::BACK_OFF_MOST,
    }
}

/// What is to be fetched, in the order of their ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Keys of issuers.
    pub issuers: &'a [KeySource],
    /// Access tokens.
    pub tokens: &'a [ClientCredentials],
    /// Sets of API keys.
    pub key_sets: &'a [ApiKeySource],
}

impl Fetcher {
    /// A fetcher for these sources, with what the process has of them already; sets of keys are taken as they are from the
    /// fetcher before this one, if it is in the same VM. Sends nothing yet: Envoy runs a
    /// configuration on trial first, in a VM whose callouts it drops.
    pub fn new(
        wanted: &Wanted<'_>,
        clusters: Clusters,
        predecessor: Option<&Self>,
        host: &mut impl Host,
    ) -> Self {
        let issuers = wanted.issuers.iter().cloned();
        let key_sets = wanted.key_sets.iter().cloned();
        let inherited = predecessor.map_or(&[][..], |other| &other.sources.key_sets);
        let mut sources = Sources {
            issuers: issuers
                .map(|source| IssuerKeys::new(source, &clusters))
                .collect(),
            tokens: wanted
                .tokens
                .iter()
                .map(|credentials| AccessToken::new(credentials, &clusters))
                .collect(),
            key_sets: key_sets
                .map(|source| KeySet::new(source, &clusters, inherited, host.random()))
                .collect(),
        };
        for source in sources.iter_mut() {
            for part in source.parts() {
                if let Some(question) = source.question(*part) {
                    let shared = Shelf::of(question);
                    shared.prepare(host);
                    take_over(source, *part, &shared, &clusters, host);
                }
            }
        }
        Self {
            clusters,
            sources,
            in_flight: HashMap::new(),
            news: 0,
        }
    }

    /// Changes with everything that comes, and with everything that turns out not to come. Until then it is no use to ask
    /// again for what was [`Coming`](State::Coming).
    pub fn news(&self) -> u64 {
        self.news
    }

    /// Does what is due: takes over what others fetched, and sends what is ours to send.
    pub fn drive(&mut self, host: &mut impl Host) {
        for id in self.sources.ids() {
            let parts = self.sources.get_mut(id).map(|source| source.parts());
            // What the first part finds out may be due at once.
            for part in parts.unwrap_or_default() {
                self.drive_part(id, *part, host);
            }
        }
    }

    /// When [`drive`](Self::drive) has something to do next.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut next = None;
        for source in self.sources.iter_mut() {
            for part in source.parts() {
                let event = source
                    .schedule(*part)
                    .map(|schedule| schedule.next_event(now));
                next = [next, event].into_iter().flatten().min();
            }
        }
        next
    }

    /// Says how old the keys are, and which.
    pub fn measure(&mut self, host: &mut impl Host) {
        let now = host.now();
        for source in self.sources.iter_mut() {
            source.measure(now, &mut |metric, value| host.measure(metric, value));
        }
    }

    /// The longest answer to that callout that is of any use.
    pub fn max_body_bytes(&mut self, id: CalloutId) -> usize {
        let source = self.in_flight.get(&id).map(|sent| sent.source);
        let source = source.and_then(|source| self.sources.get_mut(source));
        source.map_or(0, |source| source.max_body_bytes())
    }

    /// The provider refused the token of that source that was asked for then.
    pub fn rejected(&mut self, source: TokenSourceId, fetched_at: Timestamp, now: Timestamp) {
        if let Some(token) = self.schedule(SourceId::Token(source), Part::AccessToken) {
            token.rejected(fetched_at, now);
        }
    }

    /// Takes the answer to a callout in; `None` where it broke off. Whether it was one of ours.
    pub fn answered(
        &mut self,
        id: CalloutId,
        answer: Option<Answer>,
        host: &mut impl Host,
    ) -> bool {
        let Some(sent) = self.in_flight.remove(&id) else {
            return false;
        };
        self.news = self.news.wrapping_add(1);
        let (part, question) = (sent.part, &sent.question);
        let Some(source) = self.sources.get_mut(sent.source) else {
            return true;
        };
        if source.question(part) != Some(question) {
            return true;
        }
        let shared = Shelf::of(question);
        match take_in(source, &sent, answer, &self.clusters, host) {
            Ok(Taken { note, body }) => {
                // Before anybody else can know of what this led to.
                for other in source.parts().iter().filter(|other| **other != part) {
                    if let Some(question) = source.question(*other) {
                        Shelf::of(question).prepare(host);
                    }
                }
                shared.publish(&note, body.as_deref(), host);
                // Somebody may have asked later and been answered sooner.
                take_over(source, part, &shared, &self.clusters, host);
            }
            Err(error) => {
                log::warn!(
                    "cannot have {part} of {} from {}: {error}",
                    source.name(),
                    question.location.authority()
                );
                fail(source, part, BACK_OFF_FIRST, &shared, host);
            }
        }
        true
    }

    /// Gives up what is under way, because its answers will not come any more: others need not wait for the end of a
    /// lease.
    pub fn abandon(&mut self, host: &mut impl Host) {
        for (_, sent) in self.in_flight.drain() {
            Shelf::of(&sent.question).release(sent.until, host);
        }
    }

    fn schedule(&mut self, source: SourceId, part: Part) -> Option<&mut Schedule> {
        self.sources.get_mut(source)?.schedule(part)
    }

    fn drive_part(&mut self, id: SourceId, part: Part, host: &mut impl Host) {
        let now = host.now();
        let Some(source) = self.sources.get_mut(id) else {
            return;
        };
        let is_due = |source: &mut dyn Source| {
            source
                .schedule(part)
                .is_some_and(|schedule| schedule.is_due(now))
        };
        if !is_due(source) {
            return;
        }
        let Some(question) = source.question(part).cloned() else {
            return;
        };

        let shared = Shelf::of(&question);
        take_over(source, part, &shared, &self.clusters, host);
        if !is_due(source) {
            self.news = self.news.wrapping_add(1);
            return;
        }
        let Some(schedule) = source.schedule(part) else {
            return;
        };
        let (terms, cause) = (*schedule.terms(), schedule.cause());
        let validator = schedule.validator(now).filter(|_| question.is_get());
        let validator = validator.map(str::to_owned);
        match shared.claim(terms.lease(), host) {
            Turn::Theirs { until } => {
                schedule.under_way(until.min(document::later(now, LOOK_AGAIN)));
            }
            Turn::Failed { until } => {
                schedule.failed_until(until);
                self.news = self.news.wrapping_add(1);
            }
            Turn::Ours { until } => {
                schedule.under_way(until);
                // One that was never answered is given up with its lease.
                self.in_flight
                    .retain(|_, sent| sent.source != id || sent.part != part);
                host.count(Metric::Fetches {
                    issuer: source.name(),
                    document: part,
                    cause,
                });
                let question_sent = question.callout(terms.timeout, validator.as_deref());
                if let Ok(callout) = host.dispatch(&question_sent) {
                    self.in_flight.insert(
                        callout,
                        InFlight {
                            source: id,
                            part,
                            question,
                            validator,
                            sent_at: now,
                            until,
                        },
                    );
                } else {
                    log::warn!(
                        "cannot call for {}: its cluster does not exist or has no usable endpoint",
                        question.location.without_query()
                    );
                    fail(source, part, BACK_OFF_UNSENT, &shared, host);
                    self.news = self.news.wrapping_add(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
