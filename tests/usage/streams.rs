//! Streams: how events lie in the bytes, what adds up over them, and what says that they are over.

use tenantgate::usage::Source::{Partial, Reported};
use tenantgate::usage::{Source, Usage};

use crate::exchange::{Exchange, served, tokens};
use crate::samples::exchange;

const CHAT: &str = "/v1/chat/completions";

fn counted(usage: &Usage) -> (Option<u64>, Option<u64>, Option<Source>) {
    (usage.input_tokens, usage.output_tokens, usage.source)
}

#[test]
fn use_01_03_04_the_confusing_stream_is_twelve_tokens_at_every_split_and_with_every_end_of_line() {
    let stream = exchange("confusing.sse", CHAT).response;
    let stream = String::from_utf8(stream).unwrap();
    for end in ["\n", "\r\n", "\r"] {
        let usage = Exchange::new(CHAT)
            .events(stream.replace('\n', end))
            .however_cut();
        assert_eq!(
            counted(&usage),
            (Some(5), Some(7), Some(Reported)),
            "{end:?}"
        );
    }
}

#[test]
fn use_03_every_split_of_two_kilobytes_tells_the_same() {
    let chunk = |text: &str| {
        format!(
            "data: {{\"model\":\"m\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":null}}\n\n"
        )
    };
    let mut stream = String::new();
    while stream.len() < 2048 {
        stream.push_str(&chunk(
            "größer 😀 \\\"usage\\\":{\\\"prompt_tokens\\\":1} \u{2028} data: [DONE]",
        ));
    }
    stream.push_str("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n");
    for end in ["\n", "\r\n", "\r"] {
        let usage = Exchange::new(CHAT)
            .events(stream.replace('\n', end))
            .however_cut();
        assert_eq!(
            counted(&usage),
            (Some(5), Some(7), Some(Reported)),
            "{end:?}"
        );
    }
}

#[test]
fn use_04_comments_and_other_fields_say_nothing() {
    let usage = "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}";
    let noise = "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}";
    for (name, stream) in [
        ("a comment", format!("data: {usage}\n\n: {noise}\n\n")),
        (
            "a comment inside an event",
            format!("data: {usage}\n: {noise}\n\n"),
        ),
        (
            "an event's name",
            format!("data: {usage}\n\nevent: {noise}\n\n"),
        ),
        (
            "an id",
            format!("data: {usage}\n\nid: {noise}\nretry: {noise}\n\n"),
        ),
        (
            "another field",
            format!("data: {usage}\n\ndatum: {noise}\n\nDATA: {noise}\n\n data: {noise}\n\n"),
        ),
        ("no space", format!("data:{usage}\n\n")),
        ("a byte order mark", format!("\u{feff}data: {usage}\n\n")),
        ("no end of line at the end", format!("data: {usage}")),
        (
            "several lines",
            format!("data: {}\n\n", usage.replace(',', ",\ndata: ")),
        ),
        (
            "after the end",
            format!("data: {usage}\n\ndata: [DONE]\n\ndata: {noise}\n\n"),
        ),
        (
            "after the end, in its line",
            format!("data: {usage}\n\ndata: [DONE]{noise}\n\n"),
        ),
        (
            "a second document in an event",
            format!("data: {usage}{noise}\n\n"),
        ),
    ] {
        let read = Exchange::new(CHAT).events(stream).however_cut();
        assert_eq!(counted(&read), (Some(5), Some(7), Some(Reported)), "{name}");
    }
}

#[test]
fn use_04_done_inside_of_data_is_not_the_end() {
    for data in [
        "{\"a\":\"[DONE]\"}",
        " [DONE]",
        "[DONE",
        "[done]",
        "{}[DONE]",
        "x[DONE]",
    ] {
        let stream = format!(
            "data: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}}}}\n\ndata: {data}\n\ndata: {{\"choices\":[{{}}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":7}}}}\n\n"
        );
        let read = Exchange::new(CHAT).events(stream).however_cut();
        assert_eq!(counted(&read), (Some(5), Some(7), Some(Partial)), "{data}");
    }
}

#[test]
fn numbers_of_later_events_replace_earlier_ones_field_by_field() {
    let anthropic = |events: &[&str]| {
        let stream = format!("data: {}\n\n", events.join("\n\ndata: "));
        let usage = Exchange::new("/v1/messages").events(stream).however_cut();
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_input_tokens,
            usage.source,
        )
    };
    let start = r#"{"type":"message_start","message":{"model":"c","usage":{"input_tokens":20,"cache_read_input_tokens":300,"output_tokens":1}}}"#;
    for (name, events, expected) in [
        (
            "start alone",
            vec![start],
            (Some(320), Some(1), Some(300), Some(Partial)),
        ),
        (
            "what a delta leaves out stays",
            vec![
                start,
                r#"{"type":"message_delta","usage":{"output_tokens":9}}"#,
            ],
            (Some(320), Some(9), Some(300), Some(Reported)),
        ),
        (
            "null erases nothing",
            vec![
                start,
                r#"{"type":"message_delta","usage":{"output_tokens":9,"input_tokens":null,"cache_read_input_tokens":null}}"#,
            ],
            (Some(320), Some(9), Some(300), Some(Reported)),
        ),
        (
            "corrections go down",
            vec![
                start,
                r#"{"type":"message_delta","usage":{"output_tokens":9,"input_tokens":2,"cache_read_input_tokens":1}}"#,
            ],
            (Some(3), Some(9), Some(1), Some(Reported)),
        ),
        (
            "nothing but zeros replaces no number",
            vec![
                start,
                r#"{"type":"message_delta","usage":{"output_tokens":0,"input_tokens":0}}"#,
            ],
            (Some(320), Some(1), Some(300), Some(Reported)),
        ),
        (
            "a delta without output is not the last word",
            vec![
                start,
                r#"{"type":"message_delta","usage":{"input_tokens":20}}"#,
            ],
            (Some(320), Some(1), Some(300), Some(Partial)),
        ),
        (
            "the mark has to be in its place",
            vec![
                start,
                r#"{"type":"x","delta":{"type":"message_delta"},"usage":{"output_tokens":9}}"#,
            ],
            (Some(320), Some(9), Some(300), Some(Partial)),
        ),
    ] {
        assert_eq!(anthropic(&events), expected, "{name}");
    }
}

#[test]
fn zeros_where_nothing_is_known_are_zeros() {
    let usage = Exchange::new(CHAT)
        .json(r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#)
        .however_cut();
    assert_eq!(counted(&usage), (Some(0), Some(0), Some(Reported)));
}

#[test]
fn a_stream_is_whole_when_its_format_says_so() {
    let chunk =
        "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n";
    let last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n";
    let gemini = |more: &str| {
        format!(
            "data: {{\"candidates\":[{{}}{more}],\"usageMetadata\":{{\"promptTokenCount\":5,\"candidatesTokenCount\":7,\"totalTokenCount\":12}}}}\r\n\r\n"
        )
    };
    let triton = "data: {\"num_input_tokens\":5,\"num_output_tokens\":[3,4]}\n\n";
    let line =
        |done: &str| format!("{{\"done\":{done},\"prompt_eval_count\":5,\"eval_count\":7}}\n");
    let llama = |stop: &str| {
        format!("data: {{\"stop\":{stop},\"tokens_evaluated\":5,\"tokens_predicted\":7}}\n\n")
    };
    for (path, stream, ends_by_itself, expected) in [
        (CHAT, chunk.to_owned(), true, Partial),
        (CHAT, last.to_owned(), false, Reported),
        (CHAT, format!("{chunk}data: [DONE]\n\n"), false, Reported),
        (CHAT, format!("{chunk}data: [DON"), false, Partial),
        (
            "/v1/models/g:streamGenerateContent",
            gemini(""),
            true,
            Partial,
        ),
        (
            "/v1/models/g:streamGenerateContent",
            gemini(",{\"finishReason\":\"STOP\"}"),
            false,
            Reported,
        ),
        (
            "/v1/models/g:streamGenerateContent",
            gemini(",{\"finishReason\":null}"),
            true,
            Partial,
        ),
        (
            "/v2/models/m/generate_stream",
            triton.to_owned(),
            true,
            Reported,
        ),
        (
            "/v2/models/m/generate_stream",
            triton.to_owned(),
            false,
            Partial,
        ),
        ("/api/chat", line("false"), true, Partial),
        ("/api/chat", line("true"), false, Reported),
        ("/api/chat", line("\"true\""), true, Partial),
        ("/completion", llama("false"), true, Partial),
        ("/completion", llama("true"), false, Reported),
        ("/v1/completions", llama("true"), false, Reported),
    ] {
        let content_type = if path.starts_with("/api") {
            "application/x-ndjson"
        } else {
            "text/event-stream"
        };
        let mut exchange = Exchange::new(path).answers(content_type, stream.clone());
        exchange.complete = ends_by_itself;
        assert_eq!(
            counted(&exchange.however_cut()),
            (Some(5), Some(7), Some(expected)),
            "{path}: {stream}"
        );
    }
}

#[test]
fn an_answer_that_is_one_document_is_whole_with_it() {
    let body = r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},"choices":[{"#;
    let rest = "}]}";
    let usage = Exchange::new(CHAT)
        .json(format!("{body}{rest}"))
        .cut_short()
        .however_cut();
    assert_eq!(counted(&usage), (Some(5), Some(7), Some(Reported)));
    let usage = Exchange::new(CHAT).json(body).cut_short().however_cut();
    assert_eq!(counted(&usage), (Some(5), Some(7), Some(Partial)));
    // A number that has not ended is none.
    let usage = Exchange::new(CHAT)
        .json(r#"{"usage":{"prompt_tokens":5,"completion_tokens":7"#)
        .cut_short()
        .however_cut();
    assert_eq!(counted(&usage), (Some(5), None, Some(Partial)));
}

#[test]
fn several_prompts_to_llama_cpp_add_up_and_a_growing_array_of_geminis_does_not() {
    let two = r#"[{"stop":true,"tokens_evaluated":8,"tokens_predicted":3,"timings":{"cache_n":5}},{"stop":true,"tokens_evaluated":2,"tokens_predicted":1,"timings":{"cache_n":1}}]"#;
    for path in ["/completion", "/completions"] {
        let usage = Exchange::new(path).json(two).however_cut();
        assert_eq!(
            counted(&usage),
            (Some(10), Some(4), Some(Reported)),
            "{path}"
        );
        assert_eq!(usage.cached_input_tokens, Some(6), "{path}");
    }
    let usage = exchange("gemini-array.json", "/v1/models/g:streamGenerateContent").whole();
    assert_eq!(tokens(&usage), (Some(29), Some(16)));
    // Cut short in an element: what it said counts once.
    let usage = Exchange::new("/completion")
        .json(&two[..two.len() - 2])
        .cut_short()
        .however_cut();
    assert_eq!(tokens(&usage), (Some(10), Some(4)));
}

#[test]
fn counts_of_llama_cpp_that_ride_on_an_answer_in_openais_manner_are_ignored() {
    let body = r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},"timings":{"cache_n":3},"tokens_evaluated":1,"tokens_predicted":1}"#;
    let usage = Exchange::new("/v1/completions").json(body).however_cut();
    assert_eq!(
        (tokens(&usage), usage.cached_input_tokens),
        ((Some(5), Some(7)), None)
    );
}

#[test]
fn a_rerank_is_read_in_either_manner() {
    for (body, expected) in [
        (r#"{"usage":{"total_tokens":9}}"#, (Some(9), Some(0))),
        (
            r#"{"usage":{"prompt_tokens":8,"total_tokens":9}}"#,
            (Some(8), Some(1)),
        ),
        (
            r#"{"meta":{"billed_units":{"input_tokens":7}}}"#,
            (Some(7), Some(0)),
        ),
        (
            r#"{"meta":{"billed_units":{"search_units":1}}}"#,
            (None, None),
        ),
    ] {
        let usage = Exchange::new("/v1/rerank").json(body).however_cut();
        assert_eq!(tokens(&usage), expected, "{body}");
    }
    let chat = Exchange::new(CHAT)
        .json(r#"{"usage":{"total_tokens":9}}"#)
        .whole();
    assert_eq!(
        tokens(&chat),
        (None, None),
        "a total alone is no input where something is generated"
    );
}

#[test]
fn tokens_used_by_one_step_of_an_interaction_are_not_its_total() {
    let running = "data: {\"event_type\":\"step.delta\",\"metadata\":{\"total_usage\":{\"total_input_tokens\":12,\"total_output_tokens\":2}}}\n\ndata: {\"event_type\":\"step.stop\",\"step_usage\":{\"total_input_tokens\":1,\"total_output_tokens\":1}}\n\n";
    let usage = Exchange::new("/v1/interactions")
        .events(running)
        .however_cut();
    assert_eq!(counted(&usage), (Some(12), Some(2), Some(Partial)));
}

#[test]
fn an_empty_model_is_no_model_and_the_last_one_named_counts() {
    let stream = "data: {\"model\":\"\"}\n\ndata: {\"model\":\"a\"}\n\ndata: {\"model\":\"b\"}\n\ndata: {\"model\":null}\n\n";
    let usage = Exchange::new(CHAT).events(stream).however_cut();
    assert_eq!(served(&usage), Some("b"));
}
