//! What the tests share. Each test binary uses a part of it.
#![allow(
    clippy::format_collect,
    clippy::option_option,
    clippy::unnecessary_wraps,
    reason = "plain to read, and no hot path"
)]
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub mod proxy;
pub mod tokens;
pub mod wasm;
