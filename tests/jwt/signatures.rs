//! SIG: signatures that are nearly right. The vectors of Wycheproof are in a test of their own.

use old_rsa::Pss;
use old_sha2::{Digest as _, Sha256};
use tenantgate::authorizer::jwt::{Algorithm, BadSignature, Cause, Malformed};

use crate::tokens::{Key, Token, from_base64};
use crate::{Judge, judge, malformed, now};

fn es256() -> Judge {
    judge().allowing(&[Algorithm::ES256])
}

/// The signature that the token would have.
fn signature_of(token: &Token) -> Vec<u8> {
    from_base64(token.sign(now()).rsplit('.').next().unwrap())
}

#[test]
fn sig_01_ecdsa_numbers_out_of_range_are_refused() {
    let token = Token::good().key(Key::E1);
    es256().admits(token.sign(now()));
    let good = signature_of(&token);
    let n = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let n_minus_1 = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
    let zero = vec![0; 32];
    let one = [vec![0; 31], vec![1]].concat();
    let all = [zero, one, n_minus_1, n, vec![0xff; 32]];
    for r in &all {
        for s in &all {
            let token = token.clone().signature([r.as_slice(), s].concat());
            es256().refuses(token.sign(now()), BadSignature::Mismatch);
        }
        let token = token
            .clone()
            .signature([r.as_slice(), &good[32..]].concat());
        es256().refuses(token.sign(now()), BadSignature::Mismatch);
        let token = token
            .clone()
            .signature([&good[..32], r.as_slice()].concat());
        es256().refuses(token.sign(now()), BadSignature::Mismatch);
    }
}

#[test]
fn sig_02_an_ecdsa_signature_has_one_length() {
    let token = Token::good().key(Key::E1);
    let good = signature_of(&token);
    es256().admits(token.clone().signature(&good).sign(now()));
    es256().refuses(
        token.clone().signature("").sign(now()),
        malformed(Malformed::NotThreeSegments),
    );
    for length in [1, 63, 65, 66, 96, 512] {
        let other: Vec<u8> = good.iter().copied().chain([0; 512]).take(length).collect();
        es256().refuses(
            token.clone().signature(other).sign(now()),
            BadSignature::Length,
        );
    }
    // The same two numbers, written longer: a verifier that halves what it gets would take them.
    let (r, s) = good.split_at(32);
    let padded = [&[0; 16], r, &[0; 16], s].concat();
    es256().refuses(token.signature(padded).sign(now()), BadSignature::Length);
    let token = Token::good().key(Key::E3);
    let es384 = judge().allowing(&[Algorithm::ES384]);
    es384.admits(token.sign(now()));
    for length in [64, 95, 97, 132] {
        es384.refuses(
            token.clone().signature(vec![1; length]).sign(now()),
            BadSignature::Length,
        );
    }
}

#[test]
fn sig_03_a_der_signature_is_no_jose_signature() {
    let token = Token::good().key(Key::E1);
    let signature = old_p256::ecdsa::Signature::from_slice(&signature_of(&token)).unwrap();
    let der = signature.to_der();
    es256().refuses(
        token.signature(der.as_bytes()).sign(now()),
        BadSignature::Length,
    );
}

#[test]
fn sig_06_an_rsa_signature_is_a_number_below_the_modulus_of_full_length() {
    use old_rsa::traits::PublicKeyParts as _;
    let token = Token::good();
    let good = signature_of(&token);
    judge().admits(token.clone().signature(&good).sign(now()));
    let n = Key::R1.rsa().n().clone();
    let one = old_rsa::BigUint::from(1_u8);
    let bytes = |number: old_rsa::BigUint| {
        let bytes = number.to_bytes_be();
        [vec![0; 256 - bytes.len()], bytes].concat()
    };
    for (what, signature) in [
        ("0", vec![0; 256]),
        ("1", bytes(one.clone())),
        ("n - 1", bytes(&n - &one)),
        ("n", bytes(n.clone())),
        ("n + 1", bytes(&n + &one)),
        ("all ones", vec![0xff; 256]),
    ] {
        judge().refuses_as(
            what,
            token.clone().signature(signature).sign(now()),
            BadSignature::Mismatch,
        );
    }
    for (what, signature) in [
        ("a byte short", good[..255].to_vec()),
        ("without its first byte", good[1..].to_vec()),
        ("a zero before it", [&[0], good.as_slice()].concat()),
        ("a zero behind it", [good.as_slice(), &[0]].concat()),
        (
            "plus n",
            (old_rsa::BigUint::from_bytes_be(&good) + &n * 256_u16).to_bytes_be(),
        ),
    ] {
        judge().refuses_as(
            what,
            token.clone().signature(signature).sign(now()),
            BadSignature::Length,
        );
    }
}

#[test]
fn sig_07_a_pss_salt_is_as_long_as_the_hash() {
    let judge = judge().allowing(&[Algorithm::PS256]);
    let token = Token::good().alg("PS256");
    judge.admits(token.sign(now()));
    let digest = Sha256::digest(token.signing_input(now()));
    for salt in [0, 20, 31, 32, 33, 48, 222] {
        let signature = Key::R1.sign_pss(Pss::new_with_salt::<Sha256>(salt), &digest);
        let token = token.clone().signature(signature).sign(now());
        if salt == 32 {
            judge.admits(token);
        } else {
            judge.refuses_as(&salt.to_string(), token, BadSignature::Mismatch);
        }
    }
}

#[test]
fn sig_08_an_ed25519_signature_has_one_form() {
    let judge = judge().allowing(&[Algorithm::EdDSA]);
    let token = Token::good().key(Key::D1);
    let good = signature_of(&token);
    judge.admits(token.clone().signature(&good).sign(now()));
    judge.refuses(
        token.clone().signature(&good[..63]).sign(now()),
        BadSignature::Length,
    );
    judge.refuses(
        token
            .clone()
            .signature([good.as_slice(), &[0]].concat())
            .sign(now()),
        BadSignature::Length,
    );
    // S + L is S again modulo the group's order (RFC 8032 section 5.1.7 forbids it).
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let mut malleable = good.clone();
    let mut carry = 0_u16;
    for (byte, add) in malleable[32..].iter_mut().zip(hex(order)) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    judge.refuses(
        token.clone().signature(malleable).sign(now()),
        BadSignature::Mismatch,
    );
    let identity_and_zero = [vec![1], vec![0; 63]].concat();
    judge.refuses(
        token.signature(identity_and_zero).sign(now()),
        BadSignature::Mismatch,
    );
}

#[test]
fn sig_09_a_shared_secret_is_no_way_in() {
    let token = Token::good().header("alg", "HS256");
    for tag in [vec![0], vec![0; 16], vec![0; 32], vec![0; 33]] {
        judge().refuses(
            token.clone().signature(tag).sign(now()),
            Cause::AlgorithmNotAllowed,
        );
    }
}

#[test]
fn every_bit_of_a_token_counts() {
    for (key, algorithm) in [
        (Key::R1, Algorithm::RS256),
        (Key::E1, Algorithm::ES256),
        (Key::D1, Algorithm::EdDSA),
    ] {
        let judge = judge().allowing(&[algorithm]);
        let good = Token::good().key(key).sign(now());
        judge.admits(&good);
        for index in 0..good.len() {
            for bit in [0x01, 0x20] {
                let mut changed = good.clone().into_bytes();
                changed[index] ^= bit;
                assert!(
                    judge.on(&changed).is_err(),
                    "{algorithm:?} byte {index} bit {bit}"
                );
            }
        }
    }
}

#[test]
fn tok_27_the_high_s_twin_of_a_token_is_as_good() {
    let token = Token::good().key(Key::E1);
    let signature = token.sign(now());
    let signature = from_base64(signature.rsplit('.').next().unwrap());
    let signature = old_p256::ecdsa::Signature::from_slice(&signature).unwrap();
    let twin = old_p256::ecdsa::Signature::from_scalars(
        signature.r().to_bytes(),
        (-*signature.s()).to_bytes(),
    )
    .unwrap();
    assert_ne!(twin, signature);
    let judge = judge().allowing(&[Algorithm::ES256]);
    judge.admits(token.sign(now()));
    judge.admits(token.signature(twin.to_bytes()).sign(now()));
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
