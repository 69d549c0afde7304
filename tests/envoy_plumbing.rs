//! What the other tests rely on: that Envoy loads the module, that bytes pass as they are, and that a running Envoy can be
//! given another configuration. Everything here is admitted, so that a failure points at the harness.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod harness;

use harness::envoy::Edit;
use harness::envoy_config::Listener;
use harness::oidc_provider::OidcProvider;
use harness::process::repository;
use harness::upstream::RawUpstream;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};

fn open_to_all() -> Value {
    json!({ "endpoints": [{ "name": "all", "path": "/**", "authorizer": { "type": "none" } }] })
}

#[test]
fn a_request_passes_and_leaves_a_line_in_the_access_log() {
    let upstream = Upstream::start();
    let envoy = Envoy::start(Setup::with(open_to_all()).model(upstream.address()));

    envoy
        .post("/v1/echo?a=1", &json!({ "model": "m" }))
        .header("x-mine", "1")
        .send()
        .admitted();

    let seen = upstream.last();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/v1/echo?a=1")
    );
    assert_eq!(seen.header("x-mine").as_deref(), Some("1"));
    assert_eq!(seen.body, br#"{"model":"m"}"#);
    assert_eq!(envoy.access_log(1)[0]["status"], 200);
}

#[test]
fn any_byte_passes_in_a_header_and_pipelined_requests_are_answered_in_turn() {
    let upstream = Upstream::start();
    let setup = Setup::with(open_to_all())
        .model(upstream.address())
        .listener(Listener::RAW);
    let envoy = Envoy::start(setup);

    let mut wire = envoy.wire();
    let piece = b"GET /one HTTP/1.1\r\nhost: a\r\nx-bytes: \xff\x80\r\n\r\nGET /two HTTP/1.1\r\nhost: a\r\n\r\n";
    assert!(wire.send(piece));
    assert_eq!(wire.answer().expect("the first answer").status, 200);
    assert_eq!(wire.answer().expect("the second answer").status, 200);

    let seen = upstream.seen();
    assert!(
        seen[0]
            .headers
            .contains(&("x-bytes".to_owned(), vec![0xff, 0x80]))
    );
    assert_eq!(
        (seen[0].target.as_str(), seen[1].target.as_str()),
        ("/one", "/two")
    );
}

#[test]
fn trailers_reach_the_upstream() {
    let upstream = Upstream::start();
    let setup = Setup::with(open_to_all())
        .model(upstream.address())
        .listener(Listener::RAW);
    let envoy = Envoy::start(setup);

    let mut wire = envoy.wire();
    let head =
        b"POST /t HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n";
    assert!(wire.send(head) && wire.send(b"2\r\nhi\r\n0\r\nx-late: yes\r\n\r\n"));
    assert_eq!(wire.answer().expect("an answer").status, 200);
    assert_eq!(
        upstream.last().trailers,
        [("x-late".to_owned(), b"yes".to_vec())]
    );
}

#[test]
fn a_websocket_is_upgraded_and_carries_bytes_both_ways() {
    let upstream = RawUpstream::start();
    let envoy = Envoy::start(Setup::with(open_to_all()).model(upstream.address()));

    let mut wire = envoy.wire();
    wire.request(
        "GET",
        "/socket",
        &[b"connection: upgrade", b"upgrade: websocket"],
    );
    assert_eq!(wire.answer().expect("an answer").status, 101);
    assert!(wire.send(b"\x00ping\xff"));
    assert_eq!(wire.bytes(6).as_deref(), Some(&b"\x00ping\xff"[..]));
    assert!(String::from_utf8_lossy(&upstream.heads()[0]).contains("upgrade: websocket"));
}

#[test]
fn a_running_envoy_takes_a_new_configuration() {
    let upstream = Upstream::start();
    let mut envoy = Envoy::start(Setup::with(open_to_all()).model(upstream.address()).live());

    let mut renamed = open_to_all();
    renamed["endpoints"][0]["name"] = json!("everything");
    assert_eq!(envoy.apply(renamed), Edit::Applied);
    envoy.get("/after").send().admitted();
    assert!(envoy.config_dump().contains("everything"));
}

#[test]
fn the_configuration_may_come_as_json_text() {
    let upstream = Upstream::start();
    let envoy = Envoy::start(
        Setup::with(open_to_all())
            .model(upstream.address())
            .carried_as_text(),
    );
    envoy.get("/text").send().admitted();
}

/// The files that operators copy from, and the variables that they take secrets from.
const DOCUMENTED: [(&str, &[&str]); 2] = [
    ("envoy/envoy.yaml", &[]),
    (
        "envoy/providers.yaml",
        &[
            "OPENAI_API_KEY",
            "AZURE_OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_API_KEY_OF_GLOBEX",
            "DATABRICKS_CLIENT_ID",
            "DATABRICKS_CLIENT_SECRET",
            "VLLM_API_KEY",
        ],
    ),
];

#[test]
fn the_documented_configurations_are_such_that_envoy_takes() {
    let validate = |file: &str, variables: &[&str]| {
        let mut command = std::process::Command::new(harness::process::envoy_binary());
        command.args(["--mode", "validate", "--disable-hot-restart", "-c", file]);
        command.envs(variables.iter().map(|name| (name, "a-value")));
        command.current_dir(repository()).output().expect("envoy")
    };
    for (file, variables) in DOCUMENTED {
        let output = validate(file, variables);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {log}");
        if let Some((missing, others)) = variables.split_last() {
            let output = validate(file, others);
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{file} without {missing}");
            assert!(log.contains(&format!("{missing} is not set")), "{log}");
        }
    }
}

#[test]
fn the_documented_configurations_are_such_that_the_command_takes() {
    for (file, variables) in DOCUMENTED {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tenantgate"))
            .args(["check", file])
            .current_dir(repository())
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file}: {said}");
        for variable in variables {
            assert!(said.contains(variable), "{file} needs {variable}: {said}");
        }
    }
}

#[test]
fn the_oidc_provider_gives_tokens() {
    let provider = OidcProvider::start();
    let token = provider.access_token("acme-app", "acme-secret");
    assert_eq!(token.split('.').count(), 3, "{token}");
}
