//! Which configured endpoint a request addresses. Knows nothing of credentials.

mod host;
#[cfg(not(target_arch = "wasm32"))]
mod overlap;
mod path;
mod pattern;
mod router;
#[cfg(not(target_arch = "wasm32"))]
mod samples;

pub use host::{Ambiguous as AmbiguousHost, Host, HostPattern, HostPatternError};
#[cfg(not(target_arch = "wasm32"))]
pub use overlap::Share;
pub use path::{Ambiguous as AmbiguousPath, RequestPath};
pub use pattern::{PathPattern, PatternError};
pub use router::{Conflict, EndpointIndex, Methods, Router};
#[cfg(not(target_arch = "wasm32"))]
pub use samples::{Route, Sample, samples};

use std::collections::HashSet;

use crate::authorizer::Authorizer;
use crate::denial::Denial;
use crate::lookalike::looks_like;
use crate::request::RequestHead;
use crate::source::AllowList;
use crate::upstream::UpstreamAuth;
use crate::usage::Metering;

/// A checked endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// Its place among the [`Endpoints`], which give it when it is added.
    pub place: EndpointIndex,
    /// Unique; also the name in metrics and in the identity header.
    pub name: String,
    /// The paths it answers on.
    pub path: PathPattern,
    /// Who may call it from where; anywhere if `None`.
    pub allow_from: Option<AllowList>,
    /// What a caller has to show.
    pub authorizer: Authorizer,
    /// Let a CORS preflight through without a credential.
    pub preflight: bool,
    /// Let `%2F` stand inside a capture.
    pub allow_encoded_slash: bool,
    /// Whether the client's credential goes on; `None` takes the default of the credential's kind.
    pub forward_credential: Option<bool>,
    /// Whether what its calls use is read, and as what.
    pub usage: Metering,
    /// The credential that the provider sees.
    pub upstream_auth: Option<UpstreamAuth>,
}

/// The endpoints of a policy. Their number does not matter to a request.
#[derive(Debug, Default)]
pub struct Endpoints {
    list: Vec<Endpoint>,
    router: Router,
    /// Every header field that some endpoint reads a credential from.
    credential_headers: HashSet<String>,
    /// Every header field that some endpoint's requests go on with a credential of ours in, in canonical spelling.
    lent_headers: Vec<String>,
    /// Every header field that some endpoint clears away because of that.
    cleared_headers: Vec<String>,
}

impl Endpoints {
    /// Adds an endpoint that answers on these hosts (any, if none) and methods.
    ///
    /// # Errors
    /// The name of an endpoint that nothing tells apart from this one.
    pub fn add(
        &mut self,
        mut endpoint: Endpoint,
        hosts: &[HostPattern],
        methods: &Methods,
    ) -> Result<(), String> {
        let added = self
            .router
            .insert(self.list.len(), hosts, &endpoint.path, methods);
        if let Err(Conflict { with }) = added {
            return Err(self
                .list
                .get(with)
                .map(|other| other.name.clone())
                .unwrap_or_default());
        }
        if let Authorizer::Guarded(guard) = &endpoint.authorizer {
            self.credential_headers
                .extend(guard.places.header_names().map(str::to_owned));
        }
        if let Some(upstream_auth) = &endpoint.upstream_auth {
            extend(&mut self.lent_headers, upstream_auth.lent());
            extend(&mut self.cleared_headers, upstream_auth.cleared());
        }
        endpoint.place = self.list.len();
        self.list.push(endpoint);
        Ok(())
    }

    /// The endpoint in that place.
    pub fn get(&self, place: EndpointIndex) -> Option<&Endpoint> {
        self.list.get(place)
    }

    /// All endpoints, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.list.iter()
    }

    /// Whether some endpoint reads a credential from the header field of that name (lower case).
    pub fn reads_credential_from(&self, field: &str) -> bool {
        self.credential_headers.contains(field)
    }

    /// Whether an endpoint lends a credential.
    pub fn lend(&self) -> bool {
        !self.lent_headers.is_empty()
    }

    /// Whether requests of some endpoint go on with a credential of ours in a field that looks like that.
    pub fn lend_in(&self, field: &str) -> bool {
        self.lent_headers.iter().any(|name| looks_like(field, name))
    }

    /// Whether some endpoint keeps a field that looks like that from its provider, because it lends a credential.
    pub fn clear(&self, field: &str) -> bool {
        self.cleared_headers
            .iter()
            .any(|name| looks_like(field, name))
    }

    /// The endpoint that the request addresses; `None` if it addresses none.
    ///
    /// # Errors
    /// A path or a host that can be read in more than one way.
    pub fn find(&self, head: &RequestHead) -> Result<Option<Addressed<'_>>, Denial> {
        let path = RequestPath::parse(head.path().unwrap_or_default())
            .map_err(|_| Denial::AmbiguousPath)?;
        let host = Host::parse(head.authority()).map_err(|_| Denial::AmbiguousHost)?;
        let method = head.method().unwrap_or_default();
        let lookup = |method: &str| self.list.get(self.router.find(&host, &path, method)?);

        // A preflight asks on behalf of another method (Fetch standard, section 4.8), so that is what it is looked up by.
        let preflight = preflight_method(head)
            .and_then(lookup)
            .filter(|endpoint| endpoint.preflight);
        let addressed = match preflight {
            Some(endpoint) => Some(Addressed {
                endpoint,
                preflight: true,
            }),
            None => lookup(method).map(|endpoint| Addressed {
                endpoint,
                preflight: false,
            }),
        };
        let slashes_are_plain = !path.has_encoded_slash()
            || addressed
                .as_ref()
                .is_some_and(|Addressed { endpoint, .. }| {
                    endpoint.allow_encoded_slash
                        && endpoint.path.captures_every_encoded_slash(&path)
                });
        if slashes_are_plain {
            Ok(addressed)
        } else {
            Err(Denial::AmbiguousPath)
        }
    }
}

/// Each once: there are a few of them, however many endpoints.
fn extend(names: &mut Vec<String>, more: &[String]) {
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}

/// The endpoint that a request addresses, and how.
#[derive(Debug)]
pub struct Addressed<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The request is a CORS preflight that the endpoint lets through.
    pub preflight: bool,
}

/// The method that a CORS preflight asks for, if the request is one.
fn preflight_method(head: &RequestHead) -> Option<&str> {
    if head.method() != Some("OPTIONS") || !head.has("origin") {
        return None;
    }
    head.first("access-control-request-method")
        .and_then(|method| std::str::from_utf8(method).ok())
}
