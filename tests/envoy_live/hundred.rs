//! A hundred edits in a row, each of which takes one client's key away and gives another one a key, under as much load as
//! two workers bear: by a file that is renamed, and by a `ConfigMap` whose links are swapped.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::issuer::AUDIENCE;
use crate::harness::wire::Wire;
use crate::harness::wrk::Wrk;
use crate::harness::{Envoy, Issuer, Setup};
use crate::{answered_by_envoy, applied, chat};

const EDITS: usize = 100;
const STEADY: &str = "the-key-that-stays";
/// From before the edit is asked for until every connection knows it.
const SOON: Duration = Duration::from_secs(2);

/// With each edit, one key goes and another comes.
fn key(number: usize) -> String {
    format!("key-number-{number}")
}

fn configuration(number: usize, issuer: &Issuer) -> Value {
    json!({
        "clusters": { "issuer.test": "issuer" },
        "endpoints": [
            chat(&[STEADY, &key(number)]),
            { "name": "infer", "path": "/infer", "authorizer": {
                "type": "oidc", "oidc": { "issuer": issuer.url(), "audience": AUDIENCE },
            } },
        ],
    })
}

/// The status and the reason of a request on a connection that stays.
fn ask(wire: &mut Wire, path: &str, credential: &str) -> (u16, bool) {
    let field = format!("authorization: Bearer {credential}");
    assert!(
        wire.request("GET", path, &[field.as_bytes()]),
        "the connection was closed"
    );
    let answer = wire.answer().expect("an answer, on the same connection");
    assert_eq!(answer.header("connection"), None, "{}", answer.head);
    let invalid = answer.text().contains("invalid_credential");
    (answer.status, invalid)
}

/// Connections to both workers.
fn connections(envoy: &Envoy) -> Vec<Wire> {
    let mut wires = Vec::new();
    loop {
        let mut wire = envoy.wire();
        assert_eq!(ask(&mut wire, "/chat", STEADY).0, 200);
        wires.push(wire);
        let stats = envoy.admin("/stats?filter=listener.*worker_[01].downstream_cx_active");
        let busy = |worker: &str| {
            let line = stats.lines().find(|line| line.contains(worker));
            !line.expect("a worker's connections").ends_with(": 0")
        };
        if busy("worker_0.") && busy("worker_1.") {
            return wires;
        }
        assert!(wires.len() < 100, "{stats}");
    }
}

/// How many requests a client with a credential that stays made until it was told to stop. None failed.
fn client(mut wire: Wire, path: &str, credential: &str, stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(ask(&mut wire, path, credential).0, 200, "{path}");
        count += 1;
    }
    count
}

/// Waits until every connection lets the new key in and refuses the old one.
fn in_force(wires: &mut [Wire], number: usize, since: Instant) -> Duration {
    for wire in wires {
        loop {
            let new = ask(wire, "/chat", &key(number));
            let old = ask(wire, "/chat", &key(number - 1));
            if (new.0, old) == (200, (401, true)) {
                break;
            }
            assert!(
                since.elapsed() < SOON,
                "edit {number}: the new key {new:?}, the old one {old:?}"
            );
        }
    }
    since.elapsed()
}

/// Makes the edits, each by `edit`, and looks at what clients see.
fn a_hundred_edits(setup: impl FnOnce(Setup) -> Setup, edit: impl Fn(&Envoy, &Value)) {
    let issuer = Issuer::start();
    let common = Setup::with(configuration(0, &issuer))
        .cluster("issuer", issuer.address())
        .virtual_hosts(answered_by_envoy())
        .workers(2);
    let mut envoy = Envoy::start(setup(common));
    let token = issuer.token("acme");
    envoy.get("/infer").bearer(&token).send().admitted();

    let mut mine = connections(&envoy);
    let (stop, mut delays) = (AtomicBool::new(false), Vec::new());
    let wrk = Wrk::start(envoy.address(), "/chat", STEADY, 20);
    let mut asked = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = [("/chat", STEADY), ("/infer", &token), ("/infer", &token)]
            .into_iter()
            .map(|(path, credential)| {
                let (wire, stop) = (envoy.wire(), &stop);
                scope.spawn(move || client(wire, path, credential, stop))
            })
            .collect();
        // However this ends, the clients must.
        let stopper = Stopper(&stop);
        for number in 1..=EDITS {
            let since = Instant::now();
            edit(&envoy, &configuration(number, &issuer));
            delays.push(in_force(&mut mine, number, since));
        }
        drop(stopper);
        for client in clients {
            asked += client.join().expect("a client without a failure");
        }
    });
    let load = wrk.stop();
    delays.sort();
    println!(
        "{EDITS} edits: {} requests by wrk and {asked} by clients, {} failed; in force after {:?} (median), {:?} (most)",
        load.requests,
        load.failures,
        delays[EDITS / 2],
        delays[EDITS - 1],
    );
    assert_eq!(load.failures, 0);
    // That much a wrong key is worth to the count.
    let wrong = Wrk::start(envoy.address(), "/chat", &key(0), 2);
    std::thread::sleep(Duration::from_millis(300));
    let wrong = wrong.stop();
    assert!(
        wrong.requests > 0 && wrong.failures == wrong.requests,
        "{wrong:?}"
    );
    assert!(load.requests > 10_000 && asked > 1_000, "{load:?}, {asked}");
    // Every edit began with the keys of the issuer that were there.
    assert_eq!((issuer.discovery_hits(), issuer.jwks_hits()), (1, 1));
    assert_eq!(
        envoy.edits("update_rejected") + envoy.edits("update_failure"),
        0
    );
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
    assert!(envoy.is_running() && !envoy.log().contains("panicked"));
}

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn vm_06_a_hundred_edits_by_rename_fail_no_request_and_each_is_in_force_at_once() {
    a_hundred_edits(Setup::live, |envoy, configuration| {
        applied(configuration, &envoy.live_file());
    });
}

#[test]
fn vm_06_a_hundred_edits_of_a_config_map_fail_no_request_and_each_is_in_force_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("filter.json");
    a_hundred_edits(Setup::mounted, |envoy, configuration| {
        let text = |file: &Path| std::fs::read_to_string(file).expect("the filter");
        if !file.exists() {
            std::fs::write(&file, text(&envoy.live_file())).expect("a copy");
        }
        applied(configuration, &file);
        envoy.write_live_file(&text(&file));
    });
}
