//! A model server for the demo: the shapes of OpenAI's and Anthropic's APIs, and no model.
//!
//! `model_server [ADDRESS]`; port 0 takes a free one; it prints `ready http://ADDRESS`. Every answer says in `saw` which
//! headers arrived, so that a person can see what the gate added and what it took away. Credentials are shown by kind only.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::convert::Infallible;
use std::error::Error;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PROMPT_TOKENS: u64 = 9;
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("ready http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()).await?)
}

/// The server without its port, for tests.
pub fn app() -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}/infer", post(infer))
        .route("/v1/chat/completions", post(chat))
        .route("/openai/deployments/{model}/chat/completions", post(chat))
        .route("/v1/messages", post(messages))
}

async fn health(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "ok": true, "saw": saw(&headers) }))
}

/// The headers of interest: identity as it is, credentials by kind.
fn saw(headers: &HeaderMap) -> Value {
    let mut saw = serde_json::Map::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        if CREDENTIALS.contains(&name.as_str()) {
            let kind = text.split_once(' ').map_or("", |(scheme, _)| scheme);
            saw.insert(name.to_string(), json!(format!("{kind} ***").trim()));
        } else if name.as_str().starts_with("x-tenant") || name.as_str().starts_with("x-user") {
            saw.insert(name.to_string(), json!(text));
        }
    }
    Value::Object(saw)
}

fn words(headers: &HeaderMap) -> Vec<String> {
    let tenant = headers
        .get("x-tenant-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("stranger");
    ["Hello,", tenant, "-", "no", "model", "lives", "here."]
        .iter()
        .map(|word| format!("{word} "))
        .collect()
}

async fn models(headers: HeaderMap) -> Json<Value> {
    let model = json!({ "id": "demo-1", "object": "model", "created": 0, "owned_by": "demo" });
    Json(json!({ "object": "list", "data": [model], "saw": saw(&headers) }))
}

async fn infer(Path(model): Path<String>, headers: HeaderMap) -> Json<Value> {
    Json(json!({ "model_name": model, "outputs": [], "saw": saw(&headers) }))
}

async fn chat(headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let words = words(&headers);
    let model = request
        .get("model")
        .cloned()
        .unwrap_or_else(|| json!("demo-1"));
    let tokens = words.len() as u64;
    let usage = json!({
        "prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": PROMPT_TOKENS.saturating_add(tokens),
    });
    if request.get("stream") != Some(&json!(true)) {
        let message = json!({ "role": "assistant", "content": words.concat() });
        return Json(json!({
            "id": "chatcmpl-demo", "object": "chat.completion", "created": 0, "model": model, "usage": usage,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "saw": saw(&headers),
        }))
        .into_response();
    }
    let chunk = |choices: Value, usage: &Value| {
        let chunk = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": model,
            "choices": choices, "usage": usage,
        });
        Event::default().data(chunk.to_string())
    };
    let delta = |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
    let mut events: Vec<Event> = words
        .iter()
        .map(|word| chunk(delta(json!({ "content": word }), Value::Null), &Value::Null))
        .collect();
    events.push(chunk(delta(json!({}), json!("stop")), &Value::Null));
    if request.pointer("/stream_options/include_usage") == Some(&json!(true)) {
        events.push(chunk(json!([]), &usage));
    }
    events.push(Event::default().data("[DONE]"));
    stream(events)
}

async fn messages(headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let words = words(&headers);
    let model = request
        .get("model")
        .cloned()
        .unwrap_or_else(|| json!("demo-1"));
    let tokens = words.len();
    let message = |content: Value, tokens: usize| {
        json!({
            "id": "msg_demo", "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": if tokens > 0 { json!("end_turn") } else { Value::Null }, "stop_sequence": null,
            "usage": { "input_tokens": PROMPT_TOKENS, "output_tokens": tokens },
        })
    };
    if request.get("stream") != Some(&json!(true)) {
        let mut answer = message(json!([{ "type": "text", "text": words.concat() }]), tokens);
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("saw".to_owned(), saw(&headers));
        }
        return Json(answer).into_response();
    }
    let event = |kind: &str, mut data: Value| {
        if let Some(data) = data.as_object_mut() {
            data.insert("type".to_owned(), json!(kind));
        }
        Event::default().event(kind).data(data.to_string())
    };
    let mut events = vec![
        event("message_start", json!({ "message": message(json!([]), 0) })),
        event(
            "content_block_start",
            json!({ "index": 0, "content_block": { "type": "text", "text": "" } }),
        ),
    ];
    events.extend(words.iter().map(|word| {
        event(
            "content_block_delta",
            json!({ "index": 0, "delta": { "type": "text_delta", "text": word } }),
        )
    }));
    events.push(event("content_block_stop", json!({ "index": 0 })));
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    events.push(event(
        "message_delta",
        json!({ "delta": delta, "usage": { "output_tokens": tokens } }),
    ));
    events.push(event("message_stop", json!({})));
    stream(events)
}

fn stream(events: Vec<Event>) -> Response {
    Sse::new(futures_util::stream::iter(
        events.into_iter().map(Ok::<_, Infallible>),
    ))
    .into_response()
}
