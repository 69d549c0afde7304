//! The way of one stream through its callbacks, in Envoy's order.

use super::cluster::Hit;
use super::headers::Headers;
use super::state::LocalReply;
use super::stream::{End, Stage, Stream};
use super::worker::Worker;

/// What Envoy buffers of a request body before it answers 413.
const BUFFER_LIMIT: usize = 1 << 20;

impl Worker {
    /// As far through the request as the filter lets it; ends when the upstream has it.
    pub(super) fn run_request(&mut self, id: u32) {
        while let Some(stream) = self.vm.state().streams.get_mut(&id) {
            if stream.paused || !stream.in_request() || !stream.may_step() {
                return;
            }
            match stream.stage {
                Stage::Created => {
                    stream.stage = Stage::RequestHeaders;
                    stream.request_headers_open = true;
                    let ends =
                        stream.request_chunks.is_empty() && stream.request_trailers.len() == 0;
                    let arguments = [id, count(&stream.request_headers), u32::from(ends)];
                    self.step(
                        id,
                        Stage::RequestHeaders,
                        "proxy_on_request_headers",
                        &arguments,
                    );
                }
                Stage::RequestHeaders => self.forward(id),
                Stage::RequestBody => self.run_request_body(id),
                Stage::RequestTrailers => {
                    stream.stage = Stage::Sent;
                    self.pass_request_trailers(id);
                }
                _ => return,
            }
        }
    }

    fn run_request_body(&mut self, id: u32) {
        let Some(stream) = self.vm.state().streams.get_mut(&id) else {
            return;
        };
        let trailers = count(&stream.request_trailers);
        let Some(chunk) = stream.request_chunks.pop_front() else {
            // Whatever a pause held back goes on.
            self.pass_request_body(id);
            if let Some(stream) = self.vm.state().streams.get_mut(&id) {
                stream.stage = Stage::RequestTrailers;
                if trailers > 0 {
                    self.step(
                        id,
                        Stage::RequestTrailers,
                        "proxy_on_request_trailers",
                        &[id, trailers],
                    );
                }
            }
            return;
        };
        stream.buffer.extend(chunk);
        let last = stream.request_chunks.is_empty()
            && trailers == 0
            && !stream.request.is_answered_early();
        let size = u32::try_from(stream.buffer.len()).unwrap_or(u32::MAX);
        let action = self.callback(id, "proxy_on_request_body", &[id, size, u32::from(last)]);
        let Some(stream) = self.stream_in(id, Stage::RequestBody) else {
            return;
        };
        match action {
            Some(0) => self.pass_request_body(id),
            _ if stream.buffer.len() > BUFFER_LIMIT => {
                self.refuse(id, 413, "request_payload_too_large");
            }
            // A pause of a body buffers it; it stops nothing before the end.
            _ => stream.paused = last,
        }
    }

    fn pass_request_body(&mut self, id: u32) {
        let state = self.vm.state();
        let Some(stream) = state.streams.get_mut(&id) else {
            return;
        };
        let bytes = std::mem::take(&mut stream.buffer);
        let mut world = state.process.world();
        if let Some(hit) = stream.hit.and_then(|place| world.upstream.get_mut(place)) {
            hit.body.extend(bytes);
        }
    }

    /// As the filter left them.
    fn pass_request_trailers(&mut self, id: u32) {
        let state = self.vm.state();
        let Some(stream) = state.streams.get(&id) else {
            return;
        };
        let mut world = state.process.world();
        if let Some(hit) = stream.hit.and_then(|place| world.upstream.get_mut(place)) {
            hit.trailers = stream.request_trailers.clone();
        }
    }

    /// The request headers leave for the upstream, unless Envoy cannot send or route them.
    fn forward(&mut self, id: u32) {
        let state = self.vm.state();
        let worker = state.worker;
        let Some(stream) = state.streams.get_mut(&id) else {
            return;
        };
        stream.request_headers_open = false;
        let headers = stream.request_headers.clone();
        if let Some(complaint) = headers.unsendable() {
            return self.refuse(id, 503, &complaint);
        }
        if [":method", ":path", ":authority", ":scheme"]
            .iter()
            .any(|name| !headers.contains(name))
        {
            return self.refuse(id, 404, "route_not_found");
        }
        let hit = Hit {
            headers,
            body: Vec::new(),
            trailers: Headers::default(),
            timeout: std::time::Duration::ZERO,
            worker,
        };
        let mut world = state.process.world();
        world.upstream.push(hit);
        stream.hit = Some(world.upstream.len() - 1);
        stream.stage = Stage::RequestBody;
    }

    /// From the answer's headers to the log.
    pub(super) fn run_response(&mut self, id: u32) {
        while let Some(stream) = self.vm.state().streams.get_mut(&id) {
            if stream.paused || stream.in_request() || !stream.may_step() {
                return;
            }
            match stream.stage {
                Stage::Sent => {
                    if stream.end == End::Pending {
                        stream.end = End::Upstream;
                        "via_upstream".clone_into(&mut stream.details);
                        take_upstream_response(stream);
                    }
                    stream.stage = Stage::ResponseHeaders;
                    let ends =
                        stream.response_chunks.is_empty() && stream.response_trailers.len() == 0;
                    let arguments = [id, count(&stream.response_headers), u32::from(ends)];
                    self.step(
                        id,
                        Stage::ResponseHeaders,
                        "proxy_on_response_headers",
                        &arguments,
                    );
                }
                Stage::ResponseHeaders => {
                    stream.status = status(&stream.response_headers);
                    stream.stage = Stage::ResponseBody;
                }
                Stage::ResponseBody => self.run_response_body(id),
                Stage::ResponseTrailers => stream.stage = Stage::Answered,
                _ => return self.finish(id),
            }
        }
    }

    fn run_response_body(&mut self, id: u32) {
        let Some(stream) = self.vm.state().streams.get_mut(&id) else {
            return;
        };
        let trailers = count(&stream.response_trailers);
        let Some(chunk) = stream.response_chunks.pop_front() else {
            stream.received.append(&mut stream.buffer);
            stream.stage = Stage::ResponseTrailers;
            if trailers > 0 {
                self.step(
                    id,
                    Stage::ResponseTrailers,
                    "proxy_on_response_trailers",
                    &[id, trailers],
                );
            }
            return;
        };
        stream.buffer.extend(chunk);
        let last = stream.response_chunks.is_empty() && trailers == 0;
        let size = u32::try_from(stream.buffer.len()).unwrap_or(u32::MAX);
        let action = self.callback(id, "proxy_on_response_body", &[id, size, u32::from(last)]);
        let Some(stream) = self.stream_in(id, Stage::ResponseBody) else {
            return;
        };
        if action == Some(0) {
            stream.received.append(&mut stream.buffer);
        } else {
            stream.paused = last;
        }
    }

    /// The stream is over: `on_log`, `on_done`, delete, and its open calls are cancelled.
    fn finish(&mut self, id: u32) {
        let Some(stream) = self.vm.state().streams.get_mut(&id) else {
            return;
        };
        stream.stage = Stage::Logging;
        stream.request_headers_open = false;
        if self.callback(id, "proxy_on_log", &[id]).is_none() {
            return;
        }
        if let Some(stream) = self.vm.state().streams.get_mut(&id) {
            stream.stage = Stage::Gone;
        }
        if self.callback(id, "proxy_on_done", &[id]).is_none()
            || self.callback(id, "proxy_on_delete", &[id]).is_none()
        {
            return;
        }
        let state = self.vm.state();
        state.calls.retain(|call| call.owner != id);
        if let Some(stream) = state.streams.remove(&id) {
            self.finished.insert(id, stream);
        }
    }

    /// The filter answers in the upstream's place.
    pub(super) fn reply(&mut self, id: u32, reply: LocalReply) {
        let Some(stream) = self.vm.state().streams.get_mut(&id) else {
            return;
        };
        if stream.local_reply.is_some() || stream.decided() {
            return;
        }
        let before = stream.stage <= Stage::Sent;
        if !before && stream.stage != Stage::ResponseHeaders {
            // The answer has begun: all that is left is to cut it.
            (stream.stage, stream.paused, stream.steps) = (Stage::Answered, false, None);
            return;
        }
        answer(stream, &reply);
        stream.steps = None;
        stream.local_reply = Some(reply);
        stream.end = End::LocalReply;
        // In the response's own headers, the reply takes their place and no callback follows.
        stream.stage = if before { Stage::Sent } else { Stage::Answered };
        if !before {
            stream.status = status(&stream.response_headers);
            stream.received = stream.response_chunks.drain(..).flatten().collect();
        }
    }

    /// Envoy answers in the upstream's place.
    pub(super) fn refuse(&mut self, id: u32, status: u32, details: &str) {
        let Some(stream) = self.vm.state().streams.get_mut(&id) else {
            return;
        };
        // The filter sees Envoy's own answers too, unless it never saw the request or an answer has begun.
        let shown = (Stage::RequestHeaders..=Stage::Sent).contains(&stream.stage);
        stream.stage = if shown { Stage::Sent } else { Stage::Answered };
        (stream.paused, stream.request_headers_open, stream.status) = (false, false, status);
        stream.steps = None;
        stream.end = End::Envoy(details.to_owned());
        stream.response_headers = [(":status", status.to_string())].into_iter().collect();
        details.clone_into(&mut stream.details);
    }

    /// A callback that may pause the stream in its stage.
    fn step(&mut self, id: u32, stage: Stage, name: &str, arguments: &[u32]) {
        let action = self.callback(id, name, arguments);
        if let Some(stream) = self.stream_in(id, stage) {
            stream.paused = action != Some(0);
            if !stream.paused && stage == Stage::RequestHeaders {
                stream.request_headers_open = false;
            }
        }
    }

    /// The stream, if it is still where it was.
    fn stream_in(&mut self, id: u32, stage: Stage) -> Option<&mut Stream> {
        self.vm
            .state()
            .streams
            .get_mut(&id)
            .filter(|stream| stream.stage == stage)
    }
}

fn take_upstream_response(stream: &mut Stream) {
    let response = stream.request.upstream_response();
    stream.response_headers = response.headers.clone();
    stream.response_trailers = response.trailers.clone();
    stream.response_chunks = response.chunks.iter().cloned().collect();
    if !stream.response_chunks.is_empty() && stream.response_trailers.len() == 0 {
        // The end of an upstream's body comes by itself.
        stream.response_chunks.push_back(Vec::new());
    }
}

/// Envoy makes a response of a local reply; a gRPC client gets its status in the headers of a 200.
fn answer(stream: &mut Stream, reply: &LocalReply) {
    stream.paused = false;
    stream.request_headers_open = false;
    stream.details.clone_from(&reply.details);
    stream.response_trailers = Headers::default();
    stream.response_chunks.clear();
    stream.buffer.clear();
    let mut headers = Headers::default();
    let kind = stream
        .request_headers
        .text("content-type")
        .unwrap_or_default();
    let grpc = kind == "application/grpc" || kind.starts_with("application/grpc+");
    headers.set(
        ":status",
        if grpc {
            "200".to_owned()
        } else {
            reply.status.to_string()
        }
        .as_bytes(),
    );
    for (name, value) in reply
        .headers
        .iter()
        .filter(|(name, _)| !matches!(*name, ":status" | "content-length"))
    {
        headers.add(name, value);
    }
    if grpc {
        headers.set("content-type", b"application/grpc");
        let code = if reply.grpc_status >= 0 {
            reply.grpc_status
        } else {
            grpc_code(reply.status)
        };
        headers.set("grpc-status", code.to_string().as_bytes());
        headers.set("grpc-message", &reply.body);
    } else {
        if !headers.contains("content-type") && !reply.body.is_empty() {
            headers.set("content-type", b"text/plain");
        }
        headers.set("content-length", reply.body.len().to_string().as_bytes());
        if stream.request_headers.text(":method").as_deref() != Some("HEAD")
            && !reply.body.is_empty()
        {
            stream.response_chunks.push_back(reply.body.clone());
        }
    }
    stream.response_headers = headers;
}

fn grpc_code(status: u32) -> i32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

fn status(headers: &Headers) -> u32 {
    headers
        .text(":status")
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}

fn count(headers: &Headers) -> u32 {
    u32::try_from(headers.len()).unwrap_or(u32::MAX)
}
