//! A proxy for the fetcher: a clock that stands still, callouts that wait to be answered, and the shared data of a process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use tenantgate::host::{Answer, Callout, CalloutFailed, CalloutId, Contended, Host, Shared};
use tenantgate::metrics::Metric;

/// When every run begins: 2026-05-15T14:00:00Z.
pub const START: Timestamp = Timestamp::constant(1_778_853_600, 0);

/// What the workers of a process share, by key. Sorted, so that a number names the same entry in each run.
pub type SharedData = Rc<RefCell<BTreeMap<String, (Vec<u8>, u32)>>>;

/// One worker's proxy.
pub struct Proxy {
    pub now: Timestamp,
    pub shared: SharedData,
    /// What was sent and is not answered.
    pub waiting: Vec<(CalloutId, Callout)>,
    sent: u32,
}

impl Proxy {
    pub fn new(shared: &SharedData) -> Self {
        Self {
            now: START,
            shared: Rc::clone(shared),
            waiting: Vec::new(),
            sent: 0,
        }
    }

    pub fn advance(&mut self, by: SignedDuration) {
        self.now = self.now.saturating_add(by).expect("a span of time");
    }
}

/// An answer with a body and no field that matters.
pub fn ok(body: &[u8]) -> Answer {
    Answer {
        status: 200,
        cache_control: None,
        etag: None,
        body: body.to_vec(),
    }
}

impl Host for Proxy {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn dispatch(&mut self, callout: &Callout) -> Result<CalloutId, CalloutFailed> {
        self.sent += 1;
        let id = CalloutId(self.sent);
        self.waiting.push((id, callout.clone()));
        Ok(id)
    }

    fn shared(&self, key: &str) -> Option<Shared> {
        let data = self.shared.borrow();
        let (bytes, version) = data.get(key)?;
        Some(Shared {
            bytes: bytes.clone(),
            version: Some(*version),
        })
    }

    fn share(&mut self, key: &str, bytes: &[u8], seen: Option<&Shared>) -> Result<(), Contended> {
        let mut data = self.shared.borrow_mut();
        let current = data.get(key).map(|(_, version)| *version);
        let expected = seen.and_then(|seen| seen.version);
        if expected.is_some() && current != expected {
            return Err(Contended);
        }
        data.insert(
            key.to_owned(),
            (bytes.to_vec(), current.unwrap_or_default() + 1),
        );
        Ok(())
    }

    fn count(&mut self, _: Metric<'_>) {}

    fn measure(&mut self, _: Metric<'_>, _: u64) {}

    fn random(&mut self) -> u64 {
        0x9e37_79b9_7f4a_7c15
    }
}
