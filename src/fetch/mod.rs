//! Things fetched: documents behind URLs that are fresh for a while, kept for all who need them.
//!
//! [`document`] is the state machine of one document and knows no network; [`Fetcher`] puts it to work on a
//! [`Host`], once for a whole process (`shared`); `jwks` says what the documents of an issuer mean.

pub mod document;
mod jwks;
mod location;
mod shared;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::jwt::KeySet;
use crate::host::{Answer, CalloutId, Host};
use crate::metrics::Metric;
pub use document::Refresh;
use document::State;
pub use document::Terms;
use jwks::{DocumentError, IssuerKeys};
pub use jwks::{IssuerError, KeySource, Part, discovery_location};
pub use location::{Clusters, Location, LocationError};
use shared::{SharedDocument, Shelf, Turn};

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

/// Fetches the documents of a policy and keeps them.
#[derive(Debug)]
pub struct Fetcher {
    clusters: Clusters,
    sources: Vec<IssuerKeys>,
    in_flight: HashMap<CalloutId, InFlight>,
}

/// A callout that was sent and not answered.
#[derive(Debug)]
struct InFlight {
    source: usize,
    part: Part,
    /// Where it went. The document may have moved meanwhile.
    location: Location,
    /// The age of what it brings counts from here: it cannot be newer, however long it takes.
    sent_at: Timestamp,
    /// When others stop waiting for it.
    until: Timestamp,
}

impl KeysOf for Fetcher {
    fn of(&self, source: KeySourceId, now: Timestamp) -> Keys<'_> {
        let unknown = State::Unavailable {
            retry_after: document::BACK_OFF_MOST,
        };
        self.sources
            .get(source.0)
            .map_or(unknown, |source| source.state(now))
    }

    fn refresh(&mut self, source: KeySourceId, now: Timestamp) -> Refresh {
        let keys = self
            .sources
            .get_mut(source.0)
            .and_then(|source| source.schedule(Part::Keys));
        keys.map_or(Refresh::TooSoon, |schedule| schedule.hurry(now))
    }
}

impl Fetcher {
    /// A fetcher for these sources, with what the process has of them already. Sends nothing yet: Envoy runs a
    /// configuration on trial first, in a VM whose callouts it drops.
    pub fn new(
        sources: impl IntoIterator<Item = KeySource>,
        clusters: Clusters,
        host: &mut impl Host,
    ) -> Self {
        let mut sources: Vec<_> = sources.into_iter().map(IssuerKeys::new).collect();
        for source in &mut sources {
            for part in [Part::Discovery, Part::Keys] {
                if let Some(location) = source.location(part) {
                    let shared = Shelf::of(location);
                    shared.prepare(host);
                    take_over(source, part, &shared, &clusters, host);
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
        for index in 0..self.sources.len() {
            // What discovery finds out may be due at once.
            for part in [Part::Discovery, Part::Keys] {
                self.drive_part(index, part, host);
            }
        }
    }

    /// When [`drive`](Self::drive) has something to do next.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        let parts = [Part::Discovery, Part::Keys];
        self.sources
            .iter_mut()
            .flat_map(|source| {
                parts.map(|part| {
                    source
                        .schedule(part)
                        .map(|schedule| schedule.next_event(now))
                })
            })
            .flatten()
            .min()
    }

    /// Says how old the keys are.
    pub fn measure(&mut self, host: &mut impl Host) {
        let now = host.now();
        for source in &mut self.sources {
            let fetched_at = source
                .schedule(Part::Keys)
                .and_then(|schedule| schedule.fetched_at());
            if let Some(fetched_at) = fetched_at {
                let age =
                    u64::try_from(now.duration_since(fetched_at).as_secs()).unwrap_or_default();
                host.measure(
                    Metric::KeysAge {
                        issuer: source.issuer(),
                    },
                    age,
                );
            }
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
            source: index,
            part,
            location,
            sent_at,
            until: _,
        }) = self.in_flight.remove(&id)
        else {
            return false;
        };
        let Some(source) = self.sources.get_mut(index) else {
            return true;
        };
        if source.location(part) != Some(&location) {
            return true;
        }
        let fetched_at = sent_at.min(host.now());
        let shared = Shelf::of(&location);
        let taken = match answer {
            Some(answer) if answer.status == 200 => {
                let fresh_for = max_age(answer.cache_control.as_deref());
                accept(
                    source,
                    part,
                    &answer.body,
                    fetched_at,
                    fresh_for,
                    host.random(),
                    &self.clusters,
                )
                .map(|()| (answer.body, fresh_for))
                .map_err(|error| error.to_string())
            }
            Some(answer) => Err(format!("status {}", answer.status)),
            None => Err("the answer broke off, or was longer than is taken".to_owned()),
        };
        match taken {
            Ok((body, fresh_for)) => {
                let hurried_at = source
                    .schedule(part)
                    .and_then(|schedule| schedule.hurried_at());
                // Before anybody else can know of it.
                if let Some(found) = source.location(Part::Keys) {
                    Shelf::of(found).prepare(host);
                }
                let document = SharedDocument::new(fetched_at, fresh_for, hurried_at, body);
                shared.publish(&document, host);
                // Somebody may have asked later and been answered sooner.
                take_over(source, part, &shared, &self.clusters, host);
            }
            Err(error) => {
                log::warn!(
                    "cannot have {location} for issuer {}: {error}",
                    source.issuer()
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
            Shelf::of(&sent.location).release(sent.until, host);
        }
    }

    fn drive_part(&mut self, index: usize, part: Part, host: &mut impl Host) {
        let now = host.now();
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        let Some(location) = source.location(part).cloned() else {
            return;
        };
        let Some(schedule) = source.schedule(part) else {
            return;
        };
        if !schedule.is_due(now) {
            return;
        }

        let shared = Shelf::of(&location);
        take_over(source, part, &shared, &self.clusters, host);
        let Some(schedule) = source.schedule(part) else {
            return;
        };
        if !schedule.is_due(now) {
            return;
        }
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
                    .retain(|_, sent| sent.source != index || sent.part != part);
                host.count(Metric::Fetches {
                    issuer: source.issuer(),
                    document: part,
                    cause,
                });
                if let Ok(id) = host.dispatch(&location.callout(&self.clusters, terms.timeout)) {
                    self.in_flight.insert(
                        id,
                        InFlight {
                            source: index,
                            part,
                            location,
                            sent_at: now,
                            until,
                        },
                    );
                } else {
                    log::warn!(
                        "cannot call for {location}: its cluster does not exist or has no usable endpoint"
                    );
                    fail(source, part, &shared, host);
                }
            }
        }
    }
}

/// Takes a newer document over from another worker, if there is one.
fn take_over(
    source: &mut IssuerKeys,
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
    let taken = accept(
        source,
        part,
        &theirs.body,
        theirs.fetched_at(),
        theirs.fresh_for(),
        host.random(),
        clusters,
    );
    if let (Ok(()), Some(schedule), Some(at)) = (taken, source.schedule(part), theirs.hurried_at())
    {
        schedule.hurried_elsewhere(at);
    }
}

/// Takes a document in and says which of its keys are of no use.
fn accept(
    source: &mut IssuerKeys,
    part: Part,
    body: &[u8],
    fetched_at: Timestamp,
    fresh_for: Option<SignedDuration>,
    random: u64,
    clusters: &Clusters,
) -> Result<(), DocumentError> {
    for skipped in source.accept(part, body, fetched_at, fresh_for, random, clusters)? {
        log::info!(
            "key {} of issuer {} is not used: {}",
            skipped.position,
            source.issuer(),
            skipped.why
        );
    }
    Ok(())
}

fn fail(source: &mut IssuerKeys, part: Part, shelf: &Shelf, host: &mut impl Host) {
    let (now, random) = (host.now(), host.random());
    host.count(Metric::FetchFailures {
        issuer: source.issuer(),
        document: part,
    });
    if let Some(schedule) = source.schedule(part) {
        let next = schedule.failed(now, random);
        shelf.publish_failure(next, host);
    }
}

/// `max-age` of a `Cache-Control` value (RFC 9111 section 5.2.2.1); `no-store` and `no-cache` ask for none.
fn max_age(cache_control: Option<&str>) -> Option<SignedDuration> {
    let mut fresh_for = None;
    for directive in cache_control?.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(SignedDuration::ZERO),
            "max-age" => {
                fresh_for = value
                    .trim()
                    .trim_matches('"')
                    .parse()
                    .ok()
                    .map(SignedDuration::from_secs);
            }
            _ => {}
        }
    }
    fresh_for
}

#[cfg(test)]
mod tests;
