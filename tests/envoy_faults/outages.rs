//! Issuer, key set and token endpoint, each killed and stalled in each way at the same time: KEY-13, KEY-14 and KEY-16.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::envoy_config::MODEL;
use crate::harness::issuer::Issuer;
use crate::harness::key_server::KeyServer;
use crate::harness::line::{Fault, Line};
use crate::harness::provider::{Provider, TOKEN_PATH};
use crate::harness::{Answer, Envoy, Setup, Upstream};
use crate::{KEY, by_key, by_token, comes_to_rest};

const FAULTS: [(&str, Fault); 4] = [
    ("dead", Fault::Dead),
    ("mute", Fault::Mute),
    ("head-only", Fault::HeadOnly),
    ("drips", Fault::Drips),
];

/// A fetch takes a second at most, a pause after a failed one as long; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(20);
/// What a request may wait: its own deadline.
const PATIENCE: Duration = Duration::from_secs(12);

/// What a request depends on.
enum Server {
    Issuer(Issuer),
    KeySet(KeyServer),
    /// All of them ask one provider.
    TokenEndpoint,
}

/// Something that requests depend on, at the end of a line of its own.
struct Dependency {
    name: String,
    fault: Fault,
    line: Line,
    server: Server,
}

impl Dependency {
    /// All of them, broken already.
    fn all(provider: &Provider) -> Vec<Self> {
        let of = |(how, fault): &(&str, Fault)| {
            ["issuer", "keys", "auth"].map(|kind| {
                let name = format!("{kind}-{how}");
                let (server, address) = match kind {
                    "issuer" => {
                        let issuer = Issuer::named(&format!("https://{name}.test"));
                        let address = issuer.address();
                        (Server::Issuer(issuer), address)
                    }
                    "keys" => {
                        let server = KeyServer::start(key_set("first"));
                        let address = server.address();
                        (Server::KeySet(server), address)
                    }
                    _ => (Server::TokenEndpoint, provider.address()),
                };
                let mut line = Line::to(address);
                line.breaks(*fault);
                Self {
                    name,
                    fault: *fault,
                    line,
                    server,
                }
            })
        };
        FAULTS.iter().flat_map(of).collect()
    }

    fn path(&self) -> String {
        format!("/{}", self.name)
    }

    fn host(&self) -> String {
        format!("{}.test", self.name)
    }

    fn endpoint(&self) -> Value {
        let path = self.path();
        let life = json!({ "refresh": "1s", "fetch_timeout": "1s", "refresh_cooldown": "1s" });
        match &self.server {
            Server::Issuer(issuer) => by_token(&path, issuer.url(), life),
            Server::KeySet(_) => json!({ "name": self.name, "path": path, "authorizer": {
                "type": "api_key", "key_set": self.name,
            } }),
            Server::TokenEndpoint => {
                let mut endpoint = by_key(&path);
                endpoint["upstream_auth"] = json!({
                    "type": "oauth2_client_credentials", "token_url": format!("https://{}{TOKEN_PATH}", self.host()),
                    "client_id": "gate", "client_secret": "secret", "fetch_timeout": "1s",
                });
                endpoint
            }
        }
    }

    fn key_set(&self) -> Option<(String, Value)> {
        let terms = json!({
            "uri": format!("http://{}/", self.host()), "refresh": "1s", "fetch_timeout": "1s",
        });
        matches!(self.server, Server::KeySet(_)).then(|| (self.name.clone(), terms))
    }

    /// What is let in while it is well. Issuer and key set change what that is.
    fn credential(&self, edition: &str) -> String {
        match &self.server {
            Server::Issuer(issuer) => issuer.token("acme"),
            Server::KeySet(_) => edition.to_owned(),
            Server::TokenEndpoint => KEY.to_owned(),
        }
    }

    /// What is told while there is nothing to decide by.
    fn refusal(&self) -> (u16, &'static str) {
        match self.server {
            Server::TokenEndpoint => (502, "upstream_auth_unavailable"),
            _ => (503, "keys_unavailable"),
        }
    }

    fn refuses(&self, envoy: &Envoy, credential: &str) {
        let (answer, took) = ask(envoy, &self.path(), credential);
        let (status, reason) = self.refusal();
        answer.refused(status, reason);
        let wait = answer
            .header("retry-after")
            .and_then(|text| text.parse::<u32>().ok());
        assert!(matches!(wait, Some(1..=60)), "{}: {answer:?}", self.name);
        assert!(took < PATIENCE, "{}: {took:?}", self.name);
    }

    /// Asks until that is the answer; meanwhile there is none but that and this.
    fn comes_to(&self, envoy: &Envoy, credential: &str, status: u16, meanwhile: u16) -> Duration {
        let since = Instant::now();
        loop {
            let (answer, took) = ask(envoy, &self.path(), credential);
            assert!(took < PATIENCE, "{}: {took:?}", self.name);
            if answer.status == status {
                return since.elapsed();
            }
            assert_eq!(answer.status, meanwhile, "{}: {}", self.name, answer.text());
            assert!(
                since.elapsed() < BOUND,
                "{} is not well:\n{}",
                self.name,
                envoy.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its life: broken from the start, mended, broken while in use, mended again.
    fn lives(&mut self, envoy: &Envoy) {
        let unavailable = self.refusal().0;
        let first = self.credential("first");
        self.refuses(envoy, &first);
        self.line.mends();
        let there = self.comes_to(envoy, &first, 200, unavailable);

        self.line.breaks(self.fault);
        let since = Instant::now();
        if matches!(self.server, Server::TokenEndpoint) {
            // Until the last token is over.
            self.comes_to(envoy, &first, unavailable, 200);
            self.refuses(envoy, &first);
        } else {
            // The last good keys serve, though they should have been had anew several times by now.
            while since.elapsed() < Duration::from_secs(4) {
                ask(envoy, &self.path(), &first).0.admitted();
                thread::sleep(Duration::from_millis(50));
            }
        }

        // What changed meanwhile is heard of when it is mended.
        match &mut self.server {
            Server::Issuer(issuer) => issuer.rotate_to("second"),
            Server::KeySet(server) => server.shows(key_set("second")),
            Server::TokenEndpoint => {}
        }
        self.line.mends();
        let second = self.credential("second");
        let again = {
            let since = Instant::now();
            loop {
                let (answer, _) = ask(envoy, &self.path(), &second);
                if answer.status == 200 {
                    break since.elapsed();
                }
                // A key that is not known yet is no key, or one that is not there yet.
                assert!(
                    matches!(answer.status, 401 | 502 | 503),
                    "{}: {answer:?}",
                    self.name
                );
                assert!(since.elapsed() < BOUND, "{}:\n{}", self.name, envoy.log());
                thread::sleep(Duration::from_millis(50));
            }
        };
        println!(
            "{:<18} well {there:.1?} after it was mended, and {again:.1?}",
            self.name
        );
    }
}

fn key_set(key: &str) -> String {
    json!({ "version": 1, "keys": [{ "client_id": "c", "key": key }] }).to_string()
}

fn ask(envoy: &Envoy, path: &str, credential: &str) -> (Answer, Duration) {
    let since = Instant::now();
    let answer = envoy.get(path).bearer(credential).send();
    (answer, since.elapsed())
}

#[test]
fn key_13_14_and_16_whatever_is_killed_or_stalled_is_told_serves_from_memory_and_heals_alone() {
    let (provider, upstream) = (Provider::start(Duration::from_secs(5)), Upstream::start());
    let mut dependencies = Dependency::all(&provider);
    let endpoints = dependencies.iter().map(Dependency::endpoint);
    let endpoints: Vec<_> = endpoints.chain([by_key("/chat")]).collect();
    let key_sets: serde_json::Map<_, _> = dependencies
        .iter()
        .filter_map(Dependency::key_set)
        .collect();
    let to = |prefix: &str, cluster: &str| json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } });
    let setup = Setup::with(json!({ "endpoints": endpoints, "key_sets": key_sets }))
        .model(upstream.address())
        .cluster("provider", provider.address())
        .virtual_hosts(json!([{ "name": "all", "domains": ["*"], "routes": [
            to("/auth-", "provider"), to("/", MODEL),
        ] }]));
    let setup = dependencies.iter().fold(setup, |setup, dependency| {
        setup.cluster(&dependency.host(), dependency.line.address())
    });
    let mut envoy = Envoy::start(setup);

    let (over, gate) = (AtomicBool::new(false), &envoy);
    let (served, slowest) = thread::scope(|scope| {
        // Whoever needs none of them.
        let others = scope.spawn(|| {
            let (mut served, mut slowest) = (0, Duration::ZERO);
            while !over.load(Ordering::Relaxed) {
                let (answer, took) = ask(gate, "/chat", KEY);
                answer.admitted();
                (served, slowest) = (served + 1, slowest.max(took));
                thread::sleep(Duration::from_millis(20));
            }
            (served, slowest)
        });
        let lives: Vec<_> = dependencies
            .iter_mut()
            .map(|dependency| scope.spawn(move || dependency.lives(gate)))
            .collect();
        let ends: Vec<_> = lives
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(Result::is_ok), "see above");
        others.join().expect("no failure")
    });
    println!("{served} requests that need none of them, the slowest in {slowest:.1?}");
    assert!(served > 50, "{served}");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    assert_eq!(
        provider.refused(),
        [""; 0],
        "nothing goes there without a token"
    );
    comes_to_rest(&mut envoy);
}
