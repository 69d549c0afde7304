//! The path of an endpoint, in Envoy's URI-template syntax, and what one is more specific than.

use std::cmp::Ordering;

use thiserror::Error;

use super::path::{self, ENCODED_SLASH, RequestPath};

/// A checked path pattern, for example `/v1beta/models/{model}:generateContent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

/// One segment of a pattern. The order of the variants is the order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this text.
    Literal(String),
    /// One segment that begins and ends so, with something between.
    One {
        prefix: String,
        suffix: String,
        name: Option<String>,
    },
    /// All that is left, if only a trailing slash. Always the last.
    Rest { name: Option<String> },
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// See the message.
    #[error("must begin with `/`")]
    NotAbsolute,
    /// See the message.
    #[error("has an empty segment, which no request can have")]
    EmptySegment,
    /// See the message.
    #[error("has a dot segment, which no request can have")]
    DotSegment,
    /// See the message.
    #[error(
        "{0:?} cannot stand in a path; write it decoded and without `?`, `#`, `;`, `%`, `\\` and braces of its own"
    )]
    Character(char),
    /// See the message.
    #[error("segment {0:?} has more than one wildcard")]
    TwoWildcards(String),
    /// See the message.
    #[error("`**` must be the whole last segment, not {0:?}")]
    RestNotLast(String),
    /// See the message.
    #[error("{0:?} is not a capture; write `{{name}}`, `{{name=*}}` or, last, `{{name=**}}`")]
    Capture(String),
    /// See the message.
    #[error("captures `{0}` twice")]
    DuplicateCapture(String),
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A [`PatternError`] that says what to mend.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let segment = Segment::parse(part, last)?;
            if let Some(name) = segment.name()
                && segments
                    .iter()
                    .any(|earlier: &Segment| earlier.name() == Some(name))
            {
                return Err(PatternError::DuplicateCapture(name.to_owned()));
            }
            segments.push(segment);
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    /// As the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What stands in the capture of that name, in a path that this pattern matches.
    pub fn capture(&self, name: &str, path: &RequestPath<'_>) -> Option<String> {
        let at = self
            .segments
            .iter()
            .position(|segment| segment.name() == Some(name))?;
        let mut texts = path.segments().skip(at);
        let captured = match self.segments.get(at)? {
            Segment::Literal(_) => return None,
            Segment::One { prefix, suffix, .. } => texts
                .next()?
                .strip_prefix(prefix.as_str())?
                .strip_suffix(suffix.as_str())?
                .to_owned(),
            Segment::Rest { .. } => texts.collect::<Vec<_>>().join("/"),
        };
        Some(captured.replace(ENCODED_SLASH, "/"))
    }

    /// Whether every encoded slash of a path that this pattern matches stands inside a capture.
    pub(super) fn captures_every_encoded_slash(&self, path: &RequestPath<'_>) -> bool {
        let mut segments = self.segments.iter();
        let mut current = segments.next();
        path.segments().all(|text| {
            let captured = current.is_some_and(|segment| segment.name().is_some());
            if !matches!(current, Some(Segment::Rest { .. })) {
                current = segments.next();
            }
            captured || !text.contains(ENCODED_SLASH)
        })
    }
}

impl Segment {
    fn parse(part: &str, last: bool) -> Result<Self, PatternError> {
        let open = part.find(['{', '*']);
        let Some(open) = open else {
            return Self::literal(part, last);
        };
        let (prefix, wildcard) = part.split_at(open);
        let (inner, suffix) = if let Some(braced) = wildcard.strip_prefix('{') {
            braced
                .split_once('}')
                .ok_or_else(|| PatternError::Capture(part.to_owned()))?
        } else if let Some(suffix) = wildcard.strip_prefix("**") {
            ("=**", suffix)
        } else {
            ("=*", wildcard.strip_prefix('*').unwrap_or_default())
        };
        let (name, matched) = inner.split_once('=').unwrap_or((inner, "*"));
        let named = wildcard.starts_with('{');
        if named && !is_capture_name(name) {
            return Err(PatternError::Capture(part.to_owned()));
        }
        let name = named.then(|| name.to_owned());
        if suffix.contains(['{', '*']) {
            return Err(PatternError::TwoWildcards(part.to_owned()));
        }
        for text in [prefix, suffix] {
            check_characters(text)?;
        }
        match matched {
            "*" => Ok(Self::One {
                prefix: prefix.to_owned(),
                suffix: suffix.to_owned(),
                name,
            }),
            "**" if last && prefix.is_empty() && suffix.is_empty() => Ok(Self::Rest { name }),
            "**" => Err(PatternError::RestNotLast(part.to_owned())),
            _ => Err(PatternError::Capture(part.to_owned())),
        }
    }

    fn literal(part: &str, last: bool) -> Result<Self, PatternError> {
        match part {
            "" if !last => Err(PatternError::EmptySegment),
            "." | ".." => Err(PatternError::DotSegment),
            _ => {
                check_characters(part)?;
                Ok(Self::Literal(part.to_owned()))
            }
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::One { name, .. } | Self::Rest { name } => name.as_deref(),
        }
    }
}

/// How two patterns that match the same path stand to each other: less is more specific.
///
/// Segment by segment, literal before capture before `*` before `**`. Two that compare equal match the same paths.
pub(super) fn precedence(one: &PathPattern, other: &PathPattern) -> Ordering {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::One { name: Some(_), .. } => 1,
        Segment::One { name: None, .. } => 2,
        Segment::Rest { name: Some(_) } => 3,
        Segment::Rest { name: None } => 4,
    };
    one.segments
        .iter()
        .map(rank)
        .cmp(other.segments.iter().map(rank))
}

fn is_capture_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Literal text is compared with decoded text, so it may hold any character that a path can be decoded to.
fn check_characters(text: &str) -> Result<(), PatternError> {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '?' | '%' | '{' | '}' | '*')
            || u8::try_from(c).is_ok_and(|byte| byte.is_ascii() && !path::stands_for_itself(byte))
    };
    text.chars()
        .find(|c| odd(*c))
        .map_or(Ok(()), |c| Err(PatternError::Character(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_match_or_cannot_be_read_is_no_pattern() {
        for (text, error) in [
            ("v1", PatternError::NotAbsolute),
            ("", PatternError::NotAbsolute),
            ("/a//b", PatternError::EmptySegment),
            ("/a/../b", PatternError::DotSegment),
            ("/a%20b", PatternError::Character('%')),
            ("/a;b", PatternError::Character(';')),
            ("/a b", PatternError::Character(' ')),
            ("/a}b", PatternError::Character('}')),
            ("/{a}{b}", PatternError::TwoWildcards("{a}{b}".into())),
            ("/**/b", PatternError::RestNotLast("**".into())),
            ("/x**", PatternError::RestNotLast("x**".into())),
            ("/{}", PatternError::Capture("{}".into())),
            ("/{a", PatternError::Capture("{a".into())),
            ("/{a b}", PatternError::Capture("{a b}".into())),
            ("/{a=x/*}", PatternError::Capture("{a=x".into())),
            ("/{a=x}", PatternError::Capture("{a=x}".into())),
            ("/{a}/{a}", PatternError::DuplicateCapture("a".into())),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_capture_is_what_stands_between_its_literal_text() {
        for (pattern, path, captured) in [
            (
                "/v1/models/{model}/infer",
                "/v1/models/m-1/infer",
                Some("m-1"),
            ),
            (
                "/v1beta/models/{model}:gen",
                "/v1beta/models/a%3Ab:gen",
                Some("a:b"),
            ),
            (
                "/model/{model}/invoke",
                "/model/arn%3Aa%2Fb/invoke",
                Some("arn:a/b"),
            ),
            ("/{x}/{model=**}", "/a/b/c/d", Some("b/c/d")),
            ("/{x}/b", "/a/b", None),
            ("/model/b", "/model/b", None),
        ] {
            let read = PathPattern::parse(pattern).unwrap();
            let path = RequestPath::parse(path.as_bytes()).unwrap();
            assert_eq!(
                read.capture("model", &path).as_deref(),
                captured,
                "{pattern}"
            );
        }
    }

    #[test]
    fn every_documented_form_is_a_pattern() {
        for text in [
            "/",
            "/v1/chat",
            "/v1/",
            "/v1/*",
            "/v1/**",
            "/{a}",
            "/{a=*}/b",
            "/{a=**}",
            "/v1beta/models/{m}:gen",
            "/img-*.png",
        ] {
            assert!(PathPattern::parse(text).is_ok(), "{text}");
        }
    }
}
