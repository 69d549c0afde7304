//! Strict JSON, apart from any token.

use serde_json::json;
use tenantgate::json::{NotStrictJson, parse, parse_members, parse_object};

#[test]
fn plain_json_means_what_it_says() {
    let text = r#" {"a":[1,-2,3.5,1e3,true,false,null,"\u00e4\ud83d\ude00\/"],"b":{"a":{}},"":18446744073709551615} "#;
    let value =
        json!({"a": [1, -2, 3.5, 1000.0, true, false, null, "ä😀/"], "b": {"a": {}}, "": u64::MAX});
    assert_eq!(parse(text.as_bytes()), Ok(value.clone()));
    assert_eq!(
        parse_object(text.as_bytes()).map(serde_json::Value::Object),
        Ok(value)
    );
    assert_eq!(parse(b"7"), Ok(json!(7)));
    assert_eq!(parse_object(b"7"), Err(NotStrictJson::NotAnObject));
}

#[test]
fn a_member_named_twice_is_refused_where_it_stands() {
    let text = "{\"a\":1,\n \"b\":[{\"c\":1, \"\\u0063\":2}]}";
    let Err(NotStrictJson::DuplicateMember { line, column }) = parse(text.as_bytes()) else {
        panic!("accepted")
    };
    assert_eq!(line, 2);
    assert!(column > 15, "{column}");
    assert!(parse(text.replace("\\u0063", "C").as_bytes()).is_ok());
}

#[test]
fn a_number_too_large_to_hold_is_refused_and_not_made_infinite() {
    assert!(parse(b"1e308").is_ok());
    assert!(matches!(parse(b"1e309"), Err(NotStrictJson::Syntax { .. })));
    assert!(matches!(
        parse(b"-1e309"),
        Err(NotStrictJson::Syntax { .. })
    ));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(127).as_bytes()).is_ok());
    assert!(matches!(
        parse(nested(128).as_bytes()),
        Err(NotStrictJson::Syntax { .. })
    ));
    assert!(matches!(
        parse(nested(1_000_000).as_bytes()),
        Err(NotStrictJson::Syntax { .. })
    ));
}

#[test]
fn one_level_can_be_read_without_the_rest() {
    let members = parse_members(br#"{"bad":{"x":1,"x":2},"good":[1]}"#).unwrap();
    assert_eq!(members["bad"].get(), r#"{"x":1,"x":2}"#);
    assert_eq!(members["good"].get(), "[1]");
    assert!(matches!(
        parse_members(br#"{"a":1,"a":2}"#),
        Err(NotStrictJson::DuplicateMember { .. })
    ));
    assert!(matches!(
        parse_members(br#"{"a":1}x"#),
        Err(NotStrictJson::Syntax { .. })
    ));
    assert_eq!(
        parse_members(b" []").unwrap_err(),
        NotStrictJson::NotAnObject
    );
    assert!(matches!(
        parse_members(b"<html>"),
        Err(NotStrictJson::Syntax { .. })
    ));
    assert_eq!(parse_members(b"\xff").unwrap_err(), NotStrictJson::NotUtf8);
}
