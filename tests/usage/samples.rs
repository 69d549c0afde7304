//! What each API sends, by its documentation and its servers: see `samples/`.

use std::fs;
use std::path::Path;

use tenantgate::usage::Source;

use crate::exchange::{Exchange, served};

/// The file, the path that was asked, the model that served (if the answer says it), and the counts: input, output, cached
/// input, input written to a cache, reasoning.
type Sample = (
    &'static str,
    &'static str,
    &'static str,
    [Option<u64>; 5],
    Option<Source>,
);

const SAMPLES: &[Sample] = &[
    (
        "chat.json",
        "/v1/chat/completions",
        "m1-0101",
        [Some(11), Some(7), Some(4), None, Some(3)],
        Some(Source::Reported),
    ),
    (
        "chat.sse",
        "/v1/chat/completions",
        "m1-0101",
        [Some(11), Some(7), Some(4), None, Some(3)],
        Some(Source::Reported),
    ),
    (
        "completion.json",
        "/v1/completions",
        "m1",
        [Some(5), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "embeddings.json",
        "/v1/embeddings",
        "e1",
        [Some(3), Some(0), None, None, None],
        Some(Source::Reported),
    ),
    (
        "xai.json",
        "/v1/chat/completions",
        "g1",
        [Some(10), Some(30), None, None, Some(28)],
        Some(Source::Reported),
    ),
    (
        "moonshot.sse",
        "/v1/chat/completions",
        "k1",
        [Some(10), Some(2), Some(8), None, None],
        Some(Source::Reported),
    ),
    (
        "deepseek.sse",
        "/chat/completions",
        "d1",
        [Some(10), Some(2), Some(6), None, None],
        Some(Source::Reported),
    ),
    (
        "groq.sse",
        "/openai/v1/chat/completions",
        "l1",
        [Some(10), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "responses.json",
        "/v1/responses",
        "m2-0101",
        [Some(30), Some(12), Some(16), Some(0), Some(8)],
        Some(Source::Reported),
    ),
    (
        "responses.sse",
        "/v1/responses",
        "m2-0101",
        [Some(30), Some(12), Some(16), Some(0), Some(8)],
        Some(Source::Reported),
    ),
    (
        "image.json",
        "/v1/images/generations",
        "",
        [Some(9), Some(272), None, None, None],
        Some(Source::Reported),
    ),
    (
        "image.sse",
        "/v1/images/generations",
        "",
        [Some(9), Some(272), None, None, None],
        Some(Source::Reported),
    ),
    (
        "transcription.json",
        "/v1/audio/transcriptions",
        "",
        [Some(14), Some(3), None, None, None],
        Some(Source::Reported),
    ),
    (
        "transcription-by-duration.json",
        "/v1/audio/transcriptions",
        "",
        [None, None, None, None, None],
        None,
    ),
    (
        "transcription.sse",
        "/v1/audio/transcriptions",
        "",
        [Some(14), Some(3), None, None, None],
        Some(Source::Reported),
    ),
    (
        "speech.sse",
        "/v1/audio/speech",
        "",
        [Some(6), Some(90), None, None, None],
        Some(Source::Reported),
    ),
    (
        "azure.sse",
        "/openai/deployments/d/chat/completions?api-version=1",
        "m1-0101",
        [Some(5), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "anthropic.json",
        "/v1/messages",
        "c1-0101",
        [Some(420), Some(9), Some(300), Some(100), Some(4)],
        Some(Source::Reported),
    ),
    (
        "anthropic.sse",
        "/v1/messages?beta=true",
        "c1-0101",
        [Some(420), Some(9), Some(300), Some(100), Some(4)],
        Some(Source::Reported),
    ),
    (
        "anthropic-gateway.sse",
        "/v1/messages",
        "c1",
        [Some(31), Some(12), None, None, None],
        Some(Source::Reported),
    ),
    (
        "gemini.json",
        "/v1beta/models/g:generateContent",
        "gemini-x-001",
        [Some(29), Some(16), Some(8), None, Some(10)],
        Some(Source::Reported),
    ),
    (
        "gemini-thoughts-inside.json",
        "/v1beta/models/g:generateContent",
        "gemini-x-001",
        [Some(25), Some(16), None, None, Some(10)],
        Some(Source::Reported),
    ),
    (
        "gemini.sse",
        "/v1beta/models/g:streamGenerateContent?alt=sse",
        "gemini-x-001",
        [Some(29), Some(16), Some(8), None, Some(10)],
        Some(Source::Reported),
    ),
    (
        "gemini-array.json",
        "/v1beta/models/g:streamGenerateContent",
        "gemini-x-001",
        [Some(29), Some(16), Some(8), None, Some(10)],
        Some(Source::Reported),
    ),
    (
        "vertex.sse",
        "/v1beta1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent?alt=sse",
        "gemini-x-001",
        [Some(28), Some(60), None, None, Some(59)],
        Some(Source::Reported),
    ),
    (
        "vertex-embeddings.json",
        "/v1/projects/p/locations/l/publishers/google/models/e:predict",
        "",
        [Some(7), Some(0), None, None, None],
        Some(Source::Reported),
    ),
    (
        "interactions.json",
        "/v1beta/interactions",
        "gemini-x",
        [Some(12), Some(10), Some(5), None, Some(6)],
        Some(Source::Reported),
    ),
    (
        "interactions.sse",
        "/v1/interactions",
        "gemini-x",
        [Some(12), Some(10), Some(5), None, Some(6)],
        Some(Source::Reported),
    ),
    (
        "invoke-llama.json",
        "/model/m/invoke",
        "",
        [Some(9), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "converse.json",
        "/model/m/converse",
        "",
        [Some(60), Some(7), Some(40), Some(2), None],
        Some(Source::Reported),
    ),
    (
        "converse-metadata.eventstream",
        "/model/m/converse-stream",
        "",
        [Some(3), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "invoke-chunk.eventstream",
        "/model/m/invoke-with-response-stream",
        "",
        [Some(3), Some(2), None, None, None],
        Some(Source::Partial),
    ),
    (
        "ollama-chat.json",
        "/api/chat",
        "ll:8b",
        [Some(13), Some(4), None, None, None],
        Some(Source::Reported),
    ),
    (
        "ollama-embed.json",
        "/api/embed",
        "nom",
        [Some(3), Some(0), None, None, None],
        Some(Source::Reported),
    ),
    (
        "ollama-chat.ndjson",
        "/api/chat",
        "ll:8b",
        [Some(13), Some(4), None, None, None],
        Some(Source::Reported),
    ),
    (
        "ollama-completions.sse",
        "/v1/completions",
        "ll",
        [Some(13), Some(4), None, None, None],
        Some(Source::Reported),
    ),
    (
        "vllm-two-choices.sse",
        "/v1/chat/completions",
        "q",
        [Some(5), Some(5), None, None, None],
        Some(Source::Reported),
    ),
    (
        "tgi.json",
        "/generate",
        "",
        [None, Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "tgi.sse",
        "/generate_stream",
        "",
        [Some(6), Some(2), None, None, None],
        Some(Source::Reported),
    ),
    (
        "llama-cpp.json",
        "/completion",
        "q.gguf",
        [Some(8), Some(3), Some(5), None, None],
        Some(Source::Reported),
    ),
    (
        "kserve-infer.json",
        "/v2/models/resnet/infer",
        "resnet",
        [None, None, None, None, None],
        None,
    ),
    (
        "triton-generate.json",
        "/v2/models/llm/generate",
        "llm",
        [None, None, None, None, None],
        None,
    ),
    (
        "triton-generate.sse",
        "/v2/models/llm/generate_stream",
        "llm",
        [Some(7), Some(3), None, None, None],
        Some(Source::Reported),
    ),
    (
        "kserve-v1.json",
        "/v1/models/m:predict",
        "",
        [None, None, None, None, None],
        None,
    ),
    (
        "mistral.json",
        "/v1/chat/completions",
        "mi-x",
        [Some(14), Some(5), Some(8), None, None],
        Some(Source::Reported),
    ),
    (
        "mistral.sse",
        "/v1/chat/completions",
        "mi-x",
        [Some(14), Some(5), Some(8), None, None],
        Some(Source::Reported),
    ),
    (
        "cohere-chat.json",
        "/v2/chat",
        "",
        [Some(71), Some(3), Some(16), None, None],
        Some(Source::Reported),
    ),
    (
        "cohere-embed.json",
        "/v2/embed",
        "",
        [Some(2), Some(0), None, None, None],
        Some(Source::Reported),
    ),
    (
        "cohere-rerank.json",
        "/v2/rerank",
        "",
        [None, None, None, None, None],
        None,
    ),
    (
        "cohere-chat.sse",
        "/v2/chat",
        "",
        [Some(71), Some(3), Some(16), None, None],
        Some(Source::Reported),
    ),
    (
        "confusing.sse",
        "/v1/chat/completions",
        "",
        [Some(5), Some(7), None, None, None],
        Some(Source::Reported),
    ),
];

pub fn exchange(file: &str, path: &str) -> Exchange {
    let body = fs::read(Path::new("tests/usage/samples").join(file)).unwrap();
    let content_type = match file.rsplit_once('.').unwrap().1 {
        "json" => "application/json; charset=utf-8",
        "sse" => "Text/Event-Stream;charset=utf-8",
        "ndjson" => "application/x-ndjson",
        "eventstream" => "application/vnd.amazon.eventstream",
        other => panic!("{other}"),
    };
    Exchange::new(path).answers(content_type, body)
}

#[test]
fn every_sample_is_read_and_however_it_is_cut() {
    for (file, path, model, counts, source) in SAMPLES {
        let usage = exchange(file, path).however_cut();
        assert_eq!(served(&usage).unwrap_or_default(), *model, "{file}");
        let read = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.cache_write_input_tokens,
            usage.reasoning_tokens,
        ];
        assert_eq!(read, *counts, "{file}");
        assert_eq!(usage.source, *source, "{file}");
    }
}

#[test]
fn every_sample_file_is_in_the_table() {
    let mut files: Vec<String> = fs::read_dir("tests/usage/samples")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut named: Vec<&str> = SAMPLES.iter().map(|(file, ..)| *file).collect();
    files.sort();
    named.sort_unstable();
    assert_eq!(files, named);
}

#[test]
fn a_sample_that_is_cut_short_never_tells_more_than_the_whole_one_and_is_never_called_whole_without_its_end()
 {
    for (file, path, ..) in SAMPLES {
        // Each of its two deltas might be the last: nothing but the next one says that it was not.
        if *file == "anthropic-gateway.sse" {
            continue;
        }
        let exchange = exchange(file, path);
        let whole = exchange.whole();
        for end in 0..exchange.response.len() {
            let mut cut = exchange.clone().cut_short();
            cut.response.truncate(end);
            let usage = cut.whole();
            if usage.source == Some(Source::Reported) {
                assert_eq!(usage, whole, "{file} up to {end}");
            }
        }
    }
}

#[test]
fn an_answer_that_is_no_success_has_no_counts() {
    for (file, path, ..) in SAMPLES {
        for status in [0, 100, 199, 300, 302, 400, 429, 500, 65_535] {
            let mut exchange = exchange(file, path);
            exchange.status = status;
            let usage = exchange.whole();
            assert_eq!(
                (usage.source, usage.input_tokens, served(&usage)),
                (None, None, None),
                "{file}, {status}"
            );
        }
    }
}

#[test]
fn an_operators_word_is_taken_over_the_paths() {
    for (file, path, _, counts, _) in SAMPLES {
        let by_path = exchange(file, path).whole();
        let format = match *file {
            "chat.sse" => "openai",
            "anthropic.sse" => "anthropic",
            "llama-cpp.json" => "llama.cpp",
            "tgi.sse" => "tgi",
            "cohere-embed.json" => "cohere",
            _ => continue,
        };
        let mut told = exchange(file, "/my/own/embed");
        told.told = tenantgate::usage::Format::named(format);
        assert_eq!(told.whole().input_tokens, by_path.input_tokens, "{file}");
        assert_eq!(
            told.whole().output_tokens.unwrap_or(0),
            counts[1].unwrap_or(0),
            "{file}"
        );
    }
}
