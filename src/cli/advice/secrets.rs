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

/// One credential, or one for each tenant.
fn upstream(auth: &Map<String, Value>, here: &Place<'_>) {
    for (name, member) in auth {
        let place = here.member(name);
        match member {
            Value::String(_) if CREDENTIALS.contains(&name.as_str()) => {
                place.complain(format_args!("{STANDS_IN_CLEAR}; write `{{env: NAME}}`"));
            }
            Value::Object(members) => upstream(members, &place),
            _ => {}
        }
    }
}
