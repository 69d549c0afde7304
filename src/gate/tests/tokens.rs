//! Tokens at the gate: which keys they wait for, whom they stand for, and how long they are remembered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

use super::*;
use crate::authorizer::cache::Lookups;
use crate::authorizer::jwt::KeySet;
use crate::fetch::Refresh;
use crate::secret::Secret;
use crate::upstream::ProviderCredential;

const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// An issuer's key, by a number.
fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

/// What the issuer publishes, the keys named by their numbers.
fn published(numbers: &[u8]) -> State<KeySet> {
    let keys = numbers.iter().map(|number| {
        let point = signing_key(*number).verifying_key().to_sec1_point(false);
        let text = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({
            "kty": "EC", "crv": "P-256", "kid": number.to_string(),
            "x": text(point.x().unwrap()), "y": text(point.y().unwrap()),
        })
    });
    let set = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
    State::Usable(KeySet::parse(set.as_bytes()).unwrap().0)
}

/// So many seconds from now, as a claim says it.
fn later(seconds: i64) -> i64 {
    NOW.as_second().saturating_add(seconds)
}

/// A token that is good, but for these claims.
fn token(number: u8, but: &Value) -> (&'static str, String) {
    let mut claims = json!({
        "iss": "https://idp.test", "aud": "api", "exp": later(600),
        "tenant_id": "acme", "sub": "ada", "scope": "models.call",
    });
    for (name, value) in but.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        match value {
            Value::Null => claims.remove(name),
            value => claims.insert(name.clone(), value.clone()),
        };
    }
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "alg": "ES256", "kid": number.to_string() });
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature: Signature = signing_key(number).sign(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    ("authorization", format!("Bearer {signed}.{signature}"))
}

fn issuer(audience: &str, requirement: &Value) -> Value {
    json!({ "type": "oidc", "oidc": {
        "issuer": "https://idp.test", "audience": audience, "algorithms": ["ES256"],
        "required_claims": requirement,
    } })
}

fn gate() -> Gate {
    let mut gate = Gate::of(
        &issuer("api", &json!({ "scope": ["models.call"] })),
        &json!({}),
    );
    gate.held.keys = published(&[1]);
    gate
}

fn ask(gate: &mut Gate, (name, value): &(&'static str, String)) -> Told {
    gate.ask(&[(name, value)])
}

#[test]
fn a_token_says_whom_it_stands_for_or_is_refused_for_what_it_says() {
    for (but, expected) in [
        (json!({}), "forward"),
        (json!({ "tenant_id": 42 }), "forward"),
        (json!({ "sub": null }), "forward"),
        (json!({ "exp": later(-600) }), "expired_credential"),
        (json!({ "aud": "another" }), "invalid_credential"),
        (
            json!({ "iss": "https://another.test" }),
            "invalid_credential",
        ),
        (json!({ "scope": "models.list" }), "claim_mismatch"),
        (json!({ "sub": "ada\n" }), "claim_mismatch"),
        (json!({ "tenant_id": null }), "tenant_unknown"),
        (json!({ "tenant_id": 4.2 }), "tenant_unknown"),
        (json!({ "tenant_id": "a,b" }), "tenant_unknown"),
    ] {
        let told = ask(&mut gate(), &token(1, &but));
        assert_eq!(told.step, expected, "{but}");
        assert_eq!(told.tenant.is_some(), expected == "forward", "{but}");
    }
}

#[test]
fn what_is_no_token_is_invalid_where_only_tokens_are_good() {
    for text in ["Bearer a-good-key", "Bearer a.b.c"] {
        let told = gate().ask(&[("authorization", text)]);
        assert_eq!(told.step, "invalid_credential", "{text}");
    }
}

#[test]
fn a_token_goes_on_unless_the_provider_gets_another_credential() {
    let bearer = json!({ "type": "bearer", "token": "of-the-provider" });
    for (more, removed, lent) in [
        (json!({}), false, None),
        (json!({ "forward_credential": false }), true, None),
        // Ours is set in its place.
        (
            json!({ "upstream_auth": bearer }),
            false,
            Some("Bearer of-the-provider"),
        ),
    ] {
        let mut gate = Gate::of(&issuer("api", &json!({})), &more);
        gate.held.keys = published(&[1]);
        let told = ask(&mut gate, &token(1, &json!({})));
        assert_eq!(told.step, "forward", "{more}");
        assert_eq!(
            told.removed.is_empty(),
            !removed,
            "{more} {:?}",
            told.removed
        );
        assert_eq!(told.credential.as_deref(), lent, "{more}");
    }
}

#[test]
fn a_token_waits_for_keys_that_are_coming_and_is_refused_where_they_cannot_be_had() {
    let mut gate = gate();
    let token = token(1, &json!({}));
    for (keys, expected) in [
        (State::Coming, "wait"),
        (
            State::Unavailable {
                retry_after: RETRY_AFTER,
            },
            "keys_unavailable",
        ),
        (published(&[1]), "forward"),
    ] {
        gate.held.keys = keys;
        assert_eq!(ask(&mut gate, &token).step, expected);
    }
    assert_eq!(gate.held.refreshes, 0);
    // Only a look at the signature is a miss.
    assert_eq!(gate.cache.lookups, Lookups { hits: 0, misses: 1 });
}

#[test]
fn a_token_under_an_unknown_key_asks_for_newer_ones() {
    for (refresh, expected) in [
        (Refresh::Coming, "wait"),
        (Refresh::TooSoon, "invalid_credential"),
        (
            Refresh::Unavailable {
                retry_after: RETRY_AFTER,
            },
            "keys_unavailable",
        ),
    ] {
        let mut gate = gate();
        gate.held.refresh = refresh;
        assert_eq!(ask(&mut gate, &token(2, &json!({}))).step, expected);
        assert_eq!(gate.held.refreshes, 1);
        gate.held.keys = published(&[1, 2]);
        assert_eq!(ask(&mut gate, &token(2, &json!({}))).step, "forward");
    }
}

#[test]
fn a_token_is_remembered_until_it_ends_or_its_key_goes() {
    let mut gate = gate();
    let token = token(1, &json!({}));
    for hits in 0..3 {
        assert_eq!(ask(&mut gate, &token).tenant.as_deref(), Some("acme"));
        assert_eq!(gate.cache.lookups, Lookups { hits, misses: 1 });
    }
    gate.held.keys = published(&[2]);
    assert_eq!(ask(&mut gate, &token).step, "invalid_credential");
    gate.held.keys = published(&[2, 1]);
    assert_eq!(ask(&mut gate, &token).step, "forward");
    gate.now = NOW.saturating_add(SignedDuration::from_hours(1)).unwrap();
    assert_eq!(ask(&mut gate, &token).step, "expired_credential");
}

#[test]
fn a_cache_of_no_size_remembers_nothing() {
    let mut gate = gate();
    gate.cache = TokenCache::new(0);
    for misses in 1..4 {
        assert_eq!(ask(&mut gate, &token(1, &json!({}))).step, "forward");
        assert_eq!(gate.cache.lookups, Lookups { hits: 0, misses });
    }
}

#[test]
fn of_several_reasons_the_one_that_came_nearest_is_told() {
    let any_of = json!({ "any_of": [
        keys(), issuer("api", &json!({ "role": "reader" })), issuer("batch", &json!({})),
    ] });
    let mut gate = Gate::of(&any_of, &json!({}));
    gate.held.keys = published(&[1]);
    for (but, expected) in [
        (json!({ "role": "reader" }), "forward"),
        (json!({ "aud": "batch" }), "forward"),
        (json!({ "aud": "neither" }), "invalid_credential"),
        (json!({ "role": "writer" }), "claim_mismatch"),
    ] {
        assert_eq!(ask(&mut gate, &token(1, &but)).step, expected, "{but}");
    }
    assert_eq!(gate.ask(&[KEY]).step, "forward");
}

#[test]
fn a_token_is_lent_where_one_was_fetched_and_waited_for_where_it_is_coming() {
    let oauth = json!({
        "type": "oauth2_client_credentials", "token_url": "https://auth.test/token",
        "client_id": "us", "client_secret": "our-secret",
    });
    let mut gate = Gate::of(&keys(), &json!({ "upstream_auth": oauth }));
    assert_eq!(gate.ask(&[KEY]).step, "wait");
    gate.held.token = State::Unavailable {
        retry_after: RETRY_AFTER,
    };
    assert_eq!(gate.ask(&[KEY]).step, "upstream_auth_unavailable");
    let bearer = ProviderCredential::bearer(&Secret::new("fetched".to_owned()));
    gate.held.token = State::Usable((Rc::new(bearer), NOW));
    let told = gate.ask(&[KEY]);
    assert_eq!((told.step, told.has_loan), ("forward", true));
    assert_eq!(told.credential.as_deref(), Some("Bearer fetched"));
    assert_eq!(told.removed, ["x-api-key"]);
}
