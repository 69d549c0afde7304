//! Signatures checked in here, by `RustCrypto`: those that the host cannot check, and all of them where there is no host
//! that can.
//!
//! `jsonwebtoken` wraps the same crates, and is not asked: it takes a key apart for each signature, and it is bound to an
//! `rsa` whose arithmetic takes three times as long in wasm (PS256 by a key of 2048 bits: 1026 microseconds, against 348
//! here). The tests hold the two against each other.

use ed25519_dalek::Verifier as _;
use rsa::{Pkcs1v15Sign, Pss};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::algorithm::Algorithm;

/// A public key, ready to be used. Made when a key set is read.
pub(super) enum PublicKey {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Whether the signature holds. An algorithm that does not go with the key has no signature that does.
pub(super) fn holds(
    algorithm: Algorithm,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> bool {
    match (algorithm, key) {
        (Algorithm::RS256, PublicKey::Rsa(key)) => {
            let scheme = Pkcs1v15Sign::new::<Sha256>();
            key.verify(scheme, &Sha256::digest(message), signature)
                .is_ok()
        }
        (Algorithm::RS384, PublicKey::Rsa(key)) => {
            let scheme = Pkcs1v15Sign::new::<Sha384>();
            key.verify(scheme, &Sha384::digest(message), signature)
                .is_ok()
        }
        (Algorithm::RS512, PublicKey::Rsa(key)) => {
            let scheme = Pkcs1v15Sign::new::<Sha512>();
            key.verify(scheme, &Sha512::digest(message), signature)
                .is_ok()
        }
        // RFC 7518 section 3.5: the salt is as long as the hash, and the mask is made with the same hash.
        (Algorithm::PS256, PublicKey::Rsa(key)) => {
            let scheme = Pss::<Sha256>::new();
            key.verify(scheme, &Sha256::digest(message), signature)
                .is_ok()
        }
        (Algorithm::PS384, PublicKey::Rsa(key)) => {
            let scheme = Pss::<Sha384>::new();
            key.verify(scheme, &Sha384::digest(message), signature)
                .is_ok()
        }
        (Algorithm::PS512, PublicKey::Rsa(key)) => {
            let scheme = Pss::<Sha512>::new();
            key.verify(scheme, &Sha512::digest(message), signature)
                .is_ok()
        }
        (Algorithm::ES256, PublicKey::P256(key)) => p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        (Algorithm::ES384, PublicKey::P384(key)) => p384::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        (Algorithm::EdDSA | Algorithm::Ed25519, PublicKey::Ed25519(key)) => {
            ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok())
        }
        (
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512
            | Algorithm::ES256
            | Algorithm::ES384
            | Algorithm::EdDSA
            | Algorithm::Ed25519,
            _,
        ) => false,
    }
}
