//! API keys: kept as SHA-256 digests, found in O(1) however many there are, compared in constant time.
//!
//! What may be written for a key is in `written`, what a key may be limited to in `restrictions`, and a whole set of keys
//! that is fetched in `document`.

mod document;
mod restrictions;
mod written;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::digest::{DigestHash, words};
use crate::identity::Identity;
pub use document::{NotAKeyList, parse_key_set};
pub use restrictions::{ModelPattern, NotAModelPattern, Restrictions, moment};
pub use written::{KeyError, digest_of_key, known_digest};

/// The SHA-256 of an API key.
#[derive(Clone, Copy, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Digests a key as a client presents it.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

/// In constant time, so that how long a wrong key takes says nothing about a right one.
impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        words(&self.0).ct_eq(&words(&other.0)).into()
    }
}

/// The first word: nobody can choose what a digest begins with without finding one that begins so.
impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [first, ..] = words(&self.0);
        state.write_u64(first);
    }
}

/// Lower-case hexadecimal, as `key_sha256` is written.
impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

/// Enough to tell two keys apart, too little to look one up by.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sha256:{}…",
            self.to_string().get(..8).unwrap_or_default()
        )
    }
}

/// A text is no SHA-256 digest.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be a SHA-256 digest in 64 hexadecimal digits; `tenantgate key hash` makes one")]
pub struct NotADigest;

impl FromStr for KeyDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut digest = [0; 32];
        match base16ct::mixed::decode(text, &mut digest) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(digest)),
            _ => Err(NotADigest),
        }
    }
}

/// Whom a key belongs to and what it is limited to.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Who calls with it.
    pub identity: Identity,
    /// When it holds and what it may call; always and everything, for most keys. Out of line, so that a hundred thousand
    /// keys without any cost nothing for it.
    pub restrictions: Option<Rc<Restrictions>>,
}

/// The keys of one authorizer.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(HashMap<KeyDigest, ApiKey, DigestHash>);

/// The same key stands twice, so that it is not certain whom it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateKey;

/// Why a presented key does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not one of these.
    Unknown,
    /// It will be.
    NotYet,
    /// It was.
    Expired,
}

impl ApiKeys {
    /// Adds a key.
    ///
    /// # Errors
    /// [`DuplicateKey`] if it is there already.
    pub fn add(&mut self, digest: KeyDigest, key: ApiKey) -> Result<(), DuplicateKey> {
        match self.0.entry(digest) {
            Entry::Vacant(place) => {
                place.insert(key);
                Ok(())
            }
            Entry::Occupied(_) => Err(DuplicateKey),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks a presented key up.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify(&self, presented: &[u8], now: Timestamp) -> Result<&ApiKey, Refusal> {
        let key = self
            .0
            .get(&KeyDigest::of(presented))
            .ok_or(Refusal::Unknown)?;
        match &key.restrictions {
            Some(restrictions) => restrictions.hold_at(now).map(|()| key),
            None => Ok(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identifier;

    fn key(tenant: &str, life: Option<(&str, &str)>) -> ApiKey {
        let tenant = Identifier::try_from(tenant.to_owned()).unwrap();
        ApiKey {
            identity: Identity {
                client: Some(tenant.clone()),
                tenant,
                user: None,
            },
            restrictions: life.map(|(not_before, expires_at)| {
                Rc::new(Restrictions {
                    not_before: Some(not_before.parse().unwrap()),
                    expires_at: Some(expires_at.parse().unwrap()),
                    ..Restrictions::default()
                })
            }),
        }
    }

    #[test]
    fn only_the_very_key_holds_and_only_from_its_beginning_to_its_end() {
        let mut keys = ApiKeys::default();
        keys.add(KeyDigest::of(b"sk-one"), key("acme", None))
            .unwrap();
        keys.add(
            KeyDigest::of(b"sk-two"),
            key(
                "globex",
                Some(("2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z")),
            ),
        )
        .unwrap();
        for (presented, now, expected) in [
            ("sk-one", "2026-01-01T00:00:00Z", Ok("acme")),
            ("sk-two", "2026-05-31T23:59:59Z", Err(Refusal::NotYet)),
            ("sk-two", "2026-06-01T00:00:00Z", Ok("globex")),
            ("sk-two", "2026-12-31T23:59:59Z", Ok("globex")),
            ("sk-two", "2027-01-01T00:00:00Z", Err(Refusal::Expired)),
            ("SK-one", "2026-01-01T00:00:00Z", Err(Refusal::Unknown)),
            ("sk-on", "2026-01-01T00:00:00Z", Err(Refusal::Unknown)),
            ("sk-one ", "2026-01-01T00:00:00Z", Err(Refusal::Unknown)),
            ("", "2026-01-01T00:00:00Z", Err(Refusal::Unknown)),
        ] {
            let verdict = keys.verify(presented.as_bytes(), now.parse().unwrap());
            assert_eq!(
                verdict.map(|k| k.identity.tenant.as_str()),
                expected,
                "{presented} at {now}"
            );
        }
    }

    #[test]
    fn one_key_belongs_to_one_client() {
        let mut keys = ApiKeys::default();
        keys.add(KeyDigest::of(b"sk"), key("acme", None)).unwrap();
        assert_eq!(
            keys.add(KeyDigest::of(b"sk"), key("globex", None)),
            Err(DuplicateKey)
        );
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = KeyDigest::of(b"sk");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_ascii_uppercase().parse(), Ok(digest));
        for text in [
            "",
            "9f86d0",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(65),
            &"é".repeat(32),
        ] {
            assert_eq!(text.parse::<KeyDigest>(), Err(NotADigest), "{text}");
        }
    }
}
