//! What is looked at from outside while the soak runs: memory, requests under way, and whether anything broke.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::contexts;
use crate::harness::Envoy;
use crate::ledger::Ledger;
use crate::shot::CANARY;

/// How much larger than the middle third the last third may be, in hundredths and in KiB.
const MORE_PERCENT: u64 = 5;
const MORE_KIB: u64 = 8 * 1024;
/// Words in Envoy's log that tell of a VM that broke.
const BROKEN: [&str; 5] = [
    "panicked",
    "Uncaught RuntimeError",
    "Wasm VM failed",
    "wasm trap",
    "Function: proxy_on",
];

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub second: u64,
    pub resident_kib: u64,
    /// Of the largest VM.
    pub vm_bytes: u64,
    /// Requests sent so far.
    pub sent: u64,
}

/// Looks each second until it is told to stop.
pub fn until(stop: &AtomicBool, envoy: &Envoy, ledger: &Ledger) -> Vec<Sample> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        samples.push(Sample {
            second: start.elapsed().as_secs(),
            resident_kib: envoy.resident_kib(),
            vm_bytes: vm_bytes(envoy),
            sent: ledger.sent(),
        });
        std::thread::sleep(Duration::from_secs(1));
    }
    samples
}

fn vm_bytes(envoy: &Envoy) -> u64 {
    let stats = envoy.admin("/stats?filter=vm_memory_bytes");
    let value = stats.trim().rsplit_once(": ").map(|(_, value)| value);
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// How memory went, by thirds of the time.
#[derive(Clone, Copy, Debug)]
pub struct Plateau {
    pub middle_kib: u64,
    pub last_kib: u64,
}

impl Plateau {
    pub fn of(samples: &[Sample]) -> Self {
        let third = samples.len() / 3;
        let median = |samples: &[Sample]| {
            let mut sizes: Vec<u64> = samples.iter().map(|sample| sample.resident_kib).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len() / 2).copied().unwrap_or(0)
        };
        Self {
            middle_kib: median(&samples[third..2 * third]),
            last_kib: median(&samples[2 * third..]),
        }
    }

    /// What the last third may take at most.
    pub fn bound_kib(self) -> u64 {
        self.middle_kib + self.middle_kib * MORE_PERCENT / 100 + MORE_KIB
    }

    /// The rule, in words.
    pub fn rule() -> String {
        format!(
            "median of the last third at most {MORE_PERCENT} % and {} MiB above that of the middle third",
            MORE_KIB / 1024
        )
    }
}

/// What Envoy says of itself at the end.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    pub vm_reloads: u64,
    pub requests_active: u64,
}

/// Waits until the last stream is gone, and looks around.
pub fn at_the_end(envoy: &Envoy, ledger: &Ledger) -> Health {
    contexts::until_idle(envoy);
    let log = envoy.log();
    // An edit that is refused is told in the same words.
    let is_broken = |line: &&str| {
        BROKEN.iter().any(|word| line.contains(word)) && !line.contains("Failed to configure")
    };
    for line in log.lines().filter(is_broken) {
        ledger.finds(format!("a VM broke: {line}"));
    }
    // A stat is called by what is configured, never by what was sent.
    for (place, text) in [
        ("Envoy's log", &log),
        ("the stats", &envoy.admin("/stats?usedonly")),
    ] {
        if let Some(line) = text.lines().find(|line| line.contains(CANARY)) {
            ledger.finds(format!("a secret in {place}: {line}"));
        }
    }
    let health = Health {
        vm_reloads: envoy.stat("wasm.tenantgate.vm_reload_success")
            + envoy.stat("wasm.tenantgate.vm_reload_backoff"),
        requests_active: envoy.stat("http.gate.downstream_rq_active"),
    };
    if health.vm_reloads > 0 {
        ledger.finds(format!("VMs were loaded anew: {health:?}"));
    }
    if health.requests_active > 0 {
        ledger.finds(format!("streams that do not end: {health:?}"));
    }
    health
}
