//! One request and its response.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::filter_state::{self, Field};
use super::obey::{self, Outcome};
use super::worker::{SharedAccount, SharedWorker};
use super::{WAKE_SOON, host, vm};
use crate::account::{Account, Otherwise};
use crate::request::RequestHead;

/// A stream of a worker that has a policy.
///
/// Nothing is borrowed while Envoy is told to go on or to answer: that may run other callbacks.
pub(super) struct Stream {
    id: u32,
    worker: SharedWorker,
    account: SharedAccount,
}

impl Stream {
    pub fn new(id: u32, worker: SharedWorker) -> Self {
        Self {
            id,
            worker,
            account: Rc::new(RefCell::new(Account::default())),
        }
    }

    /// The provider would not have the token that was lent, so another one is fetched: from the root, which is woken.
    fn loan_refused(&self) {
        let loan = self.account.borrow().loan();
        if let Some(loan) = loan {
            self.worker.borrow_mut().loan_refused(loan);
            let _ = hostcalls::set_tick_period(WAKE_SOON);
        }
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
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let has_body = !end_of_stream;
        let fields = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        let head = RequestHead::new(fields);
        let now = host::now();
        self.account.borrow_mut().arrived(&head, now);
        let policy = Rc::clone(self.worker.borrow().policy());
        let mut decision = self
            .worker
            .borrow_mut()
            .arrived(&policy, &head, has_body, now);
        self.account.borrow_mut().decided(&mut decision, &head);
        let outcome = obey::obey(&decision, &policy);
        if outcome == Outcome::Waiting {
            let account = Rc::clone(&self.account);
            self.worker
                .borrow_mut()
                .wait(self.id, head, has_body, account, now);
            // A callout belongs to the context that makes it, and one of a stream dies with its client. So the root is
            // woken, and it calls.
            let _ = hostcalls::set_tick_period(WAKE_SOON);
        }
        outcome.into()
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut account = self.account.borrow_mut();
        let mut pieces = pieces(BufferType::HttpRequestBody, size);
        let (mut verdict, mut seen) = (Ok(()), 0_usize);
        while verdict.is_ok()
            && account.wants_request_body()
            && let Some(bytes) = pieces.next()
        {
            seen = seen.saturating_add(bytes.len());
            verdict = account.request_body(&bytes);
        }
        let is_unseen = account.is_watched() && seen < size;
        if end_of_stream || is_unseen {
            verdict = verdict.and_then(|()| account.request_ends());
        }
        drop(account);
        obey::obey_late(verdict)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        let verdict = self.account.borrow_mut().request_ends();
        if verdict.is_err() {
            return obey::obey_late(verdict);
        }
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

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        // An upstream that echoes what it was told tells the client whom it is taken for.
        for name in self.worker.borrow().policy().identity_headers.names() {
            let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
        }
        let status = host::response_status();
        // Whoever runs a request that has not named its model yet has read it otherwise.
        if status.is_none_or(|status| status < 400) {
            let verdict = self.account.borrow_mut().request_ends();
            if verdict.is_err() {
                return obey::obey_late(verdict);
            }
        }
        let mut account = self.account.borrow_mut();
        account.response_head(status, &host::response_header);
        if end_of_stream {
            account.completed();
        }
        drop(account);
        if status == Some(401) {
            self.loan_refused();
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let mut account = self.account.borrow_mut();
        if account.wants_response_body() {
            for bytes in pieces(BufferType::HttpResponseBody, size) {
                if let Some(first_byte) = account.response_body(&bytes, host::now) {
                    self.worker.borrow_mut().began(first_byte);
                }
            }
        }
        if end_of_stream {
            account.completed();
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.account.borrow_mut().completed();
        Action::Continue
    }

    /// The end, however it came. The access loggers of Envoy run after it.
    fn on_log(&mut self) {
        let policy = Rc::clone(self.worker.borrow().policy());
        self.account.borrow_mut().ends();
        let account = self.account.borrow();
        let closing = account.close(&policy, &Proxy);
        filter_state::set(Field::Log, &closing.line());
        let usage = &closing.usage;
        let tokens = [
            (Field::InputTokens, usage.input_tokens),
            (Field::OutputTokens, usage.output_tokens),
        ];
        for (field, count) in tokens {
            if let Some(count) = count {
                filter_state::set(field, &count.to_string());
            }
        }
        if let Some(model) = &usage.model {
            filter_state::set(Field::Model, model.as_str());
        }
        if let Some(model) = &usage.served_model {
            filter_state::set(Field::ServedModel, model.as_str());
        }
        if let Some(source) = usage.source {
            filter_state::set(Field::UsageSource, source.as_str());
        }
        self.worker.borrow_mut().closed(&closing);
    }
}

/// What has come of a body, bit by bit: Envoy may hand over as much at once as it buffers, and the memory of a VM never
/// shrinks again.
fn pieces(buffer: BufferType, size: usize) -> impl Iterator<Item = Vec<u8>> {
    const PIECE_BYTES: usize = 64 * 1024;
    (0..size).step_by(PIECE_BYTES).map_while(move |start| {
        let length = size.saturating_sub(start).min(PIECE_BYTES);
        hostcalls::get_buffer(buffer, start, length).ok().flatten()
    })
}

/// What Envoy knows of a stream that ended before it was seen.
struct Proxy;

impl Otherwise for Proxy {
    fn now(&self) -> Timestamp {
        host::now()
    }

    fn request_id(&self) -> String {
        format!("{:016x}{:016x}", vm::random(), vm::random())
    }

    /// Eight bytes, little-endian; 0 where nothing was sent.
    fn status(&self) -> Option<u16> {
        let code = host::property(&["response", "code"])?;
        let code = u64::from_le_bytes(code.try_into().ok()?);
        u16::try_from(code).ok().filter(|code| *code != 0)
    }
}
