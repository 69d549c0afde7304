//! A real model behind the gate in a real Envoy: the tokens in the access log are those that the model server counted.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;

use harness::llama_cpp::LlamaCpp;
use harness::{Envoy, Setup, sdk};
use serde_json::{Value, json};

const KEY: &str = "sk-acme-0123456789";

fn gate() -> Value {
    let endpoint = |path: &str| {
        json!({ "name": path.trim_matches('/').replace('/', "-"), "path": path, "authorizer": {
            "type": "api_key",
            "keys": [{ "client_id": "acme-app", "key": KEY, "tenant_id": "acme" }],
        } })
    };
    json!({ "endpoints": [
        endpoint("/v1/chat/completions"),
        endpoint("/v1/responses"),
        endpoint("/v1/messages"),
    ] })
}

/// Input, cached input, output, as the server told them in this dialect.
fn counted(usage: &Value) -> [Option<u64>; 3] {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let call = usage["call"].as_str().expect("a call");
    if call.starts_with("chat") {
        let cached = count("/prompt_tokens_details/cached_tokens");
        [count("/prompt_tokens"), cached, count("/completion_tokens")]
    } else if call.starts_with("messages") {
        // Anthropic tells the input without what came from the cache.
        let cached = count("/cache_read_input_tokens");
        let input = count("/input_tokens").map(|input| input + cached.unwrap_or_default());
        [input, cached, count("/output_tokens")]
    } else {
        let cached = count("/input_tokens_details/cached_tokens");
        [count("/input_tokens"), cached, count("/output_tokens")]
    }
}

#[test]
fn the_log_tells_the_tokens_that_the_model_server_counted() {
    let server = LlamaCpp::start();
    let envoy = Envoy::start(Setup::with(gate()).model(server.address()));
    let said = sdk::run(&envoy, "llama_cpp_usage.py", &[KEY], None);
    let told: Vec<Value> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let calls: Vec<&str> = told
        .iter()
        .filter_map(|usage| usage["call"].as_str())
        .collect();
    let all = [
        "chat",
        "chat, streamed",
        "responses",
        "messages",
        "messages, streamed",
    ];
    assert_eq!(calls, all);

    let entries = envoy.access_log(told.len());
    assert_eq!(entries.len(), told.len(), "{entries:#?}");
    for (usage, entry) in told.iter().zip(&entries) {
        let line: Value =
            serde_json::from_str(entry["log"].as_str().expect("a line")).expect("JSON");
        let [input, cached, output] = counted(usage);
        let seen = ["input_tokens", "cached_input_tokens", "output_tokens"]
            .map(|name| line[name].as_u64());
        assert_eq!(seen, [input, cached, output], "{usage}\n{line}");
        assert_eq!(
            [
                &line["tenant_id"],
                &line["model"],
                &line["served_model"],
                &line["usage_source"]
            ],
            ["acme", "any-model", "tiny-random", "reported"],
            "{line}"
        );
        // A prompt of a dozen words, and an answer: a server that counts nothing would agree with a log that does so.
        assert!(input > Some(12) && output > Some(0), "{usage}");
    }
    // The same prompt once more comes from the server's cache; else the sums above would have added nothing.
    let cached = |usage: &&Value| counted(usage)[1] > Some(0);
    assert!(told.iter().skip(1).all(|usage| cached(&usage)), "{told:#?}");
}
