//! What a caller may put into a request to get where it may not: the credential, identity header, path, host and
//! address rows of `docs/attacks.md`, through the real module. Each refusal stands beside a twin that differs in one
//! thing and is admitted, and behind each comes a good request.
//!
//! Some rows are Envoy's part, or need its parser, and are in `envoy_requests`: HDR-04 and HDR-06 (Envoy takes nominated
//! fields off before any filter), HST-02 (it chooses the authority), IPA-01 and IPA-02 (it makes an address of
//! `X-Forwarded-For`), HDR-12 and PTH-13 (other filters before and behind ours).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

mod any_bytes;
mod credentials;
mod credentials_upstream;
mod gate;
#[path = "../harness/mod.rs"]
mod harness;
mod hosts;
mod identity_headers;
mod paths;
mod patterns;
mod sources;
mod tells;
