//! UPC-01 02 03, FLO-01 03: exactly one credential leaves, and it is the provider's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::proxy::{Answer, Proxy, get, post, request as any};
use crate::harness::tokens::with;
use crate::{AUTH, KEY, PROVIDER_KEY, TOKEN, bearer, chat, keys, oauth, policy, request, token};

/// All fields of what went upstream that hold one of these texts, with their values.
fn carriers(answer: &Answer, texts: &[&str]) -> BTreeMap<String, String> {
    let upstream = answer.upstream.as_ref().expect("it went upstream");
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    upstream
        .headers
        .iter()
        .chain(upstream.trailers.iter())
        .map(|(name, value)| (name.to_string(), text(value)))
        .filter(|(_, value)| texts.iter().any(|text| value.contains(text)))
        .collect()
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

#[test]
fn every_plain_kind_of_credential_is_put_in_and_the_clients_own_is_gone() {
    for (auth, name, value) in [
        (
            json!({"type": "basic", "username": "apiuser", "password": "secret123"}),
            "authorization",
            "Basic YXBpdXNlcjpzZWNyZXQxMjM=",
        ),
        (bearer(), "authorization", "Bearer provider-secret-key"),
        (
            json!({"type": "header", "name": "api-key", "value": PROVIDER_KEY}),
            "api-key",
            PROVIDER_KEY,
        ),
        (
            json!({"type": "header", "name": "x-provider", "value": "Key provider-secret-key"}),
            "x-provider",
            "Key provider-secret-key",
        ),
    ] {
        let mut proxy = Proxy::with(policy(&[chat(&auth)]));
        for header in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            let scheme = if header == "authorization" {
                "Bearer "
            } else {
                ""
            };
            let answer = proxy.send(
                post("/v1/chat?a=b")
                    .header(header, format!("{scheme}{KEY}"))
                    .trailer(name, KEY)
                    .trailer(&name.replace('-', "_"), KEY)
                    .body("b"),
            );
            answer.admitted().upstream_saw("x-tenant-id", "acme");
            assert_eq!(
                carriers(&answer, &[KEY, "secret", "YXB"]),
                one(name, value),
                "{header}"
            );
        }
        assert_eq!(proxy.callouts(), 0);
        assert!(!proxy.log_text().contains(PROVIDER_KEY));
    }
}

#[test]
fn upc_01_no_credential_that_a_client_brings_along_reaches_the_provider() {
    let mut proxy = Proxy::with(policy(&[chat(
        &json!({"type": "header", "name": "x-provider", "value": PROVIDER_KEY}),
    )]));
    for header in [
        "x-provider",
        "x_provider",
        "X-PROVIDER",
        "x_api_key",
        "api_key",
        "x.api.key",
    ] {
        let answer = proxy.send(request().header(header, "a-key-of-its-own"));
        assert_eq!(
            carriers(&answer, &[KEY, "own", PROVIDER_KEY]),
            one("x-provider", PROVIDER_KEY),
            "{header}"
        );
    }
    // Another scheme beside a good key is a second credential.
    proxy
        .send(request().header("authorization", "Basic YTpi"))
        .refused(400, "multiple_credentials");

    // Where the gate reads its keys in one place, the others are not its own to read, but to clear away they are.
    let mut narrow = keys();
    narrow["from"] = json!([{"query": "key"}]);
    let mut endpoint = chat(&bearer());
    endpoint["authorizer"] = narrow;
    let mut proxy = Proxy::with(policy(&[endpoint.clone()]));
    let everything = || {
        post(format!("/v1/chat?key={KEY}&a=b"))
            .header("authorization", "Bearer own")
            .header("x-api-key", "own")
            .header("api-key", "own")
            .header("x-goog-api-key", "own")
            .trailer("x-goog-api-key", "own")
            .trailer("x_api_key", "own")
    };
    let answer = proxy.send(everything());
    assert_eq!(answer.upstream_path(), "/v1/chat?a=b");
    assert_eq!(
        carriers(&answer, &[KEY, "own", PROVIDER_KEY]),
        one("authorization", "Bearer provider-secret-key")
    );
    // To forward the client's credential is to forward the one that was looked at.
    endpoint["forward_credential"] = json!(true);
    let mut proxy = Proxy::with(policy(&[endpoint]));
    let answer = proxy.send(everything());
    assert_eq!(answer.upstream_path(), format!("/v1/chat?key={KEY}&a=b"));
    assert_eq!(
        carriers(&answer, &["own", PROVIDER_KEY]),
        one("authorization", "Bearer provider-secret-key")
    );
}

#[test]
fn a_credential_that_is_forwarded_stands_beside_ours_or_gives_way_to_it() {
    let mut beside = chat(&json!({"type": "header", "name": "x-provider", "value": PROVIDER_KEY}));
    beside["forward_credential"] = json!(true);
    let mut in_place = chat(&bearer());
    in_place["forward_credential"] = json!(true);
    let answer = Proxy::with(policy(&[beside])).send(post("/v1/chat").bearer(KEY));
    assert_eq!(
        carriers(&answer, &[KEY, PROVIDER_KEY]),
        BTreeMap::from([
            ("authorization".to_owned(), format!("Bearer {KEY}")),
            ("x-provider".to_owned(), PROVIDER_KEY.to_owned()),
        ])
    );
    let answer = Proxy::with(policy(&[in_place])).send(post("/v1/chat").bearer(KEY));
    assert_eq!(
        carriers(&answer, &[KEY, PROVIDER_KEY]),
        one("authorization", "Bearer provider-secret-key")
    );
}

#[test]
fn upc_02_nothing_is_put_into_a_refused_request_or_a_preflight_and_a_preflight_brings_nothing() {
    let mut endpoint = chat(&bearer());
    endpoint["preflight"] = json!("allow");
    endpoint["authorizer"]["from"] = json!([{"header": "x-gate-key"}]);
    let mut proxy = Proxy::with(policy(&[endpoint]));
    let preflight = any("OPTIONS", "/v1/chat?key=own")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "POST")
        .header("authorization", "Bearer own")
        .header("x-gate-key", "own")
        .header("x_api_key", "own");
    let answer = proxy.send(preflight);
    answer.admitted();
    assert_eq!(carriers(&answer, &["own", PROVIDER_KEY]), BTreeMap::new());
    for (bad, status, reason) in [
        (post("/v1/chat"), 401, "missing_credential"),
        (
            post("/v1/chat").header("x-gate-key", "no"),
            401,
            "invalid_credential",
        ),
        (get("/v1/other"), 404, "unknown_endpoint"),
    ] {
        let answer = proxy.send(bad);
        answer.refused(status, reason);
        let told = format!("{:?} {}", answer.headers, answer.text());
        assert!(!told.contains(PROVIDER_KEY), "FLO-01: {told}");
    }
}

#[test]
fn an_open_endpoint_lends_as_well_because_its_operator_wrote_so() {
    let open = json!({
        "name": "open", "path": "/open", "authorizer": {"type": "none"}, "upstream_auth": bearer(),
    });
    let mut proxy = Proxy::with(policy(&[open]));
    let answer = proxy.send(get("/open").bearer("own").header("api_key", "own"));
    answer.admitted().upstream_lacks("x-tenant-id");
    assert_eq!(
        carriers(&answer, &["own", PROVIDER_KEY]),
        one("authorization", "Bearer provider-secret-key")
    );
}

#[test]
fn an_upgrade_goes_on_with_our_credential_and_cannot_have_it_taken_off_behind_us() {
    let mut proxy = Proxy::with(policy(&[chat(&bearer())]));
    let answer = proxy.send(
        request()
            .header("connection", "upgrade, authorization")
            .header("upgrade", "websocket"),
    );
    answer.admitted().upstream_saw("connection", "upgrade");
    assert_eq!(
        carriers(&answer, &[KEY, PROVIDER_KEY]),
        one("authorization", "Bearer provider-secret-key")
    );
}

#[test]
fn upc_03_each_tenant_is_lent_its_own_and_who_has_none_is_refused() {
    let own = |token: &str| json!({"type": "bearer", "token": token});
    let acme_only = json!({"by_tenant": {"acme": own("of-acme")}});
    let with_default = with(acme_only.clone(), json!({}));
    let mut with_default = with_default;
    with_default["by_tenant"]["default"] =
        json!({"type": "header", "name": "x-provider", "value": "of-all"});
    let globex = || post("/v1/chat").header("x-api-key", "globex-client-key");

    let mut proxy = Proxy::with(policy(&[chat(&acme_only)]));
    proxy
        .send(request())
        .admitted()
        .upstream_saw("authorization", "Bearer of-acme");
    proxy.send(globex()).refused(403, "tenant_unknown");

    let mut proxy = Proxy::with(policy(&[chat(&with_default)]));
    for _ in 0..2 {
        proxy
            .send(request().header("x-provider", "own"))
            .admitted()
            .upstream_saw("authorization", "Bearer of-acme")
            .upstream_lacks("x-provider");
        proxy
            .send(globex().header("x_provider", "own"))
            .admitted()
            .upstream_saw("x-provider", "of-all")
            .upstream_lacks("authorization")
            .upstream_lacks("x_provider");
    }
}

/// UPC-03 at random: whoever calls, on whichever worker and endpoint, in whatever order.
#[test]
fn upc_03_no_order_of_requests_gives_a_tenant_the_credential_of_another_tenant_or_endpoint() {
    let own = |token: &str| json!({"type": "bearer", "token": token});
    let scoped = |scope: &str| with(oauth(), json!({ "scope": scope }));
    let endpoint = |name: &str, auth: Value| json!({ "name": name, "path": format!("/{name}"), "authorizer": keys(), "upstream_auth": auth });
    let setup = Proxy::workers(2).with_main_thread();
    setup.cluster(AUTH).replies(TOKEN, |hit| {
        let form = hit.text();
        let scope = form.split('&').find_map(|pair| pair.strip_prefix("scope="));
        let body = token(&format!("of-{}", scope.unwrap()), 5);
        crate::harness::proxy::Reply::new(200, &[], body)
    });
    let mut proxy = setup.with(policy(&[
        endpoint(
            "a",
            json!({"by_tenant": {"acme": own("a-acme"), "globex": own("a-globex")}}),
        ),
        endpoint(
            "b",
            json!({"by_tenant": {"acme": scoped("b-acme"), "default": scoped("b-rest")}}),
        ),
        endpoint("c", scoped("c")),
    ]));
    let mut state = 7_u64;
    let mut draw = |choices: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % choices
    };
    for round in 0..300 {
        let acme = draw(2) == 0;
        let (path, expected) = match (draw(3), acme) {
            (0, true) => ("/a", "a-acme"),
            (0, false) => ("/a", "a-globex"),
            (1, true) => ("/b", "of-b-acme"),
            (1, false) => ("/b", "of-b-rest"),
            (_, _) => ("/c", "of-c"),
        };
        let key = if acme { KEY } else { "globex-client-key" };
        let worker = usize::from(draw(2) == 1);
        let answer = proxy.send(post(path).header("x-api-key", key).on_worker(worker));
        answer
            .admitted()
            .upstream_saw("authorization", format!("Bearer {expected}"))
            .upstream_saw("x-tenant-id", if acme { "acme" } else { "globex" });
        proxy.advance(std::time::Duration::from_millis(draw(900)));
        assert!(!answer.crashed(), "{round}");
    }
}

#[test]
fn flo_03_what_an_internal_redirect_brings_back_opens_no_door_and_goes_nowhere() {
    let open = json!({ "name": "open", "path": "/open", "authorizer": {"type": "none"} });
    // A provider whose key is, of all things, good at this gate.
    let mut twin = chat(&json!({"type": "bearer", "token": KEY}));
    twin["name"] = json!("twin");
    twin["path"] = json!("/twin");
    let mut policy = policy(&[chat(&bearer()), twin, open]);
    policy["unmatched"] = json!("pass");
    let mut proxy = Proxy::with(policy);
    // As Envoy sends it round again: our credential in it, and where it came from.
    for (path, credential) in [
        ("/open", PROVIDER_KEY),
        ("/unknown", PROVIDER_KEY),
        ("/v1/chat", PROVIDER_KEY),
        ("/v1/chat", KEY),
        ("/twin", KEY),
    ] {
        let again = || get(path).bearer(credential);
        proxy
            .send(again().header("x-envoy-original-url", "http://api.example.com/v1/chat"))
            .refused(401, "invalid_credential");
    }
    let odd = json!({"type": "header", "name": "X_Provider.Key", "value": PROVIDER_KEY});
    let open = json!({ "name": "open", "path": "/open", "authorizer": {"type": "none"} });
    let mut odd = Proxy::with(crate::policy(&[chat(&odd), open]));
    let lent = odd.send(request());
    lent.admitted().upstream_saw("x_provider.key", PROVIDER_KEY);
    odd.send(
        get("/open")
            .header("x_provider.key", PROVIDER_KEY)
            .header("x-envoy-original-url", "http://api.example.com/v1/chat"),
    )
    .refused(401, "invalid_credential");
    // Without a credential there is nothing to lose, and without a redirect it is a client's.
    proxy
        .send(get("/open").header("x-envoy-original-url", "http://api.example.com/v1/chat"))
        .admitted();
    proxy.send(get("/open").bearer("own")).admitted();
}
