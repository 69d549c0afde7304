//! VM-01 and VM-03: a worker that stays dead refuses all, or, where an operator would have it so, lets everybody in.

use serde_json::json;

use crate::harness::envoy::Edit;
use crate::harness::{Envoy, Issuer, Upstream};
use crate::{KEY, bad, failing, good, never_saw, policy, reloads, setup, trap};

#[test]
fn vm_01_a_worker_whose_vm_has_ended_refuses_good_and_bad_alike_until_the_next_edit() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let mut setup = setup(&issuer, &upstream).live();
    setup.filter = Some(failing(&setup, &json!({ "failure_policy": "FAIL_CLOSED" })));
    let mut envoy = Envoy::start(setup.clone());
    good(&envoy).admitted();
    bad(&envoy).refused(401, "invalid_credential");
    upstream.forget();

    assert_eq!(trap(&envoy, "request_headers", KEY).send().status, 503);
    for _ in 0..20 {
        for answer in [good(&envoy), bad(&envoy)] {
            assert_eq!((answer.status, answer.text().as_str()), (503, ""));
        }
        // Not a word of the dead one: what Envoy would say of an unknown path is not said either.
        assert_eq!(envoy.get("/nowhere").send().status, 503);
    }
    upstream.saw_nothing();
    assert_eq!(reloads(&envoy), 0);

    // Any edit makes new VMs.
    setup.filter = None;
    let mut edited = policy(&issuer);
    edited["identity_headers"] = json!({ "tenant": "x-tenant" });
    setup.plugin = edited;
    let filter = failing(&setup, &json!({ "failure_policy": "FAIL_CLOSED" }));
    assert_eq!(envoy.replace(filter), Edit::Applied);
    good(&envoy).admitted();
    assert_eq!(upstream.last().all("x-tenant"), ["acme"]);
    bad(&envoy).refused(401, "invalid_credential");
    assert_eq!(upstream.seen().len(), 1);
    assert!(envoy.is_running());
}

/// Why `tenantgate check` complains of both, and the README forbids them.
#[test]
fn vm_03_a_filter_that_fails_open_lets_everybody_in_which_is_why_it_must_not() {
    for (how, of_the_trap) in [
        (json!({ "failure_policy": "FAIL_OPEN" }), 503),
        (json!({ "fail_open": true }), 200),
        // Their twin, as shipped.
        (json!({ "failure_policy": "FAIL_RELOAD" }), 503),
    ] {
        let (issuer, upstream) = (Issuer::start(), Upstream::start());
        let mut setup = setup(&issuer, &upstream);
        setup.filter = Some(failing(&setup, &how));
        let mut envoy = Envoy::start(setup);
        bad(&envoy).refused(401, "invalid_credential");
        never_saw(&upstream, "bad");
        let trapped = trap(&envoy, "request_headers", "a-guess").send();
        assert_eq!(trapped.status, of_the_trap, "{how}");
        let after = bad(&envoy);
        if how["failure_policy"] == "FAIL_RELOAD" {
            assert!(matches!(after.status, 401 | 503), "{after:?}");
            upstream.saw_nothing();
        } else {
            after.admitted();
            let seen = upstream.last();
            assert!(seen.contains("a-guess"), "{seen:?}");
            assert_eq!(seen.all("x-tenant-id"), [""; 0]);
        }
        assert!(envoy.is_running());
    }
}
