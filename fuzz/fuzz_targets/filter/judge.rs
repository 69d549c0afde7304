//! Whether a request that is under way, or over, is as it has to be: decided about rightly and once, nothing sent on
//! before that, and what was sent on the gate's and nobody else's.

use std::time::Duration;

use serde_json::Value;

use super::event::{Body, Path, Request};
use super::oracle::{self, Doubts, Identity, Right};
use super::setting::{self, Edition, KEY_MARK, LENT, LENT_TOKEN, T1};
use crate::harness::proxy::{End, Hit, Stream, StreamId};
use crate::harness::wasm::stream::Stage;

/// Longer than a request may wait.
pub const PATIENCE: Duration = Duration::from_millis(10_100);

/// A request, and what is known of it.
pub struct Known {
    pub stream: StreamId,
    pub request: Request,
    pub edition: Edition,
    /// Since when it may be waiting, on the clock that nobody sets.
    pub since: Duration,
    /// The wall clock while it was undecided, in seconds.
    pub times: (i64, i64),
    pub decision: Option<(String, Option<String>)>,
    /// It is over, or its VM is: nothing will change any more.
    pub over: bool,
    /// Its VM is no more.
    pub lost: bool,
}

/// Whether a request stands as it may, by what the oracle says and by what the upstream got of it.
pub fn judge(
    known: &mut Known,
    stream: &Stream,
    hit: Option<&Hit>,
    doubts: &Doubts,
    waited: Duration,
) -> Result<(), String> {
    let state = |name: &str| {
        let bytes = stream
            .filter_state
            .get(&format!("wasm.tenantgate.{name}"))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let decision = state("decision").map(|decision| (decision, state("reason")));
    let right = oracle::right(&known.request, known.edition, doubts, known.times);
    let is_late = known.request.path == Path::Models;
    if known.decision.is_some() && known.decision != decision && !is_late {
        return Err(format!(
            "decided twice: {:?}, then {decision:?}",
            known.decision
        ));
    }
    known.decision = decision;
    if known.request.malformed && (hit.is_some() || known.decision.is_some()) {
        return Err("it was never seen".to_owned());
    }
    match &known.decision {
        None if hit.is_some() => return Err("it went on undecided".to_owned()),
        None if stream.paused && waited > PATIENCE => {
            return Err(format!("it has waited for {waited:?}"));
        }
        None => {}
        Some((said, None)) if said == "allow" => {
            let Some(identity) = &right.admitted else {
                return Err(format!("let in, though {right:?}"));
            };
            if state("tenant_id").as_deref() != identity.as_ref().map(|identity| identity.tenant) {
                return Err(format!("attributed to {:?}", state("tenant_id")));
            }
        }
        Some((said, Some(reason))) if said == "deny" => {
            if !right.reasons.contains(&reason.as_str()) {
                return Err(format!("refused for {reason}, though {right:?}"));
            }
            if stream.end == End::Upstream || (hit.is_some() && !is_late) {
                return Err("refused, and sent on".to_owned());
            }
        }
        Some(other) => return Err(format!("no decision: {other:?}")),
    }
    if let Some(hit) = hit {
        judge_hit(known, hit, &right)?;
    }
    if stream
        .response_headers
        .contains(known.edition.tenant_header())
        && stream.stage > Stage::ResponseHeaders
    {
        return Err("the client is told whom it is taken for".to_owned());
    }
    known.over = stream.stage == Stage::Gone;
    if known.over {
        let is_partial = is_late && !hit.is_some_and(|hit| is_whole(known, hit));
        judge_line(known, state("log"), is_partial)?;
    }
    Ok(())
}

/// What the upstream got of it.
fn judge_hit(known: &Known, hit: &Hit, right: &Right) -> Result<(), String> {
    let canonical = |name: &str| {
        name.trim_end_matches(['-', '_', '.'])
            .replace(['_', '.'], "-")
    };
    let Some(identity) = &right.admitted else {
        return Err(format!("sent on, though {right:?}"));
    };
    let told = |pick: fn(&Identity) -> Option<&str>| identity.as_ref().and_then(pick);
    let managed = [
        (
            known.edition.tenant_header(),
            told(|identity| Some(identity.tenant)),
        ),
        ("x-user-id", told(|identity| identity.user)),
        ("x-client-id", told(|identity| identity.client.as_deref())),
        ("x-forwarded-user", None),
    ];
    for (name, value) in managed {
        let alike: Vec<_> = hit
            .headers
            .iter()
            .filter(|(other, _)| canonical(other) == name)
            .collect();
        let expected: Vec<_> = value.iter().map(|value| (name, value.as_bytes())).collect();
        if alike != expected {
            return Err(format!("{name} upstream: {alike:?}, not {expected:?}"));
        }
        if name != "x-forwarded-user"
            && hit
                .trailers
                .iter()
                .any(|(other, _)| canonical(other) == name)
        {
            return Err(format!("{name} in a trailer"));
        }
    }
    let says = |text: &str| {
        let all = hit.headers.iter().chain(hit.trailers.iter());
        all.filter(|(_, value)| String::from_utf8_lossy(value).contains(text))
            .count()
    };
    // Of no body, nothing is all: a refusal comes in place of its end.
    let is_allowed = matches!(known.request.body, Body::Allowed | Body::Large | Body::None);
    if known.request.path == Path::Models && !is_allowed && is_whole(known, hit) {
        return Err("all of a body went on that asks for another model".to_owned());
    }
    let is_read = !matches!(known.request.path, Path::Open | Path::Nowhere);
    if is_read && says(KEY_MARK) > 0 {
        return Err("the client's key went on".to_owned());
    }
    if known.request.path != Path::Lent {
        return if says(LENT) == 0 {
            Ok(())
        } else {
            Err("a loan that is for others".to_owned())
        };
    }
    let tenant = identity.as_ref().map_or("", |identity| identity.tenant);
    let lent = hit.header("authorization");
    let is_right = match lent.as_slice() {
        [lent] if tenant == T1 => lent.starts_with(format!("Bearer {LENT_TOKEN}").as_bytes()),
        [lent] => *lent == oracle::loan(tenant).into_bytes(),
        _ => false,
    };
    if !is_right || says(LENT) != 1 || says("eyJ") != 0 {
        return Err(format!("{tenant} is lent {lent:?}"));
    }
    Ok(())
}

/// Whether all of its body went on.
fn is_whole(known: &Known, hit: &Hit) -> bool {
    hit.body == setting::body(known.request.body).concat()
}

/// What is told of it when it is over. What did not come to its end may not have been decided about.
fn judge_line(known: &Known, line: Option<String>, is_partial: bool) -> Result<(), String> {
    let line: Value = line
        .and_then(|line| serde_json::from_str(&line).ok())
        .ok_or_else(|| "no line in the access log".to_owned())?;
    let said = known.decision.as_ref();
    let is_undecided = is_partial && line["decision"].is_null();
    let told = (line["decision"].as_str(), line["reason"].as_str());
    if !is_undecided
        && told
            != (
                said.map(|(said, _)| said.as_str()),
                said.and_then(|(_, reason)| reason.as_deref()),
            )
    {
        return Err(format!("decided {said:?}, but told {line}"));
    }
    let tenants = ["acme", "beta", "settled", T1];
    let tenant = line["tenant_id"].as_str();
    if tenant.is_some_and(|tenant| !tenants.contains(&tenant)) {
        return Err(format!("no such tenant: {line}"));
    }
    Ok(())
}
