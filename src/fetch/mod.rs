//! Things fetched: documents behind URLs that are fresh for a while, kept for all who need them.
//!
//! [`document`] is the state machine of one document and knows no network; [`Fetcher`] puts it to work on a
//! [`Host`], once for a whole process (`shared`). What is asked, and what an answer means, is for the sources to say
//! (`source`): `jwks` has the documents of an issuer, `access_token` the tokens for a provider.

mod access_token;
pub mod document;
mod jwks;
mod location;
mod shared;
mod source;

use std::collections::HashMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::jwt::KeySet;
use crate::host::{Answer, CalloutId, Host};
use crate::metrics::Metric;
use crate::upstream::ProviderCredential;
use access_token::AccessToken;
pub use access_token::{ClientAuth, ClientCredentials};
pub use document::Refresh;
pub use document::State;
pub use document::Terms;
use document::{Cause, Schedule};
use jwks::IssuerKeys;
pub use jwks::{IssuerError, KeySource, discovery_location};
pub use location::{Clusters, Location, LocationError};
use shared::{SharedDocument, Shelf, Turn};
pub use source::{Part, SourceId};
use source::{Question, Received, Source, Sources, Unfit, max_age};

/// A JWK Set of a hundred keys, certificates included, is a quarter of this; copying more into every worker helps
/// nobody.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// How soon a worker looks whether another one's fetch has ended. Requests may be waiting for it.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(25);

/// Names a source of keys within its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySourceId(pub usize);

/// Keys, as far as they can be had.
pub type Keys<'a> = State<&'a KeySet>;

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

/// Fetches the documents of a policy and keeps them.
#[derive(Debug)]
pub struct Fetcher {
    clusters: Clusters,
    sources: Sources,
    in_flight: HashMap<CalloutId, InFlight>,
}

/// A callout that was sent and not answered.
#[derive(Debug)]
struct InFlight {
    source: SourceId,
    part: Part,
    /// What was asked. The document may have moved meanwhile.
    question: Question,
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

/// What is said of an id from another policy.
fn not_ours<T>() -> State<T> {
    State::Unavailable {
        retry_after: document::BACK_OFF_MOST,
    }
}

impl Fetcher {
    /// A fetcher for these sources, with what the process has of them already. Sends nothing yet: Envoy runs a
    /// configuration on trial first, in a VM whose callouts it drops.
    pub fn new(
        issuers: impl IntoIterator<Item = KeySource>,
        tokens: &[ClientCredentials],
        clusters: Clusters,
        host: &mut impl Host,
    ) -> Self {
        let mut sources = Sources {
            issuers: issuers.into_iter().map(IssuerKeys::new).collect(),
            tokens: tokens.iter().map(AccessToken::new).collect(),
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
        }
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

    /// Says how old the keys are.
    pub fn measure(&mut self, host: &mut impl Host) {
        let now = host.now();
        for source in self.sources.iter_mut() {
            if let Some((metric, value)) = source.measure(now) {
                host.measure(metric, value);
            }
        }
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
        let Some(InFlight {
            source,
            part,
            question,
            sent_at,
            until: _,
        }) = self.in_flight.remove(&id)
        else {
            return false;
        };
        let Some(source) = self.sources.get_mut(source) else {
            return true;
        };
        if source.question(part) != Some(&question) {
            return true;
        }
        let fetched_at = sent_at.min(host.now());
        let shared = Shelf::of(&question);
        let taken = match answer {
            Some(answer) if answer.status == 200 => {
                let fresh_for = max_age(answer.cache_control.as_deref());
                let received = Received {
                    body: &answer.body,
                    fetched_at,
                    fresh_for,
                    random: host.random(),
                };
                source
                    .accept(part, received, &self.clusters)
                    .map(|()| (answer.body, fresh_for))
                    .map_err(|error| error.to_string())
            }
            Some(answer) => Err(source.refusal(&answer)),
            None => Err("the answer broke off, or was longer than is taken".to_owned()),
        };
        match taken {
            Ok((body, fresh_for)) => {
                let hurried_at = source
                    .schedule(part)
                    .and_then(|schedule| schedule.hurried_at());
                // Before anybody else can know of what this led to.
                for other in source.parts().iter().filter(|other| **other != part) {
                    if let Some(question) = source.question(*other) {
                        Shelf::of(question).prepare(host);
                    }
                }
                let document = SharedDocument::new(fetched_at, fresh_for, hurried_at, body);
                shared.publish(&document, host);
                // Somebody may have asked later and been answered sooner.
                take_over(source, part, &shared, &self.clusters, host);
            }
            Err(error) => {
                log::warn!(
                    "cannot have {part} of {} from {}: {error}",
                    source.name(),
                    question.location.authority()
                );
                fail(source, part, &shared, host);
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
            return;
        }
        let Some(schedule) = source.schedule(part) else {
            return;
        };
        let (terms, cause) = (*schedule.terms(), schedule.cause());
        match shared.claim(terms.lease(), host) {
            Turn::Theirs { until } => {
                schedule.under_way(until.min(document::later(now, LOOK_AGAIN)));
            }
            Turn::Failed { until } => schedule.failed_until(until),
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
                if let Ok(callout) = host.dispatch(&question.callout(&self.clusters, terms.timeout))
                {
                    self.in_flight.insert(
                        callout,
                        InFlight {
                            source: id,
                            part,
                            question,
                            sent_at: now,
                            until,
                        },
                    );
                } else {
                    log::warn!(
                        "cannot call for {}: its cluster does not exist or has no usable endpoint",
                        question.location.without_query()
                    );
                    fail(source, part, &shared, host);
                }
            }
        }
    }
}

/// Takes a newer document over from another worker, if there is one.
fn take_over(
    source: &mut dyn Source,
    part: Part,
    shared: &Shelf,
    clusters: &Clusters,
    host: &mut impl Host,
) {
    let ours = source
        .schedule(part)
        .and_then(|schedule| schedule.fetched_at());
    let Some(theirs) = shared.newer(ours, host) else {
        return;
    };
    let received = Received {
        body: &theirs.body,
        fetched_at: theirs.fetched_at(),
        fresh_for: theirs.fresh_for(),
        random: host.random(),
    };
    let taken: Result<(), Unfit> = source.accept(part, received, clusters);
    if let (Ok(()), Some(schedule), Some(at)) = (taken, source.schedule(part), theirs.hurried_at())
    {
        schedule.hurried_elsewhere(at);
    }
}

fn fail(source: &mut dyn Source, part: Part, shelf: &Shelf, host: &mut impl Host) {
    let (now, random) = (host.now(), host.random());
    host.count(Metric::FetchFailures {
        issuer: source.name(),
        document: part,
    });
    if let Some(schedule) = source.schedule(part) {
        let next = schedule.failed(now, random);
        shelf.publish_failure(next, host);
    }
}

#[cfg(test)]
mod tests;
