//! The way of a request, from its head to a decision.
//!
//! A pure function of the policy, the keys and tokens at hand, the request and the time. It never waits: where they have
//! to be fetched first, that is the decision, and the same question is asked again when they are there.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::cache::TokenCache;
use crate::authorizer::{Authorizer, CredentialKind, Halt};
use crate::credential::Presented;
use crate::denial::Denial;
use crate::endpoint::{Addressed, Endpoint};
use crate::fetch::{ApiKeysOf, KeysOf, SourceId, TokensOf};
use crate::identity::Identity;
use crate::policy::{Policy, Unmatched};
use crate::reach::ModelWatch;
use crate::request::{Edits, RequestHead};
use crate::upstream::Loan;

/// A proxy whose clock says so has not been told the time: nothing can be said to have expired, or not to have.
pub(crate) const CLOCK_IS_SET: Timestamp = Timestamp::constant(1_577_836_800, 0); // 2020-01-01
/// How soon to ask again while the clock is not set.
pub(crate) const CLOCK_RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Where Envoy names the URL that a request came from by an internal redirect.
const INTERNALLY_REDIRECTED: &str = "x-envoy-original-url";

/// Headers with which clients of other proxies name another method, host, path or user than the request does (behind us
/// somebody may believe them). Envoy cleans its own only at the edge.
const CONFUSING_HEADERS: [&str; 14] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-envoy-original-path",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-auth-request-user",
    "x-auth-request-email",
];

/// What should happen to the request next. The shell obeys; it never decides.
#[derive(Debug)]
pub enum Step<'a> {
    /// Forward it, with these edits.
    Forward(Edits<'a>),
    /// Hold it until this was fetched, and ask again.
    Await(SourceId),
    /// Answer from here. Nothing reaches the upstream.
    Refuse(Denial),
}

/// A step, and whom and what it is about: what the access log tells.
#[derive(Debug)]
pub struct Decision<'a> {
    /// What to do.
    pub step: Step<'a>,
    /// The endpoint that was addressed, if it got that far.
    pub endpoint: Option<&'a Endpoint>,
    /// Who calls, if that is known. Never from a token that did not hold.
    pub identity: Option<Identity>,
    /// The token that it goes on with, if it does with one that was fetched.
    pub loan: Option<Loan>,
    /// The body has to name a model that may be called, before its end goes on.
    pub watch: Option<ModelWatch>,
}

/// A request, as the gate sees it.
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Envoy's `source.address`, asked for only where an endpoint judges it.
    pub source_address: fn() -> Option<Vec<u8>>,
    /// More than the head will come.
    pub has_body: bool,
}

impl Policy {
    /// Decides about a request.
    pub fn decide<'a>(
        &'a self,
        request: &Request<'a>,
        fetched: &mut (impl KeysOf + TokensOf + ApiKeysOf),
        cache: &mut TokenCache,
        now: Timestamp,
    ) -> Decision<'a> {
        let mut decision = Decision {
            step: Step::Refuse(Denial::UnknownEndpoint),
            endpoint: None,
            identity: None,
            loan: None,
            watch: None,
        };
        decision.step = match self.walk(request, fetched, cache, now, &mut decision) {
            Ok(edits) => Step::Forward(edits),
            Err(Halt::Await(source)) => Step::Await(source),
            Err(Halt::Refuse(denial)) => Step::Refuse(denial),
        };
        decision
    }

    /// The way itself, one step a paragraph.
    fn walk<'a>(
        &'a self,
        request: &Request<'a>,
        fetched: &mut (impl KeysOf + TokensOf + ApiKeysOf),
        cache: &mut TokenCache,
        now: Timestamp,
        decision: &mut Decision<'a>,
    ) -> Result<Edits<'a>, Halt> {
        let head = request.head;
        if self.came_round_again(head) {
            return Err(Denial::InvalidCredential.into());
        }
        let mut edits = self.cleaning(head);

        // 1 endpoint
        let Some(Addressed {
            endpoint,
            preflight,
        }) = self.endpoints.find(head)?
        else {
            return match self.unmatched {
                Unmatched::Deny => Err(Denial::UnknownEndpoint.into()),
                Unmatched::Pass => Ok(edits),
            };
        };
        // A server answers a TRACE with the request as it got it (RFC 9110 section 9.3.8): with our identity in it, and
        // with the provider's credential.
        if head.method() == Some("TRACE") {
            return Err(Denial::UnknownEndpoint.into());
        }
        decision.endpoint = Some(endpoint);

        // 2 source
        if let Some(allow_from) = &endpoint.allow_from {
            let address = (request.source_address)()
                .and_then(|attribute| self.source_address.read(&attribute));
            if !address.is_some_and(|address| allow_from.contains(address)) {
                return Err(Denial::SourceNotAllowed.into());
            }
        }
        // On an open endpoint nobody has to show anything, and before a preflight nobody can.
        let verified = match &endpoint.authorizer {
            Authorizer::Open => None,
            Authorizer::Guarded(guard) if preflight => {
                guard.places.remove(head, &mut edits);
                None
            }
            Authorizer::Guarded(guard) => {
                // 3 credential
                let credential = match guard.places.read(head) {
                    Presented::One(credential) => credential,
                    Presented::Nothing => return Err(Denial::MissingCredential.into()),
                    Presented::Malformed => return Err(Denial::InvalidCredential.into()),
                    Presented::Several => return Err(Denial::MultipleCredentials.into()),
                };

                // 4 authorizer, 5 identity
                if now < CLOCK_IS_SET {
                    return Err(Denial::KeysUnavailable {
                        retry_after: CLOCK_RETRY,
                    }
                    .into());
                }
                let verified = guard.verify(&credential, fetched, cache, now)?;
                if !endpoint.forwards_credential(verified.kind) {
                    guard.places.remove(head, &mut edits);
                }
                let identity = decision.identity.insert(verified.identity);
                if let Some(restrictions) = &verified.restrictions {
                    decision.watch = restrictions.admit(endpoint, head, request.has_body)?;
                }
                Some(&*identity)
            }
        };

        // 7 upstream
        if let Some(identity) = verified {
            self.identity_headers
                .set(identity, &endpoint.name, &mut edits);
        }
        if let Some(upstream_auth) = &endpoint.upstream_auth {
            upstream_auth.clear(head, &mut edits);
            if !preflight {
                let tenant = decision.identity.as_ref().map(|identity| &identity.tenant);
                decision.loan = upstream_auth.lend(tenant, fetched, now, &mut edits)?;
            }
        }
        edits.leave_out_parameters(head);
        Ok(edits)
    }

    /// Whether Envoy followed a redirect for the request and sends it through the gate once more, with a credential in
    /// it that may be one of ours. It is not the client's, so it lets nobody in, and it is not for wherever the redirect
    /// leads. Envoy says so itself, and takes from clients outside what they say in its place.
    fn came_round_again(&self, head: &RequestHead) -> bool {
        self.endpoints.lend()
            && head.has(INTERNALLY_REDIRECTED)
            && head
                .fields()
                .any(|(field, _)| self.endpoints.lend_in(field))
    }

    /// What is taken off every request that goes on, whoever sent it and wherever it goes.
    fn cleaning<'a>(&self, head: &'a RequestHead) -> Edits<'a> {
        let mut edits = Edits::default();
        self.identity_headers.strip(head, &mut edits);
        // All of them begin so: most fields are passed over at a glance.
        let suspects = head.fields().filter(|(name, _)| name.starts_with("x-"));
        edits.remove.extend(
            suspects
                .filter(|(name, _)| CONFUSING_HEADERS.contains(name))
                .map(|(name, _)| name),
        );
        // Envoy drops the fields that `Connection` nominates before any filter sees them, but not on an upgrade
        // (RFC 9110 section 7.6.1): there a client could have the identity taken off behind us.
        let nominates = |(name, value): (&str, &[u8])| {
            name == "connection" && !value.eq_ignore_ascii_case(b"upgrade")
        };
        if head.has("upgrade") && head.fields().any(nominates) {
            edits.set.push(("connection", Rc::from(*b"upgrade")));
        }
        edits
    }

    /// Whether a trailer of that name is taken off: it would stand beside the header of the same name for a server that
    /// merges them (RFC 9110 section 6.5.1).
    pub fn takes_off_trailer(&self, name: &str) -> bool {
        self.identity_headers.covers(name)
            || CONFUSING_HEADERS.contains(&name)
            || self.endpoints.reads_credential_from(name)
            || self.endpoints.clear(name)
    }
}

impl Endpoint {
    /// Unless the operator decided it: an API key is between the client and the gate, a token is also for those behind,
    /// and no credential of a client is for a provider that gets another one.
    fn forwards_credential(&self, kind: CredentialKind) -> bool {
        self.forward_credential.unwrap_or(match kind {
            CredentialKind::ApiKey => false,
            CredentialKind::Jwt => self.upstream_auth.is_none(),
        })
    }
}

#[cfg(test)]
mod tests;
