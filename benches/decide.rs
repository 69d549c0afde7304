//! The decision about a request, without a proxy around it: `cargo bench --bench decide`.
//!
//! The host that checks signatures here says yes to everything, so that what is measured is the rest.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up should stop"
)]

#[path = "../tests/harness/tokens.rs"]
mod tokens;

use std::rc::Rc;

use divan::Bencher;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenantgate::authorizer::api_key::ApiKeys;
use tenantgate::authorizer::cache::TokenCache;
use tenantgate::authorizer::jwt::{KeySet, host_crypto};
use tenantgate::config;
use tenantgate::fetch::{
    ApiKeySetId, ApiKeysOf, KeySourceId, Keys, KeysOf, Refresh, State, TokenSourceId, TokensOf,
};
use tenantgate::gate::{Request, Step};
use tenantgate::policy::Policy;
use tenantgate::request::RequestHead;
use tenantgate::upstream::ProviderCredential;
use tokens::{AUDIENCE, ISSUER, Key, Token};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 100_000])]
fn api_key(bencher: Bencher<'_, '_>, keys: usize) {
    let mut gate = Gate::new(&[api_keys("/v1/models/{model}/infer", keys)], 0);
    let head = head("/v1/models/llama/infer", "x-api-key", "sk-0");
    assert!(matches!(gate.decide(&head), Step::Forward(_)));
    bencher.bench_local(|| drop(gate.decide(&head)));
}

#[divan::bench(args = [1, 10_000])]
fn endpoints(bencher: Bencher<'_, '_>, count: usize) {
    let list: Vec<Value> = (0..count)
        .map(|n| api_keys(&format!("/v1/models/model-{n}/infer"), 1))
        .collect();
    let mut gate = Gate::new(&list, 0);
    let head = head("/v1/models/model-0/infer", "x-api-key", "sk-0");
    assert!(matches!(gate.decide(&head), Step::Forward(_)));
    bencher.bench_local(|| drop(gate.decide(&head)));
}

/// What a credential for the provider costs beside [`api_key`].
#[divan::bench]
fn lent_credential(bencher: Bencher<'_, '_>) {
    let auth = json!({ "type": "header", "name": "api-key", "value": "of-the-provider" });
    let lending = tokens::with(
        api_keys("/v1/models/{model}/infer", 10),
        json!({ "upstream_auth": auth }),
    );
    let mut gate = Gate::new(&[lending], 0);
    let head = head("/v1/models/llama/infer", "x-api-key", "sk-0");
    assert!(matches!(gate.decide(&head), Step::Forward(_)));
    bencher.bench_local(|| drop(gate.decide(&head)));
}

#[divan::bench]
fn no_credential(bencher: Bencher<'_, '_>) {
    let mut gate = Gate::new(&[api_keys("/v1/models/{model}/infer", 10)], 0);
    let head = head("/v1/models/llama/infer", "accept-language", "en");
    assert!(matches!(gate.decide(&head), Step::Refuse(_)));
    bencher.bench_local(|| drop(gate.decide(&head)));
}

#[divan::bench]
fn cached_token(bencher: Bencher<'_, '_>) {
    token(bencher, 100);
}

#[divan::bench]
fn new_token(bencher: Bencher<'_, '_>) {
    token(bencher, 0);
}

fn token(bencher: Bencher<'_, '_>, cache: usize) {
    host_crypto::install(|_| Ok(Some(vec![8, 1])));
    let oidc =
        json!({ "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://idp.test/keys" });
    let endpoint = json!({
        "name": "infer", "path": "/v1/models/{model}/infer", "authorizer": { "type": "oidc", "oidc": oidc },
    });
    let mut gate = Gate::new(&[endpoint], cache);
    let token = Token::good()
        .claim("tenant_id", "acme")
        .claim("client_id", "acme-app")
        .sign(NOW);
    let head = head(
        "/v1/models/llama/infer",
        "authorization",
        &format!("Bearer {token}"),
    );
    assert!(matches!(gate.decide(&head), Step::Forward(_)));
    bencher.bench_local(|| drop(gate.decide(&head)));
}

fn api_keys(path: &str, count: usize) -> Value {
    let keys: Vec<Value> = (0..count)
        .map(|n| json!({ "client_id": format!("client-{n}"), "tenant_id": "acme", "key": format!("sk-{n}") }))
        .collect();
    let name = path.replace(['/', '{', '}'], ".");
    json!({ "name": name, "path": path, "authorizer": { "type": "api_key", "keys": keys } })
}

/// As Envoy hands one over.
fn head(path: &str, name: &str, value: &str) -> RequestHead {
    let fields = [
        (":authority", "models.example.com"),
        (":path", path),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "bench/1"),
        ("accept", "*/*"),
        (name, value),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-envoy-internal", "true"),
        ("x-request-id", "00000000-0000-4000-8000-000000000000"),
    ];
    let field = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
    RequestHead::new(fields.map(field).to_vec())
}

/// A policy, with what a worker keeps beside it.
struct Gate {
    policy: Policy,
    keys: HeldKeys,
    cache: TokenCache,
}

impl Gate {
    fn new(endpoints: &[Value], token_cache_size: usize) -> Self {
        let document = json!({
            "clusters": { "idp.test": "issuer" }, "endpoints": endpoints, "token_cache_size": token_cache_size,
        });
        let key_set = json!({ "keys": [Key::R1.jwk(), Key::E1.jwk()] }).to_string();
        Self {
            policy: config::compile(document, &|_: &str| None).unwrap(),
            keys: HeldKeys(KeySet::parse(key_set.as_bytes()).unwrap().0),
            cache: TokenCache::new(token_cache_size),
        }
    }

    fn decide<'a>(&'a mut self, head: &'a RequestHead) -> Step<'a> {
        let request = Request {
            has_body: false,
            head,
            source_address: || None,
        };
        self.policy
            .decide(&request, &mut self.keys, &mut self.cache, NOW)
            .step
    }
}

struct HeldKeys(KeySet);

impl ApiKeysOf for HeldKeys {
    fn api_keys(&self, _: ApiKeySetId, _: Timestamp) -> State<&ApiKeys> {
        State::Coming
    }
}

impl TokensOf for HeldKeys {
    fn token(&self, _: TokenSourceId, _: Timestamp) -> State<(&Rc<ProviderCredential>, Timestamp)> {
        State::Coming
    }
}

impl KeysOf for HeldKeys {
    fn of(&self, _: KeySourceId, _: Timestamp) -> Keys<'_> {
        Keys::Usable(&self.0)
    }

    fn refresh(&mut self, _: KeySourceId, _: Timestamp) -> Refresh {
        Refresh::TooSoon
    }
}
