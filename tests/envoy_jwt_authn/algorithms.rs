//! Which algorithm, with which key: named, swapped, downgraded, switched off.

use old_rsa::Pkcs1v15Sign;
use old_rsa::pkcs1::EncodeRsaPublicKey as _;
use old_rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use signature::Signer as _;

use crate::ALGORITHMS;
use crate::catalogue::{Catalogue, Rfc};
use crate::harness::tokens::{Key, TRUSTED, Token, from_base64};

const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

fn key_of(alg: &str) -> Key {
    match alg {
        "ES256" => Key::E1,
        "ES384" => Key::E3,
        "EdDSA" | "Ed25519" => Key::D1,
        _ => Key::R1,
    }
}

pub fn write(catalogue: &mut Catalogue) {
    good(catalogue);
    swapped(catalogue);
    unsecured(catalogue);
    symmetric(catalogue);
    odd_names(catalogue);
}

fn good(catalogue: &mut Catalogue) {
    for alg in ALGORITHMS {
        let token = Token::good().key(key_of(alg)).alg(alg);
        // RFC 9864 names the curve; "EdDSA" is what it replaces.
        let section = match alg {
            "EdDSA" => "RFC 8037 3.1",
            "Ed25519" => "RFC 9864 2.2",
            _ => "RFC 7518 3.1",
        };
        catalogue.add(
            Rfc::MustAccept,
            section,
            format!("{alg}, as it should be"),
            &token,
        );
        catalogue.add(
            Rfc::MustAccept,
            "RFC 7515 4.1.4",
            format!("{alg}, no kid"),
            &token.without_header("kid"),
        );
    }
}

fn swapped(catalogue: &mut Catalogue) {
    for says in RSA {
        for does in RSA.into_iter().filter(|does| *does != says) {
            let token = Token::good().alg(says).signed_as(does);
            let name = format!("says {says} and is signed with {does}");
            catalogue.add(Rfc::MustRefuse, "RFC 7515 5.2 (8)", name, &token);
        }
    }
    for key in TRUSTED {
        for alg in ALGORITHMS.into_iter().filter(|alg| key_of(alg) != key) {
            let token = Token::good().key(key).header("alg", alg);
            let name = format!("says {alg}, names {} and is signed by it", key.kid());
            catalogue.add(Rfc::MustRefuse, "RFC 8725 3.1", name, &token);
        }
    }
    // A function that goes by the key's type takes this one for ECDSA.
    let token = Token::good().header("kid", "e1");
    let input = token.signing_input(catalogue.now());
    let der: old_p256::ecdsa::DerSignature = Key::E1.p256().sign(input.as_bytes());
    let name = "says RS256, names e1, ECDSA signature in DER";
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 8725 3.1",
        name,
        &token.signature(der.as_bytes()),
    );

    let token = Token::good().claim("jti", "sha1");
    let digest = Sha1::digest(token.signing_input(catalogue.now()));
    let signature = Key::R1.rsa().sign(Pkcs1v15Sign::new::<Sha1>(), &digest);
    let name = "says RS256 and is signed with SHA-1";
    catalogue.add(
        Rfc::MustRefuse,
        "RFC 7518 3.3",
        name,
        &token.signature(signature.unwrap()),
    );
}

fn unsecured(catalogue: &mut Catalogue) {
    for none in ["none", "nOnE", "None", "NONE", "none "] {
        let token = Token::good().header("alg", none);
        let section = "RFC 8725 3.1, 3.2";
        let input = token.signing_input(catalogue.now());
        let name = format!("alg {none:?}");
        catalogue.add_text(
            Rfc::MustRefuse,
            section,
            format!("{name}, no signature"),
            format!("{input}."),
        );
        catalogue.add_text(
            Rfc::MustRefuse,
            section,
            format!("{name}, some signature"),
            format!("{input}.AAAA"),
        );
        catalogue.add(
            Rfc::MustRefuse,
            section,
            format!("{name}, a good signature"),
            &token,
        );
    }
    let token = Token::good().header("alg", "none").without_header("kid");
    let input = token.signing_input(catalogue.now());
    let name = "alg \"none\", no kid, no signature";
    catalogue.add_text(Rfc::MustRefuse, "RFC 7519 6", name, format!("{input}."));
}

/// Every text of the public key that an attacker can have, as the secret of an HMAC.
fn symmetric(catalogue: &mut Catalogue) {
    let public = Key::R1.rsa().to_public_key();
    let jwk = Key::R1.jwk();
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let pkcs1_pem = public.to_pkcs1_pem(LineEnding::LF).unwrap();
    let secrets: Vec<(&str, Vec<u8>)> = vec![
        ("the PEM", pem.clone().into()),
        ("the PEM without its last newline", pem.trim_end().into()),
        ("the PKCS#1 PEM", pkcs1_pem.into()),
        ("the DER", public.to_public_key_der().unwrap().into_vec()),
        ("the PKCS#1 DER", public.to_pkcs1_der().unwrap().into_vec()),
        ("the modulus", from_base64(&modulus)),
        ("n as text", modulus.into()),
        ("the JWK", jwk.to_string().into()),
        ("nothing", Vec::new()),
    ];
    for (what, secret) in &secrets {
        for alg in ["HS256", "HS384", "HS512"] {
            let name = format!("{alg} keyed with {what}");
            let token = Token::good().header("alg", alg);
            hmac(
                catalogue,
                Rfc::MustRefuse,
                "RFC 8725 3.1",
                &name,
                &token,
                alg,
                secret,
            );
        }
    }
    // The set has a symmetric key of three bytes. Whoever publishes one has no secret.
    for (kid, name) in [(Some("secret"), "named"), (None, "not named")] {
        let token = Token::good().header("alg", "HS256");
        let token = match kid {
            Some(kid) => token.header("kid", kid),
            None => token.without_header("kid"),
        };
        let name = format!("HS256 keyed with the published oct key of 24 bits, {name}");
        hmac(
            catalogue,
            Rfc::MustRefuse,
            "RFC 7518 3.2",
            &name,
            &token,
            "HS256",
            &[0; 3],
        );
    }
}

fn hmac(
    catalogue: &mut Catalogue,
    rfc: Rfc,
    section: &'static str,
    name: &str,
    token: &Token,
    alg: &str,
    secret: &[u8],
) {
    let alg = alg.parse().expect("an HMAC");
    let input = token.signing_input(catalogue.now());
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let tag = jsonwebtoken::crypto::sign(input.as_bytes(), &key, alg).unwrap();
    catalogue.add_text(rfc, section, name, format!("{input}.{tag}"));
}

fn odd_names(catalogue: &mut Catalogue) {
    let section = "RFC 7515 4.1.1";
    for alg in [
        "rs256",
        "Rs256",
        "RS256 ",
        " RS256",
        "RS256\u{0}",
        "RS",
        "",
        "RS1",
        "RS2560",
        "ES256K",
        "ES512",
        "dir",
        "A128KW",
        "RSA-OAEP",
        "PBES2-HS256+A128KW",
        "ECDH-ES",
        "SHA256",
        "HS256/RS256",
    ] {
        let token = Token::good().header("alg", alg);
        catalogue.add(Rfc::MustRefuse, section, format!("alg {alg:?}"), &token);
    }
    for alg in [
        json!(null),
        json!(256),
        json!(true),
        json!(["RS256"]),
        json!({ "RS256": 1 }),
    ] {
        let name = format!("alg {alg}");
        catalogue.add(
            Rfc::MustRefuse,
            section,
            name,
            &Token::good().header("alg", Value::clone(&alg)),
        );
    }
    catalogue.add(
        Rfc::MustRefuse,
        section,
        "no alg",
        &Token::good().without_header("alg"),
    );
}
