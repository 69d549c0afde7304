//! The proxy's side of [`Host`], and the few other questions that are put to it.
//!
//! The SDK's calls panic on a status they do not know, so each is made only where Envoy answers it: header maps in the
//! phases that have them, properties of a stream while it is there.

use std::time::UNIX_EPOCH;

use jiff::{SignedDuration, Timestamp};
use proxy_wasm::hostcalls;
use proxy_wasm::types::{MapType, Status};

use super::metrics::{self, Metrics};
use super::vm;
use crate::authorizer::jwt::host_crypto::HostCryptoError;
use crate::host::{Callout, CalloutFailed, CalloutId, Contended, Host, Shared};
use crate::metrics::Metric;

/// Envoy. Callouts belong to whichever context is running: only ever the root, because a callout of a stream dies with
/// its client.
#[derive(Debug, Default)]
pub(super) struct Envoy {
    pub metrics: Metrics,
}

impl Host for Envoy {
    fn now(&self) -> Timestamp {
        now()
    }

    fn dispatch(&mut self, callout: &Callout) -> Result<CalloutId, CalloutFailed> {
        let mut headers = vec![
            (":method", callout.method),
            (":scheme", &callout.scheme),
            (":authority", &callout.authority),
            (":path", &callout.path),
            (
                "user-agent",
                concat!("tenantgate/", env!("CARGO_PKG_VERSION")),
            ),
        ];
        let more = callout.headers.iter();
        headers.extend(more.map(|(name, value)| (*name, value.reveal())));
        let body = callout.body.as_ref().map(|body| body.reveal().as_bytes());
        hostcalls::dispatch_http_call(&callout.cluster, headers, body, Vec::new(), callout.timeout)
            .map(CalloutId)
            .map_err(|_| CalloutFailed)
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        let (bytes, version) = hostcalls::get_shared_data(key).ok()?;
        bytes.map(|bytes| Shared { bytes, version })
    }

    fn share(&mut self, key: &str, bytes: &[u8], seen: Option<&Shared>) -> Result<(), Contended> {
        let version = seen.and_then(|shared| shared.version);
        hostcalls::set_shared_data(key, Some(bytes), version).map_err(|_| Contended)
    }

    fn count(&mut self, metric: Metric<'_>) {
        metrics::count(metric, 1);
    }

    fn measure(&mut self, metric: Metric<'_>, value: u64) {
        metrics::measure(metric, value);
    }

    fn random(&mut self) -> u64 {
        vm::random()
    }
}

/// The wall clock. The epoch where the proxy has none, which the gate takes for "not set".
pub(super) fn now() -> Timestamp {
    hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| SignedDuration::try_from(since).ok())
        .and_then(|since| Timestamp::from_duration(since).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An attribute of the stream that is running.
pub(super) fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// A header field of the response whose head is passing.
pub(super) fn response_header(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name).ok()?
}

/// `:status` of the response whose head is passing.
pub(super) fn response_status() -> Option<u16> {
    let status = response_header(":status")?;
    std::str::from_utf8(&status).ok()?.parse().ok()
}

/// The `verify_signature` foreign function: `BoringSSL`, fifteen times as fast as Rust in wasm.
///
/// # Errors
/// Where there is no such function, and where it does not like what it was given.
pub fn verify_signature(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError> {
    hostcalls::call_foreign_function("verify_signature", Some(request)).map_err(|status| {
        match status {
            Status::NotFound => HostCryptoError::Missing,
            _ => HostCryptoError::Failed,
        }
    })
}
