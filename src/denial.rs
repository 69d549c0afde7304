//! Why a request is refused, and what its sender is told: the one table from cause to reply.
//!
//! Knows nothing of how a cause came about. The reason code is for the operator as much as for the client: it is the
//! same word in the body, the access log and the metrics. Messages help an honest person mend the request and tell an
//! attacker nothing that the code does not say already.

use jiff::SignedDuration;
use serde_json::json;

/// The protection space named in every challenge (RFC 9110 section 11.5).
const REALM: &str = "tenantgate";

/// A cause of refusal: one variant for each that an operator would act on differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The path could be read as one thing here and as another by the server behind us.
    AmbiguousPath,
    /// The authority is missing or is not a plain host with an optional port.
    AmbiguousHost,
    /// No configured endpoint is addressed.
    UnknownEndpoint,
    /// The endpoint's `allow_from` does not list the caller's address.
    SourceNotAllowed,
    /// No credential was presented, or one of a scheme that is not spoken here.
    MissingCredential,
    /// More than one credential was presented, so it is not certain who calls.
    MultipleCredentials,
    /// The credential does not hold.
    InvalidCredential,
    /// The credential held until it expired.
    ExpiredCredential,
    /// The token is good, but a claim that the endpoint requires is absent or different.
    ClaimMismatch,
    /// The caller is good, but names no tenant that could be told downstream, or one without a credential for the
    /// provider.
    TenantUnknown,
    /// The API key is good, but not for this endpoint.
    EndpointNotAllowed,
    /// The API key is good, but not for the model that is asked for, or it cannot be told which one that is.
    ModelNotAllowed,
    /// The keys that would decide cannot be had right now: our fault, so never a 401.
    KeysUnavailable {
        /// When trying again makes sense.
        retry_after: SignedDuration,
    },
    /// The credential for the provider cannot be had right now: no fault of the caller either.
    UpstreamAuthUnavailable {
        /// When trying again makes sense.
        retry_after: SignedDuration,
    },
}

/// A reply made here; nothing of the request goes further.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// Header fields beside those that the proxy adds itself.
    pub headers: Vec<(&'static str, String)>,
    /// JSON that the OpenAI and the Anthropic SDK both turn into their own exception.
    pub body: String,
}

/// One row of the table.
struct Row {
    status: u16,
    reason: &'static str,
    /// The `error.type` that SDKs of both families know.
    kind: &'static str,
    message: &'static str,
    challenge: Challenge,
}

/// What `WWW-Authenticate` says (RFC 6750 section 3).
enum Challenge {
    None,
    /// "If the request lacks any authentication information … the resource server SHOULD NOT include an error code."
    Bare,
    InvalidToken,
}

impl Denial {
    /// The reason code: a contract with access logs, metrics and clients.
    pub const fn reason(&self) -> &'static str {
        self.row().reason
    }

    /// The whole answer to the client.
    pub fn reply(&self) -> Reply {
        let row = self.row();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        match row.challenge {
            Challenge::None => {}
            Challenge::Bare => {
                headers.push(("www-authenticate", format!("Bearer realm=\"{REALM}\"")));
            }
            Challenge::InvalidToken => {
                headers.push((
                    "www-authenticate",
                    format!("Bearer realm=\"{REALM}\", error=\"invalid_token\""),
                ));
            }
        }
        if let Self::KeysUnavailable { retry_after }
        | Self::UpstreamAuthUnavailable { retry_after } = self
        {
            headers.push(("retry-after", retry_after.as_secs().max(1).to_string()));
        }
        let body = json!({
            "type": "error",
            "error": { "type": row.kind, "code": row.reason, "message": row.message, "param": null },
        });
        Reply {
            status: row.status,
            headers,
            body: body.to_string(),
        }
    }

    /// No `_` arm: a new cause must choose.
    const fn row(&self) -> Row {
        match self {
            Self::AmbiguousPath => Row::bad_request(
                "ambiguous_path",
                "The path can be read in more than one way. Send it without empty or dot segments, parameters and encoded separators.",
            ),
            Self::AmbiguousHost => Row::bad_request(
                "ambiguous_host",
                "The Host header must be a host name or address with an optional port.",
            ),
            Self::MultipleCredentials => Row::bad_request(
                "multiple_credentials",
                "More than one credential was sent. Send exactly one.",
            ),
            Self::MissingCredential => Row {
                status: 401,
                reason: "missing_credential",
                kind: "authentication_error",
                message: "No credential was sent. Send an API key or a bearer token.",
                challenge: Challenge::Bare,
            },
            Self::InvalidCredential => Row::unauthorized(
                "invalid_credential",
                "The credential is not valid for this endpoint.",
            ),
            Self::ExpiredCredential => {
                Row::unauthorized("expired_credential", "The credential has expired.")
            }
            Self::SourceNotAllowed => Row::forbidden(
                "source_not_allowed",
                "This endpoint may not be called from this address.",
            ),
            Self::ClaimMismatch => Row::forbidden(
                "claim_mismatch",
                "The token lacks a permission that this endpoint requires.",
            ),
            Self::TenantUnknown => Row::forbidden(
                "tenant_unknown",
                "The credential names no tenant that may call this endpoint.",
            ),
            Self::EndpointNotAllowed => Row::forbidden(
                "endpoint_not_allowed",
                "This API key may not call this endpoint.",
            ),
            Self::ModelNotAllowed => Row::forbidden(
                "model_not_allowed",
                "This API key may not call this model, or the request names none.",
            ),
            Self::UnknownEndpoint => Row {
                status: 404,
                reason: "unknown_endpoint",
                kind: "not_found_error",
                message: "There is no such endpoint.",
                challenge: Challenge::None,
            },
            Self::KeysUnavailable { .. } => Row {
                status: 503,
                reason: "keys_unavailable",
                kind: "api_error",
                message: "The credential cannot be checked right now. Try again later.",
                challenge: Challenge::None,
            },
            // The server behind the gate would not be let talk to: a bad gateway.
            Self::UpstreamAuthUnavailable { .. } => Row {
                status: 502,
                reason: "upstream_auth_unavailable",
                kind: "api_error",
                message: "The model provider cannot be reached with a valid credential right now. Try again later.",
                challenge: Challenge::None,
            },
        }
    }
}

impl Row {
    const fn bad_request(reason: &'static str, message: &'static str) -> Self {
        Self {
            status: 400,
            reason,
            kind: "invalid_request_error",
            message,
            challenge: Challenge::None,
        }
    }

    const fn unauthorized(reason: &'static str, message: &'static str) -> Self {
        Self {
            status: 401,
            reason,
            kind: "authentication_error",
            message,
            challenge: Challenge::InvalidToken,
        }
    }

    const fn forbidden(reason: &'static str, message: &'static str) -> Self {
        Self {
            status: 403,
            reason,
            kind: "permission_error",
            message,
            challenge: Challenge::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_DENIAL: [Denial; 14] = [
        Denial::AmbiguousPath,
        Denial::AmbiguousHost,
        Denial::UnknownEndpoint,
        Denial::SourceNotAllowed,
        Denial::MissingCredential,
        Denial::MultipleCredentials,
        Denial::InvalidCredential,
        Denial::ExpiredCredential,
        Denial::ClaimMismatch,
        Denial::TenantUnknown,
        Denial::EndpointNotAllowed,
        Denial::ModelNotAllowed,
        Denial::KeysUnavailable {
            retry_after: SignedDuration::from_secs(7),
        },
        Denial::UpstreamAuthUnavailable {
            retry_after: SignedDuration::from_secs(7),
        },
    ];

    #[test]
    fn the_reason_stands_in_the_body_of_every_reply() {
        for denial in EVERY_DENIAL {
            let body: serde_json::Value = serde_json::from_str(&denial.reply().body).unwrap();
            assert_eq!(body["error"]["code"], denial.reason());
            assert_eq!(
                body["type"], "error",
                "the Anthropic SDK reads the outer type"
            );
        }
    }

    #[test]
    fn every_401_carries_a_challenge_and_nothing_else_does() {
        for denial in EVERY_DENIAL {
            let reply = denial.reply();
            let challenged = reply
                .headers
                .iter()
                .any(|(name, _)| *name == "www-authenticate");
            assert_eq!(challenged, reply.status == 401, "{denial:?}");
        }
    }

    #[test]
    fn a_request_without_a_credential_is_challenged_without_an_error_code() {
        let challenge = |denial: Denial| {
            denial
                .reply()
                .headers
                .into_iter()
                .find(|(name, _)| *name == "www-authenticate")
                .unwrap()
                .1
        };
        assert_eq!(
            challenge(Denial::MissingCredential),
            r#"Bearer realm="tenantgate""#
        );
        assert_eq!(
            challenge(Denial::InvalidCredential),
            r#"Bearer realm="tenantgate", error="invalid_token""#
        );
    }

    #[test]
    fn an_unavailable_dependency_says_when_to_come_back_and_never_at_once() {
        for (wait, said) in [(7, "7"), (0, "1"), (-3, "1")] {
            let retry_after = SignedDuration::from_secs(wait);
            for denial in [
                Denial::KeysUnavailable { retry_after },
                Denial::UpstreamAuthUnavailable { retry_after },
            ] {
                let headers = denial.reply().headers;
                assert!(
                    headers.contains(&("retry-after", said.to_owned())),
                    "{denial:?}"
                );
            }
        }
    }
}
