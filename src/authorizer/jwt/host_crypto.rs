//! Signatures checked by the host: Envoy's `verify_signature` foreign function, which is `BoringSSL` and some fifteen
//! times faster than Rust compiled to wasm.
//!
//! It is a `CryptoProvider` for `jsonwebtoken`, so that nobody else has to know. The function knows no JOSE: it is given
//! a hash name, a key and a signature, and the *key's type* picks the scheme. So the hash comes from a table by
//! algorithm and never from a token, the key is checked to be of the algorithm's kind, and ECDSA signatures, which JOSE
//! writes as `r || s`, are converted to the DER that the function wants. PSS and Ed25519 it cannot do; those stay Rust.
//!
//! It is asked directly. `jsonwebtoken`'s process-wide default would bring the crate's own provider into the module as
//! well, private keys and all.
//!
//! The module names no host: the adapter [installs](install) a function to call. Nothing that the host answers makes us
//! ask the other verifier as well (RFC 8725 section 3.3: a token must fail if any check fails). Only where the function
//! does not exist at all is Rust used instead, for the life of the VM.

use std::cell::Cell;

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use pkcs1::UintRef;
use prost::Message as _;
use signature::Verifier;
use spki::der::Encode as _;
use spki::der::asn1::{AnyRef, BitStringRef};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

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

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

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

/// The provider. It verifies and does nothing else: there is no private key in this house, and what would read one is
/// left out of the module.
pub static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: new_verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's type for it says so"
)]
fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

/// The host if it is there and can, else Rust.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the crate's type for it says so"
)]
fn new_verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    match (HOST.get(), Scheme::of(*algorithm)) {
        (Host::Installed(call), Some(scheme)) => Ok(Box::new(HostVerifier {
            call,
            scheme,
            algorithm: *algorithm,
            public_key: scheme.public_key(key)?,
            key: key.clone(),
        })),
        _ => new_rust_verifier(*algorithm, key),
    }
}

type NewVerifier = fn(&Algorithm, &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error>;

fn new_rust_verifier(
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<Box<dyn JwtVerifier>, Error> {
    /// Read at compile time, which leaves the rest of the provider out of the module.
    const NEW: NewVerifier = DEFAULT_PROVIDER.verifier_factory;
    NEW(&algorithm, key)
}

/// Lives for one signature. `jsonwebtoken` hands over a key without a place to keep anything beside it, so the key's
/// DER is written anew each time: some 300 bytes, nothing next to the signature.
struct HostVerifier {
    call: HostCall,
    scheme: Scheme,
    algorithm: Algorithm,
    public_key: Vec<u8>,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for HostVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let request = VerifySignature {
            hash_function: self.scheme.hash_name().to_owned(),
            public_key: self.public_key.clone(),
            signature: self.scheme.signature_for_the_host(signature)?,
            text: message.to_vec(),
        };
        match (self.call)(&request.encode_to_vec()) {
            Ok(Some(answer)) if answer == VALID => Ok(()),
            Ok(_) | Err(HostCryptoError::Failed) => Err(signature::Error::new()),
            Err(HostCryptoError::Missing) => {
                HOST.set(Host::Missing);
                new_rust_verifier(self.algorithm, &self.key)
                    .map_err(signature::Error::from_source)?
                    .verify(message, signature)
            }
        }
    }
}

impl JwtVerifier for HostVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Envoy's `envoy.source.extensions.common.wasm.VerifySignatureArguments`.
#[derive(prost::Message)]
struct VerifySignature {
    #[prost(string, tag = "1")]
    hash_function: String,
    /// A `SubjectPublicKeyInfo` in DER.
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// What the host can do.
#[derive(Clone, Copy)]
enum Scheme {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    P256Sha256,
    P384Sha384,
}

impl Scheme {
    const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::RS256 => Some(Self::RsaSha256),
            Algorithm::RS384 => Some(Self::RsaSha384),
            Algorithm::RS512 => Some(Self::RsaSha512),
            Algorithm::ES256 => Some(Self::P256Sha256),
            Algorithm::ES384 => Some(Self::P384Sha384),
            _ => None,
        }
    }

    const fn hash_name(self) -> &'static str {
        match self {
            Self::RsaSha256 | Self::P256Sha256 => "sha256",
            Self::RsaSha384 | Self::P384Sha384 => "sha384",
            Self::RsaSha512 => "sha512",
        }
    }

    fn public_key(self, key: &DecodingKey) -> Result<Vec<u8>, Error> {
        let der = match (self, key.family(), key.kind()) {
            (
                Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512,
                AlgorithmFamily::Rsa,
                DecodingKeyKind::RsaModulusExponent { n, e },
            ) => rsa_spki(n, e),
            (Self::P256Sha256, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point))
                if point.len() == 65 =>
            {
                ec_spki(&SECP256R1, point)
            }
            (Self::P384Sha384, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point))
                if point.len() == 97 =>
            {
                ec_spki(&SECP384R1, point)
            }
            _ => return Err(ErrorKind::InvalidKeyFormat.into()),
        };
        der.map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }

    /// RSA signatures go as they are. Those of ECDSA are `r || s` in JOSE (RFC 7518 section 3.4) and DER here; a number
    /// that is zero or not below the group's order is refused on the way.
    fn signature_for_the_host(self, signature: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(match self {
            Self::RsaSha256 | Self::RsaSha384 | Self::RsaSha512 => signature.to_vec(),
            Self::P256Sha256 => p256::ecdsa::Signature::from_slice(signature)?
                .to_der()
                .as_bytes()
                .to_vec(),
            Self::P384Sha384 => p384::ecdsa::Signature::from_slice(signature)?
                .to_der()
                .as_bytes()
                .to_vec(),
        })
    }
}

/// RFC 8017 appendix A.1, wrapped as RFC 3279 section 2.3.1 says.
fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> spki::der::Result<Vec<u8>> {
    let key = pkcs1::RsaPublicKey {
        modulus: UintRef::new(modulus)?,
        public_exponent: UintRef::new(exponent)?,
    };
    spki_der(pkcs1::ALGORITHM_ID, &key.to_der()?)
}

/// RFC 5480 section 2.
fn ec_spki(curve: &ObjectIdentifier, point: &[u8]) -> spki::der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef {
        oid: EC_PUBLIC_KEY,
        parameters: Some(AnyRef::from(curve)),
    };
    spki_der(algorithm, point)
}

fn spki_der(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> spki::der::Result<Vec<u8>> {
    SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key)?,
    }
    .to_der()
}
