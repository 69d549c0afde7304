//! SIG: signatures that nearly hold.

use super::{BAD, chat, es256, to};
use crate::harness::tokens::{Key, Token};
use crate::{Case, now};

pub fn rows() -> Vec<Case> {
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

fn ecdsa(input: &str) -> old_p256::ecdsa::Signature {
    old_p256::ecdsa::Signature::from_slice(&Key::E1.sign("ES256", input.as_bytes())).unwrap()
}

/// Good in DER for a token that says RS256: what the host would take if it were asked.
pub fn der() -> Vec<u8> {
    let input = es256().header("alg", "RS256").signing_input(now());
    ecdsa(&input).to_der().as_bytes().to_vec()
}

/// The signature of the same token with n - s for s.
pub fn high_s() -> Vec<u8> {
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
