//! Tokens that were verified once, so that the next request with the same one costs a digest instead of a signature.
//!
//! Keyed by a digest of the whole token and the authorizer that verified it: no two tokens and no two authorizers share
//! an entry, and the cache holds no token. Bounded; a policy that changes gets a new cache.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use jiff::Timestamp;
use quick_cache::UnitWeighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

use super::digest::{DigestHash, words};
use super::jwt::{KeySet, Warrant};
use crate::identity::Identity;

/// Which authorizer verified a token. Unique in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizerId(pub u32);

/// BLAKE2b-256 (RFC 7693) of a whole token, as it was presented: in wasm three times as fast as SHA-256, which is most
/// of what a repeated token costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

/// The first word, which is as good a hash as any.
impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, ..] = words(&self.0);
        state.write_u64(first);
    }
}

/// Verified tokens; at most as many as it was made for.
#[derive(Debug)]
pub struct TokenCache {
    tokens: Option<Tokens>,
    /// Whoever looks a token up says what came of it.
    pub lookups: Lookups,
}

type Tokens = Cache<(TokenDigest, AuthorizerId), (Warrant, Identity), UnitWeighter, DigestHash>;

/// How often tokens were looked for, since somebody took the count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// With success.
    pub hits: u64,
    /// In vain.
    pub misses: u64,
}

impl TokenDigest {
    /// Digests a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Blake2b::<U32>::digest(token).into())
    }
}

impl TokenCache {
    /// A cache for that many tokens; for none, it remembers nothing.
    pub fn new(size: usize) -> Self {
        Self {
            tokens: (size > 0).then(|| {
                let weight = u64::try_from(size).unwrap_or(u64::MAX);
                Cache::with(
                    size,
                    weight,
                    UnitWeighter,
                    DigestHash::default(),
                    DefaultLifecycle::default(),
                )
            }),
            lookups: Lookups::default(),
        }
    }

    /// Whom a token stands for that was let in before, if a new look would find the same: the token is in force, and
    /// the key that signed it is still among the issuer's.
    pub fn find(
        &self,
        token: TokenDigest,
        authorizer: AuthorizerId,
        keys: &KeySet,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Option<Identity> {
        let (warrant, identity) = self.tokens.as_ref()?.get(&(token, authorizer))?;
        let holds =
            warrant.still_holds(now, clock_skew).is_ok() && keys.contains(warrant.signed_by());
        holds.then(|| identity.clone())
    }

    /// Remembers whom a token stands for that this authorizer lets in.
    pub fn remember(
        &mut self,
        token: TokenDigest,
        authorizer: AuthorizerId,
        warrant: Warrant,
        identity: Identity,
    ) {
        if let Some(cache) = &mut self.tokens {
            cache.insert((token, authorizer), (warrant, identity));
        }
    }
}
