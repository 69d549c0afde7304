//! One Envoy process: the clock, the clusters, shared data, queues, metrics and the log, common to all of its VMs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cluster::{Cluster, ClusterState, Hit};
use super::crypto::HostCrypto;
use super::status::Status;

/// When a process starts, unless told otherwise: 2026-05-15T14:00:00Z.
pub const START: Duration = Duration::from_hours(494_126);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    pub fn from_abi(level: u32) -> Option<Self> {
        [
            Self::Trace,
            Self::Debug,
            Self::Info,
            Self::Warn,
            Self::Error,
            Self::Critical,
        ]
        .get(usize::try_from(level).ok()?)
        .copied()
    }
}

/// What all VMs of a process share.
#[derive(Clone, Default)]
pub struct Process(Arc<Mutex<World>>);

#[derive(Default)]
pub struct World {
    pub clock: Clock,
    pub clusters: BTreeMap<String, ClusterState>,
    pub upstream: Vec<Hit>,
    pub shared: SharedData,
    pub queues: Vec<Queue>,
    /// By name: VMs add up in one metric.
    pub metrics: BTreeMap<String, u64>,
    pub histograms: BTreeMap<String, Vec<u64>>,
    pub log: Vec<(Level, String)>,
    /// What the next calls of an import give instead of their own status; where there is nothing, that.
    pub faults: BTreeMap<String, VecDeque<Option<Status>>>,
    pub hostcalls: BTreeMap<&'static str, u64>,
    pub crypto: HostCrypto,
    pub signatures_checked: u64,
    pub environment: Vec<(String, String)>,
}

impl Process {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn cluster(&self, name: &str) -> Cluster {
        Cluster {
            process: self.clone(),
            name: name.to_owned(),
        }
    }
}

impl World {
    pub fn cluster(&mut self, name: &str) -> &mut ClusterState {
        self.clusters.entry(name.to_owned()).or_default()
    }

    /// Counts a hostcall, and says which status a test wants it to give instead of its own.
    pub fn hostcall(&mut self, name: &'static str) -> Option<Status> {
        *self.hostcalls.entry(name).or_default() += 1;
        self.faults.get_mut(name)?.pop_front()?
    }
}

/// Wall clock and monotonic clock. Only the wall clock can be set; timers follow the other.
pub struct Clock {
    pub wall: Duration,
    pub elapsed: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            wall: START,
            elapsed: Duration::ZERO,
        }
    }
}

impl Clock {
    pub fn run_to(&mut self, elapsed: Duration) {
        let step = elapsed.saturating_sub(self.elapsed);
        self.elapsed += step;
        self.wall += step;
    }
}

/// Key, value and version; a version is never given twice.
#[derive(Default)]
pub struct SharedData {
    entries: BTreeMap<String, (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    pub fn get(&self, key: &str) -> Option<&(Vec<u8>, u32)> {
        self.entries.get(key)
    }

    pub fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// `cas` 0 always writes; the first write of a key does, whatever its `cas`.
    pub fn set(&mut self, key: &str, value: Vec<u8>, cas: u32) -> Result<(), Status> {
        if let Some((_, present)) = self.entries.get(key)
            && cas != 0
            && cas != *present
        {
            return Err(Status::CasMismatch);
        }
        self.last_cas += 1;
        self.entries.insert(key.to_owned(), (value, self.last_cas));
        Ok(())
    }
}

/// A shared queue: messages go to the one VM that registered it first.
pub struct Queue {
    pub name: String,
    pub worker: usize,
    pub root: u32,
    pub messages: VecDeque<Vec<u8>>,
    pub unannounced: usize,
}
