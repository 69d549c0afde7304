//! The path of a request, read so that no server behind us can read it differently, or not read at all.
//!
//! Matching happens on percent-decoded text, because that is what a server routes by: `/v1/ch%61t` is `/v1/chat`.
//! What two servers could decode or normalise to different paths is refused instead of guessed at: empty and dot
//! segments, encoded separators, doubly encoded text, path parameters (`;`), backslashes, fragments, control
//! characters and anything that is not UTF-8.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Stands for `%2F` in decoded text. It can stand for nothing else: an encoded NUL is refused.
pub(super) const ENCODED_SLASH: char = '\0';
const ENCODED_SLASH_BYTE: u8 = b'\0';

/// The path could be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The path of a request, without its query, ready to be matched.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestPath<'a> {
    /// Percent-decoded, with [`ENCODED_SLASH`] where `%2F` stood.
    decoded: Cow<'a, str>,
    has_encoded_slash: bool,
}

impl<'a> RequestPath<'a> {
    /// Reads `:path` up to its query.
    ///
    /// # Errors
    /// [`Ambiguous`], as the module says.
    pub fn parse(path_and_query: &'a [u8]) -> Result<Self, Ambiguous> {
        let path_and_query = std::str::from_utf8(path_and_query).map_err(|_| Ambiguous)?;
        let end = path_and_query.bytes().position(|byte| byte == b'?');
        let path = end.map_or(Some(path_and_query), |end| path_and_query.get(..end));
        let path = path.filter(|path| path.starts_with('/') && path.bytes().all(stands_for_itself));
        let (decoded, has_encoded_slash) = decode(path.ok_or(Ambiguous)?)?;
        if has_odd_segment(&decoded) {
            return Err(Ambiguous);
        }
        Ok(Self {
            decoded,
            has_encoded_slash,
        })
    }

    /// Whether `%2F` stands somewhere: fine inside a capture of an endpoint that allows it, ambiguous elsewhere.
    pub fn has_encoded_slash(&self) -> bool {
        self.has_encoded_slash
    }

    /// The decoded segments after the leading slash; the last is empty where the path ends in a slash.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        split(&self.decoded, |byte| byte == b'/')
    }
}

/// Whether a segment is empty, but for the last, or would be resolved as `.` or `..` (RFC 3986 section 5.2.4).
fn has_odd_segment(path: &str) -> bool {
    let mut segments = split(path, |byte| matches!(byte, b'/' | ENCODED_SLASH_BYTE)).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if segment == "." || segment == ".." || (segment.is_empty() && !last) {
            return true;
        }
    }
    false
}

/// The segments after the leading slash. Segments are short: a plain loop is quicker than the search for a character.
fn split(path: &str, is_separator: fn(u8) -> bool) -> impl Iterator<Item = &str> {
    let mut rest = path.get(1..);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.bytes().position(is_separator);
        rest = end.and_then(|end| text.get(end.saturating_add(1)..));
        end.map_or(Some(text), |end| text.get(..end))
    })
}

/// Characters that may stand in a path as they are. `%` begins an encoding and is judged by [`decode`].
pub(super) fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b';')
}

/// Percent-decodes once. Refuses what would become a separator or another encoding.
fn decode(path: &str) -> Result<(Cow<'_, str>, bool), Ambiguous> {
    if !path.contains('%') {
        return Ok((Cow::Borrowed(path), false));
    }
    // Every `%` must begin two hexadecimal digits, and may not hide a character that changes how a path is read.
    for after in path.split('%').skip(1) {
        match u8::from_str_radix(after.get(..2).ok_or(Ambiguous)?, 16).map_err(|_| Ambiguous)? {
            b'.' | b'\\' | b';' | b'?' | b'#' | b'%' => return Err(Ambiguous),
            byte if byte.is_ascii_control() => return Err(Ambiguous),
            _ => {}
        }
    }
    let marked = path.replace("%2F", "\0").replace("%2f", "\0");
    let has_encoded_slash = marked.contains(ENCODED_SLASH);
    let decoded = percent_decode_str(&marked)
        .decode_utf8()
        .map_err(|_| Ambiguous)?
        .into_owned();
    Ok((Cow::Owned(decoded), has_encoded_slash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_servers_could_read_differently_is_ambiguous() {
        for path in [
            "",
            "*",
            "v1/chat",
            "http://h/v1",
            "//v1/chat",
            "/v1//chat",
            "/v1/./chat",
            "/v1/../chat",
            "/..",
            "/.",
            "/v1/%2e%2e/chat",
            "/v1/.%2e/chat",
            "/v1/%2E/chat",
            "/v1/%5cchat",
            "/v1\\chat",
            "/v1/chat%00",
            "/v1/chat%0d%0a",
            "/v1/%252e",
            "/v1/%25",
            "/v1/%2",
            "/v1/%zz",
            "/v1/%+1",
            "/v1/%c0%af",
            "/v1/%ff",
            "/v1/chat;a=b",
            "/v1;x=y/chat",
            "/v1/chat%3bx",
            "/v1/chat#/health",
            "/v1/chat%23",
            "/v1/chat%3f",
            "/v1/\u{e9}",
            "/v1/a b",
            "/a%2f..%2fb",
            "/a%2f%2fb",
            "/a/%2fb",
        ] {
            assert_eq!(
                RequestPath::parse(path.as_bytes()),
                Err(Ambiguous),
                "{path}"
            );
        }
        assert_eq!(RequestPath::parse(b"/v1/\xff"), Err(Ambiguous));
    }

    #[test]
    fn a_plain_path_is_read_as_its_decoded_segments() {
        for (path, segments) in [
            ("/", &[""][..]),
            ("/v1/chat", &["v1", "chat"]),
            ("/v1/chat/", &["v1", "chat", ""]),
            ("/v1/ch%61t", &["v1", "chat"]),
            ("/v1/chat?/../x#y", &["v1", "chat"]),
            ("/m/caf%C3%A9", &["m", "caf\u{e9}"]),
            (
                "/m/gpt-4.1:generateContent",
                &["m", "gpt-4.1:generateContent"],
            ),
            ("/m/arn%3Aaws%2Fx/invoke", &["m", "arn:aws\0x", "invoke"]),
            ("/m/...", &["m", "..."]),
        ] {
            let parsed = RequestPath::parse(path.as_bytes()).unwrap();
            assert_eq!(parsed.segments().collect::<Vec<_>>(), segments, "{path}");
        }
    }
}
