//! What the tests put around the filter. Each test binary uses a part of it.
//!
//! [`proxy`] runs the real module against a scripted host on wasmtime, with time under control. [`envoy`] runs a real
//! Envoy, beside model servers that echo and issuers that obey: everything listens on a free port of 127.0.0.1, and
//! ends when its value is dropped.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program compiles the harness, none needs all of it"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::option_option,
    clippy::panic,
    clippy::print_stderr,
    clippy::unnecessary_wraps,
    reason = "a test fails by panicking, waits by the real clock, says why on stderr, and has no hot path"
)]

pub mod access_log;
pub mod ask;
pub mod command;
pub mod dialects;
pub mod envoy;
pub mod envoy_config;
pub mod evidence;
pub mod h2;
pub mod issuer;
pub mod key_server;
pub mod line;
pub mod live;
pub mod llama_cpp;
pub mod module;
pub mod oidc_provider;
pub mod otlp;
pub mod process;
pub mod provider;
pub mod proxy;
pub mod sdk;
pub mod server;
pub mod shipped;
pub mod tokens;
pub mod upstream;
pub mod wasm;
pub mod wire;
pub mod wrk;

pub use ask::{Answer, Ask};
pub use envoy::Envoy;
pub use envoy_config::{Listener, Setup};
pub use issuer::Issuer;
pub use upstream::Upstream;
