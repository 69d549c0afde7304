//! What holds for every request: each room that reads one is held against a slow and plain second opinion.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

mod credentials;
mod models;
mod reference;
mod routing;
mod sources;

use proptest::test_runner::Config;
use tenantgate::request::RequestHead;

/// Many cases: none of them costs more than a few microseconds.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

fn head(fields: &[(String, Vec<u8>)]) -> RequestHead {
    RequestHead::new(fields.to_vec())
}
