//! The model server's stand-in: it remembers every request and answers with what it saw, so that a test can say
//! what did arrive and what did not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::server::Server;

/// A request as it reached the upstream. Names and values are bytes: a client may send any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub trailers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Its end came. Otherwise the body broke off, and what came of it is not kept.
    pub is_whole: bool,
}

impl Seen {
    /// Every value of a header, in the order they came.
    pub fn all(&self, name: &str) -> Vec<String> {
        let same = |(other, _): &&(String, Vec<u8>)| other.eq_ignore_ascii_case(name);
        let text = |(_, value): &(String, Vec<u8>)| String::from_utf8_lossy(value).into_owned();
        self.headers.iter().filter(same).map(text).collect()
    }

    /// The value of a header that came once or not at all.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        assert!(values.len() < 2, "{name} came more than once: {values:?}");
        values.pop()
    }

    /// True if this text stands anywhere in the request: a credential must not.
    pub fn contains(&self, text: &str) -> bool {
        let has = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        let fields = self.headers.iter().chain(&self.trailers);
        has(self.target.as_bytes())
            || has(&self.body)
            || fields
                .clone()
                .any(|(name, value)| has(name.as_bytes()) || has(value))
    }

    fn to_json(&self) -> Value {
        let text =
            |(name, value): &(String, Vec<u8>)| json!([name, String::from_utf8_lossy(value)]);
        json!({
            "method": self.method,
            "target": self.target,
            "headers": self.headers.iter().map(text).collect::<Vec<_>>(),
            "trailers": self.trailers.iter().map(text).collect::<Vec<_>>(),
            "body_bytes": self.body.len(),
        })
    }
}

/// What the upstream answers; the body is what it saw unless one is given.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub delay: Duration,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: None,
            delay: Duration::ZERO,
        }
    }
}

#[derive(Default)]
struct Book {
    seen: Vec<Seen>,
    reply: Reply,
}

/// A running upstream.
pub struct Upstream {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl Upstream {
    /// Starts one that answers 200.
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&book));
        Self {
            server: Server::start(app),
            book,
        }
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// From now on it answers so.
    pub fn replies(&self, reply: Reply) {
        self.book().reply = reply;
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.book().seen.clone()
    }

    /// The last request.
    pub fn last(&self) -> Seen {
        self.book()
            .seen
            .last()
            .cloned()
            .expect("the upstream saw no request")
    }

    /// Forgets what it saw.
    pub fn forget(&self) {
        self.book().seen.clear();
    }

    /// A refused request must not reach the upstream.
    pub fn saw_nothing(&self) {
        let seen = self.seen();
        assert!(seen.is_empty(), "the upstream was reached: {seen:#?}");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("the upstream's book")
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let fields = |map: &http::HeaderMap| {
        map.iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect::<Vec<_>>()
    };
    let (is_whole, body, trailers) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().map(fields).unwrap_or_default();
            (true, collected.to_bytes().to_vec(), trailers)
        }
        Err(_) => (false, Vec::new(), Vec::new()),
    };
    let seen = Seen {
        method: head.method.to_string(),
        target: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: fields(&head.headers),
        trailers,
        body,
        is_whole,
    };
    let echo = seen.to_json().to_string();
    let reply = {
        let mut book = book.lock().expect("the upstream's book");
        book.seen.push(seen);
        book.reply.clone()
    };
    tokio::time::sleep(reply.delay).await;
    let mut response = Response::builder().status(reply.status);
    if reply.body.is_none() {
        response = response.header("content-type", "application/json");
    }
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(reply.body.unwrap_or_else(|| echo.into_bytes())))
        .expect("a response")
}

/// The heads that a server got so far, whichever connection they were on.
pub type Heads<T> = Arc<Mutex<Vec<T>>>;

/// A server that hands each connection to this, in a thread of its own, and one list of heads to all of them.
pub fn keeping_heads<T, R>(serve: fn(TcpStream, &Mutex<Vec<T>>) -> R) -> (SocketAddr, Heads<T>)
where
    T: Send + 'static,
    R: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    let heads = Heads::<T>::default();
    let kept = Arc::clone(&heads);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || serve(stream, &kept));
        }
    });
    (address, heads)
}

/// An upstream without manners: it keeps the head as raw bytes, agrees to any upgrade, and echoes what follows.
pub struct RawUpstream {
    address: SocketAddr,
    heads: Heads<Vec<u8>>,
}

impl RawUpstream {
    /// Starts one. Its threads end with their connections, the listening one with the test program.
    pub fn start() -> Self {
        let (address, heads) = keeping_heads(echo_raw);
        Self { address, heads }
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request head so far, with the empty line that ends it.
    pub fn heads(&self) -> Vec<Vec<u8>> {
        self.heads.lock().expect("the heads").clone()
    }
}

fn echo_raw(mut stream: TcpStream, heads: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") && Instant::now() < deadline {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    let upgrade = head
        .windows(9)
        .any(|window| window.eq_ignore_ascii_case(b"\nupgrade:"));
    heads.lock().expect("the heads").push(head);
    if !upgrade {
        return stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .ok();
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").ok()?;
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        stream.write_all(buffer.get(..length)?).ok()?;
    }
    Some(())
}
