//! The decision about a token: the issuer's rules, the issuer's keys and the time go in; claims that hold come out.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::claims::{self, UnacceptableClaims, Validity};
use super::jwk::{Key, KeySet};
use super::jws::{Jws, Malformed};
use super::material::KeyFingerprint;
use super::signature::{BadSignature, verify_signature};

/// The most keys that one token is tried with. Keys that share a name, or a token that names none, are rare and few;
/// this bounds what a stranger's token costs.
pub const MAX_CANDIDATES: usize = 4;

/// What an issuer's tokens must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRules {
    /// `iss`, byte for byte.
    pub issuer: String,
    /// `aud`: any of these, byte for byte. None at all means that no token passes.
    pub audiences: Vec<String>,
    /// The algorithms allowed (RFC 8725 section 3.1).
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be off.
    pub clock_skew: Duration,
}

/// Why a token is not believed, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token names a key that is not in the set: a newer set might have it.
    #[error("no key has the kid that the token names")]
    UnknownKey,
    /// The signature, the issuer and all else hold, and its time is over: the client should renew it.
    #[error("the token has expired")]
    Expired,
    /// Nothing can be done.
    #[error("{0}")]
    Invalid(#[from] Cause),
}

/// What is wrong with a token. For operators and tests: a client that is told becomes an oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It is no token.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// `alg` is not on the list of what is allowed.
    #[error("alg is not allowed")]
    AlgorithmNotAllowed,
    /// No key of that name, or no key at all if the token names none, is for this algorithm.
    #[error("no key is for this algorithm")]
    NoKeyFits,
    /// More than [`MAX_CANDIDATES`] keys might have signed it.
    #[error("too many keys might have signed this")]
    TooManyCandidates,
    /// The signature does not hold.
    #[error("{0}")]
    Signature(#[from] BadSignature),
    /// The claims do not.
    #[error("{0}")]
    Claims(#[from] UnacceptableClaims),
}

/// So that one `?` takes a token apart and verifies it.
impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Invalid(Cause::Malformed(malformed))
    }
}

/// The claims of a token whose signature, issuer, audience and times were checked. Nothing but [`verify`] makes one, so
/// whoever asks for `&VerifiedClaims` cannot be given anything else.
#[derive(Clone)]
pub struct VerifiedClaims {
    claims: Rc<Map<String, Value>>,
    warrant: Warrant,
}

/// How long verified claims are worth something: what there is to keep once they were read.
#[derive(Clone, Copy, Debug)]
pub struct Warrant {
    validity: Validity,
    signed_by: KeyFingerprint,
}

impl VerifiedClaims {
    /// All claims, the private ones as well.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// `exp`: the token holds until then, and [`TokenRules::clock_skew`] longer.
    pub fn expires_at(&self) -> Timestamp {
        self.warrant.validity.expires_at()
    }

    /// The key whose signature this is. The claims are worth nothing once it has left the issuer's set.
    pub fn signed_by(&self) -> &KeyFingerprint {
        &self.warrant.signed_by
    }

    /// What to keep beside whatever was read from the claims.
    pub fn warrant(&self) -> Warrant {
        self.warrant
    }
}

impl Warrant {
    /// The key whose signature it was.
    pub fn signed_by(&self) -> &KeyFingerprint {
        &self.signed_by
    }

    /// Whether the token is still in force, for one that was verified earlier.
    ///
    /// # Errors
    /// When it has expired, or when the clock was set back to before the token.
    pub fn still_holds(&self, now: Timestamp, clock_skew: Duration) -> Result<(), Refusal> {
        self.validity.check(now, clock_skew)
    }
}

/// Claims are about people.
impl fmt::Debug for VerifiedClaims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedClaims")
            .field("expires_at", &self.expires_at())
            .field("signed_by", self.signed_by())
            .finish_non_exhaustive()
    }
}

/// Decides about a token.
///
/// # Errors
/// When it does not hold, or not with these keys.
pub fn verify(
    jws: &Jws<'_>,
    keys: &KeySet,
    rules: &TokenRules,
    now: Timestamp,
) -> Result<VerifiedClaims, Refusal> {
    let algorithm = allowed_algorithm(jws, rules)?;
    let candidates = candidates(jws, keys, algorithm)?;
    let key = signer(jws, algorithm, &candidates)?;
    let validity = claims::check(jws.unverified_claims(), rules).map_err(Cause::Claims)?;
    validity.check(now, rules.clock_skew)?;
    Ok(VerifiedClaims {
        claims: Rc::clone(jws.unverified_claims()),
        warrant: Warrant {
            validity,
            signed_by: *key.fingerprint(),
        },
    })
}

fn allowed_algorithm(jws: &Jws<'_>, rules: &TokenRules) -> Result<Algorithm, Cause> {
    rules
        .algorithms
        .iter()
        .copied()
        .find(|allowed| allowed.as_str() == jws.alg())
        .ok_or(Cause::AlgorithmNotAllowed)
}

/// The keys that might have signed the token. RFC 7517 section 4.5 lets keys of different types share a `kid`; RFC 7515
/// section 4.1.4 lets a token leave it out.
fn candidates<'k>(
    jws: &Jws<'_>,
    keys: &'k KeySet,
    algorithm: Algorithm,
) -> Result<Vec<&'k Key>, Refusal> {
    if jws.kid().is_some_and(|kid| !keys.knows(kid)) {
        return Err(Refusal::UnknownKey);
    }
    let candidates: Vec<&Key> = keys
        .keys()
        .filter(|key| jws.kid().is_none_or(|kid| key.is_called(kid)) && key.fits(algorithm))
        .collect();
    match candidates.len() {
        0 => Err(Cause::NoKeyFits.into()),
        1..=MAX_CANDIDATES => Ok(candidates),
        _ => Err(Cause::TooManyCandidates.into()),
    }
}

fn signer<'k>(
    jws: &Jws<'_>,
    algorithm: Algorithm,
    candidates: &[&'k Key],
) -> Result<&'k Key, Cause> {
    let mut why = Cause::NoKeyFits;
    for key in candidates {
        match verify_signature(algorithm, key, jws.signing_input(), jws.signature()) {
            Ok(()) => return Ok(key),
            Err(bad) => why = bad.into(),
        }
    }
    Err(why)
}
