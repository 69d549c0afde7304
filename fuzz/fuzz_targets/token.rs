//! Tokens whose header and claims are anybody's and whose signature is real, against `jsonwebtoken` and the rules read once more.
//!
//! The input: a byte that picks the key, one that says how the rest is used, two that say where a byte is changed and how;
//! then the header, a line's end, and the claims. Of every third the rest is the token itself.
//!
//! `jsonwebtoken` has crypto of another generation and readers of its own. Its header cannot be asked (it fails at members that
//! nobody needs, and knows no `Ed25519`), so it checks the signature over the very bytes, and reads the claims in an envelope
//! that it sealed itself.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tenantgate::authorizer::jwt::{
    Algorithm, Jws, KeySet, Refusal, TokenRules, VerifiedClaims, verify,
};
use tenantgate_fuzz::input::line;
use tenantgate_fuzz::proxy::START;
use tenantgate_fuzz::slow_json::{self, same_members};
use tenantgate_fuzz::tokens::{AUDIENCE, ISSUER, Key, TRUSTED, base64, jwks};

const SKEW: u64 = 60;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    KeySet::parse(jwks(&TRUSTED).to_string().as_bytes())
        .expect("good keys")
        .0
});

static RULES: LazyLock<TokenRules> = LazyLock::new(|| TokenRules {
    issuer: ISSUER.to_owned(),
    audiences: vec![AUDIENCE.to_owned(), "https://api.test".to_owned()],
    algorithms: Algorithm::ALL.to_vec(),
    clock_skew: Duration::from_secs(SKEW),
});

fuzz_target!(|input: &[u8]| {
    let [key, mode, at, mask, rest @ ..] = input else {
        return;
    };
    if mode % 3 == 2 {
        let _ = judge(rest).map(|_| panic!("nobody signed that"));
        return;
    }
    let (header, claims) = line(rest);
    let (header, claims) = match (mode % 3, slow_json::read(header), slow_json::read(claims)) {
        // Nothing in the way of the rules: what is JSON, in its plainest form.
        (1, Some(header), Some(claims)) => (
            header.to_string().into_bytes(),
            claims.to_string().into_bytes(),
        ),
        (1, ..) => return,
        _ => (header.to_vec(), claims.to_vec()),
    };
    let (key, alg) = signer(*key);
    let signing_input = format!("{}.{}", base64(&header), base64(&claims));
    let signature = base64(&key.sign(alg, signing_input.as_bytes()));
    let token = format!("{signing_input}.{signature}");

    let ours = judge(token.as_bytes());
    let parts = (slow_json::read(&header), slow_json::read(&claims));
    let (Some(Value::Object(header)), Some(Value::Object(claims))) = parts else {
        assert!(ours.is_err(), "not two objects with one meaning: {token}");
        return;
    };
    let theirs = signature_holds(&header, signing_input.as_bytes(), &signature)
        && header_is_acceptable(&header)
        && in_force(&claims)
        && read_by_others(&base64(claims_text(&claims).as_bytes()))
            .is_some_and(|theirs| same_members(&theirs, &claims) && names_us(&theirs));
    assert_eq!(ours.is_ok(), theirs, "{header:?} {claims:?}: {ours:?}");

    if let Ok(verified) = ours {
        assert!(same_members(verified.claims(), &claims));
        let mut changed = token.into_bytes();
        let at = usize::from(*at) * changed.len() / 256;
        changed[at] ^= mask;
        assert_eq!(judge(&changed).is_ok(), *mask == 0, "a byte is another");
    }
});

/// What signs, and as what. RSA and the larger curve take a hundred times as long, so they are rarely picked.
fn signer(byte: u8) -> (Key, &'static str) {
    match byte {
        // Nobody trusts this one.
        255 => (Key::R2, "RS256"),
        254 => (Key::R1, "PS384"),
        253 => (Key::R1, "RS256"),
        252 => (Key::E3, "ES384"),
        224.. => (Key::E1, "ES256"),
        192.. => (Key::D1, "Ed25519"),
        _ => (Key::D1, "EdDSA"),
    }
}

fn judge(token: &[u8]) -> Result<VerifiedClaims, Refusal> {
    verify(&Jws::parse(token)?, &KEYS, &RULES, START)
}

fn claims_text(claims: &Map<String, Value>) -> String {
    Value::Object(claims.clone()).to_string()
}

/// Whether the key that the header names made the signature, by the algorithm that it names.
fn signature_holds(header: &Map<String, Value>, message: &[u8], signature: &str) -> bool {
    static PUBLIC: LazyLock<Vec<(Key, DecodingKey)>> = LazyLock::new(|| {
        let public = |key: Key| serde_json::from_value(key.bare_jwk()).expect("a JWK");
        TRUSTED
            .map(|key| (key, DecodingKey::from_jwk(&public(key)).expect("a key")))
            .into()
    });
    let Some(alg) = header.get("alg").and_then(Value::as_str) else {
        return false;
    };
    let Ok(theirs) = (if alg == "Ed25519" { "EdDSA" } else { alg }).parse() else {
        return false;
    };
    // An Ed25519 signature of two lengths, or one of a curve of another size, is none.
    let kid = header.get("kid");
    PUBLIC
        .iter()
        .filter(|(key, _)| goes_with(*key, alg) && kid.is_none_or(|kid| kid == key.kid()))
        .any(|(_, public)| {
            jsonwebtoken::crypto::verify(signature, message, public, theirs).unwrap_or(false)
        })
}

fn goes_with(key: Key, alg: &str) -> bool {
    match key {
        Key::E1 => alg == "ES256",
        Key::E3 => alg == "ES384",
        Key::D1 => matches!(alg, "EdDSA" | "Ed25519"),
        _ => matches!(
            alg,
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512"
        ),
    }
}

fn header_is_acceptable(header: &Map<String, Value>) -> bool {
    let kind = |name: &str| match header.get(name) {
        None => Some(None),
        Some(value) => {
            let text = value.as_str()?.to_ascii_lowercase();
            Some(Some(
                text.strip_prefix("application/")
                    .unwrap_or(&text)
                    .to_owned(),
            ))
        }
    };
    let never = ["crit", "b64", "enc", "zip"];
    let is_bearer = |typ: Option<String>| typ.is_none_or(|typ| typ == "jwt" || typ == "at+jwt");
    let is_nested =
        |cty: Option<String>| cty.is_some_and(|cty| cty == "jwt" || cty.ends_with("+jwt"));
    !never.iter().any(|name| header.contains_key(*name))
        && kind("typ").is_some_and(is_bearer)
        && kind("cty").is_some_and(|cty| !is_nested(cty))
}

/// RFC 7519 sections 4.1.4 to 4.1.6, in doubles; RFC 7800 for `cnf`.
fn in_force(claims: &Map<String, Value>) -> bool {
    let now = START.as_second() as f64;
    let date = |name: &str| match claims.get(name) {
        None => Some(None),
        // A double of 2^64 is more than any time in seconds.
        Some(value) => value
            .as_f64()
            .filter(|date| (0.0..=u64::MAX as f64).contains(date))
            .map(Some),
    };
    let expires = date("exp")
        .flatten()
        .is_some_and(|exp| now < exp.floor() + SKEW as f64);
    let begun =
        |name| date(name).is_some_and(|date| date.is_none_or(|date| date <= now + SKEW as f64));
    expires && begun("nbf") && begun("iat") && !claims.contains_key("cnf")
}

/// RFC 7519 sections 4.1.1 and 4.1.3: what a library that is generous lets pass is looked at once more.
fn names_us(claims: &Map<String, Value>) -> bool {
    let audience = match &claims["aud"] {
        Value::Array(all) => all.iter().all(Value::is_string),
        one => one.is_string(),
    };
    claims["iss"] == ISSUER && audience
}

/// The claims as `jsonwebtoken` reads and judges them. Its clock is the machine's, so the times are not its matter.
fn read_by_others(claims: &str) -> Option<Map<String, Value>> {
    static SEAL: LazyLock<EncodingKey> =
        LazyLock::new(|| EncodingKey::from_secret(b"of this target alone"));
    let message = format!("{}.{claims}", base64(br#"{"alg":"HS256"}"#));
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let seal = jsonwebtoken::crypto::sign(message.as_bytes(), &SEAL, algorithm).expect("a seal");
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&RULES.audiences);
    let key = DecodingKey::from_secret(b"of this target alone");
    let read = jsonwebtoken::decode(format!("{message}.{seal}"), &key, &rules);
    read.ok().map(|token| token.claims)
}
