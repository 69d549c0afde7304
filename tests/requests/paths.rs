//! Which endpoint a path addresses, and that no spelling goes round it: PTH-01 to PTH-11.

use serde_json::json;

use crate::gate::{ELSEWHERE, K, api_keys, config, config_of, gate, gate_with, hold};
use crate::harness::proxy::{get, request};

const ODD: &str = "400 ambiguous_path";
const UNKNOWN: &str = "404 unknown_endpoint";
const BARE: &str = "401 missing_credential";

/// Without a credential: nothing that is not written as public may be admitted.
fn rows(rows: &[(&'static str, &'static str)]) {
    let mut proxy = gate();
    hold(
        &mut proxy,
        rows.iter()
            .map(|(path, expected)| (*path, get(path), *expected)),
    );
    // Nor is a good credential an excuse, and the plain spellings are what they are.
    let plain = [
        ("public", get("/health"), "nobody"),
        ("protected", get("/v1/chat"), BARE),
        ("with a key", get("/v1/chat").bearer(K), "t2"),
    ];
    hold(&mut proxy, plain);
    let keyed = rows
        .iter()
        .filter(|(_, expected)| *expected != BARE && *expected != "nobody");
    hold(
        &mut proxy,
        keyed.map(|(path, expected)| (*path, get(path).bearer(K), *expected)),
    );
}

#[test]
fn pth_01_slashes_too_many_are_ambiguous() {
    rows(&[
        ("//v1/chat", ODD),
        ("/v1//chat", ODD),
        ("/v1/chat//", ODD),
        ("///health/../v1/chat", ODD),
        ("//health", ODD),
        ("/health//", ODD),
        // One at the end makes it another path, for everybody.
        ("/v1/chat/", UNKNOWN),
        ("/health/", UNKNOWN),
    ]);
}

#[test]
fn pth_02_dot_segments_are_ambiguous() {
    rows(&[
        ("/health/../v1/chat", ODD),
        ("/./v1/chat", ODD),
        ("/v1/./chat", ODD),
        ("/health/%2e%2e/v1/chat", ODD),
        ("/health/%2E%2E/v1/chat", ODD),
        ("/health/.%2e/v1/chat", ODD),
        ("/health/..;/v1/chat", ODD),
        ("/v1/chat/..", ODD),
        ("/health/.", ODD),
        ("/..", ODD),
        ("/...", UNKNOWN),
    ]);
}

#[test]
fn pth_03_encoded_slashes_and_backslashes_are_ambiguous() {
    rows(&[
        ("/health%2f..%2fv1%2fchat", ODD),
        ("/health%5c..%5cv1/chat", ODD),
        ("/health\\..\\v1\\chat", ODD),
        ("/v1%2Fchat", ODD),
        ("/v1%2fchat", ODD),
        ("%2fv1/chat", ODD),
        ("/%2fv1/chat", ODD),
        ("/v1/chat%5c", ODD),
        ("\\v1\\chat", ODD),
    ]);
}

#[test]
fn pth_03_an_encoded_slash_stands_inside_a_capture_that_allows_it_and_nowhere_else() {
    let model = |name: &str, path: &str, allow: bool| json!({"name": name, "path": path, "allow_encoded_slash": allow, "authorizer": api_keys()});
    let endpoints = json!([
        model("bedrock", "/model/{id}/invoke", true),
        model("strict", "/strict/{id}/invoke", false),
        model("nameless", "/nameless/*/invoke", true),
        {"name": "health", "path": "/health", "authorizer": {"type": "none"}},
    ]);
    let mut proxy = gate_with(&config_of(&endpoints));
    hold(
        &mut proxy,
        [
            ("/model/arn%3Aaws%2Fx/invoke", "t2"),
            ("/model/a%2fb%2Fc/invoke", "t2"),
            ("/model/a%2F..%2Fb/invoke", ODD),
            ("/model/a%2F%2Fb/invoke", ODD),
            ("/model/%2Fa/invoke", ODD),
            ("/model/a%252Fb/invoke", ODD),
            ("/model/a%5Cb/invoke", ODD),
            ("/model%2Fa/invoke", ODD),
            ("/model/a%2Finvoke", ODD),
            ("/model/..%2F..%2Fhealth/invoke", ODD),
            ("/strict/a%2Fb/invoke", ODD),
            ("/nameless/a%2Fb/invoke", ODD),
            ("/health%2F", ODD),
        ]
        .map(|(path, expected)| (path, get(path).bearer(K), expected)),
    );
    let answer = proxy.send(get("/model/arn%3Aaws%2Fx/invoke").bearer(K));
    assert_eq!(
        answer.upstream_path(),
        "/model/arn%3Aaws%2Fx/invoke",
        "what is forwarded is what was sent"
    );
}

#[test]
fn pth_04_what_decodes_twice_or_not_at_all_is_ambiguous() {
    rows(&[
        ("/health/%252e%252e/v1/chat", ODD),
        ("/v1%252fchat", ODD),
        ("/v1/chat%2", ODD),
        ("/v1/chat%", ODD),
        ("/v1/%zzchat", ODD),
        ("/v1/%+1chat", ODD),
        ("/%c0%afv1/chat", ODD),
        ("/%c0%ae%c0%ae/v1/chat", ODD),
        ("/v1/chat%00", ODD),
        ("/health%00/v1/chat", ODD),
        ("/health%0d%0a", ODD),
        ("/health%ff", ODD),
        ("/v1/ch\u{e4}t", ODD),
        ("/v1/chat ", ODD),
        // What every server decodes alike is the path that it decodes to.
        ("/v1/ch%61t", BARE),
        ("/%76%31/%63%68%61%74", BARE),
        ("/%68ealth", "nobody"),
    ]);
    let mut proxy = gate();
    let raw = |path: &[u8]| get(path).bearer(K);
    hold(
        &mut proxy,
        [
            ("raw byte", raw(b"/v1/chat\x80"), ODD),
            ("raw NUL", raw(b"/v1/chat\0"), ODD),
            ("plain", raw(b"/v1/chat"), "t2"),
        ],
    );
}

#[test]
fn pth_05_path_parameters_are_ambiguous() {
    rows(&[
        ("/v1;x=y/chat", ODD),
        ("/v1/chat;a=b", ODD),
        ("/v1/chat;", ODD),
        ("/health;/../v1/chat", ODD),
        ("/health;a=b", ODD),
        ("/health%3b", ODD),
        ("/v1/chat%3Ba=b", ODD),
    ]);
}

#[test]
fn pth_06_a_path_in_another_case_is_another_path() {
    rows(&[
        ("/V1/Chat", UNKNOWN),
        ("/v1/chaT", UNKNOWN),
        ("/HEALTH", UNKNOWN),
        ("/%48ealth", UNKNOWN),
    ]);
}

#[test]
fn pth_07_a_fragment_is_ambiguous() {
    rows(&[
        ("/v1/chat#/health", ODD),
        ("/health#x", ODD),
        ("/health#", ODD),
        ("/health%23", ODD),
        ("/health#/../v1/chat", ODD),
    ]);
}

#[test]
fn pth_08_a_query_has_no_say() {
    rows(&[
        ("/v1/chat?/health", BARE),
        ("/v1/chat?x=/health", BARE),
        ("/v1/chat?", BARE),
        ("/v1/chat?/../health", BARE),
        ("/v1/chat?a;b=/health", BARE),
        ("/v1/chat??/health", BARE),
        ("/health?../v1/chat", "nobody"),
        ("/health?%zz%00//", "nobody"),
        ("/health?", "nobody"),
        ("?", ODD),
        ("?/health", ODD),
        ("/?/health", UNKNOWN),
        ("/v1%3f/chat", ODD),
        ("/health%3f", ODD),
    ]);
}

#[test]
fn pth_09_a_target_that_is_no_path_is_ambiguous_and_a_missing_one_harms_nobody() {
    let connect = || request("CONNECT", "/").without(":path").without(":scheme");
    let mut config = config();
    config["unmatched"] = json!("pass");
    for config in [crate::gate::config(), config] {
        let mut proxy = gate_with(&config);
        let odd = [
            ("absolute form", get("http://h/v1/chat"), ODD),
            ("of the public one", get("http://h/health"), ODD),
            ("asterisk", request("OPTIONS", "*"), ODD),
            ("authority form", connect().with(":path", "h:443"), ODD),
            ("CONNECT", connect(), ODD),
            ("CONNECT to nowhere", connect().without(":authority"), ODD),
            ("empty", get(""), ODD),
            ("no path", get("/").without(":path"), ODD),
            ("relative", get("health"), ODD),
        ];
        for (name, request, expected) in odd {
            hold(
                &mut proxy,
                [
                    (name, request.clone(), expected),
                    (name, request.bearer(K), expected),
                ],
            );
        }
        hold(&mut proxy, [("a path", get("/v1/chat").bearer(K), "t2")]);
    }
}

#[test]
fn pth_10_headers_that_name_another_path_are_ignored_and_taken_off() {
    let mut proxy = gate();
    for name in [
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-prefix",
        "x-original-host",
    ] {
        let (public, protected) = (
            get("/v1/chat").header(name, "/health"),
            get("/health").header(name, "/v1/chat"),
        );
        hold(
            &mut proxy,
            [(name, public, BARE), (name, protected.clone(), "nobody")],
        );
        proxy.send(protected).upstream_lacks(name);
    }
}

#[test]
fn pth_11_only_the_method_itself_counts() {
    let mut proxy = gate();
    let upload = |method: &str| request(method, "/v1/upload").header("x-api-key", ELSEWHERE);
    let overridden = |name: &str| upload("GET").header(name, "POST");
    hold(
        &mut proxy,
        [
            ("POST", upload("POST"), "t2"),
            ("GET", upload("GET"), UNKNOWN),
            ("lower case", upload("post"), UNKNOWN),
            ("FOO", upload("FOO"), UNKNOWN),
            ("TRACE", upload("TRACE"), UNKNOWN),
            ("empty", upload(""), UNKNOWN),
            (
                "x-http-method-override",
                overridden("x-http-method-override"),
                UNKNOWN,
            ),
            (
                "x-method-override",
                overridden("x-method-override"),
                UNKNOWN,
            ),
            (
                "_method",
                request("GET", "/v1/upload?_method=POST").header("x-api-key", ELSEWHERE),
                UNKNOWN,
            ),
            (
                "preflight that is not allowed",
                upload("OPTIONS")
                    .header("origin", "https://a.test")
                    .header("access-control-request-method", "POST"),
                UNKNOWN,
            ),
            ("unauthenticated", request("POST", "/v1/upload"), BARE),
            (
                "overridden to a public one",
                request("POST", "/v1/upload").header("x-http-method-override", "GET"),
                BARE,
            ),
        ],
    );
}
