//! What is true while the soak runs, and since when: configurations, key sets, published keys, dependencies in trouble.
//!
//! A change takes a moment to be in force on every worker, and the oracle must not pretend otherwise: each state has a
//! time from which on it may hold and one from which on nothing older does. In between, either is right.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch: by the clock that Envoy and the tokens go by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock that is set");
        Self(u64::try_from(since.as_millis()).expect("a time that fits"))
    }

    pub fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0 + milliseconds)
    }

    /// How long ago that was, in milliseconds.
    pub fn age_ms(self) -> u64 {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The states that one thing went through.
pub struct Timeline<T> {
    states: Mutex<Vec<State<T>>>,
}

struct State<T> {
    value: Arc<T>,
    /// Before that it held nowhere.
    may: Moment,
    /// From then on nothing older holds.
    sure: Option<Moment>,
}

impl<T> Timeline<T> {
    /// It has always been so.
    pub fn of(value: T) -> Self {
        let states = vec![State {
            value: Arc::new(value),
            may: Moment(0),
            sure: Some(Moment(0)),
        }];
        Self {
            states: Mutex::new(states),
        }
    }

    /// From now on it may be so.
    pub fn begins(&self, value: T) {
        self.states().push(State {
            value: Arc::new(value),
            may: Moment::now(),
            sure: None,
        });
    }

    /// From now on it is as was said last, and not as it was before.
    pub fn settles(&self) {
        self.settles_in(0);
    }

    /// The same, so many milliseconds from now.
    pub fn settles_in(&self, milliseconds: u64) {
        let mut states = self.states();
        let then = Moment::now().plus_ms(milliseconds);
        states.last_mut().expect("a state").sure.get_or_insert(then);
        // Nobody asks about what was over a minute ago.
        let old = states
            .iter()
            .rposition(|state| state.sure.is_some_and(|sure| sure.age_ms() > 60_000));
        states.drain(..old.unwrap_or(0));
    }

    /// Whether it is as was said last, everywhere.
    pub fn is_settled(&self) -> bool {
        let states = self.states();
        let last = states.last().expect("a state");
        last.sure.is_some_and(|sure| sure <= Moment::now())
    }

    /// What was said last, and when.
    pub fn newest(&self) -> (Arc<T>, Moment) {
        let states = self.states();
        let last = states.last().expect("a state");
        (Arc::clone(&last.value), last.may)
    }

    /// What may have been so at some time between these, oldest first.
    pub fn possible(&self, from: Moment, to: Moment) -> Vec<Arc<T>> {
        let states = self.states();
        let ends = |place: usize| states[place + 1..].iter().find_map(|later| later.sure);
        let numbered = states.iter().enumerate();
        numbered
            .filter(|(place, state)| state.may <= to && ends(*place).is_none_or(|end| from <= end))
            .map(|(_, state)| Arc::clone(&state.value))
            .collect()
    }

    fn states(&self) -> MutexGuard<'_, Vec<State<T>>> {
        self.states.lock().expect("the states")
    }
}

/// How many API keys come and go by edits of the configuration.
pub const EDITED_KEYS: usize = 4;
/// How many endpoints do.
pub const EDITED_ENDPOINTS: usize = 2;
/// How many API keys the key set knows. The first is never taken out.
pub const SET_KEYS: usize = 6;

/// One edition of the configuration: what differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    /// Counted from 0. The tenant of one key is called by it, so that the upstream sees which edition decided.
    pub number: u32,
    /// Which of the keys stand in it that come and go.
    pub keys: [bool; EDITED_KEYS],
    /// Which of the endpoints do.
    pub endpoints: [bool; EDITED_ENDPOINTS],
    /// Whether tokens for the second audience are taken.
    pub second_audience: bool,
    /// What the filter calls it.
    pub config_id: String,
}

/// One edition of the fetched key set: which of the keys are in it.
pub type KeySet = [bool; SET_KEYS];

/// The signing key that the issuer publishes beside the ones that stay, counted from 0. Each rotation publishes the next
/// and withdraws the one before.
pub type Generation = u32;

/// What the gate or its callers depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Discovery document and signing keys.
    Issuer,
    /// The key set.
    KeyServer,
    /// Access tokens for the provider.
    TokenEndpoint,
    /// Where admitted requests go.
    Upstream,
}

impl Service {
    pub const ALL: [Self; 4] = [
        Self::Issuer,
        Self::KeyServer,
        Self::TokenEndpoint,
        Self::Upstream,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::KeyServer => "key-set server",
            Self::TokenEndpoint => "token endpoint",
            Self::Upstream => "upstream",
        }
    }
}

/// All of it.
pub struct World {
    pub editions: Timeline<Edition>,
    pub key_set: Timeline<KeySet>,
    pub generation: Timeline<Generation>,
    /// For each of [`Service::ALL`], whether it is in trouble.
    troubles: [Timeline<bool>; 4],
}

impl World {
    pub fn new(edition: Edition, key_set: KeySet) -> Self {
        Self {
            editions: Timeline::of(edition),
            key_set: Timeline::of(key_set),
            generation: Timeline::of(0),
            troubles: std::array::from_fn(|_| Timeline::of(false)),
        }
    }

    pub fn trouble(&self, service: Service) -> &Timeline<bool> {
        &self.troubles[service as usize]
    }

    /// Whether a service may have been in trouble at some time between these.
    pub fn may_be_in_trouble(&self, service: Service, from: Moment, to: Moment) -> bool {
        let states = self.trouble(service).possible(from, to);
        states.iter().any(|is_in_trouble| **is_in_trouble)
    }

    /// Whether it has been well, and known to be, for that long.
    pub fn is_well_since(&self, service: Service, milliseconds: u64) -> bool {
        let now = Moment::now();
        let then = Moment(now.0.saturating_sub(milliseconds));
        !self.may_be_in_trouble(service, then, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_an_edit_and_its_being_in_force_either_state_is_right() {
        let states = vec![
            ("old", 0, Some(0)),
            ("tried", 100, None),
            ("new", 200, Some(300)),
        ];
        let states = states.into_iter().map(|(value, may, sure)| State {
            value: Arc::new(value),
            may: Moment(may),
            sure: sure.map(Moment),
        });
        let timeline = Timeline {
            states: Mutex::new(states.collect()),
        };
        for (from, to, possible) in [
            (0, 99, &["old"][..]),
            (50, 150, &["old", "tried"]),
            (150, 150, &["old", "tried"]),
            (250, 260, &["old", "tried", "new"]),
            (299, 900, &["old", "tried", "new"]),
            (301, 900, &["new"]),
        ] {
            let found = timeline.possible(Moment(from), Moment(to));
            let found: Vec<_> = found.iter().map(|value| **value).collect();
            assert_eq!(found, possible, "{from} to {to}");
        }
    }
}
