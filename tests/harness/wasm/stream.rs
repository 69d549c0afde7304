//! One request as the host sees it: how far it has come, and which header maps the filter may touch there.

use std::collections::{BTreeMap, VecDeque};

use super::headers::Headers;
use super::state::LocalReply;
use crate::harness::proxy::Request;

/// How far a stream is. A stream waits in a stage when the filter paused there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Created,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    Sent,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Answered,
    Logging,
    Gone,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not: the filter still holds it.
    Pending,
    /// Answered by the upstream.
    Upstream,
    /// Answered by the filter.
    LocalReply,
    /// Answered by Envoy itself, with the reason.
    Envoy(String),
    /// The client left.
    Disconnected,
    /// A callback of this very request trapped, or the VM was dead before it came.
    Crashed(String),
}

pub struct Stream {
    pub root: u32,
    pub request: Request,
    pub stage: Stage,
    pub paused: bool,
    /// How many callbacks it may still have, where somebody says when each comes.
    pub steps: Option<usize>,
    /// Whether the request headers can be had: from their callback until the stream goes on.
    pub request_headers_open: bool,
    pub request_headers: Headers,
    pub request_trailers: Headers,
    pub request_chunks: VecDeque<Vec<u8>>,
    pub response_headers: Headers,
    pub response_trailers: Headers,
    pub response_chunks: VecDeque<Vec<u8>>,
    /// The bytes the body callback may see; what it was paused with stays in.
    pub buffer: Vec<u8>,
    pub filter_state: BTreeMap<String, Vec<u8>>,
    pub local_reply: Option<LocalReply>,
    /// Its place among what the upstream saw.
    pub hit: Option<usize>,
    pub end: End,
    /// What the client got.
    pub status: u32,
    pub received: Vec<u8>,
    pub details: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

impl Stream {
    pub fn new(root: u32, request: Request) -> Self {
        Self {
            root,
            stage: Stage::Created,
            paused: false,
            steps: request.steps(),
            request_headers_open: false,
            request_headers: request.headers().clone(),
            request_trailers: request.request_trailers().clone(),
            request_chunks: request.request_chunks().iter().cloned().collect(),
            response_headers: Headers::default(),
            response_trailers: Headers::default(),
            response_chunks: VecDeque::new(),
            buffer: Vec::new(),
            filter_state: BTreeMap::new(),
            local_reply: None,
            hit: None,
            end: End::Pending,
            status: 0,
            received: Vec::new(),
            details: String::new(),
            request,
        }
    }

    /// The header map of that ABI number, if Envoy lets the filter have it in this phase.
    pub fn map(&mut self, map: u32, access: Access) -> Option<&mut Headers> {
        let logging = self.stage == Stage::Logging && access == Access::Read;
        let open = |stage| self.stage == stage;
        match map {
            0 if self.request_headers_open || logging => Some(&mut self.request_headers),
            1 if open(Stage::RequestTrailers) => Some(&mut self.request_trailers),
            2 if open(Stage::ResponseHeaders) || logging => Some(&mut self.response_headers),
            3 if open(Stage::ResponseTrailers) || logging => Some(&mut self.response_trailers),
            _ => None,
        }
    }

    pub fn body(&mut self, buffer: u32) -> Option<&mut Vec<u8>> {
        match (buffer, self.stage) {
            (0, Stage::RequestBody) | (1, Stage::ResponseBody) => Some(&mut self.buffer),
            _ => None,
        }
    }

    /// Whether its next callback may come. If somebody counts, it does.
    pub fn may_step(&mut self) -> bool {
        match &mut self.steps {
            Some(0) => return false,
            Some(steps) => *steps -= 1,
            None => {}
        }
        true
    }

    /// Over, one way or another: nothing more will happen to the request but its log.
    pub fn decided(&self) -> bool {
        self.stage >= Stage::Answered
    }

    pub fn in_request(&self) -> bool {
        self.stage < Stage::Sent
    }
}
