//! The line: one JSON object, without a line break in it, whatever stands in its values.

use jiff::{Timestamp, TimestampRound, Unit};
use serde::Serialize;

use super::{Closing, Outcome};
use crate::identity::Identifier;
use crate::usage::{ModelName, Source};

/// Its members in their order. What is not known is `null`.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    tenant_id: Option<&'a str>,
    user_id: Option<&'a str>,
    endpoint: Option<&'a str>,
    model: Option<&'a str>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    request_id: &'a str,
    endpoint_name: Option<&'a str>,
    client_id: Option<&'a str>,
    decision: Option<&'a str>,
    reason: Option<&'a str>,
    status: Option<u16>,
    served_model: Option<&'a str>,
    cached_input_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    usage_source: Option<&'a str>,
    config_id: &'a str,
}

impl Closing<'_> {
    /// The line that tells the request.
    pub fn line(&self) -> String {
        let identity = self.identity();
        let usage = &self.usage;
        let line = Line {
            ts: seconds(self.began).to_string(),
            tenant_id: identity.map(|identity| identity.tenant.as_str()),
            user_id: identity.and_then(|identity| identity.user.as_ref().map(Identifier::as_str)),
            endpoint: self.endpoint.map(|endpoint| endpoint.path.as_str()),
            model: usage.model.as_ref().map(ModelName::as_str),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            request_id: &self.request_id,
            endpoint_name: self.endpoint.map(|endpoint| endpoint.name.as_str()),
            client_id: identity
                .and_then(|identity| identity.client.as_ref().map(Identifier::as_str)),
            decision: self.account.outcome.map(|outcome| match outcome {
                Outcome::Allowed => "allow",
                Outcome::Denied(_) => "deny",
            }),
            reason: self.reason(),
            status: self.status,
            served_model: usage.served_model.as_ref().map(ModelName::as_str),
            cached_input_tokens: usage.cached_input_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            usage_source: usage.source.map(Source::as_str),
            config_id: self.policy.config_id.as_str(),
        };
        // Strings, numbers and nulls: there is nothing in it that JSON could not hold.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// RFC 3339 allows fractions, and those who read such lines do not always.
fn seconds(time: Timestamp) -> Timestamp {
    let down = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(jiff::RoundMode::Floor);
    time.round(down).unwrap_or(time)
}
