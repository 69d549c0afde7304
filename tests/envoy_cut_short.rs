//! Streams that do not end as they should, in a real Envoy: the client leaves, or the model server does. Each leaves one
//! line in the access log, with what had been told of its tokens until then.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use harness::dialects::sample;
use harness::server::Server;
use harness::wire::Wire;
use harness::{Envoy, Setup};
use serde_json::{Value, json};

const KEY: &str = "sk-acme-0123456789";
const PATHS: [&str; 6] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/models/{model}:streamGenerateContent",
    "/v1/responses",
    "/v2/models/{model}/generate_stream",
    "/api/chat",
];

/// An answer that has begun, and what is known of its tokens by then.
struct Begun {
    name: &'static str,
    path: &'static str,
    sample: &'static str,
    /// The answer is the sample up to this.
    before: &'static str,
    /// What was asked for, by the request's body or its path.
    model: &'static str,
    served_model: &'static str,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cached_input_tokens: Option<u64>,
    usage_source: Option<&'static str>,
}

const BEGUN: [Begun; 8] = [
    // It tells the input at once, and the output as it is by then.
    Begun {
        name: "anthropic",
        path: "/v1/messages",
        sample: "anthropic.sse",
        before: "event: content_block_stop",
        model: "asked",
        served_model: "c1-0101",
        input_tokens: Some(420),
        output_tokens: Some(1),
        cached_input_tokens: Some(300),
        usage_source: Some("partial"),
    },
    Begun {
        name: "gemini",
        path: "/v1/models/gemini-x:streamGenerateContent?alt=sse",
        sample: "gemini.sse",
        before: r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"k"}]}"#,
        model: "gemini-x",
        served_model: "gemini-x-001",
        input_tokens: Some(25),
        output_tokens: Some(0),
        cached_input_tokens: None,
        usage_source: Some("partial"),
    },
    Begun {
        name: "vllm, which counts on as it goes",
        path: "/v1/chat/completions",
        sample: "vllm-two-choices.sse",
        before: r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"q","choices":[{"index":1"#,
        model: "asked",
        served_model: "q",
        input_tokens: Some(5),
        output_tokens: Some(1),
        cached_input_tokens: None,
        usage_source: Some("partial"),
    },
    // It sums, and says nowhere that this was all: only the end of the stream does.
    Begun {
        name: "triton",
        path: "/v2/models/llm/generate_stream",
        sample: "triton-generate.sse",
        before: r#"data: {"model_name":"llm","model_version":"1","num_input_tokens":7,"num_output_tokens":2"#,
        model: "llm",
        served_model: "llm",
        input_tokens: Some(7),
        output_tokens: Some(1),
        cached_input_tokens: None,
        usage_source: Some("partial"),
    },
    // These tell it at the end, which never comes.
    Begun {
        name: "openai",
        path: "/v1/chat/completions",
        sample: "chat.sse",
        before: r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1-0101","choices":[],"usage":{"#,
        model: "asked",
        served_model: "m1-0101",
        input_tokens: None,
        output_tokens: None,
        cached_input_tokens: None,
        usage_source: None,
    },
    Begun {
        name: "responses",
        path: "/v1/responses",
        sample: "responses.sse",
        before: "event: response.completed",
        model: "asked",
        served_model: "m2-0101",
        input_tokens: None,
        output_tokens: None,
        cached_input_tokens: None,
        usage_source: None,
    },
    Begun {
        name: "ollama",
        path: "/api/chat",
        sample: "ollama-chat.ndjson",
        before: r#"{"model":"ll:8b","created_at":"2026-01-01T00:00:01Z""#,
        model: "asked",
        served_model: "ll:8b",
        input_tokens: None,
        output_tokens: None,
        cached_input_tokens: None,
        usage_source: None,
    },
    // One document, of which the very end is missing: what it told may not be all that it would have.
    Begun {
        name: "a whole answer but for its last braces",
        path: "/v1/chat/completions",
        sample: "chat.json",
        before: "}}}\n",
        model: "asked",
        served_model: "m1-0101",
        input_tokens: Some(11),
        output_tokens: Some(7),
        cached_input_tokens: Some(4),
        usage_source: Some("partial"),
    },
];

/// What the model server does after the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It says nothing more, and holds the line.
    Silence,
    /// It hangs up.
    HangUp,
}

/// Begins as that place of [`BEGUN`] says which the request's body names, and then does so. Where it names none, a stream
/// comes whole.
fn model_server(then: Then) -> Router {
    Router::new().fallback(async move |body: Bytes| {
        let request: Value = serde_json::from_slice(&body).expect("JSON");
        let place = request["place"].as_u64().map(usize::try_from);
        let Some(begun) = place.and_then(|place| BEGUN.get(place.ok()?)) else {
            let whole = stream::iter([io::Result::Ok(sample("triton-generate.sse"))]);
            return response("text/event-stream", Body::from_stream(whole));
        };
        let beginning = stream::iter([Ok(begun.beginning())]);
        let body = match then {
            Then::Silence => Body::from_stream(beginning.chain(stream::pending())),
            Then::HangUp => Body::from_stream(beginning.chain(stream::once(hang_up()))),
        };
        response(begun.content_type(), body)
    })
}

/// Breaks the connection when what was sent before is on its way.
async fn hang_up() -> io::Result<String> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A model server that takes a request, tells so, and answers nothing.
fn mute_server(then: Then) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let (taken, hears) = mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // Envoy sends head and body of a small request together.
            let _ = stream.read(&mut [0; 4096]);
            if then == Then::Silence {
                held.push(stream);
            } else {
                drop(stream);
            }
            let _ = taken.send(());
        }
    });
    (address, hears)
}

fn response(content_type: &str, body: Body) -> Response {
    Response::builder()
        .header("content-type", content_type)
        .body(body)
        .expect("a response")
}

impl Begun {
    fn beginning(&self) -> String {
        let whole = sample(self.sample);
        let (beginning, _) = whole.split_once(self.before).expect("such a place");
        beginning.to_owned()
    }

    fn content_type(&self) -> &'static str {
        match self.sample.rsplit_once('.') {
            Some((_, "sse")) => "text/event-stream",
            Some((_, "ndjson")) => "application/x-ndjson",
            _ => "application/json",
        }
    }
}

fn gate() -> Value {
    let endpoint = |(place, path): (usize, &str)| {
        json!({ "name": format!("endpoint-{place}"), "path": path, "authorizer": {
            "type": "api_key",
            "keys": [{ "client_id": "acme-app", "key": KEY, "tenant_id": "acme" }],
        } })
    };
    let endpoints: Vec<Value> = PATHS.into_iter().enumerate().map(endpoint).collect();
    json!({ "endpoints": endpoints })
}

/// Sends a call.
fn call(envoy: &Envoy, path: &str, body: &Value) -> Wire {
    let mut wire = envoy.wire();
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: gate.test\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    assert!(wire.send(request.as_bytes()));
    wire
}

/// Sends the call whose answer begins as that place says, and reads the beginning.
fn begin(envoy: &Envoy, place: usize, begun: &Begun) -> Wire {
    let body = json!({ "place": place, "model": "asked", "stream": true });
    let mut wire = call(envoy, begun.path, &body);
    wire.until(begun.beginning().trim_end()).expect(begun.name);
    wire
}

fn line(entry: &Value) -> Value {
    serde_json::from_str(entry["log"].as_str().expect("a line")).expect("JSON")
}

/// The members of `line` that `known` has, so that their difference shows.
fn part(line: &Value, known: &Value) -> Value {
    let names = known.as_object().expect("an object").keys();
    names
        .map(|name| (name.clone(), line[name].clone()))
        .collect()
}

/// Each stream left one line, with what was known; and no line comes late.
fn one_line_each(envoy: &Envoy, flag: &str) {
    // The twin of Triton's: its end comes.
    let whole = envoy
        .post("/v2/models/llm/generate_stream", &json!({}))
        .bearer(KEY)
        .send();
    whole.admitted();
    let entries = envoy.access_log(BEGUN.len() + 1);
    assert_eq!(entries.len(), BEGUN.len() + 1, "{entries:#?}");
    let (last, cut) = entries.split_last().expect("lines");
    let known = json!({ "input_tokens": 7, "output_tokens": 3, "usage_source": "reported" });
    assert_eq!(part(&line(last), &known), known, "{last}");
    for (begun, entry) in BEGUN.iter().zip(cut) {
        let name = begun.name;
        assert_eq!(entry["flags"], flag, "{name}: {entry}");
        let known = json!({
            "tenant_id": "acme",
            "decision": "allow",
            "status": 200,
            "model": begun.model,
            "served_model": begun.served_model,
            "input_tokens": begun.input_tokens,
            "output_tokens": begun.output_tokens,
            "cached_input_tokens": begun.cached_input_tokens,
            "usage_source": begun.usage_source,
        });
        assert_eq!(part(&line(entry), &known), known, "{name}");
    }
}

#[test]
fn pro_11_a_client_that_leaves_in_the_middle_leaves_one_line_with_what_was_known() {
    let server = Server::start(model_server(Then::Silence));
    let envoy = Envoy::start(Setup::with(gate()).model(server.address()));
    for (place, begun) in BEGUN.iter().enumerate() {
        drop(begin(&envoy, place, begun));
        envoy.access_log(place + 1);
    }
    one_line_each(&envoy, "DC");
}

#[test]
fn pro_11_a_model_server_that_hangs_up_in_the_middle_leaves_one_line_with_what_was_known() {
    let server = Server::start(model_server(Then::HangUp));
    let envoy = Envoy::start(Setup::with(gate()).model(server.address()));
    for (place, begun) in BEGUN.iter().enumerate() {
        let mut wire = begin(&envoy, place, begun);
        let end = wire.until("never sent");
        assert_eq!(end, None, "{}: the client hears of it", begun.name);
        envoy.access_log(place + 1);
    }
    one_line_each(&envoy, "UPE");
}

#[test]
fn pro_11_a_call_that_is_never_answered_leaves_one_line_without_tokens() {
    for (then, flag, status) in [
        // The client had enough of waiting: nobody was sent a status.
        (Then::Silence, "DC", None),
        // Envoy answers for the model server.
        (Then::HangUp, "UC", Some(503)),
    ] {
        let (address, taken) = mute_server(then);
        let envoy = Envoy::start(Setup::with(gate()).model(address));
        let mut wire = call(&envoy, "/v1/messages", &json!({ "model": "asked" }));
        taken.recv_timeout(Duration::from_secs(10)).expect("a call");
        if status.is_some() {
            assert_eq!(wire.answer().map(|answer| answer.status), status);
        }
        drop(wire);
        let entries = envoy.access_log(1);
        let [entry] = entries.as_slice() else {
            panic!("one line: {entries:#?}");
        };
        assert_eq!(entry["flags"], flag, "{entry}");
        let known = json!({
            "tenant_id": "acme", "endpoint": "/v1/messages", "decision": "allow", "reason": null, "status": status,
            "model": "asked", "served_model": null, "input_tokens": null, "output_tokens": null, "usage_source": null,
        });
        assert_eq!(part(&line(entry), &known), known, "{then:?}");
    }
}
