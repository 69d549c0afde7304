//! What holds for every body: the meter, which sees it in pieces, says what `serde_json` finds in all of it.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::Config;
use tenantgate::usage::{Source, Usage};

use crate::exchange::Exchange;
use crate::reference::{self, NoOpinion, Opinion, PATHS};

/// Names that mean something somewhere, and some that nearly do.
const NAMES: [&str; 64] = [
    "usage",
    "model",
    "choices",
    "x_groq",
    "response",
    "message",
    "interaction",
    "metadata",
    "total_usage",
    "delta",
    "meta",
    "tokens",
    "billed_units",
    "type",
    "event_type",
    "done",
    "stop",
    "timings",
    "usageMetadata",
    "modelVersion",
    "candidates",
    "finishReason",
    "predictions",
    "embeddings",
    "statistics",
    "token_count",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_tokens_details",
    "prompt_token_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "thinking_tokens",
    "num_cached_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
    "total_input_tokens",
    "total_output_tokens",
    "total_thought_tokens",
    "inputTokens",
    "outputTokens",
    "cacheReadInputTokens",
    "prompt_eval_count",
    "eval_count",
    "num_input_tokens",
    "num_output_tokens",
    "model_name",
    "tokens_evaluated",
    "tokens_predicted",
    "cache_n",
    "Usage",
    "",
];

const TEXTS: [&str; 16] = [
    "message_delta",
    "response.completed",
    "interaction.completed",
    "message-end",
    "STOP",
    "m",
    "m-0101",
    "",
    "usage",
    "[DONE]",
    "data: {}",
    "\u{2028}",
    "größer 😀",
    "a\"b\\c",
    "tab\t",
    "\n\n",
];

fn name() -> impl Strategy<Value = String> {
    (0..NAMES.len(), 0..12_u8).prop_map(|(index, escape)| written(NAMES[index], escape))
}

/// Text in quotes, with a letter escaped if `escape` says so.
fn written(text: &str, escape: u8) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    match text.chars().next() {
        Some(first) if escape == 0 && first.is_ascii_alphanumeric() => {
            format!("\"\\u{:04X}{}", u32::from(first), &quoted[2..])
        }
        _ => quoted,
    }
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0_u64..40).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?",
        1 => "[1-9][0-9]{18,80}",
        1 => Just("null".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("false".to_owned()),
        3 => (0..TEXTS.len(), 0..6_u8).prop_map(|(index, escape)| written(TEXTS[index], escape)),
    ]
}

/// JSON, with white space here and there, as text: so a member may be named twice.
fn json() -> impl Strategy<Value = String> {
    scalar().prop_recursive(5, 48, 7, |inner| {
        let space = prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\t ")];
        prop_oneof![
            4 => (prop::collection::vec((name(), inner.clone()), 0..7), space.clone()).prop_map(|(members, space)| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}{space}:{space}{value}")).collect();
                format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
            }),
            1 => (prop::collection::vec(inner, 0..4), space).prop_map(|(elements, space)| {
                format!("[{space}{}{space}]", elements.join(&format!(",{space}")))
            }),
        ]
    })
}

/// An object that has what a format looks for more often than chance would.
fn likely(path: &'static str) -> impl Strategy<Value = String> {
    let inside: &[&str] = match path {
        "/v1/chat/completions" | "/v1/embeddings" => {
            &["usage", "usage", "x_groq", "choices", "model", "type"]
        }
        "/v1/responses" => &["usage", "response", "type", "model"],
        "/v1/messages" => &["usage", "message", "type", "model"],
        "/v1/models/g:streamGenerateContent" => &["usageMetadata", "candidates", "modelVersion"],
        "/v1/interactions" => &["usage", "interaction", "metadata", "event_type"],
        "/publishers/google/models/e:predict" => &["predictions"],
        "/model/m/converse" => &["usage"],
        "/api/chat" => &["done", "prompt_eval_count", "eval_count", "model"],
        "/v2/chat" => &["usage", "delta", "meta", "type"],
        "/v2/models/m/generate_stream" => &[
            "num_input_tokens",
            "num_output_tokens",
            "num_output_tokens",
            "model_name",
        ],
        _ => &["tokens_evaluated", "tokens_predicted", "stop", "timings"],
    };
    let counts: Vec<&str> = NAMES[26..].to_vec();
    let usage = prop::collection::vec((prop::sample::select(counts), scalar()), 0..6)
        .prop_map(|members| {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        })
        .boxed();
    let elements = prop_oneof![
        usage.clone().prop_map(|usage| format!("[{{\"usage\":{usage}}}]")),
        prop::collection::vec(scalar(), 0..4).prop_map(|numbers| format!("[{}]", numbers.join(","))),
        prop::collection::vec(scalar(), 0..4).prop_map(|numbers| {
            let all: Vec<String> = numbers.iter().map(|number| format!("{{\"embeddings\":{{\"statistics\":{{\"token_count\":{number}}}}},\"finishReason\":{number}}}")).collect();
            format!("[{}]", all.join(","))
        }),
    ];
    let value = prop_oneof![3 => usage.clone(), 2 => elements, 2 => scalar(), 1 => json(), 1 => usage.prop_map(|usage| format!("{{\"usage\":{usage},\"tokens\":{usage},\"total_usage\":{usage}}}"))];
    prop::collection::vec((prop::sample::select(inside.to_vec()), value), 0..6).prop_map(
        |members| {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        },
    )
}

fn body(path: &'static str) -> impl Strategy<Value = (&'static str, String)> {
    let document = prop_oneof![3 => likely(path), 1 => json()];
    let documents = prop::collection::vec(document, 0..4);
    prop_oneof![
        documents.clone().prop_map(|documents| (
            "application/json",
            documents.first().cloned().unwrap_or_default()
        )),
        documents
            .clone()
            .prop_map(|documents| ("application/json", format!("[{}]", documents.join(",")))),
        documents
            .clone()
            .prop_map(|documents| ("application/x-ndjson", documents.join("\n"))),
        (
            documents,
            prop::sample::select(vec!["\n", "\r\n", "\r"]),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(documents, end, done, comments)| {
                let mut stream = String::new();
                for document in documents {
                    if comments {
                        write!(stream, ": data: {document}{end}event: x{end}").unwrap();
                    }
                    // Split into lines where a document may be.
                    let lines =
                        document.replacen("\":", &format!("\":{end}data: "), usize::from(comments));
                    write!(stream, "data: {lines}{end}{end}").unwrap();
                }
                if done {
                    write!(stream, "data: [DONE]{end}{end}").unwrap();
                }
                ("text/event-stream", stream)
            }),
    ]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    (prop::sample::select(PATHS.to_vec()), any::<bool>()).prop_flat_map(|(path, complete)| {
        body(path).prop_map(move |(content_type, body)| {
            let mut exchange = Exchange::new(path).answers(content_type, body);
            exchange.complete = complete;
            exchange
        })
    })
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
        served: usage
            .served_model
            .as_ref()
            .map(|model| model.as_str().to_owned()),
        is_final: usage.source == Some(Source::Reported),
    }
}

fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(6_000))]

    #[test]
    fn the_meter_says_what_a_parser_finds_in_the_whole_body(exchange in exchange(), cuts in prop::collection::vec(0_usize..600, 0..8)) {
        let usage = exchange.cut(&cuts);
        let content_type = &exchange.headers[0].1;
        // Text that was split into lines inside of a name is no JSON.
        if let Ok(expected) = reference::read(&exchange.path, content_type, &exchange.response, exchange.complete) {
            prop_assert_eq!(opinion(&usage), expected, "{}: {}", exchange.path, String::from_utf8_lossy(&exchange.response));
        }
    }

    #[test]
    fn bytes_that_are_anything_say_the_same_however_they_are_cut(
        exchange in exchange(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(0_usize..600, 0..8),
    ) {
        let mut exchange = exchange;
        for (index, byte) in changes {
            if !exchange.response.is_empty() {
                let at = index.index(exchange.response.len());
                exchange.response[at] = byte;
            }
        }
        prop_assert_eq!(exchange.cut(&cuts), exchange.whole());
    }

    #[test]
    fn the_request_names_the_model_that_a_parser_finds(body in json(), cuts in prop::collection::vec(0_usize..600, 0..8)) {
        let exchange = Exchange::new("/v1/chat/completions").asks(body.clone());
        let asked = exchange.cut(&cuts).model.map(|model| model.as_str().to_owned());
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        let expected = parsed.get("model").and_then(serde_json::Value::as_str)
            .filter(|name| !name.is_empty() && !name.contains(char::is_control));
        prop_assert_eq!(asked.as_deref(), expected, "{}", body);
    }
}

/// The reference has an opinion about nearly everything that is generated: it is not held against nothing.
#[test]
fn the_reference_reads_the_samples_as_the_meter_does() {
    let mut read = 0;
    for (file, path) in [
        ("chat.json", "/v1/chat/completions"),
        ("chat.sse", "/v1/chat/completions"),
        ("xai.json", "/v1/chat/completions"),
        ("moonshot.sse", "/v1/chat/completions"),
        ("deepseek.sse", "/v1/chat/completions"),
        ("groq.sse", "/v1/chat/completions"),
        ("vllm-two-choices.sse", "/v1/chat/completions"),
        ("embeddings.json", "/v1/embeddings"),
        ("responses.json", "/v1/responses"),
        ("responses.sse", "/v1/responses"),
        ("anthropic.json", "/v1/messages"),
        ("anthropic.sse", "/v1/messages"),
        ("anthropic-gateway.sse", "/v1/messages"),
        ("gemini.sse", "/v1/models/g:streamGenerateContent"),
        ("gemini-array.json", "/v1/models/g:streamGenerateContent"),
        ("interactions.sse", "/v1/interactions"),
        (
            "vertex-embeddings.json",
            "/publishers/google/models/e:predict",
        ),
        ("converse.json", "/model/m/converse"),
        ("ollama-chat.ndjson", "/api/chat"),
        ("cohere-chat.json", "/v2/chat"),
        ("cohere-chat.sse", "/v2/chat"),
        ("triton-generate.sse", "/v2/models/m/generate_stream"),
        ("llama-cpp.json", "/completion"),
    ] {
        let exchange = crate::samples::exchange(file, path);
        let content_type = match file.rsplit_once('.').unwrap().1 {
            "json" => "application/json",
            "sse" => "text/event-stream",
            _ => "application/x-ndjson",
        };
        let Ok(expected) = reference::read(path, content_type, &exchange.response, true) else {
            panic!("{file}: no opinion");
        };
        assert_eq!(opinion(&exchange.whole()), expected, "{file}");
        assert!(expected.counts.iter().any(Option::is_some), "{file}");
        read += 1;
    }
    assert_eq!(read, 23);
    assert!(matches!(
        reference::read("/api/chat", "application/json", b"{", true),
        Err(NoOpinion)
    ));
}
