//! What came of a request, and the assertions on it. A failed one prints the whole story.

use std::collections::BTreeMap;

use crate::harness::wasm::cluster::Hit;
use crate::harness::wasm::headers::Headers;
use crate::harness::wasm::state::LocalReply;
use crate::harness::wasm::stream::End;

/// A request on its way, to ask about later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId {
    pub worker: usize,
    pub id: u32,
}

/// A request as it stands. One that waits still is asked for again with `proxy.answer(answer.stream)`.
#[derive(Clone, Debug)]
pub struct Answer {
    pub stream: StreamId,
    pub end: End,
    /// What the client got (0: nothing yet).
    pub status: u32,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// What the upstream got.
    pub upstream: Option<Hit>,
    /// What the filter answered, before Envoy made a response of it.
    pub local_reply: Option<LocalReply>,
    pub details: String,
    pub(super) filter_state: BTreeMap<String, Vec<u8>>,
    pub(super) vm_dead: bool,
    /// Request, callouts and log, for the message of a failed assertion.
    pub(super) story: String,
}

impl Answer {
    /// The filter answered in the upstream's place: status, reason in the body and in the filter state, nothing upstream.
    #[track_caller]
    pub fn refused(&self, status: u32, reason: &str) -> &Self {
        self.answered(status, reason).reached_nothing()
    }

    /// The same, though its head may have gone upstream before.
    #[track_caller]
    pub fn answered(&self, status: u32, reason: &str) -> &Self {
        let Some(reply) = &self.local_reply else {
            self.fail(&format!("refused with {status} {reason}"))
        };
        self.check(
            self.end == End::LocalReply,
            &format!("refused with {status} {reason}"),
        );
        self.check(
            reply.status == status,
            &format!("status {status}, not {}", reply.status),
        );
        let code = serde_json::from_slice::<serde_json::Value>(&reply.body)
            .ok()
            .and_then(|body| body["error"]["code"].as_str().map(str::to_owned));
        self.check(
            code.as_deref() == Some(reason),
            &format!("error.code {reason:?} in the body, not {code:?}"),
        );
        let state = self.filter_state("tenantgate.reason");
        self.check(
            state.as_deref() == Some(reason),
            &format!("filter state tenantgate.reason {reason:?}, not {state:?}"),
        )
    }

    /// The upstream saw nothing of it.
    #[track_caller]
    pub fn reached_nothing(&self) -> &Self {
        self.check(self.upstream.is_none(), "nothing upstream")
    }

    #[track_caller]
    pub fn challenged_with(&self, challenge: &str) -> &Self {
        let challenges = self.headers.all("www-authenticate");
        self.check(
            challenges == [challenge.as_bytes()],
            &format!("one challenge, {challenge}"),
        )
    }

    #[track_caller]
    pub fn not_challenged(&self) -> &Self {
        self.check(!self.headers.contains("www-authenticate"), "no challenge")
    }

    /// It went upstream, and the upstream's answer came back.
    #[track_caller]
    pub fn admitted(&self) -> &Self {
        self.check(
            self.end == End::Upstream && self.upstream.is_some(),
            "admitted",
        )
    }

    /// The filter still holds it, and nothing of it has gone upstream.
    #[track_caller]
    pub fn pending(&self) -> &Self {
        self.check(
            self.end == End::Pending && !self.vm_dead && self.upstream.is_none(),
            "pending",
        )
    }

    /// Whether the upstream's answer came back.
    pub fn is_admitted(&self) -> bool {
        self.end == End::Upstream
    }

    pub fn is_pending(&self) -> bool {
        self.end == End::Pending
    }

    /// Whether a callback trapped, for this request or before it.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.vm_dead || matches!(self.end, End::Crashed(_))
    }

    /// Answered by Envoy itself: a header it could not send, no route, a body too big to buffer.
    #[track_caller]
    pub fn failed_by_envoy(&self, status: u32) -> &Self {
        self.check(
            matches!(self.end, End::Envoy(_)) && self.status == status,
            &format!("Envoy's own {status}"),
        )
    }

    #[track_caller]
    pub fn disconnected(&self) -> &Self {
        self.check(
            self.end == End::Disconnected && !self.vm_dead,
            "disconnected",
        )
    }

    /// A value of the client's response header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.text(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| self.fail("a JSON body"))
    }

    /// Filter state by the name that the filter gave it, without Envoy's `wasm.`.
    pub fn filter_state(&self, name: &str) -> Option<String> {
        let bytes = self.filter_state_bytes(name)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub fn filter_state_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.filter_state.get(&format!("wasm.{name}")).cloned()
    }

    #[track_caller]
    pub fn filter_state_is(&self, name: &str, value: &str) -> &Self {
        let state = self.filter_state(name);
        self.check(
            state.as_deref() == Some(value),
            &format!("filter state {name} {value:?}, not {state:?}"),
        )
    }

    /// All values the upstream got under that name.
    #[track_caller]
    pub fn upstream_header(&self, name: &str) -> Vec<Vec<u8>> {
        self.upstream_hit().header(name)
    }

    /// Exactly one value, this one.
    #[track_caller]
    pub fn upstream_saw(&self, name: &str, value: impl AsRef<[u8]>) -> &Self {
        let (values, value) = (self.upstream_header(name), value.as_ref());
        self.check(
            values == [value],
            &format!("upstream {name}: {}, once", value.escape_ascii()),
        )
    }

    #[track_caller]
    pub fn upstream_lacks(&self, name: &str) -> &Self {
        self.check(
            self.upstream_header(name).is_empty(),
            &format!("no {name} upstream"),
        )
    }

    #[track_caller]
    pub fn upstream_path(&self) -> String {
        self.upstream_hit().path()
    }

    #[track_caller]
    pub fn upstream_body(&self) -> Vec<u8> {
        self.upstream_hit().body.clone()
    }

    #[track_caller]
    fn upstream_hit(&self) -> &Hit {
        self.upstream
            .as_ref()
            .unwrap_or_else(|| self.fail("a request upstream"))
    }

    #[track_caller]
    fn check(&self, held: bool, expected: &str) -> &Self {
        if !held {
            self.fail(expected);
        }
        self
    }

    #[track_caller]
    fn fail(&self, expected: &str) -> ! {
        panic!(
            "expected: {expected}\nbut it is {:?}{}\nclient got: {} ({})\n{:?}    {}\nupstream got: {:?}\nfilter state: {}\n{}",
            self.end,
            if self.vm_dead {
                " AND THE VM IS DEAD"
            } else {
                ""
            },
            self.status,
            self.details,
            self.headers,
            self.body.escape_ascii(),
            self.upstream,
            states(&self.filter_state),
            self.story,
        )
    }
}

fn states(states: &BTreeMap<String, Vec<u8>>) -> String {
    states
        .iter()
        .map(|(name, value)| format!("\n    {name} = {}", value.escape_ascii()))
        .collect()
}
