//! Test keys, and tokens that are truly signed with them. Everything is deterministic, given the time.
//!
//! [`Token::good`] is the baseline: a token that everything accepts. Tests change one thing of it.

#![allow(dead_code, reason = "each test crate uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that cannot make its input should stop"
)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use old_rsa::pkcs8::DecodePrivateKey as _;
use old_rsa::rand_core::{CryptoRng, RngCore};
use old_rsa::traits::PublicKeyParts as _;
use old_rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use old_sha2::{Digest as _, Sha256, Sha384, Sha512};
use serde_json::{Value, json};
use signature::Signer as _;

/// The issuer of a good token.
pub const ISSUER: &str = "https://idp.test";
/// The audience of a good token.
pub const AUDIENCE: &str = "api";
/// How long a good token lives, in seconds.
pub const LIFETIME: i64 = 300;

/// A key of the test issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// RSA, 2048 bits.
    R1,
    /// Another one.
    R2,
    /// RSA, 1024 bits: too short to be accepted.
    Small,
    /// P-256.
    E1,
    /// P-384.
    E3,
    /// Ed25519.
    D1,
}

/// The trusted set of the baseline.
pub const TRUSTED: [Key; 4] = [Key::R1, Key::E1, Key::E3, Key::D1];

impl Key {
    /// The `kid` that its JWK has.
    pub fn kid(self) -> &'static str {
        match self {
            Self::R1 => "r1",
            Self::R2 => "r2",
            Self::Small => "small",
            Self::E1 => "e1",
            Self::E3 => "e3",
            Self::D1 => "d1",
        }
    }

    /// The algorithm that it signs with if nobody says otherwise.
    pub fn usual_alg(self) -> &'static str {
        match self {
            Self::R1 | Self::R2 | Self::Small => "RS256",
            Self::E1 => "ES256",
            Self::E3 => "ES384",
            Self::D1 => "EdDSA",
        }
    }

    fn can(self, alg: &str) -> bool {
        match self {
            Self::R1 | Self::R2 | Self::Small => alg.starts_with("RS") || alg.starts_with("PS"),
            Self::D1 => matches!(alg, "EdDSA" | "Ed25519"),
            Self::E1 | Self::E3 => alg == self.usual_alg(),
        }
    }

    fn pkcs8(self) -> &'static [u8] {
        match self {
            Self::R1 => include_bytes!("../keys/r1.pk8"),
            Self::R2 => include_bytes!("../keys/r2.pk8"),
            Self::Small => include_bytes!("../keys/small.pk8"),
            Self::E1 => include_bytes!("../keys/e1.pk8"),
            Self::E3 => include_bytes!("../keys/e3.pk8"),
            Self::D1 => include_bytes!("../keys/d1.pk8"),
        }
    }

    /// The private key of an RSA one.
    pub fn rsa(self) -> &'static RsaPrivateKey {
        // Reading one checks its primes, which takes a while.
        static READ: [OnceLock<RsaPrivateKey>; 3] = [const { OnceLock::new() }; 3];
        let read = match self {
            Self::R1 => &READ[0],
            Self::R2 => &READ[1],
            _ => &READ[2],
        };
        read.get_or_init(|| RsaPrivateKey::from_pkcs8_der(self.pkcs8()).unwrap())
    }

    /// The private key of the P-256 one.
    pub fn p256(self) -> old_p256::ecdsa::SigningKey {
        old_p256::ecdsa::SigningKey::from_pkcs8_der(self.pkcs8()).unwrap()
    }

    /// The private key of the P-384 one.
    pub fn p384(self) -> old_p384::ecdsa::SigningKey {
        old_p384::ecdsa::SigningKey::from_pkcs8_der(self.pkcs8()).unwrap()
    }

    /// The private key of the Ed25519 one. RFC 8410 section 7: the seed is the end of the PKCS#8 document.
    pub fn ed25519(self) -> old_ed25519_dalek::SigningKey {
        old_ed25519_dalek::SigningKey::from_bytes(self.pkcs8().last_chunk().unwrap())
    }

    /// The public key alone: `kty` and what it needs.
    pub fn bare_jwk(self) -> Value {
        match self {
            Self::R1 | Self::R2 | Self::Small => {
                let key = self.rsa();
                json!({"kty": "RSA", "n": base64(&key.n().to_bytes_be()), "e": base64(&key.e().to_bytes_be())})
            }
            Self::E1 => {
                let point = self.p256().verifying_key().to_encoded_point(false);
                json!({"kty": "EC", "crv": "P-256", "x": base64(point.x().unwrap()), "y": base64(point.y().unwrap())})
            }
            Self::E3 => {
                let point = self.p384().verifying_key().to_encoded_point(false);
                json!({"kty": "EC", "crv": "P-384", "x": base64(point.x().unwrap()), "y": base64(point.y().unwrap())})
            }
            Self::D1 => {
                let point = self.ed25519().verifying_key().to_bytes();
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&point)})
            }
        }
    }

    /// The public key as the issuer publishes it: named and for signatures, with no `alg`, so that an RSA one does for
    /// every RSA algorithm.
    pub fn jwk(self) -> Value {
        with(self.bare_jwk(), json!({"kid": self.kid(), "use": "sig"}))
    }

    /// A signature over a message.
    pub fn sign(self, alg: &str, message: &[u8]) -> Vec<u8> {
        match (self, alg) {
            (Self::R1 | Self::R2 | Self::Small, "RS256") => self
                .rsa()
                .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message))
                .unwrap(),
            (Self::R1 | Self::R2 | Self::Small, "RS384") => self
                .rsa()
                .sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message))
                .unwrap(),
            (Self::R1 | Self::R2 | Self::Small, "RS512") => self
                .rsa()
                .sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message))
                .unwrap(),
            (Self::R1 | Self::R2 | Self::Small, "PS256") => {
                self.sign_pss(Pss::new::<Sha256>(), &Sha256::digest(message))
            }
            (Self::R1 | Self::R2 | Self::Small, "PS384") => {
                self.sign_pss(Pss::new::<Sha384>(), &Sha384::digest(message))
            }
            (Self::R1 | Self::R2 | Self::Small, "PS512") => {
                self.sign_pss(Pss::new::<Sha512>(), &Sha512::digest(message))
            }
            (Self::E1, "ES256") => {
                let signature: old_p256::ecdsa::Signature = self.p256().sign(message);
                signature.to_vec()
            }
            (Self::E3, "ES384") => {
                let signature: old_p384::ecdsa::Signature = self.p384().sign(message);
                signature.to_vec()
            }
            (Self::D1, "EdDSA" | "Ed25519") => self.ed25519().sign(message).to_vec(),
            _ => panic!("{self:?} cannot sign with {alg}"),
        }
    }

    /// A PSS signature with other parameters than JOSE's.
    pub fn sign_pss(self, scheme: Pss, digest: &[u8]) -> Vec<u8> {
        self.rsa()
            .sign_with_rng(&mut NotRandom(1), scheme, digest)
            .unwrap()
    }
}

/// The same salt every time.
struct NotRandom(u8);

impl RngCore for NotRandom {
    fn next_u32(&mut self) -> u32 {
        old_rsa::rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        old_rsa::rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(3);
            *byte = self.0;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), old_rsa::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for NotRandom {}

/// A token to be.
#[derive(Debug, Clone)]
pub struct Token {
    key: Key,
    signed_by: Option<Key>,
    alg: Option<String>,
    signed_as: Option<String>,
    header: BTreeMap<String, Option<Value>>,
    claims: BTreeMap<String, Option<Value>>,
    header_text: Option<Vec<u8>>,
    claims_text: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

impl Token {
    /// `{"alg":"RS256","kid":"r1","typ":"JWT"}` and
    /// `{"iss":"https://idp.test","aud":"api","sub":"u1","tenant":"t1","iat":now,"exp":now+300}`, signed by r1.
    pub fn good() -> Self {
        Self {
            key: Key::R1,
            signed_by: None,
            alg: None,
            signed_as: None,
            header: BTreeMap::new(),
            claims: BTreeMap::new(),
            header_text: None,
            claims_text: None,
            signature: None,
        }
    }

    /// Signs with this key and says so in `kid` and, if the algorithm chosen so far is not one of the key's, in `alg`.
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Signs with this key and does not say so.
    pub fn signed_by(mut self, key: Key) -> Self {
        self.signed_by = Some(key);
        self
    }

    /// Names this algorithm and signs with it, if the key can.
    pub fn alg(mut self, alg: &str) -> Self {
        self.alg = Some(alg.to_owned());
        self
    }

    /// Signs with this algorithm and does not say so.
    pub fn signed_as(mut self, alg: &str) -> Self {
        self.signed_as = Some(alg.to_owned());
        self
    }

    /// Sets a member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), Some(value.into()));
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.insert(name.to_owned(), None);
        self
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), Some(value.into()));
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.insert(name.to_owned(), None);
        self
    }

    /// The header's very bytes, before base64.
    pub fn header_text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.header_text = Some(text.as_ref().to_vec());
        self
    }

    /// The claims' very bytes, before base64.
    pub fn claims_text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.claims_text = Some(text.as_ref().to_vec());
        self
    }

    /// The signature's very bytes, before base64.
    pub fn signature(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.signature = Some(bytes.as_ref().to_vec());
        self
    }

    /// What gets signed.
    pub fn signing_input(&self, now: Timestamp) -> String {
        let header = self
            .header_text
            .clone()
            .unwrap_or_else(|| self.make_header().into_bytes());
        let claims = self
            .claims_text
            .clone()
            .unwrap_or_else(|| self.make_claims(now).into_bytes());
        format!("{}.{}", base64(&header), base64(&claims))
    }

    /// The token, issued at that time.
    pub fn sign(&self, now: Timestamp) -> String {
        let input = self.signing_input(now);
        let signature = self.signature.clone().unwrap_or_else(|| {
            let signer = self.signed_by.unwrap_or(self.key);
            let alg = self.signed_as.as_deref().or(self.alg.as_deref());
            let alg = alg
                .filter(|alg| signer.can(alg))
                .unwrap_or(signer.usual_alg());
            signer.sign(alg, input.as_bytes())
        });
        format!("{input}.{}", base64(&signature))
    }

    fn make_header(&self) -> String {
        let alg = self.alg.as_deref().unwrap_or(self.key.usual_alg());
        edited(
            json!({"alg": alg, "kid": self.key.kid(), "typ": "JWT"}),
            &self.header,
        )
    }

    fn make_claims(&self, now: Timestamp) -> String {
        let now = now.as_second();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "tenant": "t1", "iat": now, "exp": now + LIFETIME,
        });
        edited(claims, &self.claims)
    }
}

fn edited(object: Value, edits: &BTreeMap<String, Option<Value>>) -> String {
    let Value::Object(mut members) = object else {
        panic!("not an object")
    };
    for (name, value) in edits {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
    Value::Object(members).to_string()
}

/// The JWK Set of an issuer, with neighbours that no verifier can use and that must not get in the way.
pub fn jwks(keys: &[Key]) -> Value {
    let published = keys.iter().map(|key| key.jwk());
    json!({"keys": decoys().into_iter().chain(published).collect::<Vec<_>>()})
}

/// Entries that leave the rest of a set usable: unknown, malformed, secret, weak or for something else.
pub fn decoys() -> Vec<Value> {
    let good = Key::R1.bare_jwk();
    vec![
        Value::Null,
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"}),
        json!({"kty": "XYZ", "kid": "x"}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "k1c", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": "AQEB"}),
        json!({"kty": "oct", "kid": "secret", "k": "AAAA"}),
        json!({"kty": "RSA", "kid": 7, "n": "AQAB", "e": "AQAB"}),
        with(good.clone(), json!({"kid": "enc", "use": "enc"})),
        with(Key::Small.bare_jwk(), json!({"kid": "small"})),
        with(good, json!({"kid": "e1exp", "e": "AQ"})),
    ]
}

/// An object with more members, or other ones.
pub fn with(object: Value, more: Value) -> Value {
    let (Value::Object(mut members), Value::Object(more)) = (object, more) else {
        panic!("not objects")
    };
    members.extend(more);
    Value::Object(members)
}

/// An object with a member less.
pub fn without(object: Value, name: &str) -> Value {
    let Value::Object(mut members) = object else {
        panic!("not an object")
    };
    members.remove(name);
    Value::Object(members)
}

/// As JOSE writes bytes.
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The other direction.
pub fn from_base64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
