//! What the tests share. Each test binary uses a part of it.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub mod proxy;
pub mod wasm;
