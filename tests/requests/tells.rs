//! What the gate tells whom: refusals tell a client its code and nothing else, names of metrics come from the configuration
//! alone, and nothing that a stranger writes forges a line. OBS-03, OBS-05 to OBS-07.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::gate::{ELSEWHERE, K, api_keys, b, config, g, gate, now, tokens, with_claim};
use crate::harness::proxy::{Answer, Proxy, Request, get, post, request};
use crate::harness::tokens::{Key, TRUSTED, Token, jwks};

/// Status, header fields and body, to the byte.
fn told(answer: &Answer) -> String {
    format!("{} {:?} {}", answer.status, answer.headers, answer.text())
}

fn chat() -> Request {
    get("/v1/chat")
}

#[test]
fn obs_03_answers_of_one_code_are_the_same_to_the_byte_whatever_the_cause() {
    let signed = |token: Token| token.sign(now());
    let expired = || Token::good().claim("exp", now().as_second() - 3600);
    let invalid = [
        ("an unknown key", "no-such-key-0000".to_owned()),
        ("a key of another endpoint", ELSEWHERE.to_owned()),
        ("a key but for its last letter", K[..K.len() - 1].to_owned()),
        ("a bad signature", b()),
        (
            "a bad signature and expired",
            signed(expired().signed_by(Key::R2)),
        ),
        ("another audience", with_claim("aud", "others")),
        ("another issuer", with_claim("iss", "https://evil.test")),
        ("not yet", with_claim("nbf", now().as_second() + 3600)),
        (
            "another audience and expired",
            signed(expired().claim("aud", "others")),
        ),
        (
            "an unknown kid",
            signed(Token::good().header("kid", "nobody")),
        ),
        ("no algorithm", signed(Token::good().header("alg", "none"))),
        (
            "an algorithm that is off",
            signed(Token::good().header("alg", "HS256")),
        ),
        ("no token", "a.b.c".to_owned()),
    ];
    let mut proxy = gate();
    let mut answers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (cause, credential) in &invalid {
        let answer = proxy.send(chat().bearer(credential));
        answer.refused(401, "invalid_credential");
        answers.entry(told(&answer)).or_default().push(*cause);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");

    let tenants = [
        Token::good().claim("tenant", json!(null)),
        Token::good().claim("tenant", ""),
        Token::good().claim("tenant", "a,b"),
        Token::good().claim("tenant", json!(["t1"])),
    ];
    let answers: BTreeSet<String> = tenants
        .map(|token| {
            let answer = proxy.send(chat().bearer(signed(token)));
            answer.refused(403, "tenant_unknown");
            told(&answer)
        })
        .into();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // One that held is told so, so that its client fetches another: its holder alone can cause that.
    proxy
        .send(chat().bearer(signed(expired())))
        .refused(401, "expired_credential");
    for good in [g(), K.to_owned()] {
        proxy.send(chat().bearer(good)).admitted();
    }
    proxy.alive();
}

/// One request for each kind of stranger, with something of this number in it that nobody has seen before.
fn strangers(number: usize) -> Vec<Request> {
    let odd = format!("odd-{number}");
    let signed = |token: Token| chat().bearer(token.sign(now()));
    vec![
        get(format!("/{odd}/{odd}")),
        get("/v1/chat").host(format!("{odd}.test")).bearer(K),
        request(&format!("M{number}"), "/v1/upload").bearer(ELSEWHERE),
        chat().bearer(&odd),
        signed(Token::good().header("kid", odd.as_str())),
        signed(Token::good().claim("iss", format!("https://{odd}.test"))),
        signed(Token::good().claim("sub", odd.as_str())),
        signed(Token::good().claim("tenant", odd.as_str())),
        signed(Token::good().claim("aud", odd.as_str())),
        post("/v1/chat/completions")
            .bearer(K)
            .header("content-type", "application/json")
            .body(format!(r#"{{"model":"{odd}"}}"#))
            .response_header("content-type", "application/json")
            .response_body(format!(
                r#"{{"model":"{odd}","usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
            )),
    ]
}

#[test]
fn obs_05_no_request_makes_a_metric_that_the_configuration_does_not_name() {
    let mut config = config();
    let completions =
        json!({"name": "completions", "path": "/v1/chat/completions", "authorizer": api_keys()});
    config["endpoints"]
        .as_array_mut()
        .unwrap()
        .push(completions);
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    let mut proxy = setup.with(config);
    let names = |proxy: &Proxy| -> BTreeSet<String> {
        proxy.metrics().into_iter().map(|(name, _)| name).collect()
    };
    let mut decided = 0;
    let mut flood = |proxy: &mut Proxy, numbers: std::ops::Range<usize>| {
        for request in numbers.flat_map(strangers) {
            assert!(!proxy.send(request).is_pending());
            decided += 1;
        }
        // What is brought up to date now and then is.
        proxy.advance(std::time::Duration::from_mins(2));
    };
    flood(&mut proxy, 0..2);
    let before = names(&proxy);
    flood(&mut proxy, 2..100);
    assert_eq!(names(&proxy), before);
    assert!(
        before.iter().all(|name| !name.contains("odd")),
        "{before:#?}"
    );
    let requests = proxy.metrics();
    let requests = requests
        .iter()
        .filter(|(name, _)| name.ends_with(".requests_total"));
    assert_eq!(requests.map(|(_, count)| count).sum::<u64>(), decided);
    proxy.send(chat().bearer(K)).admitted();
}

#[test]
fn obs_06_nothing_that_a_caller_writes_stands_in_the_log_of_the_filter() {
    let mut proxy = gate();
    let endless = format!("canary{}", "x".repeat(1 << 16));
    for text in [
        "canary\r\n[critical] forged",
        "canary\u{1b}[31mred",
        "canary\",\"level\":\"critical\"",
        "canary\u{2028}\u{0}",
        &endless,
    ] {
        let encoded = utf8_percent_encode(text, NON_ALPHANUMERIC);
        for request in [
            chat().bearer(Token::good().header("kid", text).sign(now())),
            chat().bearer(Token::good().header("typ", text).sign(now())),
            chat().bearer(with_claim("sub", text)),
            chat().bearer(with_claim("tenant", text)),
            chat().bearer(with_claim("iss", text)),
            chat().header("x-api-key", text),
            get(format!("/v1/{encoded}")).bearer(K),
            get(format!("/v1/chat?{encoded}")).bearer(K),
            chat().bearer(K).header("user-agent", text).host(text),
        ] {
            let answer = proxy.send(request);
            // Nor in the line of the access log, but for its id, which is escaped.
            let line = answer.filter_state("tenantgate.log").unwrap_or_default();
            assert!(!line.contains("canary") && !line.contains('\n'), "{line}");
        }
    }
    let log = proxy.log();
    assert!(
        log.iter().all(|(_, line)| !line.contains("canary")),
        "{log:#?}"
    );
    assert!(log.iter().all(|(_, line)| line.len() < 500), "{log:#?}");
    proxy.send(chat().bearer(K)).admitted();
    proxy.alive();
}

/// A gate that can refuse for every reason there is.
fn refusing() -> Proxy {
    let mut config = config();
    config["clusters"]["auth.test"] = json!("auth");
    config["clusters"]["down.test"] = json!("down");
    let mut down = tokens();
    down["oidc"]["issuer"] = json!("https://down.test");
    down["oidc"]["jwks_uri"] = json!("https://down.test/keys");
    let mut strict = tokens();
    strict["oidc"]["required_claims"] = json!({"scope": "canary-scope"});
    let lends = |token: &str| json!({"type": "bearer", "token": token});
    let fetches = json!({
        "type": "oauth2_client_credentials", "token_url": "https://auth.test/oauth/token",
        "client_id": "canary-client", "client_secret": "canary-secret",
    });
    let held = json!({"type": "api_key", "keys": [{
        "client_id": "canary-held", "key": "held-key-000000", "models": ["canary-model"], "endpoints": ["held", "far"],
    }]});
    let endpoint = |name: &str, authorizer: &Value, auth: Value| json!({"name": name, "path": format!("/{name}"), "authorizer": authorizer, "upstream_auth": auth});
    let mut far = endpoint("far", &api_keys(), lends("canary-lent"));
    far["allow_from"] = json!(["203.0.113.0/24"]);
    let mut other = endpoint("other", &held, lends("canary-lent"));
    other["authorizer"]["keys"][0]["endpoints"] = json!(["held"]);
    let list = config["endpoints"].as_array_mut().unwrap();
    list.extend([
        endpoint("down", &down, lends("canary-lent")),
        endpoint("strict", &strict, lends("canary-lent")),
        endpoint(
            "poor",
            &api_keys(),
            json!({"by_tenant": {"canary-tenant": lends("canary-lent")}}),
        ),
        endpoint("fetching", &api_keys(), fetches),
        endpoint("held", &held, lends("canary-lent")),
        far,
        other,
    ]);
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    setup
        .cluster("down")
        .answers("/keys", 503, &[], "canary-of-the-issuer");
    let error = json!({"error": "canary-error"});
    setup
        .cluster("auth")
        .answers("/oauth/token", 400, &[], error);
    setup.with(config)
}

#[test]
fn obs_07_no_refusal_tells_more_than_its_own_words() {
    let mut proxy = refusing();
    let keyed = |path: &str| get(path).header("x-api-key", K);
    let down = Token::good().claim("iss", "https://down.test").sign(now());
    let expired = Token::good()
        .claim("exp", now().as_second() - 3600)
        .sign(now());
    let cases = [
        (keyed("/v1//chat"), 400, "ambiguous_path"),
        (keyed("/v1/chat").host("a b"), 400, "ambiguous_host"),
        (
            keyed("/v1/chat").bearer("other"),
            400,
            "multiple_credentials",
        ),
        (chat(), 401, "missing_credential"),
        (chat().bearer("canary-wrong"), 401, "invalid_credential"),
        (chat().bearer(expired), 401, "expired_credential"),
        (keyed("/far"), 403, "source_not_allowed"),
        (get("/strict").bearer(g()), 403, "claim_mismatch"),
        (keyed("/poor"), 403, "tenant_unknown"),
        (
            get("/other").bearer("held-key-000000"),
            403,
            "endpoint_not_allowed",
        ),
        (
            post("/held").bearer("held-key-000000"),
            403,
            "model_not_allowed",
        ),
        (keyed("/nowhere"), 404, "unknown_endpoint"),
        (keyed("/fetching"), 502, "upstream_auth_unavailable"),
        (get("/down").bearer(down), 503, "keys_unavailable"),
    ];
    let own = BTreeSet::from([
        ":status",
        "cache-control",
        "content-length",
        "content-type",
        "retry-after",
        "www-authenticate",
    ]);
    for (request, status, reason) in cases {
        let answer = proxy.send(request);
        answer.refused(status, reason);
        let told = told(&answer);
        for hidden in [
            "canary",
            "t1",
            "t2",
            "acme",
            "bolt",
            K,
            "idp.test",
            "auth.test",
            "down.test",
            env!("CARGO_PKG_VERSION"),
            "wasm",
            "rust",
        ] {
            assert!(
                !told.to_ascii_lowercase().contains(hidden),
                "{hidden}: {told}"
            );
        }
        let more: Vec<&str> = answer
            .headers
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !own.contains(name))
            .collect();
        assert!(more.is_empty(), "{reason}: {more:?}");
    }
    // What is admitted tells the client nothing of it either, even by an upstream that echoes it.
    let answer = proxy.send(keyed("/v1/chat").response_header("x-tenant-id", "t2"));
    answer.admitted();
    assert_eq!(answer.header("x-tenant-id"), None);
    proxy.alive();
}
