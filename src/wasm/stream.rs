//! One request and its response.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};

use super::obey::{self, Outcome};
use super::worker::SharedWorker;
use super::{WAKE_SOON, host};
use crate::request::RequestHead;

/// A stream of a worker that has a policy.
pub(super) struct Stream {
    id: u32,
    worker: SharedWorker,
}

impl Stream {
    pub fn new(id: u32, worker: SharedWorker) -> Self {
        Self { id, worker }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Ok(mut worker) = self.worker.try_borrow_mut() {
            worker.left(self.id);
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let fields = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        let head = RequestHead::new(fields);
        let policy = Rc::clone(self.worker.borrow().policy());
        // Nothing is borrowed while it is obeyed: an answer from here may run the callbacks of a response.
        let decision = self.worker.borrow_mut().arrived(&policy, &head);
        self.worker.borrow_mut().lent(self.id, decision.loan);
        let outcome = obey::obey(&decision, &policy);
        if outcome == Outcome::Waiting {
            self.worker.borrow_mut().wait(self.id, head);
            // A callout belongs to the context that makes it, and one of a stream dies with its client. So the root is
            // woken, and it calls.
            let _ = hostcalls::set_tick_period(WAKE_SOON);
        }
        outcome.into()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        let worker = self.worker.borrow();
        let names: Vec<String> = hostcalls::get_map_bytes(MapType::HttpRequestTrailers)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| worker.policy().takes_off_trailer(name))
            .collect();
        for name in names {
            let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, &name);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        // An upstream that echoes what it was told tells the client whom it is taken for.
        for name in self.worker.borrow().policy().identity_headers.names() {
            let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
        }
        let has_loan = self.worker.borrow().has_loan(self.id);
        if has_loan && host::response_status() == Some(401) {
            self.worker.borrow_mut().loan_refused(self.id);
            // Another one is fetched from the root, as above.
            let _ = hostcalls::set_tick_period(WAKE_SOON);
        }
        Action::Continue
    }
}
