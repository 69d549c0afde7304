//! Does with a stream what was decided. The stream's context must be in effect, and its request headers must be there.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, MapType};

use super::host;
use super::worker::{Record, Verdict};
use crate::denial::{Denial, Reply};
use crate::gate::Step;
use crate::identity::Identity;
use crate::policy::Policy;
use crate::request::Edits;

/// Whether the request goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Forwarded,
    Waiting,
    Refused,
}

impl From<Outcome> for Action {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Forwarded => Self::Continue,
            Outcome::Waiting | Outcome::Refused => Self::Pause,
        }
    }
}

/// Edits the head, or answers in place of the upstream; tells the access log either way.
pub(super) fn obey(verdict: &Verdict, policy: &Policy) -> Outcome {
    match &verdict.step {
        Step::Await(_) => Outcome::Waiting,
        Step::Forward(edits) => {
            edit(edits);
            tell(&verdict.record, policy, "allow", None);
            Outcome::Forwarded
        }
        Step::Refuse(denial) => {
            tell(&verdict.record, policy, "deny", Some(denial.reason()));
            refuse(denial);
            Outcome::Refused
        }
    }
}

fn edit(edits: &Edits) {
    for name in &edits.remove {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }
    for (name, value) in &edits.set {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value));
    }
    if let Some(credential) = &edits.credential {
        let value = credential.value().reveal().as_bytes();
        let name = credential.name();
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value));
    }
}

/// For a gRPC request Envoy makes a trailers-only answer of this, with the status that gRPC has for the HTTP one.
fn refuse(denial: &Denial) {
    let Reply {
        status,
        headers,
        body,
    } = denial.reply();
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let _ = hostcalls::send_http_response(u32::from(status), headers, Some(body.as_bytes()));
}

fn tell(record: &Record, policy: &Policy, decision: &str, reason: Option<&str>) {
    host::set_filter_state("tenantgate.decision", decision);
    host::set_filter_state("tenantgate.config_id", policy.config_id.as_str());
    if let Some(reason) = reason {
        host::set_filter_state("tenantgate.reason", reason);
    }
    if let Some(endpoint) = &record.endpoint {
        host::set_filter_state("tenantgate.endpoint", endpoint);
    }
    if let Some(Identity {
        tenant,
        user,
        client,
    }) = &record.identity
    {
        host::set_filter_state("tenantgate.tenant_id", tenant.as_str());
        if let Some(user) = user {
            host::set_filter_state("tenantgate.user_id", user.as_str());
        }
        if let Some(client) = client {
            host::set_filter_state("tenantgate.client_id", client.as_str());
        }
    }
}
