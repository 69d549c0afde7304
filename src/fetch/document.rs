//! The life of one document behind a URL: fetched early, kept while it is good, refreshed before it goes stale, asked
//! for no more often than is decent. A state machine without input or output: time is handed in, and what it wants is
//! asked of it.

use jiff::{SignedDuration, Timestamp};

use super::edition::Edition;
use super::terms::{BACK_OFF_MOST, BELIEVED, Life, Terms};

/// A document, and when it is to be had anew.
#[derive(Debug)]
pub struct Document<T> {
    value: Option<T>,
    /// When it was had, and when it will be.
    pub schedule: Schedule,
}

/// The attempts to have a document, whatever is in it.
#[derive(Debug)]
pub struct Schedule {
    terms: Terms,
    good: Option<Good>,
    attempt: Attempt,
    failures: u32,
    /// When a refresh ahead of time was last granted.
    hurried_at: Option<Timestamp>,
}

/// The last success.
#[derive(Debug)]
struct Good {
    fetched_at: Timestamp,
    life: Life,
    /// A refresh is due from then on: some time before the document is stale, another one for each proxy.
    refresh_at: Timestamp,
    /// Why it is.
    cause: Cause,
    /// Somebody for whom it was meant would not have it.
    rejected: bool,
    edition: Edition,
}

impl Good {
    /// Whether it can be used, be it fresh or not.
    fn serves(&self, now: Timestamp) -> bool {
        let in_time = !self.life.expires || self.fetched_at <= now;
        !self.rejected && in_time && age(self.fetched_at, now) < self.life.serves_for
    }
}

/// Why a document is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was never had.
    First,
    /// It will soon be stale.
    Schedule,
    /// A token named a key that is not in it.
    UnknownKey,
    /// It was refused where it was presented.
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// None is under way, and none is to begin before then.
    NotBefore(Timestamp),
    /// Somebody (this worker or another) is fetching; given up on at that time.
    UnderWay { until: Timestamp },
}

impl Attempt {
    /// Until when nothing is to be begun, if that is still to come. What is further ahead than anything is ever planned
    /// is from before the clock was set back, and binds nobody.
    fn pending(self, now: Timestamp, terms: Terms) -> Option<Timestamp> {
        let (until, longest) = match self {
            Self::NotBefore(start) => (start, BACK_OFF_MOST),
            Self::UnderWay { until } => (until, terms.lease()),
        };
        (now < until && until <= later(now, longest)).then_some(until)
    }
}

/// What can be said of a document right now.
#[derive(Debug, PartialEq, Eq)]
pub enum State<T> {
    /// Here it is.
    Usable(T),
    /// It was never had, but an attempt is under way or about to begin.
    Coming,
    /// It cannot be had for now.
    Unavailable {
        /// When the next attempt is made.
        retry_after: SignedDuration,
    },
}

impl<T> State<T> {
    /// The same of something in it.
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> State<U> {
        match self {
            Self::Usable(value) => State::Usable(part(value)),
            Self::Coming => State::Coming,
            Self::Unavailable { retry_after } => State::Unavailable { retry_after },
        }
    }
}

/// What became of the wish for a newer document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It is on its way.
    Coming,
    /// The document is as new as may be asked for.
    TooSoon,
    /// The document is not fresh, and a newer one cannot be had.
    Unavailable {
        /// When the next attempt is made.
        retry_after: SignedDuration,
    },
}

impl<T> Document<T> {
    /// A document that was never had.
    pub fn new(terms: Terms) -> Self {
        Self {
            value: None,
            schedule: Schedule::new(terms),
        }
    }

    /// The document, or why it is not there.
    pub fn state(&self, now: Timestamp) -> State<&T> {
        match (&self.value, self.schedule.state(now)) {
            (Some(value), State::Usable(())) => State::Usable(value),
            (_, State::Unavailable { retry_after }) => State::Unavailable { retry_after },
            _ => State::Coming,
        }
    }

    /// The last good document, be it usable or not.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// A good document arrived.
    ///
    /// `random` spreads the refreshes of many proxies.
    pub fn succeeded(&mut self, value: T, fetched_at: Timestamp, life: Life, random: u64) {
        self.value = Some(value);
        self.schedule.succeeded(fetched_at, life, random);
    }
}

impl<T: Clone> Document<T> {
    /// The same document, for somebody to whom other terms apply; nothing, where there is none.
    pub fn inherited_by(&self, terms: Terms, random: u64) -> Option<Self> {
        let (value, good) = (self.value.clone()?, self.schedule.good.as_ref()?);
        let mut heir = Self::new(terms);
        heir.succeeded(value, good.fetched_at, terms.life(None), random);
        heir.schedule.is_edition(good.edition.clone());
        Some(heir)
    }
}

impl Schedule {
    fn new(terms: Terms) -> Self {
        Self {
            terms,
            good: None,
            attempt: Attempt::NotBefore(Timestamp::MIN),
            failures: 0,
            hurried_at: None,
        }
    }

    fn state(&self, now: Timestamp) -> State<()> {
        match (
            &self.good,
            self.attempt,
            self.attempt.pending(now, self.terms),
        ) {
            (Some(good), ..) if good.serves(now) => State::Usable(()),
            (_, Attempt::NotBefore(_), Some(start)) => State::Unavailable {
                retry_after: start.duration_since(now),
            },
            _ => State::Coming,
        }
    }

    /// When an attempt should next be started (now: at once), or one under way be given up.
    pub fn next_event(&self, now: Timestamp) -> Timestamp {
        let pending = self.attempt.pending(now, self.terms);
        pending.max(self.fresh_until(now)).unwrap_or(now)
    }

    /// Whether an attempt should be started.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_event(now) <= now
    }

    /// When a refresh is due, if that is still to come. A clock that was set back must not keep a document for longer
    /// than it ran forward.
    fn fresh_until(&self, now: Timestamp) -> Option<Timestamp> {
        let good = self.good.as_ref()?;
        (good.fetched_at <= now && now < good.refresh_at).then_some(good.refresh_at)
    }

    /// When the last good document was fetched.
    pub fn fetched_at(&self) -> Option<Timestamp> {
        self.good.as_ref().map(|good| good.fetched_at)
    }

    /// How long ago that was, for a metric.
    pub fn age_in_seconds(&self, now: Timestamp) -> Option<u64> {
        let age = now.duration_since(self.fetched_at()?).as_secs();
        Some(u64::try_from(age).unwrap_or_default())
    }

    /// When a refresh ahead of time was last granted.
    pub fn hurried_at(&self) -> Option<Timestamp> {
        self.hurried_at
    }

    /// Somebody else had a refresh ahead of time then, which counts for us too.
    pub fn hurried_elsewhere(&mut self, at: Timestamp) {
        self.hurried_at = self.hurried_at.max(Some(at));
    }

    /// Why an attempt that is due is made.
    pub fn cause(&self) -> Cause {
        self.good.as_ref().map_or(Cause::First, |good| good.cause)
    }

    /// What the operator decided.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// An attempt began, here or in another worker. Without an answer it counts as failed at `until`.
    pub fn under_way(&mut self, until: Timestamp) {
        self.attempt = Attempt::UnderWay { until };
    }

    /// Says which edition was had.
    pub fn is_edition(&mut self, edition: Edition) {
        if let Some(good) = &mut self.good {
            good.edition = edition;
        }
    }

    /// Which edition there is.
    pub fn edition(&self) -> Option<&Edition> {
        self.good.as_ref().map(|good| &good.edition)
    }

    /// What its server calls it.
    pub fn etag(&self) -> Option<&String> {
        self.edition()?.etag.as_ref()
    }

    /// Its server is not to be asked by that any more.
    pub fn forget_etag(&mut self) {
        if let Some(good) = &mut self.good {
            good.edition.etag = None;
        }
    }

    /// What to ask with whether there is a newer edition (RFC 9110 section 13.1.2). Now and then the document is asked
    /// for as a whole, so that a server that always says "still the same" is not believed for ever.
    pub fn validator(&self, now: Timestamp) -> Option<&str> {
        let edition = self.edition()?;
        let longest = self.terms.max_stale.min(BELIEVED);
        let believed = edition.whole_at <= now && age(edition.whole_at, now) < longest;
        edition.etag.as_deref().filter(|_| believed)
    }

    /// There is no newer edition than ours.
    pub fn revalidated(
        &mut self,
        fetched_at: Timestamp,
        said: Option<SignedDuration>,
        random: u64,
    ) {
        if let Some(edition) = self.edition().cloned() {
            self.succeeded(fetched_at, self.terms.life(said), random);
            self.is_edition(edition);
        }
    }

    fn succeeded(&mut self, fetched_at: Timestamp, life: Life, random: u64) {
        // Between eight and nine tenths of the way.
        let tenth = life.fresh_for.checked_div(10).unwrap_or_default();
        let early = tenth.saturating_mul(8).saturating_add(part(tenth, random));
        let refresh_at = later(fetched_at, early);
        self.good = Some(Good {
            fetched_at,
            life,
            refresh_at,
            cause: Cause::Schedule,
            rejected: false,
            edition: Edition::default(),
        });
        self.attempt = Attempt::NotBefore(Timestamp::MIN);
        self.failures = 0;
    }

    /// An attempt failed, and had it been the first, the next one would come after `first_pause` at the latest. `random`
    /// spreads the next ones of many proxies.
    ///
    /// Returns when the next attempt is made.
    pub fn failed(
        &mut self,
        now: Timestamp,
        first_pause: SignedDuration,
        random: u64,
    ) -> Timestamp {
        let doubled = first_pause.saturating_mul(2_i32.saturating_pow(self.failures.min(16)));
        let pause = doubled.min(self.terms.longest_pause());
        self.failures = self.failures.saturating_add(1);
        // Better one that somebody would not have than none: it may be for one request alone that it was refused.
        if let Some(good) = &mut self.good {
            good.rejected = false;
        }
        let next = later(now, spread(pause, random));
        self.failed_until(next);
        next
    }

    /// An attempt failed elsewhere, and whoever made it decided when the next one is made.
    pub fn failed_until(&mut self, next: Timestamp) {
        self.attempt = Attempt::NotBefore(next);
    }

    /// What was had then was refused where it was presented: it serves no more, and a newer one is asked for, unless
    /// that was done within [`Terms::cooldown`] already, or none can be had for now. Of what has been replaced meanwhile, it
    /// says nothing new.
    pub fn rejected(&mut self, fetched_at: Timestamp, now: Timestamp) {
        let is_ours = |good: &Good| good.fetched_at == fetched_at && !good.rejected;
        if self.good.as_ref().is_some_and(is_ours)
            && self.failures == 0
            && self.hurry(Cause::Rejected, now) == Refresh::Coming
            && let Some(good) = &mut self.good
        {
            good.rejected = true;
        }
    }

    /// Asks for a newer document ahead of time: at most once per [`Terms::cooldown`], whatever there is.
    pub fn hurry(&mut self, cause: Cause, now: Timestamp) -> Refresh {
        match (self.attempt, self.attempt.pending(now, self.terms)) {
            (Attempt::UnderWay { .. }, Some(_)) => return Refresh::Coming,
            (Attempt::NotBefore(_), Some(start)) => {
                return Refresh::Unavailable {
                    retry_after: start.duration_since(now),
                };
            }
            (_, None) => {}
        }
        // Another request was granted it a moment ago, or it was time anyway.
        if self.is_due(now) {
            return Refresh::Coming;
        }
        // One from the future is from before the clock was set back, or somebody's invention.
        if self
            .hurried_at
            .is_some_and(|last| last <= now && age(last, now) < self.terms.cooldown)
        {
            return Refresh::TooSoon;
        }
        self.hurried_at = Some(now);
        if let Some(good) = &mut self.good {
            good.refresh_at = now;
            good.cause = cause;
        }
        Refresh::Coming
    }
}

/// How long ago that was; nothing, where the clock was set back since.
fn age(then: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(then).max(SignedDuration::ZERO)
}

/// Saturating: a time past the end of time is the end of time.
pub(super) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Between half of the duration and all of it.
fn spread(duration: SignedDuration, random: u64) -> SignedDuration {
    let half = duration.checked_div(2).unwrap_or_default();
    half.saturating_add(part(half, random))
}

/// Between nothing and all of the duration.
fn part(duration: SignedDuration, random: u64) -> SignedDuration {
    let choices = duration.as_millis().max(0).saturating_add(1);
    let chosen = i128::from(random).checked_rem(choices).unwrap_or(0);
    i64::try_from(chosen).map_or(duration, SignedDuration::from_millis)
}

#[cfg(test)]
mod tests;
