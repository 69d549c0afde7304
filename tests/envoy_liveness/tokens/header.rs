//! TOK-01 to TOK-17: what stands in a token's header.

use old_rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use super::{BAD, chat, es256, texts, to};
use crate::harness::tokens::{Key, Token};
use crate::tokens::signatures::der;
use crate::{Case, now};

pub fn rows() -> Vec<Case> {
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoiYXBpIiwic3ViIjoidTEiLCJleHAiOjQxMDI0NDQ4MDB9.";
    let stranger = || Token::good().signed_by(Key::R2);
    [
        texts(
            "/v1/chat",
            "TOK-01",
            BAD,
            [("alg none", unsecured.to_owned())],
        ),
        chat(
            "TOK-02",
            BAD,
            header(
                "alg",
                &["none", "None", "NONE", "nOnE", "none "].map(Value::from),
            ),
        ),
        chat(
            "TOK-03",
            BAD,
            header(
                "alg",
                &[
                    json!(null),
                    json!(7),
                    json!(["RS256"]),
                    json!(""),
                    json!("rs256"),
                    json!("RS256\0"),
                ],
            ),
        ),
        texts(
            "/v1/every",
            "TOK-04",
            BAD,
            [("HS256 by the public key", by_hmac())],
        ),
        chat(
            "TOK-05",
            BAD,
            ["RS384", "RS512", "PS256"].map(|alg| (alg, Token::good().alg(alg))),
        ),
        chat(
            "TOK-05",
            BAD,
            [("ES256", es256()), ("EdDSA", Token::good().key(Key::D1))],
        ),
        to(
            "/v1/every",
            "TOK-05",
            "t1",
            ["RS512", "PS256"].map(|alg| (alg, Token::good().alg(alg))),
        ),
        to(
            "/v1/every",
            "TOK-06",
            BAD,
            [
                (
                    "RS256 by e1",
                    es256().header("alg", "RS256").signature(der()),
                ),
                ("ES256 by r1", Token::good().header("alg", "ES256")),
            ],
        ),
        to(
            "/v1/every",
            "TOK-07",
            BAD,
            [
                (
                    "ES256 by e3",
                    Token::good().key(Key::E3).header("alg", "ES256"),
                ),
                ("ES384 by e1", es256().header("alg", "ES384")),
            ],
        ),
        chat(
            "TOK-08",
            BAD,
            [("SHA-384", Token::good().signed_as("RS384"))],
        ),
        chat(
            "TOK-09",
            BAD,
            [("the JWK says PS256", Token::good().header("kid", "ps256"))],
        ),
        chat("TOK-10", BAD, header("crit", &[json!(["x-policy"])])),
        chat(
            "TOK-11",
            BAD,
            header(
                "crit",
                &[
                    json!([]),
                    json!("exp"),
                    json!(["alg"]),
                    json!(["x", "x"]),
                    json!(null),
                ],
            ),
        ),
        chat(
            "TOK-12",
            BAD,
            [
                ("b64", Token::good().header("b64", false)),
                (
                    "b64 and crit",
                    Token::good()
                        .header("b64", false)
                        .header("crit", json!(["b64"])),
                ),
            ],
        ),
        chat(
            "TOK-13",
            BAD,
            [
                ("jwk", stranger().header("jwk", Key::R2.jwk())),
                ("jku", stranger().header("jku", "https://evil.test/keys")),
                ("x5u", stranger().header("x5u", "https://evil.test/chain")),
                ("x5c", stranger().header("x5c", json!(["MIIB"]))),
            ],
        ),
        chat(
            "TOK-14",
            BAD,
            header(
                "kid",
                &[
                    json!("../../../../dev/null"),
                    json!("' OR 1=1--"),
                    json!("r1\r\nset-cookie: a=b"),
                    json!("\0"),
                    json!("k".repeat(6000)),
                    json!(""),
                    json!(7),
                    json!({}),
                    json!("R1"),
                    json!("r1\u{200b}"),
                    json!("r1|https://other"),
                ],
            ),
        ),
        chat(
            "TOK-15",
            "t1",
            [("no kid", Token::good().without_header("kid"))],
        ),
        chat(
            "TOK-15",
            BAD,
            [(
                "no kid, by a stranger",
                Token::good().without_header("kid").signature([7; 256]),
            )],
        ),
        chat(
            "TOK-16",
            BAD,
            [(
                "the kid of another issuer",
                Token::good().claim("iss", "https://weak.test"),
            )],
        ),
        chat(
            "TOK-17",
            BAD,
            [
                (
                    "alg",
                    Token::good().header_text(r#"{"alg":"RS256","alg":"HS256","kid":"r1"}"#),
                ),
                (
                    "alg, escaped",
                    Token::good().header_text(r#"{"alg":"RS256","\u0061lg":"none","kid":"r1"}"#),
                ),
                (
                    "kid",
                    Token::good().header_text(r#"{"alg":"RS256","kid":"r1","kid":"x"}"#),
                ),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// By what is changed in its header.
pub fn header(name: &str, values: &[Value]) -> Vec<(String, Token)> {
    let token = |value: &Value| {
        let token = Token::good().header(name, value.clone());
        (format!("{name}: {value}"), token)
    };
    values.iter().map(token).collect()
}

fn by_hmac() -> String {
    let pem = Key::R1
        .rsa()
        .to_public_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let input = Token::good().header("alg", "HS256").signing_input(now());
    let key = jsonwebtoken::EncodingKey::from_secret(pem.as_bytes());
    let tag = jsonwebtoken::crypto::sign(input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    format!("{input}.{}", tag.unwrap())
}
