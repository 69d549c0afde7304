//! Whether streams leave contexts behind in the VMs: for the last seconds of traffic Envoy tells each call into them, and as
//! many contexts must have been deleted as were made.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Envoy;

/// The calls, as Envoy's trace has them. A root context has no parent.
const MADE: &str = "[host->vm] proxy_on_context_create(";
const DELETED: &str = "[host->vm] proxy_on_delete(";

/// Contexts of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts {
    pub made: u64,
    pub deleted: u64,
}

/// Counts those that this traffic makes. No other may be under way.
pub fn of(envoy: &Envoy, traffic: impl FnOnce()) -> Contexts {
    until_idle(envoy);
    let before = envoy.log().len();
    logs(envoy, "trace");
    traffic();
    until_idle(envoy);
    logs(envoy, "info");
    let log = envoy.log();
    let count = |call: &str| {
        let calls = log[before..].lines().filter(|line| line.contains(call));
        u64::try_from(calls.count()).expect("a count")
    };
    Contexts {
        made: count(MADE),
        deleted: count(DELETED),
    }
}

/// Waits until no request is under way.
pub fn until_idle(envoy: &Envoy) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while envoy.stat("http.gate.downstream_rq_active") > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    // Contexts go a moment after their streams.
    thread::sleep(Duration::from_millis(500));
}

fn logs(envoy: &Envoy, level: &str) {
    let url = format!("{}/logging?wasm={level}", envoy.admin_url());
    ureq::post(&url).send_empty().expect("the admin interface");
}
