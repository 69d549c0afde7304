//! TOK, the form of a token: segments, base64, JSON, size.

use serde_json::json;
use tenantgate::authorizer::jwt::{Cause, Jws, MAX_TOKEN_BYTES, Malformed, Segment};
use tenantgate::json::NotStrictJson;

use crate::tokens::Token;
use crate::{judge, malformed, now};

#[test]
fn the_baseline_token_is_admitted() {
    let claims = judge().admits(Token::good().sign(now()));
    assert_eq!(claims.claims()["tenant"], "t1");
    assert_eq!(
        claims.expires_at(),
        now() + jiff::SignedDuration::from_mins(5)
    );
}

#[test]
fn tok_01_and_02_an_unsecured_token_is_refused_however_none_is_spelt() {
    for none in ["none", "nOnE", "None", "NONE", "none "] {
        let token = Token::good().header("alg", none);
        let input = token.signing_input(now());
        judge().refuses_as(
            none,
            format!("{input}."),
            malformed(Malformed::NotThreeSegments),
        );
        judge().refuses_as(none, format!("{input}.AAAA"), Cause::AlgorithmNotAllowed);
        judge().refuses_as(none, token.sign(now()), Cause::AlgorithmNotAllowed);
    }
    // RFC 7519 section 6.1, with other claims.
    judge().refuses(
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoiYXBpIiwic3ViIjoidTEiLCJleHAiOjQxMDI0NDQ4MDB9.",
        malformed(Malformed::NotThreeSegments),
    );
}

#[test]
fn tok_17_and_18_a_member_named_twice_is_refused_at_any_depth() {
    let good = r#""iss":"https://idp.test","aud":"api","exp":4102444800"#;
    judge().admits(Token::good().claims_text(format!("{{{good}}}")).sign(now()));
    for more in [
        r#""sub":"u1","sub":"admin""#,
        r#""sub":"u1","sub":"u1""#,
        r#""tenant":"t1","tenant":"t2""#,
        r#""exp":1"#,
        r#""\u0069ss":"https://evil""#,
        r#""realm":{"tenant":"t1","tenant":"t2"}"#,
        r#""deep":[{"a":[{"b":1,"\u0062":2}]}]"#,
    ] {
        let text = format!("{{{good},{more}}}");
        refuses_json(
            more,
            &Token::good().claims_text(text),
            Segment::Claims,
            Reason::Duplicate,
        );
    }
    for header in [
        r#"{"alg":"RS256","alg":"HS256","kid":"r1"}"#,
        r#"{"alg":"RS256","alg":"RS256","kid":"r1"}"#,
        r#"{"alg":"RS256","\u0061lg":"none","kid":"r1"}"#,
        r#"{"alg":"RS256","kid":"r1","kid":"x"}"#,
        r#"{"alg":"RS256","kid":"r1","other":{"a":1,"a":1}}"#,
    ] {
        refuses_json(
            header,
            &Token::good().header_text(header),
            Segment::Header,
            Reason::Duplicate,
        );
    }
}

#[test]
fn tok_19_what_is_not_strict_json_is_refused() {
    let good = r#"{"iss":"https://idp.test","aud":"api","exp":4102444800,"x":"VALUE"}"#;
    let inside = |bytes: &[u8]| {
        let (before, after) = good.split_once("VALUE").unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    judge().admits(
        Token::good()
            .claims_text(inside("ä\\u0000".as_bytes()))
            .sign(now()),
    );
    for (what, text, reason) in [
        ("the byte ff", inside(&[0xff]), Reason::NotUtf8),
        ("an overlong slash", inside(&[0xc0, 0xaf]), Reason::NotUtf8),
        (
            "UTF-8 of a surrogate",
            inside(&[0xed, 0xa0, 0x80]),
            Reason::NotUtf8,
        ),
        ("a lone surrogate", inside(br"\ud800"), Reason::Syntax),
        ("NUL in a string", inside(&[0]), Reason::Syntax),
        ("a newline in a string", inside(b"\n"), Reason::Syntax),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            Reason::Syntax,
        ),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Reason::Syntax,
        ),
        (
            "a comment",
            good.replace(":4102444800", ":/**/4102444800").into(),
            Reason::Syntax,
        ),
        (
            "NaN",
            good.replace("4102444800", "NaN").into(),
            Reason::Syntax,
        ),
        (
            "1e400",
            good.replace("4102444800", "1e400").into(),
            Reason::Syntax,
        ),
        (
            "single quotes",
            good.replace('"', "'").into(),
            Reason::Syntax,
        ),
        (
            "a trailing comma",
            good.replace('}', ",}").into(),
            Reason::Syntax,
        ),
        (
            "a second value",
            format!("{good}{{}}").into(),
            Reason::Syntax,
        ),
        ("a trailing NUL", format!("{good}\0").into(), Reason::Syntax),
        ("an array", b"[]".to_vec(), Reason::NotAnObject),
        ("null", b"null".to_vec(), Reason::NotAnObject),
        ("a string", br#""x""#.to_vec(), Reason::NotAnObject),
        ("a number", b"1".to_vec(), Reason::NotAnObject),
        ("a space", b" ".to_vec(), Reason::Syntax),
    ] {
        refuses_json(
            what,
            &Token::good().claims_text(&text),
            Segment::Claims,
            reason,
        );
        refuses_json(
            what,
            &Token::good().header_text(&text),
            Segment::Header,
            reason,
        );
    }
}

#[test]
fn tok_20_a_token_is_measured_before_it_is_taken_apart() {
    // The header's filling makes up for the lengths that base64 leaves out.
    let filled = |header: usize, claims: usize| {
        Token::good()
            .header("f", "x".repeat(header))
            .claim("f", "x".repeat(claims))
            .sign(now())
    };
    let room = (MAX_TOKEN_BYTES - filled(0, 0).len()) * 3 / 4;
    let of_length = |bytes: usize| {
        let mut sizes =
            (0..3).flat_map(|header| (room - 8..room + 8).map(move |claims| (header, claims)));
        let (header, claims) = sizes
            .find(|size| filled(size.0, size.1).len() == bytes)
            .unwrap();
        filled(header, claims)
    };
    judge().admits(of_length(MAX_TOKEN_BYTES));
    judge().refuses(
        of_length(MAX_TOKEN_BYTES + 1),
        malformed(Malformed::TooLong),
    );
    judge().refuses("a".repeat(1 << 20), malformed(Malformed::TooLong));
    judge().refuses(".".repeat(1_000_000), malformed(Malformed::TooLong));
    judge().refuses(
        ".".repeat(MAX_TOKEN_BYTES),
        malformed(Malformed::NotThreeSegments),
    );
}

#[test]
fn tok_20_what_is_nested_too_deep_or_counts_too_far_is_refused() {
    let good = r#"{"iss":"https://idp.test","aud":"api","exp":4102444800,"x":VALUE}"#;
    let with = |value: &str| Token::good().claims_text(good.replace("VALUE", value));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    judge().admits(with(&nested(100)).sign(now()));
    for depth in [128, 1000, 5000] {
        refuses_json(
            &depth.to_string(),
            &with(&nested(depth)),
            Segment::Claims,
            Reason::Syntax,
        );
    }
    judge().admits(with(&"9".repeat(300)).sign(now()));
    refuses_json(
        "digits",
        &with(&"9".repeat(10_000)),
        Segment::Claims,
        Reason::Syntax,
    );
}

#[test]
fn tok_21_anything_but_three_segments_is_refused() {
    let good = Token::good().sign(now());
    let [header, claims, signature] = good
        .split('.')
        .collect::<Vec<_>>()
        .try_into()
        .expect("three segments");
    for token in [
        String::new(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.AAAA.AAAA.{claims}.{signature}"),
        format!(".{good}"),
        format!("{good}."),
        format!("{header}..{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}."),
        "..".to_owned(),
        "...".to_owned(),
    ] {
        judge().refuses_as(&token, &token, malformed(Malformed::NotThreeSegments));
    }
    judge().admits(good);
}

#[test]
fn tok_22_each_segment_has_one_spelling() {
    let good = Token::good().sign(now());
    judge().admits(&good);
    for (index, segment) in [Segment::Header, Segment::Claims, Segment::Signature]
        .into_iter()
        .enumerate()
    {
        for (what, change) in [
            (
                "padding",
                (|text: &str| format!("{text}=")) as fn(&str) -> String,
            ),
            ("two paddings", |text| format!("{text}==")),
            ("escaped padding", |text| format!("{text}%3D")),
            ("the other alphabet, +", |text| format!("+{}", &text[1..])),
            ("the other alphabet, /", |text| format!("/{}", &text[1..])),
            ("a space inside", |text| {
                format!("{} {}", &text[..4], &text[4..])
            }),
            ("a tab inside", |text| {
                format!("{}\t{}", &text[..4], &text[4..])
            }),
            ("a line break inside", |text| {
                format!("{}\r\n{}", &text[..4], &text[4..])
            }),
            ("a newline at the end", |text| format!("{text}\n")),
            ("one character too many", |text| {
                format!("{text}{}", &"AAAAA"[..(5 - text.len() % 4) % 4])
            }),
            ("a question mark", |text| {
                format!("{}?{}", &text[..4], &text[5..])
            }),
            ("a NUL", |text| format!("{}\0{}", &text[..4], &text[5..])),
        ] {
            let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
            parts[index] = change(&parts[index]);
            let why = malformed(Malformed::NotBase64Url(segment));
            judge().refuses_as(&format!("{what} in {segment:?}"), parts.join("."), why);
        }
    }
}

#[test]
fn tok_22_unused_bits_must_be_zero() {
    // A length that is not a multiple of 3 leaves unused bits in the last character.
    let parts = |token: &Token| {
        token
            .sign(now())
            .split('.')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let token = ["", "x", "xx"]
        .into_iter()
        .map(|filling| Token::good().header("f", filling).claim("f", filling))
        .find(|token| parts(token).iter().all(|part| part.len() % 4 != 0))
        .expect("a header and claims that are so");
    judge().admits(token.sign(now()));
    for (index, segment) in [Segment::Header, Segment::Claims, Segment::Signature]
        .into_iter()
        .enumerate()
    {
        let mut parts = parts(&token);
        let last = parts[index].pop().unwrap();
        // The next character of the alphabet differs in the lowest bit, which is unused.
        parts[index].push(char::from(u8::try_from(last).unwrap() + 1));
        judge().refuses(parts.join("."), malformed(Malformed::NotBase64Url(segment)));
    }
}

#[test]
fn tok_23_the_json_serialization_is_no_token() {
    let good = Token::good().sign(now());
    let [protected, payload, signature] = good
        .split('.')
        .collect::<Vec<_>>()
        .try_into()
        .expect("three segments");
    let flattened = json!({"protected": protected, "payload": payload, "signature": signature});
    let general = json!({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]});
    judge().refuses(
        flattened.to_string(),
        malformed(Malformed::NotThreeSegments),
    );
    judge().refuses(general.to_string(), malformed(Malformed::NotThreeSegments));
    // Compact and JSON at once: the JSON hides in what would be the header.
    let polyglot = format!(r#"{{"payload":"{payload}","x":".{good}"}}"#);
    judge().refuses(polyglot, malformed(Malformed::NotThreeSegments));
    let polyglot = format!("{{\"a\":\"{good}\"}}");
    judge().refuses(
        polyglot,
        malformed(Malformed::NotBase64Url(Segment::Header)),
    );
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Reason {
    NotUtf8,
    Syntax,
    Duplicate,
    NotAnObject,
}

#[track_caller]
fn refuses_json(what: &str, token: &Token, segment: Segment, reason: Reason) {
    match Jws::parse(token.sign(now()).as_bytes()) {
        Err(Malformed::NotJson(at, why)) => {
            let why = match why {
                NotStrictJson::NotUtf8 => Reason::NotUtf8,
                NotStrictJson::Syntax { .. } => Reason::Syntax,
                NotStrictJson::DuplicateMember { .. } => Reason::Duplicate,
                NotStrictJson::NotAnObject | NotStrictJson::NotAList => Reason::NotAnObject,
            };
            assert_eq!((at, why), (segment, reason), "{what}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn tok_19_a_member_that_serde_json_uses_privately_means_nothing() {
    let hidden = r#"{"$serde_json::private::RawValue":"{\"tenant\":\"t9\"}","iss":"https://idp.test","aud":"api","exp":4102444800}"#;
    let claims = judge().admits(Token::good().claims_text(hidden).sign(now()));
    assert_eq!(
        claims.claims()["$serde_json::private::RawValue"],
        r#"{"tenant":"t9"}"#
    );
    let nested = r#"{"x":{"$serde_json::private::RawValue":"[1]"},"iss":"https://idp.test","aud":"api","exp":4102444800}"#;
    let claims = judge().admits(Token::good().claims_text(nested).sign(now()));
    assert!(claims.claims()["x"].is_object());
}
