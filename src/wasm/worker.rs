//! What one plugin has on one worker: the policy in force, what was fetched for it, and the requests that wait for that.
//!
//! Shared by the root context and its streams. Nothing in here calls back into a stream: it says what is to be done
//! with each, and the caller does it after letting go.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::host::{self, Envoy};
use crate::authorizer::cache::TokenCache;
use crate::denial::Denial;
use crate::fetch::{Fetcher, SourceId};
use crate::gate::{Request, Step};
use crate::host::{Answer, CalloutId};
use crate::identity::Identity;
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

#[derive(Debug)]
struct Waiting {
    head: RequestHead,
    deadline: Timestamp,
}

/// What a stream is told to do.
#[derive(Debug)]
pub(super) struct Verdict {
    /// What to do; never [`Step::Await`] for a stream that has waited long enough.
    pub step: Step,
    /// What the access log is told.
    pub record: Record,
}

/// What the access log is told of a decision.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Its path pattern.
    pub endpoint: Option<String>,
    pub identity: Option<Identity>,
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

    /// Decides about a new request, and remembers it if it has to wait.
    pub fn arrived(&mut self, stream: u32, head: RequestHead) -> Verdict {
        let now = host::now();
        let may_wait = self.waiting.len() < MAX_WAITING;
        let verdict = self.decide(stream, &head, now, may_wait);
        if matches!(verdict.step, Step::Await(_)) {
            let deadline = now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
            self.waiting.insert(stream, Waiting { head, deadline });
        }
        verdict
    }

    /// The stream is no more.
    pub fn left(&mut self, stream: u32) {
        self.waiting.remove(&stream);
        self.loans.remove(&stream);
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
    }

    /// Which streams wait.
    pub fn waiting(&self) -> BTreeSet<u32> {
        self.waiting.keys().copied().collect()
    }

    /// Asks again about a stream that waits; `None` where it has to wait on. The stream's context must be in effect.
    pub fn reconsider(&mut self, stream: u32) -> Option<Verdict> {
        let now = host::now();
        let mut waiting = self.waiting.remove(&stream)?;
        // A clock that was set back prolongs no wait.
        let latest = now.checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
        waiting.deadline = waiting.deadline.min(latest);
        let verdict = self.decide(stream, &waiting.head, now, now < waiting.deadline);
        if matches!(verdict.step, Step::Await(_)) {
            self.waiting.insert(stream, waiting);
            return None;
        }
        Some(verdict)
    }

    /// When there is something to do next.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        let deadlines = self.waiting.values().map(|waiting| waiting.deadline).min();
        [self.fetcher.next_event(now), deadlines]
            .into_iter()
            .flatten()
            .min()
    }

    fn decide(
        &mut self,
        stream: u32,
        head: &RequestHead,
        now: Timestamp,
        may_wait: bool,
    ) -> Verdict {
        let source_address = || host::property(&["source", "address"]);
        let request = Request {
            head,
            source_address: &source_address,
        };
        let decision = self
            .policy
            .decide(&request, &mut self.fetcher, &mut self.cache, now);
        let step = match decision.step {
            Step::Await(SourceId::Keys(_)) if !may_wait => Step::Refuse(Denial::KeysUnavailable {
                retry_after: BUSY_RETRY,
            }),
            Step::Await(SourceId::Token(_)) if !may_wait => {
                Step::Refuse(Denial::UpstreamAuthUnavailable {
                    retry_after: BUSY_RETRY,
                })
            }
            step => step,
        };
        if let (Step::Forward(_), Some(loan)) = (&step, decision.loan) {
            self.loans.insert(stream, loan);
        }
        let endpoint = decision.endpoint.map(|endpoint| endpoint.name.as_str());
        match &step {
            Step::Await(_) => {}
            Step::Forward(_) => self.envoy.metrics.request(endpoint, None),
            Step::Refuse(denial) => self.envoy.metrics.request(endpoint, Some(denial.reason())),
        }
        let endpoint = decision
            .endpoint
            .map(|endpoint| endpoint.path.as_str().to_owned());
        Verdict {
            step,
            record: Record {
                endpoint,
                identity: decision.identity,
            },
        }
    }
}
