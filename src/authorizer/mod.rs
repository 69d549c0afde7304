//! How an endpoint decides that a credential holds.
pub mod jwt;
