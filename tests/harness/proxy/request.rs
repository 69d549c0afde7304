//! What a client sends, and what the upstream is to answer to it.

use std::fmt;

use crate::harness::wasm::cluster::Body;
use crate::harness::wasm::headers::Headers;

pub fn get(path: impl AsRef<[u8]>) -> Request {
    request("GET", path)
}

pub fn post(path: impl AsRef<[u8]>) -> Request {
    request("POST", path)
}

/// A request as it leaves Envoy's connection manager for the filter: to `api.example.com`, from `127.0.0.1:44102`.
pub fn request(method: &str, path: impl AsRef<[u8]>) -> Request {
    let mut headers = Headers::default();
    headers.set(":authority", b"api.example.com");
    headers.set(":path", path.as_ref());
    headers.set(":method", method.as_bytes());
    headers.set(":scheme", b"http");
    headers.set("x-forwarded-proto", b"http");
    headers.set("x-request-id", b"6e3c1a52-0000-4000-8000-000000000001");
    Request {
        headers,
        trailers: Headers::default(),
        chunks: Vec::new(),
        peer: "127.0.0.1:44102".to_owned(),
        properties: Vec::new(),
        response: UpstreamResponse::default(),
        disconnects: false,
        malformed: false,
        answered_early: false,
        steps: None,
        worker: 0,
    }
}

#[derive(Clone)]
pub struct Request {
    headers: Headers,
    trailers: Headers,
    chunks: Vec<Vec<u8>>,
    peer: String,
    properties: Vec<(String, Option<Vec<u8>>)>,
    response: UpstreamResponse,
    disconnects: bool,
    malformed: bool,
    answered_early: bool,
    steps: Option<usize>,
    worker: usize,
}

/// What the upstream answers: 200 and `{}` unless told otherwise.
#[derive(Clone)]
pub struct UpstreamResponse {
    pub headers: Headers,
    pub chunks: Vec<Vec<u8>>,
    pub trailers: Headers,
}

impl Default for UpstreamResponse {
    fn default() -> Self {
        let headers = [(":status", "200"), ("content-type", "application/json")]
            .into_iter()
            .collect();
        Self {
            headers,
            chunks: vec![b"{}".to_vec()],
            trailers: Headers::default(),
        }
    }
}

/// What the client sends.
impl Request {
    /// Appends a header; Envoy joins a few known ones with a comma, the others stay apart.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value.as_ref());
        self
    }

    #[must_use]
    pub fn bearer(self, jwt: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", jwt.as_ref());
        self.header("authorization", value)
    }

    /// Replaces a header that is there by default, such as `:scheme`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.set(name, value.as_ref());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    #[must_use]
    pub fn host(self, host: impl AsRef<[u8]>) -> Self {
        self.with(":authority", host)
    }

    /// `source.address` as Envoy tells it: `10.1.2.3:4444`, `[::1]:4444`; port 0 if it came from a header.
    #[must_use]
    pub fn from(mut self, peer: &str) -> Self {
        peer.clone_into(&mut self.peer);
        self
    }

    /// A property in the place of the harness's own, by its dotted path.
    #[must_use]
    pub fn property(mut self, path: &str, value: impl AsRef<[u8]>) -> Self {
        self.properties
            .push((path.to_owned(), Some(value.as_ref().to_vec())));
        self
    }

    #[must_use]
    pub fn without_property(mut self, path: &str) -> Self {
        self.properties.push((path.to_owned(), None));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.chunks = vec![body.into().0];
        self
    }

    /// The body in the pieces in which Envoy happens to hand it over.
    #[must_use]
    pub fn chunks<B: Into<Body>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.chunks = chunks.into_iter().map(|chunk| chunk.into().0).collect();
        self
    }

    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.add(name, value.as_ref());
        self
    }

    /// The client leaves as soon as the filter makes it wait.
    #[must_use]
    pub fn disconnects(mut self) -> Self {
        self.disconnects = true;
        self
    }

    /// Envoy refuses it by itself: of the filter only `on_log` runs.
    #[must_use]
    pub fn malformed(mut self) -> Self {
        self.malformed = true;
        self
    }

    /// The upstream answers when the last piece has come, but before the body has ended.
    #[must_use]
    pub fn answered_early(mut self) -> Self {
        self.answered_early = true;
        self
    }

    /// Its head comes, and what follows comes when [`Proxy::step`](super::Proxy::step) says.
    #[must_use]
    pub fn in_steps(mut self) -> Self {
        self.steps = Some(1);
        self
    }

    /// Which of several workers gets it.
    #[must_use]
    pub fn on_worker(mut self, worker: usize) -> Self {
        self.worker = worker;
        self
    }
}

/// What the upstream answers.
impl Request {
    #[must_use]
    pub fn response_status(mut self, status: u32) -> Self {
        self.response
            .headers
            .set(":status", status.to_string().as_bytes());
        self
    }

    #[must_use]
    pub fn response_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if name == "content-type" {
            self.response.headers.remove(name);
        }
        self.response.headers.add(name, value.as_ref());
        self
    }

    #[must_use]
    pub fn response_body(self, body: impl Into<Body>) -> Self {
        self.response_chunks([body])
    }

    #[must_use]
    pub fn response_chunks<B: Into<Body>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.response.chunks = chunks.into_iter().map(|chunk| chunk.into().0).collect();
        self
    }

    #[must_use]
    pub fn response_trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.response.trailers.add(name, value.as_ref());
        self
    }
}

/// For the host.
impl Request {
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    pub fn request_trailers(&self) -> &Headers {
        &self.trailers
    }

    pub fn request_chunks(&self) -> &[Vec<u8>] {
        &self.chunks
    }

    pub fn peer(&self) -> String {
        self.peer.clone()
    }

    /// A test's own value for a property, `Some(None)` for one that it took away.
    pub fn property_override(&self, path: &str) -> Option<Option<Vec<u8>>> {
        self.properties
            .iter()
            .rev()
            .find(|(name, _)| name == path)
            .map(|(_, value)| value.clone())
    }

    pub fn upstream_response(&self) -> &UpstreamResponse {
        &self.response
    }

    pub fn leaves_when_waiting(&self) -> bool {
        self.disconnects
    }

    pub fn is_answered_early(&self) -> bool {
        self.answered_early
    }

    pub fn steps(&self) -> Option<usize> {
        self.steps
    }

    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    pub fn worker(&self) -> usize {
        self.worker
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: usize = self.chunks.iter().map(Vec::len).sum();
        write!(
            f,
            "from {}\n{:?}    {body} body bytes in {} chunks",
            self.peer,
            self.headers,
            self.chunks.len()
        )
    }
}
