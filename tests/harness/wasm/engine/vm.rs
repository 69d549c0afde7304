//! One instance of the module. A trap kills it for good.

use wasmtime::{Instance, Store, Val};

use crate::harness::wasm::process::{Level, Process};
use crate::harness::wasm::state::HostState;

/// Results of callbacks that return nothing.
const NOTHING: u32 = 0;

pub struct Vm {
    store: Store<HostState>,
    instance: Option<Instance>,
    /// What killed it.
    dead: Option<String>,
}

impl Vm {
    pub fn new(process: Process, worker: usize, canary: bool, seed: u64) -> Self {
        let module = super::module();
        let state = HostState::new(process, worker, canary, seed);
        let mut vm = Self {
            store: Store::new(module.module().engine(), state),
            instance: None,
            dead: None,
        };
        // An error where instructions are not counted.
        let _ = vm.store.set_fuel(u64::MAX);
        match module.instantiate(&mut vm.store) {
            Ok(instance) => vm.adopt(instance),
            Err(error) => vm.die("instantiation", &error),
        }
        vm
    }

    fn adopt(&mut self, instance: Instance) {
        let memory = instance.get_memory(&mut self.store, "memory");
        let allocate = instance
            .get_typed_func(&mut self.store, "proxy_on_memory_allocate")
            .ok();
        let state = self.store.data_mut();
        state.guest = super::Guest { memory, allocate };
        self.instance = Some(instance);
        self.call(0, "_initialize", &[]);
    }

    pub fn state(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    pub fn dead(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    pub fn memory_pages(&mut self) -> u64 {
        let memory = self.store.data().guest.memory;
        memory.map_or(0, |memory| memory.size(&self.store))
    }

    /// How many instructions it has run, where they are counted.
    pub fn instructions(&self) -> u64 {
        self.store.get_fuel().map_or(0, |left| u64::MAX - left)
    }

    /// Runs a callback for a context; `None` when the VM is dead, be it from this very call.
    pub fn call(&mut self, context: u32, name: &str, arguments: &[u32]) -> Option<u32> {
        if self.dead.is_some() {
            return None;
        }
        let Some(callback) = self
            .instance
            .and_then(|instance| instance.get_func(&mut self.store, name))
        else {
            // A module may leave callbacks out: Envoy then goes on.
            return Some(NOTHING);
        };
        let arguments: Vec<Val> = arguments
            .iter()
            .map(|value| Val::I32(value.cast_signed()))
            .collect();
        let mut results = vec![Val::I32(0); callback.ty(&self.store).results().len()];
        let state = self.store.data_mut();
        (state.current, state.effective) = (context, 0);
        let called = callback.call(&mut self.store, &arguments, &mut results);
        let state = self.store.data_mut();
        (state.current, state.effective) = (0, 0);
        match called {
            Ok(()) => Some(
                results
                    .first()
                    .and_then(Val::i32)
                    .map_or(NOTHING, i32::cast_unsigned),
            ),
            Err(error) => {
                self.die(name, &error);
                None
            }
        }
    }

    fn die(&mut self, name: &str, error: &wasmtime::Error) {
        let cause = format!("{name} failed: {error:?}");
        let state = self.store.data_mut();
        state.actions.clear();
        state
            .process
            .world()
            .log
            .push((Level::Critical, format!("worker {}: {cause}", state.worker)));
        self.dead = Some(cause);
    }
}
