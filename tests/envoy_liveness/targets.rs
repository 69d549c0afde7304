//! PTH, HST and IPA: which endpoint, by which name, from where.

use crate::gate::ELSEWHERE;
use crate::harness::wire::lines;
use crate::{Case, each, heads, keyed, row};

const ODD: &str = "400 ambiguous_path";
const UNKNOWN: &str = "404 unknown_endpoint";
const BARE: &str = "401 missing_credential";

/// Requests for these targets without a credential.
fn targets(id: &'static str, outcome: &'static str, targets: &[&str]) -> Vec<Case> {
    let head = |target: &&str| ((*target).to_owned(), lines(&format!("GET {target}"), &[]));
    row(id, outcome, targets.iter().map(head))
}

/// Requests to these hosts for what one of them protects and others do not.
fn hosts(id: &'static str, outcome: &'static str, hosts: &[&str]) -> Vec<Case> {
    let head = |host: &&str| {
        let head = format!("GET /v1/hosted HTTP/1.1\r\nHost: {host}\r\n\r\n");
        ((*host).to_owned(), head.into_bytes())
    };
    row(id, outcome, hosts.iter().map(head))
}

pub fn rows() -> Vec<Case> {
    [pth(), hst(), ipa()].into_iter().flatten().collect()
}

fn pth() -> Vec<Case> {
    let elsewhere = format!("x-api-key: {ELSEWHERE}");
    let key = keyed();
    [
        targets(
            "PTH-01",
            ODD,
            &["//v1/chat", "/v1//chat", "///health/../v1/chat"],
        ),
        targets("PTH-01", UNKNOWN, &["/v1/chat/"]),
        targets(
            "PTH-02",
            ODD,
            &[
                "/health/../v1/chat",
                "/./v1/chat",
                "/health/%2e%2e/v1/chat",
                "/health/.%2e/",
                "/health/..;/v1/chat",
            ],
        ),
        targets(
            "PTH-03",
            ODD,
            &[
                "/health%2f..%2fv1%2fchat",
                "/health%5c..%5cv1/chat",
                "/health\\..\\v1\\chat",
            ],
        ),
        targets(
            "PTH-04",
            ODD,
            &[
                "/health/%252e%252e/v1/chat",
                "/v1/chat%2",
                "/v1/%zzchat",
                "/%c0%afv1/chat",
                "/v1/chat%00",
            ],
        ),
        targets("PTH-04", BARE, &["/v1/ch%61t"]),
        targets(
            "PTH-05",
            ODD,
            &["/v1;x=y/chat", "/v1/chat;a=b", "/health;/../v1/chat"],
        ),
        targets("PTH-06", UNKNOWN, &["/V1/Chat", "/HEALTH"]),
        targets("PTH-07", "400", &["/v1/chat#/health", "/health#x"]),
        targets(
            "PTH-08",
            BARE,
            &["/v1/chat?/health", "/v1/chat?x=/health", "/v1/chat?"],
        ),
        targets("PTH-08", "nobody", &["/health?../v1/chat"]),
        targets("PTH-09", BARE, &["http://h/v1/chat"]),
        targets("PTH-09", "400", &["health"]),
        each(
            "PTH-10",
            BARE,
            "GET /v1/chat",
            &[
                "x-envoy-original-path: /health",
                "x-original-url: /health",
                "x-rewrite-url: /health",
                "x-forwarded-uri: /health",
            ],
            &[],
        ),
        heads(
            "PTH-11",
            UNKNOWN,
            &[
                (
                    "GET /v1/upload",
                    &["X-HTTP-Method-Override: POST", &elsewhere],
                ),
                ("GET /v1/upload?_method=POST", &[&elsewhere]),
            ],
        ),
        heads(
            "PTH-11",
            "t2",
            &[("POST /v1/upload", &["Content-Length: 0", &elsewhere])],
        ),
        heads(
            "PTH-12",
            UNKNOWN,
            &[("GET /v1/chats", &[&key]), ("GET /x/v1/chat", &[&key])],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hst() -> Vec<Case> {
    let long = "a".repeat(300);
    [
        hosts(
            "HST-01",
            BARE,
            &[
                "api.test",
                "API.Test",
                "api.test.",
                "api.test:443",
                "api.test:00443",
            ],
        ),
        row(
            "HST-02",
            UNKNOWN,
            [(
                "another authority",
                b"GET http://other.test/v1/hosted HTTP/1.1\r\nHost: a.open.test\r\n\r\n".to_vec(),
            )],
        ),
        row(
            "HST-02",
            BARE,
            [(
                "the protected one",
                b"GET http://api.test/v1/hosted HTTP/1.1\r\nHost: a.open.test\r\n\r\n".to_vec(),
            )],
        ),
        hosts(
            "HST-03",
            UNKNOWN,
            &["open.test", "evilopen.test", "a.open.test.evil"],
        ),
        hosts("HST-03", "nobody", &["a.open.test", "a.b.open.test"]),
        hosts(
            "HST-04",
            "400",
            &[
                "api.test\r\nHost: a.open.test",
                "u@a.open.test",
                "a.open%2etest",
            ],
        ),
        hosts("HST-04", "400 ambiguous_host", &[&long]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ipa() -> Vec<Case> {
    const NO: &str = "403 source_not_allowed";
    const PRIVATE: &str = "GET /v1/private";
    const LOCAL: &str = "GET /v1/local";
    let keyed = keyed();
    let key = &[keyed.as_str()][..];
    [
        each("IPA-01", NO, PRIVATE, &["X-Forwarded-For: 10.0.0.1"], key),
        each("IPA-01", NO, LOCAL, &["X-Forwarded-For: 127.0.0.1"], key),
        heads("IPA-01", "t2", &[(LOCAL, key)]),
        each(
            "IPA-02",
            NO,
            PRIVATE,
            &[
                "X-Forwarded-For: 10.0.0.1, 10.0.0.2",
                "X-Forwarded-For: unknown",
                "X-Forwarded-For: [::1]:80",
                "X-Forwarded-For: ,,",
            ],
            key,
        ),
        each(
            "IPA-03",
            NO,
            PRIVATE,
            &[
                "X-Real-IP: 10.0.0.1",
                "True-Client-IP: 10.0.0.1",
                "Forwarded: for=10.0.0.1",
                "X-Envoy-External-Address: 10.0.0.1",
            ],
            key,
        ),
        each(
            "IPA-04",
            NO,
            PRIVATE,
            &[
                "X-Forwarded-For: 012.0.0.1",
                "X-Forwarded-For: ::ffff:10.0.0.1",
                "X-Forwarded-For: fe80::1%eth0",
                "X-Forwarded-For: 10.0.0.1:0",
            ],
            key,
        ),
        heads(
            "IPA-06",
            NO,
            &[
                (PRIVATE, key),
                (PRIVATE, &["x-api-key: wrong"]),
                (PRIVATE, &[]),
            ],
        ),
        heads("IPA-06", BARE, &[(LOCAL, &[])]),
    ]
    .into_iter()
    .flatten()
    .collect()
}
