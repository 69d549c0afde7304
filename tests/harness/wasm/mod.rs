//! A proxy-wasm host that refuses what Envoy would refuse.

mod calls_http;
mod calls_root;
pub mod cluster;
pub mod crypto;
/// What runs the filter: wasmtime; in a fuzzer, the very program that it is linked into.
#[cfg_attr(fuzzing, path = "../../../fuzz/fuzz_targets/filter/engine.rs")]
pub mod engine;
pub mod headers;
mod lifecycle;
pub mod process;
mod properties;
pub mod state;
pub mod status;
pub mod stream;
pub mod worker;
