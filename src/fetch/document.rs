//! The life of one document behind a URL: fetched early, kept while it is good, refreshed before it goes stale, asked
//! for no more often than is decent. A state machine without input or output: time is handed in, and what it wants is
//! asked of it.

use jiff::{SignedDuration, Timestamp};

/// What the operator may decide about the life of a document. The defaults are safe for an issuer of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long a document counts as fresh. Where the operator does not say, its server does (`Cache-Control:
    /// max-age`, within bounds), and where that does not either, [`Terms::FRESH_FOR`].
    pub refresh: Option<SignedDuration>,
    /// How long the last good document serves while no newer one can be had.
    pub max_stale: SignedDuration,
    /// How often a request can cause a refresh ahead of time, by a key id that is not in the set.
    pub cooldown: SignedDuration,
    /// A callout that takes longer has failed. Waiting requests wait for it.
    pub timeout: SignedDuration,
}

impl Terms {
    /// Issuers rotate keys over hours; ten minutes is what Envoy's own JWT filter refreshes after.
    pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);
    /// A day, so that an issuer's bad night is not ours.
    pub const MAX_STALE: SignedDuration = SignedDuration::from_hours(24);
    /// Strangers can make key ids up, so this is what they can cost the issuer.
    pub const COOLDOWN: SignedDuration = SignedDuration::from_secs(30);
    /// Far more than a document of some kilobytes takes, and less than a client waits.
    pub const TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
    /// How much longer a fetch counts as under way than it may take.
    const GRACE: SignedDuration = SignedDuration::from_secs(1);

    /// How long whoever fetches has it to itself. A worker that died meanwhile is replaced after it.
    pub fn lease(&self) -> SignedDuration {
        self.timeout.saturating_add(Self::GRACE)
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            refresh: None,
            max_stale: Self::MAX_STALE,
            cooldown: Self::COOLDOWN,
            timeout: Self::TIMEOUT,
        }
    }
}

/// No server can have us ask more often than this…
pub const FRESH_AT_LEAST: SignedDuration = SignedDuration::from_mins(1);
/// …nor less often, since this bounds how long a withdrawn key goes on working.
pub const FRESH_AT_MOST: SignedDuration = SignedDuration::from_hours(1);
/// The pause after the first failure; it doubles with each further one…
pub const BACK_OFF_FIRST: SignedDuration = SignedDuration::from_secs(1);
/// …up to this.
pub const BACK_OFF_MOST: SignedDuration = SignedDuration::from_mins(1);

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
    /// A refresh is due from then on: some time before the document is stale, another one for each proxy.
    refresh_at: Timestamp,
    /// Why it is.
    cause: Cause,
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

    /// A good document arrived.
    ///
    /// `fresh_for` is what its server says; `random` spreads the refreshes of many proxies.
    pub fn succeeded(
        &mut self,
        value: T,
        fetched_at: Timestamp,
        fresh_for: Option<SignedDuration>,
        random: u64,
    ) {
        self.value = Some(value);
        self.schedule.succeeded(fetched_at, fresh_for, random);
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
            (Some(good), ..) if age(good.fetched_at, now) < self.terms.max_stale => {
                State::Usable(())
            }
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

    fn succeeded(&mut self, fetched_at: Timestamp, fresh_for: Option<SignedDuration>, random: u64) {
        let said = fresh_for.map(|said| said.clamp(FRESH_AT_LEAST, FRESH_AT_MOST));
        let fresh_for = self.terms.refresh.or(said).unwrap_or(Terms::FRESH_FOR);
        // What may not serve for longer has to be had anew by then.
        let fresh_for = fresh_for.min(self.terms.max_stale);
        // Between eight and nine tenths of the way.
        let tenth = fresh_for.checked_div(10).unwrap_or_default();
        let early = tenth.saturating_mul(8).saturating_add(part(tenth, random));
        let refresh_at = later(fetched_at, early);
        self.good = Some(Good {
            fetched_at,
            refresh_at,
            cause: Cause::Schedule,
        });
        self.attempt = Attempt::NotBefore(Timestamp::MIN);
        self.failures = 0;
    }

    /// An attempt failed. `random` spreads the next ones of many proxies.
    ///
    /// Returns when the next attempt is made.
    pub fn failed(&mut self, now: Timestamp, random: u64) -> Timestamp {
        let doubled = BACK_OFF_FIRST.saturating_mul(2_i32.saturating_pow(self.failures.min(16)));
        let pause = doubled.min(BACK_OFF_MOST);
        self.failures = self.failures.saturating_add(1);
        let next = later(now, spread(pause, random));
        self.failed_until(next);
        next
    }

    /// An attempt failed elsewhere, and whoever made it decided when the next one is made.
    pub fn failed_until(&mut self, next: Timestamp) {
        self.attempt = Attempt::NotBefore(next);
    }

    /// Asks for a newer document ahead of time: at most once per [`Terms::cooldown`], whatever there is.
    pub fn hurry(&mut self, now: Timestamp) -> Refresh {
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
            good.cause = Cause::UnknownKey;
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
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(seconds: i64) -> Timestamp {
        later(START, SignedDuration::from_secs(seconds))
    }

    fn fetched(seconds: i64) -> Document<&'static str> {
        let mut document = Document::new(Terms::default());
        document.succeeded("one", at(seconds), None, 0);
        document
    }

    #[test]
    fn a_document_that_was_never_had_is_due_at_once_and_coming() {
        let document = Document::<()>::new(Terms::default());
        assert!(document.schedule.is_due(START));
        assert_eq!(document.state(START), State::Coming);
    }

    #[test]
    fn there_is_one_attempt_at_a_time_and_a_lost_one_is_given_up() {
        let mut document = Document::<()>::new(Terms::default());
        document.schedule.under_way(at(5));
        assert!(!document.schedule.is_due(at(4)));
        assert!(document.schedule.is_due(at(5)));
    }

    #[test]
    fn a_document_is_refreshed_before_it_goes_stale_and_serves_meanwhile() {
        let mut document = fetched(0);
        assert!(!document.schedule.is_due(at(479)));
        assert!(document.schedule.is_due(at(480)));
        document.schedule.under_way(at(485));
        assert_eq!(document.state(at(481)), State::Usable(&"one"));
        document.succeeded("two", at(482), None, 0);
        assert_eq!(document.state(at(482)), State::Usable(&"two"));
        assert!(!document.schedule.is_due(at(483)));
    }

    #[test]
    fn what_a_server_says_of_freshness_is_heard_within_bounds() {
        for (said, heard) in [(0, 60_i64), (120, 120), (i64::MAX, 3600), (-5, 60)] {
            let said = Some(SignedDuration::from_secs(said));
            for (random, due) in [
                (0, heard * 8 / 10),
                (heard.unsigned_abs() * 100, heard * 9 / 10),
            ] {
                let mut document = Document::new(Terms::default());
                document.succeeded((), START, said, random);
                assert!(!document.schedule.is_due(at(due - 1)), "{said:?}");
                assert!(document.schedule.is_due(at(due)), "{said:?}");
            }
        }
    }

    #[test]
    fn the_operators_word_on_freshness_comes_before_the_servers() {
        let second = SignedDuration::from_secs;
        for (refresh, max_stale, said, heard) in [
            (Some(second(20)), Terms::MAX_STALE, Some(second(3600)), 20),
            (Some(second(20)), Terms::MAX_STALE, None, 20),
            (None, second(60), Some(second(3600)), 60),
        ] {
            let mut document = Document::new(Terms {
                refresh,
                max_stale,
                ..Terms::default()
            });
            document.succeeded((), START, said, 0);
            assert!(!document.schedule.is_due(at(heard * 8 / 10 - 1)));
            assert!(document.schedule.is_due(at(heard * 8 / 10)));
        }
    }

    #[test]
    fn failures_back_off_with_jitter_up_to_a_bound() {
        let mut document = Document::<()>::new(Terms::default());
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let mut other = Schedule {
                failures: document.schedule.failures,
                ..Schedule::new(Terms::default())
            };
            let soonest = other.failed(START, 0);
            let latest = document.schedule.failed(START, 1000 * expected / 2);
            let expected = i64::try_from(expected).unwrap();
            assert_eq!(
                soonest.duration_since(START),
                SignedDuration::from_millis(expected * 500)
            );
            assert_eq!(
                latest.duration_since(START),
                SignedDuration::from_millis(expected * 1000)
            );
        }
        assert!(matches!(document.state(at(1)), State::Unavailable { .. }));
        assert_eq!(document.state(at(60)), State::Coming);
    }

    #[test]
    fn the_last_good_document_outlives_an_outage_but_not_for_ever() {
        let mut document = fetched(0);
        let day = Terms::MAX_STALE.as_secs();
        document.schedule.failed(at(day - 1), 0);
        assert_eq!(document.state(at(day - 1)), State::Usable(&"one"));
        document.schedule.failed(at(day), 0);
        assert!(matches!(document.state(at(day)), State::Unavailable { .. }));
    }

    #[test]
    fn a_refresh_ahead_of_time_is_granted_once_per_cooldown() {
        let mut document = fetched(0);
        assert_eq!(document.schedule.hurry(at(30)), Refresh::Coming);
        assert!(document.schedule.is_due(at(30)));
        document.schedule.under_way(at(35));
        assert_eq!(
            document.schedule.hurry(at(31)),
            Refresh::Coming,
            "the one under way serves all who ask"
        );
        document.succeeded("two", at(32), None, 0);
        assert_eq!(document.schedule.hurry(at(59)), Refresh::TooSoon);
        assert_eq!(document.schedule.hurry(at(60)), Refresh::Coming);
    }

    #[test]
    fn a_failed_refresh_ahead_of_time_is_not_repeated_by_every_stranger() {
        let mut document = fetched(0);
        assert_eq!(document.schedule.hurry(at(40)), Refresh::Coming);
        document.schedule.under_way(at(45));
        document.schedule.failed(at(41), 0);
        assert!(matches!(
            document.schedule.hurry(at(41)),
            Refresh::Unavailable { .. }
        ));
    }

    #[test]
    fn a_refresh_that_was_granted_is_coming_for_all_who_ask_before_it_begins() {
        let mut document = fetched(0);
        assert_eq!(document.schedule.hurry(at(30)), Refresh::Coming);
        assert_eq!(document.schedule.hurry(at(30)), Refresh::Coming);
        document.schedule.under_way(at(36));
        document.succeeded("two", at(31), None, 0);
        assert_eq!(document.schedule.hurry(at(31)), Refresh::TooSoon);
    }

    #[test]
    fn a_clock_that_was_set_back_prolongs_nothing() {
        let hour = 3600;
        let mut document = Document::<()>::new(Terms::default());
        document.schedule.under_way(at(hour + 6));
        assert!(document.schedule.is_due(at(0)), "an attempt");
        document.schedule.failed(at(hour), 0);
        assert_eq!(document.state(at(0)), State::Coming, "a pause");
        assert!(document.schedule.is_due(at(0)), "a pause");
        let mut document = fetched(hour);
        assert!(document.schedule.is_due(at(0)));
        document.schedule.under_way(at(6));
        assert_eq!(document.schedule.next_event(at(0)), at(6));
        let next = document.schedule.next_event(at(hour));
        assert!(
            next > at(hour),
            "forward again, nothing is due, and nobody wakes for it"
        );
        let mut document = fetched(0);
        assert_eq!(document.schedule.hurry(at(30)), Refresh::Coming);
        document.succeeded("two", at(31), None, 0);
        document.schedule.hurried_elsewhere(Timestamp::MAX);
        assert_eq!(
            document.schedule.hurry(at(61)),
            Refresh::Coming,
            "a cooldown"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_makes_a_document_due() {
        let document = fetched(7200);
        assert!(document.schedule.is_due(at(3600)));
        assert_eq!(document.state(at(3600)), State::Usable(&"one"));
    }
}
