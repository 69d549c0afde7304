//! A module for tests: is asked for signatures in request bodies, and says what the filter's verifier makes of them.
//!
//! Its plugin configuration is `"host"`, to ask Envoy's `BoringSSL` through the filter's own adapter, or `"rust"`. A body
//! is a list of `{alg, jwk, cases: [[message, signature], ...]}` in base64url; the answer is
//! `{"verdicts": [true, ...], "host_calls": n}`.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "the entry point that the macro writes")]

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::host_crypto::{self, HostCryptoError};
use tenantgate::authorizer::jwt::{Algorithm, KeySet, verify_signature};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

fn counted(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError> {
    CALLS.set(CALLS.get().saturating_add(1));
    tenantgate::wasm::verify_signature(request)
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.get_plugin_configuration().as_deref() {
            Some(br#""host""#) => {
                host_crypto::install(counted);
                true
            }
            Some(br#""rust""#) => true,
            _ => false,
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            let body = self.get_http_request_body(0, size).unwrap_or_default();
            let (status, answer) = match answer(&body) {
                Some(answer) => (200, answer.to_string()),
                None => (400, String::new()),
            };
            self.send_http_response(status, Vec::new(), Some(answer.as_bytes()));
        }
        Action::Pause
    }
}

fn answer(body: &[u8]) -> Option<Value> {
    let before = CALLS.get();
    let groups: Value = serde_json::from_slice(body).ok()?;
    let mut verdicts = Vec::new();
    for group in groups.as_array()? {
        let algorithm: Algorithm = group.get("alg")?.as_str()?.parse().ok()?;
        let document = json!({ "keys": [group.get("jwk")?] }).to_string();
        let (keys, _) = KeySet::parse(document.as_bytes()).ok()?;
        let key = keys.keys().next()?;
        for case in group.get("cases")?.as_array()? {
            let bytes = |index| URL_SAFE_NO_PAD.decode(case.get(index)?.as_str()?).ok();
            let (message, signature) = (bytes(0)?, bytes(1)?);
            verdicts.push(verify_signature(algorithm, key, &message, &signature).is_ok());
        }
    }
    Some(json!({ "verdicts": verdicts, "host_calls": CALLS.get().saturating_sub(before) }))
}
