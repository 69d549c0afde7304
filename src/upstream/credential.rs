//! A credential in the form in which a provider wants it: one header field, ready to be set.
//!
//! Knows how the three plain kinds are written, and what cannot be one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::lookalike::{canonical, looks_like};
use crate::secret::Secret;

/// A header field that carries a credential. Its value prints as `[redacted]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCredential {
    name: String,
    value: Secret,
}

/// Why a text cannot be a part of a credential. It never quotes the text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CredentialError {
    /// See the message.
    #[error("must not be empty")]
    Empty,
    /// RFC 7617 section 2: "a user-id containing a colon character is invalid".
    #[error("must not contain a colon, which separates the user name from the password")]
    Colon,
    /// RFC 7617 section 2: "The user-id and password MUST NOT contain any control characters".
    #[error("must not contain control characters, such as a line break")]
    Control,
    /// RFC 6750 section 2.1.
    #[error("must be visible ASCII characters without white space; `Bearer` is put before it")]
    NotAToken,
    /// RFC 9110 section 5.5.
    #[error("must not begin or end with white space")]
    Padded,
    /// See the message.
    #[error("is not a header name")]
    NotAName,
    /// See the message.
    #[error("`{0}` belongs to HTTP or to Envoy and cannot carry a credential")]
    Reserved(String),
}

/// Fields that frame a message, are meant for the next hop alone, or say where it goes (RFC 9110 sections 6.4, 7.2 and
/// 7.6.1). To set one of them is to send another request.
const RESERVED: [&str; 17] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];
const RESERVED_PREFIXES: [&str; 2] = ["x-envoy-", "x-forwarded-"];

impl ProviderCredential {
    /// RFC 7617.
    ///
    /// # Errors
    /// What is wrong with the user name.
    pub fn basic(username: &Secret, password: &Secret) -> Self {
        let pair = Secret::new(format!("{}:{}", username.reveal(), password.reveal()));
        Self::authorization("Basic", &STANDARD.encode(pair.reveal()))
    }

    /// RFC 6750 section 2.1.
    pub fn bearer(token: &Secret) -> Self {
        Self::authorization("Bearer", token.reveal())
    }

    /// Any field, by a name that [`header_name`] took and a value that [`header_value`] took.
    pub fn header(name: String, value: Secret) -> Self {
        Self { name, value }
    }

    fn authorization(scheme: &str, credential: &str) -> Self {
        Self::header(
            AUTHORIZATION.to_owned(),
            Secret::new(format!("{scheme} {credential}")),
        )
    }

    /// Field name in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole value.
    pub fn value(&self) -> &Secret {
        &self.value
    }
}

/// Where all but [`ProviderCredential::header`] stand.
pub const AUTHORIZATION: &str = "authorization";

/// The name of a field that a credential can stand in, in lower case.
///
/// # Errors
/// Why it cannot.
pub fn header_name(text: &str) -> Result<String, CredentialError> {
    if let Some(name) = text.strip_prefix(':') {
        return Err(CredentialError::Reserved(format!(":{name}")));
    }
    let name = HeaderName::try_from(text).map_err(|_| CredentialError::NotAName)?;
    let plain = canonical(name.as_str());
    let is_reserved = RESERVED.iter().any(|reserved| looks_like(&plain, reserved))
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| plain.starts_with(prefix));
    if is_reserved {
        Err(CredentialError::Reserved(name.as_str().to_owned()))
    } else {
        Ok(name.as_str().to_owned())
    }
}

/// A value that a field can have as it is.
///
/// # Errors
/// Why it cannot.
pub fn header_value(text: Secret) -> Result<Secret, CredentialError> {
    let value = text.reveal();
    if value.is_empty() {
        Err(CredentialError::Empty)
    } else if value.trim() != value {
        Err(CredentialError::Padded)
    } else if HeaderValue::from_bytes(value.as_bytes()).is_err() || value.contains('\t') {
        Err(CredentialError::Control)
    } else {
        Ok(text)
    }
}

/// RFC 7617 section 2, without the empty ones that it allows: they are a variable that was not filled.
///
/// # Errors
/// Why it cannot be one.
pub fn basic_username(text: Secret) -> Result<Secret, CredentialError> {
    if text.reveal().contains(':') {
        return Err(CredentialError::Colon);
    }
    plain_text(text)
}

/// A password, a client's id or secret, a parameter: some text.
///
/// # Errors
/// Why it cannot be one.
pub fn plain_text(text: Secret) -> Result<Secret, CredentialError> {
    if text.reveal().is_empty() {
        Err(CredentialError::Empty)
    } else if text.reveal().contains(char::is_control) {
        Err(CredentialError::Control)
    } else {
        Ok(text)
    }
}

/// What may follow `Bearer`.
///
/// # Errors
/// Why it may not.
pub fn bearer_token(text: Secret) -> Result<Secret, CredentialError> {
    if text.reveal().is_empty() {
        Err(CredentialError::Empty)
    } else if text.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(CredentialError::NotAToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn upc_04_basic_and_bearer_are_written_as_their_standards_say() {
        for (credential, expected) in [
            (
                ProviderCredential::basic(&secret("apiuser"), &secret("secret123")),
                "Basic YXBpdXNlcjpzZWNyZXQxMjM=",
            ),
            // RFC 7617 section 2.1: in UTF-8.
            (
                ProviderCredential::basic(&secret("test"), &secret("123\u{a3}")),
                "Basic dGVzdDoxMjPCow==",
            ),
            (
                ProviderCredential::basic(&secret("Aladdin"), &secret("open:sesame")),
                "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==",
            ),
            (
                ProviderCredential::bearer(&secret("mF_9.B5f-4.1JqM")),
                "Bearer mF_9.B5f-4.1JqM",
            ),
        ] {
            assert_eq!(
                (credential.name(), credential.value().reveal()),
                ("authorization", expected)
            );
        }
    }

    #[test]
    fn upc_04_what_cannot_be_written_is_refused_and_why() {
        type Check = fn(Secret) -> Result<Secret, CredentialError>;
        let checks: [(&str, Check); 4] = [
            ("username", basic_username),
            ("text", plain_text),
            ("token", bearer_token),
            ("value", header_value),
        ];
        for (text, [username, plain, token, value]) in [
            (
                "",
                [
                    Some(CredentialError::Empty),
                    Some(CredentialError::Empty),
                    Some(CredentialError::Empty),
                    Some(CredentialError::Empty),
                ],
            ),
            ("sk-1", [None, None, None, None]),
            ("a:b", [Some(CredentialError::Colon), None, None, None]),
            ("a b", [None, None, Some(CredentialError::NotAToken), None]),
            (
                " a",
                [
                    None,
                    None,
                    Some(CredentialError::NotAToken),
                    Some(CredentialError::Padded),
                ],
            ),
            (
                "a\r\nx: 1",
                [
                    Some(CredentialError::Colon),
                    Some(CredentialError::Control),
                    Some(CredentialError::NotAToken),
                    Some(CredentialError::Control),
                ],
            ),
            (
                "a\0",
                [
                    Some(CredentialError::Control),
                    Some(CredentialError::Control),
                    Some(CredentialError::NotAToken),
                    Some(CredentialError::Control),
                ],
            ),
            (
                "a\tb",
                [
                    Some(CredentialError::Control),
                    Some(CredentialError::Control),
                    Some(CredentialError::NotAToken),
                    Some(CredentialError::Control),
                ],
            ),
            (
                "\u{e9}",
                [None, None, Some(CredentialError::NotAToken), None],
            ),
        ] {
            for ((name, check), expected) in checks.iter().zip([username, plain, token, value]) {
                assert_eq!(check(secret(text)).err(), expected, "{name} {text:?}");
            }
        }
    }

    #[test]
    fn a_name_that_http_or_envoy_needs_carries_no_credential() {
        for name in [
            ":authority",
            ":path",
            "Host",
            "content-length",
            "Content_Length",
            "connection",
            "transfer-encoding",
            "te",
            "upgrade",
            "proxy-authorization",
            "x-envoy-original-path",
            "x-forwarded-for",
            "x-request-id",
        ] {
            let refusal = header_name(name);
            assert!(
                matches!(refusal, Err(CredentialError::Reserved(_))),
                "{name}: {refusal:?}"
            );
        }
        for name in ["", "api key", "api-key:", "caf\u{e9}"] {
            assert_eq!(header_name(name), Err(CredentialError::NotAName), "{name}");
        }
        for name in ["api-key", "Authorization", "x-goog-api-key", "cookie"] {
            assert_eq!(header_name(name), Ok(name.to_ascii_lowercase()));
        }
    }
}
