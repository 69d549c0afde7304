//! Amazon's event stream, as Bedrock uses it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenantgate::usage::Source::{Partial, Reported};

use crate::exchange::{Exchange, served, tokens};

/// IEEE 802.3's CRC-32.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn message(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let headers: Vec<u8> = headers
        .iter()
        .flat_map(|(name, value)| {
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            [
                &[u8::try_from(name.len()).unwrap()],
                name.as_bytes(),
                &[7],
                &length,
                value.as_bytes(),
            ]
            .concat()
        })
        .collect();
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let lengths = [
        word(headers.len() + payload.len() + 16),
        word(headers.len()),
    ]
    .concat();
    let all = [
        &lengths,
        &crc32(&lengths).to_be_bytes()[..],
        &headers,
        payload.as_bytes(),
    ]
    .concat();
    [&all[..], &crc32(&all).to_be_bytes()].concat()
}

fn event(kind: &str, payload: &str) -> Vec<u8> {
    message(
        &[
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
        payload,
    )
}

fn chunk(payload: &str) -> Vec<u8> {
    event(
        "chunk",
        &format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(payload)),
    )
}

fn converse(messages: &[Vec<u8>]) -> Exchange {
    Exchange::new("/model/m/converse-stream")
        .answers("application/vnd.amazon.eventstream", messages.concat())
}

fn invoke(messages: &[Vec<u8>]) -> Exchange {
    Exchange::new("/model/m/invoke-with-response-stream")
        .answers("application/vnd.amazon.eventstream", messages.concat())
}

const USAGE: &str = r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#;
const OTHER: &str = r#"{"usage":{"inputTokens":9,"outputTokens":9}}"#;

#[test]
fn only_the_metadata_event_of_a_converse_stream_has_the_usage() {
    let usage = converse(&[
        event("messageStart", OTHER),
        event("contentBlockDelta", r#"{"delta":{"text":"\u0000"}}"#),
        event("metadata", USAGE),
        event("other", OTHER),
        message(
            &[(":message-type", "exception"), (":event-type", "metadata")],
            OTHER,
        ),
        message(&[], OTHER),
        message(&[(":event-type", "metadata")], OTHER),
    ])
    .however_cut();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(3), Some(2)), Some(Reported))
    );
}

#[test]
fn a_message_that_is_too_long_to_matter_is_passed_over() {
    let long = "x".repeat(2000);
    let usage = converse(&[
        message(
            &[
                ("a", &long),
                (":event-type", "metadata"),
                (":message-type", "event"),
            ],
            OTHER,
        ),
        event(
            "contentBlockDelta",
            &format!(r#"{{"delta":{{"text":"{}"}}}}"#, long.repeat(100)),
        ),
        event("metadata", ""),
        event("metadata", USAGE),
    ]);
    let whole = usage.whole();
    assert_eq!(tokens(&whole), (Some(3), Some(2)));
    for cut in [1, 4, 11, 12, 13, 1000, 2100, 2200, 100_000] {
        assert_eq!(usage.cut(&[cut, cut + 1, cut + 7]), whole, "{cut}");
    }
}

#[test]
fn what_is_not_the_beginning_of_a_message_ends_the_reading() {
    let good = event("metadata", USAGE);
    let other = event("metadata", OTHER);
    for at in 0..12 {
        let mut bad = other.clone();
        bad[at] ^= 1;
        let usage = converse(&[good.clone(), bad, other.clone()]).however_cut();
        assert_eq!(tokens(&usage), (Some(3), Some(2)), "byte {at}");
    }
    // Lengths that cannot be, with the right checksum.
    for lengths in [
        [0_u32, 0],
        [15, 0],
        [16, 1],
        [200, 185],
        [u32::MAX, u32::MAX],
    ] {
        let lengths: Vec<u8> = lengths
            .iter()
            .flat_map(|length| length.to_be_bytes())
            .collect();
        let bad = [&lengths[..], &crc32(&lengths).to_be_bytes(), &[0; 8]].concat();
        let usage = converse(&[good.clone(), bad, other.clone()]).however_cut();
        assert_eq!(tokens(&usage), (Some(3), Some(2)), "{lengths:?}");
    }
}

#[test]
fn a_claude_in_bedrock_is_read_inside_its_chunks() {
    let start = chunk(
        r#"{"type":"message_start","message":{"model":"c","usage":{"input_tokens":20,"cache_read_input_tokens":300,"output_tokens":1}}}"#,
    );
    let delta = chunk(r#"{"type":"message_delta","usage":{"output_tokens":9}}"#);
    let text = chunk(
        r#"{"type":"content_block_delta","delta":{"text":"\"usage\":{\"output_tokens\":1}"}}"#,
    );
    let stop = chunk(
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":1}}"#,
    );
    let usage = invoke(&[start.clone(), text.clone(), delta.clone(), stop.clone()]).however_cut();
    assert_eq!(
        tokens(&usage),
        (Some(320), Some(9)),
        "the family's own counts"
    );
    assert_eq!(
        (usage.source, usage.cached_input_tokens, served(&usage)),
        (Some(Reported), Some(300), Some("c"))
    );
    let usage = invoke(&[start.clone(), text]).however_cut();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(320), Some(1)), Some(Partial))
    );
    let usage = invoke(&[chunk("{}"), stop]).however_cut();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(1), Some(1)), Some(Reported)),
        "Bedrock's counts where there are no others"
    );
}

#[test]
fn chunks_that_are_no_base64_or_no_json_or_too_long_say_nothing() {
    let good = chunk(r#"{"usage":{"input_tokens":3,"output_tokens":2}}"#);
    let long = format!(
        r#"{{"a":"{}","usage":{{"input_tokens":9,"output_tokens":9}}}}"#,
        "x".repeat(8192)
    );
    for bad in [
        event("chunk", r#"{"bytes":"*"}"#),
        event("chunk", r#"{"bytes":7}"#),
        event("chunk", r#"{"bytes":"eyJ1c2FnZSI6"#),
        event("chunk", r#"{"usage":{"input_tokens":9,"output_tokens":9}}"#),
        chunk(r#"{"usage":{"input_tokens":9,"output_tokens":9]}"#),
        chunk(r#"{"usage":{"input_tokens":9,"output_tokens":9}"#),
        chunk(""),
        chunk(&long),
    ] {
        for order in [
            vec![bad.clone(), good.clone()],
            vec![good.clone(), bad.clone()],
        ] {
            let usage = invoke(&order).whole();
            assert_eq!(
                tokens(&usage),
                (Some(3), Some(2)),
                "{:?}",
                String::from_utf8_lossy(&bad)
            );
        }
    }
}

#[test]
fn titans_results_and_novas_usage_are_counted() {
    for (body, expected) in [
        (
            r#"{"inputTextTokenCount":5,"results":[{"tokenCount":3,"outputText":"a"},{"tokenCount":4}]}"#,
            (Some(5), Some(7)),
        ),
        (
            r#"{"usage":{"inputTokens":5,"cacheReadInputTokens":2,"outputTokens":7}}"#,
            (Some(7), Some(7)),
        ),
        (
            r#"{"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":7}}"#,
            (Some(7), Some(7)),
        ),
    ] {
        let usage = Exchange::new("/model/m/invoke").json(body).however_cut();
        assert_eq!(tokens(&usage), expected, "{body}");
    }
}
