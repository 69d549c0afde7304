//! The evidence command without an Envoy: what it reads and writes, what it compares, and what it makes of bad input.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and waits by the real clock"
)]

mod command;
mod diff;
mod pack;
mod probes;
mod refused;
