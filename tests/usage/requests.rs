//! The request's side: which model was asked for, and how much of a body that takes.

use tenantgate::usage::{Format, Interest, Meter, Source};

use crate::exchange::{Exchange, model, served};

const CHAT: &str = "/v1/chat/completions";

fn asked(body: &str) -> Option<String> {
    let usage = Exchange::new(CHAT).asks(body).however_cut();
    model(&usage).map(str::to_owned)
}

#[test]
fn use_09_the_last_of_two_models_counts_wherever_they_stand() {
    for (body, expected) in [
        (r#"{"model":"a","messages":[]}"#, Some("a")),
        (
            r#"{"messages":[{"content":"\"model\":\"x\""}],"model":"a"}"#,
            Some("a"),
        ),
        (r#"{"model":"a","model":"b"}"#, Some("b")),
        (r#"{"model":"a","mod\u0065l":"b"}"#, Some("b")),
        (
            r#"{"model":"a","messages":[{"model":"x"}],"tools":[{"model":"x"}],"metadata":{"model":"x"}}"#,
            Some("a"),
        ),
        (r#"{"model":"a","Model":"x","MODEL":"x"}"#, Some("a")),
        (r#"{"model":"a","model":null}"#, None),
        (r#"{"model":"a","model":7}"#, None),
        (r#"{"model":["a"]}"#, None),
        (r#"[{"model":"a"}]"#, None),
        (r#"{"model":"a"]"#, None),
        (r#"{"model":"a"}{"model":"b"}"#, Some("a")),
        ("", None),
    ] {
        assert_eq!(asked(body).as_deref(), expected, "{body}");
    }
    // Nor does a query name one: no server of this API reads it there.
    let usage = Exchange::new("/v1/chat/completions?model=x").asks(r#"{"model":"a"}"#);
    assert_eq!(model(&usage.however_cut()), Some("a"));
}

#[test]
fn a_body_is_wanted_until_its_document_ends_and_no_longer() {
    let mut meter = Meter::new("POST", CHAT, None).unwrap();
    assert_eq!(
        meter.request_head(Some(b"application/json"), None),
        Interest::Body
    );
    let body = br#" {"model":"a","messages":[{}],"model":"b"}"#;
    for byte in &body[..body.len() - 1] {
        assert_eq!(meter.request_body(&[*byte]), Interest::Body);
    }
    assert_eq!(meter.request_body(b"}"), Interest::Nothing);
    assert_eq!(meter.request_body(br#"{"model":"c"}"#), Interest::Nothing);
    assert_eq!(meter.finish(true).model.unwrap().as_str(), "b");
}

#[test]
fn use_10_a_body_is_read_by_its_path_and_not_by_what_its_type_claims() {
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json"),
    ] {
        let mut exchange = Exchange::new("/api/chat").asks(r#"{"model":"m"}"#);
        exchange.request_type = content_type.map(str::to_owned);
        assert_eq!(
            model(&exchange.however_cut()),
            Some("m"),
            "{content_type:?}"
        );
    }
    let mut meter = Meter::new("POST", CHAT, None).unwrap();
    assert_eq!(meter.request_head(None, None), Interest::Body);
    assert_eq!(
        meter.request_body(b"model=m&usage="),
        Interest::Body,
        "it may be a number as yet"
    );
    assert_eq!(meter.request_head(None, None), Interest::Body);
    assert_eq!(meter.request_body(b"--boundary,"), Interest::Nothing);
    assert_eq!(
        meter.request_head(Some(b"application/json"), Some(b"gzip")),
        Interest::Nothing
    );
}

#[test]
fn use_10_the_answer_has_to_be_what_it_says() {
    let body = r#"{"model":"m","usage":{"prompt_tokens":5,"completion_tokens":7}}"#;
    for (content_type, expected) in [
        ("application/json", Some(5)),
        (" Application/JSON ; charset=utf-8", Some(5)),
        ("application/x-ndjson", Some(5)),
        ("text/event-stream", None),
        ("text/plain", None),
        ("text/html", None),
        ("application/jsonp", None),
        ("", None),
    ] {
        let usage = Exchange::new(CHAT)
            .answers(content_type, body)
            .however_cut();
        assert_eq!(usage.input_tokens, expected, "{content_type:?}");
    }
}

#[test]
fn use_10_a_form_names_its_model() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\r\n--\0\r\n--b--\r\n";
    let mut exchange = Exchange::new("/v1/audio/transcriptions").asks(body);
    exchange.request_type = Some("multipart/form-data; boundary=b".to_owned());
    assert_eq!(model(&exchange.however_cut()), Some("whisper-1"));
    exchange.request_type = Some("multipart/form-data".to_owned());
    assert_eq!(model(&exchange.however_cut()), None);
}

#[test]
fn where_the_path_names_the_model_no_body_is_read_for_it() {
    for (path, expected) in [
        ("/openai/deployments/d/chat/completions?api-version=1", "d"),
        ("/v1beta/models/g:generateContent", "g"),
        ("/model/a%2Fb/invoke", "a/b"),
        ("/v2/models/m/infer", "m"),
    ] {
        let mut meter = Meter::new("POST", path, None).unwrap();
        assert_eq!(
            meter.request_head(Some(b"application/json"), None),
            Interest::Nothing,
            "{path}"
        );
        assert_eq!(meter.request_body(br#"{"model":"x"}"#), Interest::Nothing);
        assert_eq!(
            meter.finish(true).model.unwrap().as_str(),
            expected,
            "{path}"
        );
    }
}

#[test]
fn the_answers_model_stands_in_where_the_request_names_none() {
    let usage = Exchange::new("/v1/responses")
        .asks(r#"{"prompt":{"id":"p"}}"#)
        .json(r#"{"model":"m-0101","usage":null}"#)
        .however_cut();
    assert_eq!(
        (model(&usage), served(&usage)),
        (Some("m-0101"), Some("m-0101"))
    );
    let usage = Exchange::new("/v1/responses")
        .asks(r#"{"model":"m"}"#)
        .json(r#"{"model":"m-0101","usage":null}"#)
        .however_cut();
    assert_eq!((model(&usage), served(&usage)), (Some("m"), Some("m-0101")));
    let usage = Exchange::new("/v1/interactions")
        .asks(r#"{"agent":"a"}"#)
        .json("{}")
        .whole();
    assert_eq!(model(&usage), Some("a"));
}

#[test]
fn headers_fill_what_the_body_leaves_empty() {
    let invoke = |body: &str| {
        let usage = Exchange::new("/model/m/invoke")
            .header("x-amzn-bedrock-input-token-count", "90")
            .header("x-amzn-bedrock-output-token-count", "20")
            .json(body)
            .however_cut();
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.source.map(Source::as_str),
        )
    };
    assert_eq!(
        invoke(r#"{"prompt_token_count":9,"generation_token_count":2}"#),
        (Some(9), Some(2), Some("reported"))
    );
    assert_eq!(
        invoke(r#"{"prompt_token_count":9}"#),
        (Some(9), Some(20), Some("reported"))
    );
    assert_eq!(invoke("{}"), (Some(90), Some(20), Some("reported")));

    let tgi = Exchange::new("/generate")
        .header("x-prompt-tokens", "6")
        .json(r#"[{"details":{"generated_tokens":2}}]"#)
        .however_cut();
    assert_eq!((tgi.input_tokens, tgi.output_tokens), (Some(6), Some(2)));

    for (number, expected) in [
        ("6", Some(6)),
        (" 6 ", Some(6)),
        ("-6", None),
        ("6.0", None),
        ("", None),
        ("99999999999999999999", Some(u64::MAX)),
    ] {
        let mut tei = Exchange::new("/embed")
            .header("x-compute-tokens", number)
            .json("[[0.1]]");
        tei.told = Some(Format::Tei);
        assert_eq!(tei.whole().input_tokens, expected, "{number}");
        assert_eq!(tei.whole().output_tokens, expected.map(|_| 0), "{number}");
    }
}

#[test]
fn json_in_front_of_tensors_is_read() {
    let body = b"{\"model_name\":\"resnet\",\"outputs\":[{\"parameters\":{\"binary_data_size\":4}}]}\0\"{[";
    let usage = Exchange::new("/v2/models/r/infer")
        .header("inference-header-content-length", "70")
        .answers("application/octet-stream", *body)
        .however_cut();
    assert_eq!((model(&usage), served(&usage)), (Some("r"), Some("resnet")));
}

#[test]
fn only_a_post_uses_anything() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "post", ""] {
        assert!(Meter::new(method, CHAT, None).is_none(), "{method}");
    }
    assert!(Meter::new("POST", CHAT, None).is_some());
    assert!(Meter::new("POST", "/v1/moderations", None).is_none());
}
