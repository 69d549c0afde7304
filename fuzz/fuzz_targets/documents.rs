//! Fetched sets of API keys, against the configuration's own reading of the same entries, and token responses, against RFC 6749.
//!
//! The input: a byte that says which, and the document.

#![no_main]

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tenantgate::authorizer::api_key::{ApiKeys, KeyDigest, Refusal, parse_key_set};
use tenantgate::config;
use tenantgate::fetch::{
    ClientAuth, ClientCredentials, Clusters, Fetcher, Location, State, TokenSourceId,
    TokensOf as _, Wanted,
};
use tenantgate::secret::Secret;
use tenantgate_fuzz::proxy::{Proxy, START, SharedData, ok};
use tenantgate_fuzz::slow_json;

/// The longest that a token is kept, whatever is said of it.
const DAY: f64 = 86_400.0;

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((which, document)) if which % 2 == 0 => key_set(document),
        Some((_, document)) => token(document),
        None => {}
    }
});

fn key_set(document: &[u8]) {
    let read = parse_key_set(document);
    let Some(Value::Object(members)) = slow_json::read(document) else {
        assert!(read.is_err());
        return;
    };
    let is_one = members
        .keys()
        .all(|name| name == "version" || name == "keys")
        && members
            .get("version")
            .is_none_or(|version| version.as_u64() == Some(1));
    let entries = members
        .get("keys")
        .and_then(Value::as_array)
        .filter(|_| is_one);
    let Some(entries) = entries else {
        assert!(read.is_err());
        return;
    };
    match &read {
        Ok(keys) => {
            assert_eq!(keys.len(), entries.len());
            for entry in entries {
                holds_its_key(keys, entry);
            }
            let digests = entries
                .iter()
                .filter_map(|entry| entry["key_sha256"].as_str());
            assert!(
                digests
                    .into_iter()
                    .all(|text| text.parse::<KeyDigest>().is_ok())
            );
        }
        // What is refused may be a secret all the same.
        Err(error) => {
            let said = format!("{error} {error:?}");
            let keys = entries.iter().filter_map(|entry| entry["key"].as_str());
            let mut secrets = keys.filter(|key| key.starts_with("sk-") && key.len() >= 8);
            assert!(secrets.all(|key| !said.contains(key)), "{said}");
        }
    }
    // In the configuration an empty list is a mistake, a key can come from the environment, and names of endpoints are known.
    let is_special = |entry: &Value| {
        ["key", "key_sha256"]
            .iter()
            .any(|name| entry[*name].is_object())
            || entry.get("endpoints").is_some()
    };
    if !entries.is_empty() && !entries.iter().any(is_special) {
        let endpoint =
            json!({"name": "e", "path": "/e", "authorizer": {"type": "api_key", "keys": entries}});
        let configured = config::compile(json!({ "endpoints": [endpoint] }), &|_: &str| None);
        let problems = configured.err().map(|problems| problems.to_string());
        assert_eq!(read.is_ok(), problems.is_none(), "{read:?} {problems:?}");
    }
}

/// A key that is written out lets its client in, unless its time is not now.
fn holds_its_key(keys: &ApiKeys, entry: &Value) {
    let Some(key) = entry["key"].as_str() else {
        return;
    };
    match keys.verify(key.as_bytes(), START) {
        Ok(found) => {
            let client = found.identity.client.as_ref().map(|client| client.as_str());
            assert_eq!(client, entry["client_id"].as_str());
        }
        Err(Refusal::Unknown) => panic!("a key that nobody has"),
        Err(Refusal::Expired) => assert!(entry.get("expires_at").is_some()),
        Err(Refusal::NotYet) => assert!(entry.get("not_before").is_some()),
    }
}

fn token(document: &[u8]) {
    const FIRST: TokenSourceId = TokenSourceId(0);
    let mut proxy = Proxy::new(&SharedData::default());
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials = ClientCredentials {
        token_url: Location::parse("https://auth.test/token").expect("a URL"),
        client_id: secret("id"),
        client_secret: secret("secret"),
        scope: None,
        client_auth: ClientAuth::Body,
        parameters: Vec::new(),
        timeout: SignedDuration::from_secs(5),
    };
    let wanted = Wanted {
        tokens: &[credentials],
        ..Wanted::default()
    };
    let mut fetcher = Fetcher::new(&wanted, Clusters::default(), None, &mut proxy);
    fetcher.drive(&mut proxy);
    let (id, _) = proxy.waiting.pop().expect("it is asked for at once");
    fetcher.answered(id, Some(ok(document)), &mut proxy);

    let expected = slow_json::read(document).and_then(|document| lent(&document));
    let State::Usable((credential, _)) = fetcher.token(FIRST, proxy.now) else {
        assert_eq!(expected, None);
        return;
    };
    let (token, life) = expected.expect("a token that nobody else reads");
    assert_eq!(credential.name(), "authorization");
    assert_eq!(credential.value().reveal(), format!("Bearer {token}"));
    // It is not lent when its time is over, and before that a new one is asked for.
    let event = fetcher.next_event(proxy.now).expect("it will be had anew");
    let life = SignedDuration::from_secs_f64(life.min(DAY));
    assert!(event < proxy.now.saturating_add(life).expect("a time"));
    proxy.advance(life);
    assert!(!matches!(fetcher.token(FIRST, proxy.now), State::Usable(_)));
}

/// RFC 6749 section 5.1: the token and for how many seconds it is good.
fn lent(document: &Value) -> Option<(String, f64)> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let token = text("access_token")?;
    let fits =
        (1..=16 * 1024).contains(&token.len()) && token.bytes().all(|b| (0x21..0x7f).contains(&b));
    let is_bearer = text("token_type")?.to_ascii_lowercase() == "bearer";
    let life = match document.get("expires_in") {
        None => 300.0,
        Some(Value::Number(number)) => number.as_f64()?,
        Some(Value::String(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Some(_) => return None,
    };
    (fits && is_bearer && life >= 1.0).then(|| (token.to_owned(), life))
}
