//! One request to be sent: its bytes, how it is sent, and what must become of it.

use crate::oracle::{Rule, Verdict};

/// The header that carries a request's number: in the request, at the upstream, in the access log, and back.
pub const ID: &str = "x-soak-id";
/// The header that tells the upstream what to answer with: see [`Reply`].
pub const REPLY: &str = "x-soak-reply";
/// Whatever a client says of itself that it is not has this in it. It must never reach the upstream as an identity.
pub const SPOOFED: &str = "spoofed";
/// What every secret of the run has in it, and no log may have.
pub const CANARY: &str = "canary";

/// What the upstream answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A few bytes of text.
    Plain,
    /// A chat completion with its usage.
    Json,
    /// The same as a stream of events, in pieces.
    Events,
    /// A quarter of a megabyte.
    Large,
}

impl Reply {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Events => "events",
            Self::Large => "large",
        }
    }

    pub fn named(name: &[u8]) -> Self {
        match name {
            b"json" => Self::Json,
            b"events" => Self::Events,
            b"large" => Self::Large,
            _ => Self::Plain,
        }
    }

    /// What the upstream says of the tokens of a request, and the log must say: another count for each.
    pub fn usage(self, id: u64) -> Option<(u64, u64)> {
        matches!(self, Self::Json | Self::Events).then_some((id % 9973 + 1, id % 89 + 1))
    }
}

/// How the bytes go over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All at once, and the answer is read.
    Plain,
    /// The head in little pieces, with pauses.
    Slowly,
    /// The answer is read in little pieces, with pauses.
    ReadingSlowly,
    /// The client leaves.
    Leaving(Stage),
}

/// When a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    InTheHead,
    InTheBody,
    /// When it has said all, without waiting for an answer.
    AfterTheRequest,
    /// When the first bytes of the answer are there.
    InTheAnswer,
}

/// A request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<u8>),
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Its number in the run.
    pub id: u64,
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub host: String,
    /// Header fields beside `Host`, the number and the body's.
    pub fields: Vec<(&'static str, Vec<u8>)>,
    pub payload: Payload,
    pub manner: Manner,
    /// The bytes, where the above could not say them.
    pub raw: Option<Vec<u8>>,
    /// Numbers of what stands in it and must never become a request.
    pub smuggled: Vec<u64>,
    pub rule: Rule,
}

impl Shot {
    /// A GET of that, for which this is right.
    pub fn get(id: u64, target: &str, rule: impl Into<Rule>) -> Self {
        Self {
            id,
            method: "GET",
            target: target.to_owned(),
            host: "gate.test".to_owned(),
            fields: Vec::new(),
            payload: Payload::None,
            manner: Manner::Plain,
            raw: None,
            smuggled: Vec::new(),
            rule: rule.into(),
        }
    }

    #[must_use]
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.field("authorization", format!("Bearer {credential}"))
    }

    #[must_use]
    pub fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// A POST of JSON.
    #[must_use]
    pub fn json(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.method = "POST";
        self.payload = Payload::Sized(body.into());
        self.field("content-type", "application/json")
    }

    /// Asks the upstream for this answer, of which the log must tell what it says of tokens, if the request passes.
    #[must_use]
    pub fn reply(mut self, reply: Reply) -> Self {
        let usage = reply.usage(self.id);
        match &mut self.rule {
            Rule::Always(Verdict::Admit(admission))
            | Rule::KeyOfConfig(_, admission)
            | Rule::EndpointOfConfig(_, admission)
            | Rule::SecondAudience(admission)
            | Rule::TenantOfEdition(admission)
            | Rule::KeyOfSet(_, admission)
            | Rule::Published(_, admission)
            | Rule::Until(_, admission)
            | Rule::Lent(admission) => admission.usage = usage,
            Rule::Always(_) | Rule::UnknownKey => {}
        }
        self.field(REPLY, reply.name())
    }

    /// These bytes instead of all that was said so far.
    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    /// The head as HTTP/1.1 writes it.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n{ID}: {}\r\n",
            self.method, self.target, self.host, self.id
        )
        .into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        match &self.payload {
            Payload::None => {}
            Payload::Sized(body) => {
                bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
            }
            Payload::Chunked(_) => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// The body as HTTP/1.1 writes it.
    pub fn body(&self) -> Vec<u8> {
        match &self.payload {
            Payload::None => Vec::new(),
            Payload::Sized(body) => body.clone(),
            Payload::Chunked(body) => {
                let mut bytes = Vec::with_capacity(body.len() + 64);
                // Of a size that no boundary inside the body goes by.
                for chunk in body.chunks(1021) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                bytes
            }
        }
    }

    /// For whoever has to see what went wrong: the beginning of the bytes.
    pub fn shown(&self) -> String {
        let bytes = self.raw.clone().unwrap_or_else(|| self.head());
        let shown = &bytes[..bytes.len().min(2000)];
        shown
            .escape_ascii()
            .to_string()
            .replace("\\r\\n", "\n      ")
    }
}

/// What the client got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Nothing, where the connection was closed without one.
    pub status: Option<u16>,
    /// The reason code, in the body or for a gRPC client in its header.
    pub reason: String,
    /// The number that the upstream says it answers.
    pub echo: Option<u64>,
    /// It came to its end.
    pub is_whole: bool,
    /// What stands in `grpc-status`.
    pub grpc_status: Option<u16>,
    /// An identity header of the upstream's came back.
    pub names_somebody: bool,
    /// The head of what the same connection was answered before, where there is no answer.
    pub after: String,
}
