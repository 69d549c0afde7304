//! The way of a request, from its head to a decision.
//!
//! A pure function of the policy, the keys at hand, the request and the time. It never waits: where keys have to be
//! fetched first, that is the decision, and the same question is asked again when they are there.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::cache::TokenCache;
use crate::authorizer::{Authorizer, CredentialKind, Halt, Verified};
use crate::credential::Presented;
use crate::denial::Denial;
use crate::endpoint::{Addressed, Endpoint};
use crate::fetch::{KeySourceId, KeysOf};
use crate::identity::Identity;
use crate::policy::{Policy, Unmatched};
use crate::request::{Edits, RequestHead};

/// A proxy whose clock says so has not been told the time: nothing can be said to have expired, or not to have.
const CLOCK_IS_SET: Timestamp = Timestamp::constant(1_577_836_800, 0); // 2020-01-01
/// How soon to ask again while the clock is not set.
const CLOCK_RETRY: SignedDuration = SignedDuration::from_secs(5);

/// Headers with which clients of other proxies name another path or another user than the request does (behind us
/// somebody may believe them). Envoy cleans its own only at the edge.
const CONFUSING_HEADERS: [&str; 10] = [
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
    /// Hold it until the keys of this source were fetched, and ask again.
    Await(KeySourceId),
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
}

/// A request, as the gate sees it.
pub struct Request<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Envoy's `source.address`, asked for only where an endpoint judges it.
    pub source_address: fn() -> Option<Vec<u8>>,
}

impl Policy {
    /// Decides about a request.
    pub fn decide<'a>(
        &'a self,
        request: &Request<'a>,
        keys: &mut impl KeysOf,
        cache: &mut TokenCache,
        now: Timestamp,
    ) -> Decision<'a> {
        let mut decision = Decision {
            step: Step::Refuse(Denial::UnknownEndpoint),
            endpoint: None,
            identity: None,
        };
        decision.step = match self.walk(request, keys, cache, now, &mut decision) {
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
        keys: &mut impl KeysOf,
        cache: &mut TokenCache,
        now: Timestamp,
        decision: &mut Decision<'a>,
    ) -> Result<Edits<'a>, Halt> {
        let head = request.head;
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
        decision.endpoint = Some(endpoint);

        // 2 source
        if let Some(allow_from) = &endpoint.allow_from {
            let address = (request.source_address)()
                .and_then(|attribute| self.source_address.read(&attribute));
            if !address.is_some_and(|address| allow_from.contains(address)) {
                return Err(Denial::SourceNotAllowed.into());
            }
        }
        let guard = match &endpoint.authorizer {
            Authorizer::Open => return Ok(edits),
            Authorizer::Guarded(_) if preflight => return Ok(edits),
            Authorizer::Guarded(guard) => guard,
        };

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
        let Verified { identity, kind } = guard.verify(&credential, keys, cache, now)?;

        // 7 upstream
        self.identity_headers
            .set(&identity, &endpoint.name, &mut edits);
        if !endpoint.forwards_credential(kind) {
            guard.places.remove(head, &mut edits);
        }
        decision.identity = Some(identity);
        Ok(edits)
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
        self.identity_headers.covers(name) || self.endpoints.reads_credential_from(name)
    }
}

impl Endpoint {
    /// Unless the operator decided it: an API key is between the client and the gate, a token is also for those behind.
    fn forwards_credential(&self, kind: CredentialKind) -> bool {
        self.forward_credential.unwrap_or(match kind {
            CredentialKind::ApiKey => false,
            CredentialKind::Jwt => true,
        })
    }
}
