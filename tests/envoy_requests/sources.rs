//! Which address Envoy takes for the caller's, and which the gate takes: IPA-01 and IPA-02.

use serde_json::{Value, json};

use crate::harness::{Envoy, Listener};
use crate::{K, bearer, config, gate, keys, lines, raw, word};

const NO: &str = "403 source_not_allowed";

/// `/private` is for 10.0.0.0/8 and some IPv6, `/local` for this machine, `/v1/chat` for everybody.
fn mode(mode: &str) -> Value {
    let mut config = config(&json!([
        {"name": "private", "path": "/private", "allow_from": ["10.0.0.0/8", "2001:db8::/32"], "authorizer": keys()},
        {"name": "local", "path": "/local", "allow_from": ["127.0.0.0/8"], "authorizer": keys()},
        {"name": "chat", "path": "/v1/chat", "authorizer": keys()},
    ]));
    config["source_address"] = json!(mode);
    config
}

fn listener(use_remote_address: bool) -> Listener {
    Listener {
        use_remote_address,
        ..Listener::HARDENED
    }
}

/// With a good key: only the address is at stake.
fn ask(envoy: &Envoy, path: &str, forwarded: &[&str]) -> String {
    let fields: Vec<String> = forwarded
        .iter()
        .map(|value| format!("X-Forwarded-For: {value}"))
        .collect();
    let bearer = bearer();
    let fields: Vec<&str> = fields
        .iter()
        .map(String::as_str)
        .chain([bearer.as_str()])
        .collect();
    word(&raw(envoy, &lines(&format!("GET {path}"), &fields)).unwrap())
}

#[test]
fn ipa_01_a_forwarded_address_opens_nothing_unless_both_the_operator_and_envoy_believe_it() {
    for (remote, source, private, local) in [
        // Envoy believes the header, the gate does not: it is nobody's address.
        (false, "peer", NO, NO),
        // Both believe it: what the documentation warns of.
        (false, "forwarded", "200", NO),
        // Envoy tells the peer.
        (true, "peer", NO, "200"),
        (true, "forwarded", NO, "200"),
    ] {
        let (upstream, mut envoy) = gate(mode(source), listener(remote));
        assert_eq!(
            ask(&envoy, "/private", &["10.0.0.1"]),
            private,
            "{remote} {source}"
        );
        assert_eq!(
            ask(&envoy, "/local", &["10.0.0.1"]),
            local,
            "{remote} {source}"
        );
        // Without the header it is the peer everywhere.
        assert_eq!(ask(&envoy, "/private", &[]), NO, "{remote} {source}");
        assert_eq!(ask(&envoy, "/local", &[]), "200", "{remote} {source}");
        let admitted = [private, local, "200"]
            .iter()
            .filter(|word| **word == "200")
            .count();
        assert_eq!(upstream.seen().len(), admitted, "{remote} {source}");
        // The address replaces no key.
        envoy
            .get("/local")
            .send()
            .refused(401, "missing_credential");
        envoy
            .get("/private")
            .header("x-real-ip", "10.0.0.1")
            .bearer(K)
            .send()
            .refused(403, "source_not_allowed");
        assert!(envoy.is_running());
    }
}

#[test]
fn ipa_02_no_form_of_the_header_makes_a_peer_of_what_it_says() {
    let entries = vec!["10.0.0.1"; 1000].join(",");
    let forms: [&[&str]; 21] = [
        &["10.0.0.1:1234"],
        &["10.0.0.1:0"],
        &["[2001:db8::1]:1234"],
        &["[2001:db8::1]"],
        &["2001:db8::1"],
        &["::ffff:10.0.0.1"],
        &["10.0.0.1,"],
        &["10.0.0.1, "],
        &[",10.0.0.1"],
        &["203.0.113.9, 10.0.0.1"],
        &["10.0.0.1, 203.0.113.9"],
        &["10.0.0.1", "203.0.113.9"],
        &["203.0.113.9", "10.0.0.1"],
        &["unknown"],
        &["_hidden"],
        &["010.0.0.1"],
        &["10.1"],
        &["0x0a000001"],
        &["fe80::1%lo"],
        &["\"10.0.0.1\""],
        &[&entries],
    ];
    for remote in [false, true] {
        let (upstream, envoy) = gate(mode("peer"), listener(remote));
        for form in forms {
            assert_eq!(ask(&envoy, "/private", form), NO, "{remote} {form:?}");
        }
        upstream.saw_nothing();
        assert_eq!(ask(&envoy, "/v1/chat", &[]), "200");
    }
}

#[test]
fn ipa_02_where_forwarded_addresses_are_believed_the_last_one_counts_and_garbage_does_not() {
    let (_upstream, envoy) = gate(mode("forwarded"), listener(false));
    let forms: [(&[&str], &str); 14] = [
        (&["203.0.113.9, 10.0.0.1"], "200"),
        (&["203.0.113.9", "10.0.0.1"], "200"),
        (&["2001:db8::1"], "200"),
        (&["::ffff:10.0.0.1"], "200"),
        (&["10.0.0.1, 203.0.113.9"], NO),
        (&["10.0.0.1", "203.0.113.9"], NO),
        (&["10.0.0.1,"], NO),
        (&["10.0.0.1, unknown"], NO),
        (&["[2001:db8::1]"], NO),
        (&["10.0.0.1:1234"], NO),
        (&["010.0.0.1"], NO),
        (&["10.1"], NO),
        (&["fe80::1%lo"], NO),
        (&[""], NO),
    ];
    for (form, expected) in forms {
        assert_eq!(ask(&envoy, "/private", form), expected, "{form:?}");
    }
}
