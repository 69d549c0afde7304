//! An entry means the same in a key set as under `keys` of an authorizer: two readers, one opinion.

use serde_json::{Value, json};
use tenantgate::authorizer::api_key::parse_key_set;

use crate::compile;

#[test]
fn an_entry_that_one_reader_takes_the_other_takes_too() {
    let digest = "9d8db2a67d146638c07fbb5652ad998062e2e2fa857eef026c40c444b07e3872";
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let values = |member: &str| -> Vec<Value> {
        match member {
            "client_id" => vec![json!("c"), json!(""), json!("a,b"), json!(1), json!(" c")],
            "key" => vec![
                json!("k-1"),
                json!(""),
                json!("changeme"),
                json!("a b"),
                json!(1),
            ],
            "key_sha256" => vec![
                json!(digest),
                json!(digest.to_uppercase()),
                json!(empty),
                json!("9f"),
                json!(1),
            ],
            "tenant_id" | "user_id" => vec![json!("t"), json!(""), json!("é"), json!(null)],
            "not_before" | "expires_at" => vec![
                json!("2027-01-01T00:00:00Z"),
                json!("2026-01-01T00:00:00+01:00"),
                json!("2027-01-01"),
                json!(""),
                json!(1_800_000_000),
            ],
            "endpoints" => vec![json!(["e"]), json!([]), json!("e"), json!([1])],
            "models" => vec![
                json!(["m"]),
                json!(["m*"]),
                json!(["*"]),
                json!(["m", "a*b"]),
                json!([]),
                json!("m"),
            ],
            _ => vec![json!(1)],
        }
    };
    let members = [
        "client_id",
        "key",
        "key_sha256",
        "tenant_id",
        "user_id",
        "not_before",
        "expires_at",
        "endpoints",
        "models",
        "x",
    ];
    let plain = || json!({ "client_id": "c", "key": "k-1" });
    let mut entries = vec![
        plain(),
        json!({}),
        json!({ "client_id": "c" }),
        json!("c"),
        json!(null),
        json!([]),
    ];
    for member in members {
        for value in values(member) {
            let mut entry = plain();
            if member == "key_sha256" {
                entry.as_object_mut().unwrap().remove("key");
            }
            entry[member] = value.clone();
            entries.push(entry.clone());
            // Two that may contradict each other.
            for (other, value) in [
                ("not_before", "2026-06-01T00:00:00Z"),
                ("key_sha256", digest),
            ] {
                let mut entry = entry.clone();
                if entry.get(other).is_none() {
                    entry[other] = json!(value);
                    entries.push(entry);
                }
            }
        }
    }
    let (mut taken, mut refused) = (0, 0);
    for entry in entries {
        let in_a_set = parse_key_set(json!({ "keys": [entry] }).to_string().as_bytes()).is_ok();
        let written = json!({ "endpoints": [
            { "name": "e", "path": "/e", "authorizer": { "type": "api_key", "keys": [entry] } },
        ] });
        assert_eq!(in_a_set, compile(written).is_ok(), "{entry}");
        *(if in_a_set { &mut taken } else { &mut refused }) += 1;
    }
    assert!(
        taken > 15 && refused > 30,
        "{taken} taken, {refused} refused"
    );
}
