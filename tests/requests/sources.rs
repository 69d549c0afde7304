//! From where an endpoint may be called: IPA-01 to IPA-06, as far as Envoy has made an address of the connection.

use serde_json::{Value, json};

use crate::gate::{K, api_keys, b, config_of, g, gate_with, hold, tokens};
use crate::harness::proxy::{Proxy, Request, get};

const NO: &str = "403 source_not_allowed";
const BARE: &str = "401 missing_credential";
const INSIDE: &str = "10.1.2.3:4444";

fn config(mode: &str, allow_from: Value) -> Value {
    let mut config = config_of(
        &json!([{"name": "inside", "path": "/inside", "authorizer": {"any_of": [api_keys(), tokens()]}}]),
    );
    config["endpoints"][0]["allow_from"] = allow_from;
    config["source_address"] = json!(mode);
    config
}

fn proxy(mode: &str, allow_from: Value) -> Proxy {
    gate_with(&config(mode, allow_from))
}

fn inside() -> Value {
    json!(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
}

fn from(address: &str) -> Request {
    get("/inside").from(address).bearer(K)
}

#[test]
fn ipa_01_an_address_that_a_client_wrote_counts_only_where_the_operator_believes_it() {
    // Envoy gives what it took from `X-Forwarded-For` port 0.
    let spoofed = || from("10.1.2.3:0").header("x-forwarded-for", "10.1.2.3");
    hold(
        &mut proxy("peer", inside()),
        [("spoofed", spoofed(), NO), ("peer", from(INSIDE), "t2")],
    );
    hold(
        &mut proxy("forwarded", inside()),
        [
            ("forwarded", spoofed(), "t2"),
            ("another", from("203.0.113.9:0"), NO),
            ("peer", from(INSIDE), "t2"),
        ],
    );
}

#[test]
fn ipa_02_the_header_itself_is_never_read() {
    let entries = vec!["10.1.2.3"; 1000].join(", ");
    for mode in ["peer", "forwarded"] {
        let mut proxy = proxy(mode, inside());
        for forwarded in [
            "10.1.2.3",
            "10.1.2.3, 203.0.113.9",
            " 10.1.2.3 ",
            ",,",
            "10.1.2.3:1234",
            "unknown",
            "[2001:db8::1]",
            "garbage",
            &entries,
        ] {
            let outside = from("203.0.113.9:4444").header("x-forwarded-for", forwarded);
            let within = from(INSIDE)
                .header("x-forwarded-for", forwarded)
                .header("x-forwarded-for", "203.0.113.9");
            hold(
                &mut proxy,
                [(forwarded, outside, NO), (forwarded, within, "t2")],
            );
        }
    }
}

#[test]
fn ipa_03_other_headers_that_name_an_address_are_ignored() {
    for mode in ["peer", "forwarded"] {
        let mut proxy = proxy(mode, inside());
        for name in [
            "x-real-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "forwarded",
            "x-envoy-external-address",
            "x-client-ip",
            "x-cluster-client-ip",
        ] {
            let value = if name == "forwarded" {
                "for=10.1.2.3"
            } else {
                "10.1.2.3"
            };
            hold(
                &mut proxy,
                [
                    (name, from("203.0.113.9:4444").header(name, value), NO),
                    (name, from(INSIDE).header(name, "203.0.113.9"), "t2"),
                ],
            );
        }
    }
}

#[test]
fn ipa_04_what_is_no_address_and_port_is_on_no_list() {
    let rows = [
        ("10.1.2.3:4444", "t2"),
        ("[::ffff:10.1.2.3]:4444", "t2"),
        ("[::ffff:a01:203]:4444", "t2"),
        ("[2001:db8::1]:4444", "t2"),
        ("192.0.2.7:1", "t2"),
        ("192.0.2.8:1", NO),
        ("[::10.1.2.3]:4444", NO),
        ("10.1.2.3:0", NO),
        ("10.1.2.3", NO),
        ("10.1:80", NO),
        ("0x0a.1.2.3:80", NO),
        ("010.1.2.3:80", NO),
        ("10.1.2.3:99999", NO),
        ("2001:db8::1", NO),
        ("[2001:db8::1%eth0]:80", NO),
        ("[fe80::1%4]:80", NO),
        ("[fe80::1%4]:0", NO),
        ("/run/envoy.sock", NO),
        ("@abstract", NO),
        ("", NO),
        (" 10.1.2.3:80", NO),
    ];
    hold(
        &mut proxy("peer", inside()),
        rows.map(|(address, expected)| (address, from(address), expected)),
    );
    // Everything but the port holds where forwarded addresses are believed, too.
    let rows = rows.map(|(address, expected)| {
        (
            address,
            from(address),
            if address == "10.1.2.3:0" {
                "t2"
            } else {
                expected
            },
        )
    });
    hold(&mut proxy("forwarded", inside()), rows);
    // Even where every address is listed.
    let everywhere = json!(["0.0.0.0/0", "::/0"]);
    let rows = [
        ("/run/envoy.sock", NO),
        ("[fe80::1%4]:80", NO),
        ("", NO),
        ("10.1.2.3:80", "t2"),
        ("[fe80::1]:80", "t2"),
    ];
    hold(
        &mut proxy("peer", everywhere),
        rows.map(|(address, expected)| (address, from(address), expected)),
    );
    hold(
        &mut proxy("peer", inside()),
        [("none", from(INSIDE).without_property("source.address"), NO)],
    );
}

#[test]
fn ipa_05_the_edges_of_networks_hold_and_what_is_none_is_refused() {
    for (allow_from, address, expected) in [
        (json!(["0.0.0.0/0"]), INSIDE, "t2"),
        (json!(["0.0.0.0/0"]), "[2001:db8::1]:1", NO),
        (json!(["::/0"]), INSIDE, NO),
        (json!(["::/0"]), "[::ffff:10.1.2.3]:1", NO),
        (json!(["::/0"]), "[2001:db8::1]:1", "t2"),
        (json!(["10.1.2.3/32"]), INSIDE, "t2"),
        (json!(["10.1.2.3/32"]), "10.1.2.4:1", NO),
        (json!(["10.1.2.2/31"]), INSIDE, "t2"),
        (json!(["10.1.2.2/31"]), "10.1.2.4:1", NO),
        (json!(["2001:db8::1/128"]), "[2001:db8::1]:1", "t2"),
        (json!(["2001:db8::1/128"]), "[2001:db8::2]:1", NO),
        (json!([]), INSIDE, NO),
    ] {
        let name = format!("{allow_from} {address}");
        hold(
            &mut proxy("peer", allow_from),
            [(name, from(address), expected)],
        );
    }
    for bad in [
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0",
        "::/129",
        "::ffff:10.0.0.0/104",
        "fe80::1%eth0/64",
        "localhost",
        "",
    ] {
        let log = Proxy::try_with(config("peer", json!(["10.0.0.0/8", bad])))
            .err()
            .unwrap_or_default();
        assert!(log.contains("endpoints[0].allow_from[1]"), "{bad}: {log}");
    }
}

#[test]
fn ipa_06_an_address_replaces_no_credential_and_tells_nothing_about_one() {
    let outside = |request: Request| request.from("203.0.113.9:4444");
    let at = |address: &str| get("/inside").from(address);
    let mut proxy = proxy("peer", inside());
    hold(
        &mut proxy,
        [
            (
                "outside, good token",
                outside(get("/inside").bearer(g())),
                NO,
            ),
            (
                "outside, bad token",
                outside(get("/inside").bearer(b())),
                NO,
            ),
            ("outside, none", outside(get("/inside")), NO),
            (
                "outside, two",
                outside(get("/inside").bearer(g()).header("x-api-key", K)),
                NO,
            ),
            ("inside, none", at(INSIDE), BARE),
            (
                "inside, bad token",
                at(INSIDE).bearer(b()),
                "401 invalid_credential",
            ),
            ("inside, good token", at(INSIDE).bearer(g()), "t1"),
        ],
    );
    let bodies = [g(), b(), "nonsense".to_owned()].map(|credential| {
        proxy
            .send(outside(get("/inside").bearer(credential)))
            .text()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}
