//! Requests made, and what came back, as `curl -i` would show it.
//!
//! A pack goes to strangers. So only the gate's own answers are shown with their bodies, and of all others the head, with
//! the values of fields that say nothing of what is behind the gate. Nothing is read of an answer that got through: it
//! may be a stream, and it is somebody's data.

use std::fmt::Write as _;
use std::io::Read;

use jiff::Timestamp;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};

use super::http;
use super::probe::{Probe, Verdict};
use crate::json;

/// The gate's own bodies have some hundred bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024;

/// Fields whose values tell how a request was answered. The values of others may be anybody's.
const TELLING: [&str; 12] = [
    "allow",
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "grpc-message",
    "grpc-status",
    "retry-after",
    "server",
    "transfer-encoding",
    "www-authenticate",
    "x-envoy-upstream-service-time",
];

/// A request, and what became of it.
pub(super) struct Exchange {
    pub probe: Probe,
    pub at: Timestamp,
    /// The request as a command for a shell.
    pub command: String,
    pub outcome: Outcome,
    pub verdict: Verdict,
}

pub(super) enum Outcome {
    /// An answer: its status line, its fields, and its body or why that is not shown.
    Answered {
        status: u16,
        head: String,
        body: String,
    },
    /// None, for this reason.
    Failed(String),
}

/// Makes a request. `options` go into the command that is shown.
pub(super) fn make(
    agent: &Agent,
    base: &str,
    options: &str,
    probe: Probe,
    at: Timestamp,
) -> Exchange {
    let command = command(base, options, &probe);
    let (outcome, verdict) = match send(agent, base, &probe) {
        Ok(response) => judge(response, &probe),
        Err(error) => {
            let why = http::failure(&error);
            let verdict = Verdict::NoProof(format!("no answer: {why}"));
            (Outcome::Failed(why), verdict)
        }
    };
    Exchange {
        probe,
        at,
        command,
        outcome,
        verdict,
    }
}

fn send(agent: &Agent, base: &str, probe: &Probe) -> Result<Response<ureq::Body>, ureq::Error> {
    let mut request = Request::builder()
        .method(probe.method.as_str())
        .uri(format!("{base}{}", probe.target));
    if let Some(host) = &probe.host {
        request = request.header("host", host);
    }
    for (name, presented) in &probe.headers {
        request = request.header(name, &presented.value);
    }
    match probe.body {
        Some(body) => agent.run(request.body(body)?),
        None => agent.run(request.body(())?),
    }
}

fn judge(mut response: Response<ureq::Body>, probe: &Probe) -> (Outcome, Verdict) {
    let status = response.status().as_u16();
    let bodiless = probe.method == "HEAD";
    let field = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let challenged = field("www-authenticate")
        .is_some_and(|challenge| challenge.starts_with("Bearer realm=\"tenantgate\""));
    let is_json = field("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let text = if (400..600).contains(&status) && is_json {
        body(&mut response)
    } else {
        None
    };
    let reason = text.as_deref().and_then(reason);
    let verdict = Verdict::of(status, reason.as_deref(), challenged, bodiless);
    let (body, whole) = match text {
        _ if bodiless => (String::new(), true),
        Some(text) if reason.is_some() && !matches!(verdict, Verdict::NotDenied(_)) => (text, true),
        _ if matches!(verdict, Verdict::NotDenied(_)) => (
            "[the body was not read: the connection was closed after the head]".to_owned(),
            false,
        ),
        _ => (
            "[the body is not shown: it is not the gate's own]".to_owned(),
            false,
        ),
    };
    let outcome = Outcome::Answered {
        status,
        head: head(&response, whole),
        body,
    };
    (outcome, verdict)
}

fn body(response: &mut Response<ureq::Body>) -> Option<String> {
    let mut text = String::new();
    let mut reader = response.body_mut().as_reader().take(MAX_BODY_BYTES);
    reader.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The gate's reason code, where the body has one: members that nobody reads twice.
fn reason(body: &str) -> Option<String> {
    let body = json::parse(body.as_bytes()).ok()?;
    let is_error = body.get("type").and_then(Value::as_str) == Some("error");
    let code = body.pointer("/error/code").and_then(Value::as_str)?;
    is_error.then(|| code.to_owned())
}

/// Status line and fields. Of an answer that is not the gate's own, only values that tell how it was answered.
fn head(response: &Response<ureq::Body>, whole: bool) -> String {
    let status = response.status();
    let mut head = format!("{:?} {}", response.version(), status.as_u16());
    if let Some(phrase) = status.canonical_reason() {
        let _ = write!(head, " {phrase}");
    }
    for (name, value) in response.headers() {
        let name = name.as_str();
        let shown = if name == "set-cookie" || !(whole || TELLING.contains(&name)) {
            "[not shown]".to_owned()
        } else {
            value
                .as_bytes()
                .escape_ascii()
                .to_string()
                .replace("\\\"", "\"")
        };
        let _ = write!(head, "\n{name}: {shown}");
    }
    head
}

/// The request for a shell. A credential that was made up is no secret, and is shown.
fn command(base: &str, options: &str, probe: &Probe) -> String {
    let method = match probe.method.as_str() {
        "GET" => String::new(),
        "HEAD" => " -I".to_owned(),
        method => format!(" -X {method}"),
    };
    let mut command = format!(
        "curl -i{options}{method} {}",
        quoted(&format!("{base}{}", probe.target))
    );
    if let Some(host) = &probe.host {
        let _ = write!(command, " -H {}", quoted(&format!("host: {host}")));
    }
    for (name, presented) in &probe.headers {
        let _ = write!(
            command,
            " -H {}",
            quoted(&format!("{name}: {}", presented.shown))
        );
    }
    if let Some(body) = probe.body {
        let _ = write!(command, " -d {}", quoted(body));
    }
    command
}

/// For a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
