//! A field of the file, read so that what is wrong with it keeps nothing else from being read.
//!
//! serde stops at the first error. A [`Field`] never fails: it keeps what stands there until somebody who knows its place
//! reads it, and then says what is wrong with it, and which names its object should not have. Messages name types, never
//! values: what stands in the wrong place may be a secret.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

/// What the file has at some place, to be read as a `T`. `#[serde(default)]` makes a field optional; without it, one
/// that is not there is [`Field::Missing`].
///
/// To know the type only when it is read keeps the code of all objects small: it spares a twentieth of the module.
#[derive(Default)]
pub(crate) enum Field<T> {
    /// Nothing, which is allowed.
    #[default]
    Absent,
    /// Nothing, which is not.
    Missing,
    /// This.
    Written(Value, PhantomData<T>),
}

/// What a field was read as.
pub(crate) enum Reading<T> {
    /// There is nothing.
    Absent,
    /// Not what was expected, for this reason.
    Bad(String),
    /// This.
    Good {
        value: T,
        /// Members of the object that mean nothing.
        unknown: Vec<UnknownMember>,
    },
}

/// A member that means nothing where it stands.
#[derive(Debug)]
pub(crate) struct UnknownMember {
    pub name: String,
    known: &'static [&'static str],
}

impl<T> Field<T> {
    /// A field that has this value.
    pub fn written(value: Value) -> Self {
        Self::Written(value, PhantomData)
    }

    fn cast<U>(self) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Missing => Field::Missing,
            Self::Written(value, _) => Field::written(value),
        }
    }
}

impl<T> Field<Vec<Field<T>>> {
    /// The same list, its elements not yet looked at.
    pub fn elements(self) -> Field<Vec<Value>> {
        self.cast()
    }
}

impl<T> Field<BTreeMap<String, Field<T>>> {
    /// The same object, its members not yet looked at.
    pub fn members(self) -> Field<BTreeMap<String, Value>> {
        self.cast()
    }
}

impl<T: DeserializeOwned> Field<T> {
    /// Reads it.
    pub fn read(self) -> Reading<T> {
        let value = match self {
            Self::Absent => return Reading::Absent,
            Self::Missing => return Reading::Bad("is required".to_owned()),
            Self::Written(value, _) => value,
        };
        let unknown = RefCell::default();
        match T::deserialize(Node {
            value,
            unknown: &unknown,
        }) {
            Ok(value) => Reading::Good {
                value,
                unknown: unknown.into_inner(),
            },
            Err(Complaint(message)) => Reading::Bad(message),
        }
    }
}

impl<'de, T> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any value can be read as a `Value`; that none is there is the only way to fail.
        Ok(Value::deserialize(deserializer).map_or(Self::Missing, Self::written))
    }
}

/// Whether there is something, never what: any field may hold a secret that was meant for another.
impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Missing => "Missing",
            Self::Written(..) => "Written",
        })
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

impl fmt::Display for UnknownMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known.iter().find(|known| is_near(&self.name, known)) {
            Some(meant) => write!(f, "unknown field; did you mean `{meant}`?"),
            None => write!(
                f,
                "unknown field; known here are {}",
                alternatives(self.known, "and")
            ),
        }
    }
}

/// What was found where something else should be, for an error message. It holds no content.
pub(super) fn unexpected(value: &Value) -> Unexpected<'static> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(_) => Unexpected::Float(0.0),
        Value::String(_) => Unexpected::Str(""),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

/// A value on its way into a type. Types are told apart strictly: an object is no list, a number is no string.
struct Node<'a> {
    value: Value,
    unknown: &'a RefCell<Vec<UnknownMember>>,
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let unknown = self.unknown;
        let node = |value| Node { value, unknown };
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(integer), _) => visitor.visit_u64(integer),
                (None, Some(integer)) => visitor.visit_i64(integer),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(elements) => {
                visitor.visit_seq(SeqDeserializer::new(elements.into_iter().map(node)))
            }
            Value::Object(members) => visitor.visit_map(MapDeserializer::new(
                members.into_iter().map(|(name, value)| (name, node(value))),
            )),
        }
    }

    /// The one place that sees both the names there are and the names there should be.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let members = self.members_among(fields, &visitor)?;
        visitor.visit_map(MapDeserializer::new(members.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match self.value {
            Value::String(text) => {
                let text: StringDeserializer<Complaint> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            other => Err(Complaint::invalid_type(
                unexpected(&other),
                &alternatives(variants, "or").as_str(),
            )),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'a> Node<'a> {
    /// The members of the object that have one of these names.
    fn members_among(
        self,
        names: &'static [&'static str],
        expected: &dyn Expected,
    ) -> Result<Vec<(String, Node<'a>)>, Complaint> {
        let unknown = self.unknown;
        let Value::Object(members) = self.value else {
            return Err(Complaint::invalid_type(unexpected(&self.value), expected));
        };
        let mut known = Vec::new();
        for (name, value) in members {
            if names.contains(&name.as_str()) {
                known.push((name, Node { value, unknown }));
            } else {
                unknown
                    .borrow_mut()
                    .push(UnknownMember { name, known: names });
            }
        }
        Ok(known)
    }
}

impl IntoDeserializer<'_, Complaint> for Node<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Why a value is not of a type.
#[derive(Debug)]
struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Complaint {}

impl Error for Complaint {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wording(expected);
        let (found, quotable) = match found {
            Unexpected::Float(_) if expected == WHOLE_NUMBER => ("a fraction", false),
            Unexpected::Unit | Unexpected::Option => ("null", false),
            Unexpected::Bool(_) => ("true or false", true),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => {
                ("a number", true)
            }
            Unexpected::Str(_) | Unexpected::Char(_) => ("a string", false),
            Unexpected::Seq => ("a list", false),
            _ => ("an object", false),
        };
        let hint = if quotable && expected == "a string" {
            "; put it in quotes"
        } else {
            ""
        };
        Self(format!("must be {expected}, not {found}{hint}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("must be {}", wording(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = expected.iter().find(|known| is_near(variant, known));
        let hint = hint
            .map(|meant| format!("; did you mean `{meant}`?"))
            .unwrap_or_default();
        Self(format!("must be {}{hint}", alternatives(expected, "or")))
    }
}

const WHOLE_NUMBER: &str = "a whole number of 0 or more";

/// serde's names of types, in the words of the file.
fn wording(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u64" => WHOLE_NUMBER.to_owned(),
        name if name.starts_with("struct ") => "an object".to_owned(),
        _ => words,
    }
}

fn alternatives(names: &[&str], conjunction: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
    }
}

/// Whether two names are the same but for case, dashes, and one character too many, too few, wrong or out of place.
pub(crate) fn is_near(written: &str, known: &str) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let (written, known) = (plain(written), plain(known));
    if written == known {
        return true;
    }
    // One edit in a name of two letters makes anything of it.
    if known.chars().count() < 3 {
        return false;
    }
    let same_start = written
        .chars()
        .zip(known.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = |name: &str| name.chars().skip(same_start).collect::<Vec<_>>();
    let (mut written, mut known) = (rest(&written), rest(&known));
    while written.last().is_some() && written.last() == known.last() {
        written.pop();
        known.pop();
    }
    match (written.as_slice(), known.as_slice()) {
        ([_] | [], [_] | []) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        for (written, known) in [
            ("algoritms", "algorithms"),
            ("audiences", "audience"),
            ("jwksUri", "jwks_uri"),
            ("Tenant-Claim", "tenant_claim"),
            ("mehtods", "methods"),
            ("pathx", "path"),
            ("hots", "hosts"),
        ] {
            assert!(is_near(written, known), "{written} {known}");
        }
        for (written, known) in [
            ("upstream_auth", "authorizer"),
            ("", "path"),
            ("key", "keys_sha"),
            ("x", "id"),
            ("user", "path"),
        ] {
            assert!(!is_near(written, known), "{written} {known}");
        }
    }
}
