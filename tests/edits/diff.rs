//! What an edit is said to change, and what it is said to open.

use serde_json::{Value, json};

use crate::command::{Said, tenantgate};
use crate::{Files, guarded, of, open, with};

fn diff(old: &Value, new: &Value) -> Said {
    let files = Files::new();
    let old = files.write("old.json", &old.to_string());
    let new = files.write("new.json", &new.to_string());
    tenantgate(&["diff", &old, &new], "")
}

/// What was said after the two ids.
fn lines(said: &Said) -> Vec<&str> {
    let mut lines = said.stdout.lines();
    let ids = lines.next().expect("a line");
    assert!(ids.starts_with("config_id: "), "{said:?}");
    lines.collect()
}

#[test]
fn an_edit_that_opens_what_was_guarded_is_status_1_and_its_twin_is_not() {
    let guarded_twice = of(&[guarded("chat", "/v1/chat"), guarded("all", "/v1/**")]);
    let from = |list: Value| with(open("e", "/e"), json!({ "allow_from": list }));
    let preflight = json!({ "preflight": "allow" });
    let get = json!({ "methods": ["GET"] });
    let table: [(&str, Value, Value, i32); 21] = [
        (
            "nothing changes",
            guarded_twice.clone(),
            guarded_twice.clone(),
            0,
        ),
        (
            "its authorizer is none now",
            of(&[guarded("e", "/e")]),
            of(&[open("e", "/e")]),
            1,
        ),
        (
            "it is guarded now",
            of(&[open("e", "/e")]),
            of(&[guarded("e", "/e")]),
            0,
        ),
        (
            "a new open endpoint carves a piece out of it",
            of(&[guarded("all", "/v1/**")]),
            of(&[
                guarded("all", "/v1/**"),
                open("health", "/v1/{model}/health"),
            ]),
            1,
        ),
        (
            "a new open endpoint is beside it",
            of(&[guarded("all", "/v1/**")]),
            of(&[
                guarded("all", "/v1/**"),
                open("health", "/v2/{model}/health"),
            ]),
            0,
        ),
        (
            "a new open endpoint is behind it",
            of(&[guarded("chat", "/v1/chat")]),
            of(&[guarded("chat", "/v1/chat"), open("rest", "/v1/**")]),
            0,
        ),
        (
            "it is gone, and its requests fall to an open one",
            of(&[guarded("chat", "/v1/chat"), open("rest", "/v1/**")]),
            of(&[open("rest", "/v1/**")]),
            1,
        ),
        (
            "it is gone, and its requests fall to a guarded one",
            guarded_twice.clone(),
            of(&[guarded("all", "/v1/**")]),
            0,
        ),
        (
            "it is gone, and its requests are refused",
            of(&[guarded("chat", "/v1/chat"), guarded("other", "/other")]),
            of(&[guarded("other", "/other")]),
            0,
        ),
        (
            "it is gone, and what addresses no endpoint passes as before",
            with(
                of(&[guarded("chat", "/v1/chat"), guarded("o", "/o")]),
                json!({ "unmatched": "pass" }),
            ),
            with(of(&[guarded("o", "/o")]), json!({ "unmatched": "pass" })),
            1,
        ),
        (
            "what addresses no endpoint passes",
            of(&[guarded("e", "/e")]),
            with(of(&[guarded("e", "/e")]), json!({ "unmatched": "pass" })),
            1,
        ),
        (
            "what addresses no endpoint is refused",
            with(of(&[guarded("e", "/e")]), json!({ "unmatched": "pass" })),
            of(&[guarded("e", "/e")]),
            0,
        ),
        (
            "another host is open",
            of(&[guarded("e", "/e")]),
            of(&[
                guarded("e", "/e"),
                with(open("o", "/e"), json!({ "hosts": ["a.test"] })),
            ]),
            1,
        ),
        (
            "a host that had an endpoint of its own is another's now",
            of(&[
                with(guarded("e", "/e"), json!({ "hosts": ["a.test"] })),
                open("o", "/e"),
            ]),
            of(&[
                with(guarded("e", "/e"), json!({ "hosts": ["b.test"] })),
                open("o", "/e"),
            ]),
            1,
        ),
        (
            "a method is left to an open endpoint",
            of(&[guarded("e", "/e")]),
            of(&[guarded("e", "/e"), with(open("o", "/e"), get.clone())]),
            1,
        ),
        (
            "the method of a guarded endpoint is refused now",
            of(&[guarded("e", "/e")]),
            of(&[with(guarded("e", "/e"), get)]),
            0,
        ),
        (
            "its preflights pass",
            of(&[guarded("e", "/e")]),
            of(&[with(guarded("e", "/e"), preflight)]),
            1,
        ),
        (
            "an open list is wider",
            of(&[from(json!(["10.0.0.0/8"]))]),
            of(&[from(json!(["10.0.0.0/7"]))]),
            1,
        ),
        (
            "an open list is written in pieces",
            of(&[from(json!(["10.0.0.0/8"]))]),
            of(&[from(json!(["10.0.0.0/9", "10.128.0.0/9"]))]),
            0,
        ),
        (
            "an open list believes a header",
            of(&[from(json!(["10.0.0.0/8"]))]),
            with(
                of(&[from(json!(["10.0.0.0/8"]))]),
                json!({ "source_address": "forwarded" }),
            ),
            1,
        ),
        (
            "it is open, to nobody",
            of(&[guarded("e", "/e")]),
            of(&[from(json!([]))]),
            0,
        ),
    ];
    for (what, old, new, status) in &table {
        let said = diff(old, new);
        assert_eq!(said.status, Some(*status), "{what}: {said:?}");
        let opens = said.stdout.lines().any(|line| line.starts_with("OPENS "));
        assert_eq!(opens, *status == 1, "{what}: {said:?}");
    }
}

#[test]
fn an_opening_is_told_with_an_example() {
    let said = diff(
        &of(&[with(
            guarded("all", "/v1/**"),
            json!({ "hosts": ["*.test"] }),
        )]),
        &of(&[
            with(guarded("all", "/v1/**"), json!({ "hosts": ["*.test"] })),
            with(
                open("health", "/v1/{model}/health"),
                json!({ "hosts": ["a.test"], "methods": ["GET"] }),
            ),
        ]),
    );
    assert_eq!(
        lines(&said),
        [
            "endpoint `health` added: GET /v1/{model}/health on a.test, open to anyone",
            "OPENS endpoint `all`: GET a.test/v1/*/health, for example, needed a credential, and needs none any more: \
             endpoint `health` takes it",
        ]
    );
}

#[test]
fn every_difference_is_told_in_words() {
    let oidc = |audience: Value, algorithms: Value| {
        json!({ "type": "oidc", "oidc": {
            "issuer": "https://issuer.test", "audience": audience, "algorithms": algorithms,
            "required_claims": { "scp": ["a"] },
        } })
    };
    let old = json!({
        "identity_headers": { "user": "x-user" },
        "clusters": { "issuer.test": "one" },
        "endpoints": [
            with(guarded("a", "/a"), json!({
                "allow_from": ["10.0.0.0/8"], "methods": ["GET"],
                "upstream_auth": { "type": "bearer", "token": "secret-of-the-provider" },
            })),
            { "name": "b", "path": "/b", "authorizer": oidc(json!("one"), json!(["RS256"])) },
            guarded("c", "/c"),
            guarded("d", "/d"),
        ],
    });
    let new = json!({
        "identity_headers": { "user": "x-user", "client": "x-client" },
        "clusters": { "issuer.test": "two" },
        "endpoints": [
            with(guarded("a", "/a/{m}"), json!({
                "allow_from": ["10.0.0.0/9"], "methods": ["GET", "POST"],
                "upstream_auth": { "type": "bearer", "token": "another-secret" },
            })),
            { "name": "b", "path": "/b", "authorizer": oidc(json!(["one", "two"]), json!(["RS256", "ES256"])) },
            { "name": "c", "path": "/c", "authorizer": oidc(json!("one"), json!(["RS256"])) },
            guarded("e", "/e"),
        ],
    });
    let said = diff(&old, &new);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(
        lines(&said),
        [
            "clusters: issuer.test: one → two",
            "identity_headers: client: not written → x-client",
            "endpoint `a`: allow_from narrower: [\"10.0.0.0/8\"] → [\"10.0.0.0/9\"]",
            "endpoint `a`: methods: [\"GET\"] → [\"GET\",\"POST\"]",
            "endpoint `a`: path: /a → /a/{m}",
            "endpoint `a`: upstream_auth (bearer) changed: token",
            "endpoint `b`: oidc of https://issuer.test: algorithms: [\"RS256\"] → [\"RS256\",\"ES256\"]",
            "endpoint `b`: oidc of https://issuer.test: audience: one → [\"one\",\"two\"]",
            "endpoint `c`: re-guarded: guarded by api_key → guarded by oidc of https://issuer.test",
            "endpoint `d` removed: any method /d on any host, guarded by api_key",
            "endpoint `e` added: any method /e on any host, guarded by api_key",
            "key added: client `c`, sha256:dba2fb03… (`e`)",
            "key ended: client `c`, sha256:dba2fb03… (`c`, `d`)",
        ]
    );
}

#[test]
fn keys_are_told_by_client_and_digest_and_never_shown() {
    let keys = |entries: Value| {
        of(&[json!({
            "name": "e", "path": "/e", "authorizer": { "type": "api_key", "keys": entries },
        })])
    };
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let said = diff(
        &keys(json!([
            { "client_id": "stays", "key": "canary-one" },
            { "client_id": "ends", "key": "canary-two" },
            { "client_id": "hashed", "key_sha256": digest },
        ])),
        &keys(json!([
            { "client_id": "stays", "key": "canary-one", "expires_at": "2027-01-01T00:00:00Z" },
            { "client_id": "comes", "key": { "env": "NEW_KEY" } },
            { "client_id": "hashed", "key_sha256": digest.to_uppercase() },
        ])),
    );
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(!said.stdout.contains("canary"), "{said:?}");
    let [added, changed, ended] = lines(&said)[..] else {
        panic!("{said:?}")
    };
    assert_eq!(added, "key added: client `comes`, from NEW_KEY (`e`)");
    assert!(
        changed.starts_with("key changed: client `stays`, sha256:"),
        "{changed}"
    );
    assert!(changed.ends_with(": expires_at: not written → 2027-01-01T00:00:00Z (`e`)"));
    assert!(
        ended.starts_with("key ended: client `ends`, sha256:"),
        "{ended}"
    );
}

#[test]
fn key_sets_are_told_by_name_and_what_changed_in_them() {
    let of_set = |set: &str, uri: &str| {
        let authorizer = json!({ "type": "api_key", "key_set": set });
        json!({
            "key_sets": { set: { "uri": uri, "refresh": "30s" }, "other": { "uri": "https://keys.test/o" } },
            "endpoints": [{ "name": "e", "path": "/e", "authorizer": authorizer }],
        })
    };
    let old = of_set("main", "https://keys.test/main?sig=canary-1");
    let said = diff(&old, &of_set("main", "https://keys.test/main?sig=canary-2"));
    assert_eq!(lines(&said), ["key_sets: main: changed: uri"]);
    let said = diff(&old, &of_set("next", "https://keys.test/main"));
    assert_eq!(
        lines(&said),
        [
            "key_sets: main: removed",
            "key_sets: next: added",
            "endpoint `e`: api_key: key_set: main → next",
        ]
    );
    assert_eq!(said.status, Some(0));
}

#[test]
fn what_cannot_be_used_is_status_2_with_every_error() {
    let files = Files::new();
    let good = files.write("good.json", &of(&[guarded("e", "/e")]).to_string());
    let bad = of(&[with(guarded("e", "e"), json!({ "methods": ["post"] }))]);
    let bad = files.write("bad.json", &bad.to_string());
    let said = tenantgate(&["diff", &good, &bad], "");
    assert_eq!((said.status, said.stdout.as_str()), (Some(2), ""));
    let said = files.shorten(&said.stderr);
    assert!(
        said.contains("bad.json: endpoints[0].path: must begin with `/`\n"),
        "{said}"
    );
    assert!(
        said.contains("bad.json: endpoints[0].methods[0]: "),
        "{said}"
    );
    for (name, text) in [
        ("empty.yaml", ""),
        ("broken.json", "{"),
        ("none.yaml", "kind: Service\n"),
    ] {
        let file = files.write(name, text);
        let said = tenantgate(&["diff", &file, &good], "");
        assert_eq!(said.status, Some(2), "{name}: {said:?}");
    }
    assert_eq!(tenantgate(&["diff", &good, "/nowhere"], "").status, Some(2));
}
