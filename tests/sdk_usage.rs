//! Official clients against the gate in a real Envoy, with a model server behind it that speaks their dialects: the access
//! log tells of every call what it used, whether it was streamed or not, and the client notices nothing.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;

use harness::server::Server;
use harness::{Envoy, Setup, dialects, sdk};
use serde_json::{Value, json};

const KEY: &str = "sk-acme-0123456789";

/// The endpoints by their names, and their paths.
const ENDPOINTS: [(&str, &str); 12] = [
    ("chat", "/v1/chat/completions"),
    ("completions", "/v1/completions"),
    ("embeddings", "/v1/embeddings"),
    ("responses", "/v1/responses"),
    ("messages", "/v1/messages"),
    ("count-messages", "/v1/messages/count_tokens"),
    ("gemini", "/v1/models/{model}:generateContent"),
    ("gemini-stream", "/v1/models/{model}:streamGenerateContent"),
    ("gemini-count", "/v1/models/{model}:countTokens"),
    ("ollama-chat", "/api/chat"),
    ("ollama-generate", "/api/generate"),
    ("ollama-embed", "/api/embed"),
];

/// What is expected of one call.
struct Call {
    endpoint: &'static str,
    /// The model that was asked for, and the one that served.
    models: [Option<&'static str>; 2],
    /// Input, output, and of these the cached input and the reasoning.
    tokens: [Option<u64>; 4],
    usage_source: Option<&'static str>,
}

const fn reported(
    endpoint: &'static str,
    asked: &'static str,
    served: &'static str,
    tokens: [Option<u64>; 4],
) -> Call {
    Call {
        endpoint,
        models: [Some(asked), Some(served)],
        tokens,
        usage_source: Some("reported"),
    }
}

const fn uncounted(endpoint: &'static str, models: [Option<&'static str>; 2]) -> Call {
    Call {
        endpoint,
        models,
        tokens: [None; 4],
        usage_source: None,
    }
}

fn gate() -> Value {
    let endpoint = |(name, path): (&str, &str)| {
        json!({ "name": name, "path": path, "authorizer": { "type": "api_key", "keys": [
            { "client_id": "acme-app", "key": KEY, "tenant_id": "acme", "user_id": "ada" },
        ] } })
    };
    json!({ "endpoints": ENDPOINTS.map(endpoint) })
}

/// Runs the client, and holds the lines of its calls against what is expected of them. Then the lines that are left, with
/// the access log entries that they stand in.
#[track_caller]
fn calls(script: &str, arguments: &[&str], expected: &[Call], more: usize) -> Vec<(Value, Value)> {
    let server = Server::start(dialects::app());
    let envoy = Envoy::start(Setup::with(gate()).model(server.address()));
    sdk::run(&envoy, script, arguments, None);
    let entries = envoy.access_log(expected.len() + more);
    assert_eq!(entries.len(), expected.len() + more, "{entries:#?}");
    let mut lines: Vec<(Value, Value)> = entries
        .into_iter()
        .map(|entry| {
            let text = entry["log"].as_str().expect("a line");
            (serde_json::from_str(text).expect("JSON"), entry)
        })
        .collect();
    let rest = lines.split_off(expected.len());
    for (place, (call, (line, entry))) in expected.iter().zip(&lines).enumerate() {
        let name = format!("call {place} of {script}");
        assert_eq!(line, &call.line(line, entry), "{name}");
        // Numbers for those who log fields instead of the line; where nothing is known, null.
        let [input, output, ..] = call.tokens;
        assert_eq!(entry["input_tokens_number"], json!(input), "{name}");
        assert_eq!(entry["output_tokens_number"], json!(output), "{name}");
        let [model, served_model] = call.models;
        assert_eq!(entry["model"], json!(model), "{name}");
        assert_eq!(entry["served_model"], json!(served_model), "{name}");
        assert_eq!(entry["usage_source"], json!(call.usage_source), "{name}");
    }
    rest
}

impl Call {
    /// The whole line: its members, and no others. The time, the id and the digest are what the proxy has for them.
    fn line(&self, line: &Value, entry: &Value) -> Value {
        let (_, path) = ENDPOINTS
            .into_iter()
            .find(|(name, _)| *name == self.endpoint)
            .expect("an endpoint");
        let time = line["ts"].as_str().expect("a time");
        time.parse::<jiff::Timestamp>().expect("RFC 3339");
        assert!(time.ends_with('Z'), "{time}");
        assert!(entry["config_id"].is_string(), "{entry}");
        let [model, served_model] = self.models;
        let [
            input_tokens,
            output_tokens,
            cached_input_tokens,
            reasoning_tokens,
        ] = self.tokens;
        json!({
            "ts": time,
            "tenant_id": "acme",
            "user_id": "ada",
            "endpoint": path,
            "model": model,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "request_id": entry["request_id"],
            "endpoint_name": self.endpoint,
            "client_id": "acme-app",
            "decision": "allow",
            "reason": null,
            "status": 200,
            "served_model": served_model,
            "cached_input_tokens": cached_input_tokens,
            "reasoning_tokens": reasoning_tokens,
            "usage_source": self.usage_source,
            "config_id": entry["config_id"],
        })
    }
}

#[test]
fn calls_of_the_openai_client_are_told_with_their_tokens() {
    let chat = [Some(11), Some(7), Some(4), Some(3)];
    let responses = [Some(30), Some(12), Some(16), Some(8)];
    let expected = [
        reported("chat", "gpt-4o-mini", "m1-0101", chat),
        reported("chat", "gpt-4o-mini", "m1-0101", chat),
        // Nobody asked for its usage.
        uncounted("chat", [Some("gpt-4o-mini"), Some("m1-0101")]),
        reported(
            "completions",
            "davinci",
            "m1",
            [Some(5), Some(2), None, None],
        ),
        reported("embeddings", "embed", "e1", [Some(3), Some(0), None, None]),
        reported("responses", "gpt-5", "m2-0101", responses),
        reported("responses", "gpt-5", "m2-0101", responses),
    ];
    let rest = calls("openai_usage.py", &[KEY, "sk-acme-wrong"], &expected, 1);
    let [(refused, entry)] = rest.as_slice() else {
        panic!("one refusal: {rest:#?}");
    };
    for name in ["tenant_id", "user_id", "client_id", "input_tokens"] {
        assert_eq!(refused[name], Value::Null, "{name}: {refused}");
    }
    let told = [
        &refused["decision"],
        &refused["reason"],
        &refused["endpoint"],
    ];
    assert_eq!(told, ["deny", "invalid_credential", "/v1/chat/completions"]);
    assert_eq!(refused["status"], 401);
    assert_eq!(entry["input_tokens_number"], Value::Null);
}

#[test]
fn calls_of_the_anthropic_client_are_told_with_their_tokens() {
    let tokens = [Some(420), Some(9), Some(300), Some(4)];
    let expected = [
        reported("messages", "claude-x", "c1-0101", tokens),
        reported("messages", "claude-x", "c1-0101", tokens),
        reported("messages", "claude-x", "c1-0101", tokens),
        uncounted("count-messages", [None, None]),
    ];
    calls("anthropic_usage.py", &[KEY], &expected, 0);
}

#[test]
fn calls_of_the_google_client_are_told_with_their_tokens() {
    let tokens = [Some(29), Some(16), Some(8), Some(10)];
    let expected = [
        reported("gemini", "gemini-x", "gemini-x-001", tokens),
        reported("gemini-stream", "gemini-x", "gemini-x-001", tokens),
        uncounted("gemini-count", [None, None]),
    ];
    calls("google_usage.py", &[KEY], &expected, 0);
}

#[test]
fn calls_of_the_ollama_client_are_told_with_their_tokens() {
    let tokens = [Some(13), Some(4), None, None];
    let expected = [
        reported("ollama-chat", "ll", "ll:8b", tokens),
        reported("ollama-chat", "ll", "ll:8b", tokens),
        reported("ollama-generate", "ll", "ll:8b", tokens),
        reported("ollama-generate", "ll", "ll:8b", tokens),
        reported("ollama-embed", "nom", "nom", [Some(3), Some(0), None, None]),
    ];
    calls("ollama_usage.py", &[KEY], &expected, 0);
}
