//! CLM: signed tokens that say what they should not.

use serde_json::{Value, json};

use crate::harness::tokens::{Key, Token};
use crate::tokens::{BAD, chat, to};
use crate::{Case, now};

const EXPIRED: &str = "401 expired_credential";
const MISMATCH: &str = "403 claim_mismatch";

/// By what is changed in its claims.
fn claims(name: &str, values: &[Value]) -> Vec<(String, Token)> {
    let token = |value: &Value| {
        let what: String = format!("{name}: {value}").chars().take(60).collect();
        (what, Token::good().claim(name, value.clone()))
    };
    values.iter().map(token).collect()
}

fn words(name: &str, values: &[&str]) -> Vec<(String, Token)> {
    claims(
        name,
        &values.iter().copied().map(Value::from).collect::<Vec<_>>(),
    )
}

pub fn rows() -> Vec<Case> {
    let at = |seconds: i64| json!(now().as_second() + seconds);
    let big = |number: &str| {
        let text =
            format!(r#"{{"iss":"https://idp.test","aud":"api","tenant":"t1","exp":{number}}}"#);
        (number.to_owned(), Token::good().claims_text(text))
    };
    [
        chat("CLM-01", BAD, [("no exp", Token::good().without("exp"))]),
        chat(
            "CLM-02",
            BAD,
            claims(
                "exp",
                &[
                    json!("4102444800"),
                    json!(true),
                    json!(null),
                    json!([1]),
                    json!({}),
                    json!(-1),
                ],
            ),
        ),
        chat(
            "CLM-02",
            BAD,
            ["1e30", "1e400", "18446744073709551616"].map(big),
        ),
        chat("CLM-02", EXPIRED, claims("exp", &[json!(0)])),
        chat(
            "CLM-02",
            "t1",
            ["4102444800.9", "4102444800e0", "9223372036854775808"].map(big),
        ),
        chat("CLM-03", EXPIRED, claims("exp", &[at(-60), at(-3600)])),
        chat(
            "CLM-04",
            BAD,
            claims("nbf", &[at(3600), json!("0"), json!(null), json!(-1)]),
        ),
        chat(
            "CLM-05",
            BAD,
            claims("iat", &[at(3600), json!("0"), json!(null)]),
        ),
        chat("CLM-05", "t1", [("no iat", Token::good().without("iat"))]),
        chat(
            "CLM-08",
            BAD,
            claims(
                "aud",
                &[
                    json!([]),
                    json!([7, "api"]),
                    json!([7]),
                    json!(7),
                    json!(null),
                    json!({"api": 1}),
                ],
            ),
        ),
        chat(
            "CLM-08",
            "t1",
            claims("aud", &[json!("api"), json!(["api"]), json!(["x", "api"])]),
        ),
        chat(
            "CLM-09",
            BAD,
            words(
                "aud",
                &["API", "api/", "api2", "xapi", "api\0", "https://api"],
            ),
        ),
        chat(
            "CLM-11",
            BAD,
            claims(
                "iss",
                &[
                    json!(null),
                    json!(1),
                    json!({}),
                    json!(["https://evil", "https://idp.test"]),
                    json!(""),
                ],
            ),
        ),
        chat(
            "CLM-12",
            BAD,
            words(
                "iss",
                &[
                    "https://idp.test/",
                    "https://IDP.test",
                    "https://idp.test:443",
                    "HTTPS://idp.test",
                    "https://idp.test.evil",
                    "https://idp.test@evil",
                    "https://idp%2etest",
                    "https://idp",
                ],
            ),
        ),
        chat(
            "CLM-13",
            MISMATCH,
            claims(
                "sub",
                &[
                    json!(""),
                    json!({}),
                    json!(true),
                    json!("u".repeat(2000)),
                    json!("u1\r\nx-admin: 1"),
                    json!("u1,u2"),
                    json!("\u{e9}"),
                ],
            ),
        ),
        chat("CLM-13", "t1", [("no sub", Token::good().without("sub"))]),
        to(
            "/v1/dotted",
            "CLM-14",
            "403 tenant_unknown",
            [
                (
                    "two ways",
                    Token::good()
                        .claim("realm", json!({"tenant": "t2"}))
                        .claim("realm.tenant", "t1"),
                ),
                (
                    "a list",
                    Token::good().claim("realm", json!({"tenant": ["t1"]})),
                ),
            ],
        ),
        to(
            "/v1/dotted",
            "CLM-14",
            "t1",
            [(
                "one way",
                Token::good().claim("realm", json!({"tenant": "t1"})),
            )],
        ),
        to(
            "/v1/scoped",
            "CLM-15",
            MISMATCH,
            claims(
                "scope",
                &[
                    json!("ab"),
                    json!("A"),
                    json!(["ab"]),
                    json!("b c"),
                    json!(7),
                ],
            ),
        ),
        to(
            "/v1/scoped",
            "CLM-15",
            "t1",
            claims("scope", &[json!("a b"), json!("b  a"), json!(["a"])]),
        ),
        chat(
            "CLM-16",
            BAD,
            claims("cnf", &[json!({"jkt": "x"}), json!({"x5t#S256": "x"})]),
        ),
        chat(
            "CLM-17",
            BAD,
            [(
                "a tenant that nobody vouches for",
                Token::good().claim("tenant", "t9").signed_by(Key::R2),
            )],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
