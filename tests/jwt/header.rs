//! TOK, the header: algorithm, key, extensions, kind.

use serde_json::json;
use tenantgate::authorizer::jwt::{
    Algorithm, BadSignature, Cause, Refusal, UnacceptableHeader, UnsupportedAlgorithm,
};

use crate::tokens::{Key, Token, base64, with};
use crate::{judge, malformed, now};

#[test]
fn tok_03_alg_must_be_one_exact_string() {
    let good = r#"{"alg":"RS256","kid":"r1"}"#;
    judge().admits(Token::good().header_text(good).sign(now()));
    for (alg, why) in [
        (
            json!(null),
            malformed(UnacceptableHeader::NotAString("alg")),
        ),
        (json!(256), malformed(UnacceptableHeader::NotAString("alg"))),
        (
            json!(["RS256"]),
            malformed(UnacceptableHeader::NotAString("alg")),
        ),
        (
            json!({"RS256": 1}),
            malformed(UnacceptableHeader::NotAString("alg")),
        ),
        (json!(""), Cause::AlgorithmNotAllowed),
        (json!("rs256"), Cause::AlgorithmNotAllowed),
        (json!("RS256 "), Cause::AlgorithmNotAllowed),
        (json!("RS256\u{0}"), Cause::AlgorithmNotAllowed),
        (json!("ＲＳ256"), Cause::AlgorithmNotAllowed),
    ] {
        judge().refuses_as(
            &alg.to_string(),
            Token::good().header("alg", alg.clone()).sign(now()),
            why,
        );
    }
    let missing = Token::good().without_header("alg");
    judge().refuses(
        missing.sign(now()),
        malformed(UnacceptableHeader::NoAlgorithm),
    );
}

#[test]
fn tok_04_the_public_key_is_never_an_hmac_secret() {
    use old_rsa::pkcs1::EncodeRsaPublicKey as _;
    use old_rsa::pkcs8::{EncodePublicKey as _, LineEnding};
    let public = Key::R1.rsa().to_public_key();
    let jwk = Key::R1.jwk();
    let spki_pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    for (what, secret) in [
        ("SPKI PEM", spki_pem.clone().into_bytes()),
        (
            "SPKI PEM without the final newline",
            spki_pem.trim_end().as_bytes().to_vec(),
        ),
        (
            "PKCS#1 PEM",
            public.to_pkcs1_pem(LineEnding::LF).unwrap().into_bytes(),
        ),
        ("SPKI DER", public.to_public_key_der().unwrap().to_vec()),
        ("PKCS#1 DER", public.to_pkcs1_der().unwrap().to_vec()),
        (
            "the modulus",
            crate::tokens::from_base64(jwk["n"].as_str().unwrap()),
        ),
        ("the JWK", jwk.to_string().into_bytes()),
        ("n as text", jwk["n"].as_str().unwrap().into()),
        ("nothing", Vec::new()),
    ] {
        for (hash, alg) in [
            ("HS256", jsonwebtoken::Algorithm::HS256),
            ("HS384", jsonwebtoken::Algorithm::HS384),
            ("HS512", jsonwebtoken::Algorithm::HS512),
        ] {
            let token = Token::good().header("alg", hash);
            let input = token.signing_input(now());
            let key = jsonwebtoken::EncodingKey::from_secret(&secret);
            let tag = jsonwebtoken::crypto::sign(input.as_bytes(), &key, alg).unwrap();
            judge().refuses_as(what, format!("{input}.{tag}"), Cause::AlgorithmNotAllowed);
        }
    }
}

#[test]
fn tok_04_and_sig_11_the_configuration_cannot_allow_what_is_not_safe_or_not_the_same_on_both_paths()
{
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
    for (name, why) in [
        ("HS256", UnsupportedAlgorithm::Symmetric),
        ("HS384", UnsupportedAlgorithm::Symmetric),
        ("HS512", UnsupportedAlgorithm::Symmetric),
        ("none", UnsupportedAlgorithm::Unsecured),
        ("NONE", UnsupportedAlgorithm::Unsecured),
        ("ES512", UnsupportedAlgorithm::NoP521),
        ("ES256K", UnsupportedAlgorithm::Unknown),
        ("rs256", UnsupportedAlgorithm::Unknown),
        ("RS256 ", UnsupportedAlgorithm::Unknown),
        ("RSA-OAEP", UnsupportedAlgorithm::Unknown),
        ("", UnsupportedAlgorithm::Unknown),
    ] {
        assert_eq!(name.parse::<Algorithm>(), Err(why), "{name}");
    }
}

#[test]
fn tok_05_an_algorithm_that_is_not_allowed_is_refused_though_the_signature_holds() {
    for algorithm in Algorithm::ALL {
        let key = match algorithm {
            Algorithm::ES256 => Key::E1,
            Algorithm::ES384 => Key::E3,
            Algorithm::EdDSA | Algorithm::Ed25519 => Key::D1,
            _ => Key::R1,
        };
        let token = Token::good().key(key).alg(algorithm.as_str()).sign(now());
        judge()
            .allowing(&[algorithm])
            .admits_as(algorithm.as_str(), &token);
        let others: Vec<_> = Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm)
            .collect();
        judge().allowing(&others).refuses_as(
            algorithm.as_str(),
            &token,
            Cause::AlgorithmNotAllowed,
        );
        judge()
            .allowing(&[])
            .refuses_as(algorithm.as_str(), &token, Cause::AlgorithmNotAllowed);
    }
}

#[test]
fn tok_06_the_algorithm_must_go_with_the_keys_type() {
    let judge = judge().allowing(&[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
    // It would verify in a host function that goes by the key's type.
    let token = Token::good().header("kid", "e1");
    let der: old_p256::ecdsa::DerSignature =
        signature::Signer::sign(&Key::E1.p256(), token.signing_input(now()).as_bytes());
    judge.refuses(
        token.signature(der.as_bytes()).sign(now()),
        Cause::NoKeyFits,
    );
    for (key, alg) in [
        (Key::R1, "ES256"),
        (Key::R1, "EdDSA"),
        (Key::E1, "RS256"),
        (Key::E1, "EdDSA"),
        (Key::D1, "RS256"),
        (Key::D1, "ES256"),
    ] {
        let token = Token::good().key(key).header("alg", alg).sign(now());
        judge.refuses_as(&format!("{key:?} {alg}"), token, Cause::NoKeyFits);
        judge.admits(Token::good().key(key).sign(now()));
    }
}

#[test]
fn tok_07_the_algorithm_must_go_with_the_keys_curve() {
    let judge = judge().allowing(&[Algorithm::ES256, Algorithm::ES384]);
    judge.admits(Token::good().key(Key::E1).sign(now()));
    judge.admits(Token::good().key(Key::E3).sign(now()));
    judge.refuses(
        Token::good()
            .key(Key::E3)
            .header("alg", "ES256")
            .sign(now()),
        Cause::NoKeyFits,
    );
    judge.refuses(
        Token::good()
            .key(Key::E1)
            .header("alg", "ES384")
            .sign(now()),
        Cause::NoKeyFits,
    );
}

#[test]
fn tok_08_the_hash_comes_from_the_algorithm() {
    let algorithms = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
    ];
    let judge = judge().allowing(&algorithms);
    for says in algorithms {
        for does in algorithms {
            let token = Token::good()
                .alg(says.as_str())
                .signed_as(does.as_str())
                .sign(now());
            if says == does {
                judge.admits(token);
            } else {
                judge.refuses(token, BadSignature::Mismatch);
            }
        }
    }
}

#[test]
fn tok_09_a_key_that_is_meant_for_another_algorithm_is_not_used() {
    let pinned = |alg: &str| [with(Key::R1.jwk(), json!({"alg": alg}))];
    let judge = judge().allowing(&[Algorithm::RS256, Algorithm::PS256]);
    judge
        .clone()
        .trusting_only(&pinned("RS256"))
        .admits(Token::good().sign(now()));
    judge
        .clone()
        .trusting_only(&pinned("PS256"))
        .admits(Token::good().alg("PS256").sign(now()));
    judge
        .clone()
        .trusting_only(&pinned("PS256"))
        .refuses(Token::good().sign(now()), Cause::NoKeyFits);
    judge
        .trusting_only(&pinned("RS256"))
        .refuses(Token::good().alg("PS256").sign(now()), Cause::NoKeyFits);
}

#[test]
fn tok_10_and_11_a_token_with_crit_is_refused() {
    judge().admits(Token::good().header("x-policy", "deny").sign(now()));
    for crit in [
        json!(["x-policy"]),
        json!([]),
        json!("exp"),
        json!(["alg"]),
        json!(["exp"]),
        json!(["x"]),
        json!(["x-policy", "x-policy"]),
        json!(null),
        json!(false),
    ] {
        let token = Token::good()
            .header("x-policy", "deny")
            .header("crit", crit.clone())
            .sign(now());
        judge().refuses_as(
            &crit.to_string(),
            token,
            malformed(UnacceptableHeader::CriticalExtension),
        );
    }
}

#[test]
fn tok_12_an_unencoded_payload_is_refused() {
    for b64 in [json!(false), json!(true), json!(null)] {
        let token = Token::good().header("b64", b64);
        judge().refuses(
            token.sign(now()),
            malformed(UnacceptableHeader::UnencodedPayload),
        );
        let token = token.header("crit", json!(["b64"]));
        judge().refuses(
            token.sign(now()),
            malformed(UnacceptableHeader::CriticalExtension),
        );
    }
}

#[test]
fn tok_13_a_key_that_the_token_brings_is_ignored() {
    let certificate = "MIIBszCCAVmgAwIBAgIUe3";
    for (name, value) in [
        ("jwk", Key::R2.jwk()),
        ("jku", json!("https://evil.test/keys")),
        ("x5u", json!("https://evil.test/chain")),
        ("x5c", json!([certificate])),
        ("x5t", json!(base64(&[7; 20]))),
        ("x5t#S256", json!(base64(&[7; 32]))),
        ("jku", json!(7)),
    ] {
        let token = Token::good().header(name, value);
        judge().admits_as(name, token.sign(now()));
        let token = token.signed_by(Key::R2);
        judge().refuses_as(name, token.sign(now()), BadSignature::Mismatch);
        let token = token.header("kid", "r2");
        judge().refuses_as(name, token.sign(now()), Refusal::UnknownKey);
    }
}

#[test]
fn tok_14_a_hostile_kid_finds_no_key() {
    for kid in [
        "../../../../dev/null",
        "' OR 1=1--",
        "r1\r\nset-cookie: a=b",
        "\u{0}",
        "",
        "R1",
        "r1 ",
        "r1\u{200b}",
        "r1|https://other",
        "small",
        "enc",
        "secret",
        "short",
        &"k".repeat(512),
    ] {
        judge().refuses_as(
            kid,
            Token::good().header("kid", kid).sign(now()),
            Refusal::UnknownKey,
        );
    }
    for length in [513, 8000] {
        let token = Token::good().header("kid", "k".repeat(length)).sign(now());
        judge().refuses(token, malformed(UnacceptableHeader::LongKeyId));
    }
    for kid in [json!(1), json!({}), json!(["r1"]), json!(null), json!(true)] {
        let token = Token::good().header("kid", kid).sign(now());
        judge().refuses(token, malformed(UnacceptableHeader::NotAString("kid")));
    }
}

#[test]
fn tok_14_a_refusal_says_nothing_of_what_the_token_said() {
    for token in [
        Token::good().header("kid", "CANARY"),
        Token::good().header("alg", "CANARY"),
        Token::good().header("typ", "CANARY"),
        Token::good().claim("aud", "CANARY"),
        Token::good().claim("iss", "CANARY"),
        Token::good().claims_text(r#"{"CANARY":1,"CANARY":"#),
        Token::good().claims_text(r#"{"CANARY":1,"CANARY":2}"#),
    ] {
        let refusal = judge().on(token.sign(now())).unwrap_err();
        assert!(
            !format!("{refusal} {refusal:?}").contains("CANARY"),
            "{refusal:?}"
        );
    }
}

#[test]
fn tok_16_keys_are_looked_up_inside_their_issuer() {
    let named_1 = |key: Key| [with(key.jwk(), json!({"kid": "1"}))];
    let token = Token::good()
        .header("kid", "1")
        .signed_by(Key::R2)
        .sign(now());
    judge().trusting_only(&named_1(Key::R2)).admits(&token);
    judge()
        .trusting_only(&named_1(Key::R1))
        .refuses(&token, BadSignature::Mismatch);
}
