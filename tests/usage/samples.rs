//! What each API sends, by its documentation and its servers: see `samples/`.

use std::fs;
use std::path::Path;

use tenantgate::usage::Source;

use crate::catalogue::SAMPLES;
use crate::exchange::{Exchange, served};

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
