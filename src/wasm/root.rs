//! The plugin on one worker: takes configurations in, fetches, and wakes the requests that wait.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use jiff::SignedDuration;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType};

use super::obey::{self, Outcome};
use super::stream::Stream;
use super::worker::{SharedWorker, Worker};
use super::{WAKE_SOON, filter_state, host};
use crate::config;
use crate::host::{Answer, CalloutId};
use crate::policy::Policy;

/// The longest sleep, even if nothing is due: metrics are brought up to date, and a clock may be set meanwhile.
const WAKE_AT_LEAST: Duration = Duration::from_secs(10);

thread_local! {
    /// Of each plugin, by its name, the worker with the newest configuration. The one before lives on for as long as a
    /// stream that it let in.
    static IN_FORCE: RefCell<BTreeMap<Vec<u8>, Weak<RefCell<Worker>>>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// The root context of one configuration of the plugin.
pub(super) struct Root {
    id: u32,
    /// There is one as soon as a configuration was accepted.
    worker: Option<SharedWorker>,
}

impl Root {
    pub fn new(id: u32) -> Self {
        Self { id, worker: None }
    }

    /// Puts a policy into force.
    fn enforce(&mut self, policy: Policy) {
        // Several plugins may share this VM.
        let plugin = host::property(&["plugin_name"]).unwrap_or_default();
        let before = IN_FORCE.with_borrow(|workers| workers.get(&plugin).and_then(Weak::upgrade));
        let before = before.as_ref().map(|worker| worker.borrow());
        let worker = Rc::new(RefCell::new(Worker::new(policy, before.as_deref())));
        IN_FORCE.with_borrow_mut(|workers| workers.insert(plugin, Rc::downgrade(&worker)));
        self.worker = Some(worker);
    }

    /// Goes on with every stream whose wait is over, then sleeps until something is due.
    fn wake(&self, worker: &SharedWorker) {
        let awoken = worker.borrow_mut().awoken();
        for stream in awoken {
            // A stream that is gone has no context; it took itself off the list, or will.
            if hostcalls::set_effective_context(stream).is_err() {
                worker.borrow_mut().left(stream);
                continue;
            }
            let policy = Rc::clone(worker.borrow().policy());
            let Some(waiting) = worker.borrow_mut().take(stream) else {
                continue;
            };
            let mut decision = worker.borrow_mut().reconsider(&policy, &waiting);
            let mut account = waiting.account.borrow_mut();
            account.decided(&mut decision, &waiting.head);
            drop(account);
            // Nothing is borrowed while it is obeyed: going on with a stream may run its callbacks.
            match obey::obey(&decision, &policy) {
                // Last, because its headers are gone after it.
                Outcome::Forwarded => drop(hostcalls::resume_http_request()),
                Outcome::Waiting => worker.borrow_mut().wait_on(stream, waiting),
                Outcome::Refused => {}
            }
        }
        let _ = hostcalls::set_effective_context(self.id);
        Self::sleep(worker);
    }

    fn sleep(worker: &SharedWorker) {
        let now = host::now();
        let next = worker.borrow_mut().next_event(now);
        let pause = next.map_or(SignedDuration::MAX, |next| {
            next.duration_since(now).max(SignedDuration::ZERO)
        });
        let pause = Duration::try_from(pause)
            .unwrap_or_default()
            .clamp(WAKE_SOON, WAKE_AT_LEAST);
        let _ = hostcalls::set_tick_period(pause);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _: usize) {
        let Some(worker) = &self.worker else { return };
        let id = CalloutId(token);
        let max_body_bytes = worker.borrow_mut().max_body_bytes(id);
        let answer = answer(headers, body_size, max_body_bytes);
        worker.borrow_mut().answered(id, answer);
        self.wake(worker);
    }

    /// Another configuration took over and the last stream of this one is gone. Envoy drops our callouts.
    fn on_done(&mut self) -> bool {
        if let Some(worker) = &self.worker {
            worker.borrow_mut().ends();
        }
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        // Read as a buffer: the SDK's accessor is the same call.
        let configuration = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        match config::load(&configuration, &|name: &str| std::env::var(name).ok()) {
            Ok(policy) => {
                log::info!(
                    "configuration {} is in force with {} endpoints",
                    policy.config_id,
                    policy.endpoints.iter().count()
                );
                filter_state::declare();
                self.enforce(policy);
                // Not now: Envoy configures a VM on trial first and drops its callouts, but never ticks it.
                let _ = hostcalls::set_tick_period(WAKE_SOON);
                true
            }
            Err(problems) => {
                // Envoy says only that it failed.
                for problem in problems.iter() {
                    log::error!("configuration refused: {problem}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(worker) = &self.worker else { return };
        worker.borrow_mut().drive();
        worker.borrow_mut().measure(is_in_force(worker));
        self.wake(worker);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.worker {
            Some(worker) => Box::new(Stream::new(id, Rc::clone(worker))),
            None => Box::new(super::Unconfigured),
        })
    }
}

fn is_in_force(worker: &SharedWorker) -> bool {
    let worker = Rc::downgrade(worker);
    IN_FORCE.with_borrow(|workers| workers.values().any(|other| other.ptr_eq(&worker)))
}

/// The answer to a callout, or nothing where it broke off. Its headers may be read only if there are any.
fn answer(headers: usize, body_size: usize, max_body_bytes: usize) -> Option<Answer> {
    if headers == 0 || body_size > max_body_bytes {
        return None;
    }
    let header = |name: &str| {
        let value = hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, name)
            .ok()
            .flatten()?;
        String::from_utf8(value).ok()
    };
    let body = match body_size {
        0 => Vec::new(),
        size => hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size)
            .ok()
            .flatten()
            .unwrap_or_default(),
    };
    Some(Answer {
        status: header(":status")?.parse().ok()?,
        cache_control: header("cache-control"),
        etag: header("etag"),
        body,
    })
}
