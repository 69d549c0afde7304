//! A key set: a document of keys that is fetched, `{"version": 1, "keys": [...]}`, its entries as in the configuration.
//!
//! Read entry by entry into the table that requests are looked up in, so that of a hundred thousand keys nothing stands
//! in memory twice. One bad entry spoils the whole: half a set would refuse clients that the operator means to let in.

use std::fmt;
use std::rc::Rc;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    ApiKey, ApiKeys, KeyDigest, ModelPattern, Restrictions, digest_of_key, known_digest, moment,
};
use crate::identity::{Identifier, Identity};
use crate::json::{self, NotStrictJson};

/// The layout that is read. A document that does not say has this one.
const VERSION: u64 = 1;

/// Why a document is no key set. Never quotes it: a key may stand where none should.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotAKeyList {
    /// It is something else, or not all of it has come.
    #[error("cannot be read: {0}")]
    NotJson(#[from] NotStrictJson),
    /// See the message.
    #[error("its `version` is not {VERSION}, the only one that is read here")]
    Version,
    /// See the message.
    #[error("it has no list of `keys`; a set without any says `\"keys\": []`")]
    NoKeys,
    /// See the message.
    #[error("it has other members than `version` and `keys`")]
    UnknownMember,
    /// An entry has something in it that will not do.
    #[error("keys[{index}]{member}: {problem}")]
    Entry {
        /// Which entry, from 0.
        index: usize,
        /// Which member of it, with a dot before it, or nothing.
        member: &'static str,
        /// What is wrong with that.
        problem: String,
    },
}

/// Reads a document.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_key_set(bytes: &[u8]) -> Result<ApiKeys, NotAKeyList> {
    let mut members = json::parse_members(bytes)?;
    let version = members.remove("version").map(RawValue::get);
    if version.is_some_and(|version| version.parse() != Ok(VERSION)) {
        return Err(NotAKeyList::Version);
    }
    let list = members.remove("keys").ok_or(NotAKeyList::NoKeys)?;
    if !members.is_empty() {
        return Err(NotAKeyList::UnknownMember);
    }

    let (mut keys, mut problem) = (ApiKeys::default(), None);
    let read = json::each_element(list, &mut |entry| {
        let index = keys.len();
        let added = add(entry, &mut keys);
        problem = added.err().map(|(member, problem)| NotAKeyList::Entry {
            index,
            member,
            problem,
        });
        problem.is_none()
    });
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(NotStrictJson::NotAList)) => Err(NotAKeyList::NoKeys),
        (None, read) => Ok(read.map(|()| keys)?),
    }
}

/// What is wrong with an entry: at which member, and what.
type Complaint = (&'static str, String);

fn add(entry: Value, keys: &mut ApiKeys) -> Result<(), Complaint> {
    let Value::Object(mut entry) = entry else {
        return Err(at("")("must be an object"));
    };
    let digest = match (text(&mut entry, ".key")?, text(&mut entry, ".key_sha256")?) {
        (Some(key), None) => digest_of_key(&key).map_err(at(".key"))?,
        (None, Some(digest)) => digest
            .parse::<KeyDigest>()
            .map_err(|error| error.to_string())
            .and_then(known_digest)
            .map_err(at(".key_sha256"))?,
        (None, None) => return Err(at("")("needs `key_sha256`")),
        (Some(_), Some(_)) => return Err(at("")("has both `key` and `key_sha256`; keep one")),
    };
    let client =
        identifier(&mut entry, ".client_id")?.ok_or_else(|| at("")("needs `client_id`"))?;
    let tenant = identifier(&mut entry, ".tenant_id")?;
    let user = identifier(&mut entry, ".user_id")?;
    let restrictions = restrictions(&mut entry)?;
    if !entry.is_empty() {
        return Err(at("")("has a member that means nothing in an entry"));
    }
    let key = ApiKey {
        identity: Identity {
            tenant: tenant.unwrap_or_else(|| client.clone()),
            user,
            client: Some(client),
        },
        restrictions: (!restrictions.is_empty()).then(|| Rc::new(restrictions)),
    };
    keys.add(digest, key)
        .map_err(|_| at("")("has the key of an earlier entry"))
}

fn restrictions(entry: &mut Map<String, Value>) -> Result<Restrictions, Complaint> {
    let mut time = |member| {
        let text = text(entry, member)?;
        text.as_deref().map(moment).transpose().map_err(at(member))
    };
    let (not_before, expires_at) = (time(".not_before")?, time(".expires_at")?);
    let models = texts(entry, ".models")?
        .map(|models| models.into_iter().map(ModelPattern::try_from).collect());
    let restrictions = Restrictions {
        not_before,
        expires_at,
        endpoints: texts(entry, ".endpoints")?,
        models: models.transpose().map_err(at(".models"))?,
    };
    restrictions.check_life().map_err(at(".expires_at"))?;
    Ok(restrictions)
}

/// Complains about a member.
fn at<E: fmt::Display>(member: &'static str) -> impl Fn(E) -> Complaint {
    move |error| (member, error.to_string())
}

/// A member of an entry, by its name with a dot before it.
fn take(entry: &mut Map<String, Value>, member: &'static str) -> Option<Value> {
    entry.remove(member.trim_start_matches('.'))
}

fn text(entry: &mut Map<String, Value>, member: &'static str) -> Result<Option<String>, Complaint> {
    match take(entry, member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(at(member)("must be a string")),
    }
}

fn identifier(
    entry: &mut Map<String, Value>,
    member: &'static str,
) -> Result<Option<Identifier>, Complaint> {
    let text = text(entry, member)?;
    text.map(Identifier::try_from)
        .transpose()
        .map_err(at(member))
}

/// A list of strings that is not empty.
fn texts(
    entry: &mut Map<String, Value>,
    member: &'static str,
) -> Result<Option<Vec<String>>, Complaint> {
    let Some(value) = take(entry, member) else {
        return Ok(None);
    };
    let list: Option<Vec<_>> = match value {
        Value::Array(elements) if !elements.is_empty() => elements
            .into_iter()
            .map(|element| match element {
                Value::String(text) => Some(text),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    list.map(Some).ok_or_else(|| {
        at(member)("must be a list of at least one string; leave it out for no limit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(key: &str) -> String {
        KeyDigest::of(key.as_bytes()).to_string()
    }

    #[test]
    fn a_document_is_read_as_the_configuration_reads_its_keys() {
        let text = format!(
            r#"{{"version": 1, "keys": [
                {{"client_id": "a", "key_sha256": "{}"}},
                {{"client_id": "b", "key": "sk-b", "tenant_id": "acme", "user_id": "u",
                  "not_before": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z",
                  "endpoints": ["chat"], "models": ["gpt-4o*"]}}]}}"#,
            digest("sk-a")
        );
        let keys = parse_key_set(text.as_bytes()).unwrap();
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let found = keys.verify(b"sk-a", now).unwrap();
        assert_eq!(found.identity.tenant.as_str(), "a");
        assert_eq!(found.restrictions, None);
        let found = keys.verify(b"sk-b", now).unwrap();
        assert_eq!(found.identity.tenant.as_str(), "acme");
        let restrictions = found.restrictions.as_ref().unwrap();
        assert!(restrictions.allow_endpoint("chat") && !restrictions.allow_endpoint("other"));
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn no_keys_are_a_set_only_where_it_says_so() {
        for text in [r#"{"keys": []}"#, r#"{"version":1,"keys":[]}"#] {
            assert!(parse_key_set(text.as_bytes()).unwrap().is_empty(), "{text}");
        }
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"version": 1}"#,
            r#"{"keys": null}"#,
        ] {
            assert!(parse_key_set(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn one_bad_entry_spoils_the_whole_and_the_error_names_it() {
        let good = format!(
            r#"{{"client_id": "a", "key_sha256": "{}"}}"#,
            digest("sk-a")
        );
        for (entry, error) in [
            (r#"{"client_id": "b"}"#, "keys[1]: needs `key_sha256`"),
            (good.as_str(), "keys[1]: has the key of an earlier entry"),
            (
                r#"{"client_id": "b", "key_sha256": "9f86d0"}"#,
                "keys[1].key_sha256: must be a SHA-256 digest",
            ),
            (
                r#"{"client_id": "b", "key": "changeme"}"#,
                "keys[1].key: is a placeholder",
            ),
            (
                r#"{"client_id": "b,c", "key": "sk-b"}"#,
                "keys[1].client_id: must be 1 to 255",
            ),
            (
                r#"{"client_id": "b", "key": "sk-b", "expires_at": "tomorrow"}"#,
                "keys[1].expires_at: must be a time",
            ),
            (
                r#"{"client_id": "b", "key": "sk-b", "not_before": "2027-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"}"#,
                "keys[1].expires_at: must be later",
            ),
            (
                r#"{"client_id": "b", "key": "sk-b", "models": []}"#,
                "keys[1].models: must be a list of at least one",
            ),
            (
                r#"{"client_id": "b", "key": "sk-b", "models": ["a*b"]}"#,
                "keys[1].models: must be the name of a model",
            ),
            (
                r#"{"client_id": "b", "key": "sk-b", "endpoints": []}"#,
                "keys[1].endpoints: must be a list of at least one",
            ),
        ] {
            let text = format!(r#"{{"keys": [{good}, {entry}]}}"#);
            let found = parse_key_set(text.as_bytes()).unwrap_err().to_string();
            assert!(found.starts_with(error), "{entry}: {found}");
        }
    }

    #[test]
    fn what_is_no_such_document_is_told_by_its_place_and_never_by_its_content() {
        const CANARY: &str = "sk-canary-9f86d081884c7d65";
        let entry = |entry: &str| format!(r#"{{"keys": [{entry}]}}"#);
        for (text, error) in [
            ("<html>".to_owned(), "cannot be read: not JSON (line 1"),
            (r#"{"keys": ["#.to_owned(), "cannot be read: not JSON"),
            (r#"{"keys": []} x"#.to_owned(), "cannot be read: not JSON"),
            ("[]".to_owned(), "cannot be read: not a JSON object"),
            (r#"{"version": 2, "keys": []}"#.to_owned(), "its `version`"),
            (
                r#"{"version": "1", "keys": []}"#.to_owned(),
                "its `version`",
            ),
            (
                r#"{"keys": [], "keys": []}"#.to_owned(),
                "cannot be read: a member is named twice",
            ),
            (format!(r#"{{"keys": "{CANARY}"}}"#), "it has no list"),
            (
                format!(r#"{{"{CANARY}": 1, "keys": []}}"#),
                "it has other members",
            ),
            (
                entry(&format!(r#""{CANARY}""#)),
                "keys[0]: must be an object",
            ),
            (
                entry(&format!(
                    r#"{{"client_id": "a", "key": "{CANARY}", "{CANARY}": 1}}"#
                )),
                "keys[0]: has a member that means nothing",
            ),
            (
                entry(&format!(
                    r#"{{"client_id": "a", "key": {{"env": "{CANARY}"}}}}"#
                )),
                "keys[0].key: must be a string",
            ),
            (
                entry(&format!(
                    r#"{{"client_id": "a", "key": "{CANARY},", "key": "a"}}"#
                )),
                "cannot be read: a member is named twice",
            ),
            (
                entry(&format!(r#"{{"client_id": "a", "key": "{CANARY},"}}"#)),
                "keys[0].key: must be visible",
            ),
            (
                entry(&format!(
                    r#"{{"client_id": "a", "key": "{CANARY}", "models": "{CANARY}"}}"#
                )),
                "keys[0].models: must be a list",
            ),
        ] {
            let found = parse_key_set(text.as_bytes()).unwrap_err();
            assert!(found.to_string().starts_with(error), "{text}: {found}");
            assert!(!format!("{found} {found:?}").contains(CANARY), "{found:?}");
        }
    }
}
