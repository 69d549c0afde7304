//! API keys: texts to digests. What was written is not kept.

use std::collections::HashMap;
use std::fmt::Display;

use jiff::Timestamp;
use thiserror::Error;

use super::Workshop;
use crate::authorizer::api_key::{ApiKey, ApiKeys, KeyDigest};
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::identity::{Identifier, Identity};

/// What people leave in a file that they meant to fill in. Compared without case, dashes and underscores.
const PLACEHOLDERS: [&str; 14] = [
    "apikey",
    "changeit",
    "changeme",
    "changethis",
    "example",
    "fixme",
    "insertkeyhere",
    "password",
    "placeholder",
    "replaceme",
    "secret",
    "tbd",
    "todo",
    "yourapikey",
];

/// Why a text cannot be an API key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// See the message.
    #[error("must not be empty")]
    Empty,
    /// No such value can be presented, so the key would never hold.
    #[error("must be visible ASCII characters without white space and comma")]
    Unpresentable,
    /// See the message.
    #[error("is a placeholder, not a key; `tenantgate key new` makes one")]
    Placeholder,
}

/// The digest of a key that clients can present.
///
/// # Errors
/// Why it cannot be a key.
pub fn digest_of_key(key: &str) -> Result<KeyDigest, KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if !key.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Err(KeyError::Unpresentable);
    }
    let plain = key.to_ascii_lowercase().replace(['-', '_', '<', '>'], "");
    if PLACEHOLDERS.contains(&plain.as_str()) || plain.bytes().all(|b| b == b'x') {
        return Err(KeyError::Placeholder);
    }
    Ok(KeyDigest::of(key.as_bytes()))
}

impl Workshop<'_> {
    /// The keys of one authorizer. `seen` has those of the others that the same endpoint takes.
    pub(super) fn api_keys(
        &self,
        raw: Field<Vec<Field<raw::ApiKey>>>,
        here: &Place<'_>,
        seen: &mut HashMap<KeyDigest, String>,
    ) -> ApiKeys {
        let mut keys = ApiKeys::default();
        for (place, raw) in here
            .filled_list(raw, "nobody could call the endpoint")
            .into_iter()
            .flatten()
        {
            let client = identifier(raw.client_id, &place.member("client_id"));
            let digest = self.key_digest(raw.key, raw.key_sha256, &place);
            let tenant_is_written = !matches!(raw.tenant_id, Field::Absent);
            let tenant = identifier(raw.tenant_id, &place.member("tenant_id"));
            let tenant = if tenant_is_written {
                tenant
            } else {
                client.clone()
            };
            let user = identifier(raw.user_id, &place.member("user_id"));
            let expires_at = place.member("expires_at").parse(raw.expires_at, |text| {
                text.parse::<Timestamp>()
                    .map_err(|_| "must be a time such as `2027-01-01T00:00:00Z` (RFC 3339)")
            });

            let Some(digest) = digest else { continue };
            // To write a key twice is to be in doubt about whose it is.
            if let Some(other) = seen.get(&digest) {
                place.complain(format_args!("is the same key as {other}"));
                continue;
            }
            seen.insert(digest, place.path().to_owned());
            if let Some(tenant) = tenant {
                let key = ApiKey {
                    identity: Identity {
                        tenant,
                        user,
                        client,
                    },
                    expires_at,
                };
                // Cannot fail: what is in the set has been seen.
                let _ = keys.add(digest, key);
            }
        }
        keys
    }

    fn key_digest(
        &self,
        key: Field<raw::SecretText>,
        key_sha256: Field<raw::Hidden>,
        here: &Place<'_>,
    ) -> Option<KeyDigest> {
        match (key, key_sha256) {
            (Field::Absent, Field::Absent) => {
                here.complain("needs `key_sha256` or `key`");
                None
            }
            (key, Field::Absent) => {
                let (place, key) = self.secret(key, &here.member("key"))?;
                digest_of_key(key.reveal())
                    .map_err(|error| place.complain(error))
                    .ok()
            }
            (Field::Absent, digest) => {
                here.member("key_sha256")
                    .parse(digest, |raw::Hidden(digest)| {
                        digest
                            .reveal()
                            .parse::<KeyDigest>()
                            .map_err(|error| error.to_string())
                            .and_then(known_digest)
                    })
            }
            (_, _) => {
                here.complain("has both `key` and `key_sha256`; keep one, best `key_sha256`");
                None
            }
        }
    }
}

/// Digests of what is no key: a file that was filled in by a script which had nothing to hash.
fn known_digest(digest: KeyDigest) -> Result<KeyDigest, String> {
    let unfit: [(&str, &dyn Display); 2] =
        [("", &"the empty text"), ("changeme", &"a placeholder")];
    match unfit
        .iter()
        .find(|(text, _)| KeyDigest::of(text.as_bytes()) == digest)
    {
        Some((_, what)) => Err(format!("is the digest of {what}")),
        None => Ok(digest),
    }
}

fn identifier(raw: Field<String>, here: &Place<'_>) -> Option<Identifier> {
    here.parse(raw, Identifier::try_from)
}
