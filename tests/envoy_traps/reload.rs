//! VM-02: as shipped, a worker whose VM ended refuses for a moment, and is well again.

use std::time::{Duration, Instant};

use crate::harness::envoy_config::FILTER;
use crate::harness::{Envoy, Issuer, Upstream};
use crate::{KEY, bad, good, healthy_after, never_saw, reloads, setup, trap};

/// Where a request can end the VM, and what its sender is told where it is a good one and where it is a bad one. Nothing:
/// the connection is closed, or what came before is all that comes.
const STAGES: [(&str, &[u16], &[u16]); 8] = [
    ("request_headers", &[503], &[503]),
    ("decided", &[503], &[503]),
    ("request_body", &[503], &[401, 503]),
    ("response_headers", &[503], &[401, 503]),
    ("response_body", &[200, 0], &[401, 503, 0]),
    ("log", &[200], &[401]),
    ("done", &[200], &[401]),
    ("create", &[200], &[401]),
];

#[test]
fn vm_02_wherever_the_vm_ends_nobody_is_let_in_by_it_and_all_is_well_within_seconds() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let mut envoy = Envoy::start(setup(&issuer, &upstream));
    let token = issuer.token("acme");
    good(&envoy).admitted();
    envoy.get("/infer").bearer(&token).send().admitted();
    let fetches = issuer.jwks_hits();

    for (stage, to_a_good_one, to_a_bad_one) in STAGES {
        for (key, due) in [(KEY, to_a_good_one), ("a-guess", to_a_bad_one)] {
            let before = reloads(&envoy);
            upstream.forget();
            let told = trap(&envoy, stage, key).attempt();
            let status = told.as_ref().map_or(0, |answer| answer.status);
            assert!(due.contains(&status), "{stage} with {key}: {told:?}");
            let took = healthy_after(&envoy, stage);
            println!("{stage:<18} {key:<16} {status:>3}, well after {took:.1?}");
            // Of the bad ones nothing came upstream, be it theirs or another's; of the rest what had been let in.
            never_saw(&upstream, "bad");
            let hits = upstream.seen();
            let trapping = hits.iter().filter(|seen| seen.target == "/chat").count();
            let let_in = key == KEY && !matches!(stage, "request_headers" | "decided");
            assert!(trapping <= usize::from(let_in), "{stage}: {hits:#?}");
            // Of a refused request Envoy shows the filter no body.
            let ended = !(stage == "request_body" && key != KEY);
            assert_eq!(
                reloads(&envoy),
                before + u64::from(ended),
                "{stage} with {key}"
            );
            // What had been fetched is not fetched again.
            envoy.get("/infer").bearer(&token).send().admitted();
            bad(&envoy).refused(401, "invalid_credential");
        }
    }
    assert_eq!(issuer.jwks_hits(), fetches);
    nothing_counts_backwards(&envoy);
    assert!(envoy.is_running());
}

/// A counter below zero would be told as one near 2^64.
fn nothing_counts_backwards(envoy: &Envoy) {
    let stats = envoy.admin("/stats?filter=wasmcustom&type=Counters")
        + &envoy.admin("/stats?filter=wasmcustom&type=Gauges");
    let mut seen = 0;
    for line in stats.lines() {
        let (name, value) = line.rsplit_once(": ").expect("a name and a value");
        let value: u64 = value.parse().expect("a number");
        assert!(value < 1 << 63, "{name}: {value}");
        seen += 1;
    }
    assert!(seen >= 5, "{stats}");
}

#[test]
fn vm_02_who_ends_it_again_and_again_keeps_it_down_for_moments_and_is_seen() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let mut envoy = Envoy::start(setup(&issuer, &upstream));
    good(&envoy).admitted();
    let (mut traps, mut longest) = (0, Duration::ZERO);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        // The one that ended it, or one that met it dead.
        assert_eq!(
            trap(&envoy, "request_headers", "a-guess").send().status,
            503
        );
        traps += 1;
        longest = longest.max(healthy_after(&envoy, "again"));
    }
    let backoff = envoy.stat(&format!("wasm.{FILTER}.vm_reload_backoff"));
    println!("{traps} traps in 4 s, {backoff} requests refused meanwhile, longest {longest:.1?}");
    assert_eq!(reloads(&envoy), traps);
    never_saw(&upstream, "bad");
    bad(&envoy).refused(401, "invalid_credential");
    assert!(envoy.is_running());
}
