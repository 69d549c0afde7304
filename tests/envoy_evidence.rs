//! Evidence about a gate in a real Envoy: what is proved, what is seen to be wrong, and what the page looks like.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod harness;

use std::fs;
use std::process::Command;

use harness::envoy::Edit;
use harness::evidence::{Desk, evidence, files};
use harness::issuer::AUDIENCE;
use harness::process::repository;
use harness::upstream::Reply;
use harness::{Envoy, Issuer, Setup, Upstream};
use p256::ecdsa::signature::Signer;
use p256::pkcs8::{EncodePrivateKey, LineEnding};
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

/// The access log as `envoy/envoy.yaml` writes it.
fn log(envoy: &Envoy, desk: &Desk, lines: usize) -> String {
    let lines = envoy.access_log(lines);
    let text: String = lines
        .iter()
        .map(|line| format!("{}\n", line["log"].as_str().expect("a line")))
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
    let filter = json!({ "name": "cors", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
    } });
    let envoy = Envoy::start(setup(&issuer, &upstream).beside(filter));
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

#[test]
fn a_gate_behind_a_private_authority_is_asked_with_its_certificate() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let key = Signing::new();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.serial_number = Some(1_u64.into());
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("an authority");
    let issuing = rcgen::Issuer::from_params(&params, &key);
    let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    leaf.serial_number = Some(2_u64.into());
    let certificate = leaf.signed_by(&key, &issuing).expect("a certificate").pem();
    let envoy = Envoy::start(setup(&issuer, &upstream).tls(certificate, key.pem()));

    let url = format!("https://localhost:{}", envoy.address().port());
    let (admin, out) = (envoy.admin_url(), desk.path("pack"));
    let arguments = ["--admin", &admin, "--url", &url, "--out", &out];
    evidence(&arguments).ended(2, "(a private CA is named with --cacert FILE)");
    let authority = desk.write("ca.pem", &authority.pem());
    let said = evidence(&[&arguments[..], &["--cacert", &authority]].concat()).good();
    assert!(said.ends_with("8 of 8 requests denied\n"), "{said}");
    assert!(
        file(&desk, "pack", "network")
            .contains("| `gate` | `127.0.0.1:0` (this machine only) | TLS | yes |")
    );
}

/// A key for certificates: P-256, as the filter's own library has it.
struct Signing {
    key: p256::ecdsa::SigningKey,
    point: Vec<u8>,
}

impl Signing {
    fn new() -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key");
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, point }
    }

    fn pem(&self) -> String {
        self.key
            .to_pkcs8_pem(LineEnding::LF)
            .expect("PEM")
            .to_string()
    }
}

impl rcgen::PublicKeyData for Signing {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: p256::ecdsa::DerSignature = self.key.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}

/// Pictures go to `target/evidence-page/`, for eyes.
#[test]
fn the_page_is_read_by_everybody_wide_narrow_dark_printed_and_without_scripts() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let cors = json!({ "name": "cors", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
    } });
    let mut envoy = Envoy::start(setup(&issuer, &upstream).live().beside(cors));
    let question = json!({ "model": "gpt-4o", "messages": [] });
    envoy
        .post("/v1/chat/completions", &question)
        .bearer(KEY)
        .send()
        .admitted();
    envoy
        .post("/v1/chat/completions", &question)
        .send()
        .refused(401, "missing_credential");
    let log = log(&envoy, &desk, 2);
    pack(&envoy, &desk, "before", &[]).ended(0, "3 ways lead");
    let mut edited = endpoints();
    edited[0]["path"] = json!("/health");
    edited[2]["allow_from"] = json!(["127.0.0.0/8", "10.0.0.0/8"]);
    edited.as_array_mut().expect("endpoints").push(json!({
        "name": "either-a-key-or-a-token-of-somebody", "hosts": ["*.models.example.com"], "path": "/v1/either/{model=**}",
        "allow_from": ["10.0.0.0/8", "127.0.0.0/8", "2001:db8::/32"],
        "authorizer": { "any_of": [
            { "type": "api_key", "keys": [{ "client_id": "<b>app</b>", "key": "another" }] },
            { "type": "oidc", "oidc": { "issuer": "https://issuer.test", "audience": AUDIENCE, "required_claims": { "scope": ["use"] } } },
        ] },
    }));
    assert_eq!(envoy.apply(plugin(&edited)), Edit::Applied);
    // Half of what is asked gets through, for the page to say so.
    let old = desk.write("edited.json", &plugin(&edited).to_string());
    let before = desk.path("before");
    let url = format!("http://{}", envoy.address_beside());
    let answer = evidence(&[
        "--config",
        &old,
        "--admin",
        &envoy.admin_url(),
        "--url",
        &url,
        "--access-log",
        &log,
        "--previous",
        &before,
        "--out",
        &desk.path("pack"),
        "--date",
        "2026-05-15",
    ]);
    assert_eq!(answer.status, Some(1), "{}", answer.stderr);

    let pictures = repository().join("target/evidence-page");
    let output = Command::new("node")
        .arg(repository().join("tests/evidence-page/page.mjs"))
        .arg(desk.at("pack/report-2026-05-15.html"))
        .arg(&pictures)
        .output()
        .expect("node: run scripts/setup");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for what in ["complaints", "violations", "outside"] {
        assert_eq!(seen[what], json!([]), "{what}");
    }
    assert!(
        seen["checked"].as_u64() > Some(60),
        "axe-core found nothing to check: {seen}"
    );
    let requests = seen["requests"].as_array().expect("requests");
    assert!(
        requests
            .iter()
            .all(|url| url.as_str().expect("a URL").starts_with("file:")),
        "{requests:?}"
    );
    let text = seen["text"].as_str().expect("the text of the page");
    for said in [
        "requests were NOT denied.",
        "listener beside, all: prefix /v1/",
        "protection lost",
        "either-a-key-or-a-token-of-somebody",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    for picture in [
        "wide.png",
        "narrow.png",
        "dark.png",
        "printed.png",
        "printed.pdf",
    ] {
        assert!(
            fs::metadata(pictures.join(picture)).expect(picture).len() > 10_000,
            "{picture}"
        );
    }
}
