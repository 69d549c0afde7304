//! What one plugin has on one worker: the policy in force, what was fetched for it, and the requests that wait for that.
//!
//! Shared by the root context and its streams. Nothing in here calls back into a stream: it says what is to be done
//! with each, and the caller does it after letting go. What it says lends from the policy and the request's head, which
//! the caller holds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::host::{self, Envoy};
use super::metrics;
use super::vm;
use crate::account::{Account, Closing, FirstByte};
use crate::authorizer::cache::TokenCache;
use crate::denial::Denial;
use crate::fetch::{Fetcher, SourceId, Wanted};
use crate::gate::{Decision, Request, Step};
use crate::host::{Answer, CalloutId};
use crate::metrics::{Direction, Metric, TenantLabels};
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
pub(super) struct Worker {
    envoy: Envoy,
    policy: Rc<Policy>,
    fetcher: Fetcher,
    cache: TokenCache,
    waiting: BTreeMap<u32, Waiting>,
    tenants: TenantLabels,
    /// When the policy came into force.
    since: Timestamp,
}

/// A worker, as contexts share it.
pub(super) type SharedWorker = Rc<RefCell<Worker>>;

/// What is known of a request, as its stream and whoever decides about it share it.
pub(super) type SharedAccount = Rc<RefCell<Account>>;

/// A request that waits for something to be fetched.
pub(super) struct Waiting {
    pub head: RequestHead,
    pub has_body: bool,
    pub account: SharedAccount,
    deadline: Timestamp,
    /// The fetcher's news that it was last decided by.
    news: u64,
}

impl Worker {
    /// Takes over from the worker that the plugin had in this VM before.
    pub fn new(policy: Policy, predecessor: Option<&Self>) -> Self {
        let mut envoy = Envoy::default();
        let fetcher = Fetcher::new(
            &Wanted {
                issuers: &policy.key_sources,
                tokens: &policy.token_sources,
                key_sets: &policy.key_sets,
            },
            policy.clusters.clone(),
            predecessor.map(|worker| &worker.fetcher),
            &mut envoy,
        );
        Self {
            envoy,
            fetcher,
            cache: TokenCache::new(policy.token_cache_size),
            waiting: BTreeMap::new(),
            tenants: TenantLabels::new(policy.metered_tenants),
            policy: Rc::new(policy),
            since: host::now(),
        }
    }

    pub fn policy(&self) -> &Rc<Policy> {
        &self.policy
    }

    /// Decides about a new request. One that has to wait is to be handed to [`wait`](Self::wait).
    pub fn arrived<'a>(
        &mut self,
        policy: &'a Policy,
        head: &'a RequestHead,
        has_body: bool,
        now: Timestamp,
    ) -> Decision<'a> {
        let may_wait = self.waiting.len() < MAX_WAITING;
        self.decide(policy, head, has_body, now, may_wait)
    }

    /// Remembers a stream that has to wait, from now on.
    pub fn wait(
        &mut self,
        stream: u32,
        head: RequestHead,
        has_body: bool,
        account: SharedAccount,
        now: Timestamp,
    ) {
        let deadline = latest(now);
        let waiting = Waiting {
            head,
            has_body,
            account,
            deadline,
            news: 0,
        };
        self.wait_on(stream, waiting);
    }

    /// Remembers a stream that has to wait on, just after it was decided about.
    pub fn wait_on(&mut self, stream: u32, mut waiting: Waiting) {
        waiting.news = self.fetcher.news();
        self.waiting.insert(stream, waiting);
    }

    /// The stream is no more.
    pub fn left(&mut self, stream: u32) {
        self.waiting.remove(&stream);
    }

    /// The provider would not have the token that a stream went on with.
    pub fn loan_refused(&mut self, Loan { source, fetched_at }: Loan) {
        self.fetcher.rejected(source, fetched_at, host::now());
    }

    /// A stream has begun to come.
    pub fn began(&mut self, first_byte: FirstByte) {
        let endpoint = first_byte
            .endpoint
            .and_then(|place| self.policy.endpoints.get(place));
        if let Some(endpoint) = endpoint {
            let endpoint = endpoint.name.as_str();
            metrics::observe(
                Metric::TimeToFirstByte { endpoint },
                first_byte.milliseconds,
            );
        }
    }

    /// Counts what a request used that is over.
    pub fn closed(&mut self, closing: &Closing<'_>) {
        if closing.is_counted_late() {
            let reason = closing.reason();
            self.envoy.metrics.request(closing.endpoint, reason);
        }
        let usage = &closing.usage;
        let tokens = [
            (Direction::Input, usage.input_tokens),
            (Direction::Output, usage.output_tokens),
        ];
        if let Some(endpoint) = closing.endpoint {
            let endpoint = endpoint.name.as_str();
            for (direction, count) in tokens {
                let metric = Metric::Tokens {
                    endpoint,
                    direction,
                };
                metrics::count(metric, count.unwrap_or(0));
            }
        }
        let Some(identity) = closing.identity().filter(|_| closing.is_allowed()) else {
            return;
        };
        let Some(tenant) = self.tenants.label(&identity.tenant, &mut self.envoy) else {
            return;
        };
        metrics::count(Metric::TenantRequests { tenant }, 1);
        for (direction, count) in tokens {
            metrics::count(
                Metric::TenantTokens { tenant, direction },
                count.unwrap_or(0),
            );
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

    /// The longest answer to that callout that is worth reading.
    pub fn max_body_bytes(&mut self, id: CalloutId) -> usize {
        self.fetcher.max_body_bytes(id)
    }

    /// Takes the answer to a callout in, and goes on with what it made possible.
    pub fn answered(&mut self, id: CalloutId, answer: Option<Answer>) {
        if self.fetcher.answered(id, answer, &mut self.envoy) {
            self.drive();
        }
    }

    /// Brings the metrics up to date that are not worth a call for each request. What there is one of, only the newest
    /// configuration tells.
    pub fn measure(&mut self, is_in_force: bool) {
        if is_in_force {
            self.fetcher.measure(&mut self.envoy);
            let age = host::now().duration_since(self.since).as_secs();
            metrics::measure(Metric::ConfigId, self.policy.config_id.number());
            metrics::measure(Metric::ConfigAge, u64::try_from(age).unwrap_or_default());
        }
        let lookups = std::mem::take(&mut self.cache.lookups);
        metrics::count(Metric::TokenCacheLookups { hit: true }, lookups.hits);
        metrics::count(Metric::TokenCacheLookups { hit: false }, lookups.misses);
        metrics::raise(Metric::VmMemory, vm::memory_bytes());
    }

    /// Which streams' waits may be over: something has come since they were decided about, or their time is up. To decide
    /// costs what a stranger makes it cost, so nobody is decided about in vain.
    pub fn awoken(&mut self) -> Vec<u32> {
        let (now, news) = (host::now(), self.fetcher.news());
        let mut awoken = Vec::new();
        for (stream, waiting) in &mut self.waiting {
            // A clock that was set back prolongs no wait.
            waiting.deadline = waiting.deadline.min(latest(now));
            if waiting.news != news || waiting.deadline <= now {
                awoken.push(*stream);
            }
        }
        awoken
    }

    /// Takes a stream off the list of those that wait.
    pub fn take(&mut self, stream: u32) -> Option<Waiting> {
        self.waiting.remove(&stream)
    }

    /// Asks again about a request that waited. Its stream's context must be in effect.
    pub fn reconsider<'a>(&mut self, policy: &'a Policy, waiting: &'a Waiting) -> Decision<'a> {
        let now = host::now();
        let may_wait = now < waiting.deadline;
        self.decide(policy, &waiting.head, waiting.has_body, now, may_wait)
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
        has_body: bool,
        now: Timestamp,
        may_wait: bool,
    ) -> Decision<'a> {
        let request = Request {
            head,
            source_address: || host::property(&["source", "address"]),
            has_body,
        };
        let mut decision = policy.decide(&request, &mut self.fetcher, &mut self.cache, now);
        if let Step::Await(source) = decision.step
            && !may_wait
        {
            let retry_after = BUSY_RETRY;
            decision.step = Step::Refuse(match source {
                SourceId::Keys(_) | SourceId::KeySet(_) => Denial::KeysUnavailable { retry_after },
                SourceId::Token(_) => Denial::UpstreamAuthUnavailable { retry_after },
            });
        }
        let reason = match &decision.step {
            Step::Await(_) => return decision,
            Step::Forward(_) if decision.watch.is_some() => return decision,
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
