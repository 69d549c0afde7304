//! What stands around the gate: issuer, key-set server, token endpoint and upstream, each behind a wire that can be broken.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Runtime;

use crate::gate::{CLIENT_SECRET, Keys, LOAN_SECONDS, PROVIDER_SECRET};
use crate::harness::key_server::KeyServer;
use crate::harness::provider::Provider;
use crate::harness::server::Server;
use crate::harness::{Envoy, Issuer, Setup};
use crate::ledger::{BEFORE, Ledger};
use crate::line::Line;
use crate::outages::Lines;
use crate::shot::ID;
use crate::world::Edition;
use crate::{access, tokens, upstream};

/// How often the services were asked.
#[derive(Clone, Copy, Debug)]
pub struct Fetches {
    pub discovery: u64,
    pub jwks: u64,
    pub key_set: u64,
    pub access_tokens: u64,
}

/// The services, in threads of their own.
pub struct Services {
    /// Kept for as long as it is to listen. It goes before what it shares.
    _upstream: Server,
    pub issuer: Issuer,
    pub key_server: KeyServer,
    tokens: Arc<Provider>,
    pub lines: Lines,
}

impl Services {
    pub fn start(runtime: &Runtime, ledger: &Arc<Ledger>, key_set: String) -> Self {
        let issuer = Issuer::start();
        issuer.publishes(tokens::published(0));
        let key_server = KeyServer::start(key_set);
        let tokens = Arc::new(Provider::start(Duration::from_secs(LOAN_SECONDS)));
        let upstream = Server::start(upstream::app(Arc::clone(ledger), Arc::clone(&tokens)));
        let addresses = [
            issuer.address(),
            key_server.address(),
            tokens.address(),
            upstream.address(),
        ];
        let lines = addresses.map(|address| runtime.block_on(Line::to(address)));
        Self {
            issuer,
            key_server,
            tokens,
            _upstream: upstream,
            lines: Lines(lines),
        }
    }

    pub fn fetches(&self) -> Fetches {
        let count = |count: usize| u64::try_from(count).expect("a count");
        let (whole, unmodified) = self.key_server.answers();
        Fetches {
            discovery: count(self.issuer.discovery_hits()),
            jwks: count(self.issuer.jwks_hits()),
            key_set: count(whole + unmodified),
            access_tokens: count(self.tokens.asked().len()),
        }
    }

    /// An Envoy in front of them, which writes its access log there.
    pub fn setup(&self, keys: &Keys, edition: &Edition, access_log: &Path) -> Setup {
        let [issuer, key_server, tokens, upstream] = &self.lines.0;
        let mut setup = Setup::with(keys.plugin(edition))
            .model(upstream.address())
            .cluster("issuer", issuer.address())
            .cluster("keys", key_server.address())
            .cluster("auth", tokens.address())
            .secret("PROVIDER_SECRET", PROVIDER_SECRET)
            .secret("CLIENT_SECRET", CLIENT_SECRET)
            .workers(2)
            .live();
        let logger = access::logger(access_log);
        setup.merged = Some(json!({ "access_log": [logger] }));
        setup
    }
}

/// Waits until all that is fetched has been fetched.
pub fn wait_until_up(envoy: &Envoy, keys: &Keys) {
    let token = tokens::fresh(BEFORE).text;
    let deadline = Instant::now() + Duration::from_secs(30);
    for (target, credential) in [
        ("/v1/models/m-1/infer", &token),
        ("/v1/fetched", &keys.fetched[0]),
        ("/v1/lent", &keys.steady[0]),
    ] {
        let ask = || {
            envoy
                .get(target)
                .header(ID, &BEFORE.to_string())
                .bearer(credential)
        };
        while ask().send().status != 200 {
            assert!(Instant::now() < deadline, "{target}\n{}", envoy.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
