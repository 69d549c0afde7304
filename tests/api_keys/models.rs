//! Which models a key may call.

use serde_json::{Value, json};

use crate::harness::proxy::{Proxy, Request, get, post};

fn gate() -> Proxy {
    let keys = json!([
        { "client_id": "some", "key": "k-some", "models": ["gpt-4o*", "small"] },
        { "client_id": "any", "key": "k-any" },
    ]);
    let endpoint = |name: &str, path: &str| {
        json!({
            "name": name, "path": path, "allow_encoded_slash": true,
            "authorizer": { "type": "api_key", "keys": keys },
        })
    };
    Proxy::with(json!({ "endpoints": [
        endpoint("rest", "/v1/**"),
        endpoint("infer", "/v1/models/{model}/infer"),
        endpoint("bedrock", "/model/**"),
        endpoint("gemini", "/v1beta/models/{model}:generateContent"),
    ] }))
}

fn body(model: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": "hi" }], "model": model, "stream": true })
}

fn chat(body: impl Into<crate::harness::proxy::Body>) -> Request {
    post("/v1/chat/completions")
        .bearer("k-some")
        .header("content-type", "application/json")
        .body(body)
}

#[test]
fn the_body_says_the_model_where_the_path_does_not() {
    let mut proxy = gate();
    for model in ["gpt-4o", "gpt-4o-mini", "small"] {
        proxy.send(chat(body(model))).admitted();
    }
    for model in ["gpt-4", "smaller", "SMALL", ""] {
        refused(&mut proxy, chat(body(model)));
        proxy
            .send(chat(body(model)).with("authorization", "Bearer k-any"))
            .admitted();
    }
    proxy.alive();
}

/// Refused, and whatever of it has reached the model server was no whole request.
#[track_caller]
fn refused(proxy: &mut Proxy, request: Request) {
    let answer = proxy.send(request);
    answer.answered(403, "model_not_allowed");
    assert_eq!(
        answer.filter_state("tenantgate.decision").as_deref(),
        Some("deny")
    );
    let line = answer.filter_state("tenantgate.log").unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["reason"], "model_not_allowed", "{line}");
    assert_eq!(line["decision"], "deny", "{line}");
    assert_eq!(line["tenant_id"], "some", "{line}");
}

#[test]
fn a_body_in_pieces_is_judged_before_its_last_one_goes_on() {
    let mut proxy = gate();
    for (model, admitted) in [("small", true), ("large", false)] {
        let text = body(model).to_string();
        for cut in 1..text.len() {
            let (one, other) = text.split_at(cut);
            let request = chat("").chunks([one, other]);
            if admitted {
                let answer = proxy.send(request);
                answer.admitted();
                assert_eq!(answer.upstream.unwrap().text(), text);
            } else {
                refused(&mut proxy, request);
            }
        }
    }
}

#[test]
fn a_body_that_two_servers_could_read_differently_names_no_model() {
    let mut proxy = gate();
    for text in [
        r#"{"model":"small","model":"large"}"#,
        r#"{"model":"large","model":"small"}"#,
        r#"{"model":"small","Model":"large"}"#,
        r#"{"model":"small","models":["large"]}"#,
        r#"{"model":"small"}{"model":"large"}"#,
        r#"{"model":"small","modelId":"large"}"#,
        r#"{"model":"small","\model":"large"}"#,
        // To those who take comments, the model is another one.
        r#"{"a":[1/*"*/],"model":"large","b":[/*"*/],"c":1/*,"model":"small","d":1*/}"#,
        r#"{"messages":[]}"#,
        r#"[{"model":"small"}]"#,
        "model=small",
        "",
    ] {
        refused(&mut proxy, chat(text));
    }
    let small = body("small");
    refused(&mut proxy, chat(&small).header("content-encoding", "gzip"));
    refused(
        &mut proxy,
        chat(&small).header("content-type", "text/plain"),
    );
    refused(&mut proxy, chat("").chunks(Vec::<String>::new()));
    proxy.send(chat(&small)).admitted();
}

#[test]
fn a_path_that_says_the_model_is_judged_by_its_head() {
    let mut proxy = gate();
    let request = |path: &str| post(path).bearer("k-some").body("{}");
    for (path, admitted) in [
        ("/v1/models/small/infer", true),
        ("/v1/models/large/infer", false),
        ("/v1/models/sm%61ll/infer", true),
        ("/v1beta/models/gpt-4o:generateContent", true),
        ("/v1beta/models/gpt-4:generateContent", false),
        ("/model/small/converse", true),
        ("/model/large/converse", false),
        ("/v1/openai/deployments/small/chat/completions", true),
        ("/v1/openai/deployments/large/chat/completions", false),
    ] {
        let answer = proxy.send(request(path));
        if admitted {
            answer.admitted();
        } else {
            answer.refused(403, "model_not_allowed");
        }
    }
}

#[test]
fn a_body_has_no_say_where_a_server_could_take_the_model_from_the_path() {
    let mut proxy = gate();
    let request = |path: &str| {
        post(path)
            .bearer("k-some")
            .header("content-type", "application/json")
            .body(body("small"))
    };
    for path in [
        "/v1/models/large/versions/1:predict",
        "/v1/publishers/google/models/large:predictLongRunning",
        "/v1/endpoints/7/chat/completions",
        "/v1/engines/large/chat/completions",
        "/v1/deployments/large/chat/completions",
        "/v1/serving-endpoints/large/invocations",
        "/model/large/async-invoke",
    ] {
        proxy.send(request(path)).refused(403, "model_not_allowed");
    }
    for path in [
        "/v1/serving-endpoints/chat/completions",
        "/v1/endpoints/openapi/chat/completions",
    ] {
        proxy.send(request(path)).admitted();
    }
}

#[test]
fn a_request_that_runs_no_model_needs_to_name_none() {
    let mut proxy = gate();
    proxy.send(get("/v1/models").bearer("k-some")).admitted();
    for path in ["/v1/realtime?model=small", "/v1/models/small/infer"] {
        let upgrade = get(path)
            .bearer("k-some")
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        proxy.send(upgrade).refused(403, "model_not_allowed");
    }
    proxy
        .send(post("/v1/batches/b/cancel").bearer("k-some"))
        .refused(403, "model_not_allowed");
}

#[test]
fn a_request_with_trailers_is_judged_before_they_go_on() {
    let mut proxy = gate();
    let admitted = chat(body("small")).trailer("x-a", "b");
    proxy.send(admitted).admitted();
    refused(&mut proxy, chat(r#"{"messages":[]"#).trailer("x-a", "b"));
}

#[test]
fn a_body_that_is_read_by_other_rules_than_those_of_json_names_no_model() {
    let mut proxy = gate();
    let form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nsmall\r\n--B--\r\n";
    for (content_type, body) in [
        ("multipart/form-data; boundary=B", form),
        (
            "application/x-www-form-urlencoded",
            r#"{"model":"small","x":"&model=large&"}"#,
        ),
        (
            "application/json; charset=utf-7",
            r#"{"model":"small","+AG0-odel":"large"}"#,
        ),
        ("application/grpc", "\0\0\0\0\u{7}\n\u{5}large"),
    ] {
        let request = post("/v1/audio/transcriptions")
            .bearer("k-some")
            .header("content-type", content_type)
            .body(body);
        let answer = proxy.send(request);
        assert!(
            answer.filter_state("tenantgate.reason").as_deref() == Some("model_not_allowed"),
            "{content_type}: {answer:?}"
        );
    }
    // Without a type, servers that read JSON read JSON.
    let plain = post("/v1/chat/completions").bearer("k-some");
    proxy.send(plain.body(body("small"))).admitted();
}

#[test]
fn what_the_query_says_is_held_to_the_same() {
    let mut proxy = gate();
    let ask = |query: &str| {
        post(format!("/v1/listen{query}"))
            .bearer("k-some")
            .header("content-type", "application/json")
            .body(body("small"))
    };
    for query in ["", "?x=large", "?model=small", "?a=b&Model=gpt-4o-mini"] {
        proxy.send(ask(query)).admitted();
    }
    for query in [
        "?model=large",
        "?x=y&MODEL=large",
        "?m%6fdel=large",
        "?model=small&model=large",
        "?models=large",
        "?a=b;model=large",
        "?model=",
    ] {
        proxy.send(ask(query)).refused(403, "model_not_allowed");
    }
    let listed = get("/v1/models?model=large").bearer("k-some");
    proxy.send(listed).refused(403, "model_not_allowed");
}

#[test]
fn an_answer_to_a_request_that_has_not_named_its_model_is_kept_back() {
    let mut proxy = gate();
    let half = || chat("").chunks([r#"{"messages":[],"#]);
    let answer = proxy.send(half().response_status(200).answered_early());
    answer.answered(403, "model_not_allowed");
    // An error tells nothing that was generated.
    let answer = proxy.send(half().response_status(413).answered_early());
    assert_eq!(answer.status, 413, "{answer:?}");
    let line = answer.filter_state("tenantgate.log").unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["decision"], Value::Null, "{line}");
}

#[test]
fn such_a_request_is_counted_once_by_what_became_of_it() {
    let mut proxy = gate();
    let count = |proxy: &Proxy, decision: &str| {
        let name = format!("tenantgate.endpoint.rest.decision.{decision}.requests_total");
        proxy.metric(&name).unwrap_or(0)
    };
    proxy.send(chat(body("small")));
    refused(&mut proxy, chat(body("large")));
    assert_eq!(count(&proxy, "allow.reason.none"), 1);
    assert_eq!(count(&proxy, "deny.reason.model_not_allowed"), 1);
}
