//! The few calls of WASI preview 1 that the filter may make. Anything else fails to link.

use wasmtime::{Caller, Linker, bail};

use super::host::Host;
use crate::harness::wasm::process::Level;
use crate::harness::wasm::state::HostState;
use crate::harness::wasm::status::Failure;

const SUCCESS: u32 = 0;
const BAD_FD: u32 = 8;
const FAULT: u32 = 21;
const INVALID: u32 = 28;

pub fn define(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    let module = "wasi_snapshot_preview1";
    linker.func_wrap(
        module,
        "random_get",
        |caller: Caller<'_, HostState>, at: u32, size: u32| {
            let mut host = Host(caller);
            let bytes: Vec<u8> = (0..size).map(|_| host.state().random_byte()).collect();
            errno(host.write(at, &bytes))
        },
    )?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, HostState>, clock: u32, _: u64, at: u32| {
            let mut host = Host(caller);
            let now = {
                let world = host.state().process.world();
                match clock {
                    0 => world.clock.wall,
                    1 => world.clock.elapsed,
                    _ => return Ok(INVALID),
                }
            };
            errno(host.write_u64(at, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)))
        },
    )?;
    linker.func_wrap(
        module,
        "environ_sizes_get",
        |caller: Caller<'_, HostState>, count_at: u32, size_at: u32| {
            let mut host = Host(caller);
            let lines = environment(host.state());
            let size: usize = lines.iter().map(Vec::len).sum();
            let written = host.write_u32(count_at, length(lines.len()));
            errno(written.and_then(|()| host.write_u32(size_at, length(size))))
        },
    )?;
    linker.func_wrap(
        module,
        "environ_get",
        |caller: Caller<'_, HostState>, pointers: u32, buffer: u32| {
            let mut host = Host(caller);
            let (mut pointer_at, mut at) = (pointers, buffer);
            for line in environment(host.state()) {
                let written = host.write_u32(pointer_at, at);
                if errno(written.and_then(|()| host.write(at, &line)))? != SUCCESS {
                    return Ok(FAULT);
                }
                pointer_at += 4;
                at += length(line.len());
            }
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, HostState>, fd: u32, vectors: u32, count: u32, written_at: u32| {
            let mut host = Host(caller);
            let level = match fd {
                1 => Level::Info,
                2 => Level::Error,
                _ => return Ok(BAD_FD),
            };
            let Ok(text) = gather(&mut host, vectors, count) else {
                return Ok(FAULT);
            };
            let size = length(text.len());
            host.state()
                .process
                .world()
                .log
                .push((level, String::from_utf8_lossy(&text).into_owned()));
            errno(host.write_u32(written_at, size))
        },
    )?;
    linker.func_wrap(
        module,
        "proc_exit",
        |_: Caller<'_, HostState>, code: u32| -> wasmtime::Result<()> {
            bail!("the module called proc_exit({code})")
        },
    )?;
    linker.func_wrap(module, "sched_yield", |_: Caller<'_, HostState>| SUCCESS)?;
    Ok(())
}

fn errno(outcome: Result<(), Failure>) -> wasmtime::Result<u32> {
    match outcome {
        Ok(()) => Ok(SUCCESS),
        Err(Failure::Status(_)) => Ok(FAULT),
        Err(Failure::Trap(error)) => Err(error),
    }
}

fn environment(state: &HostState) -> Vec<Vec<u8>> {
    let world = state.process.world();
    world
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn gather(host: &mut Host<'_>, vectors: u32, count: u32) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for n in 0..count {
        let vector = host.read(vectors + n * 8, 8)?;
        let word = |at: usize| {
            u32::from_le_bytes([vector[at], vector[at + 1], vector[at + 2], vector[at + 3]])
        };
        text.extend(host.read(word(0), word(4))?);
    }
    Ok(text)
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
