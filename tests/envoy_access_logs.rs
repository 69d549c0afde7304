//! The access logs, alerts and dashboard that operators copy: each is run or checked here, as it lies in `envoy/`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and waits by the real clock"
)]

mod harness;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::otlp::{self, Record};
use harness::process::repository;
use harness::shipped::{documented, shipped};
use harness::upstream::Reply;
use harness::wire::Wire;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};
use tenantgate::metrics::{Direction, Metric};

const PATH: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"model":"m1-0101","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;

fn setup(upstream: &Upstream, access_log: &Value) -> Setup {
    upstream.replies(Reply {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(ANSWER.into()),
        ..Reply::default()
    });
    let keys = json!([{ "client_id": "app", "key": "sk-acme", "tenant_id": "acme" }]);
    let plugin = json!({ "endpoints": [
        { "name": "chat", "path": PATH, "authorizer": { "type": "api_key", "keys": keys } },
    ]});
    let mut setup = Setup::with(plugin).model(upstream.address());
    let loggers = access_log.as_array().expect("a list of loggers");
    setup.access_log.clone_from(loggers);
    setup
}

/// One request that is let in and one that is not.
fn call(envoy: &Envoy) {
    let asked = json!({ "model": "gpt-4o-mini" });
    envoy
        .post(PATH, &asked)
        .header("x-api-key", "sk-acme")
        .send()
        .admitted();
    envoy
        .post(PATH, &asked)
        .send()
        .refused(401, "missing_credential");
}

#[test]
fn every_request_leaves_the_filters_line_and_no_other() {
    let upstream = Upstream::start();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log";
    let loggers = documented().pointer(manager).expect("loggers").clone();
    let envoy = Envoy::start(setup(&upstream, &loggers));
    call(&envoy);
    let told = envoy.told(2);
    assert_eq!(told.len(), 2, "{told:#?}");
    let members: Vec<&str> = told[0]
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert!(members.contains(&"cached_input_tokens"), "{members:?}");
    for (name, value) in [
        ("tenant_id", json!("acme")),
        ("endpoint", json!(PATH)),
        ("model", json!("gpt-4o-mini")),
        ("served_model", json!("m1-0101")),
        ("input_tokens", json!(11)),
        ("output_tokens", json!(7)),
        ("status", json!(200)),
        ("usage_source", json!("reported")),
    ] {
        assert_eq!(told[0][name], value, "{name}");
    }
    assert_eq!(told[1]["reason"], "missing_credential");
    assert_eq!(told[1]["tenant_id"], Value::Null);
}

#[test]
fn a_request_that_the_filter_does_not_see_leaves_envoys_own_word() {
    let upstream = Upstream::start();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log";
    let loggers = documented().pointer(manager).expect("loggers").clone();
    // Stands for a VM that has trapped: nothing tells filter state of the request.
    let other_filter = json!({
        "name": "buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": 1024,
        },
    });
    let envoy = Envoy::start(setup(&upstream, &loggers).beside(other_filter));
    let mut wire = Wire::connect(envoy.address_beside());
    assert!(wire.request("GET", PATH, &[]));
    assert_eq!(wire.answer().expect("an answer").status, 200);
    let told = envoy.told(1);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["status"], 200);
    assert!(told[0]["request_id"].is_string(), "{told:#?}");
    assert_eq!(told[0].get("decision"), None, "{told:#?}");
}

#[test]
fn the_fields_of_the_typed_log_are_numbers_where_they_are_numbers_and_null_where_nothing_is_known()
{
    let upstream = Upstream::start();
    let loggers = &shipped("envoy/access-logs/json.yaml")["access_log"];
    let envoy = Envoy::start(setup(&upstream, loggers));
    call(&envoy);
    let told = envoy.told(2);
    for (name, value) in [
        ("tenant_id", json!("acme")),
        ("client_id", json!("app")),
        ("user_id", Value::Null),
        ("endpoint", json!(PATH)),
        ("decision", json!("allow")),
        ("reason", Value::Null),
        ("model", json!("gpt-4o-mini")),
        ("input_tokens", json!(11)),
        ("output_tokens", json!(7)),
        ("usage_source", json!("reported")),
        ("status", json!(200)),
    ] {
        assert_eq!(told[0][name], value, "{name}: {:#}", told[0]);
    }
    for (name, value) in [
        ("tenant_id", Value::Null),
        ("decision", json!("deny")),
        ("reason", json!("missing_credential")),
        ("model", Value::Null),
        ("input_tokens", Value::Null),
        ("status", json!(401)),
    ] {
        assert_eq!(told[1][name], value, "{name}: {:#}", told[1]);
    }
}

#[test]
fn a_collector_gets_the_line_and_its_attributes_as_opentelemetry() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let file = shipped("envoy/access-logs/opentelemetry.yaml");
    assert_eq!(file["clusters"][0]["name"], "collector");
    let setup = setup(&upstream, &file["access_log"]).cluster("collector", collector.address());
    let envoy = Envoy::start(setup);
    call(&envoy);
    let deadline = Instant::now() + Duration::from_secs(20);
    let records = loop {
        let records: Vec<Record> = collector
            .seen()
            .iter()
            .flat_map(|seen| otlp::records(&seen.body))
            .collect();
        if records.len() >= 2 {
            break records;
        }
        let log = envoy.log();
        assert!(Instant::now() < deadline, "{records:#?}\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let [allowed, refused] = records.as_slice() else {
        panic!("one record a request: {records:#?}");
    };
    for (name, value) in [
        ("tenant.id", "acme"),
        ("http.route", PATH),
        ("http.response.status_code", "200"),
        ("tenantgate.decision", "allow"),
        ("gen_ai.request.model", "gpt-4o-mini"),
        ("gen_ai.response.model", "m1-0101"),
        ("gen_ai.usage.input_tokens", "11"),
        ("gen_ai.usage.output_tokens", "7"),
    ] {
        assert_eq!(allowed.attributes[name], value, "{name}");
    }
    for (name, value) in [
        ("input_tokens", json!(11)),
        ("output_tokens", json!(7)),
        ("tenant_id", json!("acme")),
        ("user_id", Value::Null),
    ] {
        assert_eq!(allowed.line()[name], value, "{name}");
    }
    for (name, value) in [
        ("tenant.id", "-"),
        ("tenantgate.decision", "deny"),
        ("tenantgate.reason", "missing_credential"),
        ("gen_ai.usage.input_tokens", "-"),
    ] {
        assert_eq!(refused.attributes[name], value, "{name}");
    }
    assert_eq!(refused.line()["input_tokens"], Value::Null);
    assert_eq!(collector.last().target, "/v1/logs");
}

#[test]
fn envoy_takes_the_same_log_over_grpc() {
    let (upstream, collector) = (Upstream::start(), Upstream::start());
    let mut file = shipped("envoy/access-logs/opentelemetry.yaml");
    let config = file["access_log"][0]["typed_config"]
        .as_object_mut()
        .expect("a logger");
    config.remove("http_service");
    let service = json!({ "envoy_grpc": { "cluster_name": "collector" } });
    config.insert("grpc_service".to_owned(), service);
    let setup = setup(&upstream, &file["access_log"]).cluster("collector", collector.address());
    Envoy::validate(&setup).expect("a configuration that Envoy takes");
    config_without_a_service_is_refused(&upstream, file);
}

/// The twin: it differs in that nobody is named to take the records.
fn config_without_a_service_is_refused(upstream: &Upstream, mut file: Value) {
    file["access_log"][0]["typed_config"]["grpc_service"]["envoy_grpc"]["cluster_name"] = json!("");
    Envoy::validate(&setup(upstream, &file["access_log"])).expect_err("no cluster to send to");
}

/// Every metric that the filter can make, with the labels that the rules in `envoy/envoy.yaml` make of its name.
fn metrics() -> Vec<(&'static str, Metric<'static>, &'static [&'static str])> {
    use tenantgate::fetch::{Part, document::Cause};
    let (issuer, key_set, endpoint) = ("i", "k", "e");
    let (tenant, direction) = ("t", Direction::Input);
    let document = Part::Keys;
    vec![
        (
            "requests_total",
            Metric::Requests {
                endpoint: Some(endpoint),
                reason: None,
            },
            &["endpoint", "decision", "reason"],
        ),
        (
            "fetches_total",
            Metric::Fetches {
                issuer,
                document,
                cause: Cause::First,
            },
            &["issuer", "document", "cause"],
        ),
        (
            "fetch_failures_total",
            Metric::FetchFailures { issuer, document },
            &["issuer", "document"],
        ),
        ("keys_age_seconds", Metric::KeysAge { issuer }, &["issuer"]),
        (
            "key_set_age_seconds",
            Metric::KeySetAge { key_set },
            &["key_set"],
        ),
        ("key_set_keys", Metric::KeySetKeys { key_set }, &["key_set"]),
        (
            "key_set_version",
            Metric::KeySetVersion { key_set },
            &["key_set"],
        ),
        ("config_id", Metric::ConfigId, &[]),
        ("config_age_seconds", Metric::ConfigAge, &[]),
        (
            "token_cache_lookups_total",
            Metric::TokenCacheLookups { hit: true },
            &["result"],
        ),
        (
            "tokens_total",
            Metric::Tokens {
                endpoint,
                direction,
            },
            &["endpoint", "direction"],
        ),
        (
            "time_to_first_byte_milliseconds",
            Metric::TimeToFirstByte { endpoint },
            &["endpoint"],
        ),
        (
            "tenant_requests_total",
            Metric::TenantRequests { tenant },
            &["tenant"],
        ),
        (
            "tenant_tokens_total",
            Metric::TenantTokens { tenant, direction },
            &["tenant", "direction"],
        ),
        ("vm_memory_bytes", Metric::VmMemory, &[]),
    ]
}

/// The names of metrics in a query, and the labels that it asks of each.
fn asked(query: &str) -> Vec<(String, BTreeSet<String>)> {
    query
        .match_indices("tenantgate_")
        .map(|(at, _)| {
            let rest = &query[at + "tenantgate_".len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches("_bucket").to_owned();
            let selector = rest[end..]
                .strip_prefix('{')
                .and_then(|rest| rest.split('}').next());
            let matchers = selector
                .unwrap_or_default()
                .split(',')
                .filter(|text| !text.is_empty());
            let labels = matchers.map(|text| {
                text.split(['=', '!', '~'])
                    .next()
                    .expect("a label")
                    .trim()
                    .to_owned()
            });
            (name, labels.collect())
        })
        .collect()
}

/// The labels that a query groups by.
fn grouped_by(query: &str) -> impl Iterator<Item = &str> {
    query
        .split("by (")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .flat_map(|labels| labels.split(',').map(str::trim))
}

fn check_query(query: &str) {
    let known = metrics();
    let asked = asked(query);
    assert!(!asked.is_empty(), "{query}");
    for (name, labels) in asked {
        let (_, _, has) = known
            .iter()
            .find(|(known, ..)| *known == name)
            .unwrap_or_else(|| panic!("the filter makes no tenantgate_{name}: {query}"));
        for label in labels.iter().filter(|label| *label != "instance") {
            assert!(
                has.contains(&label.as_str()),
                "tenantgate_{name} has no {label}: {query}"
            );
        }
        for label in grouped_by(query).filter(|label| !["instance", "le"].contains(label)) {
            assert!(
                has.contains(&label),
                "tenantgate_{name} cannot be grouped by {label}: {query}"
            );
        }
    }
}

#[test]
fn the_alerts_and_the_dashboard_ask_for_nothing_that_the_filter_does_not_make() {
    for (name, metric, _) in metrics() {
        assert!(metric.to_string().ends_with(name), "{metric} {name}");
    }
    let rules = shipped("envoy/prometheus/alerts.yaml");
    for rule in rules["groups"][0]["rules"].as_array().expect("rules") {
        check_query(rule["expr"].as_str().expect("a query"));
    }
    let file = repository().join("envoy/grafana/dashboard.json");
    let text = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut shown = BTreeSet::new();
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
    {
        let query = target["expr"].as_str().expect("a query");
        check_query(query);
        shown.extend(asked(query).into_iter().map(|(name, _)| name));
    }
    let made: BTreeSet<String> = metrics()
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    assert_eq!(shown, made, "the dashboard shows every metric");
}

#[test]
fn each_alert_fires_when_it_should_and_its_twin_does_not() {
    let promtool = repository().join(".tools/bin/promtool");
    for arguments in [
        ["check", "rules", "envoy/prometheus/alerts.yaml"],
        ["test", "rules", "envoy/prometheus/alerts_test.yaml"],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(repository())
            .output()
            .expect("promtool; scripts/setup installs it");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
}
