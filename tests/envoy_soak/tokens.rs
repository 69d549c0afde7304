//! Tokens of every kind: good ones that were sent before and that never were, and forgeries.

use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::gate::{AUDIENCES, ISSUER};
use crate::harness::tokens::{Key, Token, base64};
use crate::world::{Generation, Moment};

/// How many good tokens of each algorithm are remembered, once they have been sent.
const OF_EACH: usize = 24;
/// How many are signed for each generation of the rotating key.
const OF_A_GENERATION: usize = 8;

/// The keys that stay published, and how they sign.
pub const STEADY: [(Key, &str); 5] = [
    (Key::R1, "RS256"),
    (Key::R1, "PS256"),
    (Key::E1, "ES256"),
    (Key::E3, "ES384"),
    (Key::D1, "EdDSA"),
];

/// A token, and whom it is for.
#[derive(Clone, Debug)]
pub struct Signed {
    pub text: String,
    pub tenant: String,
    pub user: String,
}

/// The tokens that are signed once and sent over and over.
pub struct Pool {
    good: Vec<Signed>,
    second_audience: Vec<Signed>,
    forged: Vec<String>,
}

impl Pool {
    pub fn new() -> Self {
        let mut good = Vec::new();
        let mut second_audience = Vec::new();
        for (place, (key, alg)) in STEADY.into_iter().enumerate() {
            for number in 0..OF_EACH {
                let name = format!("{place}-{number}");
                good.push(signed(&name, |token| token.key(key).alg(alg)));
            }
            let name = format!("second-{place}");
            second_audience.push(signed(&name, |token| {
                token.key(key).alg(alg).claim("aud", AUDIENCES[1])
            }));
        }
        let forge = |(_, change): &Forgery| signed("forged", change).text;
        Self {
            good,
            second_audience,
            forged: FORGERIES.iter().map(forge).collect(),
        }
    }

    pub fn good(&self, random: &mut StdRng) -> &Signed {
        &self.good[random.random_range(0..self.good.len())]
    }

    pub fn forged(&self, random: &mut StdRng) -> &str {
        &self.forged[random.random_range(0..self.forged.len())]
    }

    pub fn second_audience(&self, random: &mut StdRng) -> &Signed {
        &self.second_audience[random.random_range(0..self.second_audience.len())]
    }
}

/// A token that holds for hours, but for what `change` does to it.
pub fn signed(name: &str, change: impl FnOnce(Token) -> Token) -> Signed {
    let (tenant, user) = (format!("tenant-{name}"), format!("user-{name}"));
    let token = Token::good()
        .claim("iss", ISSUER)
        .claim("aud", AUDIENCES[0])
        .claim("sub", user.as_str())
        .claim("tenant_id", tenant.as_str());
    let now = now();
    let token = change(token.claim("exp", now.as_second() + 36_000));
    Signed {
        text: token.sign(now),
        tenant,
        user,
    }
}

/// One that nobody has seen before, by a key that signs quickly.
pub fn fresh(id: u64) -> Signed {
    let key = if id.is_multiple_of(2) {
        Key::D1
    } else {
        Key::E1
    };
    signed(&format!("fresh-{id}"), |token| {
        token.key(key).claim("jti", id)
    })
}

/// One that ends at that time, which is a whole second.
pub fn until(end: Moment) -> Signed {
    let end = end.0 / 1000;
    signed(&format!("until-{end}"), |token| {
        token.key(Key::D1).claim("exp", end)
    })
}

/// The name of the rotating key in that generation.
pub fn rotating_kid(generation: Generation) -> String {
    format!("rotating-{generation}")
}

/// Tokens of the rotating key: the same ones each time they are asked for.
pub fn rotating(generation: Generation) -> Vec<Signed> {
    let kid = rotating_kid(generation);
    let one = |number| {
        signed(&format!("rotating-{generation}-{number}"), |token| {
            token.key(Key::R2).header("kid", kid.as_str())
        })
    };
    (0..OF_A_GENERATION).map(one).collect()
}

/// What the issuer publishes in that generation.
pub fn published(generation: Generation) -> Value {
    let mut keys: Vec<Value> = [Key::R1, Key::E1, Key::E3, Key::D1]
        .into_iter()
        .map(Key::jwk)
        .collect();
    let mut rotating = Key::R2.jwk();
    rotating["kid"] = json!(rotating_kid(generation));
    keys.push(rotating);
    json!({ "keys": keys })
}

/// A key that the issuer never published, under a name that nobody used before.
pub fn of_an_unknown_key(id: u64) -> Signed {
    signed("stranger", |token| {
        token.key(Key::D1).header("kid", format!("stranger-{id}"))
    })
}

/// What is wrong with a token, and how to make it so.
type Forgery = (&'static str, fn(Token) -> Token);

/// Tokens that do not hold, whatever they say. None of them names a key that is not there.
const FORGERIES: [Forgery; 20] = [
    ("of the algorithm none", |token| {
        token.header("alg", "none").signature("")
    }),
    ("of none, signed", |token| token.header("alg", "nOnE")),
    ("of an HMAC", |token| token.header("alg", "HS256")),
    ("of an algorithm that is not allowed", |token| {
        token.alg("RS384")
    }),
    ("of another curve's key", |token| {
        token.key(Key::E1).signed_by(Key::E3)
    }),
    ("signed by another key", |token| token.signed_by(Key::R2)),
    ("of an RSA key that names an elliptic one", |token| {
        token.header("kid", Key::E1.kid())
    }),
    ("with crit", |token| token.header("crit", json!(["exp"]))),
    ("with b64", |token| token.header("b64", false)),
    ("with a key in it", |token| {
        token.header("jwk", Key::R2.jwk()).signed_by(Key::R2)
    }),
    ("for nobody", |token| token.without("aud")),
    ("for somebody else", |token| {
        token.claim("aud", "api://other")
    }),
    ("of another issuer", |token| {
        token.claim("iss", "https://evil.test")
    }),
    ("of the issuer with a slash", |token| {
        token.claim("iss", format!("{ISSUER}/"))
    }),
    ("without an end", |token| token.without("exp")),
    ("whose end is a text", |token| {
        token.claim("exp", "4102444800")
    }),
    ("that has not begun", |token| {
        token.claim("nbf", 4_102_444_800_u64)
    }),
    ("that says its issuer twice", |token| {
        let claims = format!(
            r#"{{"iss":"{ISSUER}","iss":"{ISSUER}","aud":"{}","sub":"u","tenant_id":"t","exp":4102444800}}"#,
            AUDIENCES[0]
        );
        token.claims_text(claims)
    }),
    ("with an empty signature", |token| {
        token.key(Key::D1).signature("")
    }),
    ("with a signature of noughts", |token| {
        token.key(Key::E1).signature([0; 64])
    }),
];

/// A good token with one bit of its signature turned.
pub fn bent(good: &str, random: &mut StdRng) -> String {
    let (input, signature) = good.rsplit_once('.').expect("three parts");
    let mut bytes = crate::harness::tokens::from_base64(signature);
    let place = random.random_range(0..bytes.len());
    bytes[place] ^= 1 << random.random_range(0..8);
    format!("{input}.{}", base64(&bytes))
}

fn now() -> Timestamp {
    let now = i64::try_from(Moment::now().0).expect("a time that fits");
    Timestamp::from_millisecond(now).expect("a time")
}
