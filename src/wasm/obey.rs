//! Does with a stream what was decided. The stream's context must be in effect, and its request headers must be there.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{Action, MapType};

use super::filter_state::{self, Field};
use crate::denial::{Denial, Reply};
use crate::gate::{Decision, Step};
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
pub(super) fn obey(decision: &Decision<'_>, policy: &Policy) -> Outcome {
    match &decision.step {
        Step::Await(_) => Outcome::Waiting,
        Step::Forward(edits) => {
            edit(edits);
            tell(decision, policy, "allow", None);
            Outcome::Forwarded
        }
        Step::Refuse(denial) => {
            tell(decision, policy, "deny", Some(denial.reason()));
            refuse(denial);
            Outcome::Refused
        }
    }
}

/// Lets a part of a body go on, or answers in place of the upstream, to which the head has gone already.
pub(super) fn obey_late(verdict: Result<(), Denial>) -> Action {
    let Err(denial) = verdict else {
        return Action::Continue;
    };
    tell_verdict("deny", Some(denial.reason()));
    refuse(&denial);
    Outcome::Refused.into()
}

fn edit(edits: &Edits<'_>) {
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

fn tell(decision: &Decision<'_>, policy: &Policy, verdict: &str, reason: Option<&str>) {
    filter_state::set(Field::Decision, verdict);
    filter_state::set(Field::ConfigId, policy.config_id.as_str());
    if let Some(reason) = reason {
        filter_state::set(Field::Reason, reason);
    }
    if let Some(endpoint) = decision.endpoint {
        filter_state::set(Field::Endpoint, endpoint.path.as_str());
    }
    if let Some(Identity {
        tenant,
        user,
        client,
    }) = &decision.identity
    {
        filter_state::set(Field::TenantId, tenant.as_str());
        if let Some(user) = user {
            filter_state::set(Field::UserId, user.as_str());
        }
        if let Some(client) = client {
            filter_state::set(Field::ClientId, client.as_str());
        }
    }
}

fn tell_verdict(verdict: &str, reason: Option<&str>) {
    filter_state::set(Field::Decision, verdict);
    if let Some(reason) = reason {
        filter_state::set(Field::Reason, reason);
    }
}
