//! A worker thread's VM and the streams on it: which callback comes when.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::engine::Vm;
use super::process::Process;
use super::state::{Action, HostState, Root};
use super::stream::{End, Stage, Stream};
use crate::harness::proxy::Request;

pub struct Worker {
    pub vm: Vm,
    /// The context that new streams belong to.
    root: u32,
    pub finished: BTreeMap<u32, Stream>,
}

/// What happens next on a worker of its own accord.
#[derive(Clone, Copy)]
pub enum Event {
    Answer { token: u32 },
    Tick { root: u32 },
    Queue { root: u32, queue: u32 },
}

impl Worker {
    /// A new VM, configured; the error is a VM whose filter refused.
    pub fn boot(
        process: &Process,
        index: usize,
        canary: bool,
        seed: u64,
        configuration: &[u8],
    ) -> Result<Self, ()> {
        let vm = Vm::new(process.clone(), index, canary, seed);
        let mut worker = Self {
            vm,
            root: 0,
            finished: BTreeMap::new(),
        };
        if worker.configure(configuration) {
            Ok(worker)
        } else {
            Err(())
        }
    }

    /// A new root context in the living VM. The old one, if any, stays until its last stream has ended.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        let state = self.state();
        let root = state.new_context();
        let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
        state.roots.insert(
            root,
            Root {
                configuration: configuration.to_vec(),
                configuring: false,
                tick: None,
            },
        );
        self.call(root, "proxy_on_context_create", &[root, 0]);
        let started = self.call(root, "proxy_on_vm_start", &[root, 0]);
        self.set_configuring(root, true);
        let configured = started
            .filter(|ok| *ok != 0)
            .and_then(|_| self.call(root, "proxy_on_configure", &[root, size]));
        self.set_configuring(root, false);
        let accepted = configured.is_some_and(|ok| ok != 0);
        if accepted {
            self.root = root;
        }
        self.retire_roots();
        accepted
    }

    fn set_configuring(&mut self, root: u32, configuring: bool) {
        if let Some(root) = self.state().roots.get_mut(&root) {
            root.configuring = configuring;
        }
    }

    pub fn state(&mut self) -> &mut HostState {
        self.vm.state()
    }

    pub fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        if self.finished.contains_key(&id) {
            self.finished.get_mut(&id)
        } else {
            self.vm.state().streams.get_mut(&id)
        }
    }

    pub fn decided(&mut self, id: u32) -> bool {
        self.stream(id).is_none_or(|stream| stream.decided())
    }

    /// A request arrives. It runs until the filter pauses it or it is over.
    pub fn begin(&mut self, request: Request) -> u32 {
        let root = self.root;
        let id = self.state().new_context();
        let malformed = request.is_malformed();
        let mut stream = Stream::new(root, request);
        if let Some(cause) = self.vm.dead() {
            (stream.end, stream.status, stream.stage) =
                (End::Crashed(cause.to_owned()), 503, Stage::Gone);
            self.finished.insert(id, stream);
            return id;
        }
        self.state().streams.insert(id, stream);
        self.callback(id, "proxy_on_context_create", &[id, root]);
        if malformed {
            self.refuse(id, 400, "http1.codec_error");
        }
        self.flow();
        id
    }

    /// The next event, with its time on the monotonic clock.
    pub fn next_event(&mut self, index: usize) -> Option<(Duration, Event)> {
        self.vm.dead().is_none().then_some(())?;
        let state = self.vm.state();
        let mut world = state.process.world();
        let now = world.clock.elapsed;
        let place = world
            .queues
            .iter()
            .position(|queue| queue.worker == index && queue.unannounced > 0);
        let queue = place.map(|place| {
            let (root, queue) = (
                world.queues[place].root,
                u32::try_from(place + 1).unwrap_or(0),
            );
            (now, Event::Queue { root, queue })
        });
        let ticks = state
            .roots
            .iter()
            .filter_map(|(root, context)| Some((context.tick?.due, Event::Tick { root: *root })));
        let answers = state.calls.iter().filter_map(|call| {
            let at = world
                .cluster(&call.cluster)
                .answers_at(call.sent, call.hit.timeout)?;
            Some((at, Event::Answer { token: call.token }))
        });
        queue
            .into_iter()
            .chain(answers)
            .chain(ticks)
            .min_by_key(|(at, _)| *at)
    }

    pub fn perform(&mut self, event: Event) {
        match event {
            Event::Answer { token } => self.answer_call(token),
            Event::Tick { root } => {
                let state = self.state();
                let now = state.process.world().clock.elapsed;
                if let Some(tick) = state
                    .roots
                    .get_mut(&root)
                    .and_then(|root| root.tick.as_mut())
                {
                    tick.due = now + tick.period;
                }
                self.call(root, "proxy_on_tick", &[root]);
            }
            Event::Queue { root, queue } => {
                if let Some(entry) = self
                    .state()
                    .process
                    .world()
                    .queues
                    .get_mut(queue as usize - 1)
                {
                    entry.unannounced -= 1;
                }
                self.call(root, "proxy_on_queue_ready", &[root, queue]);
            }
        }
        self.flow();
    }

    fn answer_call(&mut self, token: u32) {
        let state = self.state();
        let Some(place) = state.calls.iter().position(|call| call.token == token) else {
            return;
        };
        let call = state.calls.remove(place);
        let reply = state
            .process
            .world()
            .cluster(&call.cluster)
            .answer(&call.hit);
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (headers, body) = reply.as_ref().map_or((0, 0), |reply| {
            (size(reply.headers.len()), size(reply.body.len()))
        });
        state.call_response = Some((call.owner, reply));
        let arguments = [call.owner, token, headers, body, 0];
        self.vm
            .call(call.owner, "proxy_on_http_call_response", &arguments);
        self.state().call_response = None;
        self.act();
    }

    pub fn disconnect(&mut self, id: u32) {
        if let Some(stream) = self
            .state()
            .streams
            .get_mut(&id)
            .filter(|stream| !stream.decided())
        {
            stream.end = End::Disconnected;
            "downstream_remote_disconnect".clone_into(&mut stream.details);
            (stream.stage, stream.paused, stream.steps) = (Stage::Answered, false, None);
            self.flow();
        }
    }

    /// So many callbacks more of a stream that goes in steps, or all that are left.
    pub fn go_on(&mut self, id: u32, steps: Option<usize>) {
        if let Some(stream) = self.state().streams.get_mut(&id) {
            stream.steps = steps;
            self.flow();
        }
    }

    /// The upstream answers a request whose body is still on its way.
    pub fn answer_early(&mut self, id: u32) {
        if let Some(stream) = self
            .state()
            .streams
            .get_mut(&id)
            .filter(|stream| stream.stage == Stage::RequestBody && !stream.paused)
        {
            stream.stage = Stage::Sent;
            self.go_on(id, Some(1));
        }
    }

    /// The upstream breaks off a request that it has.
    pub fn break_off(&mut self, id: u32) {
        let stream = self.state().streams.get(&id);
        if stream.is_some_and(|stream| stream.hit.is_some() && !stream.decided()) {
            self.refuse(id, 503, "upstream_reset");
            self.flow();
        }
    }

    /// Every stream goes as far as it can, then old roots that nobody needs go.
    fn flow(&mut self) {
        let ids: Vec<u32> = self.state().streams.keys().copied().collect();
        for id in ids {
            self.run_request(id);
            self.run_response(id);
        }
        self.retire_roots();
    }

    fn retire_roots(&mut self) {
        let current = self.root;
        let state = self.state();
        let used: Vec<u32> = state.streams.values().map(|stream| stream.root).collect();
        let idle: Vec<u32> = state
            .roots
            .keys()
            .copied()
            .filter(|root| *root != current && !used.contains(root))
            .collect();
        for root in idle {
            self.call(root, "proxy_on_done", &[root]);
            self.call(root, "proxy_on_delete", &[root]);
            let state = self.state();
            state.roots.remove(&root);
            state.calls.retain(|call| call.owner != root);
        }
    }

    /// A callback, then what the filter asked for meanwhile: Envoy defers that until the callback has returned.
    fn call(&mut self, context: u32, name: &str, arguments: &[u32]) -> Option<u32> {
        let result = self.vm.call(context, name, arguments);
        self.act();
        result
    }

    /// A callback of a stream. A trap ends that stream; those that wait are left hanging.
    pub(super) fn callback(&mut self, id: u32, name: &str, arguments: &[u32]) -> Option<u32> {
        let result = self.call(id, name, arguments);
        if result.is_none() {
            let cause = self.vm.dead().unwrap_or_default().to_owned();
            if let Some(mut stream) = self.state().streams.remove(&id) {
                stream.stage = Stage::Gone;
                if stream.status == 0 {
                    stream.status = 503;
                }
                if stream.end == End::Pending {
                    stream.end = End::Crashed(cause);
                }
                self.finished.insert(id, stream);
            }
        }
        result
    }

    fn act(&mut self) {
        for (id, action) in mem::take(&mut self.state().actions) {
            match action {
                Action::Reply(reply) => self.reply(id, reply),
                Action::Reset => self.refuse(id, 503, "wasm_fail_stream"),
                Action::ContinueRequest => {
                    if self.resume(id, true) {
                        self.run_request(id);
                    }
                }
                Action::ContinueResponse => {
                    self.resume(id, false);
                }
            }
        }
    }

    fn resume(&mut self, id: u32, request: bool) -> bool {
        let Some(stream) = self.state().streams.get_mut(&id) else {
            return false;
        };
        if !stream.paused || stream.in_request() != request {
            return false;
        }
        stream.paused = false;
        if stream.stage == Stage::RequestHeaders && !stream.request_chunks.is_empty() {
            // What came meanwhile was held back, and comes joined.
            let held: Vec<u8> = stream.request_chunks.drain(..).flatten().collect();
            stream.request_chunks.push_back(held);
        }
        true
    }
}
