//! FLO-03: Envoy follows a provider's redirect by itself, and the second way through the gate must not carry our
//! credential to wherever the provider says.

use serde_json::{Value, json};

use crate::harness::upstream::Reply;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, endpoint, policy};

const PROVIDER_KEY: &str = "sk-provider";

/// Envoy follows what the model server answers, to a host that somebody else has.
fn following(plugin: Value, model: &Upstream, other: &Upstream) -> Envoy {
    let follow = json!({
        "max_internal_redirects": 1, "redirect_response_codes": [302], "allow_cross_scheme_redirect": true,
    });
    let hosts = json!([
        { "name": "other", "domains": ["other.test"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "other" } },
        ] },
        { "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "model", "internal_redirect_policy": follow } },
        ] },
    ]);
    model.replies(Reply {
        status: 302,
        headers: vec![("location".to_owned(), "http://other.test/open".to_owned())],
        ..Reply::default()
    });
    Envoy::start(
        Setup::with(plugin)
            .model(model.address())
            .cluster("other", other.address())
            .virtual_hosts(hosts),
    )
}

#[test]
fn flo_03_a_redirect_that_envoy_follows_does_not_carry_our_credential_away() {
    let (model, other) = (Upstream::start(), Upstream::start());
    let open = json!({ "name": "open", "path": "/open", "authorizer": { "type": "none" } });
    let plain = json!({ "name": "plain", "path": "/plain", "authorizer": { "type": "none" } });
    let bearer = json!({ "type": "bearer", "token": PROVIDER_KEY });
    let header = json!({ "type": "header", "name": "x-provider", "value": PROVIDER_KEY });
    let plugin = policy(&[
        endpoint("/bearer", &bearer),
        endpoint("/header", &header),
        open,
        plain,
    ]);
    let envoy = following(plugin, &model, &other);
    for path in ["/bearer", "/header"] {
        let answer = envoy.get(path).header("x-api-key", KEY).send();
        answer.refused(401, "invalid_credential");
        assert!(model.last().contains(PROVIDER_KEY), "{path}: it was lent");
        other.saw_nothing();
        assert!(!answer.text().contains(PROVIDER_KEY));
    }
    // Its twin, with nothing of ours in it, is followed: the way is open.
    envoy.get("/plain").send().admitted();
    assert_eq!(other.seen().len(), 1);
}
