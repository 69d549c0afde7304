//! What may be written for an API key, in a file or in a document: a key that can be presented, or the digest of one.

use std::fmt::Display;

use thiserror::Error;

use super::KeyDigest;

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

/// The digest, unless it is one of what is no key: a file that was filled in by a script which had nothing to hash.
///
/// # Errors
/// What it is the digest of.
pub fn known_digest(digest: KeyDigest) -> Result<KeyDigest, String> {
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
