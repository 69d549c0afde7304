//! What one plugin has on one worker: the policy in force, what was fetched for it, and the requests that wait for that.
//!
//! Shared by the root context and its streams. Nothing in here calls back into a stream: it says what is to be done
//! with each, and the caller does it after letting go. What it says lends from the policy and the request's head, which
//! the caller holds.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::host::{self, Envoy};
use crate::authorizer::cache::TokenCache;
use crate::denial::Denial;
use crate::fetch::{Fetcher, SourceId};
use crate::gate::{Decision, Request, Step};
use crate::host::{Answer, CalloutId};
use crate::metrics::Metric;
use crate::policy::Policy;
use crate::request::RequestHead;
use crate::upstream::Loan;

/// How many requests of a worker may wait at a time. Each holds its head and, in Envoy, up to a buffer of its
/// body.
const MAX_WAITING: usize = 1024;
/// How long a request may wait: two documents, one after the other.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// What a request is told that there is no room for to wait.
const BUSY_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    envoy: Envoy,
    policy: Rc<Policy>,
    fetcher: Fetcher,
    cache: TokenCache,
    waiting: BTreeMap<u32, Waiting>,
    /// The tokens that streams went on with, until they end.
    loans: HashMap<u32, Loan>,
}

/// A worker, as contexts share it.
pub(super) type SharedWorker = Rc<RefCell<Worker>>;

/// A request that waits for keys.
#[derive(Debug)]
pub(super) struct Waiting {
    head: RequestHead,
    deadline: Timestamp,
}

impl Worker {
    pub fn new(policy: Policy) -> Self {
        let mut envoy = Envoy::default();
        let fetcher = Fetcher::new(
            policy.key_sources.iter().cloned(),
            &policy.token_sources,
            policy.clusters.clone(),
            &mut envoy,
        );
        Self {
            envoy,
            fetcher,
            cache: TokenCache::new(policy.token_cache_size),
            waiting: BTreeMap::new(),
            loans: HashMap::new(),
            policy: Rc::new(policy),
        }
    }

    pub fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    /// Decides about a new request. One that has to wait is to be handed to [`wait`](Self::wait).
    pub fn arrived<'a>(&mut self, policy: &'a Policy, head: &'a RequestHead) -> Decision<'a> {
        let may_wait = self.waiting.len() < MAX_WAITING;
        self.decide(policy, head, host::now(), may_wait)
    }

    /// Remembers a stream that has to wait.
    pub fn wait(&mut self, stream: u32, head: RequestHead) {
        let deadline = latest(host::now());
        self.wait_on(stream, Waiting { head, deadline });
    }

    /// Remembers a stream that has to wait on.
    pub fn wait_on(&mut self, stream: u32, waiting: Waiting) {
        self.waiting.insert(stream, waiting);
    }

    /// The stream is no more.
    pub fn left(&mut self, stream: u32) {
        self.waiting.remove(&stream);
        self.loans.remove(&stream);
    }

    /// Remembers what token a stream goes on with, if with any that was fetched.
    pub fn lent(&mut self, stream: u32, loan: Option<Loan>) {
        if let Some(loan) = loan {
            self.loans.insert(stream, loan);
        }
    }

    /// Whether the stream went on with a token, so that it matters what its provider says of it.
    pub fn has_loan(&self, stream: u32) -> bool {
        self.loans.contains_key(&stream)
    }

    /// The provider would not have the token that the stream went on with.
    pub fn loan_refused(&mut self, stream: u32) {
        if let Some(Loan { source, fetched_at }) = self.loans.remove(&stream) {
            self.fetcher.rejected(source, fetched_at, host::now());
        }
    }

    /// Does what is due. Only from the root context, to which callouts then belong.
    pub fn drive(&mut self) {
        self.fetcher.drive(&mut self.envoy);
    }

    /// No more callouts are answered.
    pub fn ends(&mut self) {
        self.fetcher.abandon(&mut self.envoy);
    }

    /// Takes the answer to a callout in, and goes on with what it made possible.
    pub fn answered(&mut self, id: CalloutId, answer: Option<Answer>) {
        if self.fetcher.answered(id, answer, &mut self.envoy) {
            self.drive();
        }
    }

    /// Brings the metrics up to date that are not worth a call for each request.
    pub fn measure(&mut self) {
        self.fetcher.measure(&mut self.envoy);
        let lookups = std::mem::take(&mut self.cache.lookups);
        self.envoy
            .metrics
            .count(Metric::TokenCacheLookups { hit: true }, lookups.hits);
        self.envoy
            .metrics
            .count(Metric::TokenCacheLookups { hit: false }, lookups.misses);
        self.envoy
            .metrics
            .raise(Metric::VmMemory, host::memory_bytes());
    }

    /// Which streams wait.
    pub fn waiting(&self) -> BTreeSet<u32> {
        self.waiting.keys().copied().collect()
    }

    /// Takes a stream off the list of those that wait.
    pub fn take(&mut self, stream: u32) -> Option<Waiting> {
        let mut waiting = self.waiting.remove(&stream)?;
        // A clock that was set back prolongs no wait.
        waiting.deadline = waiting.deadline.min(latest(host::now()));
        Some(waiting)
    }

    /// Asks again about a request that waited. Its stream's context must be in effect.
    pub fn reconsider<'a>(&mut self, policy: &'a Policy, waiting: &'a Waiting) -> Decision<'a> {
        let now = host::now();
        self.decide(policy, &waiting.head, now, now < waiting.deadline)
    }

    /// When there is something to do next.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        let deadlines = self.waiting.values().map(|waiting| waiting.deadline).min();
        [self.fetcher.next_event(now), deadlines]
            .into_iter()
            .flatten()
            .min()
    }

    fn decide<'a>(
        &mut self,
        policy: &'a Policy,
        head: &'a RequestHead,
        now: Timestamp,
        may_wait: bool,
    ) -> Decision<'a> {
        let request = Request {
            head,
            source_address: || host::property(&["source", "address"]),
        };
        let mut decision = policy.decide(&request, &mut self.fetcher, &mut self.cache, now);
        if let Step::Await(source) = decision.step
            && !may_wait
        {
            let retry_after = BUSY_RETRY;
            decision.step = Step::Refuse(match source {
                SourceId::Keys(_) => Denial::KeysUnavailable { retry_after },
                SourceId::Token(_) => Denial::UpstreamAuthUnavailable { retry_after },
            });
        }
        let reason = match &decision.step {
            Step::Await(_) => return decision,
            Step::Forward(_) => None,
            Step::Refuse(denial) => Some(denial.reason()),
        };
        self.envoy.metrics.request(decision.endpoint, reason);
        decision
    }
}

/// Until when a request may wait that begins to wait now.
fn latest(now: Timestamp) -> Timestamp {
    now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX)
}
