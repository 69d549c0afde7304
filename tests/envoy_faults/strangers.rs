//! Keys and key ids that nobody knows, by the ten thousand, against one worker as fast as it answers: KEY-20 and VM-07.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::issuer::Issuer;
use crate::harness::tokens::base64;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, by_key, by_token, comes_to_rest};

/// So many of each, unless the variable says otherwise: 100,000 take a minute.
const STRANGERS: usize = 20_000;
const HOW_MANY: &str = "TENANTGATE_STRANGERS";
/// One request at a time on each: Envoy hangs up on whoever has more than two refusals outstanding.
const CONNECTIONS: usize = 16;
/// What an allocator may keep, in KiB. A KiB for each stranger would show.
const PLATEAU: u64 = 12 * 1024;

/// What the stranger of that number presents.
type Credential<'a> = dyn Fn(usize) -> String + Sync + 'a;

/// One flood: all of them are refused, on connections that stay. How much memory Envoy took after the first tenth, and at
/// the end, in KiB.
fn flood(envoy: &Envoy, count: usize, path: &str, credential: &Credential<'_>) -> (u64, u64) {
    let refused = |numbers: std::ops::Range<usize>| {
        thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let numbers = numbers.clone();
                scope.spawn(move || {
                    let mut wire = envoy.wire();
                    for number in numbers.skip(connection).step_by(CONNECTIONS) {
                        let field = format!("authorization: Bearer {}", credential(number));
                        assert!(wire.request("GET", path, &[field.as_bytes()]));
                        let answer = wire.answer().expect("an answer");
                        assert_eq!(answer.status, 401, "{number}: {}", answer.text());
                        assert!(answer.text().contains("invalid_credential"));
                    }
                });
            }
        });
        envoy.resident_kib()
    };
    (refused(0..count / 10), refused(count / 10..count))
}

/// Whoever asks for as long as this lives.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn key_20_and_vm_07_strangers_by_the_ten_thousand_cost_a_fetch_and_no_memory_and_no_good_request() {
    let count = std::env::var(HOW_MANY).ok();
    let count = count.map_or(STRANGERS, |count| count.parse().expect("a number"));
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let endpoints = [by_key("/chat"), by_token("/infer", issuer.url(), json!({}))];
    let setup = Setup::with(json!({ "endpoints": endpoints }))
        .model(upstream.address())
        .cluster("issuer.test", issuer.address());
    let mut envoy = Envoy::start(setup);
    let token = issuer.token("acme");
    let forged = token.split_once('.').expect("a token").1;
    let unknown_kid = |number: usize| {
        let header = json!({ "alg": "RS256", "kid": format!("stranger-{number}"), "typ": "JWT" });
        format!("{}.{forged}", base64(header.to_string().as_bytes()))
    };

    let over = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        // However this ends, the others must.
        let _stops = Stops(&over);
        let good = scope.spawn(|| {
            let (mut served, mut slowest) = (0, Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                for (path, credential) in [("/chat", KEY), ("/infer", &token)] {
                    let since = Instant::now();
                    envoy.get(path).bearer(credential).send().admitted();
                    (served, slowest) = (served + 1, slowest.max(since.elapsed()));
                }
                thread::sleep(Duration::from_millis(10));
            }
            (served, slowest)
        });
        let floods: [(&str, &str, &Credential<'_>); 2] = [
            ("keys", "/chat", &|number| format!("stranger-{number}")),
            ("key ids", "/infer", &unknown_kid),
        ];
        for (what, path, credential) in floods {
            let since = Instant::now();
            let (early, late) = flood(&envoy, count, path, credential);
            println!(
                "{count} unknown {what} in {:.1?}: {early} KiB after a tenth, {late} at the end",
                since.elapsed()
            );
            assert!(late < early + PLATEAU, "{what}: {early} KiB, then {late}");
        }
        over.store(true, Ordering::Relaxed);
        let (served, slowest) = good.join().expect("no failure");
        println!("{served} good requests meanwhile, the slowest in {slowest:.1?}");
        assert!(served > 20, "{served}");
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        // One at the start, one by the first unknown key id, and one for each pause of half a minute that passed.
        let fetches = issuer.jwks_hits() as u64;
        assert!(
            fetches <= 2 + start.elapsed().as_secs() / 30,
            "{fetches} fetches"
        );
        assert_eq!(upstream.seen().len(), served, "none of the strangers");
    });
    comes_to_rest(&mut envoy);
}
