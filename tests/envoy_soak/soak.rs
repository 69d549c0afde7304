//! Puts everything up, lets it run, and takes it down in order: first those who disturb, then the clients, then the watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::access::{self, Tail};
use crate::client::Clients;
use crate::edits::{Editor, Edits};
use crate::gate::{
    CLIENT_SECRET, COOLDOWN_MS, KEY_SET_FRESH_MS, KEYS_FRESH_MS, Keys, LOAN_SECONDS,
    PROVIDER_SECRET,
};
use crate::harness::key_server::KeyServer;
use crate::harness::provider::Provider;
use crate::harness::server::Server;
use crate::harness::{Envoy, Issuer, Setup};
use crate::latency::Latencies;
use crate::ledger::{BEFORE, Ledger, Totals};
use crate::line::Line;
use crate::outages::{Lines, Outages};
use crate::plan::Plan;
use crate::shot::ID;
use crate::traffic::{Stock, kinds};
use crate::watch::{self, Health, Plateau, Sample};
use crate::world::{Edition, Moment, SET_KEYS, World};
use crate::{tokens, upstream};

/// Undisturbed traffic at the end, so that all has to be well again.
const CALM: Duration = Duration::from_secs(3);

/// What came of a soak.
pub struct Result {
    pub totals: Totals,
    pub kinds: Vec<(&'static str, bool)>,
    pub took: Duration,
    pub edits: Edits,
    pub outages: Outages,
    pub samples: Vec<Sample>,
    pub health: Health,
    pub fetches: Fetches,
    pub latencies: Arc<Latencies>,
}

/// How often the services were asked.
#[derive(Clone, Copy, Debug)]
pub struct Fetches {
    pub discovery: u64,
    pub jwks: u64,
    pub key_set: u64,
    pub access_tokens: u64,
}

/// Something that has to hold at the end.
pub struct Check {
    pub name: &'static str,
    pub found: String,
    pub holds: bool,
}

/// The services, in processes and threads of their own.
struct Services {
    issuer: Issuer,
    key_server: KeyServer,
    tokens: Arc<Provider>,
    /// Kept for as long as it is to listen.
    _upstream: Server,
    lines: Lines,
}

impl Services {
    fn start(runtime: &Runtime, ledger: &Arc<Ledger>, key_set: String) -> Self {
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

    fn fetches(&self) -> Fetches {
        let count = |count: usize| u64::try_from(count).expect("a count");
        let (whole, unmodified) = self.key_server.answers();
        Fetches {
            discovery: count(self.issuer.discovery_hits()),
            jwks: count(self.issuer.jwks_hits()),
            key_set: count(whole + unmodified),
            access_tokens: count(self.tokens.asked().len()),
        }
    }
}

/// Runs it.
pub fn soak(plan: &Plan) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let half = u64::try_from(plan.length.as_millis() / 2).expect("a length that fits");
    let keys = Keys::expiring_at(Moment(Moment::now().plus_ms(half).0 / 1000 * 1000));
    let key_set = [true; SET_KEYS];
    let edition = keys.named(Edition {
        keys: [true, false, true, false],
        endpoints: [true, false],
        ..Edition::default()
    });
    let kinds = kinds();
    let names = kinds
        .iter()
        .map(|kind| (kind.name, kind.is_good))
        .collect::<Vec<_>>();
    let ledger = Arc::new(Ledger::of(names.iter().map(|(name, _)| *name).collect()));
    ledger.knows(&Arc::new(edition.clone()));
    let services = Services::start(&runtime, &ledger, keys.document(&key_set));
    let world = Arc::new(World::new(edition.clone(), key_set));

    let folder = tempfile::tempdir().expect("a folder");
    let setup = setup(&keys, &edition, &services, &folder);
    let mut envoy = Envoy::start(setup.clone());
    wait_until_up(&envoy, &keys);

    let stock = Arc::new(Stock::new(kinds, keys, world, Arc::clone(&ledger)));
    let latencies = Arc::new(Latencies::new());
    let clients = Clients {
        gate: envoy.address(),
        stock: Arc::clone(&stock),
        latencies: Arc::clone(&latencies),
        stop: Arc::default(),
        seed: plan.seed,
    };
    let began = Instant::now();
    let (edits, outages, samples) =
        run(plan, &runtime, clients, &envoy, &setup, &services, &folder);
    let took = began.elapsed();
    let health = watch::at_the_end(&envoy, &ledger);
    if !envoy.is_running() {
        ledger.finds("Envoy is gone".to_owned());
    }
    Result {
        totals: ledger.close(),
        kinds: names,
        took,
        edits,
        outages,
        samples,
        health,
        fetches: services.fetches(),
        latencies,
    }
}

fn run(
    plan: &Plan,
    runtime: &Runtime,
    clients: Clients,
    envoy: &Envoy,
    setup: &Setup,
    services: &Services,
    folder: &TempDir,
) -> (Edits, Outages, Vec<Sample>) {
    let stock = Arc::clone(&clients.stock);
    let (world, ledger) = (&stock.world, &stock.ledger);
    let (disturbing, watching) = (AtomicBool::new(false), AtomicBool::new(false));
    let sending = Arc::clone(&clients.stop);
    let path = folder.path().join("soak.log");
    thread::scope(|scope| {
        // However this ends, the threads must.
        let _stop = Stop([&disturbing, &watching, &sending]);
        let both = (&services.issuer, &services.key_server);
        let editor = Editor::new(envoy, setup, &stock, both, plan.seed);
        let editor = scope.spawn(|| editor.edits_until(&disturbing, plan.edit_pause));
        let breaker = scope.spawn(|| services.lines.break_until(&disturbing, world, plan.outages));
        let watcher = scope.spawn(|| watch::until(&watching, envoy, ledger));
        let reader = scope.spawn(|| {
            let mut tail = Tail::of(&path, envoy, ledger);
            access::reads_until(&watching, &mut tail, || ledger.settle(world, false));
            // What Envoy still has in its buffer.
            thread::sleep(Duration::from_secs(1));
            tail.reads();
            ledger.settle(world, true);
        });
        let clients = runtime.spawn(clients.run());

        let end = Instant::now() + plan.length.saturating_sub(CALM);
        let goes_on = || !editor.is_finished() && !breaker.is_finished() && !reader.is_finished();
        while Instant::now() < end && goes_on() && !clients.is_finished() && !ledger.is_hopeless() {
            thread::sleep(Duration::from_millis(50));
        }
        disturbing.store(true, Ordering::Relaxed);
        let edits = editor.join().expect("edits without a failure");
        let outages = breaker.join().expect("outages without a failure");
        thread::sleep(CALM);
        sending.store(true, Ordering::Relaxed);
        runtime
            .block_on(clients)
            .expect("clients without a failure");
        watching.store(true, Ordering::Relaxed);
        reader.join().expect("a log that can be read");
        let samples = watcher.join().expect("an Envoy that lives");
        (edits, outages, samples)
    })
}

struct Stop<'a>([&'a AtomicBool; 3]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        for stop in self.0 {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

fn setup(keys: &Keys, edition: &Edition, services: &Services, folder: &TempDir) -> Setup {
    let [issuer, key_server, tokens, upstream] = &services.lines.0;
    let mut setup = Setup::with(keys.plugin(edition))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .cluster("keys", key_server.address())
        .cluster("auth", tokens.address())
        .secret("PROVIDER_SECRET", PROVIDER_SECRET)
        .secret("CLIENT_SECRET", CLIENT_SECRET)
        .workers(2)
        .live();
    let logger = access::logger(&folder.path().join("soak.log"));
    setup.merged = Some(json!({ "access_log": [logger] }));
    setup
}

/// Waits until all that is fetched has been fetched.
fn wait_until_up(envoy: &Envoy, keys: &Keys) {
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
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Result {
    /// What has to hold beside every decision.
    pub fn checks(&self) -> Vec<Check> {
        let plateau = Plateau::of(&self.samples);
        let ms = u64::try_from(self.took.as_millis()).expect("a length that fits");
        // Each edit makes a VM for a moment, which may ask once more.
        let more = 5 + 2 * self.edits.in_force();
        let most = |every_ms: u64| ms / every_ms + more;
        let bounded = |name, found: u64, bound: u64| Check {
            name,
            found: format!("{found} (at most {bound})"),
            holds: found <= bound,
        };
        vec![
            bounded(
                "VMs that trapped and were loaded anew",
                self.health.vm_reloads,
                0,
            ),
            bounded("streams left", self.health.requests_active, 0),
            bounded(
                "resident memory in the last third, KiB",
                plateau.last_kib,
                plateau.bound_kib(),
            ),
            // Each early by up to a fifth, and whatever unknown keys ask for once in a cooldown.
            bounded(
                "fetches of the signing keys",
                self.fetches.jwks,
                most(KEYS_FRESH_MS * 8 / 10) + ms / COOLDOWN_MS,
            ),
            bounded(
                "fetches of the discovery document",
                self.fetches.discovery,
                most(KEYS_FRESH_MS * 8 / 10),
            ),
            bounded(
                "fetches of the key set",
                self.fetches.key_set,
                most(KEY_SET_FRESH_MS * 8 / 10),
            ),
            bounded(
                "fetches of access tokens",
                self.fetches.access_tokens,
                most(LOAN_SECONDS * 720),
            ),
        ]
    }
}
