//! `tenantgate key rotate`: a new key for a client in a file of keys, and an end for the ones that it has.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::key::fresh;
use super::replace::Replacement;
use super::{Outcome, Status};
use crate::authorizer::api_key::parse_key_set;
use crate::json;

/// What a new key takes over from the one that it comes after.
const INHERITED: [&str; 4] = ["tenant_id", "user_id", "endpoints", "models"];

/// Why no key is rotated.
struct Refusal(Status, String);

pub(super) fn rotate(
    file: &Path,
    client: &str,
    overlap: SignedDuration,
    prefix: &str,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(Refusal(status, message)) = try_to(file, client, overlap, prefix, now, &mut outcome)
    {
        outcome.complain(status, format_args!("{}: {message}", file.display()));
    }
    outcome
}

fn try_to(
    file: &Path,
    client: &str,
    overlap: SignedDuration,
    prefix: &str,
    now: Timestamp,
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    let unusable = |message: String| Refusal(Status::Unusable, message);
    let wrong = |message: String| Refusal(Status::Wrong, message);
    let replacement = Replacement::of(file).map_err(|error| unusable(error.to_string()))?;
    let old = replacement.old.as_deref().ok_or_else(|| {
        let empty = r#"{"version": 1, "keys": []}"#;
        unusable(format!(
            "there is no such file; a key set without keys is {empty}"
        ))
    })?;
    check(old).map_err(wrong)?;
    let mut entries = entries(old);

    let end = now
        .checked_add(overlap)
        .ok()
        .and_then(|end| Timestamp::from_second(end.as_second()).ok())
        .ok_or_else(|| wrong("nothing lasts as long as this overlap".to_owned()))?;
    let theirs = |entry: &&mut Map<String, Value>| text(entry, "client_id") == Some(client);
    let newest = entries
        .iter_mut()
        .filter(theirs)
        // The one that nobody gave an end, or the latest; of several, the last in the file.
        .max_by_key(|entry| expiry(entry).unwrap_or(Timestamp::MAX))
        .map(|entry| entry.clone());
    let newest = newest.ok_or_else(|| {
        wrong(format!(
            "client `{client}` has no key in it; `tenantgate key new --client {client}` makes the first"
        ))
    })?;
    let mut ended = 0_usize;
    for entry in entries.iter_mut().filter(theirs) {
        if expiry(entry).is_none_or(|already| already > end) {
            entry.insert("expires_at".to_owned(), end.to_string().into());
            ended = ended.saturating_add(1);
        }
    }
    let (key, digest) = fresh(prefix).map_err(|(status, message)| Refusal(status, message))?;
    entries.push(successor(&newest, client, &digest.to_string()));

    let new = written(&entries);
    check(&new).map_err(|error| wrong(format!("as it would become: {error}")))?;
    replacement
        .with(&new)
        .map_err(|error| unusable(error.to_string()))?;
    outcome.say(format_args!(
        "# The new key of client `{client}`, shown this once. It goes to the client:"
    ));
    outcome.say(key);
    outcome.say(format_args!(
        "# {} has its entry. Earlier keys of this client that end at {end}: {ended}",
        file.display()
    ));
    Ok(())
}

/// What the filter would say.
fn check(text: &str) -> Result<(), String> {
    parse_key_set(text.as_bytes())
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The entries of a document that was checked.
fn entries(text: &str) -> Vec<Map<String, Value>> {
    let document = json::parse(text.as_bytes()).unwrap_or_default();
    match document {
        Value::Object(mut members) => match members.remove("keys") {
            Some(Value::Array(entries)) => entries
                .into_iter()
                .filter_map(|entry| match entry {
                    Value::Object(entry) => Some(entry),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn text<'a>(entry: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    entry.get(member).and_then(Value::as_str)
}

fn expiry(entry: &Map<String, Value>) -> Option<Timestamp> {
    text(entry, "expires_at")?.parse().ok()
}

/// The entry of the key that comes after another.
fn successor(newest: &Map<String, Value>, client: &str, digest: &str) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("client_id".to_owned(), client.into());
    entry.insert("key_sha256".to_owned(), digest.into());
    for member in INHERITED {
        if let Some(value) = newest.get(member) {
            entry.insert(member.to_owned(), value.clone());
        }
    }
    entry
}

/// An entry a line, so that an edit shows where it is.
fn written(entries: &[Map<String, Value>]) -> String {
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("  {}", Value::Object(entry.clone())))
        .collect();
    format!(
        "{{\"version\": 1, \"keys\": [\n{}\n]}}\n",
        lines.join(",\n")
    )
}
