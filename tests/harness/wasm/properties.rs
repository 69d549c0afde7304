//! Attributes of a stream, each in the phases where Envoy has it.

use super::state::HostState;
use super::stream::{End, Stage, Stream};

/// A property by its path, whose parts are separated by NUL.
pub fn get(state: &mut HostState, path: &str) -> Option<Vec<u8>> {
    let dotted = path.replace('\0', ".");
    let now = state.process.world().clock.wall;
    match dotted.as_str() {
        "plugin_name" => return Some(state.plugin_name.clone().into_bytes()),
        "plugin_root_id" | "plugin_vm_id" => return Some(b"tenantgate".to_vec()),
        _ => {}
    }
    let id = state.acting();
    let stream = state.stream()?;
    if let Some(value) = stream.request.property_override(&dotted) {
        return value;
    }
    if let Some(value) = stream.filter_state.get(&format!("wasm.{dotted}")) {
        return Some(value.clone());
    }
    match dotted.as_str() {
        "source.address" => Some(stream.request.peer().into_bytes()),
        "source.port" => number(stream.request.peer().rsplit(':').next()?.parse().ok()?),
        "connection.id" => number(u64::from(id)),
        "connection.mtls" => Some(vec![0]),
        "xds.cluster_name" => Some(b"upstream".to_vec()),
        "request.time" => number(u64::try_from(now.as_nanos()).ok()?),
        _ => request(stream, &dotted).or_else(|| response(stream, &dotted)),
    }
}

fn request(stream: &Stream, path: &str) -> Option<Vec<u8>> {
    // With the headers go the properties that are made of them.
    if !stream.request_headers_open && stream.stage != Stage::Logging {
        return None;
    }
    let header = |name: &str| stream.request_headers.first(name).map(<[u8]>::to_vec);
    match path {
        "request.path" => header(":path"),
        "request.url_path" => header(":path").map(|path| {
            path.split(|b| *b == b'?')
                .next()
                .unwrap_or_default()
                .to_vec()
        }),
        "request.host" => header(":authority"),
        "request.scheme" => header(":scheme"),
        "request.method" => header(":method"),
        "request.id" => header("x-request-id"),
        "request.useragent" => header("user-agent"),
        "request.referer" => header("referer"),
        "request.protocol" => Some(b"HTTP/1.1".to_vec()),
        _ => {
            let values = stream
                .request_headers
                .all(path.strip_prefix("request.headers.")?);
            if values.is_empty() {
                None
            } else {
                Some(values.join(&b','))
            }
        }
    }
}

fn response(stream: &Stream, path: &str) -> Option<Vec<u8>> {
    if stream.stage != Stage::Logging {
        return None;
    }
    match path {
        "request.duration" => number(1_000_000),
        "response.code" if stream.end != End::Disconnected => number(u64::from(stream.status)),
        "response.flags" => number(0),
        "response.size" => number(stream.received.len() as u64),
        "response.code_details" if !stream.details.is_empty() => {
            Some(stream.details.clone().into_bytes())
        }
        "upstream.address" if stream.hit.is_some() => Some(b"10.0.0.1:8080".to_vec()),
        _ => None,
    }
}

fn number(value: u64) -> Option<Vec<u8>> {
    Some(value.to_le_bytes().to_vec())
}
