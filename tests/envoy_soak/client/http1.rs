//! A client of HTTP/1.1 that sends what it is given, byte for byte, in whatever manner.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use crate::shot::{Answer, ID, Manner, Payload, Shot, Stage};

/// The pieces of who is slow, and the pauses between them.
const PIECE_BYTES: usize = 40;
const PAUSE: Duration = Duration::from_millis(15);
const READ_PAUSE: Duration = Duration::from_millis(2);

/// One connection to the gate.
pub struct Connection {
    stream: TcpStream,
    /// What was received and not yet consumed.
    pending: Vec<u8>,
    /// What one read may fill.
    buffer: Vec<u8>,
    closed: bool,
    /// The head of the last answer.
    last: String,
    reads_slowly: bool,
}

impl Connection {
    pub async fn to(gate: SocketAddr) -> Self {
        let stream = TcpStream::connect(gate).await.expect("the gate's port");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream,
            pending: Vec::new(),
            buffer: vec![0; 16 * 1024],
            closed: false,
            last: String::new(),
            reads_slowly: false,
        }
    }

    /// Whether it can be used on.
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Sends a request and reads its answer; nothing, where the client leaves before.
    pub async fn exchange(&mut self, shot: &Shot) -> Option<Answer> {
        let (head, body) = match &shot.raw {
            Some(bytes) => (bytes.clone(), Vec::new()),
            None => (shot.head(), shot.body()),
        };
        match shot.manner {
            Manner::Plain | Manner::ReadingSlowly => self.write(&[head, body].concat()).await,
            Manner::Slowly => {
                for piece in head.chunks(PIECE_BYTES) {
                    self.write(piece).await;
                    sleep(PAUSE).await;
                }
                self.write(&body).await;
            }
            Manner::Leaving(stage) => {
                self.leaves(stage, &head, &body).await;
                return None;
            }
        }
        self.reads_slowly = shot.manner == Manner::ReadingSlowly;
        let answer = self.answer(shot.method).await;
        // Envoy answers before it has read the body of who is refused, and closes then.
        if answer.echo.is_none() && shot.payload != Payload::None || shot.raw.is_some() {
            self.closed = true;
        }
        Some(answer)
    }

    async fn leaves(&mut self, stage: Stage, head: &[u8], body: &[u8]) {
        self.closed = true;
        match stage {
            Stage::InTheHead => self.write(&head[..head.len() / 2]).await,
            Stage::InTheBody => {
                self.write(head).await;
                self.write(&body[..body.len() / 2]).await;
            }
            Stage::AfterTheRequest => self.write(&[head, body].concat()).await,
            Stage::InTheAnswer => {
                self.write(&[head, body].concat()).await;
                let _ = self.more().await;
            }
        }
    }

    /// Writes all of it, unless the gate has closed.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads one answer.
    pub async fn answer(&mut self, method: &str) -> Answer {
        let mut answer = Answer::default();
        let read = timeout(PATIENCE, self.read_into(&mut answer, method)).await;
        if read == Ok(Some(())) {
            answer.is_whole = true;
        } else {
            self.closed = true;
            answer.after.clone_from(&self.last);
        }
        answer
    }

    async fn read_into(&mut self, answer: &mut Answer, method: &str) -> Option<()> {
        let head = loop {
            while find(&self.pending, b"\r\n\r\n").is_none() {
                self.more().await?;
            }
            let end = find(&self.pending, b"\r\n\r\n")?;
            let head: Vec<u8> = self.pending.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
            if status >= 200 {
                answer.status = Some(status);
                break head;
            }
        };
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        answer.echo = field(ID).and_then(|id| id.parse().ok());
        answer.grpc_status = field("grpc-status").and_then(|code| code.parse().ok());
        self.last.clone_from(&head);
        answer.names_somebody = field("x-tenant-id").is_some();
        if let Some(message) = field("grpc-message") {
            answer.reason = super::reason(message.as_bytes());
        }
        self.closed |= field("connection") == Some("close");
        let body = if method == "HEAD" || matches!(answer.status, Some(204 | 304)) {
            Vec::new()
        } else if let Some(length) = field("content-length") {
            self.take(length.parse().ok()?).await?
        } else if field("transfer-encoding") == Some("chunked") {
            self.chunks().await?
        } else {
            while self.more().await.is_some() {}
            std::mem::take(&mut self.pending)
        };
        if answer.echo.is_none() && answer.reason.is_empty() {
            answer.reason = super::reason(&body);
        }
        Some(())
    }

    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            if size == 0 {
                while !self.line().await?.trim().is_empty() {}
                return Some(body);
            }
            body.extend(self.take(size).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        while find(&self.pending, b"\r\n").is_none() {
            self.more().await?;
        }
        let end = find(&self.pending, b"\r\n")?;
        let line: Vec<u8> = self.pending.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.pending.len() < count {
            self.more().await?;
        }
        Some(self.pending.drain(..count).collect())
    }

    /// Reads what is there; nothing at the end of the connection.
    async fn more(&mut self) -> Option<()> {
        let mut room = self.buffer.len();
        if self.reads_slowly {
            sleep(READ_PAUSE).await;
            room /= 4;
        }
        let length = self.stream.read(&mut self.buffer[..room]).await.ok()?;
        self.pending.extend_from_slice(&self.buffer[..length]);
        (length > 0).then_some(())
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
