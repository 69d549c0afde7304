//! The story that tests tell: a proxy with a configuration, clusters around it, requests, answers.

use std::sync::MutexGuard;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use answer::{Answer, StreamId};
pub use request::{Request, get, post, request};
pub use setup::{Config, Setup};

use super::wasm::cluster::{Cluster, Hits};
use super::wasm::process::{Process, World};
use super::wasm::worker::{Event, Worker};

pub use super::wasm::cluster::{Body, Hit, Reply};
pub use super::wasm::crypto::HostCrypto;
pub use super::wasm::headers::Headers;
pub use super::wasm::process::{Level, START};
pub use super::wasm::status::Status;
pub use super::wasm::stream::{End, Stream};

mod answer;
mod request;
mod setup;

/// How far the clock may run while a request is being decided: the few milliseconds that Envoy's own events take.
const MOMENT: Duration = Duration::from_millis(10);

/// More events than this in one go: the filter would never come to rest.
const RESTLESS: usize = 10_000;

/// One Envoy process with the filter in it.
pub struct Proxy {
    process: Process,
    workers: Vec<Worker>,
    /// How many of the workers get requests.
    requests: usize,
    config: Vec<u8>,
    seed: u64,
}

/// Beginnings.
impl Proxy {
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// Panics with the filter's log when the configuration is refused.
    #[track_caller]
    pub fn with(config: impl Into<Config>) -> Self {
        Self::setup().with(config)
    }

    /// The error is the filter's log.
    pub fn try_with(config: impl Into<Config>) -> Result<Self, String> {
        Self::setup().try_with(config)
    }

    /// Several VMs of one process: `Proxy::workers(2).with(config)`, then `get(..).on_worker(1)`.
    pub fn workers(workers: usize) -> Setup {
        Self::setup().workers(workers)
    }

    /// A host that has no `verify_signature`.
    pub fn without_host_crypto() -> Setup {
        Self::setup().host_crypto(HostCrypto::Absent)
    }

    /// Panics when the new configuration is refused.
    #[track_caller]
    pub fn reconfigure(&mut self, config: impl Into<Config>) {
        if let Err(log) = self.try_reconfigure(config) {
            panic!("the filter refused its new configuration:\n{log}");
        }
    }

    /// As Envoy does it: a canary first; then in each living VM a new root context for new requests.
    pub fn try_reconfigure(&mut self, config: impl Into<Config>) -> Result<(), String> {
        let config = config.into().0;
        setup::try_canary(&self.process, &config)?;
        self.config = config;
        for index in 0..self.workers.len() {
            if self.workers[index].vm.dead().is_some() {
                self.reload(index);
            } else if !self.workers[index].configure(&self.config) {
                return Err(self.log_text());
            }
        }
        Ok(())
    }

    /// A new VM in the place of a worker's, as after a trap under `FAIL_RELOAD`: shared data stays, all else is new.
    #[track_caller]
    pub fn reload(&mut self, worker: usize) {
        self.seed += 1;
        let booted = Worker::boot(&self.process, worker, false, self.seed, &self.config);
        self.workers[worker] =
            booted.unwrap_or_else(|()| panic!("the VM did not come back:\n{}", self.log_text()));
    }
}

/// Requests and time.
impl Proxy {
    /// What is due happens, the request comes, and whatever decides it happens: ticks of the next few milliseconds,
    /// answers to calls.
    pub fn send(&mut self, request: Request) -> Answer {
        self.settle();
        let leaves = request.leaves_when_waiting();
        let stream = self.start(request);
        if leaves {
            self.disconnect(stream);
        }
        self.run(MOMENT, Some(stream));
        self.answer(stream)
    }

    /// The request comes, and nothing else happens yet.
    pub fn start(&mut self, request: Request) -> StreamId {
        let worker = request.worker();
        assert!(worker < self.requests, "there is no worker {worker}");
        StreamId {
            worker,
            id: self.workers[worker].begin(request),
        }
    }

    /// What is due within a few milliseconds happens: answers to calls, ticks, queues.
    pub fn settle(&mut self) {
        self.run(MOMENT, None);
    }

    /// Time passes, and what falls into it happens in its order.
    pub fn advance(&mut self, time: Duration) {
        let end = self.process.world().clock.elapsed + time;
        self.run(time, None);
        self.process.world().clock.run_to(end);
    }

    /// Sets the wall clock, as an administrator would: timers and timeouts do not notice.
    pub fn set_time(&mut self, time: SystemTime) {
        self.process.world().clock.wall = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    }

    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.process.world().clock.wall
    }

    /// The client leaves, if it has no answer yet.
    pub fn disconnect(&mut self, stream: StreamId) {
        self.workers[stream.worker].disconnect(stream.id);
    }

    /// A request that goes in steps goes so many more, or all that are left.
    pub fn step(&mut self, stream: StreamId, steps: Option<usize>) {
        self.workers[stream.worker].go_on(stream.id, steps);
    }

    /// The upstream answers before the body that is on its way has ended, if one is.
    pub fn answer_early(&mut self, stream: StreamId) {
        self.workers[stream.worker].answer_early(stream.id);
    }

    /// The upstream breaks a request off, if it has it.
    pub fn break_off(&mut self, stream: StreamId) {
        self.workers[stream.worker].break_off(stream.id);
    }

    /// A request as the host has it, if its VM still lives.
    pub fn exchange(&mut self, stream: StreamId) -> Option<&mut Stream> {
        self.workers[stream.worker].stream(stream.id)
    }

    /// How a request stands.
    #[track_caller]
    pub fn answer(&mut self, stream: StreamId) -> Answer {
        let calls = self.calls();
        let log = self.log_text();
        let process = self.process.clone();
        let worker = &mut self.workers[stream.worker];
        let dead = worker.vm.dead().is_some();
        let exchange = worker
            .stream(stream.id)
            .expect("the stream was started in this proxy");
        Answer {
            stream,
            end: exchange.end.clone(),
            status: exchange.status,
            headers: exchange.response_headers.clone(),
            body: exchange.received.clone(),
            upstream: exchange
                .hit
                .and_then(|place| process.world().upstream.get(place).cloned()),
            local_reply: exchange.local_reply.clone(),
            details: exchange.details.clone(),
            filter_state: exchange.filter_state.clone(),
            vm_dead: dead,
            story: format!(
                "request: {:?}\ncalls:\n{calls}log:\n{log}",
                exchange.request
            ),
        }
    }

    fn run(&mut self, time: Duration, until: Option<StreamId>) {
        let end = self.process.world().clock.elapsed + time;
        for _ in 0..RESTLESS {
            if until.is_some_and(|stream| self.workers[stream.worker].decided(stream.id)) {
                return;
            }
            let Some((at, index, event)) = self.next_event().filter(|(at, ..)| *at <= end) else {
                return;
            };
            self.process.world().clock.run_to(at);
            self.workers[index].perform(event);
        }
        panic!(
            "the filter does not come to rest\ncalls:\n{}log:\n{}",
            self.calls(),
            self.log_text()
        );
    }

    fn next_event(&mut self) -> Option<(Duration, usize, Event)> {
        let next = |(index, worker): (usize, &mut Worker)| {
            worker
                .next_event(index)
                .map(|(at, event)| (at, index, event))
        };
        self.workers
            .iter_mut()
            .enumerate()
            .filter_map(next)
            .min_by_key(|(at, ..)| *at)
    }
}

/// The world around.
impl Proxy {
    /// A cluster that the filter may call. Any name is known, and answers 404, until told otherwise.
    pub fn cluster(&self, name: &str) -> Cluster {
        self.process.cluster(name)
    }

    /// What all VMs share.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.process.world()
    }

    /// How often the filter called any cluster, whichever it was.
    pub fn callouts(&self) -> usize {
        let world = self.process.world();
        world
            .clusters
            .values()
            .map(|cluster| cluster.hits.len())
            .sum()
    }

    /// What the upstream saw.
    pub fn upstream(&self) -> Upstream {
        let hits = Hits(self.process.world().upstream.clone());
        Upstream {
            hits,
            story: self.log_text(),
        }
    }

    /// Changes how the host's `verify_signature` behaves from now on.
    pub fn set_host_crypto(&mut self, crypto: HostCrypto) {
        self.process.world().crypto = crypto;
    }

    /// How often the host was asked for a signature.
    pub fn host_signatures(&self) -> u64 {
        self.process.world().signatures_checked
    }

    /// The next calls of that import (`proxy_get_property`) give this status and do nothing.
    pub fn fail_next(&mut self, hostcall: &str, times: usize, status: Status) {
        setup::fail_next(&self.process, hostcall, times, status);
    }

    /// After so many more calls of that import one gives this status and does nothing.
    pub fn fail_after(&mut self, hostcall: &str, calls: u64, status: Status) {
        let mut world = self.process.world();
        let faults = world.faults.entry(hostcall.to_owned()).or_default();
        faults.extend((0..calls).map(|_| None));
        faults.push_back(Some(status));
    }

    /// No call fails any more because a test said so.
    pub fn fail_no_more(&mut self) {
        self.process.world().faults.clear();
    }

    /// How often that import was called.
    pub fn hostcalls(&self, hostcall: &str) -> u64 {
        self.process
            .world()
            .hostcalls
            .get(hostcall)
            .copied()
            .unwrap_or_default()
    }

    /// A counter or gauge, summed over the workers.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.process.world().metrics.get(name).copied()
    }

    pub fn metrics(&self) -> Vec<(String, u64)> {
        self.process.world().metrics.clone().into_iter().collect()
    }

    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.process
            .world()
            .shared
            .get(key)
            .map(|(value, _)| value.clone())
    }

    /// Writes as another plugin with the same `vm_id` might.
    pub fn set_shared_data(&mut self, key: &str, value: impl Into<Body>) {
        // Without a version to hold against, a write always succeeds.
        let _ = self.process.world().shared.set(key, value.into().0, 0);
    }

    pub fn shared_keys(&self) -> Vec<String> {
        self.process.world().shared.keys()
    }

    pub fn log(&self) -> Vec<(Level, String)> {
        self.process.world().log.clone()
    }

    pub fn log_text(&self) -> String {
        setup::log_text(&self.process)
    }

    /// Requests the filter still holds.
    pub fn live_streams(&mut self) -> usize {
        self.workers
            .iter_mut()
            .map(|worker| worker.state().streams.len())
            .sum()
    }

    /// Root contexts of all VMs: one each, and the old ones whose streams still run.
    pub fn live_roots(&mut self) -> usize {
        self.workers
            .iter_mut()
            .map(|worker| worker.state().roots.len())
            .sum()
    }

    /// How many instructions a worker has run, where they are counted.
    pub fn instructions(&self, worker: usize) -> u64 {
        self.workers[worker].vm.instructions()
    }

    /// Of a worker's memory, in pages of 64 KiB.
    pub fn memory_pages(&mut self, worker: usize) -> u64 {
        self.workers[worker].vm.memory_pages()
    }

    /// No VM has trapped.
    #[track_caller]
    pub fn alive(&self) {
        for (index, worker) in self.workers.iter().enumerate() {
            if let Some(cause) = worker.vm.dead() {
                panic!("worker {index} is dead: {cause}\nlog:\n{}", self.log_text());
            }
        }
    }

    fn calls(&self) -> String {
        let world = self.process.world();
        let of = |name: &String, hits: &[Hit]| {
            hits.iter()
                .map(|hit| format!("  {name}: {hit:?}\n"))
                .collect::<String>()
        };
        world
            .clusters
            .iter()
            .map(|(name, cluster)| of(name, &cluster.hits))
            .collect()
    }
}

/// What the upstream saw, in order.
pub struct Upstream {
    hits: Hits,
    story: String,
}

impl Upstream {
    pub fn hits(&self) -> Hits {
        self.hits.clone()
    }

    #[track_caller]
    pub fn saw_nothing(&self) {
        assert!(
            self.hits.is_empty(),
            "expected nothing upstream, but it saw {:#?}\nlog:\n{}",
            self.hits,
            self.story
        );
    }
}
