//! Secrets that stand in a configuration as they are.

use serde_json::{Map, Value};

use super::STANDS_IN_CLEAR;
use crate::config::Place;

/// What a provider's credential is made of, and nobody else should see.
const CREDENTIALS: [&str; 4] = ["password", "token", "value", "client_secret"];

/// Looks for secrets below a place.
pub(super) fn check(value: &Value, here: &Place<'_>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                check(element, &here.index(index));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let place = here.member(name);
                match (name.as_str(), member) {
                    ("keys", Value::Array(keys)) => {
                        for (index, key) in keys.iter().enumerate() {
                            api_key(key, &place.index(index));
                        }
                    }
                    ("upstream_auth", Value::Object(auth)) => upstream(auth, &place),
                    _ => check(member, &place),
                }
            }
        }
        _ => {}
    }
}

fn api_key(key: &Value, here: &Place<'_>) {
    if key.get("key").is_some_and(Value::is_string) {
        here.member("key").complain(format_args!(
            "{STANDS_IN_CLEAR}; write `key_sha256` (`tenantgate key hash`), or `key: {{env: NAME}}`"
        ));
    }
}

/// What further parameters of a token request that hold one have in their names.
const TELLING: [&str; 5] = ["assertion", "key", "password", "secret", "token"];

/// One credential, or one for each tenant, or what is beside one.
fn upstream(auth: &Map<String, Value>, here: &Place<'_>) {
    let is_within_parameters = here.path().ends_with(".parameters");
    for (name, member) in auth {
        let place = here.member(name);
        let is_telling = is_within_parameters && TELLING.iter().any(|part| name.contains(part));
        match member {
            Value::String(_) if CREDENTIALS.contains(&name.as_str()) || is_telling => {
                place.complain(format_args!("{STANDS_IN_CLEAR}; write `{{env: NAME}}`"));
            }
            Value::Object(members) => upstream(members, &place),
            _ => {}
        }
    }
}
