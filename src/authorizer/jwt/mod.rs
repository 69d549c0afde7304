//! JSON Web Tokens: is this one signed by its issuer, for us, and in force?
//!
//! Policy is here and primitives are not: the host checks signatures ([`host_crypto`]), or `RustCrypto` does. The header,
//! the keys and the claims are read by our own code from one strict parse, because the defaults of the crates that do it
//! all are not a policy (`jsonwebtoken` ignores `crit`, takes an `iss` that is missing or an array, and lets one odd key
//! spoil a set). The order of things:
//!
//! 1. [`Jws::parse`]: is this text a token at all? (RFC 7515)
//! 2. [`Jws::unverified_issuer`]: whose keys could it be signed with? The caller picks a [`KeySet`] (RFC 7517) and
//!    [`TokenRules`] by it.
//! 3. [`verify()`]: algorithm, key, signature, claims (RFC 7518, RFC 7519). What holds comes back as
//!    [`VerifiedClaims`], which nothing else can make.
//!
//! This room knows no request, no endpoint and no cache, and it reads no clock.

mod algorithm;
mod claims;
mod header;
pub mod host_crypto;
mod jwk;
mod jws;
mod material;
mod roca;
mod rust_crypto;
mod signature;
mod verify;

pub use algorithm::{Algorithm, UnsupportedAlgorithm};
pub use claims::UnacceptableClaims;
pub use header::UnacceptableHeader;
pub use jwk::{Key, KeySet, MAX_KEY_SET_BYTES, MAX_KEYS, NotAKeySet, SkippedKey};
pub use jws::{Jws, MAX_TOKEN_BYTES, Malformed, Segment};
pub use material::{KeyFingerprint, UnusableKey};
pub use signature::{BadSignature, verify_signature};
pub use verify::{Cause, MAX_CANDIDATES, Refusal, TokenRules, VerifiedClaims, Warrant, verify};
