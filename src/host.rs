//! What the filter may ask of the proxy while it fetches: a trait shaped by need.
//!
//! Decisions never ask; they are handed what they need. The adapter in `wasm` and the fake below implement it.

use std::time::Duration;

use jiff::Timestamp;

use crate::metrics::Metric;
use crate::secret::Secret;

/// The proxy, as those see it who fetch documents.
pub trait Host {
    /// Wall-clock time as Envoy sees it. Nothing else in the crate reads a clock.
    fn now(&self) -> Timestamp;

    /// Starts a callout to an Envoy cluster; its answer comes back under the same id.
    ///
    /// # Errors
    /// [`CalloutFailed`] where the proxy cannot even start it: no such cluster, no healthy endpoint, circuit open.
    fn dispatch(&mut self, callout: &Callout) -> Result<CalloutId, CalloutFailed>;

    /// Reads what any worker of the process shared under that key.
    fn shared(&self, key: &str) -> Option<Shared>;

    /// Shares bytes with all workers, if nobody else did since `seen` was read.
    ///
    /// # Errors
    /// [`Contended`] where somebody did.
    fn share(&mut self, key: &str, bytes: &[u8], seen: Option<&Shared>) -> Result<(), Contended>;

    /// Counts one more of these.
    fn count(&mut self, metric: Metric<'_>);

    /// Says how much of this there is.
    fn measure(&mut self, metric: Metric<'_>, value: u64);

    /// A number that a stranger cannot foretell, for jitter.
    fn random(&mut self) -> u64;
}

/// One HTTP request to be sent through an Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// Envoy cluster.
    pub cluster: String,
    /// `:scheme`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path` with query.
    pub path: String,
    /// `:method`.
    pub method: &'static str,
    /// Other header fields. One of them may be a credential, so none is printed.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body, if there is one.
    pub body: Option<Secret>,
    /// How long until it counts as failed. Never zero, which Envoy takes for "wait for ever".
    pub timeout: Duration,
}

/// Names a callout within its worker until its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CalloutId(pub u32);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// `cache-control`, if any.
    pub cache_control: Option<String>,
    /// `etag`, if any.
    pub etag: Option<String>,
    /// The body, not longer than the fetcher allows.
    pub body: Vec<u8>,
}

/// The proxy could not start a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalloutFailed;

/// Somebody else wrote in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// Bytes that some worker shared. Untrusted: any module with the same `vm_id` can write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The proxy's compare-and-swap number for this state.
    pub version: Option<u32>,
}

#[cfg(test)]
pub mod fake {
    //! A proxy for unit tests: a clock that stands still, and every worker's shared data in one map.

    use std::cell::{Cell, RefCell};
    use std::collections::{BTreeMap, HashMap};
    use std::rc::Rc;

    use super::{
        Callout, CalloutFailed, CalloutId, Contended, Duration, Host, Metric, Shared, Timestamp,
    };

    type SharedData = Rc<RefCell<HashMap<String, (Vec<u8>, u32)>>>;

    /// One worker of a process.
    #[derive(Default)]
    pub struct FakeHost {
        now: Rc<Cell<Timestamp>>,
        shared: SharedData,
        /// What this worker sent.
        pub sent: Vec<Callout>,
        /// Refuse to start callouts.
        pub broken: bool,
        /// Some other worker always writes first.
        pub contended: bool,
        /// What was counted or measured, by name.
        pub metrics: BTreeMap<String, u64>,
    }

    impl FakeHost {
        /// Another worker of the same process.
        #[must_use]
        pub fn sibling(&self) -> Self {
            Self {
                now: Rc::clone(&self.now),
                shared: Rc::clone(&self.shared),
                ..Self::default()
            }
        }

        /// Lets time pass for the whole process.
        pub fn advance(&self, by: Duration) {
            let later = self.now.get().checked_add(by);
            self.now.set(later.unwrap_or(Timestamp::MAX));
        }
    }

    impl Host for FakeHost {
        fn now(&self) -> Timestamp {
            self.now.get()
        }

        fn dispatch(&mut self, callout: &Callout) -> Result<CalloutId, CalloutFailed> {
            if self.broken {
                return Err(CalloutFailed);
            }
            self.sent.push(callout.clone());
            Ok(CalloutId(u32::try_from(self.sent.len()).unwrap()))
        }

        fn shared(&self, key: &str) -> Option<Shared> {
            let data = self.shared.borrow();
            data.get(key).map(|(bytes, version)| Shared {
                bytes: bytes.clone(),
                version: Some(*version),
            })
        }

        fn share(
            &mut self,
            key: &str,
            bytes: &[u8],
            seen: Option<&Shared>,
        ) -> Result<(), Contended> {
            let mut data = self.shared.borrow_mut();
            let current = data.get(key).map(|(_, version)| *version);
            if self.contended {
                return Err(Contended);
            }
            // As Envoy does it: without a number, the write always wins.
            if let Some(seen) = seen.and_then(|seen| seen.version)
                && current != Some(seen)
            {
                return Err(Contended);
            }
            let version = current.unwrap_or(0).saturating_add(1);
            data.insert(key.to_owned(), (bytes.to_vec(), version));
            Ok(())
        }

        fn count(&mut self, metric: Metric<'_>) {
            let count = self.metrics.entry(metric.to_string()).or_default();
            *count = count.saturating_add(1);
        }

        fn measure(&mut self, metric: Metric<'_>, value: u64) {
            self.metrics.insert(metric.to_string(), value);
        }

        fn random(&mut self) -> u64 {
            0x9e37_79b9_7f4a_7c15
        }
    }
}
