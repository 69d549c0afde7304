//! What several targets need: inputs that are made of lines, JSON read slowly, the keys of the tests, and a proxy for the
//! fetcher.

pub mod input;
pub mod proxy;
pub mod slow_json;

#[path = "../../tests/harness/tokens.rs"]
pub mod tokens;
