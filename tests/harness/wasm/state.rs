//! What the host keeps for one VM: its contexts, its open calls, and what each stream may see at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::{Hit, Reply};
use super::engine::Guest;
use super::headers::Headers;
use super::process::Process;
use super::stream::Stream;

pub struct HostState {
    pub process: Process,
    /// Which VM of the process this is.
    pub worker: usize,
    /// The VM that only tries a configuration: its calls never leave.
    pub canary: bool,
    pub guest: Guest,
    /// What the property `plugin_name` says.
    pub plugin_name: String,
    pub roots: BTreeMap<u32, Root>,
    pub streams: BTreeMap<u32, Stream>,
    /// The context whose callback runs, and the one the filter chose instead (0: none).
    pub current: u32,
    pub effective: u32,
    pub calls: Vec<Call>,
    /// The answer that `on_http_call_response` may look at, and whose call it was.
    pub call_response: Option<(u32, Option<Reply>)>,
    /// What Envoy does when the callback has returned.
    pub actions: Vec<(u32, Action)>,
    /// `(type, name)` by metric id.
    pub metrics: BTreeMap<u32, (u32, String)>,
    pub random: u64,
    next_context: u32,
    next_token: u32,
}

pub struct Root {
    pub configuration: Vec<u8>,
    /// The configuration is readable during `on_configure` alone.
    pub configuring: bool,
    pub tick: Option<Tick>,
}

/// A root's timer; both times on the monotonic clock.
#[derive(Clone, Copy)]
pub struct Tick {
    pub period: Duration,
    pub due: Duration,
}

/// A call on its way, not yet answered.
pub struct Call {
    pub token: u32,
    pub owner: u32,
    pub cluster: String,
    pub hit: Hit,
    pub sent: Duration,
}

pub enum Action {
    ContinueRequest,
    ContinueResponse,
    Reply(LocalReply),
    Reset,
}

/// What the filter handed to `proxy_send_local_response`.
#[derive(Clone, Debug)]
pub struct LocalReply {
    pub status: u32,
    pub details: String,
    pub body: Vec<u8>,
    pub headers: Headers,
    pub grpc_status: i32,
}

impl HostState {
    pub fn new(process: Process, worker: usize, canary: bool, seed: u64) -> Self {
        Self {
            process,
            worker,
            canary,
            guest: Guest::default(),
            plugin_name: "tenantgate".to_owned(),
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            current: 0,
            effective: 0,
            calls: Vec::new(),
            call_response: None,
            actions: Vec::new(),
            metrics: BTreeMap::new(),
            random: seed,
            next_context: 1,
            next_token: 4,
        }
    }

    /// Context ids and tokens are given from there on, where several VMs are kept apart by them alone.
    pub fn count_from(&mut self, first: u32) {
        self.next_context += first;
        self.next_token += first;
    }

    /// Context ids are never used again.
    pub fn new_context(&mut self) -> u32 {
        self.next_context += 1;
        self.next_context
    }

    pub fn new_token(&mut self) -> u32 {
        self.next_token += 4;
        self.next_token - 4
    }

    /// The context that hostcalls act on.
    pub fn acting(&self) -> u32 {
        if self.effective == 0 {
            self.current
        } else {
            self.effective
        }
    }

    pub fn has_context(&self, id: u32) -> bool {
        self.roots.contains_key(&id) || self.streams.contains_key(&id)
    }

    pub fn stream(&mut self) -> Option<&mut Stream> {
        let id = self.acting();
        self.streams.get_mut(&id)
    }

    /// The root of the acting context.
    pub fn root(&mut self) -> Option<&mut Root> {
        let id = self.acting();
        let root = self.streams.get(&id).map_or(id, |stream| stream.root);
        self.roots.get_mut(&root)
    }

    /// The call's answer, if the acting context may see it: the caller, or a stream of the calling root.
    pub fn call_reply(&self) -> Option<&Reply> {
        let (owner, reply) = self.call_response.as_ref()?;
        let id = self.acting();
        let mine = id == *owner
            || self
                .streams
                .get(&id)
                .is_some_and(|stream| stream.root == *owner);
        if mine { reply.as_ref() } else { None }
    }

    /// Same seed, same numbers (splitmix64).
    pub fn random_byte(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()[0]
    }
}
