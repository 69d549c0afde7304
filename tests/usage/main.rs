//! The meter reads what model APIs say of a call, however the bytes are cut, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

mod catalogue;
mod compression;
mod exchange;
mod hostile;
mod messages;
mod properties;
mod reference;
mod requests;
mod samples;
mod streams;
