//! A process before its configuration: environment, workers, host crypto, clusters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Proxy;
use crate::harness::wasm::cluster::{Body, Cluster};
use crate::harness::wasm::crypto::HostCrypto;
use crate::harness::wasm::process::{Level, Process};
use crate::harness::wasm::status::Status;
use crate::harness::wasm::worker::Worker;

/// Plugin configuration: JSON text, or the bytes of a serialized Struct.
pub type Config = Body;

pub struct Setup {
    process: Process,
    workers: usize,
    main_thread: bool,
    seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            process: Process::new(),
            workers: 1,
            main_thread: false,
            seed: 1,
        }
    }
}

impl Setup {
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Besides the workers, the VM of the main thread: it ticks and fetches, but no request comes to it.
    #[must_use]
    pub fn with_main_thread(mut self) -> Self {
        self.main_thread = true;
        self
    }

    #[must_use]
    pub fn host_crypto(self, crypto: HostCrypto) -> Self {
        self.process.world().crypto = crypto;
        self
    }

    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        self.process
            .world()
            .environment
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// Of the numbers that the filter draws.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    #[must_use]
    pub fn at(self, time: SystemTime) -> Self {
        self.process.world().clock.wall = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self
    }

    /// See [`Proxy::fail_next`].
    #[must_use]
    pub fn failing_next(self, hostcall: &str, times: usize, status: Status) -> Self {
        fail_next(&self.process, hostcall, times, status);
        self
    }

    pub fn cluster(&self, name: &str) -> Cluster {
        self.process.cluster(name)
    }

    /// Panics with the filter's log when the configuration is refused.
    #[track_caller]
    pub fn with(self, config: impl Into<Config>) -> Proxy {
        match self.try_with(config) {
            Ok(proxy) => proxy,
            Err(log) => panic!("the filter refused its configuration:\n{log}"),
        }
    }

    /// The error is the filter's log.
    pub fn try_with(self, config: impl Into<Config>) -> Result<Proxy, String> {
        let config = config.into().0;
        let process = self.process;
        try_canary(&process, &config)?;
        let count = self.workers + usize::from(self.main_thread);
        let mut workers = Vec::new();
        for index in 0..count {
            let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
            let worker = Worker::boot(&process, index, false, seed, &config);
            workers.push(worker.map_err(|()| log_text(&process))?);
        }
        Ok(Proxy {
            process,
            workers,
            requests: self.workers,
            config,
            seed: self.seed,
        })
    }
}

/// Envoy tries a configuration in a VM of its own first. It shares the shared data, its calls never leave.
pub(super) fn try_canary(process: &Process, config: &[u8]) -> Result<(), String> {
    let before = process.world().log.len();
    match Worker::boot(process, usize::MAX, true, 0, config) {
        Ok(_) => {
            // Every living VM says the same again.
            process.world().log.truncate(before);
            Ok(())
        }
        Err(()) => Err(log_text(process)),
    }
}

pub(super) fn fail_next(process: &Process, hostcall: &str, times: usize, status: Status) {
    let mut world = process.world();
    world
        .faults
        .entry(hostcall.to_owned())
        .or_default()
        .extend(std::iter::repeat_n(Some(status), times));
}

pub(super) fn log_text(process: &Process) -> String {
    let line = |(level, text): &(Level, String)| format!("    {level:?}: {text}\n");
    process.world().log.iter().map(line).collect()
}
