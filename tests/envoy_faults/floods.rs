//! Floods of headers where an operator allows more of them than Envoy does by itself: CRD-11.

use serde_json::json;

use crate::harness::upstream::RawUpstream;
use crate::harness::{Envoy, Setup};
use crate::{KEY, by_key, comes_to_rest};

/// So many lines of this name, each of so many bytes. An `N` in the name is the number of the line.
fn lines(count: usize, name: &str, bytes: usize) -> Vec<String> {
    let name = |n: usize| name.replace('N', &n.to_string());
    (0..count)
        .map(|n| format!("{}: {}", name(n), "v".repeat(bytes)))
        .collect()
}

#[test]
fn crd_11_a_flood_of_headers_that_envoy_lets_through_is_read_to_its_end() {
    let upstream = RawUpstream::start();
    let setup = Setup::with(json!({ "endpoints": [by_key("/chat")] }));
    let mut setup = setup.model(upstream.address());
    setup.merged = Some(json!({
        "max_request_headers_kb": 8192,
        "common_http_protocol_options": { "max_headers_count": 20_000 },
    }));
    let mut envoy = Envoy::start(setup);
    let ask = |flood: &[String]| {
        let fields: Vec<&[u8]> = flood.iter().map(String::as_bytes).collect();
        let mut wire = envoy.wire();
        assert!(wire.request("GET", "/chat", &fields));
        wire.answer().expect("an answer")
    };
    let mut served = 0;
    for (name, flood) in [
        ("a thousand", lines(1_000, "x-N", 1)),
        // More than the host takes back in one list.
        ("more than a list may have", lines(1_030, "x-N", 1)),
        ("ten thousand", lines(10_000, "x-N", 1)),
        ("more than a megabyte", lines(20, "x-N", 60_000)),
        ("one of many lines", lines(1_000, "x-same", 10)),
        ("cookies", lines(1_000, "cookie", 1_000)),
    ] {
        let answer = ask(&flood);
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        assert!(answer.text().contains("missing_credential"), "{name}");
        assert_eq!(upstream.heads().len(), served, "{name}");

        let claimed = lines(10, "x-tenant-id", 4);
        let key = format!("authorization: Bearer {KEY}");
        let answer = ask(&[&flood[..], &claimed, &[key]].concat());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        served += 1;
        let head = upstream.heads().pop().expect("a head");
        let head = String::from_utf8_lossy(&head);
        let tenants = head.lines().filter(|line| line.starts_with("x-tenant-id:"));
        assert_eq!(tenants.collect::<Vec<_>>(), ["x-tenant-id: acme"], "{name}");
        assert!(!head.contains(KEY), "{name}");
    }
    for bytes in [100_000, 1_000_000] {
        for flood in [
            lines(1, "authorization", bytes),
            lines(1, "x-api-key", bytes),
        ] {
            let long = flood[0].replace("authorization: ", "authorization: Bearer ");
            let answer = ask(&[long]);
            assert_eq!(answer.status, 401, "{bytes}: {}", answer.text());
            assert!(answer.text().contains("invalid_credential"), "{bytes}");
        }
    }
    assert_eq!(ask(&lines(100, "x-api-key", 10_000)).status, 400);
    assert_eq!(upstream.heads().len(), served);
    comes_to_rest(&mut envoy);
}
