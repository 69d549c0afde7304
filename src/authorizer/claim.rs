//! Where a claim stands in a token, and what an endpoint requires of it.
//!
//! Judges claims that were verified elsewhere; it never sees a token.

use serde_json::{Map, Number, Value};
use thiserror::Error;

/// The place of a claim: its name, or a dotted path that reaches inside objects.
///
/// A claim whose whole name is the text comes first (`https://example.com/tenant` has dots of its own). Where the
/// token also has something at the end of the path, it is not certain which is meant, and the claim counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(String);

/// A text is no claim path.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be a claim's name or a dotted path of names, such as `realm_access.roles`")]
pub struct NotAClaimPath;

impl TryFrom<String> for ClaimPath {
    type Error = NotAClaimPath;

    fn try_from(text: String) -> Result<Self, NotAClaimPath> {
        let named = !text.is_empty() && text.split('.').any(|step| !step.is_empty());
        if named {
            Ok(Self(text))
        } else {
            Err(NotAClaimPath)
        }
    }
}

impl ClaimPath {
    /// As the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The claim, if it is there and there is no doubt which one is meant.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let whole = claims.get(&self.0);
        let descended = self.0.contains('.').then(|| self.descend(claims)).flatten();
        match (whole, descended) {
            (Some(_), Some(_)) => None,
            (found, None) | (None, found) => found,
        }
    }

    fn descend<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let mut steps = self.0.split('.');
        let first = claims.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.as_object()?.get(step))
    }
}

/// What an endpoint requires of the claims of a token.
#[derive(Clone, Debug, Default)]
pub struct RequiredClaims(Vec<(ClaimPath, Requirement)>);

/// What is required of one claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Requirement {
    /// The claim equals this.
    Equals(Scalar),
    /// Each of these is in the claim: an array, or a space-separated string (RFC 8693 section 4.2).
    All(Vec<Scalar>),
    /// At least one of these is in the claim.
    AnyOf(Vec<Scalar>),
}

/// A string, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text, compared byte for byte.
    Text(String),
    /// A number, compared by value.
    Number(Number),
    /// True or false.
    Bool(bool),
}

impl RequiredClaims {
    /// Adds a requirement.
    pub fn add(&mut self, path: ClaimPath, requirement: Requirement) {
        self.0.push((path, requirement));
    }

    /// Whether the claims have all that is required.
    pub fn hold(&self, claims: &Map<String, Value>) -> bool {
        self.0.iter().all(|(path, requirement)| {
            path.find(claims)
                .is_some_and(|claim| requirement.holds(claim))
        })
    }

    /// The requirements, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &(ClaimPath, Requirement)> {
        self.0.iter()
    }
}

impl Requirement {
    fn holds(&self, claim: &Value) -> bool {
        match self {
            Self::Equals(scalar) => scalar.equals(claim),
            Self::All(items) => items.iter().all(|item| item.is_in(claim)),
            Self::AnyOf(items) => items.iter().any(|item| item.is_in(claim)),
        }
    }
}

impl Scalar {
    fn is_in(&self, claim: &Value) -> bool {
        match claim {
            Value::Array(members) => members.iter().any(|member| self.equals(member)),
            Value::String(list) => {
                matches!(self, Self::Text(text) if !text.is_empty() && list.split(' ').any(|word| word == text))
            }
            _ => false,
        }
    }

    fn equals(&self, claim: &Value) -> bool {
        match (self, claim) {
            (Self::Text(text), Value::String(claim)) => text == claim,
            (Self::Text(text), Value::Number(claim)) => {
                number_in_disguise(text).is_some_and(|n| same(&n, claim))
            }
            (Self::Number(number), Value::Number(claim)) => same(number, claim),
            (Self::Bool(flag), Value::Bool(claim)) => flag == claim,
            _ => false,
        }
    }
}

/// Envoy hands a number of its YAML over as a string where the number is not an integer below 2^53, so such a text may
/// have been written as a number. One that would have arrived as a number was written as a string.
fn number_in_disguise(text: &str) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: Number = serde_json::from_str(text).ok()?;
    let arrives_as_number = number
        .as_f64()
        .is_some_and(|value| value.fract() == 0.0 && value.abs() < EXACT);
    (!arrives_as_number).then_some(number)
}

fn same(one: &Number, other: &Number) -> bool {
    one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn clm_14_a_path_finds_one_claim_or_none() {
        let path = ClaimPath::try_from("realm.tenant".to_owned()).unwrap();
        for (value, expected) in [
            (json!({"realm": {"tenant": "t2"}}), Some("t2")),
            (json!({"realm.tenant": "t1"}), Some("t1")),
            (
                json!({"realm": {"tenant": "t2"}, "realm.tenant": "t1"}),
                None,
            ),
            (json!({"realm": "tenant"}), None),
            (json!({"realm": [{"tenant": "t2"}]}), None),
            (json!({"tenant": "t1"}), None),
        ] {
            assert_eq!(
                path.find(&claims(&value)).and_then(Value::as_str),
                expected,
                "{value}"
            );
        }
        let namespaced = ClaimPath::try_from("https://example.com/tenant".to_owned()).unwrap();
        assert!(
            namespaced
                .find(&claims(&json!({"https://example.com/tenant": "t1"})))
                .is_some()
        );
        for text in ["", ".", ".."] {
            assert_eq!(ClaimPath::try_from(text.to_owned()), Err(NotAClaimPath));
        }
    }

    #[test]
    fn a_scalar_must_equal_the_claim() {
        for (scalar, claim, expected) in [
            (text("a"), json!("a"), true),
            (text("a"), json!("A"), false),
            (text("a"), json!("a b"), false),
            (text("a"), json!(["a"]), false),
            (text("5"), json!(5), false),
            (text("1.5"), json!(1.5), true),
            (
                text("9007199254740993"),
                json!(9_007_199_254_740_993_u64),
                true,
            ),
            (text("true"), json!(true), false),
            (Scalar::Number(5.into()), json!(5), true),
            (Scalar::Number(5.into()), json!(5.0), true),
            (Scalar::Number(5.into()), json!("5"), false),
            (Scalar::Bool(true), json!(true), true),
            (Scalar::Bool(true), json!(1), false),
            (text("null"), json!(null), false),
        ] {
            assert_eq!(
                Requirement::Equals(scalar.clone()).holds(&claim),
                expected,
                "{scalar:?} {claim}"
            );
        }
    }

    #[test]
    fn clm_15_a_list_is_looked_for_in_an_array_or_in_the_words_of_a_string() {
        let all = Requirement::All(vec![text("a"), text("b")]);
        let any = Requirement::AnyOf(vec![text("a"), text("b")]);
        for (claim, every, some) in [
            (json!("a b"), true, true),
            (json!("b x a"), true, true),
            (json!(["b", "a"]), true, true),
            (json!("a"), false, true),
            (json!(["a"]), false, true),
            (json!("ab"), false, false),
            (json!("a  b"), true, true),
            (json!("a\tb"), false, false),
            (json!(["a b"]), false, false),
            (json!([["a", "b"]]), false, false),
            (json!({"a": 1, "b": 1}), false, false),
            (json!(null), false, false),
        ] {
            assert_eq!(all.holds(&claim), every, "all in {claim}");
            assert_eq!(any.holds(&claim), some, "any in {claim}");
        }
    }

    #[test]
    fn an_absent_claim_meets_no_requirement() {
        let mut required = RequiredClaims::default();
        required.add(
            ClaimPath::try_from("scp".to_owned()).unwrap(),
            Requirement::All(vec![]),
        );
        assert!(!required.hold(&Map::new()));
        assert!(required.hold(&claims(&json!({"scp": ""}))));
    }
}
