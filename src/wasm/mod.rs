//! The proxy-wasm adapter: the only room that names `proxy_wasm`.
//!
//! It carries out what the rest of the crate decides. [`root`] is the plugin on one worker, [`stream`] one request,
//! [`worker`] what they share, [`obey`] how a decision is done to a stream, [`filter_state`] what is told of it,
//! [`host`] what the proxy is asked, [`metrics`] what it counts, [`vm`] what there is without it.

mod filter_state;
mod host;
mod metrics;
mod obey;
mod root;
mod stream;
#[cfg_attr(fuzzing, path = "no_vm.rs")]
mod vm;
mod worker;

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, LogLevel};

use crate::authorizer::jwt::host_crypto;
pub use host::verify_signature;
use root::Root;

/// The shortest tick: as soon as possible, but not in this callback.
const WAKE_SOON: Duration = Duration::from_millis(1);

#[cfg(feature = "filter")]
mod entry_point {
    proxy_wasm::main! {{
        super::start();
    }}
}

/// What the module does when it is loaded.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    host_crypto::install(verify_signature);
    proxy_wasm::set_root_context(root);
}

/// The plugin, for one configuration of it.
pub fn root(id: u32) -> Box<dyn RootContext> {
    Box::new(Root::new(id))
}

/// A stream of a plugin without a policy. Envoy makes none, since it refuses a plugin whose configuration fails.
struct Unconfigured;

impl Context for Unconfigured {}

impl HttpContext for Unconfigured {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let _ = proxy_wasm::hostcalls::send_http_response(503, Vec::new(), None);
        Action::Pause
    }
}
