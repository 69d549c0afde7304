//! Signatures: by others, out of range, of the wrong length or form, and with a bit changed.

use old_rsa::Pss;
use old_rsa::traits::PublicKeyParts as _;
use old_sha2::{Digest as _, Sha256};

use crate::catalogue::{Catalogue, Rfc};
use crate::harness::tokens::{Key, Token, from_base64};

pub fn write(catalogue: &mut Catalogue) {
    others(catalogue);
    ecdsa(catalogue);
    rsa(catalogue);
    ed25519(catalogue);
    bits(catalogue);
}

fn others(catalogue: &mut Catalogue) {
    let forged = Token::good().signed_by(Key::R2);
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 7515 5.2 (8)",
        "names r1, signed by r2",
        &forged,
    );
    let nameless = forged.without_header("kid");
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 7515 5.2 (8)",
        "names nobody, signed by r2",
        &nameless,
    );
    let small = Token::good().key(Key::Small);
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 7518 3.3",
        "signed by the published key of 1024 bits",
        &small,
    );
    let nameless = small.without_header("kid");
    let name = "signed by the published key of 1024 bits, not named";
    catalogue.add(Rfc::MustRefuse, "RFC 7518 3.3", name, &nameless);

    // With an exponent of 1 the encoded message is its own signature, and anybody can write it.
    let token = Token::good().header("kid", "e1exp").claim("jti", "e1");
    let input = token.signing_input(catalogue.now());
    let token = token.signature(encoded_message(input.as_bytes()));
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 8017 3.1",
        "forged for the published key with e = 1",
        &token,
    );

    let good = Token::good().claim("jti", "mine").sign(catalogue.now());
    let other = Token::good().claim("tenant", "t2").sign(catalogue.now());
    let (input, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let name = "the signature of another token";
    catalogue.add_text(
        Rfc::MustRefuse,
        "RFC 7515 5.2 (8)",
        name,
        format!("{input}.{signature}"),
    );
}

/// RFC 8017 section 9.2, for SHA-256 and 2048 bits.
fn encoded_message(message: &[u8]) -> Vec<u8> {
    let info = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let digest = Sha256::digest(message);
    let padding = vec![0xff; 256 - 3 - info.len() - digest.len()];
    [&[0, 1][..], &padding, &[0], &info, &digest].concat()
}

/// The signature that the token would have.
fn signature_of(catalogue: &Catalogue, token: &Token) -> Vec<u8> {
    let token = token.sign(catalogue.now());
    from_base64(token.rsplit('.').next().unwrap())
}

fn ecdsa(catalogue: &mut Catalogue) {
    let token = Token::good().key(Key::E1).claim("jti", "ecdsa");
    let good = signature_of(catalogue, &token);
    let n = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let n_minus_1 = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
    let numbers = [
        ("0", vec![0; 32]),
        ("1", [vec![0; 31], vec![1]].concat()),
        ("n - 1", n_minus_1),
        ("n", n),
        ("2^256 - 1", vec![0xff; 32]),
    ];
    for (r_name, r) in &numbers {
        for (s_name, s) in &numbers {
            let token = token.clone().signature([r.as_slice(), s].concat());
            let name = format!("ES256, r = {r_name}, s = {s_name}");
            catalogue.add(Rfc::MustRefuse, "RFC 7518 3.4", name, &token);
        }
    }
    let mut altered = |rfc, name: &str, signature: Vec<u8>| {
        catalogue.add(
            rfc,
            "RFC 7518 3.4",
            format!("ES256, {name}"),
            &token.clone().signature(signature),
        );
    };
    for length in [1, 32, 63, 65, 66, 96, 128, 512] {
        let bytes = good.iter().copied().chain([0; 512]).take(length).collect();
        altered(
            Rfc::MustRefuse,
            &format!("a signature of {length} bytes"),
            bytes,
        );
    }
    let (r, s) = good.split_at(32);
    altered(
        Rfc::MustRefuse,
        "r and s with a zero before each",
        [&[0], r, &[0], s].concat(),
    );
    altered(
        Rfc::MustRefuse,
        "r and s with 16 zeros before each",
        [&[0; 16], r, &[0; 16], s].concat(),
    );
    altered(Rfc::MustRefuse, "s and r", [s, r].concat());
    let signature = old_p256::ecdsa::Signature::from_slice(&good).unwrap();
    altered(
        Rfc::MustRefuse,
        "a signature in DER",
        signature.to_der().as_bytes().to_vec(),
    );
    let twin = old_p256::ecdsa::Signature::from_scalars(
        signature.r().to_bytes(),
        (-*signature.s()).to_bytes(),
    );
    // RFC 7518 knows no low-S rule.
    altered(
        Rfc::MustAccept,
        "n - s in place of s",
        twin.unwrap().to_bytes().to_vec(),
    );

    let token = Token::good().key(Key::E3).claim("jti", "es384");
    let good = signature_of(catalogue, &token);
    for length in [64, 95, 97, 132] {
        let bytes: Vec<u8> = good.iter().copied().chain([0; 512]).take(length).collect();
        let name = format!("ES384, a signature of {length} bytes");
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 7518 3.4",
            name,
            &token.clone().signature(bytes),
        );
    }
}

fn rsa(catalogue: &mut Catalogue) {
    let token = Token::good().claim("jti", "rsa");
    let good = signature_of(catalogue, &token);
    let n = Key::R1.rsa().n().clone();
    let one = old_rsa::BigUint::from(1_u8);
    let number = |number: old_rsa::BigUint| {
        let bytes = number.to_bytes_be();
        [vec![0; 256 - bytes.len()], bytes].concat()
    };
    for (name, signature) in [
        ("0", vec![0; 256]),
        ("1", number(one.clone())),
        ("n - 1", number(&n - &one)),
        ("n", number(n.clone())),
        ("n + 1", number(&n + &one)),
        ("2^2048 - 1", vec![0xff; 256]),
        ("a byte short", good[..255].to_vec()),
        ("without its first byte", good[1..].to_vec()),
        ("with a zero before it", [&[0], good.as_slice()].concat()),
        ("with a zero behind it", [good.as_slice(), &[0]].concat()),
        ("twice", [good.clone(), good.clone()].concat()),
        ("one byte", vec![1]),
    ] {
        let token = token.clone().signature(signature);
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 8017 8.2.2",
            format!("RS256, the signature is {name}"),
            &token,
        );
    }
    let token = Token::good().alg("PS256").claim("jti", "pss");
    let digest = Sha256::digest(token.signing_input(catalogue.now()));
    for salt in [0, 20, 31, 33, 48, 222] {
        let signature = Key::R1.sign_pss(Pss::new_with_salt::<Sha256>(salt), &digest);
        let name = format!("PS256, a salt of {salt} bytes");
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 7518 3.5",
            name,
            &token.clone().signature(signature),
        );
    }
}

fn ed25519(catalogue: &mut Catalogue) {
    let token = Token::good().key(Key::D1).claim("jti", "ed25519");
    let good = signature_of(catalogue, &token);
    // S + L is S again modulo the group's order.
    let mut malleable = good.clone();
    let mut carry = 0_u16;
    for (byte, add) in malleable[32..].iter_mut().zip(hex(
        "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
    )) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    for (name, signature) in [
        ("S + L in place of S", malleable),
        ("a byte short", good[..63].to_vec()),
        ("a byte more", [good.as_slice(), &[0]].concat()),
        ("the identity and zero", [vec![1], vec![0; 63]].concat()),
        ("zeros", vec![0; 64]),
    ] {
        let token = token.clone().signature(signature);
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 8032 5.1.7",
            format!("EdDSA, {name}"),
            &token,
        );
    }
}

/// One bit of a good token, at places all over it.
fn bits(catalogue: &mut Catalogue) {
    for key in [Key::R1, Key::E1, Key::D1] {
        let good = Token::good()
            .key(key)
            .claim("jti", "bits")
            .sign(catalogue.now());
        for step in 0..16 {
            let mut token = good.clone().into_bytes();
            let at = step * (token.len() - 1) / 15;
            token[at] ^= 0x01;
            let name = format!("{}, byte {at} changed", key.usual_alg());
            catalogue.add_text(Rfc::MustRefuse, "RFC 7515 5.2", name, token);
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
