//! The harness's own access log: all fields of the filter's, beside Envoy's.

use std::path::Path;

use serde_json::{Value, json};

use super::envoy_config::FILTER;

/// Whatever a test may ask of a request.
pub fn access_log_fields() -> Value {
    let mut fields = json!({
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "grpc_status": "%GRPC_STATUS_NUMBER%",
        "upstream": "%UPSTREAM_CLUSTER%",
        "request_id": "%STREAM_ID%",
    });
    let own = [
        "tenant_id",
        "user_id",
        "client_id",
        "endpoint",
        "decision",
        "reason",
        "model",
        "served_model",
        "input_tokens",
        "output_tokens",
        "usage_source",
        "config_id",
        "log",
    ];
    for name in own {
        fields[name] = json!(format!("%FILTER_STATE(wasm.{FILTER}.{name}:PLAIN)%"));
    }
    // The counts once more, as an operator logs them who wants numbers.
    for name in ["input_tokens", "output_tokens"] {
        fields[format!("{name}_number")] = json!(format!(
            "%TYPED_CEL(int(filter_state['wasm.{FILTER}.{name}']))%"
        ));
    }
    fields
}

/// A logger of these fields, to a file.
pub fn file_log(folder: &Path, file: &str, fields: &Value) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": folder.join(file),
            "log_format": { "json_format": fields },
        },
    })
}
