//! The host's `verify_signature`, done natively: as `BoringSSL` does in Envoy, the key's type picks the scheme, an ECDSA
//! signature is DER, and there is neither PSS nor Ed25519.

use old_rsa::Pkcs1v15Sign;
use old_rsa::pkcs8::DecodePublicKey as _;
use old_sha2::{Digest as _, Sha256, Sha384, Sha512};
use prost::Message;
use signature::hazmat::PrehashVerifier as _;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use tenantgate::authorizer::jwt::host_crypto::HostCryptoError;

/// The request, read by another hand than the one that wrote it.
#[derive(Clone, PartialEq, Message)]
pub struct VerifySignature {
    #[prost(string, tag = "1")]
    pub hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub text: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct VerificationOutput {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

pub fn verify_signature(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError> {
    let request = VerifySignature::decode(request).map_err(|_| HostCryptoError::Failed)?;
    let output = match judge(&request) {
        Ok(()) => VerificationOutput {
            result: true,
            error: String::new(),
        },
        Err(error) => VerificationOutput {
            result: false,
            error,
        },
    };
    Ok(Some(output.encode_to_vec()))
}

fn judge(request: &VerifySignature) -> Result<(), String> {
    let (digest, padding) = match request.hash_function.to_ascii_lowercase().as_str() {
        "sha256" => (
            Sha256::digest(&request.text).to_vec(),
            Pkcs1v15Sign::new::<Sha256>(),
        ),
        "sha384" => (
            Sha384::digest(&request.text).to_vec(),
            Pkcs1v15Sign::new::<Sha384>(),
        ),
        "sha512" => (
            Sha512::digest(&request.text).to_vec(),
            Pkcs1v15Sign::new::<Sha512>(),
        ),
        other => return Err(format!("{other} is not supported.")),
    };
    let der = request.public_key.as_slice();
    let key = SubjectPublicKeyInfoRef::try_from(der).map_err(say)?;
    let oids = (key.algorithm.oid, key.algorithm.parameters_oid().ok());
    let oid = ObjectIdentifier::new_unwrap;
    if oids.0 == oid("1.2.840.113549.1.1.1") {
        let key = old_rsa::RsaPublicKey::from_public_key_der(der).map_err(say)?;
        key.verify(padding, &digest, &request.signature)
            .map_err(say)
    } else if oids == (oid("1.2.840.10045.2.1"), Some(oid("1.2.840.10045.3.1.7"))) {
        let key = old_p256::ecdsa::VerifyingKey::from_public_key_der(der).map_err(say)?;
        let signature = old_p256::ecdsa::Signature::from_der(&request.signature).map_err(say)?;
        key.verify_prehash(&digest, &signature).map_err(say)
    } else if oids == (oid("1.2.840.10045.2.1"), Some(oid("1.3.132.0.34"))) {
        let key = old_p384::ecdsa::VerifyingKey::from_public_key_der(der).map_err(say)?;
        let signature = old_p384::ecdsa::Signature::from_der(&request.signature).map_err(say)?;
        key.verify_prehash(&digest, &signature).map_err(say)
    } else {
        Err("not a key that signs in a way we know".to_owned())
    }
}

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}
