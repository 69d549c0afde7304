//! JSON from outside, read strictly: one text, one meaning.
//!
//! Two parsers that disagree about the same bytes are two opinions about who is calling. So everything that is not
//! plain RFC 8259 is refused here: a member named twice at any depth (RFC 7519 section 4 leaves rejecting them or
//! taking the last one to us; RFC 8725 section 2.6 says why it matters), bytes that are not UTF-8, a byte order mark,
//! anything after the value, numbers that do not fit, and nesting deeper than `serde_json` recurses (128).
//!
//! This room knows nothing about what the JSON means.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Why bytes are not the JSON we take. It names a place and no content: what is refused may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStrictJson {
    /// RFC 8259 section 8.1: JSON text exchanged between systems MUST be UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON, more than one JSON value, nested too deep, or a number out of range.
    #[error("not JSON (line {line}, column {column})")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// One object names a member twice, however the name is escaped.
    #[error("a member is named twice (line {line}, column {column})")]
    DuplicateMember {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// JSON, but an object was asked for.
    #[error("not a JSON object")]
    NotAnObject,
    /// JSON, but a list was asked for.
    #[error("not a list")]
    NotAList,
}

impl From<serde_json::Error> for NotStrictJson {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            // The visitors below take what they are given; their one complaint is the duplicate.
            Category::Data => Self::DuplicateMember { line, column },
            Category::Io | Category::Syntax | Category::Eof => Self::Syntax { line, column },
        }
    }
}

/// Reads one JSON object.
///
/// # Errors
/// When the bytes are not strict JSON, or not an object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, NotStrictJson> {
    match parse(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(NotStrictJson::NotAnObject),
    }
}

/// Reads one JSON value of any type.
///
/// # Errors
/// When the bytes are not strict JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, NotStrictJson> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotStrictJson::NotUtf8)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one object a level deep: each member with its value as the text that it is, syntax checked and no more. For
/// documents in which one bad part must not spoil the others.
///
/// # Errors
/// When the bytes are not JSON, not an object, or an object that names a member twice.
pub fn parse_members(bytes: &[u8]) -> Result<BTreeMap<String, &RawValue>, NotStrictJson> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotStrictJson::NotUtf8)?;
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        // Anything else that is JSON.
        serde_json::from_str::<de::IgnoredAny>(text)?;
        return Err(NotStrictJson::NotAnObject);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(members)
}

/// Reads a list, and hands each element over as it comes, until one is not taken. For lists that are too long to stand in
/// memory beside what is made of them.
///
/// # Errors
/// When it is no list, or an element names a member twice.
pub fn each_element(
    list: &RawValue,
    take: &mut dyn FnMut(Value) -> bool,
) -> Result<(), NotStrictJson> {
    if !list.get().starts_with('[') {
        return Err(NotStrictJson::NotAList);
    }
    let mut deserializer = serde_json::Deserializer::from_str(list.get());
    Ok(deserializer.deserialize_seq(Elements(take))?)
}

struct Elements<'t>(&'t mut dyn FnMut(Value) -> bool);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element_seed(Strict)? {
            if !(self.0)(element) {
                // What is left was looked through before; it is not worth building.
                while elements.next_element::<de::IgnoredAny>()?.is_some() {}
            }
        }
        Ok(())
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, &'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, &RawValue>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is named twice"));
            }
        }
        Ok(object)
    }
}

/// Builds the `Value` itself instead of asking `serde_json` for one: its own keeps the last of two members, and gives
/// a member named `$serde_json::private::RawValue` a meaning that no other parser knows.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Strict)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Occupied(_) => return Err(de::Error::custom("a member is named twice")),
                Entry::Vacant(place) => place.insert(members.next_value_seed(Strict)?),
            };
        }
        Ok(Value::Object(object))
    }
}
