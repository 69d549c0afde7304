//! Somebody who has what is fetched, or has it not: for unit tests of those who ask.

use std::rc::Rc;

use jiff::Timestamp;

use super::{
    ApiKeySetId, ApiKeysOf, KeySourceId, Keys, KeysOf, Refresh, State, TokenSourceId, TokensOf,
};
use crate::authorizer::api_key::ApiKeys;
use crate::authorizer::jwt::KeySet;
use crate::upstream::ProviderCredential;

/// What is said of every source of a kind. At first that it is coming.
#[derive(Debug)]
pub struct Held {
    /// The keys of issuers.
    pub keys: State<KeySet>,
    /// What becomes of a wish for newer ones.
    pub refresh: Refresh,
    /// How often that was wished.
    pub refreshes: u32,
    /// Access tokens, and when they were asked for.
    pub token: State<(Rc<ProviderCredential>, Timestamp)>,
    /// Sets of API keys.
    pub api_keys: State<ApiKeys>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            keys: State::Coming,
            refresh: Refresh::TooSoon,
            refreshes: 0,
            token: State::Coming,
            api_keys: State::Coming,
        }
    }
}

impl KeysOf for Held {
    fn of(&self, _: KeySourceId, _: Timestamp) -> Keys<'_> {
        shown(&self.keys)
    }

    fn refresh(&mut self, _: KeySourceId, _: Timestamp) -> Refresh {
        self.refreshes = self.refreshes.saturating_add(1);
        self.refresh
    }
}

impl TokensOf for Held {
    fn token(&self, _: TokenSourceId, _: Timestamp) -> State<(&Rc<ProviderCredential>, Timestamp)> {
        shown(&self.token).map(|(token, fetched_at)| (token, *fetched_at))
    }
}

impl ApiKeysOf for Held {
    fn api_keys(&self, _: ApiKeySetId, _: Timestamp) -> State<&ApiKeys> {
        shown(&self.api_keys)
    }
}

fn shown<T>(state: &State<T>) -> State<&T> {
    match state {
        State::Usable(value) => State::Usable(value),
        State::Coming => State::Coming,
        State::Unavailable { retry_after } => State::Unavailable {
            retry_after: *retry_after,
        },
    }
}
