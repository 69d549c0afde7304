//! Issuers that are down, slow, huge or wrong: whoever needs their keys is told to come back, nobody else notices, and all
//! is well again as soon as they are.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

mod harness;

use std::time::{Duration, Instant};

use harness::issuer::{AUDIENCE, Mood};
use harness::{Envoy, Issuer, Setup, Upstream};
use serde_json::{Value, json};

const KEY: &str = "a-key-that-needs-no-issuer";

/// What is wrong with an issuer.
#[derive(Clone)]
enum Trouble {
    Down,
    Keys(Mood),
    Discovery(Mood),
}

struct Troubled {
    name: &'static str,
    trouble: Trouble,
    issuer: Issuer,
}

impl Troubled {
    fn new(name: &'static str, trouble: Trouble) -> Self {
        let mut issuer = Issuer::named(&format!("https://{name}.test"));
        match &trouble {
            Trouble::Down => issuer.goes_away(),
            Trouble::Keys(mood) => issuer.jwks_mood(mood.clone()),
            Trouble::Discovery(mood) => issuer.discovery_mood(mood.clone()),
        }
        Self {
            name,
            trouble,
            issuer,
        }
    }

    fn heal(&mut self) {
        match self.trouble {
            Trouble::Down => self.issuer.comes_back(),
            Trouble::Keys(_) => self.issuer.jwks_mood(Mood::Good),
            Trouble::Discovery(_) => self.issuer.discovery_mood(Mood::Good),
        }
    }

    fn path(&self) -> String {
        format!("/{}/infer", self.name)
    }
}

fn issuers() -> Vec<Troubled> {
    let html = || Mood::Wrong("<html>It works!</html>".to_owned());
    let other = json!({ "issuer": "https://evil.test", "jwks_uri": "https://evil.test/keys" });
    let no_keys = Mood::Wrong(json!({ "keys": [] }).to_string());
    // Longer than a callout may take.
    let slow = Mood::Slow(Duration::from_secs(8));
    vec![
        Troubled::new("down", Trouble::Down),
        Troubled::new("slow-keys", Trouble::Keys(slow.clone())),
        Troubled::new("slow-discovery", Trouble::Discovery(slow)),
        Troubled::new("huge-keys", Trouble::Keys(Mood::Huge(20 << 20))),
        Troubled::new("huge-discovery", Trouble::Discovery(Mood::Huge(2 << 20))),
        Troubled::new("wrong-keys", Trouble::Keys(html())),
        Troubled::new("wrong-discovery", Trouble::Discovery(html())),
        Troubled::new("no-keys", Trouble::Keys(no_keys)),
        Troubled::new(
            "another-issuer",
            Trouble::Discovery(Mood::Wrong(other.to_string())),
        ),
        Troubled::new("failing-keys", Trouble::Keys(Mood::Status(500))),
        Troubled::new("missing-discovery", Trouble::Discovery(Mood::Status(404))),
        Troubled::new(
            "moved-keys",
            Trouble::Keys(Mood::Redirect("https://evil.test/keys".to_owned())),
        ),
    ]
}

fn setup(issuers: &[Troubled], well: &Issuer, upstream: &Upstream) -> Setup {
    let endpoint = |path: &str, issuer: &str| {
        json!({ "name": path.replace('/', "_"), "path": path, "authorizer": {
            "type": "oidc", "oidc": { "issuer": issuer, "audience": AUDIENCE },
        } })
    };
    let mut endpoints = vec![
        json!({ "name": "health", "path": "/healthz", "authorizer": { "type": "none" } }),
        json!({ "name": "chat", "path": "/chat", "authorizer": {
            "type": "api_key", "keys": [{ "client_id": "c", "key": KEY }],
        } }),
        endpoint("/well/infer", well.url()),
    ];
    endpoints.extend(
        issuers
            .iter()
            .map(|troubled| endpoint(&troubled.path(), troubled.issuer.url())),
    );
    // A host that is not listed is its own cluster name.
    let plugin = json!({ "endpoints": endpoints });
    issuers.iter().fold(
        Setup::with(plugin)
            .model(upstream.address())
            .cluster("issuer.test", well.address())
            .workers(2),
        |setup, troubled| {
            setup.cluster(
                &format!("{}.test", troubled.name),
                troubled.issuer.address(),
            )
        },
    )
}

/// An answer and how long it took.
fn timed(envoy: &Envoy, path: &str, credential: &str) -> (harness::Answer, Duration) {
    let start = Instant::now();
    let answer = envoy.get(path).bearer(credential).send();
    (answer, start.elapsed())
}

/// Those who do not need the troubled are served at once.
fn others_are_served(envoy: &Envoy, well: &Issuer) {
    for (path, credential) in [
        ("/healthz", String::new()),
        ("/chat", KEY.to_owned()),
        ("/well/infer", well.token("acme")),
    ] {
        let (answer, took) = timed(envoy, path, &credential);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(took < Duration::from_secs(2), "{path} took {took:?}");
    }
}

#[test]
fn key_13_an_issuer_in_trouble_is_503_for_its_own_and_for_nobody_else_and_heals_by_itself() {
    let (mut issuers, well, upstream) = (issuers(), Issuer::start(), Upstream::start());
    let mut envoy = Envoy::start(setup(&issuers, &well, &upstream));

    std::thread::scope(|scope| {
        let asked: Vec<_> = issuers
            .iter()
            .map(|troubled| {
                let (path, token) = (troubled.path(), troubled.issuer.token("acme"));
                let envoy = &envoy;
                (troubled, scope.spawn(move || timed(envoy, &path, &token)))
            })
            .collect();
        others_are_served(&envoy, &well);
        for (troubled, asked) in asked {
            let (answer, took) = asked.join().expect("an answer");
            println!("{:<20} {} after {took:.1?}", troubled.name, answer.status);
            assert_eq!(
                (answer.status, answer.reason().as_str()),
                (503, "keys_unavailable"),
                "{}: {}",
                troubled.name,
                answer.text()
            );
            let wait: u64 = answer
                .header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .expect("how long to wait");
            assert!((1..=60).contains(&wait), "{}: {wait}", troubled.name);
            // Two documents of five seconds at most, and not longer than a request may wait.
            assert!(took < Duration::from_secs(12), "{} {took:?}", troubled.name);
        }
    });
    let saw = upstream.seen();
    assert!(
        saw.iter().all(|seen| !seen.target.contains("slow")
            && issuers
                .iter()
                .all(|troubled| seen.target != troubled.path())),
        "{saw:?}"
    );
    others_are_served(&envoy, &well);

    for troubled in &mut issuers {
        troubled.heal();
    }
    let healed = Instant::now();
    for troubled in &issuers {
        loop {
            let (answer, _) = timed(&envoy, &troubled.path(), &troubled.issuer.token("acme"));
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.status, 503, "{}: {}", troubled.name, answer.text());
            assert!(
                healed.elapsed() < Duration::from_mins(1),
                "{} is still not well:\n{}",
                troubled.name,
                envoy.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{:<20} well after {:.1?}", troubled.name, healed.elapsed());
    }
    nothing_broke(&mut envoy);
}

#[test]
fn key_18_19_and_25_requests_that_wait_for_keys_go_on_together_and_those_who_leave_are_not_missed()
{
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(2)));
    let plugin: Value = json!({ "endpoints": [{ "name": "infer", "path": "/infer", "authorizer": {
        "type": "oidc", "oidc": { "issuer": issuer.url(), "audience": AUDIENCE },
    } }] });
    let setup = Setup::with(plugin)
        .model(upstream.address())
        .cluster("issuer.test", issuer.address())
        .workers(2);
    let mut envoy = Envoy::start(setup);
    let token = issuer.token("acme");
    let field = format!("authorization: Bearer {token}");

    let mut stay: Vec<_> = (0..40).map(|_| envoy.wire()).collect();
    let mut leave: Vec<_> = (0..40).map(|_| envoy.wire()).collect();
    for wire in stay.iter_mut().chain(&mut leave) {
        assert!(wire.request("GET", "/infer", &[field.as_bytes()]));
    }
    // Pipelined behind one that waits.
    assert!(stay[0].request("GET", "/infer", &[field.as_bytes()]));
    assert!(stay[1].request("GET", "/infer", &[b"authorization: Bearer wrong"]));
    std::thread::sleep(Duration::from_millis(500));
    upstream.saw_nothing();
    drop(leave);

    for wire in &mut stay {
        assert_eq!(wire.answer().expect("an answer").status, 200);
    }
    assert_eq!(stay[0].answer().expect("an answer").status, 200);
    assert_eq!(stay[1].answer().expect("an answer").status, 401);
    assert_eq!(upstream.seen().len(), 41);
    assert_eq!((issuer.discovery_hits(), issuer.jwks_hits()), (1, 1));
    nothing_broke(&mut envoy);
}

#[test]
fn an_upload_that_waits_for_keys_arrives_whole() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(1)));
    let plugin: Value = json!({ "endpoints": [{ "name": "infer", "path": "/infer", "authorizer": {
        "type": "oidc", "oidc": { "issuer": issuer.url(), "audience": AUDIENCE },
    } }] });
    let setup = Setup::with(plugin)
        .model(upstream.address())
        .cluster("issuer.test", issuer.address());
    let mut envoy = Envoy::start(setup);
    let body = json!({ "prompt": "x".repeat(3 << 20) });
    envoy
        .post("/infer", &body)
        .bearer(&issuer.token("acme"))
        .send()
        .admitted();
    assert_eq!(upstream.last().body, body.to_string().into_bytes());
    nothing_broke(&mut envoy);
}

fn nothing_broke(envoy: &mut Envoy) {
    assert!(envoy.is_running());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}
