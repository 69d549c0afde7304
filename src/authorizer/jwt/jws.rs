//! A token as it arrives: the compact serialization of RFC 7515 section 7.1, taken apart and not yet believed.
//!
//! This room knows the form of a token. It knows no key, no issuer and no time, and it hands out one claim only, the
//! issuer that the token says it has, because that is what picks the keys it will be checked with.

use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::header::{Header, UnacceptableHeader};
use crate::json::{self, NotStrictJson};

/// The longest token that is looked at. Issuers that list a user's groups make tokens of 8 to 12 KiB; Envoy takes 60
/// KiB of headers by default. The length is checked before anything is split or decoded.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token in the right form. Nothing in it is proven: [`verify`](super::verify()) does that.
pub struct Jws<'a> {
    header: Header,
    claims: Rc<Map<String, Value>>,
    signing_input: &'a [u8],
    signature: Vec<u8>,
}

/// A part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// The first: the JOSE header.
    Header,
    /// The second: the claims.
    Claims,
    /// The third.
    Signature,
}

/// Why some bytes are no token that could be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not three segments with something in each.
    #[error("the token has not three segments")]
    NotThreeSegments,
    /// Not base64url, or not the one way to write these bytes.
    #[error("a segment is not canonical base64url: {0:?}")]
    NotBase64Url(Segment),
    /// Not a strict JSON object.
    #[error("a segment is not a JSON object: {0:?}: {1}")]
    NotJson(Segment, NotStrictJson),
    /// The header asks for something that we do not do.
    #[error("the header cannot be accepted: {0}")]
    Header(#[from] UnacceptableHeader),
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is not exactly a JWS in compact serialization whose header we understand and whose payload is a claims
    /// set.
    pub fn parse(token: &'a [u8]) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Malformed::TooLong);
        }
        let (signing_input, signature) =
            split_at_last_dot(token).ok_or(Malformed::NotThreeSegments)?;
        let (header, claims) =
            split_at_last_dot(signing_input).ok_or(Malformed::NotThreeSegments)?;
        if header.contains(&b'.')
            || [header, claims, signature]
                .iter()
                .any(|segment| segment.is_empty())
        {
            return Err(Malformed::NotThreeSegments);
        }
        Ok(Self {
            header: Header::read(&object(Segment::Header, header)?)?,
            claims: Rc::new(object(Segment::Claims, claims)?),
            signing_input,
            signature: decode(Segment::Signature, signature)?,
        })
    }

    /// The issuer that the token says it has: good for choosing whose keys to check it with, and for nothing else.
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// The `alg` of the header, as text: only a name on the list of what is allowed becomes an algorithm.
    pub fn alg(&self) -> &str {
        &self.header.alg
    }

    /// The `kid` of the header. The caller chose it: it is for looking up a key and never for a log.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    pub(super) fn unverified_claims(&self) -> &Rc<Map<String, Value>> {
        &self.claims
    }

    /// What was signed: the first two segments as they were sent, with the dot between them.
    pub(super) fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// A token is a secret, and so is each part of it.
impl fmt::Debug for Jws<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Jws").finish_non_exhaustive()
    }
}

fn split_at_last_dot(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    let (before, from_dot) = text.split_at_checked(dot)?;
    Some((before, from_dot.get(1..)?))
}

fn object(segment: Segment, text: &[u8]) -> Result<Map<String, Value>, Malformed> {
    json::parse_object(&decode(segment, text)?).map_err(|why| Malformed::NotJson(segment, why))
}

/// RFC 7515 section 2: base64url "with all trailing '=' characters omitted and without the inclusion of any line
/// breaks, whitespace, or other additional characters". The engine also refuses unused bits that are not zero, which
/// would give one token several texts.
fn decode(segment: Segment, text: &[u8]) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Malformed::NotBase64Url(segment))
}
