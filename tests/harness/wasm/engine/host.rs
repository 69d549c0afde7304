//! A hostcall's view of its VM: guest memory with every access checked, and the state behind it.

use wasmtime::{Caller, bail, format_err};

use crate::harness::wasm::state::HostState;
use crate::harness::wasm::status::{Failure, Outcome, Status};

pub struct Host<'a>(pub Caller<'a, HostState>);

impl Host<'_> {
    pub fn state(&mut self) -> &mut HostState {
        self.0.data_mut()
    }

    pub fn read(&mut self, at: u32, size: u32) -> Result<Vec<u8>, Failure> {
        let Some(memory) = self.0.data().guest.memory else {
            return Err(Status::InvalidMemoryAccess.into());
        };
        let (start, size) = (at as usize, size as usize);
        let bytes = memory.data(&self.0).get(start..start + size);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or(Failure::Status(Status::InvalidMemoryAccess))
    }

    pub fn read_text(&mut self, at: u32, size: u32) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Outcome {
        let Some(memory) = self.0.data().guest.memory else {
            return Err(Status::InvalidMemoryAccess.into());
        };
        memory
            .write(&mut self.0, at as usize, bytes)
            .map_err(|_| Failure::Status(Status::InvalidMemoryAccess))
    }

    pub fn write_u32(&mut self, at: u32, value: u32) -> Outcome {
        self.write(at, &value.to_le_bytes())
    }

    pub fn write_u64(&mut self, at: u32, value: u64) -> Outcome {
        self.write(at, &value.to_le_bytes())
    }

    /// Hands bytes over in memory that the guest allocates; nothing is a null pointer.
    pub fn give(&mut self, bytes: &[u8], pointer_at: u32, size_at: u32) -> Outcome {
        let size = u32::try_from(bytes.len())
            .map_err(|_| Failure::Trap(format_err!("result too big for wasm32")))?;
        let mut pointer = 0;
        if size > 0 {
            let allocate = self.0.data().guest.allocate.clone();
            let Some(allocate) = allocate else {
                return Err(missing_allocator());
            };
            pointer = allocate.call(&mut self.0, size)?;
            if pointer == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            self.write(pointer, bytes)?;
        }
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(size_at, size)
    }

    /// Ends a hostcall: a test's fault first, then what it came to.
    pub fn run(
        mut self,
        name: &'static str,
        call: impl FnOnce(&mut Self) -> Outcome,
    ) -> wasmtime::Result<u32> {
        let state = self.state();
        if !state.canary {
            let fault = state.process.world().hostcall(name);
            if let Some(status) = fault {
                return Ok(status as u32);
            }
        }
        match call(&mut self) {
            Ok(()) => Ok(Status::Ok as u32),
            Err(Failure::Status(status)) => Ok(status as u32),
            Err(Failure::Trap(error)) => bail!("{name}: {error}"),
        }
    }
}

fn missing_allocator() -> Failure {
    Failure::Trap(format_err!(
        "the module exports no proxy_on_memory_allocate"
    ))
}

/// Defines one import of `env`: its arguments, and a body that ends in a status.
macro_rules! hostcall {
    ($linker:ident, $name:literal, |$host:ident $(, $argument:ident: $kind:ty)*| $body:block) => {
        $linker.func_wrap(
            "env",
            $name,
            |caller: ::wasmtime::Caller<'_, $crate::harness::wasm::state::HostState> $(, $argument: $kind)*| {
                $crate::harness::wasm::engine::Host(caller).run($name, |$host| $body)
            },
        )?
    };
}
pub(in crate::harness::wasm) use hostcall;
