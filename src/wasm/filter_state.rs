//! What the access log and later filters are told of a request: filter state of its stream, as
//! `%FILTER_STATE(wasm.tenantgate.NAME:PLAIN)%`.

use prost::Message;
use proxy_wasm::hostcalls;

/// One thing that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    TenantId,
    UserId,
    ClientId,
    Endpoint,
    Decision,
    Reason,
    ConfigId,
    Model,
    ServedModel,
    InputTokens,
    OutputTokens,
    UsageSource,
    Log,
}

impl Field {
    const ALL: [Self; 13] = [
        Self::TenantId,
        Self::UserId,
        Self::ClientId,
        Self::Endpoint,
        Self::Decision,
        Self::Reason,
        Self::ConfigId,
        Self::Model,
        Self::ServedModel,
        Self::InputTokens,
        Self::OutputTokens,
        Self::UsageSource,
        Self::Log,
    ];

    /// The name, without the `wasm.` that Envoy puts in front.
    const fn name(self) -> &'static str {
        match self {
            Self::TenantId => "tenantgate.tenant_id",
            Self::UserId => "tenantgate.user_id",
            Self::ClientId => "tenantgate.client_id",
            Self::Endpoint => "tenantgate.endpoint",
            Self::Decision => "tenantgate.decision",
            Self::Reason => "tenantgate.reason",
            Self::ConfigId => "tenantgate.config_id",
            Self::Model => "tenantgate.model",
            Self::ServedModel => "tenantgate.served_model",
            Self::InputTokens => "tenantgate.input_tokens",
            Self::OutputTokens => "tenantgate.output_tokens",
            Self::UsageSource => "tenantgate.usage_source",
            Self::Log => "tenantgate.log",
        }
    }
}

/// Says that the fields are text: an access log in CEL can then read them, and Envoy sets each in two thirds of the
/// time that it needs for one that it has not heard of. For the root context, when it is configured.
pub(super) fn declare() {
    for field in Field::ALL {
        let declaration = DeclareProperty {
            name: field.name().to_owned(),
            kind: STRING,
        };
        // A proxy without the function logs the same text.
        let _ = hostcalls::call_foreign_function(
            "declare_property",
            Some(&declaration.encode_to_vec()),
        );
    }
}

/// Writes a field of the stream that is running.
pub(super) fn set(field: Field, value: &str) {
    // Every stream has filter state; a proxy that refuses it all the same loses a log field, not a decision.
    let _ = hostcalls::set_property(vec![field.name()], Some(value.as_bytes()));
}

/// Envoy's `envoy.source.extensions.common.wasm.DeclarePropertyArguments`.
#[derive(Message)]
struct DeclareProperty {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "3")]
    kind: i32,
}

/// Its `WasmType::String`.
const STRING: i32 = 1;
