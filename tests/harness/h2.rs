//! As much of an HTTP/2 client as it takes to send what no library would (RFC 9113): one request a connection, header
//! fields written literally, of the answer the data alone.

use super::Envoy;
use super::wire::Wire;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Header fields, in order.
pub type Fields<'a> = Vec<(&'a str, &'a [u8])>;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response with this body.
    Body(String),
    /// The stream or the connection was cut without one.
    Cut,
}

impl Answer {
    /// The reason code of a refusal by the gate.
    pub fn reason(&self) -> String {
        let Self::Body(body) = self else {
            return String::new();
        };
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        json["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A GET to `api.test` over TLS-less HTTP/2, to be changed.
pub fn get(path: &str) -> Fields<'_> {
    vec![
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", path.as_bytes()),
    ]
}

/// Sends one request; with trailers it has a body of two bytes.
pub fn send(envoy: &Envoy, fields: &Fields<'_>, trailers: &Fields<'_>) -> Answer {
    if trailers.is_empty() {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
        return exchange(envoy, &[head], usize::MAX);
    }
    exchange(
        envoy,
        &[
            frame(HEADERS, END_HEADERS, 1, &block(fields)),
            frame(DATA, 0, 1, b"{}"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers)),
        ],
        usize::MAX,
    )
}

/// Sends one request whose body comes in these frames, of which the last ends it.
pub fn send_data(envoy: &Envoy, fields: &Fields<'_>, data: &[&[u8]]) -> Answer {
    let mut frames = vec![frame(HEADERS, END_HEADERS, 1, &block(fields))];
    for (index, piece) in data.iter().enumerate() {
        let is_last = index + 1 == data.len();
        let flags = if is_last { END_STREAM } else { 0 };
        frames.push(frame(DATA, flags, 1, piece));
    }
    exchange(envoy, &frames, usize::MAX)
}

/// Opens a tunnel, says this at once, and listens until as much has come back: tunnels have no end.
pub fn tunnel(envoy: &Envoy, fields: &Fields<'_>, said: &[u8]) -> Answer {
    let head = frame(HEADERS, END_HEADERS, 1, &block(fields));
    exchange(envoy, &[head, frame(DATA, 0, 1, said)], said.len())
}

/// Sends frames, and reads an answer until it ends, or has so many bytes.
fn exchange(envoy: &Envoy, frames: &[Vec<u8>], enough: usize) -> Answer {
    let mut wire = open(envoy, frames);
    let (mut answered, mut body) = (false, Vec::new());
    while let Some((kind, flags, payload)) = next(&mut wire) {
        match kind {
            HEADERS => answered = true,
            DATA => {
                body.extend(payload);
                if body.len() >= enough {
                    break;
                }
            }
            RESET | GOAWAY => break,
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            break;
        }
    }
    if answered {
        Answer::Body(String::from_utf8_lossy(&body).into_owned())
    } else {
        Answer::Cut
    }
}

/// Sends the head of a request and, if there is to be a body, the beginning of one that does not end.
pub fn begin(envoy: &Envoy, fields: &Fields<'_>, body: Option<&[u8]>) -> Wire {
    let end = if body.is_none() { END_STREAM } else { 0 };
    let head = frame(HEADERS, END_HEADERS | end, 1, &block(fields));
    let body = body.filter(|body| !body.is_empty());
    let data = body.map(|body| frame(DATA, 0, 1, body));
    open(envoy, &[head, data.unwrap_or_default()])
}

/// Begins a connection with these frames.
fn open(envoy: &Envoy, frames: &[Vec<u8>]) -> Wire {
    let mut wire = envoy.wire();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frames.concat());
    wire.send(&bytes);
    wire
}

/// Reads until the head of the answer has come.
pub fn until_head(wire: &mut Wire) -> Option<()> {
    while next(wire)?.0 != HEADERS {}
    Some(())
}

/// Gives the request up, as a client does that has enough: `CANCEL` (RFC 9113 section 7).
pub fn cancel(wire: &mut Wire) {
    wire.send(&frame(RESET, 0, 1, &8_u32.to_be_bytes()));
}

/// The next frame: what it is, its flags, and what is in it. `None` at the end of the connection.
fn next(wire: &mut Wire) -> Option<(u8, u8, Vec<u8>)> {
    let head = wire.bytes(9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let payload = wire.bytes(length)?;
    if head[3] == SETTINGS && head[4] & ACK == 0 {
        wire.send(&frame(SETTINGS, ACK, 0, &[]));
    }
    Some((head[3], head[4], payload))
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a small payload")
        .to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// RFC 7541 section 6.2.2: literal fields without indexing, with new names.
fn block(fields: &Fields<'_>) -> Vec<u8> {
    let text = |text: &[u8]| [length(text.len()), text.to_vec()].concat();
    fields
        .iter()
        .flat_map(|(name, value)| [vec![0], text(name.as_bytes()), text(value)].concat())
        .collect()
}

/// RFC 7541 section 5.1, with a prefix of seven bits.
fn length(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else {
        return vec![u8::try_from(length).expect("seven bits")];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}
