//! One signature, one key, one answer.
//!
//! The primitive belongs to `jsonwebtoken` and its `CryptoProvider`: `RustCrypto`, or the host's through
//! [`host_crypto`](super::host_crypto). What JOSE says around it is checked here, so that both are asked the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::jwk::Key;

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
    let signature = URL_SAFE_NO_PAD.encode(signature);
    let algorithm = algorithm.in_jsonwebtoken();
    match jsonwebtoken::crypto::verify(&signature, message, &key.material().decoding_key, algorithm)
    {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(BadSignature::Mismatch),
    }
}
