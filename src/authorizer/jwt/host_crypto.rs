//! Signatures checked by the host: Envoy's `verify_signature` foreign function, which is `BoringSSL` and some fifteen
//! times faster than Rust compiled to wasm.
//!
//! The function knows no JOSE: it is given a hash name, a key and a signature, and the *key's type* picks the scheme. So
//! the hash comes from a table by algorithm and never from a token, the key is checked to be of the algorithm's kind, and
//! ECDSA signatures, which JOSE writes as `r || s`, are converted to the DER that the function wants. PSS and Ed25519 it
//! cannot do; those stay Rust.
//!
//! The module names no host: the adapter [installs](install) a function to call. Nothing that the host answers makes us
//! ask the other verifier as well (RFC 8725 section 3.3: a token must fail if any check fails). Only where the function
//! does not exist at all is Rust used instead, for the life of the VM.

use std::borrow::Cow;
use std::cell::Cell;

use prost::encoding::{WireType, encode_key, encode_varint};

use super::algorithm::{Algorithm, KeyKind};
use super::material::Material;

/// Calls the host with a serialized request and brings back what it said.
pub type HostCall = fn(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError>;

/// Why the host said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCryptoError {
    /// There is no such function.
    Missing,
    /// There is, and it failed. The signature counts as wrong.
    Failed,
}

/// `google.protobuf`'s `true` in field 1: the host's only way to say yes. Any other bytes are a no.
const VALID: [u8; 2] = [0x08, 0x01];

#[derive(Clone, Copy)]
enum Host {
    NotInstalled,
    Installed(HostCall),
    Missing,
}

thread_local! {
    /// A wasm VM has one thread, so this is the VM's. Natively each test has its own.
    static HOST: Cell<Host> = const { Cell::new(Host::NotInstalled) };
}

/// Lets the host check signatures from now on, if it can. It may be called again; what was found missing stays missing.
pub fn install(call: HostCall) {
    if !matches!(HOST.get(), Host::Missing) {
        HOST.set(Host::Installed(call));
    }
}

/// Whether the signature holds, if the host is there and can tell.
pub(super) fn holds(
    algorithm: Algorithm,
    key: &Material,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let Host::Installed(call) = HOST.get() else {
        return None;
    };
    let hash = hash_for_the_host(algorithm)?;
    if key.kind != algorithm.key_kind() {
        return Some(false);
    }
    let Some(signature) = signature_for_the_host(key.kind, signature) else {
        return Some(false);
    };
    match call(&request(hash, &key.spki, &signature, message)) {
        Ok(Some(answer)) if answer == VALID => Some(true),
        Ok(_) | Err(HostCryptoError::Failed) => Some(false),
        Err(HostCryptoError::Missing) => {
            HOST.set(Host::Missing);
            None
        }
    }
}

/// Envoy's `envoy.source.extensions.common.wasm.VerifySignatureArguments`. Written field by field, because a message
/// type would copy the token for each signature, twice.
fn request(hash: &str, spki: &[u8], signature: &[u8], message: &[u8]) -> Vec<u8> {
    /// A tag of one byte, and a length.
    const MAX_HEAD: usize = 6;
    let fields = [
        (1, hash.as_bytes()), // hash_function
        (2, spki),            // public_key: a SubjectPublicKeyInfo in DER
        (3, signature),       // signature
        (4, message),         // text
    ];
    let size = fields.iter().fold(0_usize, |size, (_, bytes)| {
        size.saturating_add(MAX_HEAD).saturating_add(bytes.len())
    });
    let mut request = Vec::with_capacity(size);
    for (tag, bytes) in fields {
        encode_key(tag, WireType::LengthDelimited, &mut request);
        encode_varint(bytes.len().try_into().unwrap_or(u64::MAX), &mut request);
        request.extend_from_slice(bytes);
    }
    request
}

/// What the host can do, by the name of the hash.
const fn hash_for_the_host(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::RS256 | Algorithm::ES256 => Some("sha256"),
        Algorithm::RS384 | Algorithm::ES384 => Some("sha384"),
        Algorithm::RS512 => Some("sha512"),
        Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::EdDSA
        | Algorithm::Ed25519 => None,
    }
}

/// RSA signatures go as they are. Those of ECDSA are `r || s` in JOSE (RFC 7518 section 3.4) and DER here; a number that
/// is zero or not below the group's order is refused on the way.
fn signature_for_the_host(kind: KeyKind, signature: &[u8]) -> Option<Cow<'_, [u8]>> {
    match kind {
        KeyKind::Rsa => Some(signature.into()),
        KeyKind::P256 => {
            let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec().into())
        }
        KeyKind::P384 => {
            let signature = p384::ecdsa::Signature::from_slice(signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec().into())
        }
        KeyKind::Ed25519 => None,
    }
}
