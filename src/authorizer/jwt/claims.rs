//! The registered claims (RFC 7519 section 4.1): who issued the token, for whom, and when it is in force.
//!
//! Comparisons are of bytes. RFC 7519 section 2: a `StringOrURI` is compared "as case-sensitive strings with no
//! transformations or canonicalizations applied".

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::verify::{Cause, Refusal, TokenRules};

/// Why a well-signed token is not one for us, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptableClaims {
    /// `iss` is missing, not a string, or another issuer's.
    #[error("iss is not the issuer")]
    OtherIssuer,
    /// `aud` is missing, or neither a string nor an array of strings.
    #[error("aud is not a string or an array of strings")]
    AudienceType,
    /// `aud` names others.
    #[error("aud does not name us")]
    OtherAudience,
    /// `exp` is missing.
    #[error("exp is missing")]
    NoExpiry,
    /// A time is not a number of seconds, is before 1970, or is past 2^64 seconds.
    #[error("{0} is not a NumericDate")]
    NotANumericDate(&'static str),
    /// RFC 7519 section 4.1.5.
    #[error("nbf is in the future")]
    NotYetValid,
    /// No clock is off by more than the skew allowed, so whoever wrote it is not who they should be.
    #[error("iat is in the future")]
    IssuedInTheFuture,
    /// RFC 7800: whoever presents the token must prove that they hold a key (RFC 8705, RFC 9449). We ask for no such
    /// proof, so a stolen one would do.
    #[error("cnf binds the token to a key, so it is no bearer token")]
    SenderConstrained,
    /// The host's clock says 1970. Nothing would ever have expired.
    #[error("there is no clock to judge by")]
    NoClock,
}

/// When a token is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// Whole seconds since 1970: a fraction is cut off, never rounded up.
    expires: Duration,
    not_before: Option<Duration>,
    issued: Option<Duration>,
}

/// Checks all that does not depend on the time.
pub(super) fn check(
    claims: &Map<String, Value>,
    rules: &TokenRules,
) -> Result<Validity, UnacceptableClaims> {
    check_issuer(claims, &rules.issuer)?;
    check_audience(claims, &rules.audiences)?;
    if claims.contains_key("cnf") {
        return Err(UnacceptableClaims::SenderConstrained);
    }
    let expires = numeric_date(claims, "exp")?.ok_or(UnacceptableClaims::NoExpiry)?;
    Ok(Validity {
        expires: Duration::from_secs(expires.as_secs()),
        not_before: numeric_date(claims, "nbf")?,
        issued: numeric_date(claims, "iat")?,
    })
}

fn check_issuer(claims: &Map<String, Value>, issuer: &str) -> Result<(), UnacceptableClaims> {
    match claims.get("iss") {
        Some(Value::String(named)) if named == issuer => Ok(()),
        _ => Err(UnacceptableClaims::OtherIssuer),
    }
}

/// RFC 7519 section 4.1.3: "an array of case-sensitive strings", or one string. Each principal that processes the token
/// MUST find itself in it.
fn check_audience(
    claims: &Map<String, Value>,
    audiences: &[String],
) -> Result<(), UnacceptableClaims> {
    let named = match claims.get("aud") {
        Some(Value::Array(named)) => named.as_slice(),
        Some(named) => std::slice::from_ref(named),
        None => return Err(UnacceptableClaims::AudienceType),
    };
    if named.iter().any(|audience| !audience.is_string()) {
        return Err(UnacceptableClaims::AudienceType);
    }
    if named
        .iter()
        .any(|audience| audiences.iter().any(|ours| audience == ours))
    {
        Ok(())
    } else {
        Err(UnacceptableClaims::OtherAudience)
    }
}

/// RFC 7519 section 2: "A JSON numeric value representing the number of seconds from 1970-01-01T00:00:00Z UTC", which
/// may have a fraction.
fn numeric_date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Duration>, UnacceptableClaims> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    value
        .as_u64()
        .map(Duration::from_secs)
        .or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok())
        .map(Some)
        .ok_or(UnacceptableClaims::NotANumericDate(name))
}

impl Validity {
    /// Whether the token is in force. `skew` is how far the issuer's clock may be off, in either direction.
    pub(super) fn check(&self, now: Timestamp, skew: Duration) -> Result<(), Refusal> {
        let now = since_1970(now).ok_or(Cause::Claims(UnacceptableClaims::NoClock))?;
        let latest = now.saturating_add(skew);
        if self
            .not_before
            .is_some_and(|not_before| latest < not_before)
        {
            return Err(Cause::Claims(UnacceptableClaims::NotYetValid).into());
        }
        if self.issued.is_some_and(|issued| latest < issued) {
            return Err(Cause::Claims(UnacceptableClaims::IssuedInTheFuture).into());
        }
        // RFC 7519 section 4.1.4: "the expiration time on or after which the JWT MUST NOT be accepted". Last, so that a
        // token that is only told to be renewed is one that a renewal would help.
        if now >= self.expires.saturating_add(skew) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    /// `exp`, or the end of time if that comes first.
    pub(super) fn expires_at(&self) -> Timestamp {
        i64::try_from(self.expires.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

/// None for 1970 itself and before.
fn since_1970(now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.as_duration())
        .ok()
        .filter(|since| !since.is_zero())
}
