//! Reads what a collector is sent: the fields of `ExportLogsServiceRequest` (OpenTelemetry's `logs_service.proto`) that the
//! tests look at, by their numbers.

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Of its kinds only the string: Envoy makes no other.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, tag = "1")]
    text: String,
}

/// One log record.
#[derive(Clone, Debug)]
pub struct Record {
    pub body: String,
    pub attributes: BTreeMap<String, String>,
}

impl Record {
    /// The body, which is the filter's line.
    pub fn line(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// The records of one export, in their order.
pub fn records(body: &[u8]) -> Vec<Record> {
    Export::decode(body)
        .expect("an ExportLogsServiceRequest")
        .resource_logs
        .into_iter()
        .flat_map(|logs| logs.scope_logs)
        .flat_map(|logs| logs.log_records)
        .map(|record| Record {
            body: record.body.unwrap_or_default().text,
            attributes: record
                .attributes
                .into_iter()
                .map(|pair| (pair.key, pair.value.unwrap_or_default().text))
                .collect(),
        })
        .collect()
}
