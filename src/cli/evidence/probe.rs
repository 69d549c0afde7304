//! Which requests are made to prove that an endpoint denies, and what an answer proves.
//!
//! Plans and judges; `exchange` sends.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::forge::{Forger, wrong_key};
use super::inventory::Endpoint;
use crate::authorizer::{Authorizer, Guard};
use crate::credential::{Place, PlaceSet};
use crate::denial::Denial;
use crate::endpoint::Endpoint as Checked;
use crate::policy::Policy;

/// What a tenant is called that does not exist.
const SPOOFED_TENANT: &str = "tenantgate-evidence";
/// The reasons that deny a caller. `unknown_endpoint` is among them: nobody gets through.
const DENIALS: [&str; 7] = [
    Denial::MissingCredential.reason(),
    Denial::InvalidCredential.reason(),
    Denial::ExpiredCredential.reason(),
    Denial::SourceNotAllowed.reason(),
    Denial::ClaimMismatch.reason(),
    Denial::TenantUnknown.reason(),
    Denial::UnknownEndpoint.reason(),
];
/// The gate said no, and not to this caller as such.
const OTHER_REASONS: [&str; 5] = [
    Denial::AmbiguousPath.reason(),
    Denial::AmbiguousHost.reason(),
    Denial::MultipleCredentials.reason(),
    KEYS_UNAVAILABLE.reason(),
    UPSTREAM_AUTH_UNAVAILABLE.reason(),
];
const KEYS_UNAVAILABLE: Denial = Denial::KeysUnavailable {
    retry_after: SignedDuration::ZERO,
};
const UPSTREAM_AUTH_UNAVAILABLE: Denial = Denial::UpstreamAuthUnavailable {
    retry_after: SignedDuration::ZERO,
};

/// A request to make.
pub(super) struct Probe {
    pub endpoint: String,
    pub attempt: Attempt,
    /// Whose token it is not.
    pub issuer: Option<String>,
    pub method: String,
    /// Path, and query where a credential stands there.
    pub target: String,
    /// The host that it is for, where that is not the gate's own.
    pub host: Option<String>,
    /// Headers beside those that every request has.
    pub headers: Vec<(String, Presented)>,
    /// A small body, for a method that has one.
    pub body: Option<&'static str>,
}

/// A header's value, and what a page shows of it.
pub(super) struct Presented {
    pub value: String,
    pub shown: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Attempt {
    NoCredential,
    WrongKey,
    ForgedToken,
    ExpiredToken,
    SpoofedTenant,
}

/// An endpoint that is not probed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub endpoint: String,
    pub why: &'static str,
}

/// What an answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The gate denied it, for this reason.
    Denied(String),
    /// It was answered by something behind the gate.
    NotDenied(String),
    /// It went wrong in a way that proves nothing.
    NoProof(String),
}

/// The requests for all endpoints that ask for a credential, and the endpoints that are left out.
///
/// # Errors
/// That the system gives no random bytes.
pub(super) fn plan(
    policy: &Policy,
    endpoints: &[Endpoint],
    now: Timestamp,
) -> Result<(Vec<Probe>, Vec<Left>), String> {
    let mut forger = Forger::default();
    let (mut probes, mut left) = (Vec::new(), Vec::new());
    for (checked, endpoint) in policy.endpoints.iter().zip(endpoints) {
        let left_out = |why| Left {
            endpoint: endpoint.name.clone(),
            why,
        };
        let Authorizer::Guarded(guard) = &checked.authorizer else {
            left.push(left_out("it is open: there is nothing to deny"));
            continue;
        };
        let method = method(endpoint);
        if method == "CONNECT" {
            left.push(left_out(
                "CONNECT asks for a tunnel, which this command does not open",
            ));
            continue;
        }
        let new = |attempt| probe(checked, endpoint, &method, attempt);
        probes.push(new(Attempt::NoCredential));
        let key = Presented::plain(&wrong_key()?);
        probes.push(new(Attempt::WrongKey).showing(guard, key_places(guard), key));
        for oidc in &guard.issuers {
            let of_nobody = Presented::token(forger.forged(oidc, now)?);
            let expired = Presented::token(forger.expired(oidc, now)?);
            for (attempt, token) in [
                (Attempt::ForgedToken, of_nobody),
                (Attempt::ExpiredToken, expired),
            ] {
                probes.push(Probe {
                    issuer: Some(oidc.rules.issuer.clone()),
                    ..new(attempt).showing(guard, oidc.places, token)
                });
            }
        }
        let mut spoofed = new(Attempt::SpoofedTenant);
        if let Some(tenant) = policy.identity_headers.names().next() {
            let tenant = (tenant.to_owned(), Presented::plain(SPOOFED_TENANT));
            spoofed.headers.push(tenant);
        }
        probes.push(spoofed);
    }
    Ok((probes, left))
}

/// Where a key is looked for, or else what there is.
fn key_places(guard: &Guard) -> PlaceSet {
    let keys = guard.api_keys.first().map(|(places, _)| *places);
    let tokens = guard.issuers.first().map(|oidc| oidc.places);
    keys.or(tokens).unwrap_or_default()
}

impl Presented {
    fn plain(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            shown: value.to_owned(),
        }
    }

    /// Header and claims are what there is to see; of the signature the beginning will do.
    fn token(value: String) -> Self {
        let shown = match value.rsplit_once('.') {
            Some((signed, signature)) => {
                format!("{signed}.{}…", signature.get(..8).unwrap_or_default())
            }
            None => String::new(),
        };
        Self { value, shown }
    }

    fn after_scheme(self, scheme: Option<&str>) -> Self {
        let Some(scheme) = scheme else { return self };
        // The usual spelling of the one scheme that is usual.
        let scheme = if scheme == "bearer" { "Bearer" } else { scheme };
        Self {
            value: format!("{scheme} {}", self.value),
            shown: format!("{scheme} {}", self.shown),
        }
    }
}

impl Probe {
    /// With that credential in the first of these places.
    fn showing(mut self, guard: &Guard, places: PlaceSet, presented: Presented) -> Self {
        match guard.places.among(places).next() {
            Some(Place::Header { name, scheme }) => {
                let presented = presented.after_scheme(scheme.as_deref());
                self.headers.push((name.clone(), presented));
            }
            Some(Place::Query { name }) => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair(name, &presented.value);
                self.target = format!("{}?{}", self.target, query.finish());
            }
            None => {}
        }
        self
    }
}

fn probe(checked: &Checked, endpoint: &Endpoint, method: &str, attempt: Attempt) -> Probe {
    let has_body = matches!(method, "POST" | "PUT" | "PATCH");
    let mut headers = Vec::new();
    if has_body {
        let json = Presented::plain("application/json");
        headers.push(("content-type".to_owned(), json));
    }
    Probe {
        endpoint: endpoint.name.clone(),
        attempt,
        issuer: None,
        method: method.to_owned(),
        target: checked.path.sample(),
        host: host(endpoint),
        headers,
        body: has_body.then_some("{}"),
    }
}

/// POST where the endpoint takes it, else the first that it takes.
fn method(endpoint: &Endpoint) -> String {
    let post = endpoint
        .methods
        .iter()
        .find(|method| matches!(method.as_str(), "*" | "POST"));
    match (post, endpoint.methods.first()) {
        (None, Some(first)) => first.clone(),
        _ => "POST".to_owned(),
    }
}

/// A host that the endpoint answers on.
fn host(endpoint: &Endpoint) -> Option<String> {
    let host = endpoint.hosts.first().filter(|host| *host != "*")?;
    Some(match host.strip_prefix("*.") {
        Some(suffix) => format!("sample.{suffix}"),
        None => host.clone(),
    })
}

impl Attempt {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCredential => "without a credential",
            Self::WrongKey => "with a wrong key",
            Self::ForgedToken => "with a forged token",
            Self::ExpiredToken => "with an expired token",
            Self::SpoofedTenant => "with a spoofed tenant header",
        }
    }
}

impl Verdict {
    /// What an answer proves: `reason` is the gate's own word in the body, `challenged` that its challenge is there, for
    /// answers that have no body.
    pub fn of(status: u16, reason: Option<&str>, challenged: bool, bodiless: bool) -> Self {
        match reason {
            Some(reason) if DENIALS.contains(&reason) && matches!(status, 401 | 403 | 404) => {
                Self::Denied(reason.to_owned())
            }
            Some(reason) if DENIALS.contains(&reason) || OTHER_REASONS.contains(&reason) => {
                Self::NoProof(format!(
                    "the gate refused it for another cause: {status} {reason}"
                ))
            }
            _ if bodiless && status == 401 && challenged => {
                Self::Denied("challenged; an answer to HEAD has no body to say why".to_owned())
            }
            _ if status >= 500 => Self::NoProof(format!(
                "status {status} without a reason of the gate: something failed, nothing was denied"
            )),
            _ if (300..400).contains(&status) => Self::NoProof(format!(
                "status {status}: it was sent elsewhere, nobody denied it"
            )),
            _ if (400..500).contains(&status) => Self::NoProof(format!(
                "status {status} without a reason of the gate: something else refused it, perhaps a server behind the gate"
            )),
            _ => Self::NotDenied(format!("status {status}: the request got through")),
        }
    }

    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gates_own_denial_is_one() {
        let denied = |reason: &str| Verdict::Denied(reason.to_owned());
        for (status, reason, challenged, bodiless, expected) in [
            (
                401,
                Some("missing_credential"),
                true,
                false,
                Some(denied("missing_credential")),
            ),
            (
                403,
                Some("source_not_allowed"),
                false,
                false,
                Some(denied("source_not_allowed")),
            ),
            (
                404,
                Some("unknown_endpoint"),
                false,
                false,
                Some(denied("unknown_endpoint")),
            ),
            // A server behind the gate may say the same word with another status.
            (200, Some("missing_credential"), false, false, None),
            (503, Some("keys_unavailable"), false, false, None),
            (502, Some("upstream_auth_unavailable"), false, false, None),
            (400, Some("ambiguous_path"), false, false, None),
            (401, Some("invalid_api_key"), true, false, None),
            (401, None, true, false, None),
            (403, None, false, false, None),
            (404, None, false, false, None),
            (503, None, false, false, None),
            (401, None, false, true, None),
            (302, None, false, false, None),
        ] {
            let verdict = Verdict::of(status, reason, challenged, bodiless);
            match expected {
                Some(expected) => assert_eq!(verdict, expected),
                None => assert!(
                    matches!(verdict, Verdict::NoProof(_)),
                    "{status} {verdict:?}"
                ),
            }
        }
        assert!(Verdict::of(401, None, true, true).is_denied());
        for status in [200, 204, 101] {
            assert!(matches!(
                Verdict::of(status, None, false, false),
                Verdict::NotDenied(_)
            ));
        }
    }
}
