//! A client's key and its successor, in a file of keys.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenantgate::authorizer::api_key::{KeyDigest, Refusal, parse_key_set};

use crate::Files;
use crate::command::{Said, tenantgate};

fn entry(client: &str, key: &str) -> Value {
    json!({ "client_id": client, "key_sha256": KeyDigest::of(key.as_bytes()).to_string() })
}

fn rotate(files: &Files, more: &[&str]) -> Said {
    let file = files.path("keys.json");
    let arguments = ["key", "rotate", &file, "--client", "batch"];
    tenantgate(&[&arguments, more].concat(), "")
}

/// The key that was shown.
fn shown(said: &Said) -> String {
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    let mut keys = said.stdout.lines().filter(|line| !line.starts_with('#'));
    let key = keys.next().expect("a key").to_owned();
    assert_eq!(keys.next(), None, "{said:?}");
    key
}

#[allow(
    clippy::disallowed_methods,
    reason = "the command goes by the real clock"
)]
fn now() -> Timestamp {
    SystemTime::now().try_into().expect("a time")
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn both_keys_hold_until_the_overlap_ends_and_then_the_new_one_does() {
    for (more, overlap) in [
        (&[][..], HOUR * 24),
        (&["--overlap", "1h"], HOUR),
        (
            &["--overlap", "0s", "--prefix", "acme"],
            SignedDuration::ZERO,
        ),
    ] {
        let files = Files::new();
        let old = crate::with(
            entry("batch", "old-key"),
            json!({
                "tenant_id": "acme", "user_id": "nightly", "endpoints": ["chat"], "models": ["gpt-4o*"],
            }),
        );
        let others = [entry("a", "key-of-a"), old, entry("z", "key-of-z")];
        files.write("keys.json", &json!({ "keys": others }).to_string());
        let before = now();
        let new = shown(&rotate(&files, more));
        let prefix = if more.contains(&"acme") {
            "acme_"
        } else {
            "tg_"
        };
        assert!(new.starts_with(prefix), "{new}");

        let text = files.read("keys.json");
        assert!(!text.contains(&new));
        let keys = parse_key_set(text.as_bytes()).expect("a key set");
        assert_eq!(keys.len(), 4);
        let (soon, late) = (
            before + overlap - SignedDuration::from_secs(2),
            now() + overlap,
        );
        assert!(keys.verify(b"old-key", soon).is_ok(), "{text}");
        assert_eq!(keys.verify(b"old-key", late).err(), Some(Refusal::Expired));
        let (old, new) = (
            keys.verify(b"old-key", soon).expect("the old key"),
            keys.verify(new.as_bytes(), late).expect("the new key"),
        );
        assert_eq!(new.identity, old.identity);
        let (old, new) = (&old.restrictions, &new.restrictions);
        let (old, new) = (old.as_ref().expect("limits"), new.as_ref().expect("limits"));
        assert_eq!((&new.endpoints, &new.models), (&old.endpoints, &old.models));
        assert_eq!(new.expires_at, None);
        // Nobody else's key is another.
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(document["version"], json!(1));
        assert_eq!(
            (&document["keys"][0], &document["keys"][2]),
            (&entry("a", "key-of-a"), &entry("z", "key-of-z"))
        );
    }
}

#[test]
fn an_end_that_is_nearer_stays_and_the_newest_key_is_the_one_without_an_end() {
    let files = Files::new();
    let end = |end: &str| json!({ "expires_at": end });
    let keys = [
        crate::with(entry("batch", "key-2"), json!({ "tenant_id": "newest" })),
        crate::with(entry("batch", "key-0"), end("2020-01-01T00:00:00Z")),
        crate::with(entry("batch", "key-1"), end("9999-01-01T00:00:00Z")),
    ];
    files.write(
        "keys.json",
        &json!({ "version": 1, "keys": keys }).to_string(),
    );
    let said = rotate(&files, &[]);
    let new = shown(&said);
    assert!(said.stdout.ends_with(": 2\n"), "{said:?}");
    let document: Value = serde_json::from_str(&files.read("keys.json")).expect("JSON");
    assert_eq!(document["keys"][1], keys[1]);
    assert_eq!(
        document["keys"][0]["expires_at"],
        document["keys"][2]["expires_at"]
    );
    assert_eq!(document["keys"][3]["tenant_id"], json!("newest"));

    // And once more: the key of before is the one that ends now.
    let newer = shown(&rotate(&files, &["--overlap", "1h"]));
    let keys = parse_key_set(files.read("keys.json").as_bytes()).expect("a key set");
    let later = now() + HOUR * 2;
    assert_eq!(
        keys.verify(new.as_bytes(), later).err(),
        Some(Refusal::Expired)
    );
    let found = keys
        .verify(newer.as_bytes(), later)
        .expect("the newest key");
    assert_eq!(found.identity.tenant.as_str(), "newest");
}

#[test]
fn what_cannot_be_rotated_is_told_with_the_mend_and_left_as_it_was() {
    let good = json!({ "keys": [entry("a", "key-of-a")] }).to_string();
    let begins_late = crate::with(
        entry("batch", "key"),
        json!({ "not_before": "9000-01-01T00:00:00Z" }),
    );
    for (text, message) in [
        (
            good.clone(),
            "`tenantgate key new --client batch` makes the first",
        ),
        (good.replace("[{", "[{}, {"), "keys[0]: needs `key_sha256`"),
        (
            good.replace("{\"keys\"", "{\"version\": 2, \"keys\""),
            "its `version` is not 1",
        ),
        (
            good.get(..30).expect("ASCII").to_owned(),
            "cannot be read: not JSON",
        ),
        (
            json!({ "keys": [begins_late] }).to_string(),
            "as it would become: keys[0].expires_at: must be later",
        ),
    ] {
        let files = Files::new();
        files.write("keys.json", &text);
        let said = rotate(&files, &[]);
        assert_eq!(
            (said.status, said.stdout.as_str()),
            (Some(1), ""),
            "{message}"
        );
        assert!(said.stderr.contains(message), "{said:?}");
        assert_eq!(files.read("keys.json"), text);
    }
    let said = rotate(&Files::new(), &[]);
    assert_eq!(said.status, Some(2));
    assert!(said.stderr.contains("there is no such file"), "{said:?}");
    for overlap in ["a day", "-1h", "24"] {
        let said = rotate(&Files::new(), &["--overlap", overlap]);
        assert_eq!(said.status, Some(2), "{overlap}");
    }
}

#[test]
fn keys_of_many_clients_rotated_at_the_same_time_are_all_there() {
    let files = Files::new();
    let clients: Vec<String> = (0..8).map(|number| format!("client-{number}")).collect();
    let keys: Vec<_> = clients
        .iter()
        .map(|client| entry(client, &format!("key-of-{client}")))
        .collect();
    let file = files.write("keys.json", &json!({ "keys": keys }).to_string());
    let new: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .map(|client| {
                let file = &file;
                scope.spawn(move || {
                    shown(&tenantgate(
                        &["key", "rotate", file, "--client", client],
                        "",
                    ))
                })
            })
            .collect();
        let ends = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.map(|key| key.expect("a key")).collect()
    });
    let keys = parse_key_set(files.read("keys.json").as_bytes()).expect("a key set");
    assert_eq!(keys.len(), 16);
    for (client, key) in clients.iter().zip(&new) {
        let found = keys.verify(key.as_bytes(), now()).expect("a new key");
        assert_eq!(found.identity.tenant.as_str(), client);
    }
}
