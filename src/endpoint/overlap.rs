//! What a path pattern has in common with the routes of a proxy, and a path that it matches: for reports, never for
//! requests. Native only.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::path::RequestPath;
use super::pattern::{PathPattern, Segment};

/// What stands where a pattern leaves open what may stand there.
const SAMPLE: &str = "sample";

/// What RFC 3986 section 3.3 lets stand in a segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// How much of what begins with some text a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// Nothing.
    None,
    /// Some of it.
    Some,
    /// All of it.
    All,
}

impl PathPattern {
    /// A path that the pattern matches, as it stands in a request.
    pub fn sample(&self) -> String {
        let mut path = String::new();
        for segment in self.segments() {
            let text = match segment {
                Segment::Literal(text) => text.clone(),
                Segment::One { prefix, suffix, .. } => format!("{prefix}{SAMPLE}{suffix}"),
                Segment::Rest { .. } => SAMPLE.to_owned(),
            };
            path.push('/');
            path.extend(utf8_percent_encode(&text, SEGMENT));
        }
        path
    }

    /// Whether it matches that path of a request.
    pub fn matches(&self, path: &str) -> bool {
        let Ok(path) = RequestPath::parse(path.as_bytes()) else {
            return false;
        };
        let mut texts = path.segments();
        for segment in self.segments() {
            let text = texts.next();
            match (segment, text) {
                (Segment::Rest { .. }, text) => return text.is_some(),
                (Segment::Literal(literal), Some(text)) if literal == text => {}
                (Segment::One { prefix, suffix, .. }, Some(text))
                    if is_around(text, prefix, suffix) => {}
                _ => return false,
            }
        }
        texts.next().is_none()
    }

    /// How much of all paths that begin with that text it matches.
    pub fn share_of(&self, prefix: &str) -> Share {
        let Some(prefix) = prefix.strip_prefix('/') else {
            // Every path begins with a slash.
            return if prefix.is_empty() {
                self.share_of("/")
            } else {
                Share::None
            };
        };
        let mut segments = self.segments().iter();
        let mut parts = prefix.split('/').peekable();
        while let Some(part) = parts.next() {
            let whole = parts.peek().is_some();
            let fits = match segments.next() {
                Some(Segment::Rest { .. }) => return Share::All,
                Some(Segment::Literal(text)) if whole => text == part,
                Some(Segment::Literal(text)) => text.starts_with(part),
                Some(Segment::One { prefix, suffix, .. }) if whole => {
                    is_around(part, prefix, suffix)
                }
                Some(Segment::One { prefix, .. }) => {
                    prefix.starts_with(part) || part.starts_with(prefix.as_str())
                }
                None => false,
            };
            if !fits {
                return Share::None;
            }
        }
        Share::Some
    }
}

/// Whether the text begins and ends so, with something between.
fn is_around(text: &str, prefix: &str, suffix: &str) -> bool {
    let between = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(suffix));
    between.is_some_and(|between| !between.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_matches_its_own_sample() {
        for (text, sample) in [
            ("/", "/"),
            ("/v1/chat", "/v1/chat"),
            ("/v1/", "/v1/"),
            ("/v1/**", "/v1/sample"),
            ("/v1/models/{model}/infer", "/v1/models/sample/infer"),
            (
                "/v1beta/models/{m}:generateContent",
                "/v1beta/models/sample:generateContent",
            ),
            ("/caf\u{e9}/*", "/caf%C3%A9/sample"),
            ("/{a=**}", "/sample"),
        ] {
            assert_eq!(pattern(text).sample(), sample);
            assert!(pattern(text).matches(sample), "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_what_it_says_and_nothing_else() {
        for (text, path, expected) in [
            ("/v1/chat", "/v1/chat/", false),
            ("/v1/chat", "/v1", false),
            ("/v1/*", "/v1/x", true),
            ("/v1/*", "/v1/x/y", false),
            ("/v1/**", "/v1/x/y", true),
            ("/v1/**", "/v1", false),
            ("/m/{m}:go", "/m/:go", false),
            ("/v1/chat", "/v1/%2e%2e/chat", false),
        ] {
            assert_eq!(pattern(text).matches(path), expected, "{text} {path}");
        }
    }

    #[test]
    fn a_pattern_has_some_all_or_nothing_of_what_begins_so() {
        for (text, prefix, expected) in [
            ("/v1/chat", "/", Share::Some),
            ("/v1/chat", "", Share::Some),
            ("/v1/chat", "/v1/ch", Share::Some),
            ("/v1/chat", "/v1/chat/", Share::None),
            ("/v1/chat", "/v2", Share::None),
            ("/v1/models/{m}/infer", "/v1/models/llama", Share::Some),
            ("/v1/models/{m}/infer", "/v1/models/llama/in", Share::Some),
            ("/v1/models/{m}/infer", "/v1/models/llama/x", Share::None),
            ("/m/pre-{m}", "/m/pr", Share::Some),
            ("/m/pre-{m}", "/m/post", Share::None),
            ("/**", "/", Share::All),
            ("/v1/**", "/v1/x", Share::All),
            ("/v1/**", "/v1", Share::Some),
            ("/v1/**", "/", Share::Some),
            ("/v1/chat", "v1", Share::None),
        ] {
            assert_eq!(pattern(text).share_of(prefix), expected, "{text} {prefix}");
        }
    }
}
