//! Hostcalls about a stream: header maps, bodies, properties, local replies, going on.

use super::engine::{Defined, Host, Linker, Word, hostcall};
use super::headers::Headers;
use super::properties;
use super::state::{Action, HostState, LocalReply};
use super::status::{Failure, Outcome, Status};
use super::stream::Access;

const PLUGIN_CONFIGURATION: u32 = 7;
const CALL_RESPONSE_BODY: u32 = 4;
const CALL_RESPONSE_HEADERS: u32 = 6;
const CALL_RESPONSE_TRAILERS: u32 = 7;

pub fn define(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_get_header_map_pairs",
        |host, map: u32, data: Word, size: Word| {
            let pairs = readable(host, map)?.serialize();
            host.give(&pairs, data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_set_header_map_pairs",
        |host, map: u32, data: Word, size: Word| {
            let bytes = host.read(data, size)?;
            let pairs = Headers::deserialize(&bytes).ok_or(Status::ParseFailure)?;
            *writable(host, map)? = pairs;
            Ok(())
        }
    );
    hostcall!(
        linker,
        "proxy_get_header_map_value",
        |host, map: u32, key: Word, key_size: Word, data: Word, size: Word| {
            let name = host.read_text(key, key_size)?;
            let value = readable(host, map)?
                .first(&name)
                .map(<[u8]>::to_vec)
                .ok_or(Status::NotFound)?;
            host.give(&value, data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_add_header_map_value",
        |host, map: u32, key: Word, key_size: Word, data: Word, size: Word| {
            let (name, value) = (host.read_text(key, key_size)?, host.read(data, size)?);
            writable(host, map)?.add(&name, &value);
            Ok(())
        }
    );
    hostcall!(
        linker,
        "proxy_replace_header_map_value",
        |host, map: u32, key: Word, key_size: Word, data: Word, size: Word| {
            let (name, value) = (host.read_text(key, key_size)?, host.read(data, size)?);
            writable(host, map)?.set(&name, &value);
            Ok(())
        }
    );
    hostcall!(
        linker,
        "proxy_remove_header_map_value",
        |host, map: u32, key: Word, key_size: Word| {
            let name = host.read_text(key, key_size)?;
            writable(host, map)?.remove(&name);
            Ok(())
        }
    );
    define_buffers(linker)?;
    define_properties(linker)?;
    define_flow(linker)
}

fn define_buffers(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_get_buffer_bytes",
        |host, buffer: u32, start: Word, wanted: Word, data: Word, size: Word| {
            let bytes = buffer_bytes(host.state(), buffer).ok_or(Status::NotFound)?;
            let start = start as usize;
            if start > bytes.len() {
                return Err(Status::BadArgument.into());
            }
            let end = start.saturating_add(wanted as usize).min(bytes.len());
            host.give(&bytes[start..end], data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_set_buffer_bytes",
        |host, buffer: u32, start: Word, length: Word, data: Word, size: Word| {
            let bytes = host.read(data, size)?;
            let body = host
                .state()
                .stream()
                .and_then(|stream| stream.body(buffer))
                .ok_or(Status::BadArgument)?;
            let start = (start as usize).min(body.len());
            let end = start.saturating_add(length as usize).min(body.len());
            body.splice(start..end, bytes);
            Ok(())
        }
    );
    Ok(())
}

fn define_properties(linker: &mut Linker) -> Defined {
    hostcall!(
        linker,
        "proxy_get_property",
        |host, path: Word, path_size: Word, data: Word, size: Word| {
            let path = host.read_text(path, path_size)?;
            let value = properties::get(host.state(), &path).ok_or(Status::NotFound)?;
            host.give(&value, data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_set_property",
        |host, path: Word, path_size: Word, data: Word, size: Word| {
            let (path, value) = (host.read_text(path, path_size)?, host.read(data, size)?);
            // Without a stream there is nothing to set it on; the SDK panics on this status.
            let stream = host.state().stream().ok_or(Status::NotFound)?;
            stream.filter_state.insert(format!("wasm.{path}"), value);
            Ok(())
        }
    );
    Ok(())
}

fn define_flow(linker: &mut Linker) -> Defined {
    hostcall!(linker, "proxy_continue_stream", |host, stream_type: u32| {
        let action = match stream_type {
            0 => Action::ContinueRequest,
            1 => Action::ContinueResponse,
            _ => return Err(Status::BadArgument.into()),
        };
        let state = host.state();
        let id = state.acting();
        if let Some(stream) = state.streams.get_mut(&id) {
            stream.request_headers_open = false;
            state.actions.push((id, action));
        }
        Ok(())
    });
    hostcall!(linker, "proxy_close_stream", |host, stream_type: u32| {
        if stream_type > 3 {
            return Err(Status::BadArgument.into());
        }
        let state = host.state();
        let id = state.acting();
        if state.streams.contains_key(&id) {
            state.actions.push((id, Action::Reset));
        }
        Ok(())
    });
    hostcall!(
        linker,
        "proxy_send_local_response",
        |host,
         status: u32,
         details: Word,
         details_size: Word,
         body: Word,
         body_size: Word,
         headers: Word,
         headers_size: Word,
         grpc_status: i32| {
            let headers = host.read(headers, headers_size)?;
            let reply = LocalReply {
                status,
                details: host
                    .read_text(details, details_size)?
                    .replace(|c: char| c.is_ascii_whitespace(), "_"),
                body: host.read(body, body_size)?,
                headers: Headers::deserialize(&headers).ok_or(Status::ParseFailure)?,
                grpc_status,
            };
            let state = host.state();
            let id = state.acting();
            if state.streams.contains_key(&id) {
                state.actions.push((id, Action::Reply(reply)));
            }
            Ok(())
        }
    );
    hostcall!(linker, "proxy_set_effective_context", |host, id: u32| {
        let state = host.state();
        if !state.has_context(id) {
            return Err(Status::BadArgument.into());
        }
        state.effective = id;
        Ok(())
    });
    hostcall!(linker, "proxy_done", |_host| { Ok(()) });
    Ok(())
}

fn readable(host: &mut Host<'_>, map: u32) -> Result<Headers, Failure> {
    let state = host.state();
    match map {
        CALL_RESPONSE_HEADERS => {
            let reply = state.call_reply().ok_or(Status::BadArgument)?;
            Ok(reply.headers.clone())
        }
        // Nothing here answers with trailers.
        CALL_RESPONSE_TRAILERS => Err(Status::BadArgument.into()),
        _ => {
            let map = state
                .stream()
                .and_then(|stream| stream.map(map, Access::Read));
            Ok(map.ok_or(Status::BadArgument)?.clone())
        }
    }
}

fn writable<'a>(host: &'a mut Host<'_>, map: u32) -> Result<&'a mut Headers, Failure> {
    let map = host
        .state()
        .stream()
        .and_then(|stream| stream.map(map, Access::Write));
    map.ok_or(Failure::Status(Status::BadArgument))
}

fn buffer_bytes(state: &mut HostState, buffer: u32) -> Option<Vec<u8>> {
    match buffer {
        PLUGIN_CONFIGURATION => {
            let root = state.root().filter(|root| root.configuring)?;
            Some(root.configuration.clone())
        }
        CALL_RESPONSE_BODY => state.call_reply().map(|reply| reply.body.clone()),
        0 | 1 => state.stream()?.body(buffer).map(|body| body.clone()),
        _ => None,
    }
}

/// For the imports that no filter of ours has a use for: they answer, they do nothing.
pub fn define_unused(linker: &mut Linker) -> Defined {
    fn unimplemented() -> Outcome {
        Err(Status::Unimplemented.into())
    }
    hostcall!(
        linker,
        "proxy_get_status",
        |host, code: Word, data: Word, size: Word| {
            host.write_u32(code, 0)?;
            host.give(&[], data, size)
        }
    );
    hostcall!(
        linker,
        "proxy_grpc_call",
        |_host,
         _service: Word,
         _service_size: Word,
         _name: Word,
         _name_size: Word,
         _method: Word,
         _method_size: Word,
         _metadata: Word,
         _metadata_size: Word,
         _message: Word,
         _message_size: Word,
         _timeout: u32,
         _token: Word| { unimplemented() }
    );
    hostcall!(
        linker,
        "proxy_grpc_stream",
        |_host,
         _service: Word,
         _service_size: Word,
         _name: Word,
         _name_size: Word,
         _method: Word,
         _method_size: Word,
         _metadata: Word,
         _metadata_size: Word,
         _token: Word| { unimplemented() }
    );
    hostcall!(linker, "proxy_grpc_cancel", |_host, _token: u32| {
        unimplemented()
    });
    hostcall!(linker, "proxy_grpc_close", |_host, _token: u32| {
        unimplemented()
    });
    hostcall!(
        linker,
        "proxy_grpc_send",
        |_host, _token: u32, _data: Word, _size: Word, _end: u32| { unimplemented() }
    );
    Ok(())
}
