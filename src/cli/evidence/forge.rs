//! Tokens that a gate must refuse: right in every way that a stranger can get right, and signed by a key made on the spot,
//! since nobody but the issuer can sign with the issuer's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use getrandom::SysRng;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::signature::Signer as _;
use rsa::traits::SignatureScheme;
use rsa::{Pkcs1v15Sign, PrivateKey, Pss};
use serde_json::json;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::authorizer::Oidc;
use crate::authorizer::jwt::Algorithm;

/// What RFC 7518 section 3.3 wants at least.
const RSA_BITS: usize = 2048;
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Makes tokens. One RSA key serves all of them: making it is the slow part.
#[derive(Default)]
pub(super) struct Forger {
    rsa: Option<PrivateKey>,
}

impl Forger {
    /// A token of that issuer for that audience, valid for an hour but for its signature.
    ///
    /// # Errors
    /// That no key could be made.
    pub fn forged(&mut self, oidc: &Oidc, now: Timestamp) -> Result<String, String> {
        self.token(oidc, now, now.saturating_add(LIFE).unwrap_or(now))
    }

    /// The same, an hour after its end.
    ///
    /// # Errors
    /// As with [`forged`](Self::forged).
    pub fn expired(&mut self, oidc: &Oidc, now: Timestamp) -> Result<String, String> {
        let end = now.saturating_sub(LIFE).unwrap_or(now);
        self.token(oidc, end.saturating_sub(LIFE).unwrap_or(end), end)
    }

    fn token(&mut self, oidc: &Oidc, from: Timestamp, to: Timestamp) -> Result<String, String> {
        let algorithm = oidc
            .rules
            .algorithms
            .first()
            .copied()
            .unwrap_or(Algorithm::RS256);
        let header =
            json!({ "alg": algorithm.as_str(), "typ": "JWT", "kid": "tenantgate-evidence" });
        let claims = json!({
            "iss": oidc.rules.issuer,
            "aud": oidc.rules.audiences.first(),
            "sub": "tenantgate-evidence",
            oidc.tenant_claim.as_str(): "tenantgate-evidence",
            "iat": from.as_second(),
            "exp": to.as_second(),
        });
        let encoded = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.sign(algorithm, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&mut self, algorithm: Algorithm, text: &[u8]) -> Result<Vec<u8>, String> {
        match algorithm {
            Algorithm::RS256 => self.rsa(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text)),
            Algorithm::RS384 => self.rsa(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(text)),
            Algorithm::RS512 => self.rsa(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(text)),
            Algorithm::PS256 => self.rsa(Pss::<Sha256>::new(), &Sha256::digest(text)),
            Algorithm::PS384 => self.rsa(Pss::<Sha384>::new(), &Sha384::digest(text)),
            Algorithm::PS512 => self.rsa(Pss::<Sha512>::new(), &Sha512::digest(text)),
            Algorithm::ES256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&random::<32>()?).map_err(told)?;
                let signature: p256::ecdsa::Signature = key.sign(text);
                Ok(signature.to_bytes().to_vec())
            }
            Algorithm::ES384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&random::<48>()?).map_err(told)?;
                let signature: p384::ecdsa::Signature = key.sign(text);
                Ok(signature.to_bytes().to_vec())
            }
            Algorithm::EdDSA | Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_bytes(&random::<32>()?);
                Ok(key.sign(text).to_bytes().to_vec())
            }
        }
    }

    fn rsa(&mut self, scheme: impl SignatureScheme, digest: &[u8]) -> Result<Vec<u8>, String> {
        let key = match self.rsa.take() {
            Some(key) => key,
            None => PrivateKey::new(&mut SysRng, RSA_BITS).map_err(told)?,
        };
        let signature = key.sign(scheme, digest).map_err(told);
        self.rsa = Some(key);
        signature
    }
}

/// A key that no gate knows.
///
/// # Errors
/// That the system gives no random bytes.
pub(super) fn wrong_key() -> Result<String, String> {
    Ok(format!(
        "not-a-key-{}",
        URL_SAFE_NO_PAD.encode(random::<24>()?)
    ))
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(told)?;
    Ok(bytes)
}

fn told(error: impl std::fmt::Display) -> String {
    format!("no token can be forged: {error}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rsa::traits::PublicKeyParts;

    use super::*;
    use crate::authorizer::cache::AuthorizerId;
    use crate::authorizer::claim::{ClaimPath, RequiredClaims};
    use crate::authorizer::jwt::{self, Jws, KeySet, Refusal, TokenRules};
    use crate::credential::PlaceSet;
    use crate::fetch::KeySourceId;

    fn oidc(algorithm: Algorithm) -> Oidc {
        let claim = |name: &str| ClaimPath::try_from(name.to_owned()).unwrap();
        Oidc {
            id: AuthorizerId(0),
            places: PlaceSet::default(),
            rules: TokenRules {
                issuer: "https://issuer.example.com".to_owned(),
                audiences: vec!["api".to_owned()],
                algorithms: vec![algorithm],
                clock_skew: Duration::ZERO,
            },
            keys: KeySourceId(0),
            required_claims: RequiredClaims::default(),
            tenant_claim: claim("tid"),
            user_claim: claim("sub"),
        }
    }

    #[test]
    fn a_forged_token_lacks_nothing_but_the_issuers_key() {
        let now: Timestamp = "2026-05-15T14:00:00Z".parse().unwrap();
        let mut forger = Forger::default();
        for algorithm in [Algorithm::RS256, Algorithm::PS384] {
            let oidc = oidc(algorithm);
            let of_nobody = forger.forged(&oidc, now).unwrap();
            let expired = forger.expired(&oidc, now).unwrap();
            let key = forger.rsa.as_ref().unwrap().as_public_key();
            let number = |number: Vec<u8>| URL_SAFE_NO_PAD.encode(number);
            let published = json!({ "keys": [{
                "kty": "RSA", "kid": "tenantgate-evidence",
                "n": number(key.n_bytes().to_vec()), "e": number(key.e_bytes().to_vec()),
            }] });
            let (keys, _) = KeySet::parse(published.to_string().as_bytes()).unwrap();
            let verdict = |token: &str| {
                let jws = Jws::parse(token.as_bytes()).unwrap();
                jwt::verify(&jws, &keys, &oidc.rules, now)
                    .map(|claims| claims.claims()["tid"].clone())
            };
            // Were its key the issuer's, it would be let in; and the other one, an hour ago.
            assert_eq!(
                verdict(&of_nobody),
                Ok("tenantgate-evidence".into()),
                "{algorithm:?}"
            );
            assert_eq!(verdict(&expired), Err(Refusal::Expired), "{algorithm:?}");
        }
    }

    #[test]
    fn a_token_is_forged_for_every_algorithm() {
        let mut forger = Forger::default();
        for algorithm in Algorithm::ALL {
            let token = forger
                .forged(&oidc(algorithm), Timestamp::UNIX_EPOCH)
                .unwrap();
            let jws = Jws::parse(token.as_bytes()).unwrap();
            assert_eq!(jws.alg(), algorithm.as_str());
            let signature = token.rsplit_once('.').unwrap().1;
            let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap().len();
            let expected = match algorithm {
                Algorithm::ES256 | Algorithm::EdDSA | Algorithm::Ed25519 => 64,
                Algorithm::ES384 => 96,
                _ => RSA_BITS / 8,
            };
            assert_eq!(bytes, expected, "{algorithm:?}");
        }
    }
}
