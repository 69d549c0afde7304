//! TOK and SIG: hostile tokens.

use old_rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use crate::harness::tokens::{Key, Token, base64};
use crate::harness::wire::lines;
use crate::{Case, bearer, now, row};

pub const BAD: &str = "401 invalid_credential";

/// Requests to `/v1/chat` with these tokens; it takes RS256.
pub fn chat<W: Into<String>>(
    id: &'static str,
    outcome: &'static str,
    tokens: impl IntoIterator<Item = (W, Token)>,
) -> Vec<Case> {
    to("/v1/chat", id, outcome, tokens)
}

/// Requests to another endpoint.
pub fn to<W: Into<String>>(
    path: &str,
    id: &'static str,
    outcome: &'static str,
    tokens: impl IntoIterator<Item = (W, Token)>,
) -> Vec<Case> {
    let text = |(what, token): (W, Token)| (what, token.sign(now()));
    texts(path, id, outcome, tokens.into_iter().map(text))
}

/// The same where the token is no token.
fn texts<W: Into<String>>(
    path: &str,
    id: &'static str,
    outcome: &'static str,
    texts: impl IntoIterator<Item = (W, String)>,
) -> Vec<Case> {
    let head = format!("GET {path}");
    let request = |(what, text): (W, String)| (what, lines(&head, &[&bearer(&text)]));
    row(id, outcome, texts.into_iter().map(request))
}

/// By what is changed in its header.
fn header(name: &str, values: &[Value]) -> Vec<(String, Token)> {
    let token = |value: &Value| {
        let token = Token::good().header(name, value.clone());
        (format!("{name}: {value}"), token)
    };
    values.iter().map(token).collect()
}

fn good() -> String {
    Token::good().sign(now())
}

fn es256() -> Token {
    Token::good().key(Key::E1)
}

pub fn rows() -> Vec<Case> {
    [tok(), sig()].into_iter().flatten().collect()
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn tok() -> Vec<Case> {
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiYXVkIjoiYXBpIiwic3ViIjoidTEiLCJleHAiOjQxMDI0NDQ4MDB9.";
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
            [("no kid, by a stranger", stranger().without_header("kid"))],
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
            BAD,
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

fn sig() -> Vec<Case> {
    let of = |bytes: Vec<u8>| es256().signature(bytes);
    let rsa = |bytes: Vec<u8>| Token::good().signature(bytes);
    let good_rsa = Key::R1.sign("RS256", Token::good().signing_input(now()).as_bytes());
    let pss = |salt| {
        let token = Token::good().alg("PS256");
        let digest = <old_sha2::Sha256 as old_sha2::Digest>::digest(token.signing_input(now()));
        let scheme = old_rsa::Pss::new_with_salt::<old_sha2::Sha256>(salt);
        token.signature(Key::R1.sign_pss(scheme, &digest))
    };
    let ed25519 = Key::D1.sign(
        "EdDSA",
        Token::good().key(Key::D1).signing_input(now()).as_bytes(),
    );
    let eddsa = |bytes: Vec<u8>| Token::good().key(Key::D1).signature(bytes);
    [
        to(
            "/v1/every",
            "SIG-01",
            BAD,
            [
                ("0, 0", of(vec![0; 64])),
                (
                    "1, 1",
                    of([vec![0; 31], vec![1], vec![0; 31], vec![1]].concat()),
                ),
                ("above n", of(vec![0xff; 64])),
            ],
        ),
        to(
            "/v1/every",
            "SIG-02",
            BAD,
            [0, 1, 63, 65, 66, 96, 512]
                .map(|length| (format!("{length} bytes"), of(vec![1; length]))),
        ),
        to("/v1/every", "SIG-03", BAD, [("DER", of(der()))]),
        to(
            "/v1/every",
            "SIG-04",
            "t1",
            [("r with a zero in front", with_a_zero_in_front())],
        ),
        chat(
            "SIG-05",
            BAD,
            [("PSS where PKCS#1 is due", Token::good().signed_as("PS256"))],
        ),
        chat(
            "SIG-06",
            BAD,
            [
                ("0", rsa(vec![0; 256])),
                ("1", rsa([vec![0; 255], vec![1]].concat())),
                ("above n", rsa(vec![0xff; 256])),
                ("one short", rsa(good_rsa[1..].to_vec())),
                ("a zero in front", rsa([vec![0], good_rsa.clone()].concat())),
            ],
        ),
        chat("SIG-06", "t1", [("as it is", rsa(good_rsa))]),
        to(
            "/v1/every",
            "SIG-07",
            BAD,
            [("no salt", pss(0)), ("20", pss(20)), ("the most", pss(222))],
        ),
        to("/v1/every", "SIG-07", "t1", [("32", pss(32))]),
        to(
            "/v1/every",
            "SIG-08",
            BAD,
            [
                ("cut", eddsa(ed25519[..63].to_vec())),
                ("more", eddsa([ed25519.clone(), vec![0]].concat())),
                (
                    "S above L",
                    eddsa([ed25519[..32].to_vec(), vec![0xff; 32]].concat()),
                ),
            ],
        ),
        to("/v1/every", "SIG-08", "t1", [("as it is", eddsa(ed25519))]),
        to(
            "/v1/every",
            "SIG-09",
            BAD,
            [
                ("no tag", Token::good().header("alg", "HS256").signature([])),
                (
                    "a zero tag",
                    Token::good().header("alg", "HS256").signature([0; 32]),
                ),
            ],
        ),
        to(
            "/v1/every",
            "SIG-11",
            BAD,
            [
                ("ES512", es256().header("alg", "ES512")),
                ("1024 bits", Token::good().key(Key::Small)),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
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

fn ecdsa(input: &str) -> old_p256::ecdsa::Signature {
    old_p256::ecdsa::Signature::from_slice(&Key::E1.sign("ES256", input.as_bytes())).unwrap()
}

/// Good in DER for a token that says RS256: what the host would take if it were asked.
fn der() -> Vec<u8> {
    let input = es256().header("alg", "RS256").signing_input(now());
    ecdsa(&input).to_der().as_bytes().to_vec()
}

/// The signature of the same token with n - s for s.
fn high_s() -> Vec<u8> {
    let (r, s) = ecdsa(&es256().signing_input(now())).split_scalars();
    let twin = old_p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    twin.to_vec()
}

/// A good token whose signature has a short r.
fn with_a_zero_in_front() -> Token {
    let token = |n: i32| es256().claim("jti", n);
    let is_short = |token: &Token| ecdsa(&token.signing_input(now())).to_bytes()[0] == 0;
    let short = (0..10_000).map(token).find(is_short).unwrap();
    let signature = ecdsa(&short.signing_input(now())).to_vec();
    short.signature(signature)
}
