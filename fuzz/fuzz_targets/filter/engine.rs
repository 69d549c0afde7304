//! The filter without wasm: linked into this program, which fuzzes it. Its imports are functions of this program, and
//! its callbacks are called as what they are.
//!
//! All `unsafe` of the fuzzers is in here. The filter's pointers are real ones: what the SDK hands over is a slice of
//! the filter's, borrowed for the call, or a place that waits for a value; what it is given is memory that it frees as
//! a `Vec`.
//!
//! A thread is a process: the SDK and the filter keep what is a VM's in thread-locals, so the VMs of one process share
//! those. They are told apart by context ids and tokens, of which no two have the same, and by the plugin's name.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ptr::null_mut;
use std::slice;

use super::process::Process;
use super::state::HostState;
use super::status::{Failure, Outcome, Status};

/// An address, or a size.
pub type Word = usize;
/// Imports are defined by being there.
pub struct Linker;
/// They always are.
pub type Defined = Result<(), Infallible>;
/// A panic ends the program: that is what a fuzzer looks for.
pub type Trap = Infallible;

/// Its memory is ours.
#[derive(Default)]
pub struct Guest;

/// Between the ids of one VM and those of the next.
const IDS: u32 = 1 << 20;

thread_local! {
    static VMS: Cell<u32> = const { Cell::new(0) };
    /// The one whose callback runs.
    static RUNNING: RefCell<Option<Box<HostState>>> = const { RefCell::new(None) };
    /// The filter knows its metrics by their ids for as long as a VM lives, which here is the thread.
    static METRICS: RefCell<BTreeMap<u32, (u32, String)>> = const { RefCell::new(BTreeMap::new()) };
}

/// A VM to the rest of the harness.
pub struct Vm(Option<Box<HostState>>);

impl Vm {
    pub fn new(process: Process, worker: usize, canary: bool, seed: u64) -> Self {
        let number = VMS.replace(VMS.get() + 1);
        let mut state = HostState::new(process, worker, canary, seed);
        state.count_from(number * IDS);
        state.plugin_name = format!("tenantgate {number}");
        let mut vm = Self(Some(Box::new(state)));
        vm.run(0, |()| tenantgate::wasm::start(), ());
        vm
    }

    pub fn state(&mut self) -> &mut HostState {
        self.0.as_mut().expect("nobody looks while a callback runs")
    }

    pub fn dead(&self) -> Option<&str> {
        None
    }

    pub fn memory_pages(&mut self) -> u64 {
        0
    }

    pub fn instructions(&self) -> u64 {
        0
    }

    /// Runs a callback for a context.
    pub fn call(&mut self, context: u32, name: &str, arguments: &[u32]) -> Option<u32> {
        self.run(context, |arguments| callback(name, arguments), arguments)
    }

    fn run<A, R>(
        &mut self,
        context: u32,
        callback: impl FnOnce(A) -> R,
        arguments: A,
    ) -> Option<R> {
        let mut state = self.0.take()?;
        (state.current, state.effective) = (context, 0);
        state.metrics = METRICS.take();
        RUNNING.set(Some(state));
        let result = callback(arguments);
        let mut state = RUNNING.take()?;
        (state.current, state.effective) = (0, 0);
        METRICS.set(std::mem::take(&mut state.metrics));
        self.0 = Some(state);
        Some(result)
    }
}

// What the SDK exports.
unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_vm_start(root: u32, size: Word) -> bool;
    safe fn proxy_on_configure(root: u32, size: Word) -> bool;
    safe fn proxy_on_tick(root: u32);
    safe fn proxy_on_queue_ready(root: u32, queue: u32);
    safe fn proxy_on_http_call_response(
        root: u32,
        token: u32,
        headers: Word,
        body: Word,
        trailers: Word,
    );
    safe fn proxy_on_request_headers(stream: u32, headers: Word, ends: bool) -> u32;
    safe fn proxy_on_request_body(stream: u32, size: Word, ends: bool) -> u32;
    safe fn proxy_on_request_trailers(stream: u32, trailers: Word) -> u32;
    safe fn proxy_on_response_headers(stream: u32, headers: Word, ends: bool) -> u32;
    safe fn proxy_on_response_body(stream: u32, size: Word, ends: bool) -> u32;
    safe fn proxy_on_response_trailers(stream: u32, trailers: Word) -> u32;
    safe fn proxy_on_log(context: u32);
    safe fn proxy_on_done(context: u32) -> bool;
    safe fn proxy_on_delete(context: u32);
}

fn callback(name: &str, arguments: &[u32]) -> u32 {
    let word = |size: u32| size as Word;
    let nothing = |()| 0;
    match (name, arguments) {
        ("proxy_on_context_create", &[id, root]) => nothing(proxy_on_context_create(id, root)),
        ("proxy_on_vm_start", &[id, size]) => proxy_on_vm_start(id, word(size)).into(),
        ("proxy_on_configure", &[id, size]) => proxy_on_configure(id, word(size)).into(),
        ("proxy_on_tick", &[id]) => nothing(proxy_on_tick(id)),
        ("proxy_on_queue_ready", &[id, queue]) => nothing(proxy_on_queue_ready(id, queue)),
        ("proxy_on_http_call_response", &[id, token, headers, body, trailers]) => {
            let sizes = (word(headers), word(body), word(trailers));
            nothing(proxy_on_http_call_response(
                id, token, sizes.0, sizes.1, sizes.2,
            ))
        }
        ("proxy_on_request_headers", &[id, size, ends]) => {
            proxy_on_request_headers(id, word(size), ends != 0)
        }
        ("proxy_on_request_body", &[id, size, ends]) => {
            proxy_on_request_body(id, word(size), ends != 0)
        }
        ("proxy_on_request_trailers", &[id, size]) => proxy_on_request_trailers(id, word(size)),
        ("proxy_on_response_headers", &[id, size, ends]) => {
            proxy_on_response_headers(id, word(size), ends != 0)
        }
        ("proxy_on_response_body", &[id, size, ends]) => {
            proxy_on_response_body(id, word(size), ends != 0)
        }
        ("proxy_on_response_trailers", &[id, size]) => proxy_on_response_trailers(id, word(size)),
        ("proxy_on_log", &[id]) => nothing(proxy_on_log(id)),
        ("proxy_on_done", &[id]) => proxy_on_done(id).into(),
        ("proxy_on_delete", &[id]) => nothing(proxy_on_delete(id)),
        _ => panic!("no such callback: {name} {arguments:?}"),
    }
}

/// A hostcall's view of its VM.
pub struct Host<'a>(&'a mut HostState);

impl Host<'_> {
    pub fn state(&mut self) -> &mut HostState {
        self.0
    }

    pub fn read(&mut self, at: Word, size: Word) -> Result<Vec<u8>, Failure> {
        if size == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: the SDK passes the pointer and the length of one slice, which outlives the call.
        Ok(unsafe { slice::from_raw_parts(at as *const u8, size) }.to_vec())
    }

    pub fn read_text(&mut self, at: Word, size: Word) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    pub fn write_u32(&mut self, at: Word, value: u32) -> Outcome {
        write(at, value)
    }

    pub fn write_u64(&mut self, at: Word, value: u64) -> Outcome {
        write(at, value)
    }

    /// Hands bytes over in memory that the SDK makes a `Vec` of, as long as it is large. Nothing is a null pointer.
    pub fn give(&mut self, bytes: &[u8], pointer_at: Word, size_at: Word) -> Outcome {
        let pointer = match bytes {
            [] => null_mut(),
            bytes => Box::into_raw(Box::<[u8]>::from(bytes)).cast::<u8>(),
        };
        write(pointer_at, pointer)?;
        write(size_at, bytes.len())
    }
}

fn write<T>(at: Word, value: T) -> Outcome {
    // SAFETY: the SDK passes a pointer to a variable of its own that has this type.
    unsafe { (at as *mut T).write(value) };
    Ok(())
}

/// Ends a hostcall: a fault of the fuzzer's first, then what it came to.
pub fn run(name: &'static str, call: impl FnOnce(&mut Host<'_>) -> Outcome) -> u32 {
    RUNNING.with_borrow_mut(|running| {
        let Some(state) = running else {
            panic!("{name} outside of a callback");
        };
        if !state.canary {
            let fault = state.process.world().hostcall(name);
            if let Some(status) = fault {
                return status as u32;
            }
        }
        match call(&mut Host(state)) {
            Ok(()) => Status::Ok as u32,
            Err(Failure::Status(status)) => status as u32,
            Err(Failure::Trap(never)) => match never {},
        }
    })
}

/// Defines one import: its arguments, and a body that ends in a status.
macro_rules! hostcall {
    ($linker:ident, $name:literal, |$host:ident $(, $argument:ident: $kind:ty)*| $body:block) => {{
        let _: &$crate::harness::wasm::engine::Linker = $linker;
        // SAFETY: the name is the SDK's, whose declaration has these arguments, and no other function bears it.
        #[unsafe(export_name = $name)]
        extern "C" fn import($($argument: $kind),*) -> u32 {
            $crate::harness::wasm::engine::run($name, |$host| $body)
        }
    }};
}
pub(super) use hostcall;
