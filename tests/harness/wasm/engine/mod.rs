//! The module on wasmtime.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use wasmtime::{Config, Engine, InstancePre, Memory, Module, OptLevel, TypedFunc};

use super::state::HostState;
use super::{calls_http, calls_root};
use crate::harness::module::filter;
pub use host::Host;
pub(super) use host::hostcall;
pub use vm::Vm;

mod host;
mod vm;
mod wasi;

/// An address in a VM, or a size.
pub type Word = u32;
/// What imports are defined in.
pub type Linker = wasmtime::Linker<HostState>;
/// Whether they could be.
pub type Defined = wasmtime::Result<()>;
/// What ends a VM.
pub type Trap = wasmtime::Error;

/// How the memory of a VM is reached.
#[derive(Default)]
pub struct Guest {
    memory: Option<Memory>,
    allocate: Option<TypedFunc<u32, u32>>,
}

/// Whether instructions are counted. It makes them slower, so a test binary that wants it says so, before it runs the module.
pub static COUNTS_INSTRUCTIONS: AtomicBool = AtomicBool::new(false);

/// The module, built and compiled once in a test binary, its imports bound.
pub fn module() -> &'static InstancePre<HostState> {
    static MODULE: OnceLock<InstancePre<HostState>> = OnceLock::new();
    MODULE.get_or_init(|| {
        let path = filter();
        let started = Instant::now();
        // Each test binary compiles the module once and runs little of it: a quick compiler beats quick code.
        let mut config = Config::new();
        config.cranelift_opt_level(OptLevel::None);
        config.consume_fuel(COUNTS_INSTRUCTIONS.load(Ordering::Relaxed));
        let engine = Engine::new(&config).expect("an engine with these settings");
        let module = Module::from_file(&engine, path)
            .unwrap_or_else(|error| panic!("{} does not load: {error:?}", path.display()));
        let bound = link(&engine, &module);
        // Seen with `--nocapture`.
        eprintln!(
            "harness: compiled {} in {:?}",
            path.display(),
            started.elapsed()
        );
        bound
    })
}

fn link(engine: &Engine, module: &Module) -> InstancePre<HostState> {
    let mut linker = Linker::new(engine);
    let defined = calls_http::define(&mut linker)
        .and_then(|()| calls_root::define(&mut linker))
        .and_then(|()| calls_http::define_unused(&mut linker))
        .and_then(|()| wasi::define(&mut linker));
    defined.expect("each import is defined once");
    linker.instantiate_pre(module).unwrap_or_else(|error| {
        panic!("the module imports what the host does not offer (Envoy may not either): {error}")
    })
}
