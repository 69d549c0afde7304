//! TOK and SIG: hostile tokens at the door of the whole filter.

use old_rsa::pkcs1::EncodeRsaPublicKey as _;
use old_rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use crate::harness::proxy::{HostCrypto, Proxy, post};
use crate::harness::tokens::{Key, TRUSTED, Token, base64, from_base64, jwks, with};
use crate::{Gate, IDP, KEYS, issuer, policy, policy_with};

const BAD: (u32, &str) = (401, "invalid_credential");

/// All algorithms that the design has, so that a refusal is not for the algorithm alone.
fn every_algorithm() -> Value {
    policy_with(issuer(json!({
        "algorithms": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"],
    })))
}

#[test]
fn tok_01_an_unsecured_token_is_refused() {
    let mut gate = Gate::open();
    let row = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoiYXBpIiwic3ViIjoidTEiLCJleHAiOjQxMDI0NDQ4MDB9.";
    gate.refuses_request("the row's own", post("/v1/chat").bearer(row), BAD.0, BAD.1);
    for alg in ["none", "None", "NONE", "nOnE", "none "] {
        let token = Token::good().header("alg", alg);
        let signed = gate.sign(&token);
        let unsigned = signed.rsplit_once('.').unwrap().0.to_owned() + ".";
        for text in [unsigned, signed] {
            gate.refuses_request(alg, post("/v1/chat").bearer(text), BAD.0, BAD.1);
        }
    }
    assert_eq!(gate.host_signatures(), 1, "for the good token of `lives`");
    gate.admits("the same, signed", &Token::good().header("alg", "RS256"));
}

#[test]
fn tok_04_the_public_key_is_never_an_hmac_secret() {
    let mut gate = Gate::with(Proxy::setup(), &every_algorithm());
    let public = Key::R1.rsa().to_public_key();
    let jwk = Key::R1.jwk();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    for (what, secret) in [
        ("SPKI PEM", pem.clone().into_bytes()),
        (
            "SPKI PEM without the final newline",
            pem.trim_end().as_bytes().to_vec(),
        ),
        (
            "PKCS#1 PEM",
            public.to_pkcs1_pem(LineEnding::LF).unwrap().into_bytes(),
        ),
        ("SPKI DER", public.to_public_key_der().unwrap().to_vec()),
        ("PKCS#1 DER", public.to_pkcs1_der().unwrap().to_vec()),
        ("the modulus", from_base64(jwk["n"].as_str().unwrap())),
        ("the JWK", jwk.to_string().into_bytes()),
        ("n as text", jwk["n"].as_str().unwrap().into()),
        ("nothing", Vec::new()),
    ] {
        let input = Token::good()
            .header("alg", "HS256")
            .signing_input(gate.timestamp());
        let key = jsonwebtoken::EncodingKey::from_secret(&secret);
        let tag =
            jsonwebtoken::crypto::sign(input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
        let token = format!("{input}.{}", tag.unwrap());
        gate.refuses_request(what, post("/v1/chat").bearer(token), BAD.0, BAD.1);
    }
}

#[test]
fn tok_05_an_algorithm_that_is_not_allowed_is_refused_though_the_signature_holds() {
    let (mut only_rs256, mut all) = (Gate::open(), Gate::with(Proxy::setup(), &every_algorithm()));
    for (alg, key) in [
        ("RS384", Key::R1),
        ("RS512", Key::R1),
        ("PS256", Key::R1),
        ("ES256", Key::E1),
        ("EdDSA", Key::D1),
    ] {
        let token = Token::good().key(key).alg(alg);
        only_rs256.refuses(alg, &token, BAD.0, BAD.1);
        all.admits(alg, &token);
    }
}

#[test]
fn tok_06_a_signature_that_the_host_would_call_good_is_refused_when_the_key_is_of_another_kind() {
    let mut gate = Gate::with(Proxy::setup(), &every_algorithm());
    // The host picks the scheme by the key: this one it would verify.
    let token = Token::good().header("alg", "RS256").header("kid", "e1");
    let input = token.signing_input(gate.timestamp());
    let der = old_p256::ecdsa::Signature::from_slice(&Key::E1.sign("ES256", input.as_bytes()))
        .unwrap()
        .to_der();
    let asked = gate.host_signatures();
    let token = token.signature(der.as_bytes());
    let request = gate.chat(&token);
    gate.refuses_calling("RS256 by e1", request, BAD.0, BAD.1);
    let token = Token::good()
        .header("alg", "ES256")
        .header("kid", "r1")
        .signed_by(Key::R1)
        .signed_as("RS256");
    let request = gate.chat(&token);
    gate.refuses_calling("ES256 by r1", request, BAD.0, BAD.1);
    assert_eq!(gate.host_signatures(), asked, "the host was not even asked");
    gate.admits("ES256 by e1", &Token::good().key(Key::E1));
}

#[test]
fn tok_10_an_extension_that_must_be_understood_is_refused() {
    let mut gate = Gate::open();
    for crit in [
        json!(["x-policy"]),
        json!([]),
        json!("exp"),
        json!(["alg"]),
        json!(["b64"]),
    ] {
        let token = Token::good()
            .header("crit", crit.clone())
            .header("x-policy", "deny");
        gate.refuses(&crit.to_string(), &token, BAD.0, BAD.1);
    }
    gate.admits(
        "the extension, not critical",
        &Token::good().header("x-policy", "deny"),
    );
}

#[test]
fn tok_13_a_key_that_the_token_brings_is_ignored_and_nobody_is_called_for_it() {
    let mut gate = Gate::open();
    let before = gate.callouts();
    for (name, value) in [
        ("jwk", Key::R2.jwk()),
        ("jku", json!("https://evil.test/keys")),
        ("jku", json!("https://idp.test/other-keys")),
        ("x5u", json!("https://evil.test/chain")),
        ("x5c", json!(["MIIBszCCAVmgAwIBAgIUe3"])),
        ("x5t", json!(base64(&[7; 20]))),
        ("x5t#S256", json!(base64(&[7; 32]))),
    ] {
        let token = Token::good().header(name, value);
        gate.admits(name, &token);
        gate.refuses(name, &token.signed_by(Key::R2), BAD.0, BAD.1);
    }
    assert_eq!(gate.callouts(), before);
    gate.cluster("evil.test").hits().saw_nothing();
}

#[test]
fn tok_14_a_hostile_kid_goes_nowhere() {
    let mut gate = Gate::open();
    let stranger = gate.chat(&Token::good().header("kid", "stranger"));
    gate.refuses_calling("a plain stranger", stranger, BAD.0, BAD.1);
    let names = |gate: &Gate| -> Vec<_> {
        let metrics = gate.metrics().into_iter().map(|(name, _)| name);
        metrics.chain(gate.shared_keys()).collect()
    };
    gate.lives("a plain stranger");
    let before = names(&gate);
    let mut canaries = Vec::new();
    for kid in [
        json!("../../../../dev/CANARY"),
        json!("' OR CANARY=1--"),
        json!("r1\r\nset-cookie: CANARY=b"),
        json!("\u{0}CANARY"),
        json!("CANARY".repeat(80)),
        json!("CANARY".repeat(1400)),
        json!(""),
        json!(7),
        json!({"CANARY": 1}),
        json!("R1"),
        json!("r1\u{200b}"),
        json!("r1|https://CANARY"),
    ] {
        let token = Token::good().header("kid", kid.clone());
        let request = gate.chat(&token);
        let answer = gate.refuses_calling(&kid.to_string(), request, BAD.0, BAD.1);
        canaries.push(format!("{:?}", answer.headers) + &answer.text());
        gate.lives("a hostile kid");
    }
    // A name that nobody knows asks the issuer for newer keys, once, where they always are.
    let calls = gate.cluster(IDP).hits();
    assert_eq!((calls.len(), gate.callouts()), (2, 2));
    assert!(
        calls
            .iter()
            .all(|call| call.path() == KEYS && call.host() == "idp.test")
    );
    canaries.extend([
        format!("{calls:?}"),
        gate.log_text(),
        format!("{:?}", gate.metrics()),
    ]);
    assert!(
        canaries.iter().all(|text| !text.contains("CANARY")),
        "{canaries:#?}"
    );
    assert_eq!(names(&gate), before);
}

#[test]
fn tok_16_keys_are_looked_up_inside_the_issuer_that_the_token_names() {
    let other = json!({ "issuer": "https://other.test", "jwks_uri": "https://other.test/keys" });
    let both = json!({ "type": "any_of", "any_of": [issuer(json!({})), issuer(other)] });
    let setup = Proxy::setup();
    let named_1 = |key: Key| json!({ "keys": [null, with(key.jwk(), json!({"kid": "1"}))] });
    setup.cluster("other.test").serves(KEYS, named_1(Key::R2));
    let mut gate = Gate::with(setup, &policy_with(both));
    let a = Token::good().header("kid", "1");
    let b = a.clone().claim("iss", "https://other.test");
    gate.cluster(IDP).serves(KEYS, {
        let mut keys = jwks(&TRUSTED);
        let named = with(Key::R1.jwk(), json!({"kid": "1"}));
        keys["keys"].as_array_mut().unwrap().push(named);
        keys
    });
    gate.seconds_pass(700);

    gate.admits("A by its own key", &a);
    gate.admits("B by its own key", &b.clone().signed_by(Key::R2));
    gate.refuses("A by B's key", &a.signed_by(Key::R2), BAD.0, BAD.1);
    gate.refuses("B by A's key", &b, BAD.0, BAD.1);
}

#[test]
fn tok_18_a_claim_named_twice_is_refused() {
    let mut gate = Gate::open();
    let claims = |gate: &Gate, more: &str| {
        let exp = gate.timestamp().as_second() + 300;
        let text = format!(
            r#"{{"iss":"https://idp.test","aud":"api","sub":"u1","tenant":"t1","exp":{exp}{more}}}"#
        );
        Token::good().claims_text(text)
    };
    for more in [
        r#","sub":"admin""#,
        r#","tenant":"t2""#,
        r#","tenant":"t1""#,
        r#","exp":4102444800"#,
        r#","\u0069ss":"https://idp.test""#,
        r#","realm":{"a":1,"a":2}"#,
    ] {
        let token = claims(&gate, more);
        gate.refuses(more, &token, BAD.0, BAD.1);
    }
    let token = claims(&gate, r#","realm":{"sub":"admin"}"#);
    gate.admits("no name twice", &token)
        .upstream_saw("x-user-id", "u1");
}

#[test]
fn tok_25_a_token_of_another_kind_is_refused() {
    let mut gate = Gate::open();
    for typ in [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "application/logout+jwt",
        "id_token+jwt",
        "jwe",
    ] {
        gate.refuses(typ, &Token::good().header("typ", typ), BAD.0, BAD.1);
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        gate.admits(typ, &Token::good().header("typ", typ));
    }
    gate.admits("no typ", &Token::good().without_header("typ"));
    // An ID token is for the client that asked for it, and says so.
    let id_token = Token::good().claim("aud", "the-client").claim("nonce", "n");
    gate.refuses("an ID token", &id_token, BAD.0, BAD.1);
}

#[test]
fn sig_10_no_answer_of_the_host_but_yes_admits_and_none_is_asked_of_another() {
    for crypto in [
        HostCrypto::BadArgument,
        HostCrypto::InternalFailure,
        HostCrypto::EmptyResult,
        HostCrypto::TruncatedResult,
        HostCrypto::AlwaysFalse,
    ] {
        let mut gate = Gate::with(Proxy::setup().host_crypto(crypto), &policy());
        for asked in 1..=3 {
            let request = gate.chat(&Token::good());
            gate.refuses_calling(&format!("{crypto:?}"), request, BAD.0, BAD.1);
            assert_eq!(gate.host_signatures(), asked, "asked anew each time");
        }
        gate.set_host_crypto(HostCrypto::Works);
        gate.lives("a host that was ill");
    }
}

#[test]
fn sig_10_only_a_host_without_the_function_leaves_it_to_rust_for_good() {
    let mut gate = Gate::with(Proxy::without_host_crypto(), &policy());
    gate.admits("no host crypto", &Token::good());
    let forged = Token::good().signed_by(Key::R2);
    gate.refuses("a forged one", &forged, BAD.0, BAD.1);
    assert_eq!(
        gate.host_signatures(),
        1,
        "asked once in the life of the VM"
    );
    // It would say yes or no to anything now, and is not asked.
    gate.set_host_crypto(HostCrypto::AlwaysFalse);
    gate.admits("another", &Token::good().claim("jti", "2"));
    assert_eq!(gate.host_signatures(), 1);
}

#[test]
fn sig_11_host_and_rust_give_the_same_verdicts() {
    let mut with_host = Gate::with(Proxy::setup(), &every_algorithm());
    let mut without = Gate::with(Proxy::without_host_crypto(), &every_algorithm());
    for (alg, key) in [
        ("RS256", Key::R1),
        ("RS384", Key::R1),
        ("RS512", Key::R1),
        ("PS256", Key::R1),
        ("PS384", Key::R1),
        ("PS512", Key::R1),
        ("ES256", Key::E1),
        ("ES384", Key::E3),
        ("EdDSA", Key::D1),
    ] {
        let good = Token::good().key(key).alg(alg);
        let input = good.signing_input(with_host.timestamp());
        let signature = key.sign(alg, input.as_bytes());
        let mut flipped = signature.clone();
        flipped[9] ^= 1;
        let longer = [&signature[..], &[0]].concat();
        for gate in [&mut with_host, &mut without] {
            gate.admits(alg, &good);
            for bad in [
                &flipped,
                &longer,
                &signature[1..].to_vec(),
                &vec![0; signature.len()],
            ] {
                gate.refuses(alg, &good.clone().signature(bad), BAD.0, BAD.1);
            }
        }
    }
}
