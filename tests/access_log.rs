//! One line a request, whatever became of it: on the real module, against a scripted host.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod harness;

use std::time::Duration;

use harness::proxy::{Answer, Proxy, Request, Status, get, post, request};
use harness::tokens::{AUDIENCE, ISSUER, TRUSTED, Token, jwks};
use jiff::Timestamp;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","model":"m1-0101","choices":[{"index":0,"message":{"role":"assistant","content":"{\"usage\":{\"prompt_tokens\":999}}"}}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#;
const BEGUN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c1-0101\",\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}\n\n";

fn gate(more: &Value) -> Proxy {
    let keys = json!([{ "client_id": "acme-app", "key": "sk-acme", "tenant_id": "acme", "user_id": "nightly" }]);
    let by_key = json!({ "type": "api_key", "keys": keys });
    let oidc = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://idp.test/keys", "tenant_claim": "tenant",
    });
    let mut configuration = json!({
        "clusters": { "idp.test": "idp" },
        "endpoints": [
            { "name": "chat", "path": CHAT, "authorizer": by_key },
            { "name": "messages", "path": "/v1/messages", "authorizer": by_key },
            { "name": "gemini", "path": "/v1beta/models/{model}:generateContent", "authorizer": by_key },
            { "name": "quiet", "path": "/quiet/v1/chat/completions", "authorizer": by_key, "usage": "off" },
            { "name": "told", "path": "/llm", "authorizer": by_key, "usage": "openai" },
            { "name": "token", "path": "/token/{x}", "authorizer": { "type": "oidc", "oidc": oidc } },
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        configuration[name] = value.clone();
    }
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    setup.with(configuration)
}

/// A call that is answered with that JSON.
fn call(path: &str, answer: &str) -> Request {
    post(path)
        .header("x-api-key", "sk-acme")
        .with("x-request-id", "req-1")
        .header("content-type", "application/json")
        .body(r#"{"messages":[{"content":"\"model\":\"decoy\""}],"model":"gpt-4o-mini"}"#)
        .response_header("content-type", "application/json")
        .response_body(answer)
}

/// The line, which must be one.
#[track_caller]
fn line(answer: &Answer) -> Value {
    let line = answer.filter_state("tenantgate.log").expect("a line");
    assert!(!line.contains('\n'), "{line:?}");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_line_tells_who_called_what_and_what_it_used() {
    let mut proxy = gate(&json!({}));
    let answer = proxy.send(call(CHAT, ANSWER));
    answer.admitted();
    let now = Timestamp::try_from(proxy.now()).unwrap();
    let config_id = answer.filter_state("tenantgate.config_id").unwrap();
    assert_eq!(
        line(&answer),
        json!({
            "ts": Timestamp::from_second(now.as_second()).unwrap().to_string(),
            "tenant_id": "acme", "user_id": "nightly", "endpoint": CHAT, "model": "gpt-4o-mini",
            "input_tokens": 11, "output_tokens": 7, "request_id": "req-1", "endpoint_name": "chat",
            "client_id": "acme-app", "decision": "allow", "reason": null, "status": 200, "served_model": "m1-0101",
            "cached_input_tokens": 4, "reasoning_tokens": 3, "usage_source": "reported", "config_id": config_id,
        })
    );
    // The members of the line, in the order that its readers know.
    let text = answer.filter_state("tenantgate.log").unwrap();
    assert!(text.starts_with(r#"{"ts":""#) && text.contains(r#"Z","tenant_id":"acme","user_id":"nightly","endpoint":"/v1/chat/completions","model":"gpt-4o-mini","input_tokens":11,"output_tokens":7,"request_id":"req-1""#));
    for (name, value) in [
        ("model", "gpt-4o-mini"),
        ("served_model", "m1-0101"),
        ("input_tokens", "11"),
        ("output_tokens", "7"),
        ("usage_source", "reported"),
        ("tenant_id", "acme"),
        ("decision", "allow"),
    ] {
        answer.filter_state_is(&format!("tenantgate.{name}"), value);
    }
    assert_eq!(
        proxy.metric("tenantgate.endpoint.chat.direction.input.tokens_total"),
        Some(11)
    );
    assert_eq!(
        proxy.metric("tenantgate.endpoint.chat.direction.output.tokens_total"),
        Some(7)
    );
}

#[test]
fn what_is_not_known_is_null_and_is_not_set() {
    let mut proxy = gate(&json!({}));
    let without_counts = proxy.send(call(CHAT, r#"{"choices":[]}"#));
    let told = line(&without_counts);
    assert_eq!(told["model"], "gpt-4o-mini");
    for name in [
        "input_tokens",
        "output_tokens",
        "served_model",
        "usage_source",
        "reason",
    ] {
        assert_eq!(told[name], Value::Null, "{name}");
        assert_eq!(
            without_counts.filter_state(&format!("tenantgate.{name}")),
            None,
            "{name}"
        );
    }
    assert_eq!(
        proxy.metric("tenantgate.endpoint.chat.direction.input.tokens_total"),
        None
    );
}

#[test]
fn a_refused_request_leaves_a_line_and_no_state_of_what_it_sent() {
    let mut proxy = gate(&json!({ "metrics": { "per_tenant": 5 } }));
    let refused = proxy.send(
        post(CHAT)
            .without("x-request-id")
            .header("x-api-key", "sk-guessed")
            .header("x-tenant-id", "victim")
            .body(r#"{"model":"x"}"#),
    );
    refused.refused(401, "invalid_credential");
    let told = line(&refused);
    for (name, value) in [
        ("decision", json!("deny")),
        ("reason", json!("invalid_credential")),
        ("status", json!(401)),
        ("endpoint", json!(CHAT)),
        ("tenant_id", Value::Null),
        ("model", Value::Null),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    // Where no id came with the request, one is made, and another for the next.
    let other = line(&proxy.send(get("/elsewhere").without("x-request-id")));
    assert_eq!(
        (&other["endpoint"], &other["reason"]),
        (&Value::Null, &json!("unknown_endpoint"))
    );
    let ids = [&told, &other].map(|line| line["request_id"].as_str().unwrap().to_owned());
    assert!(ids[0].len() == 32 && ids[0] != ids[1], "{ids:?}");
    assert!(
        !proxy
            .metrics()
            .iter()
            .any(|(name, _)| name.contains("victim") || name.contains("guessed"))
    );
}

#[test]
fn a_request_that_waited_for_keys_is_told_like_any_other() {
    let mut proxy = gate(&json!({}));
    let token = Token::good()
        .claim("tenant", "globex")
        .sign(Timestamp::try_from(proxy.now()).unwrap());
    let answer = proxy.send(get("/token/a").bearer(token));
    answer.admitted();
    let told = line(&answer);
    assert_eq!(
        (&told["tenant_id"], &told["decision"]),
        (&json!("globex"), &json!("allow"))
    );
    assert_eq!(told["endpoint"], "/token/{x}");
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_a_line_without_a_decision() {
    let setup = Proxy::setup();
    setup.cluster("idp").hangs();
    let oidc =
        json!({ "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://idp.test/keys" });
    let mut proxy = setup.with(json!({
        "clusters": { "idp.test": "idp" },
        "endpoints": [{ "name": "token", "path": "/token", "authorizer": { "type": "oidc", "oidc": oidc } }],
    }));
    let token = Token::good().sign(Timestamp::try_from(proxy.now()).unwrap());
    let answer = proxy.send(get("/token").bearer(token).disconnects());
    let told = line(&answer);
    for name in ["decision", "reason", "tenant_id", "status"] {
        assert_eq!(told[name], Value::Null, "{name}");
    }
}

#[test]
fn a_stream_that_ends_early_is_told_with_what_had_been_reported() {
    let mut proxy = gate(&json!({}));
    let cut = call("/v1/messages", BEGUN).with("content-type", "application/json");
    let mut cut = cut.response_chunks([BEGUN]);
    cut = cut.response_header("content-type", "text/event-stream");
    let told = line(&proxy.send(cut));
    assert_eq!(told["usage_source"], "partial");
    assert_eq!(
        (&told["input_tokens"], &told["served_model"]),
        (&json!(20), &json!("c1-0101"))
    );
}

#[test]
fn the_model_may_stand_in_the_path_and_the_format_in_the_configuration() {
    let mut proxy = gate(&json!({}));
    let gemini = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":6,"totalTokenCount":31},"modelVersion":"gemini-x-001"}"#;
    let told = line(&proxy.send(call("/v1beta/models/gemini-x:generateContent", gemini)));
    assert_eq!(
        (
            &told["model"],
            &told["input_tokens"],
            &told["output_tokens"]
        ),
        (&json!("gemini-x"), &json!(25), &json!(6))
    );
    let told = line(&proxy.send(call("/llm", ANSWER)));
    assert_eq!(
        (&told["model"], &told["input_tokens"]),
        (&json!("gpt-4o-mini"), &json!(11))
    );
}

#[test]
fn where_it_is_off_no_body_is_looked_at() {
    let mut proxy = gate(&json!({}));
    proxy.settle();
    let before = proxy.hostcalls("proxy_get_buffer_bytes");
    let told = line(&proxy.send(call("/quiet/v1/chat/completions", ANSWER)));
    assert_eq!(proxy.hostcalls("proxy_get_buffer_bytes"), before);
    assert_eq!(
        (&told["model"], &told["input_tokens"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&told["tenant_id"], &told["status"]),
        (&json!("acme"), &json!(200))
    );
    // Nor where its type is nothing that has counts.
    let before = proxy.hostcalls("proxy_get_buffer_bytes");
    let _ = proxy.send(picture());
    assert_eq!(proxy.hostcalls("proxy_get_buffer_bytes"), before);
}

/// A response that is nothing that has counts, to a request whose path tells its model.
fn picture() -> Request {
    post("/v1beta/models/m:generateContent")
        .header("x-api-key", "sk-acme")
        .response_header("content-type", "image/png")
        .response_chunks(["png"; 3])
}

#[test]
fn however_the_body_is_cut_the_line_says_the_same() {
    let mut proxy = gate(&json!({}));
    let expected = line(&proxy.send(call(CHAT, ANSWER)));
    let bytes: Vec<Vec<u8>> = ANSWER.bytes().map(|byte| vec![byte]).collect();
    let cut = call(CHAT, "")
        .chunks([r#"{"model":"gpt-4"#, r#"o-mini"}"#])
        .response_chunks(bytes);
    let mut told = line(&proxy.send(cut));
    told["ts"] = expected["ts"].clone();
    assert_eq!(told, expected);
}

#[test]
fn obs_06_nothing_that_a_caller_or_an_issuer_writes_breaks_the_line() {
    let mut proxy = gate(&json!({}));
    let hostile = call(CHAT, ANSWER)
        .with("x-request-id", b"a\"b\\c\xff\t{}")
        .chunks([r#"{"model":"m\"\\\u2028\u00e9{}"}"#]);
    let told = line(&proxy.send(hostile));
    assert_eq!(told["model"], "m\"\\\u{2028}\u{e9}{}");
    assert_eq!(told["request_id"], "a\"b\\c\u{fffd}\t{}");
    let control = call(CHAT, ANSWER).chunks([r#"{"model":"a\nb"}"#]);
    assert_eq!(line(&proxy.send(control))["model"], "m1-0101");
    let long = call(CHAT, ANSWER).with("x-request-id", "r".repeat(300));
    assert_eq!(
        line(&proxy.send(long))["request_id"]
            .as_str()
            .unwrap()
            .len(),
        32
    );
}

#[test]
fn obs_05_tenants_are_labels_only_where_that_is_asked_for() {
    let mut proxy = gate(&json!({}));
    let _ = proxy.send(call(CHAT, ANSWER));
    assert!(
        !proxy
            .metrics()
            .iter()
            .any(|(name, _)| name.contains("acme"))
    );
    let mut proxy = gate(&json!({ "metrics": { "per_tenant": 1 } }));
    let _ = proxy.send(call(CHAT, ANSWER));
    let token = |tenant: &str, proxy: &Proxy| {
        Token::good()
            .claim("tenant", tenant)
            .sign(Timestamp::try_from(proxy.now()).unwrap())
    };
    for tenant in ["globex", "initech"] {
        let token = token(tenant, &proxy);
        proxy.send(get("/token/a").bearer(token)).admitted();
    }
    assert_eq!(
        proxy.metric("tenantgate.tenant.acme.tenant_requests_total"),
        Some(1)
    );
    assert_eq!(
        proxy.metric("tenantgate.tenant.acme.direction.input.tenant_tokens_total"),
        Some(11)
    );
    assert_eq!(
        proxy.metric("tenantgate.tenant.other.tenant_requests_total"),
        Some(2)
    );
    assert_eq!(
        proxy.metric("tenantgate.tenant.globex.tenant_requests_total"),
        None
    );
}

#[test]
fn what_the_filter_never_saw_is_told_all_the_same() {
    let mut proxy = gate(&json!({}));
    let answer = proxy.send(request("GET", CHAT).malformed());
    let told = line(&answer);
    assert_eq!(
        (&told["decision"], &told["endpoint"]),
        (&Value::Null, &Value::Null)
    );
    assert!(told["ts"].is_string() && told["request_id"].is_string());
    proxy.alive();
}

#[test]
fn a_proxy_that_hands_out_no_body_costs_a_count_and_no_answer() {
    let mut proxy = gate(&json!({}));
    proxy.fail_next("proxy_get_buffer_bytes", 9, Status::NotFound);
    let answer = proxy.send(call(CHAT, ANSWER));
    answer.admitted();
    assert_eq!(line(&answer)["input_tokens"], Value::Null);
    proxy.advance(Duration::from_secs(1));
    proxy.alive();
}

#[test]
fn a_body_that_comes_at_once_is_read_in_pieces_and_leaves_the_memory_as_it_was() {
    let mut proxy = gate(&json!({}));
    proxy.send(call(CHAT, ANSWER)).admitted();
    let pages = proxy.memory_pages(0);
    let large = ANSWER.replace(
        "\"content\":\"",
        &format!("\"content\":\"{}", "x".repeat(8 << 20)),
    );
    let answer = proxy.send(call(CHAT, &large));
    assert_eq!(line(&answer)["input_tokens"], 11);
    // The host's own copy of a piece, and nothing near the eight megabytes.
    let grown = proxy.memory_pages(0) - pages;
    assert!(grown <= 16, "{grown} pages of 64 KiB");
}
