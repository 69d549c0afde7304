//! The filter's metrics as Prometheus scrapes them from a real Envoy, with the label rules that `envoy/envoy.yaml` ships.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and waits by the real clock"
)]

mod harness;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::issuer::AUDIENCE;
use harness::provider::Provider;
use harness::upstream::Reply;
use harness::{Envoy, Issuer, Setup, Upstream};
use serde_json::json;

const STREAM: &str = "data: {\"model\":\"m1\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\ndata: [DONE]\n\n";

#[test]
fn decisions_fetches_and_lookups_are_counted_under_names_that_prometheus_users_expect() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let provider = Provider::start(Duration::from_hours(1));
    upstream.replies(Reply {
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        body: Some(STREAM.into()),
        ..Reply::default()
    });
    let plugin = json!({
        "metrics": { "per_tenant": 1 },
        "clusters": { "issuer.test": "issuer", "auth.test": "auth" },
        "endpoints": [
            { "name": "chat", "path": "/v1/chat/completions", "authorizer": { "type": "api_key", "keys": [
                { "client_id": "app", "key": "sk-acme", "tenant_id": "acme.example" },
                { "client_id": "other", "key": "sk-globex", "tenant_id": "globex" },
            ] } },
            { "name": "health.v1", "path": "/healthz", "authorizer": { "type": "none" } },
            { "name": "infer", "path": "/v1/infer", "authorizer": {
                "type": "oidc", "oidc": { "issuer": issuer.url(), "audience": AUDIENCE } },
              "upstream_auth": {
                "type": "oauth2_client_credentials", "token_url": "https://auth.test/oauth/token",
                "client_id": "gate", "client_secret": "secret" } },
        ],
    });
    let envoy = Envoy::start(
        Setup::with(plugin)
            .model(upstream.address())
            .cluster("issuer", issuer.address())
            .cluster("auth", provider.address())
            .workers(2),
    );
    for key in ["sk-acme", "sk-globex"] {
        let call = envoy.post("/v1/chat/completions", &json!({ "model": "m" }));
        call.header("x-api-key", key).send().admitted();
    }
    let token = issuer.token("acme");
    let deadline = Instant::now() + Duration::from_secs(45);
    while envoy.get("/v1/infer").bearer(&token).send().status != 200 {
        assert!(Instant::now() < deadline, "no keys\n{}", envoy.log());
    }
    envoy.get("/healthz").send().admitted();
    envoy
        .get("/v1/infer")
        .send()
        .refused(401, "missing_credential");
    envoy
        .get("/elsewhere")
        .send()
        .refused(404, "unknown_endpoint");

    let url = issuer.url();
    let line = envoy.access_log(1).remove(0);
    let config_id =
        u64::from_str_radix(line["config_id"].as_str().expect("an id"), 16).expect("digits");
    let expected = [
        r#"tenantgate_requests_total{endpoint="health.v1",decision="allow",reason="none"} 1"#.to_owned(),
        r#"tenantgate_requests_total{endpoint="infer",decision="allow",reason="none"} 1"#.to_owned(),
        r#"tenantgate_requests_total{endpoint="infer",decision="deny",reason="missing_credential"} 1"#.to_owned(),
        r#"tenantgate_requests_total{endpoint="(none)",decision="deny",reason="unknown_endpoint"} 1"#.to_owned(),
        format!(r#"tenantgate_fetches_total{{issuer="{url}",document="discovery",cause="first"}} 1"#),
        format!(r#"tenantgate_fetches_total{{issuer="{url}",document="keys",cause="first"}} 1"#),
        r#"tenantgate_fetches_total{issuer="https://auth.test/oauth/token",document="access_token",cause="first"} 1"#.to_owned(),
        r#"tenantgate_token_cache_lookups_total{result="miss"} 1"#.to_owned(),
        format!(r#"tenantgate_keys_age_seconds{{issuer="{url}"}}"#),
        "tenantgate_vm_memory_bytes{} ".to_owned(),
        format!("tenantgate_config_id{{}} {config_id}"),
        "tenantgate_config_age_seconds{} ".to_owned(),
        r#"tenantgate_tokens_total{endpoint="chat",direction="input"} 22"#.to_owned(),
        r#"tenantgate_tokens_total{endpoint="chat",direction="output"} 14"#.to_owned(),
        r#"tenantgate_time_to_first_byte_milliseconds_count{endpoint="chat"} 2"#.to_owned(),
        r#"tenantgate_tenant_tokens_total{tenant="acme.example",direction="input"} 11"#.to_owned(),
        r#"tenantgate_tenant_tokens_total{tenant="other",direction="output"} 7"#.to_owned(),
        r#"tenantgate_tenant_requests_total{tenant="acme.example"} 1"#.to_owned(),
    ];
    // Some are brought up to date now and then only.
    let scrape = loop {
        let scrape = envoy.admin("/stats/prometheus?filter=wasmcustom");
        let missing: Vec<_> = expected
            .iter()
            .filter(|line| !scrape.contains(line.as_str()))
            .collect();
        if missing.is_empty() {
            break scrape;
        }
        assert!(Instant::now() < deadline, "missing: {missing:#?}\n{scrape}");
        std::thread::sleep(Duration::from_millis(200));
    };
    // What TenantgateDoesNotDecide in envoy/prometheus/alerts.yaml holds ours against.
    let served = r#"envoy_http_downstream_rq_completed{envoy_http_conn_manager_prefix="gate"}"#;
    let envoys = envoy.admin("/stats/prometheus?filter=downstream_rq_completed");
    assert!(envoys.contains(served), "{envoys}");
    assert!(
        !scrape.contains("wasmcustom"),
        "a label rule misses a metric:\n{scrape}"
    );
    lint(&scrape);
}

/// What `promtool` says against our own metrics. Envoy gives no help texts, which it always minds.
fn lint(scrape: &str) {
    let promtool = std::env::var("PROMTOOL")
        .unwrap_or_else(|_| format!("{}/.tools/bin/promtool", env!("CARGO_MANIFEST_DIR")));
    let mut child = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{promtool}: {error}; scripts/setup installs it"));
    let ours: String = scrape
        .lines()
        .filter(|line| line.contains("tenantgate_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(ours.as_bytes())
        .expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let complaints: Vec<_> = said
        .lines()
        .filter(|line| !line.contains("no help text"))
        // Envoy's histograms hold whole numbers, and are in milliseconds for that reason, its own as well.
        .filter(|line| !line.contains("time_to_first_byte_milliseconds use base unit"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}\n{ours}");
}
