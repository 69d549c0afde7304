//! Evidence about a gate in a real Envoy: what is proved, what is seen to be wrong, and what the page looks like.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;
mod page;
mod private_authority;

use std::fs;

use harness::envoy::Edit;
use harness::evidence::{Desk, evidence, files};
use harness::issuer::AUDIENCE;
use harness::upstream::Reply;
use harness::{Envoy, Issuer, Setup, Upstream};
use serde_json::{Value, json};

const KEY: &str = "sk-CANARY-client-key";
const PROVIDER_KEY: &str = "CANARY-provider-key";

fn endpoints() -> Value {
    json!([
        { "name": "health", "path": "/healthz", "authorizer": { "type": "none" } },
        { "name": "chat", "path": "/v1/chat/completions", "methods": ["POST"],
          "authorizer": { "type": "api_key", "keys": [{ "client_id": "app", "tenant_id": "acme", "key": KEY }] },
          "upstream_auth": { "type": "bearer", "token": PROVIDER_KEY } },
        { "name": "infer", "path": "/v1/models/{model}/infer", "allow_from": ["127.0.0.0/8"], "authorizer": { "type": "oidc", "oidc": {
            "issuer": "https://issuer.test", "audience": AUDIENCE,
        } } },
    ])
}

fn plugin(endpoints: &Value) -> Value {
    json!({ "clusters": { "issuer.test": "issuer" }, "endpoints": endpoints })
}

fn routes() -> Value {
    let route =
        |prefix: &str| json!({ "match": { "prefix": prefix }, "route": { "cluster": "model" } });
    let routes = ["/healthz", "/v1/", "/internal/"].map(route);
    json!([{ "name": "all", "domains": ["*"], "routes": routes }])
}

fn setup(issuer: &Issuer, upstream: &Upstream) -> Setup {
    Setup::with(plugin(&endpoints()))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .virtual_hosts(routes())
}

/// A filter that is not the gate.
fn cors() -> Value {
    json!({ "name": "cors", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
    } })
}

/// The access log as `envoy/envoy.yaml` writes it.
fn log(envoy: &Envoy, desk: &Desk, lines: usize) -> String {
    let lines = envoy.access_log(lines);
    let text: String = lines
        .iter()
        .flat_map(|line| {
            [
                line["log"].as_str().expect("a line"),
                "
",
            ]
        })
        .collect();
    desk.write("access.log", &text)
}

/// A pack of what runs.
fn pack(envoy: &Envoy, desk: &Desk, name: &str, more: &[&str]) -> harness::evidence::Answer {
    let (admin, url, out) = (envoy.admin_url(), envoy.url(), desk.path(name));
    evidence(&[&["--admin", &admin, "--url", &url, "--out", &out], more].concat())
}

fn file(desk: &Desk, pack: &str, beginning: &str) -> String {
    let files = files(desk.at(pack));
    let found = files
        .into_iter()
        .find(|(name, _)| name.starts_with(beginning));
    found.expect(beginning).1
}

#[test]
fn a_pack_of_a_running_gate_holds_real_denials_gaps_and_tenants_and_no_secret() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let envoy = Envoy::start(setup(&issuer, &upstream));
    let question = json!({ "model": "gpt-4o", "messages": [] });
    envoy
        .post("/v1/chat/completions", &question)
        .bearer(KEY)
        .send()
        .admitted();
    envoy
        .get("/v1/models/m/infer")
        .bearer(&issuer.token("globex"))
        .send()
        .admitted();
    envoy
        .post("/v1/chat/completions", &question)
        .send()
        .refused(401, "missing_credential");
    let log = log(&envoy, &desk, 3);
    upstream.forget();

    let said = pack(&envoy, &desk, "pack", &["--access-log", &log, "--json"]).good();
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    upstream.saw_nothing();
    let probes: Vec<(&str, &str, &str)> = answer["probes"]
        .as_array()
        .expect("probes")
        .iter()
        .map(|probe| {
            assert_eq!(
                (&probe["denied"], &probe["status"]),
                (&json!(true), &json!(401)),
                "{probe}"
            );
            let text = |name: &str| probe[name].as_str().expect("a text");
            (text("endpoint"), text("attempt"), text("detail"))
        })
        .collect();
    assert_eq!(
        probes,
        [
            ("chat", "no_credential", "missing_credential"),
            ("chat", "wrong_key", "invalid_credential"),
            ("chat", "spoofed_tenant", "missing_credential"),
            ("infer", "no_credential", "missing_credential"),
            ("infer", "wrong_key", "invalid_credential"),
            ("infer", "forged_token", "invalid_credential"),
            ("infer", "expired_token", "invalid_credential"),
            ("infer", "spoofed_tenant", "missing_credential"),
        ]
    );
    assert_eq!(answer["open"], json!(["health"]));
    assert_eq!(
        answer["gaps"],
        json!([{ "kind": "refused", "listener": "gate", "what": "all: prefix /internal/", "to": ["model"] }])
    );

    // Each of them is in Envoy's own record as well.
    let recorded = envoy.access_log(3 + probes.len());
    for line in &recorded[3..] {
        assert_eq!(line["decision"], "deny", "{line}");
    }
    let attribution = file(&desk, "pack", "tenant-attribution");
    assert!(
        attribution.contains("3 of 3 lines of `access.log` have the documented shape"),
        "{attribution}"
    );
    assert!(
        attribution.contains("| `chat` | `acme` | 1 | 0 |"),
        "{attribution}"
    );
    assert!(
        attribution.contains("| `infer` | `globex` | 1 | 0 |"),
        "{attribution}"
    );
    let manifest: Value = serde_json::from_str(&file(&desk, "pack", "manifest")).expect("JSON");
    assert!(
        manifest["versions"]["envoy"]
            .as_str()
            .expect("a version")
            .contains("/1.40.0/")
    );
    assert_eq!(
        manifest["versions"]["module"]["sha256"]
            .as_str()
            .expect("a digest")
            .len(),
        64
    );
    assert_eq!(manifest["config_id"], recorded[0]["config_id"]);
    for (name, text) in files(desk.at("pack")) {
        assert!(!text.contains("CANARY"), "{name}: {text}");
    }

    evidence(&["verify", &desk.path("pack")]).good();
    let name = format!(
        "pack/denied-request-sample-{}.txt",
        answer["date"].as_str().expect("a date")
    );
    let record = fs::read_to_string(desk.at(&name)).expect("the record");
    desk.write(&name, &record.replacen("401", "200", 1));
    evidence(&["verify", &desk.path("pack")]).ended(1, "was changed");
}

#[test]
fn an_endpoint_that_an_edit_opened_is_loud_in_the_comparison_and_on_the_page() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let mut envoy = Envoy::start(setup(&issuer, &upstream).live());
    pack(&envoy, &desk, "before", &[]).good();
    let mut edited = endpoints();
    edited[1]["authorizer"] = json!({ "type": "none" });
    assert_eq!(envoy.apply(plugin(&edited)), Edit::Applied);

    // The file says one thing, the gate another: the requests tell.
    let old = desk.write("old.json", &plugin(&endpoints()).to_string());
    let answer = evidence(&[
        "--config",
        &old,
        "--admin",
        &envoy.admin_url(),
        "--url",
        &envoy.url(),
        "--out",
        &desk.path("lie"),
    ]);
    let said = "3 requests were NOT denied.\nNot what is running: the Envoy at ";
    assert!(answer.stderr.starts_with(said), "{}", answer.stderr);
    assert_eq!(answer.status, Some(1));
    assert!(
        !file(&desk, "lie", "denied").contains("CANARY"),
        "what the model server saw was recorded"
    );

    pack(
        &envoy,
        &desk,
        "after",
        &["--previous", &desk.path("before")],
    )
    .good();
    let answer = evidence(&["diff", &desk.path("before"), &desk.path("after")]);
    let lost = "protection lost: endpoint chat was opened: anyone may call it";
    assert_eq!(answer.status, Some(1));
    assert!(
        answer
            .stdout
            .lines()
            .nth(1)
            .expect("a change")
            .ends_with(lost),
        "{}",
        answer.stdout
    );
    let page = file(&desk, "after", "report");
    assert!(
        page.contains("<strong>protection lost</strong>: endpoint chat was opened"),
        "{page}"
    );
    assert!(file(&desk, "after", "endpoint").contains("| **`chat`** |"));
}

#[test]
fn a_listener_that_lost_its_filter_fails_loudly() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let envoy = Envoy::start(setup(&issuer, &upstream).beside(cors()));
    upstream.replies(Reply {
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        ..Reply::default()
    });
    let url = format!("http://{}", envoy.address_beside());
    let answer = evidence(&[
        "--admin",
        &envoy.admin_url(),
        "--url",
        &url,
        "--out",
        &desk.path("pack"),
    ]);
    assert_eq!(answer.status, Some(1), "{}", answer.stderr);
    let said = "8 requests were NOT denied.\n3 ways lead to a model server without an endpoint's protection.\n";
    assert!(answer.stderr.starts_with(said), "{}", answer.stderr);
    let inventory = file(&desk, "pack", "endpoint");
    let row = "| `beside` | `all: prefix /v1/` | `model` | **the listener has no tenantgate filter: requests pass unjudged** |";
    assert!(inventory.contains(row), "{inventory}");
    let exposure = file(&desk, "pack", "network");
    assert!(
        exposure.contains("listener beside, all: prefix /v1/"),
        "{exposure}"
    );
}
