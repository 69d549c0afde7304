//! The gate that every row is sent to: keys, tokens, an open endpoint, and issuers whose keys are worth nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::tokens::{AUDIENCE, ISSUER, TRUSTED, Token, jwks};
use crate::harness::wire::lines;
use crate::harness::{Envoy, Issuer, Listener, Setup, Upstream};
use crate::{bearer, keyed, keys, now};

/// A key of tenant t2.
pub const K: &str = "acme-key-4f1d8a";
/// A key of tenant t3.
pub const K2: &str = "bolt-key-77aa02";
/// A key of tenant t2 that is good for `/v1/upload` alone.
pub const ELSEWHERE: &str = "acme-key-upload";

pub struct Gate {
    pub upstream: Upstream,
    pub envoy: Envoy,
    /// They serve for as long as the gate stands.
    _issuers: Vec<Issuer>,
}

impl Gate {
    /// An Envoy that passes on what its clients send as they send it, with so many workers.
    pub fn open(workers: u32) -> Self {
        let upstream = Upstream::start();
        let idp = Issuer::named(ISSUER);
        idp.publishes(with_keys_of_no_use(jwks(&TRUSTED)));
        let spoilt = keys::spoilt();
        let mut config = config();
        let mut setup = Setup::with(Value::Null)
            .model(upstream.address())
            .cluster("idp", idp.address())
            .listener(Listener::RAW)
            .workers(workers);
        for spoilt in &spoilt {
            config["clusters"][&spoilt.host] = json!(spoilt.host);
            let endpoints = config["endpoints"].as_array_mut().unwrap();
            endpoints.push(json!({
                "name": spoilt.host, "path": spoilt.path(),
                "authorizer": {"type": "oidc", "oidc": spoilt.oidc()},
            }));
            setup = setup.cluster(&spoilt.host, spoilt.issuer.address());
        }
        setup.plugin = config;
        let gate = Self {
            upstream,
            envoy: Envoy::start(setup),
            _issuers: spoilt
                .into_iter()
                .map(|spoilt| spoilt.issuer)
                .chain([idp])
                .collect(),
        };
        gate.waits_until_it_serves();
        gate
    }

    /// Until the keys are there, and what cannot be had has been asked for.
    fn waits_until_it_serves(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let token = Token::good().sign(now());
        while self.envoy.get("/v1/chat").bearer(&token).send().status != 200 {
            assert!(Instant::now() < deadline, "{}", self.envoy.log());
        }
        self.upstream.forget();
    }

    /// No VM died, though a new one in its place would serve as well.
    pub fn has_never_reloaded(&mut self) {
        assert!(self.envoy.is_running());
        for counter in [
            "vm_reload_success",
            "vm_reload_backoff",
            "vm_reload_failure",
        ] {
            assert_eq!(
                self.envoy.stat(&format!("wasm.tenantgate.{counter}")),
                0,
                "{counter}\n{}",
                self.envoy.log()
            );
        }
        assert!(
            !self.envoy.log().contains("panicked"),
            "{}",
            self.envoy.log()
        );
    }
}

/// A request that must be admitted whatever went before, for t2.
pub fn good_key() -> Vec<u8> {
    lines("GET /v1/chat", &[&keyed()])
}

/// The same by a token, for t1.
pub fn good_token() -> Vec<u8> {
    lines("GET /v1/chat", &[&bearer(&Token::good().sign(now()))])
}

fn api_keys() -> Value {
    json!({"type": "api_key", "keys": [
        {"client_id": "acme", "key": K, "tenant_id": "t2"},
        {"client_id": "bolt", "key": K2, "tenant_id": "t3"},
    ]})
}

fn tokens(more: Value) -> Value {
    let oidc = json!({
        "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": format!("{ISSUER}/keys"), "tenant_claim": "tenant",
    });
    json!({"type": "oidc", "oidc": crate::harness::tokens::with(oidc, more)})
}

fn config() -> Value {
    let open = json!({"type": "none"});
    let by_query = crate::harness::tokens::with(api_keys(), json!({"from": [{"query": "key"}]}));
    let algorithms = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ];
    json!({
        "clusters": {"idp.test": "idp"},
        "identity_headers": {"tenant": "x-tenant-id", "user": "x-user-id"},
        "endpoints": [
            {"name": "health", "path": "/health", "authorizer": open},
            {"name": "chat", "path": "/v1/chat", "authorizer": {"any_of": [api_keys(), tokens(json!({}))]}},
            {"name": "upload", "path": "/v1/upload", "methods": ["POST"], "authorizer": {"type": "api_key", "keys": [
                {"client_id": "acme-upload", "key": ELSEWHERE, "tenant_id": "t2"},
            ]}},
            {"name": "browser", "path": "/v1/browser", "methods": ["POST"], "preflight": "allow", "authorizer": api_keys()},
            {"name": "query", "path": "/v1/query", "authorizer": by_query},
            {"name": "every", "path": "/v1/every", "authorizer": tokens(json!({"algorithms": algorithms}))},
            {"name": "embed", "path": "/v1/embed", "authorizer": tokens(json!({"audience": "embed"}))},
            {"name": "scoped", "path": "/v1/scoped", "authorizer": tokens(json!({"required_claims": {"scope": ["a"]}}))},
            {"name": "dotted", "path": "/v1/dotted", "authorizer": tokens(json!({"tenant_claim": "realm.tenant"}))},
            {"name": "private", "path": "/v1/private", "allow_from": ["10.0.0.0/8"], "authorizer": api_keys()},
            {"name": "local", "path": "/v1/local", "allow_from": ["127.0.0.0/8"], "authorizer": api_keys()},
            {"name": "hosted", "path": "/v1/hosted", "hosts": ["api.test"], "authorizer": api_keys()},
            {"name": "open", "path": "/v1/hosted", "hosts": ["*.open.test"], "authorizer": open},
        ],
    })
}

/// The trusted set, with more entries in it that no token may be verified with.
fn with_keys_of_no_use(mut set: Value) -> Value {
    set["keys"]
        .as_array_mut()
        .unwrap()
        .extend(keys::of_no_use());
    set
}
