//! A model server that speaks the dialect of each API: it picks a sample of `tests/usage/samples` by the path that was
//! asked and by whether the answer is to be streamed. It has no model, and answers everybody.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::Value;

use super::process::repository;

/// A stream comes in pieces of so many bytes, so that no boundary of an event is one of a piece.
const PIECE_BYTES: usize = 61;
/// The pause after a piece: what comes without one, Envoy takes as one.
const PAUSE: Duration = Duration::from_millis(1);

/// The server without its port.
pub fn app() -> Router {
    Router::new().fallback(answer)
}

/// A file of `tests/usage/samples`.
pub fn sample(name: &str) -> String {
    let file = repository().join("tests/usage/samples").join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

async fn answer(uri: Uri, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = uri.path();
    let (_, verb) = path.rsplit_once(':').unwrap_or_default();
    // Ollama alone streams unless it is told not to.
    let is_stream = request["stream"]
        .as_bool()
        .unwrap_or(path.starts_with("/api/"));
    let name = match (path, is_stream) {
        ("/v1/chat/completions", true) if !wants_usage(&request) => {
            return events(&without_usage(&sample("chat.sse")));
        }
        ("/v1/chat/completions", false) => "chat.json",
        ("/v1/chat/completions", true) => "chat.sse",
        ("/v1/completions", _) => "completion.json",
        ("/v1/embeddings", _) => "embeddings.json",
        ("/v1/responses", false) => "responses.json",
        ("/v1/responses", true) => "responses.sse",
        ("/v1/messages", false) => "anthropic.json",
        ("/v1/messages", true) => "anthropic.sse",
        ("/v1/messages/count_tokens", _) => return json(r#"{"input_tokens":14}"#),
        ("/api/chat", false) => "ollama-chat.json",
        ("/api/chat", true) => "ollama-chat.ndjson",
        ("/api/generate", false) => "ollama-generate.json",
        ("/api/generate", true) => "ollama-generate.ndjson",
        ("/api/embed", _) => "ollama-embed.json",
        _ => match verb {
            "generateContent" => "gemini.json",
            "streamGenerateContent" => "gemini.sse",
            "countTokens" => return json(r#"{"totalTokens":14}"#),
            _ => return plain(StatusCode::NOT_FOUND),
        },
    };
    let text = sample(name);
    match name.rsplit_once('.') {
        Some((_, "json")) => json(&text),
        Some((_, "sse")) => events(&text),
        _ => streamed("application/x-ndjson", &text),
    }
}

fn wants_usage(request: &Value) -> bool {
    request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true))
}

/// OpenAI's stream as it is for a client that has not asked for usage: without its last chunk.
fn without_usage(stream: &str) -> String {
    let is_other = |event: &&str| !event.contains(r#""choices":[]"#);
    stream.split_inclusive("\n\n").filter(is_other).collect()
}

fn json(text: &str) -> Response {
    Response::builder()
        .header("content-type", "application/json; charset=utf-8")
        .body(Body::from(text.to_owned()))
        .expect("a response")
}

fn events(text: &str) -> Response {
    streamed("text/event-stream; charset=utf-8", text)
}

fn streamed(content_type: &str, text: &str) -> Response {
    let pieces: Vec<Vec<u8>> = text
        .as_bytes()
        .chunks(PIECE_BYTES)
        .map(<[u8]>::to_vec)
        .collect();
    let pieces = futures_util::stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, Infallible>(piece)
    });
    Response::builder()
        .header("content-type", content_type)
        .body(Body::from_stream(pieces))
        .expect("a response")
}

fn plain(status: StatusCode) -> Response {
    Response::builder()
        .status(status)
        .body(Body::empty())
        .expect("a response")
}
