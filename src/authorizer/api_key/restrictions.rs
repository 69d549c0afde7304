//! What an API key may be limited to: a time, endpoints, models.

use std::fmt;

use jiff::Timestamp;
use thiserror::Error;

use super::Refusal;
use crate::usage::ModelName;

/// When a key holds and what it may call. What is `None` limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Until then it does not hold yet.
    pub not_before: Option<Timestamp>,
    /// From then on it holds no more.
    pub expires_at: Option<Timestamp>,
    /// The names of the endpoints that it may call.
    pub endpoints: Option<Vec<String>>,
    /// The models that it may call.
    pub models: Option<Vec<ModelPattern>>,
}

impl Restrictions {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the key holds now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn hold_at(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        if self.not_before.is_some_and(|start| now < start) {
            return Err(Refusal::NotYet);
        }
        Ok(())
    }

    /// Whether the key may call the endpoint of that name.
    pub fn allow_endpoint(&self, name: &str) -> bool {
        self.endpoints
            .as_ref()
            .is_none_or(|endpoints| endpoints.iter().any(|endpoint| endpoint == name))
    }

    /// Whether the key may call that model.
    pub fn allow_model(&self, name: &ModelName) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.iter().any(|model| model.matches(name)))
    }

    /// That the time in which the key holds is one.
    ///
    /// # Errors
    /// What to mend.
    pub fn check_life(&self) -> Result<(), &'static str> {
        match (self.not_before, self.expires_at) {
            (Some(start), Some(end)) if end <= start => {
                Err("must be later than `not_before`, or the key never holds")
            }
            _ => Ok(()),
        }
    }
}

/// A model, or all whose name begins so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPattern {
    text: String,
    is_prefix: bool,
}

/// A text names no models.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be the name of a model, or the beginning of one and `*`")]
pub struct NotAModelPattern;

impl TryFrom<String> for ModelPattern {
    type Error = NotAModelPattern;

    fn try_from(text: String) -> Result<Self, NotAModelPattern> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text.as_str(), false),
        };
        let is_name = ModelName::new(name.as_bytes()).is_some() && name.trim() == name;
        if !is_name || name.contains('*') {
            return Err(NotAModelPattern);
        }
        Ok(Self {
            text: name.to_owned(),
            is_prefix,
        })
    }
}

impl ModelPattern {
    /// Byte for byte: to servers, names that differ in case are different models or no models at all.
    fn matches(&self, name: &ModelName) -> bool {
        if self.is_prefix {
            let rest = name.as_str().strip_prefix(self.text.as_str());
            // Gateways take a list apart at commas, and file systems a path at dots.
            rest.is_some_and(|rest| !rest.contains([',', ' ']) && !rest.contains(".."))
        } else {
            name.as_str() == self.text
        }
    }
}

/// As it was written.
impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_prefix { "*" } else { "" };
        write!(f, "{}{star}", self.text)
    }
}

/// A point in time, as entries of keys write it.
///
/// # Errors
/// What it must be (RFC 3339).
pub fn moment(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "must be a time such as `2027-01-01T00:00:00Z` (RFC 3339)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> ModelName {
        ModelName::new(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_pattern_is_a_name_or_how_it_begins() {
        for (pattern, name, matches) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o", "GPT-4o", false),
            ("gpt-4o*", "gpt-4o", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o*", "gpt-4", false),
            ("gpt-4o*", "gpt-4o,large", false),
            ("gpt-4o*", "gpt-4o large", false),
            ("org/*", "org/../other", false),
            ("org/llama:8b", "org/llama:8b", true),
        ] {
            let read = ModelPattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(read.matches(&model(name)), matches, "{pattern} {name}");
            assert_eq!(read.to_string(), pattern);
        }
        for text in ["", "*", "a*b", "a**", " a", "a ", "a\n", &"m".repeat(257)] {
            assert!(ModelPattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_limited_is_allowed() {
        let none = Restrictions::default();
        assert!(none.is_empty());
        assert!(none.allow_endpoint("chat") && none.allow_model(&model("m")));
        let some = Restrictions {
            endpoints: Some(vec!["chat".to_owned()]),
            models: Some(vec![ModelPattern::try_from("m".to_owned()).unwrap()]),
            ..Restrictions::default()
        };
        assert!(!some.is_empty());
        assert!(some.allow_endpoint("chat") && !some.allow_endpoint("chat2"));
        assert!(some.allow_model(&model("m")) && !some.allow_model(&model("n")));
    }
}
