//! What is counted, and under which name.
//!
//! A proxy-wasm metric has a name and no labels; Envoy makes labels of a name by the rules of its `stats_config`
//! (`envoy/envoy.yaml` has those for these names). Every label comes from the configuration or from a fixed list: no
//! request can make a new metric.

mod tenants;

use std::fmt;

pub use tenants::TenantLabels;

use crate::fetch::Part;
use crate::fetch::document::Cause;

/// One thing that is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric<'a> {
    /// Requests that were decided about.
    Requests {
        /// The endpoint's name, if one was addressed.
        endpoint: Option<&'a str>,
        /// The reason of a refusal; none for a request that went on.
        reason: Option<&'static str>,
    },
    /// Documents asked for.
    Fetches {
        /// Whose document it is: an issuer, the URL where access tokens are issued, or the name of a key set.
        issuer: &'a str,
        /// Which one.
        document: Part,
        /// Why.
        cause: Cause,
    },
    /// Documents asked for in vain.
    FetchFailures {
        /// Whose document it is: an issuer, the URL where access tokens are issued, or the name of a key set.
        issuer: &'a str,
        /// Which one.
        document: Part,
    },
    /// How old the keys of an issuer are, in seconds. A gauge.
    KeysAge {
        /// Whose keys they are.
        issuer: &'a str,
    },
    /// How long ago a key set was last known to be current, in seconds. A gauge.
    KeySetAge {
        /// Its name.
        key_set: &'a str,
    },
    /// How many keys a key set has. A gauge.
    KeySetKeys {
        /// Its name.
        key_set: &'a str,
    },
    /// Which version of a key set is in force: the first twelve hexadecimal digits of its SHA-256, as a number. A gauge.
    KeySetVersion {
        /// Its name.
        key_set: &'a str,
    },
    /// Which configuration is in force: its `config_id`, as a number. A gauge.
    ConfigId,
    /// For how long it has been, in seconds. A gauge.
    ConfigAge,
    /// Tokens that were looked for among those verified before.
    TokenCacheLookups {
        /// Whether the token was there.
        hit: bool,
    },
    /// Tokens that went into models or came out of them, as far as they were reported.
    Tokens {
        /// The endpoint's name.
        endpoint: &'a str,
        /// Which way they went.
        direction: Direction,
    },
    /// How long the first bytes of a stream took from the request's arrival, in milliseconds. A histogram.
    TimeToFirstByte {
        /// The endpoint's name.
        endpoint: &'a str,
    },
    /// Requests of one tenant that went on.
    TenantRequests {
        /// The tenant, as a label: see [`TenantLabels`].
        tenant: &'a str,
    },
    /// Tokens of one tenant.
    TenantTokens {
        /// The tenant, as a label: see [`TenantLabels`].
        tenant: &'a str,
        /// Which way they went.
        direction: Direction,
    },
    /// How large the memory of a VM has grown, in bytes: of the largest in the process, because they share the name. A
    /// gauge, and one that never falls, for the memory of a wasm VM never shrinks.
    VmMemory,
}

/// Which way tokens go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the model.
    Input,
    /// Out of it.
    Output,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// The name, as Envoy gets it.
impl fmt::Display for Metric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tenantgate.")?;
        match self {
            Self::Requests { endpoint, reason } => {
                // An endpoint's name has no parentheses.
                let endpoint = endpoint.unwrap_or("(none)");
                let decision = if reason.is_some() { "deny" } else { "allow" };
                let reason = reason.unwrap_or("none");
                write!(
                    f,
                    "endpoint.{endpoint}.decision.{decision}.reason.{reason}.requests_total"
                )
            }
            Self::Fetches {
                issuer,
                document,
                cause,
            } => {
                write!(
                    f,
                    "issuer.{issuer}.document.{document}.cause.{cause}.fetches_total"
                )
            }
            Self::FetchFailures { issuer, document } => {
                write!(
                    f,
                    "issuer.{issuer}.document.{document}.fetch_failures_total"
                )
            }
            Self::KeysAge { issuer } => write!(f, "issuer.{issuer}.keys_age_seconds"),
            Self::KeySetAge { key_set } => write!(f, "key_set.{key_set}.key_set_age_seconds"),
            Self::KeySetKeys { key_set } => write!(f, "key_set.{key_set}.key_set_keys"),
            Self::KeySetVersion { key_set } => write!(f, "key_set.{key_set}.key_set_version"),
            Self::ConfigId => f.write_str("config_id"),
            Self::ConfigAge => f.write_str("config_age_seconds"),
            Self::TokenCacheLookups { hit } => {
                write!(
                    f,
                    "result.{}.token_cache_lookups_total",
                    if *hit { "hit" } else { "miss" }
                )
            }
            Self::Tokens {
                endpoint,
                direction,
            } => write!(f, "endpoint.{endpoint}.direction.{direction}.tokens_total"),
            Self::TimeToFirstByte { endpoint } => {
                write!(f, "endpoint.{endpoint}.time_to_first_byte_milliseconds")
            }
            Self::TenantRequests { tenant } => write!(f, "tenant.{tenant}.tenant_requests_total"),
            Self::TenantTokens { tenant, direction } => {
                write!(
                    f,
                    "tenant.{tenant}.direction.{direction}.tenant_tokens_total"
                )
            }
            Self::VmMemory => f.write_str("vm_memory_bytes"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::AccessToken => "access_token",
            Self::KeySet => "key_set",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Schedule => "schedule",
            Self::UnknownKey => "unknown_key",
            Self::Rejected => "rejected",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let issuer = "https://idp.test";
        for (metric, name) in [
            (
                Metric::Requests {
                    endpoint: Some("chat"),
                    reason: None,
                },
                "tenantgate.endpoint.chat.decision.allow.reason.none.requests_total",
            ),
            (
                Metric::Requests {
                    endpoint: None,
                    reason: Some("unknown_endpoint"),
                },
                "tenantgate.endpoint.(none).decision.deny.reason.unknown_endpoint.requests_total",
            ),
            (
                Metric::Fetches {
                    issuer,
                    document: Part::Keys,
                    cause: Cause::UnknownKey,
                },
                "tenantgate.issuer.https://idp.test.document.keys.cause.unknown_key.fetches_total",
            ),
            (
                Metric::FetchFailures {
                    issuer,
                    document: Part::Discovery,
                },
                "tenantgate.issuer.https://idp.test.document.discovery.fetch_failures_total",
            ),
            (
                Metric::KeysAge { issuer },
                "tenantgate.issuer.https://idp.test.keys_age_seconds",
            ),
            (
                Metric::KeySetAge { key_set: "clients" },
                "tenantgate.key_set.clients.key_set_age_seconds",
            ),
            (
                Metric::KeySetKeys { key_set: "clients" },
                "tenantgate.key_set.clients.key_set_keys",
            ),
            (
                Metric::KeySetVersion { key_set: "clients" },
                "tenantgate.key_set.clients.key_set_version",
            ),
            (Metric::ConfigId, "tenantgate.config_id"),
            (Metric::ConfigAge, "tenantgate.config_age_seconds"),
            (
                Metric::TokenCacheLookups { hit: true },
                "tenantgate.result.hit.token_cache_lookups_total",
            ),
            (
                Metric::Tokens {
                    endpoint: "chat",
                    direction: Direction::Input,
                },
                "tenantgate.endpoint.chat.direction.input.tokens_total",
            ),
            (
                Metric::TimeToFirstByte { endpoint: "chat" },
                "tenantgate.endpoint.chat.time_to_first_byte_milliseconds",
            ),
            (
                Metric::TenantRequests { tenant: "acme" },
                "tenantgate.tenant.acme.tenant_requests_total",
            ),
            (
                Metric::TenantTokens {
                    tenant: "acme",
                    direction: Direction::Output,
                },
                "tenantgate.tenant.acme.direction.output.tenant_tokens_total",
            ),
            (Metric::VmMemory, "tenantgate.vm_memory_bytes"),
        ] {
            assert_eq!(metric.to_string(), name);
        }
    }
}
