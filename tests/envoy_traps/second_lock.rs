//! What no failure policy covers, and what does: a filter behind ours that lets nothing pass which ours has not let in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::envoy::Edit;
use crate::harness::issuer::Mood;
use crate::harness::shipped::shipped;
use crate::harness::{Envoy, Issuer, Upstream};
use crate::{KEY, bad, failing, good, never_saw, policy, setup, trap};

/// What Envoy is told, and whether there is a second lock. [`FAIL_OPEN`](crate::policies) without one is open anyhow.
const CASES: [(&str, bool); 5] = [
    ("FAIL_RELOAD", false),
    ("FAIL_CLOSED", false),
    ("FAIL_RELOAD", true),
    ("FAIL_CLOSED", true),
    ("FAIL_OPEN", true),
];

/// As operators copy it.
fn second_lock() -> Vec<Value> {
    let filters = shipped("envoy/second-lock.yaml")["http_filters"].clone();
    filters.as_array().expect("a list").clone()
}

/// A VM that ends while it takes an edit is not made anew, and under every policy Envoy lets requests pass it on that worker
/// from then on (`PluginConfig::createContext` in its source: no handle, no filter). The trial before an edit, in a VM of its
/// own, is what an operator without the second lock rests on.
#[test]
fn vm_02_and_03_where_envoy_passes_the_filter_by_a_second_lock_stands_under_every_policy() {
    for (failure_policy, has_lock) in CASES {
        let how = json!({ "failure_policy": failure_policy });
        let what = format!("{failure_policy}, second lock: {has_lock}");
        let (issuer, upstream) = (Issuer::start(), Upstream::start());
        let mut setup = setup(&issuer, &upstream).live();
        if has_lock {
            setup.behind = second_lock();
        }
        setup.filter = Some(failing(&setup, &how));
        let mut envoy = Envoy::start(setup.clone());
        // It is in nobody's way.
        good(&envoy).admitted();
        let token = issuer.token("acme");
        envoy.get("/infer").bearer(&token).send().admitted();
        bad(&envoy).refused(401, "invalid_credential");

        trap(&envoy, "configure", KEY).send().admitted();
        setup.filter = None;
        setup.plugin["identity_headers"] = json!({ "tenant": "x-tenant" });
        assert_eq!(envoy.replace(failing(&setup, &how)), Edit::Applied);
        let due = if has_lock { 403 } else { 200 };
        for answer in [bad(&envoy), good(&envoy)] {
            assert_eq!(answer.status, due, "{what}: {}", answer.text());
        }
        if has_lock {
            never_saw(&upstream, "bad");
        }

        // No edit mends it, because the VM that the others are copied from counts as failed by now; another name does.
        setup.plugin = policy(&issuer);
        let mut filter = failing(&setup, &how);
        assert_eq!(envoy.replace(filter.clone()), Edit::Rejected);
        assert_eq!(bad(&envoy).status, due, "{what}");
        filter["config"]["vm_config"]["vm_id"] = json!("another");
        assert_eq!(envoy.replace(filter), Edit::Applied);
        good(&envoy).admitted();
        bad(&envoy).refused(401, "invalid_credential");
        // And where the VM ends under a request.
        assert_eq!(trap(&envoy, "request_headers", KEY).send().status, 503);
        let due: &[u16] = match failure_policy {
            "FAIL_OPEN" => &[403],
            _ => &[401, 503],
        };
        let after = bad(&envoy);
        assert!(due.contains(&after.status), "{what}: {after:?}");
        assert!(envoy.is_running());
    }
}

/// With that switch Envoy shows the filter the body of a request that waits, and lets the request go with it.
#[test]
fn vm_03_a_request_that_envoy_lets_go_before_it_was_decided_meets_the_second_lock() {
    for has_lock in [false, true] {
        let (issuer, upstream) = (Issuer::start(), Upstream::start());
        issuer.jwks_mood(Mood::Slow(Duration::from_secs(2)));
        let mut setup = setup(&issuer, &upstream);
        if has_lock {
            setup.behind = second_lock();
        }
        let how = json!({
            "failure_policy": "FAIL_RELOAD", "allow_on_headers_stop_iteration": true,
        });
        setup.filter = Some(failing(&setup, &how));
        let mut envoy = Envoy::start(setup);
        let mut claims = issuer.claims("acme");
        claims["aud"] = json!("somebody else");
        let answer = envoy
            .post("/infer", &json!({ "model": "m" }))
            .bearer(&issuer.sign(&claims))
            .send();
        assert_eq!(answer.status, if has_lock { 403 } else { 200 });
        assert_eq!(upstream.seen().len(), usize::from(!has_lock));
        assert!(envoy.is_running());
    }
}
