//! API keys: made, or taken from standard input, and their entries.

use std::io::{BufRead, Read};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use rand::TryRngCore;
use rand::rngs::OsRng;

use super::{Outcome, Status};
use crate::authorizer::api_key::{KeyDigest, digest_of_key};

use crate::identity::Identifier;

/// As many as SHA-256 can keep apart.
const KEY_BYTES: usize = 32;
const MAX_PREFIX_BYTES: usize = 32;
/// No proxy takes a header longer than this.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

pub(super) fn new(client: &str, prefix: &str) -> Outcome {
    let mut outcome = Outcome::default();
    match fresh(prefix) {
        Ok((key, digest)) => {
            outcome.say("# The key, shown this once. It goes to the client:");
            outcome.say(&key);
            outcome.say("# The entry that admits it. It goes under `keys` of an authorizer with `type: api_key`:");
            outcome.say(entry(client, digest));
        }
        Err((status, message)) => outcome.complain(status, message),
    }
    outcome
}

/// A new random key and its digest.
pub(super) fn fresh(prefix: &str) -> Result<(String, KeyDigest), (Status, String)> {
    let mut random = [0; KEY_BYTES];
    OsRng.try_fill_bytes(&mut random).map_err(|error| {
        let message = format!("the system gives no random bytes: {error}");
        (Status::Unusable, message)
    })?;
    let key = format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(random));
    match digest_of_key(&key) {
        Ok(digest) => Ok((key, digest)),
        Err(error) => Err((Status::Wrong, format!("the key {error}"))),
    }
}

pub(super) fn hash(client: &str, input: impl BufRead) -> Outcome {
    let mut outcome = Outcome::default();
    let mut text = String::new();
    if let Err(error) = input.take(MAX_INPUT_BYTES).read_to_string(&mut text) {
        outcome.complain(Status::Unusable, format_args!("standard input: {error}"));
        return outcome;
    }
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    match digest_of_key(key) {
        Ok(digest) => outcome.say(entry(client, digest)),
        Err(error) => outcome.complain(
            Status::Wrong,
            format_args!("the key on standard input {error}"),
        ),
    }
    outcome
}

/// A line of YAML; JSON's strings are YAML's as well.
fn entry(client: &str, digest: KeyDigest) -> String {
    format!(
        "- {{client_id: {}, key_sha256: \"{digest}\"}}",
        serde_json::Value::from(client)
    )
}

/// As the configuration writes durations.
pub(super) fn overlap(text: &str) -> Result<SignedDuration, String> {
    match text.parse::<SignedDuration>() {
        Ok(overlap) if !overlap.is_negative() => Ok(overlap),
        _ => Err("must be a duration with its unit, such as `24h` or `0s`".to_owned()),
    }
}

pub(super) fn client(text: &str) -> Result<String, String> {
    match Identifier::try_from(text.to_owned()) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn prefix(text: &str) -> Result<String, String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain && (1..=MAX_PREFIX_BYTES).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be 1 to {MAX_PREFIX_BYTES} letters, digits, dashes and underscores"
        ))
    }
}
