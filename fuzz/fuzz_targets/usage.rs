//! A response, cut anywhere, against a parser that reads all of it at once.
//!
//! The input: a byte for the API, one for the type of the body, one for how the bytes are cut, and the body.

#![no_main]

#[allow(dead_code)]
#[path = "../../tests/usage/reference/mod.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::{Opinion, PATHS};
use tenantgate::usage::{Meter, Source, Usage};

/// The last ones have no second opinion: their bytes may say anything, and say the same however they are cut.
const TYPES: [&str; 6] = [
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "gzip",
    "deflate",
];

const MORE_PATHS: [&str; 4] = [
    "/v1/completions",
    "/model/m/invoke-with-response-stream",
    "/v1/rerank",
    "/generate",
];

fuzz_target!(|input: &[u8]| {
    let [path, content_type, cut, body @ ..] = input else {
        return;
    };
    let paths: Vec<&str> = PATHS.iter().chain(&MORE_PATHS).copied().collect();
    let path = paths[usize::from(*path) % paths.len()];
    let content_type = TYPES[usize::from(*content_type) % TYPES.len()];
    let complete = cut % 2 == 0;
    let whole = watch(path, content_type, &[body], complete);
    let pieces: Vec<&[u8]> = body.chunks(usize::from(*cut).max(1)).collect();
    assert_eq!(watch(path, content_type, &pieces, complete), whole);
    let has_second_opinion = PATHS.contains(&path) && TYPES[..3].contains(&content_type);
    if has_second_opinion && let Ok(expected) = reference::read(path, content_type, body, complete) {
        assert_eq!(opinion(&whole), expected);
    }
});

/// The same bytes as the request's body and as the response's.
fn watch(path: &str, content_type: &str, pieces: &[&[u8]], complete: bool) -> Usage {
    let mut meter = Meter::new("POST", path, None).expect("a path that is read");
    let request_type = match content_type {
        "application/x-ndjson" => "multipart/form-data; boundary=b",
        _ => "application/json",
    };
    let _ = meter.request_head(Some(request_type.as_bytes()), None);
    let (content_type, coding) = match content_type {
        coding @ ("gzip" | "deflate") => ("text/event-stream", Some(coding)),
        other => (other, None),
    };
    for piece in pieces {
        let _ = meter.request_body(piece);
    }
    let _ = meter.response_head(200, &|name| match name {
        "content-type" => Some(content_type.into()),
        "content-encoding" => coding.map(Into::into),
        _ => None,
    });
    for piece in pieces {
        meter.response_body(piece);
    }
    meter.finish(complete)
}

/// What the meter says, in the reference's words.
fn opinion(usage: &Usage) -> Opinion {
    Opinion {
        counts: [
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.cache_write_input_tokens,
            usage.reasoning_tokens,
        ],
        served: usage.served_model.as_ref().map(|model| model.as_str().to_owned()),
        is_final: usage.source == Some(Source::Reported),
    }
}
