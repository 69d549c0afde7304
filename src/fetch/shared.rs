//! One process, one fetch: what one worker fetched, the others take over, and while one fetches, the others wait.
//!
//! Three entries a document in the proxy's shared data: its body, a note of which edition that is and how old, and the
//! lease of whoever fetches it. A body may be large and is copied out whole, so it is read only by those who have another
//! edition than the note says. All are untrusted when read: a document must be the one of the note and goes through the
//! same parser as if it had just arrived, times are checked against the clock, and what does not decode is not there.

use jiff::{SignedDuration, Timestamp};
use prost::Message;

use super::document::{BACK_OFF_MOST, Edition, later};
use super::source::{Question, entity_tag};
use crate::host::{Host, Shared};

/// Set apart from what other plugins share, and from other layouts of our own.
const NAMESPACE: &str = "tenantgate/2";

/// How often a write is tried that others come in between of. There is one writer at a time, almost always.
const WRITES: usize = 3;

/// The entries of one document.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    body: String,
    note: String,
    lease: String,
}

/// What is known of the document that some worker fetched, without its body.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Note {
    #[prost(int64, tag = "1")]
    fetched_at_ms: i64,
    /// What its server said.
    #[prost(int64, optional, tag = "2")]
    fresh_for_ms: Option<i64>,
    /// When the refresh ahead of time that brought it was granted; 0 for none.
    #[prost(int64, tag = "3")]
    hurried_at_ms: i64,
    /// [`Edition`].
    #[prost(fixed64, tag = "4")]
    id: u64,
    #[prost(string, optional, tag = "5")]
    etag: Option<String>,
    #[prost(int64, tag = "6")]
    whole_at_ms: i64,
}

/// Who may fetch.
#[derive(Clone, PartialEq, Message)]
struct Lease {
    /// Nobody else fetches before then.
    #[prost(int64, tag = "1")]
    until_ms: i64,
    /// The fetch failed, and `until_ms` is when the next one is made.
    #[prost(bool, tag = "2")]
    failed: bool,
}

/// What a worker that wants to fetch should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Fetch; the others wait until then.
    Ours { until: Timestamp },
    /// Another worker is fetching; look again before then.
    Theirs { until: Timestamp },
    /// Another worker's fetch failed; the next is made then.
    Failed { until: Timestamp },
}

impl Note {
    pub fn new(
        fetched_at: Timestamp,
        fresh_for: Option<SignedDuration>,
        hurried_at: Option<Timestamp>,
        edition: &Edition,
    ) -> Self {
        Self {
            fetched_at_ms: fetched_at.as_millisecond(),
            fresh_for_ms: fresh_for.map(|said| i64::try_from(said.as_millis()).unwrap_or(i64::MAX)),
            hurried_at_ms: hurried_at.map_or(0, Timestamp::as_millisecond),
            id: edition.id,
            etag: edition.etag.clone(),
            whole_at_ms: edition.whole_at.as_millisecond(),
        }
    }

    pub fn edition(&self) -> Edition {
        Edition {
            id: self.id,
            etag: entity_tag(self.etag.clone()),
            whole_at: time(self.whole_at_ms),
        }
    }

    pub fn fetched_at(&self) -> Timestamp {
        time(self.fetched_at_ms)
    }

    pub fn fresh_for(&self) -> Option<SignedDuration> {
        self.fresh_for_ms.map(SignedDuration::from_millis)
    }

    pub fn hurried_at(&self) -> Option<Timestamp> {
        (self.hurried_at_ms != 0).then(|| time(self.hurried_at_ms))
    }
}

impl Shelf {
    /// The entries of the document that answers that question. The key is a digest, so that no text of a document gets
    /// into it, and no secret.
    pub fn of(question: &Question) -> Self {
        let digest = question.digest();
        Self {
            body: format!("{NAMESPACE}/body/{digest}"),
            note: format!("{NAMESPACE}/note/{digest}"),
            lease: format!("{NAMESPACE}/lease/{digest}"),
        }
    }

    /// Makes the lease exist, so that from the first on every claim to it is compared and set. Two first writes would
    /// both win.
    pub fn prepare(&self, host: &mut impl Host) {
        if host.shared(&self.lease).is_none() {
            // A lost race means that it exists.
            let _ = host.share(&self.lease, &Lease::default().encode_to_vec(), None);
        }
    }

    /// What is said of a document newer than ours, if another worker shared one.
    pub fn newer(&self, than: Option<Timestamp>, host: &impl Host) -> Option<Note> {
        newer_in(&host.shared(&self.note)?, than, host.now())
    }

    /// The document of which that is said, unless another one has come in between.
    pub fn body(&self, note: &Note, host: &impl Host) -> Option<Vec<u8>> {
        let body = host.shared(&self.body)?.bytes;
        (Edition::id_of(&body) == note.id).then_some(body)
    }

    /// Shares a document and ends the lease; without a body, the one that is shared already is said to be good. One that
    /// was asked for later is not replaced: its answer was only faster.
    pub fn publish(&self, note: &Note, body: Option<&[u8]>, host: &mut impl Host) {
        let bytes = note.encode_to_vec();
        for _ in 0..WRITES {
            let seen = host.shared(&self.note);
            let surpassed = seen
                .as_ref()
                .and_then(|seen| newer_in(seen, Some(note.fetched_at()), host.now()))
                .is_some();
            if surpassed {
                break;
            }
            // Before the note: whoever reads that can have this.
            if let Some(body) = body {
                let _ = host.share(&self.body, body, None);
            }
            if host.share(&self.note, &bytes, seen.as_ref()).is_ok() {
                break;
            }
        }
        let _ = host.share(&self.lease, &Lease::default().encode_to_vec(), None);
    }

    /// Ends the lease until then, if nobody else has it by now: whoever had it will not fetch.
    pub fn release(&self, until: Timestamp, host: &mut impl Host) {
        let Some(seen) = host.shared(&self.lease) else {
            return;
        };
        let ours = Lease {
            until_ms: until.as_millisecond(),
            failed: false,
        };
        if Lease::decode(seen.bytes.as_slice()).is_ok_and(|lease| lease == ours) {
            let _ = host.share(&self.lease, &Lease::default().encode_to_vec(), Some(&seen));
        }
    }

    /// Shares a failure, so that the pause after it is everybody's.
    pub fn publish_failure(&self, next: Timestamp, host: &mut impl Host) {
        let lease = Lease {
            until_ms: next.as_millisecond(),
            failed: true,
        };
        let _ = host.share(&self.lease, &lease.encode_to_vec(), None);
    }

    /// Claims the right to fetch for that long.
    pub fn claim(&self, longest: SignedDuration, host: &mut impl Host) -> Turn {
        let now = host.now();
        let seen = host.shared(&self.lease);
        let lease = seen
            .as_ref()
            .and_then(|Shared { bytes, .. }| Lease::decode(bytes.as_slice()).ok());
        if let Some(turn) = lease.as_ref().and_then(|lease| lease.binds(now, longest)) {
            return turn;
        }
        let until = later(now, longest);
        let ours = Lease {
            until_ms: until.as_millisecond(),
            failed: false,
        };
        match host.share(&self.lease, &ours.encode_to_vec(), seen.as_ref()) {
            Ok(()) => Turn::Ours { until },
            Err(_) => Turn::Theirs { until },
        }
    }
}

impl Lease {
    /// What the lease asks of others, while it holds. One that reaches further than any of ours ever would is not ours.
    fn binds(&self, now: Timestamp, longest: SignedDuration) -> Option<Turn> {
        let until = time(self.until_ms);
        let longest = if self.failed { BACK_OFF_MOST } else { longest };
        if until <= now || until > later(now, longest) {
            return None;
        }
        Some(if self.failed {
            Turn::Failed { until }
        } else {
            Turn::Theirs { until }
        })
    }
}

/// What an entry says of a document, if it is newer than ours and not from the future.
fn newer_in(entry: &Shared, than: Option<Timestamp>, now: Timestamp) -> Option<Note> {
    let note = Note::decode(entry.bytes.as_slice()).ok()?;
    let fetched_at = note.fetched_at();
    (than.is_none_or(|ours| fetched_at > ours) && fetched_at <= now).then_some(note)
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}
