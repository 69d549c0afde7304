//! The clusters that the filter may call: what each would answer, and what it was asked.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::headers::Headers;
use super::process::Process;

/// Bodies above this reset the call, as Envoy does somewhere between 10 and 64 MiB.
const LARGEST_BODY: usize = 32 << 20;

/// Bytes of a body, from whatever is at hand.
#[derive(Clone, Default)]
pub struct Body(pub Vec<u8>);

macro_rules! body_from {
    ($($from:ty => |$value:ident| $bytes:expr;)*) => {
        $(impl From<$from> for Body {
            fn from($value: $from) -> Self { Self($bytes) }
        })*
    };
}
body_from! {
    &str => |text| text.as_bytes().to_vec();
    String => |text| text.into_bytes();
    &String => |text| text.as_bytes().to_vec();
    Vec<u8> => |bytes| bytes;
    &Vec<u8> => |bytes| bytes.clone();
    &[u8] => |bytes| bytes.to_vec();
    serde_json::Value => |json| json.to_string().into_bytes();
    &serde_json::Value => |json| json.to_string().into_bytes();
}

/// What a cluster answers to one call.
#[derive(Clone)]
pub struct Reply {
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u32, headers: &[(&str, &str)], body: impl Into<Body>) -> Self {
        let mut all: Headers = [(":status", status.to_string())].into_iter().collect();
        for (name, value) in headers {
            all.add(name, value.as_bytes());
        }
        Self {
            headers: all,
            body: body.into().0,
        }
    }

    fn from_envoy(status: u32, text: &str) -> Self {
        let length = text.len().to_string();
        Self::new(
            status,
            &[("content-length", &length), ("content-type", "text/plain")],
            text,
        )
    }
}

type Handler = Box<dyn FnMut(&Hit) -> Reply + Send>;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Up,
    Unknown,
    Down,
    Refuses,
    Resets,
    Hangs,
}

#[derive(Default)]
pub struct ClusterState {
    mode: Mode,
    latency: Duration,
    routes: Vec<(String, Handler)>,
    pub hits: Vec<Hit>,
}

impl ClusterState {
    pub fn known(&self) -> bool {
        self.mode != Mode::Unknown
    }

    pub fn reachable(&self) -> bool {
        self.mode != Mode::Down
    }

    /// When a call sent at `sent` is answered, if ever. Judged by the cluster's state of now, not of then.
    pub fn answers_at(&self, sent: Duration, timeout: Duration) -> Option<Duration> {
        let timed_out = (!timeout.is_zero()).then(|| sent + timeout);
        match self.mode {
            Mode::Hangs => timed_out,
            _ => Some(timed_out.map_or(sent + self.latency, |end| end.min(sent + self.latency))),
        }
    }

    /// The answer; `None` is a reset, which the filter sees as a call response with no headers.
    pub fn answer(&mut self, hit: &Hit) -> Option<Reply> {
        let too_late = !hit.timeout.is_zero() && self.latency >= hit.timeout;
        match self.mode {
            Mode::Resets => return None,
            Mode::Hangs => return Some(Reply::from_envoy(504, "upstream request timeout")),
            _ if too_late => return Some(Reply::from_envoy(504, "upstream request timeout")),
            Mode::Refuses | Mode::Down | Mode::Unknown => {
                let text = "upstream connect error or disconnect/reset before headers. reset reason: connection failure";
                return Some(Reply::from_envoy(503, text));
            }
            Mode::Up => {}
        }
        let path = hit.path();
        let bare = path.split('?').next().unwrap_or_default().to_owned();
        let route = self
            .routes
            .iter_mut()
            .find(|(at, _)| *at == path || *at == bare);
        let reply = route.map_or_else(
            || Reply::new(404, &[], "nothing is served here"),
            |(_, handler)| handler(hit),
        );
        (reply.body.len() <= LARGEST_BODY).then_some(reply)
    }
}

/// A cluster by name, to say what it does and to ask what it saw.
pub struct Cluster {
    pub(super) process: Process,
    pub(super) name: String,
}

impl Cluster {
    /// 200 with this body. The cluster is up again, if it was not.
    pub fn serves(&self, path: &str, body: impl Into<Body>) -> &Self {
        self.answers(path, 200, &[("content-type", "application/json")], body)
    }

    pub fn answers(
        &self,
        path: &str,
        status: u32,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> &Self {
        let reply = Reply::new(status, headers, body);
        self.replies(path, move |_| reply.clone())
    }

    /// The answer depends on what was asked.
    pub fn replies(
        &self,
        path: &str,
        handler: impl FnMut(&Hit) -> Reply + Send + 'static,
    ) -> &Self {
        self.change(|state| {
            state.mode = Mode::Up;
            state.routes.retain(|(at, _)| at != path);
            state.routes.push((path.to_owned(), Box::new(handler)));
        })
    }

    /// Every answer takes this long; a call whose timeout is shorter gets 504.
    pub fn takes(&self, latency: Duration) -> &Self {
        self.change(|state| state.latency = latency)
    }

    pub fn up(&self) -> &Self {
        self.change(|state| state.mode = Mode::Up)
    }

    /// No endpoint, or a full circuit breaker: the call fails at once with `InternalFailure`.
    pub fn down(&self) -> &Self {
        self.change(|state| state.mode = Mode::Down)
    }

    /// Nobody listens: Envoy answers 503 with its own text.
    pub fn refuses(&self) -> &Self {
        self.change(|state| state.mode = Mode::Refuses)
    }

    /// The connection breaks in mid-body, or the body is too big: an answer without headers.
    pub fn resets(&self) -> &Self {
        self.change(|state| state.mode = Mode::Resets)
    }

    /// No answer: 504 once the call's own timeout is over, nothing ever without one.
    pub fn hangs(&self) -> &Self {
        self.change(|state| state.mode = Mode::Hangs)
    }

    /// Envoy has no such cluster: the call fails at once with `BadArgument`.
    pub fn unknown(&self) -> &Self {
        self.change(|state| state.mode = Mode::Unknown)
    }

    pub fn hits(&self) -> Hits {
        Hits(self.process.world().cluster(&self.name).hits.clone())
    }

    fn change(&self, change: impl FnOnce(&mut ClusterState)) -> &Self {
        change(self.process.world().cluster(&self.name));
        self
    }
}

/// One request that reached a cluster or the upstream.
#[derive(Clone)]
pub struct Hit {
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// The call's own timeout; zero for none, and for requests that went upstream.
    pub timeout: Duration,
    pub worker: usize,
}

impl Hit {
    pub fn method(&self) -> String {
        self.headers.text(":method").unwrap_or_default()
    }

    pub fn path(&self) -> String {
        self.headers.text(":path").unwrap_or_default()
    }

    pub fn host(&self) -> String {
        self.headers.text(":authority").unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Vec<Vec<u8>> {
        self.headers.all(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "worker {} (timeout {:?})", self.worker, self.timeout)?;
        write!(f, "{:?}    {} body bytes", self.headers, self.body.len())
    }
}

/// What was seen, in order. Compares with a number: `assert_eq!(cluster.hits(), 1)`.
#[derive(Clone, Debug, Default)]
pub struct Hits(pub Vec<Hit>);

impl Deref for Hits {
    type Target = [Hit];
    fn deref(&self) -> &[Hit] {
        &self.0
    }
}

impl PartialEq<usize> for Hits {
    fn eq(&self, count: &usize) -> bool {
        self.0.len() == *count
    }
}

impl Hits {
    #[track_caller]
    pub fn saw_nothing(&self) {
        assert!(
            self.0.is_empty(),
            "expected nothing to arrive, but saw {self:#?}"
        );
    }
}
