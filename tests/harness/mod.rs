//! What the tests put around the filter: a real Envoy, model servers that echo, issuers that obey.
//!
//! Everything listens on a free port of 127.0.0.1, and ends when its value is dropped.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program compiles the harness, none needs all of it"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, waits by the real clock, and says why on stderr"
)]

pub mod envoy;
pub mod envoy_config;
pub mod issuer;
pub mod oidc_provider;
pub mod process;
pub mod server;
pub mod upstream;
pub mod wire;

pub use envoy::{Answer, Envoy};
pub use envoy_config::{Listener, Setup};
pub use issuer::Issuer;
pub use upstream::Upstream;
