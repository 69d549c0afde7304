//! Who is told to be calling: HDR-01 to HDR-03, HDR-05, HDR-07 to HDR-11.

use serde_json::{Value, json};

use crate::gate::{K, api_keys, b, config, config_of, gate, gate_with, hold, outcome, with_claim};
use crate::harness::proxy::{Request, get, post};

const SPELLINGS: [&str; 9] = [
    "x-tenant-id",
    "X-TENANT-ID",
    "x_tenant_id",
    "X_Tenant-Id",
    "x.tenant.id",
    "x-tenant_id",
    "x-tenant-id_",
    "x-tenant-id-",
    "x!tenant~id",
];

fn spoofed(path: &str) -> Request {
    get(path)
        .header("x-tenant-id", "t9")
        .header("x-user-id", "root")
}

#[test]
fn hdr_01_a_tenant_that_the_client_names_never_arrives() {
    let mut config = config();
    config["unmatched"] = json!("pass");
    let mut proxy = gate_with(&config);
    hold(
        &mut proxy,
        [
            ("with a key", spoofed("/v1/chat").bearer(K), "t2"),
            ("without", spoofed("/v1/chat"), "401 missing_credential"),
            (
                "with a bad token",
                spoofed("/v1/chat").bearer(b()),
                "401 invalid_credential",
            ),
            ("on an open endpoint", spoofed("/health"), "nobody"),
            (
                "on an open endpoint with a key",
                spoofed("/health").bearer(K),
                "nobody",
            ),
            ("on no endpoint", spoofed("/nowhere"), "nobody"),
            ("unsaid", get("/v1/chat").bearer(K), "t2"),
        ],
    );
    for path in ["/v1/chat", "/health", "/nowhere"] {
        let answer = proxy.send(spoofed(path).bearer(K));
        // The key names no user, so nobody does.
        answer.upstream_lacks("x-user-id");
    }
}

#[test]
fn hdr_01_a_preflight_that_is_let_through_names_nobody() {
    let endpoint =
        json!({"name": "chat", "path": "/v1/chat", "preflight": "allow", "authorizer": api_keys()});
    let preflight = |request: Request| {
        let request = request
            .with(":method", "OPTIONS")
            .header("origin", "https://app.test");
        request.header("access-control-request-method", "POST")
    };
    hold(
        &mut gate_with(&config_of(&json!([endpoint]))),
        [
            ("preflight", preflight(spoofed("/v1/chat")), "nobody"),
            (
                "without origin",
                preflight(get("/v1/chat")).without("origin"),
                "401 missing_credential",
            ),
            (
                "without the method",
                preflight(get("/v1/chat")).without("access-control-request-method"),
                "401 missing_credential",
            ),
            (
                "not OPTIONS",
                preflight(get("/v1/chat")).with(":method", "GET"),
                "401 missing_credential",
            ),
        ],
    );
    hold(
        &mut gate(),
        [(
            "not allowed",
            preflight(get("/v1/chat")),
            "401 missing_credential",
        )],
    );
}

#[test]
fn hdr_02_copies_in_any_case_and_on_any_side_become_one() {
    let mut proxy = gate();
    for (one, other) in [
        ("x-tenant-id", "x-tenant-id"),
        ("X-TENANT-ID", "x-tenant-id"),
        ("x-tenant-id", "X-Tenant-Id"),
    ] {
        let around = get("/v1/chat")
            .header(one, "t8")
            .bearer(K)
            .header("accept", "*/*")
            .header(other, "t9");
        hold(&mut proxy, [(one, around, "t2")]);
    }
    proxy
        .send(
            get("/v1/chat")
                .bearer(K)
                .header("x-tenant-id", "t2")
                .header("x-tenant-id", "t2"),
        )
        .upstream_saw("x-tenant-id", "t2");
}

#[test]
fn hdr_03_no_spelling_that_a_server_might_fold_goes_on() {
    let mut proxy = gate();
    for name in SPELLINGS {
        for path in ["/v1/chat", "/health"] {
            let answer = proxy.send(get(path).header(name, "t9").bearer(K));
            answer.admitted();
            let hit = answer.upstream.as_ref().unwrap();
            assert!(
                hit.headers.iter().all(|(_, value)| value != b"t9"),
                "{name} on {path}: {hit:?}"
            );
        }
    }
    // A twin that no server folds to it is the client's own business.
    for name in [
        "x-tenant",
        "x-tenant-id2",
        "tenant-id",
        "xtenantid",
        "x-tenant--id",
    ] {
        proxy
            .send(get("/v1/chat").header(name, "t9").bearer(K))
            .upstream_saw(name, "t9")
            .upstream_saw("x-tenant-id", "t2");
    }
}

#[test]
fn hdr_05_an_upgrade_nominates_nothing_of_ours() {
    let mut proxy = gate();
    let upgrade = |connection: &str| {
        get("/v1/chat")
            .bearer(K)
            .header("x-tenant-id", "t9")
            .header("connection", connection)
            .header("upgrade", "websocket")
    };
    for connection in [
        "Upgrade, X-Tenant-Id, Authorization",
        "x-tenant-id, upgrade",
        "upgrade,x_tenant_id",
        "keep-alive, Upgrade",
    ] {
        let answer = proxy.send(upgrade(connection));
        assert_eq!(outcome(&answer), "t2", "{connection}");
        answer
            .upstream_saw("connection", "upgrade")
            .upstream_saw("upgrade", "websocket");
    }
    proxy
        .send(upgrade("Upgrade"))
        .upstream_saw("connection", "Upgrade");
    // Two lines, of which the first is harmless.
    let answer = proxy.send(upgrade("upgrade").header("connection", "x-tenant-id"));
    answer
        .upstream_saw("connection", "upgrade")
        .upstream_saw("x-tenant-id", "t2");
}

#[test]
fn hdr_07_trailers_name_nobody_and_carry_no_credential() {
    let mut proxy = gate();
    for name in SPELLINGS.into_iter().chain([
        "x-user-id",
        "x_user_id",
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
    ]) {
        for path in ["/v1/chat", "/health"] {
            let request = get(path)
                .bearer(K)
                .body("{}")
                .trailer(name, "t9")
                .trailer("x-checksum", "1");
            let answer = proxy.send(request);
            let trailers = &answer.admitted().upstream.as_ref().unwrap().trailers;
            assert!(!trailers.contains(name), "{name} on {path}: {trailers:?}");
            assert_eq!(trailers.all("x-checksum"), [b"1"], "{name}");
        }
    }
    proxy.alive();
}

#[test]
fn hdr_08_an_upstream_that_echoes_does_not_tell_the_client_its_tenant() {
    let echo = |path| {
        let request = get(path)
            .bearer(K)
            .response_header("x-tenant-id", "t2")
            .response_header("X-Tenant-Id", "again");
        request
            .response_header("x-user-id", "u1")
            .response_header("x-served-by", "m1")
    };
    let mut proxy = gate();
    for path in ["/v1/chat", "/health"] {
        let answer = proxy.send(echo(path));
        answer.admitted();
        assert_eq!(
            (answer.header("x-tenant-id"), answer.header("x-user-id")),
            (None, None),
            "{path}"
        );
        assert_eq!(
            answer.header("x-served-by").as_deref(),
            Some("m1"),
            "{path}"
        );
    }
}

#[test]
fn hdr_09_a_claim_that_cannot_stand_in_a_header_is_refused() {
    let long = "x".repeat(256);
    let values = [
        "u1\r\nx-admin: 1",
        "u1\n",
        "u1\0",
        "u1\u{7f}",
        " u1",
        "u1 ",
        "u1,u2",
        "caf\u{e9}",
        "\u{202e}1u",
        "u\t1",
        "",
        &long,
    ];
    let mut proxy = gate();
    for value in values {
        let (tenant, user) = (with_claim("tenant", value), with_claim("sub", value));
        let name = value.escape_debug().take(20).collect::<String>();
        hold(
            &mut proxy,
            [
                (&name, get("/v1/chat").bearer(tenant), "403 tenant_unknown"),
                (&name, get("/v1/chat").bearer(user), "403 claim_mismatch"),
            ],
        );
    }
    // What is so long does not get as far as its claims.
    let longest = with_claim("sub", "x".repeat(70 * 1024));
    let rows = [(
        "70 KiB",
        get("/v1/chat").bearer(longest),
        "401 invalid_credential",
    )];
    hold(&mut proxy, rows);
    let longest = with_claim("sub", "x".repeat(255));
    hold(
        &mut proxy,
        [("255 bytes", get("/v1/chat").bearer(longest), "t1")],
    );
    let answer = proxy.send(get("/v1/chat").bearer(with_claim("sub", "auth0|a b:1/2@x")));
    answer
        .upstream_saw("x-user-id", "auth0|a b:1/2@x")
        .upstream_saw("x-tenant-id", "t1");
}

#[test]
fn hdr_10_a_number_is_told_to_the_last_digit_or_not_at_all() {
    let mut proxy = gate();
    let unknown = "403 tenant_unknown";
    for (value, expected) in [
        ("12345678901234567890", "12345678901234567890"),
        ("9007199254740993", "9007199254740993"),
        ("-7", "-7"),
        ("0", "0"),
        ("123456789012345678901234567890", unknown),
        ("1e3", unknown),
        ("1.0", unknown),
        ("true", unknown),
        ("null", unknown),
        (r#"["a","b"]"#, unknown),
        (r#"["a"]"#, unknown),
        (r#"{"id":"a"}"#, unknown),
        (r#""007""#, "007"),
    ] {
        let now = crate::gate::now().as_second();
        let claims = format!(
            r#"{{"iss":"https://idp.test","aud":"api","sub":"u1","exp":{},"tenant":{value}}}"#,
            now + 300
        );
        let token = crate::harness::tokens::Token::good()
            .claims_text(claims)
            .sign(crate::gate::now());
        hold(
            &mut proxy,
            [(value, get("/v1/chat").bearer(token), expected)],
        );
    }
}

#[test]
fn hdr_11_headers_that_others_behind_us_believe_are_taken_off() {
    let mut proxy = gate();
    let confusing = [
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-prefix",
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-preferred-username",
        "x-auth-request-user",
        "x-auth-request-email",
        "x-original-host",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    ];
    for name in confusing {
        let trailed = post("/v1/chat").bearer(K).body("{}").trailer(name, "root");
        let answer = proxy.send(trailed);
        let trailers = &answer.admitted().upstream.as_ref().unwrap().trailers;
        assert!(!trailers.contains(name), "{name}: {trailers:?}");
        for path in ["/v1/chat", "/health"] {
            let answer = proxy.send(
                get(path)
                    .header(name, "/health")
                    .header(name, "root")
                    .bearer(K),
            );
            answer.admitted().upstream_lacks(name);
        }
    }
    proxy
        .send(
            get("/v1/chat")
                .header("x-forwarded-proto", "https")
                .bearer(K),
        )
        .upstream_saw("x-tenant-id", "t2");
}

#[test]
fn hdr_11_whatever_the_operator_names_is_cleaned_and_set() {
    let mut config = config();
    config["identity_headers"] = json!({"tenant": "openai-organization", "user": "x-forwarded-user", "client": "x-client", "endpoint": "x-endpoint"});
    let mut proxy = gate_with(&config);
    let names = [
        "openai-organization",
        "openai_organization",
        "x-forwarded-user",
        "x-client",
        "x-endpoint",
    ];
    let request = names
        .iter()
        .fold(get("/v1/chat").bearer(K), |request, name| {
            request.header(name, "t9")
        });
    let answer = proxy.send(request);
    answer
        .upstream_saw("openai-organization", "t2")
        .upstream_saw("x-client", "acme")
        .upstream_saw("x-endpoint", "chat");
    answer
        .upstream_lacks("openai_organization")
        .upstream_lacks("x-forwarded-user");

    let sub = with_claim("sub", "u1");
    proxy
        .send(
            get("/v1/chat")
                .bearer(sub)
                .header("x-forwarded-user", "root"),
        )
        .upstream_saw("x-forwarded-user", "u1");
    let names: Value = json!({"tenant": "x-tenant-id", "user": "X_Tenant_Id"});
    config["identity_headers"] = names;
    let log = crate::harness::proxy::Proxy::try_with(&config)
        .err()
        .unwrap_or_default();
    assert!(log.contains("identity_headers.user"), "{log}");
}
