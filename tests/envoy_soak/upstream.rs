//! The model server behind the gate: it answers as it is asked to, and writes into the ledger whom it took a request for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::StreamExt;
use http_body_util::BodyExt;

use crate::harness::provider::Provider;
use crate::ledger::{Hit, Ledger};
use crate::shot::{CANARY, ID, REPLY, Reply, SPOOFED};

/// A stream comes in pieces of so many bytes, so that no boundary of an event is one of a piece.
const PIECE_BYTES: usize = 97;
/// What only a proxy may say, and what a client's own word must not reach the upstream by.
const NEVER: [&str; 7] = [
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-user",
    "x-auth-request-email",
];

struct Shared {
    ledger: Arc<Ledger>,
    tokens: Arc<Provider>,
}

/// The server without its port. `tokens` knows which of the access tokens hold.
pub fn app(ledger: Arc<Ledger>, tokens: Arc<Provider>) -> Router {
    let shared = Arc::new(Shared { ledger, tokens });
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    let number = head.headers.get(ID).and_then(|id| id.to_str().ok());
    let id: Option<u64> = number.and_then(|id| id.parse().ok());
    let mut hit = hit(&head.headers, &shared.tokens);
    while let Some(frame) = body.frame().await {
        hit.is_whole = frame.is_ok();
    }
    shared.ledger.reached(id, hit);
    let reply = head.headers.get(REPLY).map(HeaderValue::as_bytes);
    respond(id.unwrap_or(0), Reply::named(reply.unwrap_or_default()))
}

fn hit(headers: &HeaderMap, tokens: &Provider) -> Hit {
    let all = |name: &str| {
        let values = headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect::<Vec<_>>()
    };
    let authorization = match all("authorization") {
        values if values.is_empty() => None,
        values => Some(values.join(" and ")),
    };
    let is_lent = authorization
        .as_deref()
        .is_some_and(|shown| tokens.holds(shown));
    let is_leak = |(name, value): (&str, &[u8])| {
        let is_credential = name == "authorization";
        NEVER.contains(&name)
            || (!is_credential && contains(value, CANARY))
            || (is_like_identity(name) && !["x-tenant-id", "x-user-id"].contains(&name))
            || (is_like_identity(name) && contains(value, SPOOFED))
    };
    let fields = headers.iter();
    let leaks = fields
        .filter(|(name, value)| is_leak((name.as_str(), value.as_bytes())))
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    Hit {
        tenants: all("x-tenant-id"),
        users: all("x-user-id"),
        authorization,
        is_lent,
        is_whole: true,
        leaks,
    }
}

/// Names that some server would take for an identity header: those that make the same variable of it (`HTTP_X_TENANT_ID`).
fn is_like_identity(name: &str) -> bool {
    let folded = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    ["x_tenant_id", "x_user_id"].contains(&folded.as_str())
}

fn contains(value: &[u8], text: &str) -> bool {
    value
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn respond(id: u64, reply: Reply) -> Response {
    let (input, output) = reply.usage(id).unwrap_or_default();
    let usage = format!(
        r#""usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}"#,
        input + output
    );
    let about = r#""id":"c1","created":1,"model":"served-1""#;
    let (kind, body) = match reply {
        Reply::Plain => ("text/plain", Body::from("well")),
        Reply::Large => ("text/plain", Body::from(vec![b'x'; 256 * 1024])),
        Reply::Json => {
            let choice = r#"{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}"#;
            let text =
                format!(r#"{{{about},"object":"chat.completion","choices":[{choice}],{usage}}}"#);
            ("application/json", Body::from(text))
        }
        Reply::Events => {
            let chunk = format!(r#"data: {{{about},"object":"chat.completion.chunk","#);
            let delta =
                r#""choices":[{"index":0,"delta":{"content":"hi \u00e9"},"finish_reason":null}]}"#;
            let text = format!(
                "{chunk}{delta}\n\n{chunk}{delta}\n\n{chunk}\"choices\":[],{usage}}}\n\ndata: [DONE]\n\n"
            );
            ("text/event-stream", in_pieces(text))
        }
    };
    Response::builder()
        .header("content-type", kind)
        .header(ID, id)
        // A server that echoes what it was told tells the client nothing.
        .header("x-tenant-id", "echoed")
        .body(body)
        .expect("a response")
}

fn in_pieces(text: String) -> Body {
    let pieces: Vec<Vec<u8>> = text
        .into_bytes()
        .chunks(PIECE_BYTES)
        .map(<[u8]>::to_vec)
        .collect();
    let pieces = futures_util::stream::iter(pieces).then(async |piece| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(piece)
    });
    Body::from_stream(pieces)
}
