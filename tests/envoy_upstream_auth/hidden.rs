//! Where secrets do not appear. What is covered: the log with the wasm component at trace, the statistics, the
//! configuration dump where secrets come from the environment, the access log, and what clients are told. Not covered,
//! because they print header fields of all requests by themselves: Envoy's `http` and `router` components at debug.

use std::time::Duration;

use serde_json::json;

use crate::harness::provider::Provider;
use crate::harness::upstream::Reply;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, endpoint, policy};

const SECRETS: [(&str, &str); 4] = [
    ("CLIENT_KEY", KEY),
    ("PROVIDER_TOKEN", "canary-provider-token"),
    ("CLIENT_SECRET", "canary-client-secret"),
    ("PASSWORD", "canary-password"),
];

#[test]
fn no_secret_appears_in_logs_statistics_dumps_or_answers() {
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
