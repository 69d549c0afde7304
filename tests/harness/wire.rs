//! Raw bytes over TCP: what no well-behaved client library would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection to the proxy.
pub struct Wire {
    stream: TcpStream,
    /// Bytes received and not yet consumed.
    pending: Vec<u8>,
}

/// A response as it stood on the wire.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// Status line and header lines, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let field = |line: &'_ str| -> Option<(usize, bool)> {
            let colon = line.find(':')?;
            Some((colon, line.get(..colon)?.eq_ignore_ascii_case(name)))
        };
        let value = |line| match field(line) {
            Some((colon, true)) => line.get(colon + 1..).map(str::trim),
            _ => None,
        };
        self.head.lines().filter_map(value).collect()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    /// Connects; no read waits longer than ten seconds.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the proxy's port");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// Sends bytes as they are; true if the peer took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request without a body: the request line, a host, and these header lines, byte for byte.
    pub fn request(&mut self, method: &str, target: &str, fields: &[&[u8]]) -> bool {
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: gate.test\r\n").into_bytes();
        for field in fields {
            bytes.extend_from_slice(field);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes)
    }

    /// Reads one response, its body by `content-length`, chunks or the end of the connection; `None` if the peer
    /// closed without an answer. Pipelined answers come one a call.
    pub fn answer(&mut self) -> Option<RawAnswer> {
        let end = loop {
            if let Some(at) = find(&self.pending, b"\r\n\r\n") {
                break at;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.take(end + 4))
            .trim_end()
            .to_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status line");
        let mut answer = RawAnswer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .and_then(|text| text.parse::<usize>().ok());
        if let Some(length) = length {
            while self.pending.len() < length {
                self.more()?;
            }
            answer.body = self.take(length);
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks()?;
        } else if status >= 200 && status != 204 && status != 304 {
            while self.more().is_some() {}
            answer.body = std::mem::take(&mut self.pending);
        }
        Some(answer)
    }

    /// Reads exactly so many bytes, as an upgraded connection carries them.
    pub fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.pending.len() < count {
            self.more()?;
        }
        Some(self.take(count))
    }

    /// Reads until this text has come; `None` if the peer closed before.
    pub fn until(&mut self, text: &str) -> Option<()> {
        while find(&self.pending, text.as_bytes()).is_none() {
            self.more()?;
        }
        Some(())
    }

    /// Tells the peer that nothing more comes.
    pub fn end(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).expect("a chunk size");
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.bytes(size)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.pending, b"\r\n") {
                return Some(
                    String::from_utf8_lossy(&self.take(at + 2))
                        .trim_end()
                        .to_owned(),
                );
            }
            self.more()?;
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.pending.drain(..count).collect()
    }

    /// Reads what is there; `None` at the end of the connection.
    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(length) => {
                self.pending.extend_from_slice(buffer.get(..length)?);
                Some(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer on the wire: {error}"),
        }
    }
}

/// A request head to `api.test`, with these lines.
pub fn lines(first: &str, fields: &[&str]) -> Vec<u8> {
    let head = format!("{first} HTTP/1.1\r\nHost: api.test");
    let lines = [&[head.as_str()], fields, &["", ""]].concat();
    lines.join("\r\n").into_bytes()
}

/// Status and reason of a refusal by the gate, status alone of one by Envoy.
pub fn word(answer: &RawAnswer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let reason = body
        .pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!("{} {reason}", answer.status).trim_end().to_owned()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
