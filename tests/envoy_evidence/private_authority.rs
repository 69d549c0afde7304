//! A gate behind TLS, with a certificate that nobody on the web vouches for.

use p256::ecdsa::signature::Signer;
use p256::pkcs8::{EncodePrivateKey, LineEnding};

use super::harness::evidence::{Desk, evidence};
use super::harness::{Envoy, Issuer, Upstream};
use super::{file, setup};

#[test]
fn a_gate_behind_a_private_authority_is_asked_with_its_certificate() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let key = Signing::new();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.serial_number = Some(1_u64.into());
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("an authority");
    let issuing = rcgen::Issuer::from_params(&params, &key);
    let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    leaf.serial_number = Some(2_u64.into());
    let certificate = leaf.signed_by(&key, &issuing).expect("a certificate").pem();
    let envoy = Envoy::start(setup(&issuer, &upstream).tls(certificate, key.pem()));

    let url = format!("https://localhost:{}", envoy.address().port());
    let (admin, out) = (envoy.admin_url(), desk.path("pack"));
    let arguments = ["--admin", &admin, "--url", &url, "--out", &out];
    evidence(&arguments).ended(2, "(a private CA is named with --cacert FILE)");
    let authority = desk.write("ca.pem", &authority.pem());
    let said = evidence(&[&arguments[..], &["--cacert", &authority]].concat()).good();
    assert!(said.ends_with("8 of 8 requests denied\n"), "{said}");
    assert!(
        file(&desk, "pack", "network")
            .contains("| `gate` | `127.0.0.1:0` (this machine only) | TLS | yes |")
    );
}

/// A key for certificates: P-256, as the filter's own library has it.
struct Signing {
    key: p256::ecdsa::SigningKey,
    point: Vec<u8>,
}

impl Signing {
    fn new() -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key");
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, point }
    }

    fn pem(&self) -> String {
        self.key
            .to_pkcs8_pem(LineEnding::LF)
            .expect("PEM")
            .to_string()
    }
}

impl rcgen::PublicKeyData for Signing {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: p256::ecdsa::DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}
