//! Tokens that were verified once, so that the next request with the same one costs a digest instead of a signature.
//!
//! Keyed by a digest of the whole token and the authorizer that verified it: no two tokens and no two authorizers share
//! an entry, and the cache holds no token. Bounded; a policy that changes gets a new cache.

use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::unsync::Cache;
use sha2::{Digest, Sha256};

use super::jwt::{KeySet, VerifiedClaims};

/// Which authorizer verified a token. Unique in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizerId(pub u32);

/// SHA-256 of a whole token, as it was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

/// Verified tokens; at most as many as it was made for.
#[derive(Debug)]
pub struct TokenCache {
    tokens: Option<Cache<(TokenDigest, AuthorizerId), Rc<VerifiedClaims>>>,
    /// Whoever looks a token up says what came of it.
    pub lookups: Lookups,
}

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
        Self(Sha256::digest(token).into())
    }
}

impl TokenCache {
    /// A cache for that many tokens; for none, it remembers nothing.
    pub fn new(size: usize) -> Self {
        Self {
            tokens: (size > 0).then(|| Cache::new(size)),
            lookups: Lookups::default(),
        }
    }

    /// The claims of a token that was verified before, if a new look would find the same: the token is in force, and the
    /// key that signed it is still among the issuer's.
    pub fn find(
        &self,
        token: TokenDigest,
        authorizer: AuthorizerId,
        keys: &KeySet,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Option<Rc<VerifiedClaims>> {
        let claims = self.tokens.as_ref()?.get(&(token, authorizer))?;
        let holds =
            claims.still_holds(now, clock_skew).is_ok() && keys.contains(claims.signed_by());
        holds.then(|| Rc::clone(claims))
    }

    /// Remembers a token that this authorizer verified.
    pub fn remember(
        &mut self,
        token: TokenDigest,
        authorizer: AuthorizerId,
        claims: Rc<VerifiedClaims>,
    ) {
        if let Some(cache) = &mut self.tokens {
            cache.insert((token, authorizer), claims);
        }
    }
}
