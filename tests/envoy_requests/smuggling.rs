//! PRO-09: two readings of one message. Whatever Envoy makes of it, behind it arrives at most the one request that was
//! decided about, framed so that no server could read it otherwise.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use crate::harness::h2::{Fields, get, send, send_data};
use crate::harness::upstream::{Heads, keeping_heads};
use crate::harness::{Envoy, Listener, Setup};
use crate::{K, bearer, chat_and_health, stands};

/// What an attacker would like to send as somebody else, or unjudged.
const HIDDEN: &str = "GET /v1/chat?hidden HTTP/1.1\r\nHost: api.test\r\nx-tenant-id: t9\r\n\r\n";

/// A server that takes nothing but what RFC 9112 says to the letter, and keeps every head that it got.
struct Strict {
    address: SocketAddr,
    heads: Heads<String>,
}

impl Strict {
    fn start() -> Self {
        let (address, heads) = keeping_heads(serve);
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the heads").clone()
    }
}

/// Request after request, until the peer has no more.
fn serve(mut stream: TcpStream, book: &Mutex<Vec<String>>) -> io::Result<()> {
    loop {
        let head = through(&mut stream, "\r\n\r\n")?;
        let framing = framing(&head);
        // Told before the body: one that never ends is told as well.
        book.lock().expect("the heads").push(match &framing {
            Ok(_) => head,
            Err(why) => format!("{why}: {head}"),
        });
        match framing {
            Ok(Framing::Length(length)) => {
                let mut body = vec![0; length];
                stream.read_exact(&mut body)?;
            }
            Ok(Framing::Chunked) => chunks(&mut stream)?,
            Err(_) => return Ok(()),
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// A body in chunks without extensions, and its trailers.
fn chunks(stream: &mut TcpStream) -> io::Result<()> {
    loop {
        let line = through(stream, "\r\n")?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        stream.read_exact(&mut chunk)?;
        if size == 0 {
            while through(stream, "\r\n")? != "\r\n" {}
            return Ok(());
        }
        through(stream, "\r\n")?;
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// How the body is framed, where that is beyond doubt.
fn framing(head: &str) -> Result<Framing, &'static str> {
    let (mut lengths, mut codings) = (Vec::new(), Vec::new());
    for line in head.trim_end_matches("\r\n").split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').ok_or("a line without a name")?;
        if line.contains(['\r', '\n', '\0']) || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err("a line that can be read in two ways");
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value.trim().to_owned()),
            "transfer-encoding" => codings.push(value.trim().to_owned()),
            _ => {}
        }
    }
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => length.parse().map(Framing::Length).map_err(|_| "no length"),
        ([], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
        _ => Err("framed twice"),
    }
}

/// Reads up to this text, and it.
fn through(stream: &mut TcpStream, end: &str) -> io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Sends bytes, and reads until Envoy closes, or has nothing to say for a while.
fn send_raw(envoy: &Envoy, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(envoy.address()).expect("the proxy's port");
    let patience = Some(Duration::from_millis(200));
    stream.set_read_timeout(patience).expect("a timeout");
    let _ = stream.write_all(bytes);
    let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => told.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&told).into_owned()
}

fn gate() -> (Strict, Envoy) {
    let upstream = Strict::start();
    let envoy = Envoy::start(
        Setup::with(chat_and_health())
            .model(upstream.address)
            .listener(Listener::RAW),
    );
    (upstream, envoy)
}

/// Of what came upstream since, at most one request with that key, and none without.
#[track_caller]
fn nothing_more(upstream: &Strict, before: usize, has_key: bool, case: &str, told: &str) {
    only_ours(upstream.heads().split_off(before), has_key, case, told);
}

#[track_caller]
fn only_ours(heads: Vec<String>, has_key: bool, case: &str, told: &str) {
    assert!(
        heads.len() <= usize::from(has_key),
        "{case}: {heads:#?} {told}"
    );
    for head in heads {
        assert!(
            head.starts_with("POST /v1/chat HTTP/1.1\r\n"),
            "{case}: {head}"
        );
        assert!(head.contains("x-tenant-id: t2\r\n"), "{case}: {head}");
        assert!(!head.contains("t9") && !head.contains(K), "{case}: {head}");
    }
}

#[test]
fn pro_09_no_framing_of_http_1_brings_a_second_request_behind_the_gate() {
    let (upstream, mut envoy) = gate();
    let body = format!("0\r\n\r\n{HIDDEN}");
    let length = format!("Content-Length: {}", body.len());
    let chunk = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len());
    let chunked = "Transfer-Encoding: chunked";
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec![&length, chunked], &body),
        (vec![chunked, &length], &body),
        (vec!["Content-Length: 6", chunked], &body),
        (vec![&length, "Transfer-Encoding: xchunked"], &body),
        (vec![&length, "Transfer-Encoding : chunked"], &body),
        (vec![&length, "Transfer-Encoding:\x0bchunked"], &body),
        (vec![&length, "Transfer-Encoding: chunked, identity"], &body),
        (vec![&length, "Transfer-Encoding: identity, chunked"], &body),
        (vec![&length, "Transfer_Encoding: chunked"], &body),
        (vec![&length, chunked, "Transfer-Encoding: identity"], &body),
        (
            vec![&length, "X-A: 1\r\n Transfer-Encoding: chunked"],
            &body,
        ),
        (vec![&length, "Transfer-Encoding:\r\n chunked"], &body),
        (vec![&length, "X-A: 1\nTransfer-Encoding: chunked"], &body),
        (vec![&length, "X-A: 1\rTransfer-Encoding: chunked"], &body),
        (vec![&length, "Connection: content-length"], &body),
        (vec![chunked, "Connection: transfer-encoding"], &body),
        (vec!["Content-Length: 5", &length], &body),
        (vec![&length, "Content-Length: 5"], &body),
        (vec!["Content-Length: 5", "Content-Length: 5"], &body),
        (vec!["Content-Length: 5, 5"], &body),
        (vec!["Content-Length: +5"], &body),
        (vec!["Content-Length: 0x5"], &body),
        (vec!["Content-Length: -1"], &body),
        (vec!["Content-Length: 5"], &body),
        (vec!["Content-Length: 18446744073709551621"], &body),
        (vec![chunked], &body),
        (vec![chunked], &chunk),
        (vec![chunked], "5;a=b\r\n{\"a\":\r\n0\r\n\r\n"),
        (vec![chunked], "2;a=\"\r\n{}\r\n0\r\n\r\n"),
        (vec![chunked], "2\n{}\n0\n\n"),
        (vec![chunked], "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        (vec![chunked], "0x2\r\n{}\r\n0\r\n\r\n"),
        (vec![chunked], "2 \r\n{}\r\n0\r\n\r\n"),
        (
            vec![chunked],
            "0\r\nContent-Length: 5\r\nx-tenant-id: t9\r\n\r\n",
        ),
    ];
    for (fields, body) in cases {
        for credential in [bearer(), "X-A: 1".to_owned()] {
            let before = upstream.heads().len();
            let fields = [vec![credential.as_str()], fields.clone()].concat();
            let mut bytes = crate::lines("POST /v1/chat", &fields);
            bytes.extend_from_slice(body.as_bytes());
            bytes.extend_from_slice(HIDDEN.as_bytes());
            let told = send_raw(&envoy, &bytes);
            let has_key = credential != "X-A: 1";
            nothing_more(
                &upstream,
                before,
                has_key,
                &format!("{fields:?} {body:?}"),
                &told,
            );
        }
    }
    // The twins: the same body, framed once.
    for (fields, body) in [
        ([bearer(), length.clone()], &body),
        ([bearer(), chunked.to_owned()], &chunk),
    ] {
        let before = upstream.heads().len();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let bytes = [
            crate::lines("POST /v1/chat", &fields),
            body.as_bytes().to_vec(),
        ]
        .concat();
        let told = send_raw(&envoy, &bytes);
        assert!(told.starts_with("HTTP/1.1 200 "), "{fields:?}: {told}");
        assert_eq!(upstream.heads().len(), before + 1, "{fields:?}");
        nothing_more(&upstream, before, true, "framed once", &told);
    }
    stands(&mut envoy);
}

#[test]
fn pro_09_what_http_2_says_beside_its_frames_does_not_frame_the_request_behind_it() {
    let (upstream, mut envoy) = gate();
    let head = |more: &[(&'static str, &'static [u8])]| {
        let mut fields = get("/v1/chat");
        fields[0].1 = b"POST";
        fields.extend(more);
        fields
    };
    let hidden = HIDDEN.as_bytes();
    let bearer: (&str, &[u8]) = ("x-api-key", K.as_bytes());
    let cases: [&[(&str, &[u8])]; 12] = [
        &[("content-length", b"0")],
        &[("content-length", b"3")],
        &[("content-length", b"4096")],
        &[("content-length", b"3"), ("content-length", b"71")],
        &[("content-length", b"+71")],
        &[("transfer-encoding", b"chunked")],
        &[("content-length", b"71"), ("transfer-encoding", b"chunked")],
        &[("connection", b"keep-alive, content-length")],
        &[("upgrade", b"h2c"), ("connection", b"upgrade")],
        &[("x-a", b"1\r\ntransfer-encoding: chunked")],
        &[("x-a: 1\r\ntransfer-encoding", b"chunked")],
        &[("te", b"chunked")],
    ];
    for (number, case) in cases.iter().enumerate() {
        for key in [bearer, ("x-a", b"1")] {
            let before = upstream.heads().len();
            let mark = format!("{number}-{}", key.0);
            let marked = [key, ("x-case", mark.as_bytes())];
            let fields: Fields<'_> = head(case).into_iter().chain(marked).collect();
            let told = format!("{:?}", send_data(&envoy, &fields, &[hidden]));
            // One that Envoy cuts off may have gone on a moment ago, and be seen only while the next one is sent.
            let (ours, mut heads): (Vec<_>, Vec<_>) = upstream
                .heads()
                .split_off(before)
                .into_iter()
                .partition(|head| head.contains(&format!("x-case: {mark}\r\n")));
            heads.retain(|head| !head.contains("x-case: "));
            heads.extend(ours);
            only_ours(heads, key == bearer, &format!("{case:?}"), &told);
        }
    }
    for path in [
        &b"/v1/chat HTTP/1.1\r\nx-tenant-id: t9\r\n\r\nGET /v1/chat?hidden"[..],
        b"/v1/chat HTTP/1.1",
    ] {
        let before = upstream.heads().len();
        let mut fields: Fields<'_> = head(&[]).into_iter().chain([bearer]).collect();
        fields[3].1 = path;
        let told = format!("{:?}", send(&envoy, &fields, &vec![]));
        assert_eq!(
            upstream.heads().len(),
            before,
            "{}: {told}",
            path.escape_ascii()
        );
    }
    // The twin says what its frames say.
    let before = upstream.heads().len();
    let length = hidden.len().to_string();
    let fields: Fields<'_> = head(&[])
        .into_iter()
        .chain([bearer, ("content-length", length.as_bytes())])
        .collect();
    send_data(&envoy, &fields, &[hidden]);
    assert_eq!(upstream.heads().len(), before + 1);
    nothing_more(&upstream, before, true, "the twin", "");
    stands(&mut envoy);
}
