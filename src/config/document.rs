//! Bytes to a document: what the proxy hands over, and what of it is the same for one meaning.
//!
//! Envoy passes a `StringValue` on as its text and a `Struct` as the serialized message. Knows nothing of fields.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::json::{self, NotStrictJson};

/// Deeper than any configuration that means something.
const MAX_DEPTH: usize = 32;

/// The first byte of a `Struct` with members: field 1, length-delimited.
const STRUCT_MEMBER: u8 = 0x0a;
/// Each member's value is field 2, length-delimited. As a character it is a control character, which JSON text cannot
/// hold (RFC 8259 section 7) but which every `Struct` with members does. [`STRUCT_MEMBER`] alone would not tell the two
/// apart: it is also a line feed.
const MEMBER_VALUE: u8 = 0x12;

/// Beyond this, not every integer is a double (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why there is no document.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum DocumentError {
    #[error("there is no configuration: set the plugin's `configuration` (Istio: `pluginConfig`)")]
    Empty,
    #[error("the configuration cannot be read: {0}")]
    Json(#[from] NotStrictJson),
    #[error("the configuration is neither JSON text nor a google.protobuf.Struct")]
    NotAStruct,
    #[error("the configuration holds a number that is not finite")]
    NotFinite,
    #[error("the configuration is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Reads JSON text or a serialized `Struct`.
pub(super) fn read(bytes: &[u8]) -> Result<Value, DocumentError> {
    if bytes.trim_ascii().is_empty() {
        return Err(DocumentError::Empty);
    }
    if bytes.first() == Some(&STRUCT_MEMBER) && bytes.contains(&MEMBER_VALUE) {
        // prost refuses messages that are nested too deep to recurse into.
        let message = prost_types::Struct::decode(bytes).map_err(|_| DocumentError::NotAStruct)?;
        return object(message);
    }
    Ok(json::parse(bytes)?)
}

/// The one form of all documents that mean the same: an integral number is an integer, as in a `Struct` all numbers
/// are doubles.
pub(super) fn normalize(document: Value) -> Result<Value, DocumentError> {
    normalize_below(document, MAX_DEPTH)
}

/// One text for each document: members sorted by name, no white space.
pub(super) fn canonical(document: &Value) -> String {
    match document {
        Value::Object(members) => {
            let mut sorted = BTreeMap::new();
            sorted.extend(members);
            let members: Vec<_> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(canonical).collect();
            format!("[{}]", elements.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn normalize_below(value: Value, levels: usize) -> Result<Value, DocumentError> {
    let below =
        |value| normalize_below(value, levels.checked_sub(1).ok_or(DocumentError::TooDeep)?);
    Ok(match value {
        Value::Array(elements) => {
            Value::Array(elements.into_iter().map(below).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let mut normal = Map::new();
            for (name, value) in members {
                normal.insert(name, below(value)?);
            }
            Value::Object(normal)
        }
        Value::Number(number) => Value::Number(integral(&number).unwrap_or(number)),
        other => other,
    })
}

/// The integer that a double stands for, if it certainly stands for one.
fn integral(number: &Number) -> Option<Number> {
    let double = number
        .as_f64()
        .filter(|double| number.is_f64() && double.fract() == 0.0 && double.abs() < EXACT)?;
    // Below 2^53 the conversion is exact.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it has no fraction and lies within 2^53"
    )]
    let integer = double as i64;
    Some(integer.into())
}

fn object(message: prost_types::Struct) -> Result<Value, DocumentError> {
    let mut members = Map::new();
    for (name, value) in message.fields {
        members.insert(name, member(value)?);
    }
    Ok(Value::Object(members))
}

fn member(message: prost_types::Value) -> Result<Value, DocumentError> {
    Ok(match message.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(double)) => {
            Value::Number(Number::from_f64(double).ok_or(DocumentError::NotFinite)?)
        }
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(
            list.values
                .into_iter()
                .map(member)
                .collect::<Result<_, _>>()?,
        ),
        Some(Kind::StructValue(message)) => object(message)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, DocumentError> {
        Ok(canonical(&normalize(read(bytes)?)?))
    }

    #[test]
    fn a_struct_and_a_text_are_told_apart() {
        let member = |text: &str| prost_types::Value {
            kind: Some(Kind::StringValue(text.into())),
        };
        for name in ["a", "{", "{\n", "\"clusters\"", " "] {
            let fields = [(name.to_owned(), member("}"))].into();
            let message = prost_types::Struct { fields }.encode_to_vec();
            assert_eq!(
                text(&message),
                Ok(canonical(&serde_json::json!({name: "}"}))),
                "{name:?}"
            );
        }
        for json in [
            "{}",
            "\n{}",
            "\n\n{\"a\": \"\n\"}".replace('\n', " ").as_str(),
            "\n{\n \"a\": 1}",
        ] {
            assert!(text(json.as_bytes()).is_ok(), "{json:?}");
        }
    }

    #[test]
    fn every_kind_of_value_means_the_same_in_a_struct_as_in_a_text() {
        use prost_types::ListValue;

        let of = |kind| prost_types::Value { kind: Some(kind) };
        let struct_of = |kinds: Vec<(&str, Kind)>| prost_types::Struct {
            fields: kinds
                .into_iter()
                .map(|(name, kind)| (name.to_owned(), of(kind)))
                .collect(),
        };
        let values = vec![of(Kind::BoolValue(true)), of(Kind::NumberValue(2.0))];
        let message = struct_of(vec![
            ("null", Kind::NullValue(0)),
            ("list", Kind::ListValue(ListValue { values })),
            ("object", Kind::StructValue(struct_of(vec![]))),
            ("text", Kind::StringValue("a".to_owned())),
        ]);
        let json = br#"{"null": null, "list": [true, 2], "object": {}, "text": "a"}"#;
        assert_eq!(text(&message.encode_to_vec()), text(json));
        let endless = struct_of(vec![("a", Kind::NumberValue(f64::INFINITY))]);
        let read = text(&endless.encode_to_vec());
        assert_eq!(read, Err(DocumentError::NotFinite));
    }

    #[test]
    fn what_is_no_document_is_said_to_be_none() {
        let json = |line, column| Err(DocumentError::Json(NotStrictJson::Syntax { line, column }));
        for (bytes, expected) in [
            (&b""[..], Err(DocumentError::Empty)),
            (b" \n", Err(DocumentError::Empty)),
            (b"{", json(1, 1)),
            (b"endpoints: []", json(1, 1)),
            (b"\xef\xbb\xbf{}", json(1, 1)),
            (b"\xff", Err(DocumentError::Json(NotStrictJson::NotUtf8))),
            (b"\x0a\x05\x12\xff\xff", Err(DocumentError::NotAStruct)),
            (
                br#"{"a": 1, "a": 2}"#,
                Err(DocumentError::Json(NotStrictJson::DuplicateMember {
                    line: 1,
                    column: 12,
                })),
            ),
        ] {
            assert_eq!(text(bytes), expected, "{}", bytes.escape_ascii());
        }
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(text(deep.as_bytes()), Err(DocumentError::TooDeep));
    }

    #[test]
    fn one_meaning_has_one_text() {
        for (json, expected) in [
            (
                r#"{"b": 1.0, "a": [ -0.0, 1.5, true, null ]}"#,
                r#"{"a":[0,1.5,true,null],"b":1}"#,
            ),
            (
                r#"{"a": 9007199254740993, "b": 1e300}"#,
                r#"{"a":9007199254740993,"b":1e+300}"#,
            ),
            (r#"{"\u0061\"": "\u00e9\n"}"#, "{\"a\\\"\":\"\u{e9}\\n\"}"),
        ] {
            assert_eq!(text(json.as_bytes()).as_deref(), Ok(expected), "{json}");
        }
    }
}
