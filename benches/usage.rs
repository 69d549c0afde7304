//! What it costs to watch a body: `cargo bench --bench usage`. Each body has a megabyte or so, and comes in pieces of 16 KiB.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up should stop"
)]

use divan::Bencher;
use divan::counter::BytesCount;
use tenantgate::usage::Meter;

const PIECE_BYTES: usize = 16 << 10;

fn main() {
    divan::main();
}

/// A conversation with long texts.
#[divan::bench]
fn request_of_text(bencher: Bencher<'_, '_>) {
    let message = format!(
        r#"{{"role":"user","content":"{}"}},"#,
        "It is a long text.\\n".repeat(400)
    );
    request(
        bencher,
        &format!(
            r#"{{"messages":[{}null],"model":"m"}}"#,
            message.repeat(140)
        ),
    );
}

/// An image in base64.
#[divan::bench]
fn request_of_an_image(bencher: Bencher<'_, '_>) {
    request(
        bencher,
        &format!(r#"{{"image":"{}","model":"m"}}"#, "QUJD".repeat(260_000)),
    );
}

/// Vectors of numbers.
#[divan::bench]
fn response_of_embeddings(bencher: Bencher<'_, '_>) {
    let vector = format!(r#"{{"embedding":[{}0]}},"#, "-0.01234567,".repeat(1536));
    let body = format!(
        r#"{{"data":[{}null],"usage":{{"prompt_tokens":5}}}}"#,
        vector.repeat(57)
    );
    response(bencher, "/v1/embeddings", "application/json", &body);
}

/// Many small events.
#[divan::bench]
fn response_of_events(bencher: Bencher<'_, '_>) {
    let event = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m1-0101\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":null}],\"usage\":null}\n\n";
    response(
        bencher,
        "/v1/chat/completions",
        "text/event-stream",
        &event.repeat(5800),
    );
}

fn request(bencher: Bencher<'_, '_>, body: &str) {
    bencher.counter(BytesCount::of_str(body)).bench_local(|| {
        let mut meter = Meter::new("POST", "/v1/chat/completions", None).unwrap();
        meter.request_head(Some(b"application/json"), None);
        for piece in body.as_bytes().chunks(PIECE_BYTES) {
            meter.request_body(piece);
        }
        meter.finish(true).model.unwrap()
    });
}

fn response(bencher: Bencher<'_, '_>, path: &str, content_type: &str, body: &str) {
    bencher.counter(BytesCount::of_str(body)).bench_local(|| {
        let mut meter = Meter::new("POST", path, None).unwrap();
        meter.response_head(200, &|name| {
            (name == "content-type").then(|| content_type.as_bytes().to_vec())
        });
        for piece in body.as_bytes().chunks(PIECE_BYTES) {
            meter.response_body(piece);
        }
        meter.finish(true)
    });
}
