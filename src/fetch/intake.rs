//! What becomes of a document that has come: from its server, or from another worker.

use jiff::SignedDuration;

use super::InFlight;
use super::edition::Edition;
use super::location::Clusters;
use super::shared::{Note, Shelf};
use super::source::{Part, Question, Received, Source, entity_tag, max_age};
use crate::host::{Answer, Host};
use crate::metrics::Metric;

/// What an answer brought, for the others.
pub(super) struct Taken {
    pub note: Note,
    /// Nothing, where the document is still the same.
    pub body: Option<Vec<u8>>,
}

/// Takes an answer in.
pub(super) fn take_in(
    source: &mut dyn Source,
    sent: &InFlight,
    answer: Option<Answer>,
    clusters: &Clusters,
    host: &mut impl Host,
) -> Result<Taken, String> {
    let answer = answer.ok_or("the answer broke off, or was longer than is taken")?;
    let fetched_at = sent.sent_at.min(host.now());
    let fresh_for = max_age(answer.cache_control.as_deref());
    let random = host.random();
    let body = match (answer.status, &sent.validator) {
        (200, _) => {
            let edition = Edition {
                id: Edition::id_of(&answer.body),
                etag: entity_tag(answer.etag),
                whole_at: fetched_at,
            };
            let received = Received {
                body: &answer.body,
                fetched_at,
                fresh_for,
                random,
            };
            let is_held = is_held(source, sent.part, &edition);
            if is_held {
                renew(source, sent.part, &received);
            } else {
                source
                    .accept(sent.part, received, clusters)
                    .map_err(|error| error.to_string())?;
            }
            if let Some(schedule) = source.schedule(sent.part) {
                schedule.is_edition(edition);
            }
            (!is_held).then_some(answer.body)
        }
        (304, Some(validator)) => {
            let schedule = source.schedule(sent.part);
            let ours = schedule.filter(|schedule| schedule.etag() == Some(validator));
            let etag = answer.etag.as_ref().unwrap_or(validator);
            match ours {
                Some(schedule) if etag == validator => {
                    schedule.revalidated(fetched_at, fresh_for, random);
                }
                // Another edition has come meanwhile, from another worker, or nobody knows which one is meant: the next
                // time it is asked for as a whole.
                ours => {
                    if let Some(schedule) = ours {
                        schedule.forget_etag();
                    }
                    return Err("status 304 for another document than there is".to_owned());
                }
            }
            None
        }
        _ => return Err(source.refusal(&answer)),
    };
    let Some(schedule) = source.schedule(sent.part) else {
        return Err("it is not asked for any more".to_owned());
    };
    let edition = schedule.edition().cloned().unwrap_or_default();
    let note = Note::new(fetched_at, fresh_for, schedule.hurried_at(), &edition);
    Ok(Taken { note, body })
}

/// Takes a newer document over from another worker, if there is one.
pub(super) fn take_over(
    source: &mut dyn Source,
    part: Part,
    shared: &Shelf,
    clusters: &Clusters,
    host: &mut impl Host,
) {
    let Some(schedule) = source.schedule(part) else {
        return;
    };
    let Some(note) = shared.newer(schedule.fetched_at(), host) else {
        return;
    };
    let edition = note.edition();
    let mut received = Received {
        body: &[],
        fetched_at: note.fetched_at(),
        fresh_for: note.fresh_for(),
        random: host.random(),
    };
    if is_held(source, part, &edition) {
        renew(source, part, &received);
    } else {
        let Some(body) = shared.body(&note, host) else {
            return;
        };
        received.body = &body;
        if source.accept(part, received, clusters).is_err() {
            return;
        }
    }
    if let Some(schedule) = source.schedule(part) {
        schedule.is_edition(edition);
        if let Some(at) = note.hurried_at() {
            schedule.hurried_elsewhere(at);
        }
    }
}

/// Whether that edition is the one that there is already. A form asks for something new, even if it looks the same.
fn is_held(source: &mut dyn Source, part: Part, edition: &Edition) -> bool {
    let repeats = source.question(part).is_some_and(Question::is_get);
    let ours = source
        .schedule(part)
        .and_then(|schedule| schedule.edition());
    repeats && ours.is_some_and(|ours| ours.id == edition.id)
}

/// What there is has been found to be good still.
fn renew(source: &mut dyn Source, part: Part, received: &Received<'_>) {
    if let Some(schedule) = source.schedule(part) {
        schedule.revalidated(received.fetched_at, received.fresh_for, received.random);
    }
}

/// An attempt failed; the first pause after that is `first_pause`.
pub(super) fn fail(
    source: &mut dyn Source,
    part: Part,
    first_pause: SignedDuration,
    shelf: &Shelf,
    host: &mut impl Host,
) {
    let (now, random) = (host.now(), host.random());
    host.count(Metric::FetchFailures {
        issuer: source.name(),
        document: part,
    });
    if let Some(schedule) = source.schedule(part) {
        let next = schedule.failed(now, first_pause, random);
        shelf.publish_failure(next, host);
    }
}
