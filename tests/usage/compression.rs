//! Answers that are compressed.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use tenantgate::usage::Source::{Compressed, Partial, Reported};

use crate::exchange::{Exchange, tokens};

const CHAT: &str = "/v1/chat/completions";
const BODY: &str = r#"{"choices":[{"message":{"content":"ok ok ok ok"}}],"usage":{"prompt_tokens":5,"completion_tokens":7}}"#;

/// A gzip member (RFC 1952 section 2.3) with any flags set, and what they say there is.
fn gzip(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 255];
    if flags & 4 != 0 {
        member.extend([3, 0, 1, 2, 3]);
    }
    if flags & 8 != 0 {
        member.extend(b"name\0");
    }
    if flags & 16 != 0 {
        member.extend(b"comment\0");
    }
    if flags & 2 != 0 {
        member.extend([9, 9]);
    }
    member.extend(compress_to_vec(body, 6));
    // The checksum and the length, which nobody looks at.
    member.extend([0; 8]);
    member
}

fn coded(coding: &str, body: Vec<u8>) -> Exchange {
    Exchange::new(CHAT)
        .header("content-encoding", coding)
        .json(body)
}

#[test]
fn use_05_gzip_and_deflate_are_read_wherever_they_are_cut() {
    let halves = BODY.split_at(40);
    for (name, coding, body) in [
        ("none", "identity", BODY.into()),
        ("gzip", "gzip", gzip(0, BODY.as_bytes())),
        ("its old name", "X-GZIP", gzip(0, BODY.as_bytes())),
        (
            "every field of its header",
            "gzip",
            gzip(31, BODY.as_bytes()),
        ),
        ("an extra field", "gzip", gzip(4, BODY.as_bytes())),
        (
            "two members",
            "gzip",
            [gzip(8, halves.0.as_bytes()), gzip(0, halves.1.as_bytes())].concat(),
        ),
        (
            "deflate",
            "deflate",
            compress_to_vec_zlib(BODY.as_bytes(), 6),
        ),
        (
            "deflate without its header",
            "deflate",
            compress_to_vec(BODY.as_bytes(), 6),
        ),
        (
            "stored",
            "gzip",
            [
                &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255],
                &compress_to_vec(BODY.as_bytes(), 0)[..],
            ]
            .concat(),
        ),
    ] {
        let usage = coded(coding, body).however_cut();
        assert_eq!(
            (tokens(&usage), usage.source),
            ((Some(5), Some(7)), Some(Reported)),
            "{name}"
        );
    }
}

#[test]
fn use_05_what_is_not_read_is_said_and_not_guessed() {
    for (name, coding, body) in [
        ("brotli", "br", BODY.into()),
        ("zstd", "zstd", BODY.into()),
        ("twice", "gzip, gzip", gzip(0, &gzip(0, BODY.as_bytes()))),
        (
            "a list",
            "deflate, identity",
            compress_to_vec_zlib(BODY.as_bytes(), 6),
        ),
        ("gzip that is none", "gzip", BODY.into()),
        (
            "deflate that is none",
            "deflate",
            b"\xFF\xFF\xFF\xFF".to_vec(),
        ),
        ("another method", "gzip", vec![0x1F, 0x8B, 7, 0]),
    ] {
        let usage = coded(coding, body).however_cut();
        assert_eq!(
            (tokens(&usage), usage.source),
            ((None, None), Some(Compressed)),
            "{name}"
        );
    }
    // Compressed without saying so: it is no JSON.
    let usage = Exchange::new(CHAT)
        .json(gzip(0, BODY.as_bytes()))
        .however_cut();
    assert_eq!(usage.source, None);
    // Twice, said once.
    assert_eq!(
        coded("gzip", gzip(0, &gzip(0, BODY.as_bytes())))
            .however_cut()
            .source,
        None
    );
}

#[test]
fn use_05_a_bomb_is_given_up() {
    let mut body = " ".repeat(32 << 20);
    body.push_str(BODY);
    let usage = coded("gzip", gzip(0, body.as_bytes())).whole();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((None, None), Some(Compressed))
    );
    // What was said before it stands.
    let stream = format!(
        "data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":7}}}}\n\n{}",
        "\n".repeat(32 << 20)
    );
    let mut bomb = coded("gzip", gzip(0, stream.as_bytes()));
    bomb.headers.retain(|(name, _)| name != "content-type");
    let usage = bomb.header("content-type", "text/event-stream").whole();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(5), Some(7)), Some(Partial))
    );
}

#[test]
fn a_long_answer_that_compresses_well_is_read() {
    let event = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"token\"}}],\"usage\":null}\n\n";
    let mut stream: String = (0..200_000)
        .map(|n| event.replace("token", &n.to_string()))
        .collect();
    stream.push_str(
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n",
    );
    assert!(stream.len() > 8 << 20);
    let mut exchange = Exchange::new(CHAT).header("content-encoding", "gzip");
    exchange = exchange.events(gzip(0, stream.as_bytes()));
    assert_eq!(tokens(&exchange.whole()), (Some(5), Some(7)));
}

#[test]
fn an_answer_cut_short_inside_its_compression_says_what_it_has_said() {
    let usage =
        "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n";
    let mut body = gzip(0, usage.as_bytes());
    body.truncate(body.len() - 9);
    let mut exchange = Exchange::new(CHAT)
        .header("content-encoding", "gzip")
        .events(body);
    exchange.complete = false;
    let read = exchange.however_cut();
    assert_eq!(
        (tokens(&read), read.source),
        ((Some(5), Some(7)), Some(Partial))
    );
}
