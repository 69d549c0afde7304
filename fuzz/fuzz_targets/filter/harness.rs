//! What the tests put around the filter, as far as it needs no wasm.
#![allow(dead_code, unused_imports, reason = "a fuzzer needs a part of it")]

#[path = "../../../tests/harness/proxy/mod.rs"]
pub mod proxy;
#[path = "../../../tests/harness/tokens.rs"]
pub mod tokens;
#[path = "../../../tests/harness/wasm/mod.rs"]
pub mod wasm;
