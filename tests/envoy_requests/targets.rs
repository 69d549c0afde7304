//! What Envoy makes of a request target and a host, and what the gate makes of that: HST-02, HST-04, PTH-01 to PTH-09.

use serde_json::json;

use crate::{K, LISTENERS, bearer, chat_and_health, config, gate, keys, lines, raw, stands, word};

#[test]
fn hst_02_the_authority_that_envoy_chose_decides_and_goes_upstream() {
    let endpoints = json!([
        {"name": "chat", "path": "/v1/chat", "hosts": ["api.test"], "authorizer": keys()},
        {"name": "open", "path": "/v1/chat", "hosts": ["open.test"], "authorizer": {"type": "none"}},
    ]);
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(config(&endpoints), listener);
        let ask = |target: &str, host: &str| {
            upstream.forget();
            let bytes = format!("GET {target} HTTP/1.1\r\n{host}\r\n\r\n");
            let answer = raw(&envoy, bytes.as_bytes());
            let hosts: Vec<_> = upstream
                .seen()
                .iter()
                .filter_map(|seen| seen.header("host"))
                .collect();
            (
                answer.map_or_else(|| "closed".to_owned(), |answer| word(&answer)),
                hosts,
            )
        };
        let refused = |word: &str| (word.to_owned(), vec![]);
        let admitted = |host: &str| ("200".to_owned(), vec![host.to_owned()]);
        assert_eq!(
            ask("/v1/chat", "Host: api.test"),
            refused("401 missing_credential"),
            "{name}"
        );
        assert_eq!(
            ask("http://api.test/v1/chat", "Host: open.test"),
            refused("401 missing_credential"),
            "{name}"
        );
        assert_eq!(
            ask("http://API.test:80/v1/chat", "Host: open.test"),
            refused("401 missing_credential"),
            "{name}"
        );
        assert_eq!(
            ask("http://other.test/v1/chat", "Host: open.test"),
            refused("404 unknown_endpoint"),
            "{name}"
        );
        // Whoever goes by the open host goes to the open host.
        assert_eq!(
            ask("http://open.test/v1/chat", "Host: api.test"),
            admitted("open.test"),
            "{name}"
        );
        assert_eq!(
            ask("/v1/chat", "Host: open.test"),
            admitted("open.test"),
            "{name}"
        );
        // HST-04: what is no host is refused, by whomever.
        for odd in [
            "Host: api.test\r\nHost: open.test",
            "Host: open.test\r\nHost: api.test",
            "Host: u@open.test",
            "Host: open.test/",
            "Host:",
            "X: 1",
            "Host: open.test,api.test",
            "Host: open%2etest",
        ] {
            let (word, hosts) = ask("/v1/chat", odd);
            assert!(
                word.starts_with("400") || word == "closed",
                "{name} {odd}: {word}"
            );
            assert!(hosts.is_empty(), "{name} {odd}: {hosts:?}");
        }
        let answer = raw(&envoy, b"GET /v1/chat HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(answer.status, 426, "{name}: HTTP/1.0 without a host");
        assert_eq!(
            envoy
                .ask("GET", "/v1/chat")
                .header("host", "api.test")
                .bearer(K)
                .send()
                .status,
            200,
            "{name}"
        );
        assert!(envoy.is_running());
    }
}

const SPELLINGS: [&str; 46] = [
    "//v1/chat",
    "/v1//chat",
    "///health/../v1/chat",
    "/health/../v1/chat",
    "/./v1/chat",
    "/health/%2e%2e/v1/chat",
    "/health/.%2e/v1/chat",
    "/health/..;/v1/chat",
    "/health%2f..%2fv1%2fchat",
    "/health%5c..%5cv1/chat",
    "/health\\..\\v1\\chat",
    "/v1%2fchat",
    "/%2fv1/chat",
    "/v1%5cchat",
    "\\v1\\chat",
    "/health/%252e%252e/v1/chat",
    "/v1/chat%2",
    "/v1/%zzchat",
    "/%c0%afv1/chat",
    "/v1/chat%00",
    "/v1/chat%23",
    "/v1;x=y/chat",
    "/v1/chat;a=b",
    "/health;/../v1/chat",
    "/V1/Chat",
    "/v1/chat/",
    "/v1/chat#/health",
    "/health#/../v1/chat",
    "/health#x",
    "/v1/chat?/health",
    "/v1/chat?#",
    "?/health",
    "/?/health",
    "/v1/ch%61t",
    "/%76%31/chat",
    "/v1/chat%20",
    "/v1/chat%0a",
    "/health/..%2fv1/chat",
    "/health/%2e%2e%2fv1/chat",
    "/v1/./chat",
    "/v1/chat/.",
    "/v1/chat/..",
    "/v1/x/../chat",
    "/v1/%2e/chat",
    "/v1/chat?a#b",
    "/..//v1/chat",
];

#[test]
fn pth_01_to_08_no_spelling_reaches_the_upstream_without_a_key_and_every_one_that_does_is_plain() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for spelling in SPELLINGS {
            let answer = raw(&envoy, &lines(&format!("GET {spelling}"), &[]));
            let word = answer.map_or_else(|| "closed".to_owned(), |answer| word(&answer));
            let refusals = [
                "400",
                "400 ambiguous_path",
                "401 missing_credential",
                "404 unknown_endpoint",
            ];
            assert!(
                refusals.contains(&word.as_str()),
                "{name} {spelling}: {word}"
            );
        }
        upstream.saw_nothing();
        for spelling in SPELLINGS {
            raw(&envoy, &lines(&format!("GET {spelling}"), &[&bearer()]));
        }
        let targets: Vec<String> = upstream
            .seen()
            .iter()
            .map(|seen| seen.target.split('?').next().unwrap().to_owned())
            .collect();
        let plain = ["/v1/chat", "/v1/ch%61t", "/%76%31/chat"];
        assert!(
            !targets.is_empty()
                && targets
                    .iter()
                    .all(|target| plain.contains(&target.as_str())),
            "{name}: {targets:?}"
        );
        assert!(
            upstream
                .seen()
                .iter()
                .all(|seen| seen.all("x-tenant-id") == ["t2"]),
            "{name}"
        );
        stands(&mut envoy);
    }
}

#[test]
fn pth_09_targets_of_other_forms_are_refused_and_harm_nobody() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for first in [
            "OPTIONS *",
            "GET *",
            "CONNECT api.test:443",
            "CONNECT /v1/chat",
            "CONNECT *",
            "GET http://api.test",
            "GET https://api.test/v1/chat",
            "GET api.test/v1/chat",
            "GET ftp://api.test/v1/chat",
            "GET http:///v1/chat",
            "GET //api.test/v1/chat",
            "GET health",
            "GET  /v1/chat",
            "G\u{e9}T /health",
            "GET",
            "TRACE /v1/chat",
            "get /v1/chat",
            "FOO /v1/chat",
        ] {
            let answer = raw(&envoy, &lines(first, &[]));
            let word = answer.map_or_else(|| "closed".to_owned(), |answer| word(&answer));
            let refused = word == "closed"
                || ["400", "401", "403", "404", "405"]
                    .iter()
                    .any(|status| word.starts_with(status));
            assert!(refused, "{name} {first}: {word}");
            upstream.saw_nothing();
        }
        // The absolute form of a plain request is that request.
        let answer = raw(&envoy, &lines("GET http://api.test/v1/chat", &[&bearer()])).unwrap();
        assert_eq!(
            (word(&answer).as_str(), upstream.last().target.as_str()),
            ("200", "/v1/chat"),
            "{name}"
        );
        stands(&mut envoy);
    }
}
