//! The model that a body names: every server that could be behind us reads the same one, however the body is cut.
//!
//! The input: a byte for how the body is cut, a line for its content type, and the body.

#![no_main]

#[path = "../../tests/properties/reference/model.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::servers;
use serde_json::Value;
use tenantgate::usage::{Meter, Named, NamedModel};
use tenantgate_fuzz::input::{line, pieces};

fuzz_target!(|input: &[u8]| {
    let Some((cut, rest)) = input.split_first() else {
        return;
    };
    let (content_type, body) = line(rest);
    let pieces = pieces(body, *cut);

    let whole = read(content_type, &[body]);
    assert_eq!(read(content_type, &pieces), whole);
    if whole.is_some() {
        for server in servers(body) {
            assert_eq!(server, whole);
        }
        // One that takes comments, single quotes and names without quotes.
        if let Ok(body) = std::str::from_utf8(body)
            && let Ok(document) = json5::from_str::<Value>(body)
        {
            assert_eq!(document["model"].as_str(), whole.as_deref());
        }
    }

    // The meter goes with the most of them, forms included, and says the same however it is cut.
    let told = asked(content_type, &[body]);
    assert_eq!(asked(content_type, &pieces), told);
    if let Some(model) = &told {
        assert!((1..=256).contains(&model.len()) && !model.contains(char::is_control));
    }
    if whole.is_some() {
        assert_eq!(told, whole);
    }
});

fn read(content_type: &[u8], pieces: &[&[u8]]) -> Option<String> {
    let mut named = NamedModel::of(Some(content_type), None);
    for piece in pieces {
        named.push(piece);
    }
    match named.named() {
        Named::Model(model) => Some(model.as_str().to_owned()),
        Named::NotYet | Named::Unclear => None,
    }
}

fn asked(content_type: &[u8], pieces: &[&[u8]]) -> Option<String> {
    let mut meter =
        Meter::new("POST", "/v1/audio/transcriptions", None).expect("a path that is read");
    let _ = meter.request_head(Some(content_type), None);
    for piece in pieces {
        let _ = meter.request_body(piece);
    }
    let model = meter.finish(true).model;
    model.map(|model| model.as_str().to_owned())
}
