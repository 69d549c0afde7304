//! The JOSE header (RFC 7515 section 4): what we act on, what we must understand and do not, and what we never touch.
//!
//! `jwk`, `jku`, `x5c`, `x5u` and the `x5t`s are not read at all. They let a token bring the key that it wants to be
//! checked with (RFC 8725 section 3.10); ours come from the issuer.

use serde_json::{Map, Value};

/// The longest `kid` that is looked up. Those in use are a digest or a UUID; certificate subjects are the longest.
pub(super) const MAX_KID_BYTES: usize = 512;

pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

/// What a header may not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptableHeader {
    /// RFC 7515 section 4.1.1: `alg` MUST be present.
    #[error("alg is missing")]
    NoAlgorithm,
    /// A member that we read is not a string.
    #[error("{0} is not a string")]
    NotAString(&'static str),
    /// The key ID is longer than any that is looked up.
    #[error("kid is too long")]
    LongKeyId,
    /// RFC 7515 section 4.1.11: if an extension that `crit` lists is not understood, the JWS is invalid. We understand
    /// none, and an empty or malformed list is invalid as well: so there is none to be had.
    #[error("crit names extensions that must be understood")]
    CriticalExtension,
    /// RFC 7797 section 7: `b64` is not for JWTs.
    #[error("b64 is not for JWTs")]
    UnencodedPayload,
    /// `enc` and `zip` belong to RFC 7516.
    #[error("the token says it is encrypted or compressed")]
    Encrypted,
    /// RFC 7519 section 5.2: `cty` is `JWT` when the payload is another JWT.
    #[error("the payload is said to be another JWT")]
    Nested,
    /// RFC 8725 section 3.11: a token made for another use, such as a logout token or a proof of possession.
    #[error("typ says that this is another kind of token")]
    OtherKind,
}

impl Header {
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, UnacceptableHeader> {
        if members.contains_key("crit") {
            return Err(UnacceptableHeader::CriticalExtension);
        }
        if members.contains_key("b64") {
            return Err(UnacceptableHeader::UnencodedPayload);
        }
        if members.contains_key("enc") || members.contains_key("zip") {
            return Err(UnacceptableHeader::Encrypted);
        }
        if text(members, "cty")?.is_some_and(|cty| is_jwt(cty) || is_kind_of_jwt(cty)) {
            return Err(UnacceptableHeader::Nested);
        }
        if text(members, "typ")?.is_some_and(|typ| !is_bearer_kind(typ)) {
            return Err(UnacceptableHeader::OtherKind);
        }
        let kid = text(members, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(UnacceptableHeader::LongKeyId);
        }
        let alg = text(members, "alg")?.ok_or(UnacceptableHeader::NoAlgorithm)?;
        Ok(Self {
            alg: alg.to_owned(),
            kid: kid.map(str::to_owned),
        })
    }
}

fn text<'m>(
    members: &'m Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'m str>, UnacceptableHeader> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(UnacceptableHeader::NotAString(name)),
    }
}

/// RFC 9068 section 2.1 names `at+jwt`; everybody else writes `JWT` or nothing. A list of what is fine rather than of
/// what is not: issuers keep inventing token kinds (`logout+jwt`, `dpop+jwt`, `secevent+jwt`, ...).
fn is_bearer_kind(typ: &str) -> bool {
    is_jwt(typ) || subtype(typ).eq_ignore_ascii_case("at+jwt")
}

fn is_jwt(media_type: &str) -> bool {
    subtype(media_type).eq_ignore_ascii_case("jwt")
}

fn is_kind_of_jwt(media_type: &str) -> bool {
    subtype(media_type).to_ascii_lowercase().ends_with("+jwt")
}

/// RFC 7515 section 4.1.9: `application/` may be left out. Media types do not mind case.
fn subtype(media_type: &str) -> &str {
    match media_type.split_once('/') {
        Some((kind, subtype)) if kind.eq_ignore_ascii_case("application") => subtype,
        _ => media_type,
    }
}
