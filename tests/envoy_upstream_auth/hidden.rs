//! OBS-01, OBS-02: where secrets do not appear. What is covered: all that the filter writes to the log, the statistics, the
//! configuration dump where secrets come from the environment or are digests, the access log, and what clients are told.
//! What is not the filter's: below `warning`, other components of Envoy print header fields of all requests by themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use serde_json::json;

use crate::harness::envoy::Edit;
use crate::harness::issuer::AUDIENCE;
use crate::harness::provider::Provider;
use crate::harness::upstream::Reply;
use crate::harness::{Envoy, Issuer, Setup, Upstream};
use crate::{KEY, endpoint, policy};

const SECRETS: [(&str, &str); 4] = [
    ("CLIENT_KEY", KEY),
    ("PROVIDER_TOKEN", "canary-provider-token"),
    ("CLIENT_SECRET", "canary-client-secret"),
    ("PASSWORD", "canary-password"),
];

#[test]
fn obs_01_and_02_no_secret_appears_in_logs_statistics_dumps_or_answers() {
    let provider = Provider::start(Duration::from_hours(1));
    let upstream = Upstream::start();
    upstream.replies(Reply {
        body: Some(b"{}".to_vec()),
        ..Reply::default()
    });
    let oauth = |token_url: &str| {
        json!({
            "type": "oauth2_client_credentials", "token_url": token_url, "client_id": "gate",
            "client_secret": {"env": "CLIENT_SECRET"},
        })
    };
    let basic = json!({"type": "basic", "username": "u", "password": {"env": "PASSWORD"}});
    let bearer = json!({"type": "bearer", "token": {"env": "PROVIDER_TOKEN"}});
    let header = json!({"type": "header", "name": "api-key", "value": {"env": "PROVIDER_TOKEN"}});
    let mut plugin = policy(&[
        endpoint("/basic", &basic),
        endpoint("/bearer", &bearer),
        endpoint("/header", &header),
        endpoint("/token", &oauth("https://auth.test/oauth/token")),
        endpoint("/down", &oauth("https://nobody.test/token")),
    ]);
    let endpoints = plugin["endpoints"].as_array_mut().expect("a list");
    for endpoint in endpoints {
        endpoint["authorizer"]["keys"][0]["key"] = json!({"env": "CLIENT_KEY"});
    }
    let mut setup = Setup::with(plugin)
        .model(upstream.address())
        .cluster("auth", provider.address())
        .tracing();
    for (name, value) in SECRETS {
        setup = setup.secret(name, value);
    }
    let envoy = Envoy::start(setup);

    let mut told = Vec::new();
    for (path, status) in [
        ("/basic", 200),
        ("/bearer", 200),
        ("/header", 200),
        ("/token", 200),
        ("/down", 502),
        ("/nowhere", 404),
    ] {
        let answer = envoy.get(path).bearer(KEY).send();
        assert_eq!(answer.status, status, "{path}");
        told.push(format!("{:?} {}", answer.headers, answer.text()));
    }
    let token = provider.tokens().pop().expect("a token was fetched");
    let seen = upstream.seen();
    let arrived = |text: &str| seen.iter().any(|seen| seen.contains(text));
    assert!(
        arrived("canary-provider-token") && arrived(&token),
        "they were lent"
    );

    let access_log = envoy.access_log(6);
    let log = envoy.log();
    assert!(log.contains("[trace][wasm]"), "the log traces");
    // base64("u:canary-password")
    let encoded = "dTpjYW5hcnktcGFzc3dvcmQ=";
    assert!(arrived(encoded));
    for (place, text) in [
        ("the log", log),
        ("the access log", format!("{access_log:?}")),
        ("/stats", envoy.admin("/stats")),
        ("/stats/prometheus", envoy.admin("/stats/prometheus")),
        ("/config_dump", envoy.config_dump()),
        ("/clusters", envoy.admin("/clusters")),
        ("what clients are told", told.join("\n")),
    ] {
        let secrets = SECRETS.iter().map(|(_, value)| *value);
        for secret in secrets.chain([token.as_str(), encoded]) {
            assert!(!text.contains(secret), "{secret} appears in {place}");
        }
    }
}

/// The components of Envoy that print what a request or a response carries, or what a connection does, when they are told
/// to trace, or a configuration as it was written. None of them is the filter's.
const TELLTALES: [&str; 7] = [
    "client",
    "config",
    "connection",
    "http",
    "pool",
    "router",
    "upstream",
];

/// A secret as itself, and as somebody might print it.
fn spellings(secret: &str) -> [String; 5] {
    [
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        base16ct::lower::encode_string(secret.as_bytes()),
    ]
}

/// Entries of Envoy's log with the component that wrote each. One may have several lines.
fn entries(log: &str) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in log.lines() {
        // [time][thread][level][component] [file:line] text
        let component = line
            .strip_prefix('[')
            .and_then(|line| line.split('[').nth(3));
        let component = component.and_then(|text| text.split_once(']'));
        match (component, entries.last_mut()) {
            (Some((component, _)), _) => entries.push((component.to_owned(), line.to_owned())),
            (None, Some((_, entry))) => {
                entry.push('\n');
                entry.push_str(line);
            }
            (None, None) => {}
        }
    }
    entries
}

/// Every kind of secret: a client's key, a provider's, a client's secret, and tokens of that issuer.
fn secretive(issuer: &Issuer) -> serde_json::Value {
    let oauth = |token_url: &str| {
        json!({
            "type": "oauth2_client_credentials", "token_url": token_url, "client_id": "gate",
            "client_secret": {"env": "CLIENT_SECRET"},
        })
    };
    let mut plugin = policy(&[
        endpoint("/token", &oauth("https://auth.test/oauth/token")),
        endpoint("/down", &oauth("https://nobody.test/token")),
    ]);
    let endpoints = plugin["endpoints"].as_array_mut().expect("a list");
    for endpoint in &mut *endpoints {
        endpoint["authorizer"]["keys"][0]["key"] = json!({"env": "CLIENT_KEY"});
    }
    let oidc = json!({ "issuer": issuer.url(), "audience": AUDIENCE });
    endpoints.push(
        json!({ "name": "jwt", "path": "/jwt", "authorizer": { "type": "oidc", "oidc": oidc } }),
    );
    plugin
}

#[test]
fn obs_01_with_all_of_envoy_at_trace_the_filter_writes_no_secret_and_nobody_else_but_who_prints_requests()
 {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let provider = Provider::start(Duration::from_hours(1));
    let mut plugin = secretive(&issuer);
    let mut setup = Setup::with(plugin.clone())
        .model(upstream.address())
        .cluster("auth", provider.address())
        .cluster("issuer.test", issuer.address())
        .mounted()
        .tracing_all();
    for (name, value) in SECRETS {
        setup = setup.secret(name, value);
    }
    let mut envoy = Envoy::start(setup);

    let good = issuer.token("acme");
    let mut claims = issuer.claims("acme");
    claims["aud"] = json!("api://others");
    let bad = issuer.sign(&claims);
    let (signed, _) = good.rsplit_once('.').expect("three segments");
    let unsigned = format!("{signed}.Y2FuYXJ5LXNpZ25hdHVyZQ");
    for (path, credential, status) in [
        ("/token", KEY, 200),
        ("/token", "canary-wrong-key", 401),
        ("/down", KEY, 502),
        ("/jwt", &good, 200),
        ("/jwt", &bad, 401),
        ("/jwt", &unsigned, 401),
    ] {
        let answer = envoy.get(path).bearer(credential).send();
        assert_eq!(answer.status, status, "{path} {credential}");
    }
    // An edit that is wrong, with secrets in it.
    plugin["endpoints"][0]["authorizer"]["keys"][0]["key"] = json!("canary-inline-key\n");
    plugin["endpoints"][1]["upstream_auth"]["client_secret"] = json!("canary-inline-secret");
    plugin["endpoints"][1]["upstream_auth"]["canary-field"] = json!("canary-inline-field");
    assert_eq!(envoy.apply(plugin), Edit::Rejected);
    envoy.get("/token").bearer(KEY).send().admitted();

    let fetched = provider.tokens().pop().expect("a token was fetched");
    let mut secrets = vec![KEY, "canary-wrong-key", &fetched];
    secrets.extend([
        "canary-inline-key",
        "canary-inline-secret",
        "canary-inline-field",
    ]);
    secrets.extend(SECRETS.iter().map(|(_, value)| *value));
    for jwt in [&good, &bad, &unsigned] {
        secrets.push(jwt);
        // Headers of tokens are all alike, and name a key and an algorithm.
        secrets.extend(jwt.split('.').skip(1));
    }
    let spellings: Vec<String> = secrets.into_iter().flat_map(spellings).collect();
    let log = envoy.log();
    let entries = entries(&log);
    let ours: Vec<_> = entries
        .iter()
        .filter(|(component, _)| component == "wasm")
        .collect();
    for word in ["configuration refused", "cannot call for", "is in force"] {
        assert!(ours.iter().any(|(_, entry)| entry.contains(word)), "{word}");
    }
    let telltales: BTreeSet<&str> = entries
        .iter()
        .filter(|(_, entry)| {
            spellings
                .iter()
                .any(|secret| entry.contains(secret.as_str()))
        })
        .map(|(component, _)| component.as_str())
        .collect();
    assert!(telltales.contains("http"), "the log traces: {telltales:?}");
    let unknown: Vec<_> = telltales
        .iter()
        .filter(|name| !TELLTALES.contains(name))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for (place, text) in [
        ("the access log", format!("{:?}", envoy.access_log(7))),
        ("/stats", envoy.admin("/stats")),
    ] {
        let found = spellings
            .iter()
            .find(|secret| text.contains(secret.as_str()));
        assert!(found.is_none(), "{found:?} appears in {place}");
    }
    // Envoy keeps an edit that was refused, as it was written; what comes from the environment stands in no edit.
    let dump = envoy.config_dump();
    assert!(dump.contains("canary-inline-key"));
    for (_, hidden) in SECRETS {
        assert!(!dump.contains(hidden), "{hidden} appears in /config_dump");
    }
}

/// What Envoy shows to whoever asks its admin interface is the configuration as it was written.
#[test]
fn obs_02_a_configuration_dump_shows_what_is_written_inline_and_neither_digests_keys_nor_the_environment()
 {
    let upstream = Upstream::start();
    let key = |client: &str, key: serde_json::Value| {
        let mut key = key;
        key["client_id"] = json!(client);
        key
    };
    // sha256("canary-digested-key")
    let digest = "d345c5fe52c08aa3c57a173c9337bfcf0399b4de70f3a3f9b6eaf8deeaddbb41";
    let mut by_key = endpoint(
        "/chat",
        &json!({"type": "bearer", "token": {"env": "PROVIDER_TOKEN"}}),
    );
    by_key["authorizer"]["keys"] = json!([
        key("inline", json!({"key": "canary-inline-key"})),
        key("digested", json!({"key_sha256": digest})),
        key("environment", json!({"key": {"env": "CLIENT_KEY"}})),
    ]);
    let mut setup = Setup::with(policy(&[by_key])).model(upstream.address());
    for (name, value) in SECRETS {
        setup = setup.secret(name, value);
    }
    let envoy = Envoy::start(setup);
    for good in ["canary-inline-key", "canary-digested-key", KEY] {
        envoy.get("/chat").bearer(good).send().admitted();
    }
    let dump = envoy.config_dump();
    assert!(dump.contains("canary-inline-key") && dump.contains(digest));
    for hidden in ["canary-digested-key", KEY, "canary-provider-token"] {
        assert!(!dump.contains(hidden), "{hidden}");
    }
}
