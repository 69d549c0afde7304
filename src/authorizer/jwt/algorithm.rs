//! The signature algorithms that a token may name (RFC 7518 section 3.1, RFC 8037, RFC 9864).
//!
//! The list is what both verifiers can do, the host's and ours, so that they agree on every input. It holds no
//! symmetric algorithm: a verifier that takes `HS256` from the same header that names a public key can be given that
//! key as the secret (RFC 8725 section 2.1).

use std::str::FromStr;

/// A signature algorithm, by the name that JOSE gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "RFC 7518 section 3.1 explains each by this very name"
)]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    /// RFC 9864: the same signatures as `EdDSA` with the curve in the name. A token, the operator's list and a JWK's
    /// `alg` must use the same of the two names.
    Ed25519,
}

/// The one kind of key that an algorithm goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 10] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// The name as it stands in a header. RFC 7515 section 4.1.1: it is case-sensitive.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// RFC 7518 section 3.4: the curve belongs to the algorithm; `ES256` with a P-384 key is not a thing.
    pub(super) const fn key_kind(self) -> KeyKind {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => {
                KeyKind::Rsa
            }
            Self::ES256 => KeyKind::P256,
            Self::ES384 => KeyKind::P384,
            Self::EdDSA | Self::Ed25519 => KeyKind::Ed25519,
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnsupportedAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnsupportedAlgorithm> {
        if let Some(algorithm) = Self::ALL.into_iter().find(|known| known.as_str() == name) {
            return Ok(algorithm);
        }
        Err(match name {
            "HS256" | "HS384" | "HS512" => UnsupportedAlgorithm::Symmetric,
            _ if name.eq_ignore_ascii_case("none") => UnsupportedAlgorithm::Unsecured,
            "ES512" => UnsupportedAlgorithm::NoP521,
            _ => UnsupportedAlgorithm::Unknown,
        })
    }
}

/// Why an algorithm cannot be allowed. Written for whoever put it into the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedAlgorithm {
    /// `HS256` and its kin.
    #[error(
        "is symmetric: whoever can check such a token can also make one, and the issuer's public key would do as its \
         secret; use an RS, PS, ES or EdDSA algorithm"
    )]
    Symmetric,
    /// `none`.
    #[error("means that tokens carry no signature: anyone could write one")]
    Unsecured,
    /// `ES512`.
    #[error(
        "is not supported: it needs the curve P-521, which only one of the two verifiers in use can do, and both must \
         give the same verdict"
    )]
    NoP521,
    /// Anything else.
    #[error(
        "is not a known algorithm; known are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA and Ed25519 \
         (names are case-sensitive)"
    )]
    Unknown,
}
