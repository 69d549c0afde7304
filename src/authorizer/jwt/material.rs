//! The public key inside a JWK (RFC 7518 section 6, RFC 8037 section 2), checked before any verifier sees it.
//!
//! What passes is what both verifiers take and nobody thinks weak.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::pkcs8::EncodePublicKey;
use rsa::BoxedUint;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::algorithm::KeyKind;
use super::roca;
use super::rust_crypto::PublicKey;
use crate::json::NotStrictJson;

/// RFC 7518 section 3.3: "A key of size 2048 bits or larger MUST be used with these algorithms."
const MIN_RSA_BITS: usize = 2048;
/// The most that the Rust verifier takes, and the host's would take more: the accept set is what both take. It bounds
/// what one signature costs, too.
const MAX_RSA_BITS: usize = 4096;
/// 1 would make every message its own signature. Even exponents have no inverse. The highest is what fits `u32`.
const MIN_RSA_EXPONENT: u32 = 3;

/// Which key this is, whatever it is called: the JWK thumbprint of RFC 7638, SHA-256 over the canonical form of the
/// public key. Two JWKs have the same one exactly when they hold the same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyFingerprint([u8; 32]);

/// As RFC 7638 writes it, in base64url.
impl fmt::Display for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFingerprint({self})")
    }
}

/// Why an entry of a key set is not used. RFC 7517 section 5: implementations SHOULD ignore JWKs that they do not
/// understand, that lack required members, or whose values are out of the supported ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// Not a strict JSON object.
    #[error("it is not a JSON object: {0}")]
    NotJson(#[from] NotStrictJson),
    /// A member has the wrong type.
    #[error("{0} has the wrong type")]
    WrongType(&'static str),
    /// A required member is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Not base64url, or not the one way to write these bytes.
    #[error("{0} is not canonical base64url")]
    NotBase64Url(&'static str),
    /// A `kty` that we do not use.
    #[error("its key type is not one that we use")]
    OtherType,
    /// A `crv` that we do not use.
    #[error("its curve is not one that we use")]
    OtherCurve,
    /// `"kty":"oct"`: RFC 8725 section 3.2. A secret that everyone can fetch is none.
    #[error("it is a symmetric key")]
    Symmetric,
    /// It carries the private key, so others may hold it too.
    #[error("its private part is published")]
    PrivatePartPublished,
    /// `use` is not `sig`, or `key_ops` does not list `verify` (RFC 7517 sections 4.2 and 4.3).
    #[error("it is not for verifying signatures")]
    OtherPurpose,
    /// `alg` names no algorithm that such a key could be used with.
    #[error("its alg does not go with its type")]
    OtherAlgorithm,
    /// The modulus is too short or too long.
    #[error("its RSA modulus has not between 2048 and 4096 bits")]
    RsaSize,
    /// A modulus is the product of two odd primes.
    #[error("its RSA modulus is even")]
    RsaModulusEven,
    /// Below 3, even, or above 2^32 - 1.
    #[error("its RSA exponent is out of range")]
    RsaExponent,
    /// A library with a known flaw made it, and its factors can be found.
    #[error("its RSA modulus has the shape that the ROCA flaw leaves")]
    RsaRoca,
    /// RFC 7518 section 6.2.1.2: the length of this octet string MUST be the full size of a coordinate for the curve.
    #[error("its coordinates have the wrong length for the curve")]
    CoordinateLength,
    /// It could not be written as the host wants it.
    #[error("it cannot be written in DER")]
    NoDer,
    /// There is no such point.
    #[error("its point is not on the curve")]
    NotOnCurve,
    /// A point with which signatures can be made that hold for nearly any message.
    #[error("its point has a low order")]
    LowOrder,
}

/// A public key that passed.
pub(super) struct Material {
    pub(super) kind: KeyKind,
    /// The one length that a signature by this key has.
    pub(super) signature_bytes: usize,
    pub(super) fingerprint: KeyFingerprint,
    pub(super) public_key: PublicKey,
    /// The same in DER (`SubjectPublicKeyInfo`, RFC 5280 section 4.1), as the host wants it. None for what the host cannot
    /// use.
    pub(super) spki: Vec<u8>,
}

impl Material {
    pub(super) fn read(jwk: &Map<String, Value>) -> Result<Self, UnusableKey> {
        match text(jwk, "kty")? {
            "RSA" => rsa(jwk),
            "EC" => match text(jwk, "crv")? {
                "P-256" => ec(jwk, KeyKind::P256, "P-256", 32),
                "P-384" => ec(jwk, KeyKind::P384, "P-384", 48),
                _ => Err(UnusableKey::OtherCurve),
            },
            "OKP" => match text(jwk, "crv")? {
                "Ed25519" => ed25519(jwk),
                _ => Err(UnusableKey::OtherCurve),
            },
            "oct" => Err(UnusableKey::Symmetric),
            _ => Err(UnusableKey::OtherType),
        }
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<Material, UnusableKey> {
    // RFC 7518 section 6.3.1.1 tells issuers that some libraries prefix a zero octet which must be left out, because
    // they forget: the number is the same, so it is taken off here, before anything is measured.
    let modulus = integer(jwk, "n")?;
    let exponent = integer(jwk, "e")?;
    let leading_zeros = modulus.first().map_or(0, |octet| octet.leading_zeros());
    let bits = modulus
        .len()
        .saturating_mul(8)
        .saturating_sub(usize::try_from(leading_zeros).unwrap_or(usize::MAX));
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(UnusableKey::RsaSize);
    }
    if modulus.last().is_none_or(|octet| octet & 1 == 0) {
        return Err(UnusableKey::RsaModulusEven);
    }
    if exponent.len() > size_of::<u32>() {
        return Err(UnusableKey::RsaExponent);
    }
    let value = exponent
        .iter()
        .fold(0_u32, |value, octet| (value << 8) | u32::from(*octet));
    if value < MIN_RSA_EXPONENT || value & 1 == 0 {
        return Err(UnusableKey::RsaExponent);
    }
    if roca::left_its_shape(&modulus) {
        return Err(UnusableKey::RsaRoca);
    }
    let key = rsa_key(&modulus, &exponent).ok_or(UnusableKey::RsaSize)?;
    let (n, e) = (
        URL_SAFE_NO_PAD.encode(&modulus),
        URL_SAFE_NO_PAD.encode(&exponent),
    );
    Ok(Material {
        kind: KeyKind::Rsa,
        signature_bytes: modulus.len(),
        fingerprint: thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)),
        spki: spki(&key)?,
        public_key: PublicKey::Rsa(key),
    })
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Option<rsa::PublicKey> {
    let number = |bytes: &[u8]| {
        let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
        BoxedUint::from_be_slice(bytes, bits).ok()
    };
    rsa::PublicKey::new(number(modulus)?, number(exponent)?).ok()
}

fn spki(key: &impl EncodePublicKey) -> Result<Vec<u8>, UnusableKey> {
    let der = key.to_public_key_der().map_err(|_| UnusableKey::NoDer)?;
    Ok(der.into_vec())
}

fn ec(
    jwk: &Map<String, Value>,
    kind: KeyKind,
    curve: &str,
    coordinate_bytes: usize,
) -> Result<Material, UnusableKey> {
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(UnusableKey::CoordinateLength);
    }
    // SEC 1 section 2.3.3, uncompressed.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let (public_key, spki) = match kind {
        KeyKind::P256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point);
            let key = key.map_err(|_| UnusableKey::NotOnCurve)?;
            (PublicKey::P256(key), spki(&key)?)
        }
        KeyKind::P384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point);
            let key = key.map_err(|_| UnusableKey::NotOnCurve)?;
            (PublicKey::P384(key), spki(&key)?)
        }
        KeyKind::Rsa | KeyKind::Ed25519 => return Err(UnusableKey::OtherCurve),
    };
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    Ok(Material {
        kind,
        signature_bytes: coordinate_bytes.saturating_mul(2),
        fingerprint: thumbprint(&format!(
            r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#
        )),
        public_key,
        spki,
    })
}

fn ed25519(jwk: &Map<String, Value>) -> Result<Material, UnusableKey> {
    let point =
        <[u8; 32]>::try_from(octets(jwk, "x")?).map_err(|_| UnusableKey::CoordinateLength)?;
    let key =
        ed25519_dalek::VerifyingKey::from_bytes(&point).map_err(|_| UnusableKey::NotOnCurve)?;
    if key.is_weak() {
        return Err(UnusableKey::LowOrder);
    }
    // RFC 8032 section 5.1.3: a y of 2^255 - 19 or more does not decode. The crate reduces it, which would give one key
    // two names.
    if key.to_edwards().compress().to_bytes() != point {
        return Err(UnusableKey::NotOnCurve);
    }
    let x = URL_SAFE_NO_PAD.encode(point);
    Ok(Material {
        kind: KeyKind::Ed25519,
        signature_bytes: ed25519_dalek::SIGNATURE_LENGTH,
        fingerprint: thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)),
        public_key: PublicKey::Ed25519(key),
        spki: Vec::new(),
    })
}

fn thumbprint(canonical_jwk: &str) -> KeyFingerprint {
    KeyFingerprint(Sha256::digest(canonical_jwk).into())
}

pub(super) fn optional_text<'m>(
    jwk: &'m Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'m str>, UnusableKey> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(UnusableKey::WrongType(name)),
    }
}

fn text<'m>(jwk: &'m Map<String, Value>, name: &'static str) -> Result<&'m str, UnusableKey> {
    optional_text(jwk, name)?.ok_or(UnusableKey::Missing(name))
}

fn octets(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, UnusableKey> {
    URL_SAFE_NO_PAD
        .decode(text(jwk, name)?)
        .map_err(|_| UnusableKey::NotBase64Url(name))
}

fn integer(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, UnusableKey> {
    Ok(octets(jwk, name)?
        .into_iter()
        .skip_while(|octet| *octet == 0)
        .collect())
}
