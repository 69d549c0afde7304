//! Hostcalls that need no stream: log, clock, timer, calls to clusters, shared data, queues, metrics, foreign functions.

use std::time::Duration;

use super::cluster::Hit;
use super::engine::{Defined, Linker, Word, hostcall};
use super::headers::Headers;
use super::process::{Level, Queue};
use super::state::{Call, HostState, Tick};
use super::status::Status;

const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;

pub fn define(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_log",
        |host, level: u32, data: Word, size: Word| {
            let text = host.read_text(data, size)?;
            let level = Level::from_abi(level).ok_or(Status::BadArgument)?;
            host.state().process.world().log.push((level, text));
            Ok(())
        }
    );
    hostcall!(linker, "proxy_get_log_level", |host, level: Word| {
        host.write_u32(level, 0)
    });
    hostcall!(
        linker,
        "proxy_get_current_time_nanoseconds",
        |host, at: Word| {
            let now = host.state().process.world().clock.wall;
            host.write_u64(at, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
        }
    );
    hostcall!(
        linker,
        "proxy_set_tick_period_milliseconds",
        |host, period: u32| {
            let state = host.state();
            let now = state.process.world().clock.elapsed;
            let period = Duration::from_millis(u64::from(period));
            let root = state.root().ok_or(Status::BadArgument)?;
            root.tick = (!period.is_zero()).then_some(Tick {
                period,
                due: now + period,
            });
            Ok(())
        }
    );
    hostcall!(
        linker,
        "proxy_http_call",
        |host,
         cluster: Word,
         cluster_size: Word,
         headers: Word,
         headers_size: Word,
         body: Word,
         body_size: Word,
         trailers: Word,
         trailers_size: Word,
         timeout: u32,
         token: Word| {
            let cluster = host.read_text(cluster, cluster_size)?;
            let headers = host.read(headers, headers_size)?;
            let trailers = host.read(trailers, trailers_size)?;
            let hit = Hit {
                headers: Headers::deserialize(&headers).ok_or(Status::ParseFailure)?,
                body: host.read(body, body_size)?,
                trailers: Headers::deserialize(&trailers).ok_or(Status::ParseFailure)?,
                timeout: Duration::from_millis(u64::from(timeout)),
                worker: 0,
            };
            let new = dispatch(host.state(), cluster, hit)?;
            host.write_u32(token, new)
        }
    );
    define_shared(linker)?;
    define_queues(linker)?;
    define_metrics(linker)?;
    hostcall!(
        linker,
        "proxy_call_foreign_function",
        |host,
         name: Word,
         name_size: Word,
         arguments: Word,
         arguments_size: Word,
         data: Word,
         size: Word| {
            let name = host.read_text(name, name_size)?;
            let arguments = host.read(arguments, arguments_size)?;
            let result = match name.as_str() {
                "verify_signature" => {
                    let state = host.state();
                    let crypto = {
                        let mut world = state.process.world();
                        world.signatures_checked += u64::from(!state.canary);
                        world.crypto
                    };
                    crypto.verify(&arguments)?
                }
                // The type of a property matters to access loggers alone, and there are none here.
                "declare_property" | "clear_route_cache" => Vec::new(),
                // No proxy has it; see `src/wasm/no_vm.rs`.
                #[cfg(fuzzing)]
                "random" => (0..8).map(|_| host.state().random_byte()).collect(),
                _ => return Err(Status::NotFound.into()),
            };
            host.give(&result, data, size)
        }
    );
    Ok(())
}

fn dispatch(state: &mut HostState, cluster: String, mut hit: Hit) -> Result<u32, Status> {
    let owner = state.acting();
    let complete = [":method", ":path", ":authority"]
        .iter()
        .all(|name| hit.headers.contains(name));
    hit.worker = state.worker;
    if !hit.body.is_empty() {
        hit.headers
            .set("content-length", hit.body.len().to_string().as_bytes());
    }
    let sent = {
        let mut world = state.process.world();
        let sent = world.clock.elapsed;
        let target = world.cluster(&cluster);
        if !target.known() || !complete {
            return Err(Status::BadArgument);
        }
        if !target.reachable() {
            return Err(Status::InternalFailure);
        }
        // The canary's calls are cancelled before they leave.
        if !state.canary {
            target.hits.push(hit.clone());
        }
        sent
    };
    let token = state.new_token();
    if !state.canary {
        state.calls.push(Call {
            token,
            owner,
            cluster,
            hit,
            sent,
        });
    }
    Ok(token)
}

fn define_shared(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_get_shared_data",
        |host, key: Word, key_size: Word, data: Word, size: Word, cas: Word| {
            let key = host.read_text(key, key_size)?;
            let entry = host.state().process.world().shared.get(&key).cloned();
            let (value, version) = entry.ok_or(Status::NotFound)?;
            host.give(&value, data, size)?;
            host.write_u32(cas, version)
        }
    );
    hostcall!(
        linker,
        "proxy_set_shared_data",
        |host, key: Word, key_size: Word, data: Word, size: Word, cas: u32| {
            let (key, value) = (host.read_text(key, key_size)?, host.read(data, size)?);
            host.state().process.world().shared.set(&key, value, cas)?;
            Ok(())
        }
    );
    Ok(())
}

fn define_queues(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_register_shared_queue",
        |host, name: Word, name_size: Word, id: Word| {
            let name = host.read_text(name, name_size)?;
            let state = host.state();
            let (worker, root) = (state.worker, state.acting());
            let place = {
                let queues = &mut state.process.world().queues;
                queues
                    .iter()
                    .position(|queue| queue.name == name)
                    .unwrap_or_else(|| {
                        queues.push(Queue {
                            name,
                            worker,
                            root,
                            messages: Vec::new().into(),
                            unannounced: 0,
                        });
                        queues.len() - 1
                    })
            };
            host.write_u32(id, u32::try_from(place + 1).unwrap_or(u32::MAX))
        }
    );
    hostcall!(
        linker,
        "proxy_resolve_shared_queue",
        |host, _vm: Word, _vm_size: Word, name: Word, name_size: Word, id: Word| {
            let name = host.read_text(name, name_size)?;
            let place = host
                .state()
                .process
                .world()
                .queues
                .iter()
                .position(|queue| queue.name == name);
            let place = place.ok_or(Status::NotFound)?;
            host.write_u32(id, u32::try_from(place + 1).unwrap_or(u32::MAX))
        }
    );
    hostcall!(
        linker,
        "proxy_dequeue_shared_queue",
        |host, id: u32, data: Word, size: Word| {
            let message = {
                let mut world = host.state().process.world();
                let queue = world
                    .queues
                    .get_mut((id as usize).wrapping_sub(1))
                    .ok_or(Status::NotFound)?;
                queue.messages.pop_front().ok_or(Status::Empty)?
            };
            host.give(&message, data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_enqueue_shared_queue",
        |host, id: u32, data: Word, size: Word| {
            let message = host.read(data, size)?;
            let mut world = host.state().process.world();
            let queue = world
                .queues
                .get_mut((id as usize).wrapping_sub(1))
                .ok_or(Status::NotFound)?;
            queue.messages.push_back(message);
            queue.unannounced += 1;
            Ok(())
        }
    );
    Ok(())
}

fn define_metrics(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_define_metric",
        |host, kind: u32, name: Word, name_size: Word, id: Word| {
            let name = host.read_text(name, name_size)?;
            if kind > HISTOGRAM {
                return Err(Status::BadArgument.into());
            }
            let state = host.state();
            // Every definition is a new id, the same name or not; its low bits tell the kind.
            let new = (u32::try_from(state.metrics.len()).unwrap_or(0) + 1) * 4 + kind;
            if kind != HISTOGRAM {
                state
                    .process
                    .world()
                    .metrics
                    .entry(name.clone())
                    .or_default();
            }
            state.metrics.insert(new, (kind, name));
            host.write_u32(id, new)
        }
    );
    hostcall!(
        linker,
        "proxy_increment_metric",
        |host, id: u32, offset: i64| {
            let state = host.state();
            let (kind, name) = state.metrics.get(&id).cloned().ok_or(Status::NotFound)?;
            let mut world = state.process.world();
            let value = world.metrics.entry(name).or_default();
            match kind {
                COUNTER if offset <= 0 => return Err(Status::BadArgument.into()),
                COUNTER | GAUGE => *value = value.saturating_add_signed(offset),
                _ => return Err(Status::BadArgument.into()),
            }
            Ok(())
        }
    );
    hostcall!(
        linker,
        "proxy_record_metric",
        |host, id: u32, value: u64| {
            let state = host.state();
            let (kind, name) = state.metrics.get(&id).cloned().ok_or(Status::NotFound)?;
            let mut world = state.process.world();
            match kind {
                HISTOGRAM => world.histograms.entry(name).or_default().push(value),
                GAUGE => *world.metrics.entry(name).or_default() = value,
                _ => *world.metrics.entry(name).or_default() += value,
            }
            Ok(())
        }
    );
    hostcall!(linker, "proxy_get_metric", |host, id: u32, at: Word| {
        let state = host.state();
        let (kind, name) = state.metrics.get(&id).cloned().ok_or(Status::NotFound)?;
        if kind == HISTOGRAM {
            return Err(Status::BadArgument.into());
        }
        let value = state
            .process
            .world()
            .metrics
            .get(&name)
            .copied()
            .unwrap_or_default();
        host.write_u64(at, value)
    });
    Ok(())
}
