//! TOK-18 to TOK-27: a token's claims as text, its segments, its kind, and its second time.

use serde_json::Value;

use super::header::header;
use super::signatures::high_s;
use super::{BAD, chat, es256, texts, to};
use crate::harness::tokens::{Key, Token};
use crate::{Case, now};

pub fn rows() -> Vec<Case> {
    let (one, two, three) = parts(&good());
    let claims = |text: &str| Token::good().claims_text(text);
    let whole = |members: &str| {
        let exp = now().as_second() + 300;
        format!(
            r#"{{"iss":"https://idp.test","aud":"api","sub":"u1","tenant":"t1","exp":{exp}{members}}}"#
        )
    };
    let stranger = || Token::good().signed_by(Key::R2);
    [
        chat(
            "TOK-18",
            BAD,
            [
                ("tenant", claims(&whole(r#","tenant":"t2""#))),
                ("exp", claims(&whole(r#","exp":4102444800"#))),
                (
                    "iss, escaped",
                    claims(&whole(r#","\u0069ss":"https://evil.test""#)),
                ),
                ("nested", claims(&whole(r#","a":{"b":1,"b":2}"#))),
            ],
        ),
        chat("TOK-18", "t1", [("each once", claims(&whole("")))]),
        chat(
            "TOK-19",
            BAD,
            [
                (
                    "0xff",
                    Token::good().header_text(b"{\"alg\":\"RS256\",\"kid\":\"\xff\"}"),
                ),
                (
                    "overlong",
                    Token::good().claims_text(b"{\"iss\":\"\xc0\xaf\"}"),
                ),
                ("lone surrogate", claims(&whole(r#","x":"\ud800""#))),
                ("BOM", claims(&("\u{feff}".to_owned() + &whole("")))),
                ("comment", claims(&(whole("") + "//"))),
                ("NaN", claims(&whole(r#","x":NaN"#))),
                ("a list", claims("[]")),
                ("null", claims("null")),
                ("nothing", claims("")),
            ],
        ),
        texts(
            "/v1/chat",
            "TOK-20",
            BAD,
            [
                ("dots", ".".repeat(10_000)),
                ("20 KiB", format!("{one}.{}.{three}", "A".repeat(20_000))),
            ],
        ),
        chat(
            "TOK-20",
            BAD,
            [
                (
                    "nested",
                    claims(&whole(&format!(
                        r#","x":{}{}"#,
                        "[".repeat(2000),
                        "]".repeat(2000)
                    ))),
                ),
                (
                    "a long number",
                    claims(&whole(&format!(r#","x":1{}"#, "0".repeat(5000)))),
                ),
                ("1e400", claims(&whole(r#","exp2":1e400"#))),
            ],
        ),
        texts(
            "/v1/chat",
            "TOK-20",
            "431",
            [("a head of 100 KiB", "A".repeat(100 * 1024))],
        ),
        texts(
            "/v1/chat",
            "TOK-21",
            BAD,
            [
                ("two", format!("{one}.{two}")),
                ("four", format!("{one}.{two}.{three}.{three}")),
                ("five", format!("{one}.{two}.{three}.{two}.{three}")),
                ("before", format!(".{one}.{two}.{three}")),
                ("behind", format!("{one}.{two}.{three}.")),
                ("empty", format!("{one}..{three}")),
                ("nothing", "..".to_owned()),
            ],
        ),
        texts(
            "/v1/chat",
            "TOK-22",
            BAD,
            [
                ("padding", format!("{one}.{two}.{three}==")),
                ("plus", format!("{one}.{two}.+{}", &three[1..])),
                ("percent", format!("{one}.{two}.{three}%3D")),
                (
                    "unused bits",
                    format!("{one}.{two}.{}", with_unused_bits(&three)),
                ),
            ],
        ),
        texts(
            "/v1/chat",
            "TOK-23",
            // Its commas make several credentials of it.
            "400 multiple_credentials",
            [(
                "JSON",
                format!(r#"{{"protected":"{one}","payload":"{two}","signature":"{three}"}}"#),
            )],
        ),
        chat(
            "TOK-24",
            BAD,
            [
                (
                    "cty",
                    Token::good().header("cty", "JWT").claims_text(good()),
                ),
                (
                    "enc",
                    Token::good()
                        .header("alg", "dir")
                        .header("enc", "A256GCM")
                        .header("zip", "DEF"),
                ),
                (
                    "PBES2",
                    Token::good()
                        .header("alg", "PBES2-HS256+A128KW")
                        .header("p2c", 1_000_000_000),
                ),
            ],
        ),
        chat(
            "TOK-25",
            BAD,
            header(
                "typ",
                &["dpop+jwt", "logout+jwt", "secevent+jwt"].map(Value::from),
            ),
        ),
        chat(
            "TOK-25",
            "t1",
            header(
                "typ",
                &["JWT", "at+jwt", "application/at+jwt", "AT+JWT"].map(Value::from),
            ),
        ),
        texts(
            "/v1/chat",
            "TOK-26",
            "t1",
            [("first", good()), ("again", good())],
        ),
        texts(
            "/v1/embed",
            "TOK-26",
            BAD,
            [("at another audience", good())],
        ),
        texts(
            "/v1/chat",
            "TOK-26",
            BAD,
            [(
                "another end",
                format!("{one}.{two}.{}", parts(&stranger().sign(now())).2),
            )],
        ),
        to(
            "/v1/every",
            "TOK-27",
            "t1",
            [
                ("low or high", es256()),
                ("the twin", es256().signature(high_s())),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn good() -> String {
    Token::good().sign(now())
}

fn parts(token: &str) -> (String, String, String) {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let [one, two, three] = parts.try_into().unwrap();
    (one, two, three)
}

/// 256 bytes leave four bits of the last character unused.
fn with_unused_bits(signature: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = signature.chars().last().unwrap();
    let place = alphabet.find(last).unwrap();
    let next = &alphabet[place + 1..place + 2];
    format!("{}{next}", &signature[..signature.len() - 1])
}
