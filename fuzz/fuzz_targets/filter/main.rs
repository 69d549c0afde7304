//! The whole filter, in whatever order things happen: requests and their bodies, callouts and their answers, time,
//! edits, failures, clients that leave. It runs as it does in Envoy, on the host that the tests have for it, but
//! natively.
//!
//! The input is a text of [`event`]s. Whatever it says, what [`walk`] asserts has to hold, by what [`oracle`] knows.

#![no_main]

mod event;
mod harness;
mod judge;
mod oracle;
mod setting;
mod walk;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The SDK reports panics to the proxy. Here they are for libFuzzer.
        let hook = std::panic::take_hook();
        tenantgate::wasm::start();
        std::panic::set_hook(hook);
    },
    |input: &[u8]| {
        let events = event::read(input);
        // What the filter and the SDK keep for a VM they keep in thread-locals: each run has a thread.
        let run = std::thread::scope(|scope| scope.spawn(|| walk::run(&events)).join());
        assert!(run.is_ok(), "it has said why");
    }
);
