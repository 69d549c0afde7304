//! What callers and servers send by mistake or on purpose. Tests are named after the rows of the threat catalogue.

use tenantgate::usage::{Meter, Source};

use crate::exchange::{Exchange, model, served, tokens};

const CHAT: &str = "/v1/chat/completions";

fn chat(response: &str) -> Exchange {
    Exchange::new(CHAT).json(response)
}

#[test]
fn use_01_only_the_member_at_its_place_counts() {
    let usage = r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}"#;
    for (name, body) in [
        (
            "in text",
            r#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"}}],"usage":USAGE}"#,
        ),
        (
            "in text that ends in backslashes",
            r#"{"choices":[{"message":{"content":"\\\\\"},\"usage\":{\"prompt_tokens\":1}\\"}}],"usage":USAGE}"#,
        ),
        (
            "in a tool call's arguments",
            r#"{"choices":[{"message":{"tool_calls":[{"arguments":{"usage":{"prompt_tokens":1}}}]}}],"usage":USAGE}"#,
        ),
        (
            "deeper",
            r#"{"a":{"usage":{"prompt_tokens":1}},"usage":USAGE}"#,
        ),
        (
            "inside itself",
            r#"{"usage":{"usage":{"prompt_tokens":1},"prompt_tokens":5,"completion_tokens":7}}"#,
        ),
        (
            "in an array",
            r#"{"usage":USAGE,"a":[{"usage":{"prompt_tokens":1}}]}"#,
        ),
        (
            "as an element",
            r#"{"usage":USAGE,"a":["usage",{"prompt_tokens":1}]}"#,
        ),
        (
            "as a value",
            r#"{"usage":USAGE,"a":"usage","b":{"prompt_tokens":1}}"#,
        ),
        (
            "below a count",
            r#"{"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":{"prompt_tokens":1}}}"#,
        ),
        (
            "a choice that is not the first",
            r#"{"choices":[{},{"usage":{"prompt_tokens":1}}],"usage":USAGE}"#,
        ),
        (
            "an object in place of choices",
            r#"{"choices":{"0":{"usage":{"prompt_tokens":1}}},"usage":USAGE}"#,
        ),
        (
            "another case",
            r#"{"Usage":{"prompt_tokens":1},"usage":USAGE,"uSAGE":{"prompt_tokens":1}}"#,
        ),
        (
            "written with escapes",
            r#"{"\u0075sag\u0065":{"prompt\u005ftokens":5,"completion_tokens":7}}"#,
        ),
        (
            "a name that begins alike",
            r#"{"usage":USAGE,"usage_":{"prompt_tokens":1},"usag":{"prompt_tokens":1}}"#,
        ),
        (
            "a name that ends in a quote",
            r#"{"usage":USAGE,"usage\"":{"prompt_tokens":1}}"#,
        ),
    ] {
        let read = chat(&body.replace("USAGE", usage)).however_cut();
        assert_eq!(tokens(&read), (Some(5), Some(7)), "{name}");
    }
}

#[test]
fn use_02_of_two_members_the_last_one_counts_with_all_that_is_in_it() {
    for (body, expected) in [
        (
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":2},"usage":{"prompt_tokens":3}}"#,
            (Some(3), None),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":2},"usage":null}"#,
            (None, None),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":2},"usage":{}}"#,
            (None, None),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"prompt_tokens":2,"completion_tokens":9}}"#,
            (Some(2), Some(9)),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"prompt_tokens":null,"completion_tokens":9}}"#,
            (None, Some(9)),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"prompt_tokens":-1,"completion_tokens":9}}"#,
            (None, Some(9)),
        ),
        (
            r#"{"choices":[{"usage":{"prompt_tokens":8,"completion_tokens":8}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            (Some(1), Some(2)),
        ),
        (
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":2},"choices":[{"usage":{"prompt_tokens":8,"completion_tokens":8}}]}"#,
            (Some(1), Some(2)),
        ),
        (
            r#"{"choices":[{"usage":{"prompt_tokens":8,"completion_tokens":8}}],"choices":[]}"#,
            (None, None),
        ),
    ] {
        assert_eq!(tokens(&chat(body).however_cut()), expected, "{body}");
    }
    // An array that is named twice is not added up twice, nor is an element's member.
    for body in [
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":9}}}],"predictions":[{"embeddings":{"statistics":{"token_count":3}}},{"embeddings":{"statistics":{"token_count":4}}}]}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":3}}},{"embeddings":{"statistics":{"token_count":9}},"embeddings":{"statistics":{"token_count":4}}}]}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":9,"token_count":null}}},{"embeddings":{"statistics":{"token_count":7}}}]}"#,
        r#"{"predictions":[{"embeddings":{"statistics":{"token_count":3}}},{"embeddings":{"statistics":{"token_count":9,"token_count":4}}},{"embeddings":{"statistics":{"token_count":5,"token_count":null}}}]}"#,
    ] {
        let usage = Exchange::new("/publishers/google/models/e:predict")
            .json(body)
            .however_cut();
        assert_eq!(tokens(&usage), (Some(7), Some(0)), "{body}");
    }
}

#[test]
fn use_06_depth_and_length_cost_no_memory_and_the_end_is_found() {
    let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":7}"#;
    let depth = 100_000;
    let digits = "9".repeat(1_000_000);
    for (name, body) in [
        (
            "arrays",
            format!(
                r#"{{"a":{}{},{usage}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            ),
        ),
        (
            "objects",
            format!(
                r#"{{"a":{}1{},{usage}}}"#,
                r#"{"a":"#.repeat(depth),
                "}".repeat(depth)
            ),
        ),
        (
            "a wanted place",
            format!(
                r#"{{"usage":{}1{},{usage}}}"#,
                r#"{"usage":"#.repeat(depth),
                "}".repeat(depth)
            ),
        ),
        (
            "text",
            format!(r#"{{"a":"{}",{usage}}}"#, "\\\"x".repeat(500_000)),
        ),
        (
            "a name",
            format!(r#"{{"{}":1,{usage}}}"#, "usage".repeat(100_000)),
        ),
        ("a number", format!(r#"{{"a":{digits},{usage}}}"#)),
        (
            "many members",
            format!("{{{}{usage}}}", r#""a":1,"#.repeat(100_000)),
        ),
        (
            "white space",
            format!(
                "{}{{{usage}{}}}",
                " ".repeat(1_000_000),
                "\n".repeat(1_000_000)
            ),
        ),
    ] {
        assert_eq!(tokens(&chat(&body).whole()), (Some(5), Some(7)), "{name}");
        assert_eq!(
            tokens(&chat(&body).cut(&[body.len() / 2, body.len() - 3])),
            (Some(5), Some(7)),
            "{name}"
        );
    }
    let huge = format!(r#"{{"usage":{{"prompt_tokens":{digits},"completion_tokens":0{digits}}}}}"#);
    assert_eq!(tokens(&chat(&huge).whole()), (Some(u64::MAX), None));
    let unended = format!(r#"{{"a":{}"#, "[".repeat(depth));
    assert_eq!(chat(&unended).whole().source, None);
}

#[test]
fn use_07_what_says_no_usage_is_unknown_and_not_zero() {
    for (name, exchange) in [
        ("an error in a 200", chat(r#"{"error":{"message":"no"}}"#)),
        (
            "a stream without usage",
            Exchange::new(CHAT)
                .events("data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\ndata: [DONE]\n\n"),
        ),
        ("an empty body", chat("")),
        ("an empty object", chat("{}")),
        ("no content type", Exchange::new(CHAT)),
        (
            "background work",
            Exchange::new("/v1/responses").json(r#"{"status":"queued","usage":null}"#),
        ),
        (
            "Vertex without counts",
            Exchange::new("/v1/models/g:generateContent")
                .json(r#"{"usageMetadata":{"trafficType":"ON_DEMAND"}}"#),
        ),
    ] {
        let usage = exchange.however_cut();
        assert_eq!(
            (tokens(&usage), usage.source),
            ((None, None), None),
            "{name}"
        );
    }
}

#[test]
fn use_07_an_error_in_a_stream_leaves_what_was_said_before_and_no_more() {
    let stream = "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: {\"error\":{\"message\":\"no\"}}\n\n";
    let usage = Exchange::new(CHAT).events(stream).however_cut();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(5), Some(1)), Some(Source::Partial))
    );
}

#[test]
fn use_08_only_a_number_that_is_a_count_is_one() {
    for (number, expected) in [
        ("7", Some(7)),
        ("7.0", Some(7)),
        ("7e0", Some(7)),
        ("-7", None),
        ("7.5", None),
        ("\"7\"", None),
        ("true", None),
        ("null", None),
        ("[7]", None),
        ("{\"a\":7}", None),
        ("NaN", None),
        ("1e999999999999", Some(u64::MAX)),
        ("99999999999999999999", Some(u64::MAX)),
    ] {
        let body = format!(r#"{{"usage":{{"completion_tokens":1,"prompt_tokens":{number}}}}}"#);
        assert_eq!(chat(&body).however_cut().input_tokens, expected, "{number}");
    }
}

#[test]
fn use_08_numbers_that_contradict_each_other_do_not_wrap_round() {
    let gemini = |metadata: &str| {
        tokens(
            &Exchange::new("/v1/models/g:generateContent")
                .json(format!(r#"{{"usageMetadata":{metadata}}}"#))
                .whole(),
        )
    };
    let max = u64::MAX;
    assert_eq!(
        gemini(r#"{"promptTokenCount":9,"totalTokenCount":2}"#),
        (Some(9), Some(0))
    );
    assert_eq!(
        gemini(&format!(
            r#"{{"promptTokenCount":{max},"toolUsePromptTokenCount":{max}}}"#
        )),
        (Some(max), None),
    );
    let claude = format!(
        r#"{{"usage":{{"input_tokens":{max},"cache_read_input_tokens":1,"output_tokens":{max}}}}}"#
    );
    assert_eq!(
        tokens(&Exchange::new("/v1/messages").json(claude).whole()),
        (Some(max), Some(max))
    );
    let xai = format!(
        r#"{{"usage":{{"prompt_tokens":1,"completion_tokens":{max},"total_tokens":{max},"completion_tokens_details":{{"reasoning_tokens":1}}}}}}"#
    );
    assert_eq!(tokens(&chat(&xai).whole()), (Some(1), Some(max)));
    let triton = format!(
        "data: {{\"num_output_tokens\":[{max},{max}]}}\n\ndata: {{\"num_output_tokens\":{max}}}\n\n"
    );
    assert_eq!(
        tokens(
            &Exchange::new("/v2/models/m/generate_stream")
                .events(triton)
                .whole()
        ),
        (None, Some(max))
    );
}

#[test]
fn what_is_not_json_says_nothing() {
    let good = r#"{"usage":{"prompt_tokens":5,"completion_tokens":7}"#;
    for bad in [
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7}]"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7]}"#,
        r#"{"usage":{"prompt_tokens":5,,"completion_tokens":7}}"#,
        r#"{"usage":{"prompt_tokens":5 "completion_tokens":7}}"#,
        r#"{"usage":{"prompt_tokens" 5,"completion_tokens":7}}"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},}"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},usage:1}"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},"a":}"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},"a":[}]}"#,
        r#"{"usage":{"prompt_tokens":5,"completion_tokens":7},"choices":[,]}"#,
        r#"}{"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
        r#""usage":{"prompt_tokens":5,"completion_tokens":7}"#,
        r#"[{"usage":{"prompt_tokens":5,"completion_tokens":7}}]"#,
        r#"<html>{"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
    ] {
        assert_eq!(chat(bad).however_cut().source, None, "{bad}");
    }
    // In a stream it is one document.
    let stream = format!("data: {good}}}\n\ndata: {good}]\n\ndata: [DONE]\n\n");
    let usage = Exchange::new(CHAT).events(stream).however_cut();
    assert_eq!(
        (tokens(&usage), usage.source),
        ((Some(5), Some(7)), Some(Source::Reported))
    );
}

#[test]
fn what_is_passed_over_is_not_judged() {
    for body in [
        r#"{"data":[{"embedding":[NaN,-Infinity,1.]}],"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
        r#"{"a":NaN,"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
        "{\"a\":\"tab\tand \u{1}\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}",
    ] {
        assert_eq!(
            tokens(&chat(body).however_cut()),
            (Some(5), Some(7)),
            "{body}"
        );
    }
    let mut latin = br#"{"a":"x","usage":{"prompt_tokens":5,"completion_tokens":7}}"#.to_vec();
    latin[6] = 0xE9;
    assert_eq!(
        tokens(&Exchange::new(CHAT).json(latin).however_cut()),
        (Some(5), Some(7))
    );
}

#[test]
fn use_09_a_name_that_no_log_should_hold_is_not_told() {
    for (name, expected) in [
        (r"m", Some("m")),
        (r"\u006d\/1", Some("m/1")),
        (r"\ud83d\ude00", Some("😀")),
        (r"\ud83d", None),
        (r"", None),
        (r"a\nb", None),
        (r"a\u0000", None),
        (r"a\u007f", None),
        (r"a\u009b31m", None),
    ] {
        let body = format!(r#"{{"model":"{name}","usage":{{}}}}"#);
        let usage = chat(&body).asks(body.clone()).however_cut();
        assert_eq!(
            (served(&usage), model(&usage)),
            (expected, expected),
            "{name}"
        );
    }
    for (length, is_told) in [(256, true), (257, false), (10_240, false)] {
        for letter in ["m", "\\u006d"] {
            let body = format!(r#"{{"model":"{}"}}"#, letter.repeat(length));
            let usage = chat("{}").asks(body).whole();
            assert_eq!(model(&usage).is_some(), is_told, "{length} of {letter}");
        }
    }
    let body = format!(r#"{{"a":1,"model":"m{}1"}}"#, char::from(9));
    assert_eq!(model(&chat("{}").asks(body).however_cut()), None);
}

#[test]
fn a_meter_that_was_told_nothing_says_nothing() {
    let mut meter = Meter::new("POST", CHAT, None).unwrap();
    meter.response_body(br#"{"model":"m","usage":{"prompt_tokens":5}}"#);
    assert_eq!(meter.finish(true), tenantgate::usage::Usage::default());
}
