//! Puts everything up, lets it run, and takes it down in order: first those who disturb, then the clients, then the watch.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::access::{self, Tail};
use crate::client::Clients;
use crate::contexts::{self, Contexts};
use crate::edits::{Editor, Edits};
use crate::gate::Keys;
use crate::harness::{Envoy, Setup};
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::outages::Outages;
use crate::plan::Plan;
use crate::result::Soaked;
use crate::services::{self, Services};
use crate::traffic::{Stock, kinds};
use crate::watch::{self, Sample};
use crate::world::{Edition, Moment, SET_KEYS, World};

/// Undisturbed traffic at the end, so that all has to be well again.
const CALM: Duration = Duration::from_secs(3);

/// Traffic after that of which each call into the VMs is told.
const TRACED: Duration = Duration::from_secs(2);

/// Runs it.
pub fn soak(plan: &Plan) -> Soaked {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let half = u64::try_from(plan.length.as_millis() / 2).expect("a length that fits");
    let keys = Keys::expiring_at(Moment(Moment::now().plus_ms(half).0 / 1000 * 1000));
    let key_set = [true; SET_KEYS];
    let edition = keys.named(&Edition {
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
    let services = Services::start(&runtime, &ledger, keys.document(key_set));
    let world = Arc::new(World::new(edition.clone(), key_set));

    let folder = tempfile::tempdir().expect("a folder");
    let access_log = folder.path().join("soak.log");
    let setup = services.setup(&keys, &edition, &access_log);
    let mut envoy = Envoy::start(setup.clone());
    services::wait_until_up(&envoy, &keys);

    let run = Run {
        plan,
        clients: Clients {
            gate: envoy.address(),
            stock: Arc::new(Stock::new(kinds, keys, world, Arc::clone(&ledger))),
            latencies: Arc::new(Latencies::new()),
            stop: Arc::default(),
            seed: plan.seed,
        },
        envoy: &envoy,
        setup: &setup,
        services: &services,
        access_log: &access_log,
    };
    let ran = run.runs(&runtime);
    let latencies = Arc::clone(&run.clients.latencies);
    let health = watch::at_the_end(&envoy, &ledger);
    if !envoy.is_running() {
        ledger.finds("Envoy is gone".to_owned());
    }
    let totals = ledger.close();
    if !totals.wrong.is_empty() {
        let log = envoy.log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!(
            "the end of Envoy's log:\n{}",
            lines[lines.len().saturating_sub(40)..].join("\n")
        );
    }
    Soaked {
        totals,
        kinds: names,
        took: ran.took,
        edits: ran.edits,
        outages: ran.outages,
        samples: ran.samples,
        health,
        contexts: ran.contexts,
        fetches: services.fetches(),
        latencies,
    }
}

/// All that is up, before it begins.
struct Run<'a> {
    plan: &'a Plan,
    clients: Clients,
    envoy: &'a Envoy,
    setup: &'a Setup,
    services: &'a Services,
    access_log: &'a Path,
}

/// What was seen meanwhile.
struct Ran {
    took: Duration,
    edits: Edits,
    outages: Outages,
    samples: Vec<Sample>,
    contexts: Contexts,
}

impl Run<'_> {
    fn runs(&self, runtime: &Runtime) -> Ran {
        let Self {
            plan,
            envoy,
            services,
            ..
        } = *self;
        let stock = &self.clients.stock;
        let (world, ledger) = (&stock.world, &stock.ledger);
        let (disturbing, watching) = (AtomicBool::new(false), AtomicBool::new(false));
        let began = Instant::now();
        thread::scope(|scope| {
            // However this ends, the threads must.
            let _stop = Stop([&disturbing, &watching, &self.clients.stop]);
            let both = (&services.issuer, &services.key_server);
            let editor = Editor::new(envoy, self.setup, stock, both, plan.seed);
            let editor = scope.spawn(|| editor.edits_until(&disturbing, plan.edit_pause));
            let breaker =
                scope.spawn(|| services.lines.break_until(&disturbing, world, plan.outages));
            let watcher = scope.spawn(|| watch::until(&watching, envoy, ledger));
            let reader = scope.spawn(|| {
                let mut tail = Tail::of(self.access_log, envoy, ledger);
                access::reads_until(&watching, &mut tail, || ledger.settle(world, false));
                // What Envoy still has in its buffer.
                thread::sleep(Duration::from_secs(1));
                tail.reads();
                ledger.settle(world, true);
            });
            let clients = runtime.spawn(self.clients.clone().run());

            let end = began + plan.length.saturating_sub(CALM);
            let goes_on =
                || !editor.is_finished() && !breaker.is_finished() && !reader.is_finished();
            while Instant::now() < end
                && goes_on()
                && !clients.is_finished()
                && !ledger.is_hopeless()
            {
                thread::sleep(Duration::from_millis(50));
            }
            disturbing.store(true, Ordering::Relaxed);
            let edits = editor.join().expect("edits without a failure");
            let outages = breaker.join().expect("outages without a failure");
            thread::sleep(CALM);
            self.clients.stop.store(true, Ordering::Relaxed);
            runtime
                .block_on(clients)
                .expect("clients without a failure");
            let took = began.elapsed();
            let contexts = contexts::of(envoy, || self.sends_some_more(runtime));
            watching.store(true, Ordering::Relaxed);
            reader.join().expect("a log that can be read");
            Ran {
                took,
                edits,
                outages,
                samples: watcher.join().expect("an Envoy that lives"),
                contexts,
            }
        })
    }

    /// The same traffic again, for a moment.
    fn sends_some_more(&self, runtime: &Runtime) {
        let clients = Clients {
            stop: Arc::default(),
            seed: self.plan.seed + 1,
            ..self.clients.clone()
        };
        let stop = Arc::clone(&clients.stop);
        let clients = runtime.spawn(clients.run());
        thread::sleep(TRACED);
        stop.store(true, Ordering::Relaxed);
        runtime
            .block_on(clients)
            .expect("clients without a failure");
    }
}

struct Stop<'a>([&'a AtomicBool; 3]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        for stop in self.0 {
            stop.store(true, Ordering::Relaxed);
        }
    }
}
