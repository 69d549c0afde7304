//! The filter for tests of what becomes of everybody when its VM ends: a request names in `x-trap` where that is to be.
//!
//! Either at a stage of its own (`request_headers`, `decided`, `request_body`, ..., `log`, `done`), or at the next thing
//! that happens to the plugin after it came: `tick`, `call`, `configure` or `create`. All else is the filter's own doing.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "the entry point that the macro writes")]

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType};

proxy_wasm::main! {{
    tenantgate::wasm::start();
    proxy_wasm::set_root_context(|id| Box::new(Plugin(tenantgate::wasm::root(id))));
}}

thread_local! {
    /// Where the plugin is to end, as the last request that named a place had it.
    static NEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The VM ends here if this is the place that was named.
fn reach(place: &str, named: &[u8]) {
    if place.as_bytes() == named {
        core::arch::wasm32::unreachable();
    }
}

struct Plugin(Box<dyn RootContext>);

impl Plugin {
    fn reaches(place: &str) {
        NEXT.with_borrow(|named| reach(place, named));
    }
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, id: u32, headers: usize, body: usize, trailers: usize) {
        Self::reaches("call");
        self.0.on_http_call_response(id, headers, body, trailers);
    }

    fn on_done(&mut self) -> bool {
        self.0.on_done()
    }
}

impl RootContext for Plugin {
    fn on_vm_start(&mut self, size: usize) -> bool {
        self.0.on_vm_start(size)
    }

    fn on_configure(&mut self, size: usize) -> bool {
        Self::reaches("configure");
        self.0.on_configure(size)
    }

    fn on_tick(&mut self) {
        Self::reaches("tick");
        self.0.on_tick();
    }

    fn on_queue_ready(&mut self, id: u32) {
        self.0.on_queue_ready(id);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Self::reaches("create");
        let filter = self.0.create_http_context(id)?;
        let named = Vec::new();
        Some(Box::new(Stream { filter, named }))
    }

    fn get_type(&self) -> Option<ContextType> {
        self.0.get_type()
    }
}

struct Stream {
    filter: Box<dyn HttpContext>,
    /// Where it is to end.
    named: Vec<u8>,
}

impl Stream {
    fn reaches(&self, place: &str) {
        reach(place, &self.named);
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        self.reaches("done");
        self.filter.on_done()
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, end: bool) -> Action {
        let named = hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, "x-trap");
        if let Ok(Some(named)) = named {
            self.named.clone_from(&named);
            NEXT.set(named);
        }
        self.reaches("request_headers");
        let action = self.filter.on_http_request_headers(count, end);
        self.reaches("decided");
        action
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.reaches("request_body");
        self.filter.on_http_request_body(size, end)
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.reaches("request_trailers");
        self.filter.on_http_request_trailers(count)
    }

    fn on_http_response_headers(&mut self, count: usize, end: bool) -> Action {
        self.reaches("response_headers");
        self.filter.on_http_response_headers(count, end)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.reaches("response_body");
        self.filter.on_http_response_body(size, end)
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.reaches("response_trailers");
        self.filter.on_http_response_trailers(count)
    }

    fn on_log(&mut self) {
        self.reaches("log");
        self.filter.on_log();
    }
}
