//! Requests to servers that are no gate: what is recorded of them, and what is not believed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::GATE;
use super::command::{Desk, evidence, files};

/// An answer of the gate, with its length as it is.
fn denial(status: &str, reason: &str) -> String {
    let body = format!(r#"{{"type":"error","error":{{"code":"{reason}","message":"No."}}}}"#);
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nwww-authenticate: Bearer realm=\"tenantgate\"\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn missing_credential() -> String {
    denial("401 Unauthorized", "missing_credential")
}

/// A server that answers every request with these bytes, and then keeps the connection for so long.
pub struct Server {
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn answering(answer: impl Fn(&str) -> String + Send + 'static, keeps: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&heads);
        // Ends with the test program: nobody else connects here.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let head = head(&stream);
                let answer = answer(&head);
                book.lock().unwrap().push(head);
                let mut stream = stream;
                let _ = stream.write_all(answer.as_bytes());
                thread::spawn(move || {
                    thread::sleep(keeps);
                    drop(stream);
                });
            }
        });
        Self { url, heads }
    }

    /// A gate that denies everything.
    pub fn denying() -> Self {
        Self::answering(|_| missing_credential(), Duration::ZERO)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn record(desk: &Desk) -> String {
    let files = files(desk.at("pack"));
    let (_, record) = files
        .into_iter()
        .find(|(name, _)| name.starts_with("denied"))
        .unwrap();
    record
}

#[test]
fn a_stream_that_gets_through_is_closed_after_its_head_and_told_first() {
    let stream = |_: &str| {
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-upstream-key: CANARY-header\r\nset-cookie: CANARY-cookie\r\n\
         transfer-encoding: chunked\r\n\r\n10\r\ndata: CANARY-1\r\n\r\n\r\n".to_owned()
    };
    let server = Server::answering(stream, Duration::from_mins(1));
    let desk = Desk::new();
    let config = desk.write("gate.yaml", GATE);
    let started = Instant::now();
    let answer = evidence(&[
        "--config",
        &config,
        "--url",
        &server.url,
        "--out",
        &desk.path("pack"),
    ]);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(answer.status, Some(1), "{}", answer.stderr);
    assert!(
        answer.stderr.starts_with("8 requests were NOT denied.\n"),
        "{}",
        answer.stderr
    );
    for (name, text) in files(desk.at("pack")) {
        assert!(!text.contains("CANARY"), "{name}: {text}");
    }
    let record = record(&desk);
    assert!(
        record.contains("!!! 8 requests were NOT denied."),
        "{record}"
    );
    assert!(record.contains("x-upstream-key: [not shown]\n"), "{record}");
}

#[test]
fn what_failed_or_was_refused_by_somebody_else_is_no_proof() {
    for (what, answer) in [
        ("a failed gate", "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\nconnection: close\r\n\r\nCANARY".to_owned()),
        ("keys that cannot be had", denial("503 Service Unavailable", "keys_unavailable")),
        ("another server's word", "HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\nconnection: close\r\n\r\nCANARY".to_owned()),
        ("a redirect", "HTTP/1.1 301 Moved\r\nlocation: https://CANARY/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()),
        ("a half answer", "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 400\r\nconnection: close\r\n\r\n{\"type\":\"error\",\"error\":{\"code\":\"missing_credential\"".to_owned()),
    ] {
        let server = Server::answering(move |_| answer.clone(), Duration::ZERO);
        let desk = Desk::new();
        let config = desk.write("gate.yaml", GATE);
        let answer = evidence(&["--config", &config, "--url", &server.url, "--out", &desk.path("pack")]);
        assert_eq!(answer.status, Some(1), "{what}: {}", answer.stderr);
        assert!(answer.stderr.starts_with("8 requests are no proof of denial.\n"), "{what}: {}", answer.stderr);
        assert!(!record(&desk).contains("CANARY"), "{what}");
    }
}

#[test]
fn a_gate_that_denies_is_believed_and_asked_about_every_endpoint_in_every_way() {
    let server = Server::denying();
    let desk = Desk::new();
    let config = desk.write("gate.yaml", GATE);
    let said = evidence(&[
        "--config",
        &config,
        "--url",
        &server.url,
        "--out",
        &desk.path("pack"),
    ])
    .good();
    assert!(said.ends_with("8 of 8 requests denied\n"), "{said}");
    let heads = server.heads();
    let asked = |line: &str| heads.iter().filter(|head| head.starts_with(line)).count();
    assert_eq!(
        (
            asked("POST /v1/chat HTTP/1.1"),
            asked("POST /v1/models/sample/infer HTTP/1.1")
        ),
        (3, 5)
    );
    let with = |field: &str| heads.iter().filter(|head| head.contains(field)).count();
    assert_eq!(with("\r\nauthorization: Bearer not-a-key-"), 2);
    assert_eq!(with("\r\nauthorization: Bearer eyJ"), 2);
    assert_eq!(with("\r\nx-tenant-id: tenantgate-evidence\r\n"), 2);
    assert!(record(&desk).contains("=== health: not asked, it is open"));
}

#[test]
fn a_gate_that_denies_for_another_reason_than_a_credential_is_said_to() {
    for (reason, told, page) in [
        (
            "unknown_endpoint",
            "8 requests were denied as unknown_endpoint: the gate that answers has another configuration.\n",
            "8 requests were denied as",
        ),
        (
            "source_not_allowed",
            "",
            "For their source address alone, before any credential was looked at: 8.",
        ),
    ] {
        let server = Server::answering(move |_| denial("403 Forbidden", reason), Duration::ZERO);
        let desk = Desk::new();
        let config = desk.write("gate.yaml", GATE);
        let answer = evidence(&[
            "--config",
            &config,
            "--url",
            &server.url,
            "--out",
            &desk.path("pack"),
        ]);
        assert_eq!((answer.status, answer.stderr.as_str()), (Some(0), told));
        let pages = files(desk.at("pack"));
        let (_, questionnaire) = pages
            .iter()
            .find(|(name, _)| name.starts_with("model"))
            .unwrap();
        assert!(questionnaire.contains(page), "{questionnaire}");
    }
}

#[test]
fn an_endpoint_is_asked_by_its_own_host_method_and_place_of_the_credential() {
    let configuration = r#"
endpoints:
- { name: a, hosts: ["*.models.example.com"], path: /a, methods: [DELETE], authorizer: { type: api_key, keys: [{ client_id: a, key: k1 }], from: [{ query: key }] } }
- { name: b, hosts: [api.example.com], path: "/b/{x}/**", methods: [HEAD], authorizer: { type: api_key, keys: [{ client_id: a, key: k1 }], from: [{ header: x-my-key }] } }
- { name: c, path: /c, methods: [CONNECT], authorizer: { type: api_key, keys: [{ client_id: a, key: k1 }] } }
- { name: d, path: "/d/gr\u00fcn", methods: [PROPFIND], authorizer: { type: api_key, keys: [{ client_id: a, key: k1 }], from: [{ header: authorization, scheme: ApiKey }] } }
"#;
    let answer = |head: &str| {
        let whole = missing_credential();
        let end = whole.find("\r\n\r\n").unwrap() + 4;
        let bytes = if head.starts_with("HEAD") {
            end
        } else {
            whole.len()
        };
        whole.get(..bytes).unwrap().to_owned()
    };
    let server = Server::answering(answer, Duration::ZERO);
    let desk = Desk::new();
    let config = desk.write("gate.yaml", configuration);
    evidence(&[
        "--config",
        &config,
        "--url",
        &server.url,
        "--out",
        &desk.path("pack"),
    ])
    .good();
    let heads = server.heads();
    for expected in [
        &[
            "DELETE /a HTTP/1.1\r\n",
            "host: sample.models.example.com\r\n",
        ][..],
        &["DELETE /a?key=not-a-key-"],
        &[
            "HEAD /b/sample/sample HTTP/1.1\r\n",
            "host: api.example.com\r\n",
            "x-my-key: not-a-key-",
        ],
        &[
            "PROPFIND /d/gr%C3%BCn HTTP/1.1\r\n",
            "authorization: apikey not-a-key-",
        ],
    ] {
        let has = |head: &&String| {
            expected.iter().all(|part| {
                head.to_ascii_lowercase()
                    .contains(&part.to_ascii_lowercase())
            })
        };
        assert!(
            heads.iter().any(|head| has(&head)),
            "{expected:?} not in {heads:#?}"
        );
    }
    assert_eq!(heads.len(), 9);
    let record = record(&desk);
    assert!(
        record.contains("=== c: not asked, CONNECT asks for a tunnel"),
        "{record}"
    );
    assert!(record.contains("$ curl -i -I 'http"), "{record}");
}

#[test]
fn a_gate_that_does_not_answer_in_time_is_told_with_the_mend() {
    let server = Server::answering(|_| String::new(), Duration::from_mins(1));
    let desk = Desk::new();
    let config = desk.write("gate.yaml", GATE);
    let out = desk.path("pack");
    evidence(&[
        "--config",
        &config,
        "--url",
        &server.url,
        "--out",
        &out,
        "--timeout",
        "1",
    ])
    .ended(2, "(a longer --timeout may help)");
    assert!(!desk.at("pack").exists());
}

#[test]
fn an_admin_interface_that_is_none_is_told() {
    for (answer, said) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "status 404 Not Found; is this Envoy's admin interface?",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhtml",
            "/config_dump: not JSON (line 1, column 1)",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            "/config_dump: is no config dump; is this Envoy's admin interface?",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"configs\":[]}",
            "no plugin configuration: neither on its own, nor a wasm filter that has one; where the filter is gone from the listener, nothing is protected",
        ),
    ] {
        let server = Server::answering(move |_| answer.to_owned(), Duration::ZERO);
        let desk = Desk::new();
        let arguments = ["--admin", &server.url, "--out", &desk.path("pack")];
        let status = if said.contains("no plugin") { 1 } else { 2 };
        evidence(&arguments).ended(status, said);
    }
}
