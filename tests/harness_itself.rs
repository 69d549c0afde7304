//! The harness's own parts that stand in for Envoy, held against what Envoy was seen to do.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    missing_docs,
    reason = "for tests alone"
)]

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use harness::proxy::{Headers, HostCrypto, Reply, Status};
use harness::wasm::process::{Process, SharedData};
use old_p256::ecdsa::signature::hazmat::PrehashSigner;
use old_rsa::pkcs8::EncodePublicKey;
use old_sha2::{Digest, Sha256};
use prost::Message;

mod harness;

#[derive(Clone, PartialEq, Message)]
struct VerifySignature {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

#[test]
fn a_repeated_header_is_joined_only_if_envoy_knows_it() {
    let mut headers = Headers::default();
    for (name, value) in [
        ("Authorization", "one"),
        ("X-Key", "one"),
        ("authorization", "two"),
        ("x-key", "two"),
    ] {
        headers.add(name, value.as_bytes());
    }
    assert_eq!(headers.all("authorization"), [b"one,two"]);
    assert_eq!(headers.all("x-key"), [b"one", b"two"]);
    assert_eq!(headers.first("X-KEY"), Some(b"one".as_slice()));
    headers.set("x-key", b"three");
    assert_eq!(headers.all("x-key"), [b"three"]);
    headers.remove("X-Key");
    assert!(!headers.contains("x-key"));
}

#[test]
fn a_header_map_survives_the_abi_and_a_cut_one_is_refused() {
    let headers: Headers = [("a", b"\xff".as_slice()), ("b", b""), ("b", b"2")]
        .into_iter()
        .collect();
    let bytes = headers.serialize();
    assert!(Headers::deserialize(&bytes) == Some(headers));
    for cut in 1..bytes.len() - 1 {
        assert!(
            Headers::deserialize(&bytes[..cut]).is_none(),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_header_that_would_inject_another_cannot_be_sent() {
    for (value, sendable) in [
        ("a\r\nb", false),
        ("a\0", false),
        ("a\tb", true),
        ("", true),
    ] {
        let headers: Headers = [("x-v", value)].into_iter().collect();
        assert_eq!(headers.unsendable().is_none(), sendable, "{value:?}");
    }
}

#[test]
fn shared_data_writes_only_over_the_version_that_was_read() {
    let mut data = SharedData::default();
    assert_eq!(
        data.set("k", b"1".to_vec(), 77),
        Ok(()),
        "the first write has nothing to compare with"
    );
    let version = data.get("k").unwrap().1;
    assert_eq!(data.set("k", b"2".to_vec(), version), Ok(()));
    assert_eq!(
        data.set("k", b"3".to_vec(), version),
        Err(Status::CasMismatch)
    );
    assert_eq!(
        data.set("k", b"4".to_vec(), 0),
        Ok(()),
        "no version always overwrites"
    );
    assert_eq!(data.get("k").unwrap().0, b"4");
}

#[test]
fn a_cluster_answers_by_its_state_at_the_time() {
    let (process, timeout) = (Process::new(), Duration::from_millis(300));
    let idp = process.cluster("idp");
    idp.serves("/keys", "{}").hangs();
    assert_eq!(
        process
            .world()
            .cluster("idp")
            .answers_at(Duration::ZERO, timeout),
        Some(timeout)
    );
    assert_eq!(
        process
            .world()
            .cluster("idp")
            .answers_at(Duration::ZERO, Duration::ZERO),
        None
    );
    idp.up();
    assert_eq!(
        process
            .world()
            .cluster("idp")
            .answers_at(Duration::ZERO, timeout),
        Some(Duration::ZERO)
    );
    assert!(idp.hits() == 0);
    idp.hits().saw_nothing();
    let _ = idp.replies("/token", |hit| Reply::new(200, &[], hit.text()));
}

/// RFC 7515, appendix A.2.
#[test]
fn the_host_verifies_rs256() {
    let decode = |text: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(text.replace(['\n', ' '], ""))
            .unwrap()
    };
    let modulus = decode(
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
         D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
         MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    );
    let key = old_rsa::RsaPublicKey::new(
        old_rsa::BigUint::from_bytes_be(&modulus),
        old_rsa::BigUint::from(65537u32),
    )
    .unwrap();
    let signature = decode(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ\
         cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e\
         OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let text = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let mut call = VerifySignature {
        hash_function: "SHA256".to_owned(),
        public_key: key.to_public_key_der().unwrap().into_vec(),
        signature,
        text: text.to_vec(),
    };
    assert_eq!(
        HostCrypto::Works.verify(&call.encode_to_vec()),
        Ok(vec![0x08, 1])
    );
    call.text[0] ^= 1;
    let verdict = HostCrypto::Works.verify(&call.encode_to_vec()).unwrap();
    assert_eq!(
        verdict[0], 0x12,
        "false is a message with a text in field 2: {verdict:?}"
    );
}

#[test]
fn the_host_verifies_es256_in_der_and_not_as_a_jwt_has_it() {
    let key = old_p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let text = b"signed".to_vec();
    let signature: old_p256::ecdsa::Signature = key.sign_prehash(&Sha256::digest(&text)).unwrap();
    let point = key.verifying_key().to_encoded_point(false);
    // SubjectPublicKeyInfo { id-ecPublicKey, prime256v1 }, then the point.
    let mut public_key = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00".to_vec();
    public_key.extend_from_slice(point.as_bytes());
    let call = |signature: Vec<u8>| {
        let hash_function = "sha256".to_owned();
        VerifySignature {
            hash_function,
            public_key: public_key.clone(),
            signature,
            text: text.clone(),
        }
        .encode_to_vec()
    };
    assert_eq!(
        HostCrypto::Works.verify(&call(signature.to_der().as_bytes().to_vec())),
        Ok(vec![0x08, 1])
    );
    assert_ne!(
        HostCrypto::Works.verify(&call(signature.to_bytes().to_vec())),
        Ok(vec![0x08, 1])
    );
}

#[test]
fn a_misbehaving_host_is_on_offer() {
    assert_eq!(HostCrypto::Works.verify(b""), Err(Status::BadArgument));
    assert_eq!(
        HostCrypto::Works.verify(b"\x0a\xff"),
        Err(Status::BadArgument)
    );
    assert_eq!(HostCrypto::Absent.verify(b""), Err(Status::NotFound));
    assert_eq!(HostCrypto::EmptyResult.verify(b""), Ok(vec![]));
    assert_ne!(
        HostCrypto::AlwaysFalse.verify(b"").unwrap().first(),
        Some(&8)
    );
}
