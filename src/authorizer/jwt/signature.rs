//! One signature, one key, one answer.
//!
//! The primitive is the host's where it can, else ours. What JOSE says around it is checked here, so that both are asked
//! the same.

use super::algorithm::Algorithm;
use super::jwk::Key;
use super::{host_crypto, rust_crypto};

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The algorithm does not go with the key, or the issuer pinned the key to another.
    #[error("the key is not for this algorithm")]
    OtherKey,
    /// Signatures by this key have another length.
    #[error("the signature has the wrong length")]
    Length,
    /// It was not made with this key over this text.
    #[error("the signature does not match")]
    Mismatch,
}

/// Checks a signature over a message.
///
/// # Errors
/// When it does not hold.
pub fn verify_signature(
    algorithm: Algorithm,
    key: &Key,
    message: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    if !key.fits(algorithm) {
        return Err(BadSignature::OtherKey);
    }
    // RFC 7518 section 3.4 for ECDSA, RFC 8017 section 8 step 1 for RSA, RFC 8032 section 5.1.7 for Ed25519: the length
    // is known before anything is converted or computed.
    if signature.len() != key.material().signature_bytes {
        return Err(BadSignature::Length);
    }
    let key = key.material();
    let holds = host_crypto::holds(algorithm, key, message, signature)
        .unwrap_or_else(|| rust_crypto::holds(algorithm, &key.public_key, message, signature));
    if holds {
        Ok(())
    } else {
        Err(BadSignature::Mismatch)
    }
}
