//! An issuer's signing keys: the JWK Set of RFC 7517.
//!
//! A set is read entry by entry, so that one that we cannot use never costs the others. Where the document came from
//! and how old it is, this room does not know.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, KeyKind};
use super::material::{KeyFingerprint, Material, UnusableKey, optional_text};
use crate::json::{self, NotStrictJson};

/// The longest document that is read. The largest public sets, with certificate chains, have some 30 KiB.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;
/// The most entries. Large issuers publish about ten, and each worker keeps them all.
pub const MAX_KEYS: usize = 100;

/// RFC 7517 section 4: members that only a private key has, of every key type.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The keys of one issuer that signatures can be checked with. There is at least one.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A public key, fit for use.
pub struct Key {
    kid: Option<String>,
    /// RFC 7517 section 4.4: the one algorithm that the issuer means it for.
    pinned: Option<Algorithm>,
    material: Material,
}

/// An entry that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in `keys`, counted from 0.
    pub position: usize,
    /// What is wrong with it.
    pub why: UnusableKey,
}

/// Why a document is no key set. Whoever holds an earlier one keeps it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKeySet {
    /// Longer than [`MAX_KEY_SET_BYTES`].
    #[error("it is longer than {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    /// Not JSON, or not an object.
    #[error("it is {0}")]
    NotJson(#[from] NotStrictJson),
    /// RFC 7517 section 5: the object MUST have a "keys" member, an array of JWKs.
    #[error("it has no array of keys")]
    NoKeys,
    /// More than [`MAX_KEYS`].
    #[error("it has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// The array is empty, or every entry was skipped.
    #[error("it has no key that could be used ({} skipped)", .0.len())]
    NoUsableKey(Vec<SkippedKey>),
}

impl KeySet {
    /// Reads a JWK Set and says which entries it had to leave out.
    ///
    /// # Errors
    /// When the document is not a JWK Set, is too large, or holds no key that could be used.
    pub fn parse(document: &[u8]) -> Result<(Self, Vec<SkippedKey>), NotAKeySet> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(NotAKeySet::TooLong);
        }
        let members = json::parse_members(document)?;
        let entries = members.get("keys").ok_or(NotAKeySet::NoKeys)?;
        let entries: Vec<&RawValue> =
            serde_json::from_str(entries.get()).map_err(|_| NotAKeySet::NoKeys)?;
        if entries.len() > MAX_KEYS {
            return Err(NotAKeySet::TooManyKeys);
        }
        let mut keys = Vec::new();
        let mut skipped = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            match Key::read(entry) {
                Ok(key) => keys.push(key),
                Err(why) => skipped.push(SkippedKey { position, why }),
            }
        }
        if keys.is_empty() {
            return Err(NotAKeySet::NoUsableKey(skipped));
        }
        Ok((Self { keys }, skipped))
    }

    /// Whether this very key is in the set, under whatever name. A verified token is worth keeping only as long.
    pub fn contains(&self, key: &KeyFingerprint) -> bool {
        self.keys.iter().any(|held| held.fingerprint() == key)
    }

    /// Whether a key of that name could be used.
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The keys, in the order of the document.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// How many keys there are.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a set without a key is not a set"
    )]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Key {
    fn read(entry: &RawValue) -> Result<Self, UnusableKey> {
        let jwk = json::parse_object(entry.get().as_bytes())?;
        let kid = optional_text(&jwk, "kid")?.map(str::to_owned);
        check_purpose(&jwk)?;
        let material = Material::read(&jwk)?;
        if PRIVATE_MEMBERS
            .iter()
            .any(|member| jwk.contains_key(*member))
        {
            return Err(UnusableKey::PrivatePartPublished);
        }
        let pinned = pinned_algorithm(&jwk, material.kind)?;
        Ok(Self {
            kid,
            pinned,
            material,
        })
    }

    /// Which key this is.
    pub fn fingerprint(&self) -> &KeyFingerprint {
        &self.material.fingerprint
    }

    pub(super) fn is_called(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid)
    }

    /// Whether a signature by this algorithm may be checked with this key.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.material.kind == algorithm.key_kind()
            && self.pinned.is_none_or(|pinned| pinned == algorithm)
    }

    pub(super) fn material(&self) -> &Material {
        &self.material
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.material.kind)
            .field("pinned", &self.pinned)
            .field("fingerprint", self.fingerprint())
            .finish()
    }
}

/// RFC 7517 section 4.3: `use` and `key_ops` SHOULD NOT be used together; if both are, they must agree. So each that is
/// there must allow what we do.
fn check_purpose(jwk: &Map<String, Value>) -> Result<(), UnusableKey> {
    if optional_text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(UnusableKey::OtherPurpose);
    }
    let operations = match jwk.get("key_ops") {
        None => return Ok(()),
        Some(Value::Array(operations)) => operations,
        Some(_) => return Err(UnusableKey::WrongType("key_ops")),
    };
    if operations.iter().any(|operation| !operation.is_string()) {
        return Err(UnusableKey::WrongType("key_ops"));
    }
    if operations.iter().any(|operation| operation == "verify") {
        Ok(())
    } else {
        Err(UnusableKey::OtherPurpose)
    }
}

fn pinned_algorithm(
    jwk: &Map<String, Value>,
    kind: KeyKind,
) -> Result<Option<Algorithm>, UnusableKey> {
    let Some(name) = optional_text(jwk, "alg")? else {
        return Ok(None);
    };
    match name.parse::<Algorithm>() {
        Ok(algorithm) if algorithm.key_kind() == kind => Ok(Some(algorithm)),
        _ => Err(UnusableKey::OtherAlgorithm),
    }
}
