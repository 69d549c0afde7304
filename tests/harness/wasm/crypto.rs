//! The foreign function `verify_signature`, as Envoy does it with `BoringSSL`: PKCS#1 v1.5 for RSA keys, DER signatures for ECDSA.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use old_p256::ecdsa::signature::hazmat::PrehashVerifier;
use old_rsa::pkcs8::DecodePublicKey;
use old_rsa::pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use old_rsa::{Pkcs1v15Sign, RsaPublicKey};
use old_sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use prost::Message;
use sha1::Sha1;

use super::status::Status;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// How the host's `verify_signature` behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostCrypto {
    #[default]
    Works,
    /// The host has no such function: `NotFound`.
    Absent,
    BadArgument,
    InternalFailure,
    /// `Ok`, but nothing in the result.
    EmptyResult,
    /// `Ok`, and a result that is no protobuf message.
    TruncatedResult,
    /// `Ok`, and `result = false` whatever the signature.
    AlwaysFalse,
}

impl HostCrypto {
    pub fn verify(self, arguments: &[u8]) -> Result<Vec<u8>, Status> {
        match self {
            Self::Works => verify(arguments),
            Self::Absent => Err(Status::NotFound),
            Self::BadArgument => Err(Status::BadArgument),
            Self::InternalFailure => Err(Status::InternalFailure),
            Self::EmptyResult => Ok(Vec::new()),
            Self::TruncatedResult => Ok(vec![0x08]),
            Self::AlwaysFalse => Ok(result(Err("Verification failed."))),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Verdict {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

/// The same question has the same answer, which a fuzzer does not wait for a thousand times.
static ANSWERS: Mutex<BTreeMap<Vec<u8>, Vec<u8>>> = Mutex::new(BTreeMap::new());

fn verify(arguments: &[u8]) -> Result<Vec<u8>, Status> {
    if arguments.is_empty() {
        return Err(Status::BadArgument);
    }
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = answers.get(arguments) {
        return Ok(answer.clone());
    }
    let question = Arguments::decode(arguments).map_err(|_| Status::BadArgument)?;
    let answer = result(judge(&question));
    answers.insert(arguments.to_vec(), answer.clone());
    Ok(answer)
}

fn result(judged: Result<(), &str>) -> Vec<u8> {
    let error = judged.err().unwrap_or_default().to_owned();
    Verdict {
        result: judged.is_ok(),
        error,
    }
    .encode_to_vec()
}

fn judge(arguments: &Arguments) -> Result<(), &'static str> {
    let text = &arguments.text;
    let (digest, scheme) = match arguments.hash_function.to_ascii_lowercase().as_str() {
        "sha1" => (Sha1::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha1>()),
        "sha224" => (Sha224::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha224>()),
        "sha256" => (Sha256::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha256>()),
        "sha384" => (Sha384::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha384>()),
        "sha512" => (Sha512::digest(text).to_vec(), Pkcs1v15Sign::new::<Sha512>()),
        _ => return Err("hash function is not supported."),
    };
    let (key, signature) = (
        arguments.public_key.as_slice(),
        arguments.signature.as_slice(),
    );
    let held = match curve(key) {
        Some((P256, point)) => {
            old_p256::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| {
                key.verify_prehash(&digest, &old_p256::ecdsa::Signature::from_der(signature)?)
            })
        }
        Some((P384, point)) => {
            old_p384::ecdsa::VerifyingKey::from_sec1_bytes(point).and_then(|key| {
                key.verify_prehash(&digest, &old_p384::ecdsa::Signature::from_der(signature)?)
            })
        }
        Some(_) => return Err("Failed to initialize digest verify."),
        None => {
            let key = RsaPublicKey::from_public_key_der(key)
                .map_err(|_| "Failed to parse public key.")?;
            return key
                .verify(scheme, &digest, signature)
                .map_err(|_| "Verification failed.");
        }
    };
    held.map_err(|_| "Verification failed.")
}

/// The curve and the point of an EC key in a `SubjectPublicKeyInfo`.
fn curve(key: &[u8]) -> Option<(ObjectIdentifier, &[u8])> {
    let key = SubjectPublicKeyInfoRef::try_from(key).ok()?;
    if key.algorithm.oid != EC_PUBLIC_KEY {
        return None;
    }
    Some((
        key.algorithm.parameters_oid().ok()?,
        key.subject_public_key.as_bytes()?,
    ))
}
