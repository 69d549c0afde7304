//! How an endpoint decides that a credential holds, and whom it stands for.
//!
//! Asks for nothing: where keys are missing, that is the answer, and somebody else fetches them.

pub mod api_key;
pub mod cache;
pub mod claim;
mod digest;
pub mod jwt;

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value;

use crate::credential::{Credential, PlaceSet, Places};
use crate::denial::Denial;
use crate::fetch::{ApiKeySetId, ApiKeysOf, KeySourceId, Keys, KeysOf, Refresh, SourceId, State};
use crate::identity::{Identifier, Identity};
use api_key::{ApiKeys, Restrictions};
use cache::{AuthorizerId, TokenCache, TokenDigest};
use claim::{ClaimPath, RequiredClaims};
use jwt::{Jws, TokenRules, VerifiedClaims, Warrant};

/// What a caller has to show.
#[derive(Debug)]
pub enum Authorizer {
    /// Nothing; the operator wrote `type: none`.
    Open,
    /// One good credential.
    Guarded(Guard),
}

/// The credentials that are good for an endpoint. `any_of` may put several of each kind in.
#[derive(Debug, Default)]
pub struct Guard {
    /// Where a credential is looked for.
    pub places: Places,
    /// Sets of API keys, with the places where a key of the set may stand.
    pub api_keys: Vec<(PlaceSet, KeysFrom)>,
    /// The issuers whose tokens are good. One may stand here twice, with different audiences or requirements.
    pub issuers: Vec<Oidc>,
}

/// Where API keys are.
#[derive(Debug)]
pub enum KeysFrom {
    /// In the policy.
    Policy(ApiKeys),
    /// In a key set that is fetched.
    KeySet(ApiKeySetId),
}

/// Tokens of one issuer.
#[derive(Debug)]
pub struct Oidc {
    /// Unique in the policy.
    pub id: AuthorizerId,
    /// Where a token may stand.
    pub places: PlaceSet,
    /// What a token must be.
    pub rules: TokenRules,
    /// Where the issuer's keys come from.
    pub keys: KeySourceId,
    /// What else its claims must say.
    pub required_claims: RequiredClaims,
    /// The claim that names the tenant.
    pub tenant_claim: ClaimPath,
    /// The claim that names the user.
    pub user_claim: ClaimPath,
}

/// A credential that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whom it stands for.
    pub identity: Identity,
    /// Which kind it is of.
    pub kind: CredentialKind,
    /// What it is limited to beside the endpoint.
    pub restrictions: Option<Rc<Restrictions>>,
}

/// Kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// A JSON Web Token.
    Jwt,
}

/// Why there is no verdict that lets the caller in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// There never will be.
    Refuse(Denial),
    /// This is on its way; ask again when it is there.
    Await(SourceId),
}

impl From<Denial> for Halt {
    fn from(denial: Denial) -> Self {
        Self::Refuse(denial)
    }
}

impl Guard {
    /// Judges a credential.
    ///
    /// # Errors
    /// [`Halt`], where it does not hold or cannot be judged yet.
    pub fn verify(
        &self,
        credential: &Credential,
        keys: &mut (impl KeysOf + ApiKeysOf),
        cache: &mut TokenCache,
        now: Timestamp,
    ) -> Result<Verified, Halt> {
        let mut best = Halt::Refuse(Denial::InvalidCredential);
        for (places, api_keys) in &self.api_keys {
            if !places.meets(credential.places()) {
                continue;
            }
            match api_keys.verify(credential.value(), keys, now) {
                Ok(verified) => return Ok(verified),
                Err(halt) => best = nearer(best, halt),
            }
        }
        if self.issuers.is_empty() {
            return Err(best);
        }
        self.verify_token(credential, best, keys, cache, now)
    }

    fn verify_token(
        &self,
        credential: &Credential,
        otherwise: Halt,
        keys: &mut impl KeysOf,
        cache: &mut TokenCache,
        now: Timestamp,
    ) -> Result<Verified, Halt> {
        let token = credential.value();
        let digest = TokenDigest::of(token);
        let admitted = |identity| Verified {
            identity,
            kind: CredentialKind::Jwt,
            restrictions: None,
        };
        for oidc in self.readers(credential.places()) {
            if let Keys::Usable(key_set) = keys.of(oidc.keys, now)
                && let Some(identity) =
                    cache.find(digest, oidc.id, key_set, now, oidc.rules.clock_skew)
            {
                cache.lookups.hits = cache.lookups.hits.saturating_add(1);
                return Ok(admitted(identity));
            }
        }

        let Ok(jws) = Jws::parse(token) else {
            return Err(otherwise);
        };
        let verdict = self.look_anew(&jws, credential.places(), otherwise, keys, now);
        // A request that waits for keys, or goes without, asks again; only a look at the signature is what was missed.
        let looked_at = !matches!(
            verdict,
            Err(Halt::Await(_) | Halt::Refuse(Denial::KeysUnavailable { .. }))
        );
        if looked_at {
            cache.lookups.misses = cache.lookups.misses.saturating_add(1);
        }
        let (authorizer, warrant, identity) = verdict?;
        cache.remember(digest, authorizer, warrant, identity.clone());
        Ok(admitted(identity))
    }

    /// The issuers whose tokens may stand there.
    fn readers(&self, places: PlaceSet) -> impl Iterator<Item = &Oidc> {
        self.issuers
            .iter()
            .filter(move |oidc| oidc.places.meets(places))
    }

    /// Verifies a token that is not remembered.
    fn look_anew(
        &self,
        jws: &Jws<'_>,
        places: PlaceSet,
        otherwise: Halt,
        keys: &mut impl KeysOf,
        now: Timestamp,
    ) -> Result<(AuthorizerId, Warrant, Identity), Halt> {
        // The issuer is only believed once the signature holds under a key of that issuer (RFC 8725 section 3.8).
        let issuer = jws.unverified_issuer();
        let mut refusal = otherwise;
        for oidc in self
            .readers(places)
            .filter(|oidc| issuer == Some(oidc.rules.issuer.as_str()))
        {
            let verdict = oidc.verify(jws, keys, now).and_then(|claims| {
                let identity = oidc.identify(&claims)?;
                Ok((oidc.id, claims.warrant(), identity))
            });
            match verdict {
                Ok(verified) => return Ok(verified),
                Err(halt) => refusal = nearer(refusal, halt),
            }
        }
        Err(refusal)
    }
}

impl KeysFrom {
    fn verify(
        &self,
        presented: &[u8],
        sets: &impl ApiKeysOf,
        now: Timestamp,
    ) -> Result<Verified, Halt> {
        let keys = match self {
            Self::Policy(keys) => keys,
            Self::KeySet(set) => match sets.api_keys(*set, now) {
                State::Usable(keys) => keys,
                State::Coming => return Err(Halt::Await(SourceId::KeySet(*set))),
                State::Unavailable { retry_after } => {
                    return Err(Denial::KeysUnavailable { retry_after }.into());
                }
            },
        };
        let key = keys
            .verify(presented, now)
            .map_err(|refusal| match refusal {
                api_key::Refusal::Expired => Denial::ExpiredCredential,
                api_key::Refusal::Unknown | api_key::Refusal::NotYet => Denial::InvalidCredential,
            })?;
        Ok(Verified {
            identity: key.identity.clone(),
            kind: CredentialKind::ApiKey,
            restrictions: key.restrictions.clone(),
        })
    }
}

impl Oidc {
    fn verify(
        &self,
        jws: &Jws<'_>,
        keys: &mut impl KeysOf,
        now: Timestamp,
    ) -> Result<VerifiedClaims, Halt> {
        let key_set = match keys.of(self.keys, now) {
            Keys::Usable(key_set) => key_set,
            Keys::Coming => return Err(Halt::Await(SourceId::Keys(self.keys))),
            Keys::Unavailable { retry_after } => {
                return Err(Denial::KeysUnavailable { retry_after }.into());
            }
        };
        jwt::verify(jws, key_set, &self.rules, now).map_err(|refusal| match refusal {
            jwt::Refusal::UnknownKey => match keys.refresh(self.keys, now) {
                Refresh::Coming => Halt::Await(SourceId::Keys(self.keys)),
                Refresh::TooSoon => Denial::InvalidCredential.into(),
                Refresh::Unavailable { retry_after } => {
                    Denial::KeysUnavailable { retry_after }.into()
                }
            },
            jwt::Refusal::Expired => Denial::ExpiredCredential.into(),
            jwt::Refusal::Invalid(_) => Denial::InvalidCredential.into(),
        })
    }

    /// Whom verified claims stand for. An unverified token has no way in here.
    fn identify(&self, verified: &VerifiedClaims) -> Result<Identity, Denial> {
        let claims = verified.claims();
        if !self.required_claims.hold(claims) {
            return Err(Denial::ClaimMismatch);
        }
        let tenant = self
            .tenant_claim
            .find(claims)
            .and_then(identifier)
            .ok_or(Denial::TenantUnknown)?;
        // A user that is not named is not known; one that is named so that it cannot be told is refused.
        let user = match self.user_claim.find(claims) {
            None => None,
            Some(claim) => Some(identifier(claim).ok_or(Denial::ClaimMismatch)?),
        };
        // RFC 9068 section 2.2, OpenID Connect Core section 2, and what Microsoft Entra ID calls it in version 1.
        let client = ["client_id", "azp", "appid"]
            .iter()
            .find_map(|name| claims.get(*name))
            .and_then(identifier);
        Ok(Identity {
            tenant,
            user,
            client,
        })
    }
}

/// A string, or an integer in decimal digits. Never a fraction or what was rounded to one: an id must not change.
fn identifier(claim: &Value) -> Option<Identifier> {
    let text = match claim {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    Identifier::try_from(text).ok()
}

/// Of two reasons not to let a caller in, the one that came nearer to letting it in.
fn nearer(one: Halt, other: Halt) -> Halt {
    let rank = |halt: &Halt| match halt {
        Halt::Await(_) => 4,
        Halt::Refuse(Denial::KeysUnavailable { .. }) => 3,
        Halt::Refuse(Denial::ClaimMismatch | Denial::TenantUnknown) => 2,
        Halt::Refuse(Denial::ExpiredCredential) => 1,
        Halt::Refuse(_) => 0,
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}
