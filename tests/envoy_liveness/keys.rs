//! KEY and DIS: what an issuer may serve, and tokens that name what is in it.

use serde_json::{Value, json};

use crate::harness::Issuer;
use crate::harness::issuer::Mood;
use crate::harness::tokens::{AUDIENCE, Key, Token, base64, jwks, with};
use crate::harness::wire::lines;
use crate::tokens::{BAD, chat};
use crate::{Case, bearer, now, row};

const NO_KEYS: &str = "503 keys_unavailable";

/// An issuer from whom no keys can be had.
pub struct Spoilt {
    pub host: String,
    pub issuer: Issuer,
    /// Its keys are found by discovery.
    discovered: bool,
}

impl Spoilt {
    pub fn path(&self) -> String {
        format!("/v1/{}", self.host)
    }

    pub fn oidc(&self) -> Value {
        let url = self.issuer.url();
        let oidc = json!({"issuer": url, "audience": AUDIENCE, "tenant_claim": "tenant"});
        if self.discovered {
            return oidc;
        }
        with(oidc, json!({"jwks_uri": format!("{url}/keys")}))
    }
}

/// By row and name: how each is spoilt.
const SPOILT: [(&str, &str, fn(&Issuer)); 18] = [
    ("KEY-11", "html", |issuer| {
        issuer.jwks_mood(Mood::Wrong("<html>".to_owned()))
    }),
    ("KEY-11", "list", |issuer| issuer.publishes(json!([]))),
    ("KEY-11", "nothing", |issuer| issuer.publishes(json!({}))),
    ("KEY-11", "object", |issuer| {
        issuer.publishes(json!({"keys": {}}))
    }),
    ("KEY-11", "empty", |issuer| {
        issuer.publishes(json!({"keys": []}))
    }),
    ("KEY-11", "cut", |issuer| {
        issuer.jwks_mood(Mood::Wrong(r#"{"keys":[{"#.to_owned()))
    }),
    ("KEY-12", "huge", |issuer| {
        issuer.jwks_mood(Mood::Huge(2 * 1024 * 1024))
    }),
    ("KEY-13", "broken", |issuer| {
        issuer.jwks_mood(Mood::Status(500))
    }),
    ("KEY-17", "redirect", |issuer| {
        issuer.jwks_mood(Mood::Redirect("https://idp.test/keys".to_owned()));
    }),
    ("KEY-01", "weak", |issuer| {
        issuer.publishes(json!({"keys": [Key::Small.jwk()]}))
    }),
    ("KEY-06", "secret", |issuer| {
        issuer.publishes(json!({"keys": [{"kty": "oct", "kid": "r1", "k": base64(&[7; 32])}]}));
    }),
    ("DIS-01", "other", |issuer| {
        describes(issuer, &json!({"issuer": "https://evil.test"}))
    }),
    ("DIS-01", "slash", |issuer| {
        let slash = format!("{}/", issuer.url());
        describes(issuer, &json!({"issuer": slash}));
    }),
    ("DIS-02", "elsewhere", |issuer| {
        describes(issuer, &json!({"jwks_uri": "https://evil.test/keys"}))
    }),
    ("DIS-02", "metadata", |issuer| {
        describes(issuer, &json!({"jwks_uri": "http://169.254.169.254/keys"}))
    }),
    ("DIS-02", "file", |issuer| {
        describes(issuer, &json!({"jwks_uri": "file:///etc/passwd"}))
    }),
    ("DIS-05", "array", |issuer| {
        let array = json!({"jwks_uri": [format!("{}/keys", issuer.url())]});
        describes(issuer, &array);
    }),
    ("DIS-05", "bomb", |issuer| {
        issuer.discovery_mood(Mood::Huge(2 * 1024 * 1024))
    }),
];

/// Its own discovery document, but for this.
fn describes(issuer: &Issuer, other: &Value) {
    let url = issuer.url();
    let document = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    issuer.describes_itself(with(document, other.clone()));
}

pub fn spoilt() -> Vec<Spoilt> {
    let start = |(row, name, spoil): (&'static str, &str, fn(&Issuer))| {
        let host = format!("{name}.test");
        let issuer = Issuer::named(&format!("https://{host}"));
        issuer.publishes(jwks(&[Key::R1]));
        spoil(&issuer);
        Spoilt {
            host,
            issuer,
            discovered: row.starts_with("DIS"),
        }
    };
    SPOILT.into_iter().map(start).collect()
}

/// What stands in the good issuer's set beside the usual decoys.
pub fn of_no_use() -> Vec<Value> {
    let good = Key::R1.bare_jwk();
    let of = |kid: &str, more: Value| with(with(good.clone(), json!({"kid": kid})), more);
    vec![
        of("8192", json!({"n": base64(&[0xff; 1024])})),
        of(
            "off",
            json!({"kty": "EC", "crv": "P-256", "x": base64(&[1; 32]), "y": base64(&[2; 32])}),
        ),
        of("private", json!({"d": base64(&[1; 256])})),
        of("encrypt", json!({"key_ops": ["encrypt"]})),
        of("ps256", json!({"alg": "PS256"})),
        with(Key::E3.bare_jwk(), json!({"kid": "liar", "crv": "P-256"})),
        json!({"kty": "RSA", "kid": "bare", "x5c": ["MIIB"]}),
        json!({"kty": "RSA", "kid": "cut", "n": good["n"]}),
        // These are of use.
        of("twice", json!({})),
        with(Key::R2.bare_jwk(), json!({"kid": "twice"})),
        of("certified", json!({"x5c": ["MIIB"]})),
    ]
}

pub fn rows() -> Vec<Case> {
    let named = |kid: &str| Token::good().header("kid", kid);
    let to_spoilt = SPOILT.into_iter().flat_map(|(id, name, _)| {
        let token = Token::good().claim("iss", format!("https://{name}.test"));
        let request = lines(
            &format!("GET /v1/{name}.test"),
            &[&bearer(&token.sign(now()))],
        );
        row(id, NO_KEYS, [(name, request)])
    });
    let strangers = (0..100).map(|n| (format!("stranger {n}"), named(&format!("stranger-{n}"))));
    [
        chat(
            "KEY-01",
            BAD,
            [
                ("1024 bits", named("small").signed_by(Key::Small)),
                ("e = 1", named("e1exp")),
            ],
        ),
        chat("KEY-02", BAD, [("8192 bits", named("8192"))]),
        chat(
            "KEY-04",
            BAD,
            [
                ("off the curve", named("off")),
                ("secp256k1", named("k1c")),
                ("crv lies", named("liar")),
            ],
        ),
        chat(
            "KEY-05",
            BAD,
            [
                ("short x", Token::good().key(Key::D1).header("kid", "short")),
                ("the same, RS256", named("short")),
            ],
        ),
        chat(
            "KEY-06",
            BAD,
            [("oct", named("secret")), ("with d", named("private"))],
        ),
        chat(
            "KEY-07",
            "t1",
            [
                ("one", named("twice")),
                ("the other", named("twice").signed_by(Key::R2)),
            ],
        ),
        chat(
            "KEY-08",
            BAD,
            [
                ("AKP", named("pq")),
                ("XYZ", named("x")),
                ("no e", named("cut")),
            ],
        ),
        chat(
            "KEY-09",
            BAD,
            [("use enc", named("enc")), ("key_ops", named("encrypt"))],
        ),
        chat("KEY-10", BAD, [("x5c alone", named("bare"))]),
        chat("KEY-10", "t1", [("x5c beside", named("certified"))]),
        chat("KEY-20", BAD, strangers),
        chat(
            "DIS-03",
            BAD,
            [
                "https://attacker.test",
                "http://169.254.169.254",
                "https://idp.test/",
            ]
            .map(|iss| (iss, Token::good().claim("iss", iss))),
        ),
    ]
    .into_iter()
    .flatten()
    .chain(to_spoilt)
    .collect()
}
