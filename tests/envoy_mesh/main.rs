//! What is shipped for Istio and Envoy Gateway, run by the real Envoy as those two would have it run: the filter that they
//! make of their resources, the clusters that they make of their services and routes, and the access log.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and waits by the real clock"
)]

#[path = "../harness/mod.rs"]
mod harness;
mod sidecar;

use std::time::{Duration, Instant};

use harness::envoy::Edit;
use harness::shipped::{documents, shipped};
use harness::tokens::with;
use harness::{Envoy, Issuer, Listener, Setup, Upstream, module};
use serde_json::{Map, Value, json};

/// What the issuer of all these files is called, and the key that they have the digest of.
const LOGIN: &str = "https://login.example.com";
const KEY: &str = "demo-key-of-acme";
const CHAT: &str = "/v1/chat/completions";

/// A resource of a file.
fn resource(file: &str, kind: &str) -> Value {
    let found = documents(file).into_iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {file}"))
}

/// The filter that Istio makes of `spec` of a `WasmPlugin`: `pluginConfig` as JSON text, `env` in the two kinds that Envoy
/// has, no `vm_id`, and the module from a file, where its agent has put it.
fn by_istio(resource: &Value, spec: &Value) -> Value {
    let metadata = &resource["metadata"];
    let name = |member: &str| metadata[member].as_str().expect("a name");
    let mut values = Map::new();
    values.insert(
        "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION".to_owned(),
        json!("1"),
    );
    let mut from_host = Vec::new();
    for variable in spec["vmConfig"]["env"].as_array().expect("variables") {
        if variable["valueFrom"] == "HOST" {
            from_host.push(variable["name"].clone());
        } else {
            let name = variable["name"].as_str().expect("a name");
            values.insert(name.to_owned(), variable["value"].clone());
        }
    }
    let policy = match spec["failStrategy"].as_str() {
        Some("FAIL_RELOAD") => "FAIL_RELOAD",
        Some("FAIL_OPEN") => "FAIL_OPEN",
        _ => "FAIL_CLOSED",
    };
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": format!("{}.{}", name("namespace"), name("name")),
            "root_id": spec["pluginName"].as_str().unwrap_or_default(),
            "failure_policy": policy,
            "configuration": text(&spec["pluginConfig"]),
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module::filter() } },
                "environment_variables": { "key_values": values, "host_env_keys": from_host },
            },
        },
    })
}

/// The filter that Envoy Gateway makes of an entry of `spec.wasm` of an `EnvoyExtensionPolicy`.
fn by_envoy_gateway(entry: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": entry["name"],
            "root_id": entry["rootID"],
            "fail_open": entry["failOpen"],
            "configuration": text(&entry["config"]),
            "vm_config": {
                "vm_id": "envoyextensionpolicy/models/tenantgate/wasm/0",
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module::filter() } },
                "environment_variables": { "host_env_keys": entry["env"]["hostKeys"] },
            },
        },
    })
}

fn text(configuration: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    })
}

/// A file, the filter that is made of it, the cluster that leads to its issuer, and the variable with the provider's key.
struct Shipped {
    file: &'static str,
    filter: Value,
    cluster: &'static str,
    secret: &'static str,
}

fn all() -> Vec<Shipped> {
    const OUTBOUND: &str = "outbound|443||login.example.com";
    const ROUTE: &str = "httproute/models/login/rule/0";
    let plugin = |file, secret| {
        let it = resource(file, "WasmPlugin");
        let filter = by_istio(&it, &it["spec"]);
        Shipped {
            file,
            filter,
            cluster: OUTBOUND,
            secret,
        }
    };
    let policy = |file| {
        let it = resource(file, "EnvoyExtensionPolicy");
        let filter = by_envoy_gateway(&it["spec"]["wasm"][0]);
        Shipped {
            file,
            filter,
            cluster: ROUTE,
            secret: "OPENAI_API_KEY",
        }
    };
    let extension = resource("envoy/istio/traffic-extension.yaml", "TrafficExtension");
    vec![
        plugin("envoy/istio/ingress-gateway.yaml", "OPENAI_API_KEY"),
        plugin("envoy/istio/sidecar.yaml", "VLLM_API_KEY"),
        Shipped {
            file: "envoy/istio/traffic-extension.yaml",
            filter: by_istio(&extension, &extension["spec"]["wasm"]),
            cluster: OUTBOUND,
            secret: "OPENAI_API_KEY",
        },
        policy("envoy/gateway/policy.yaml"),
        policy("envoy/gateway/policy-http.yaml"),
    ]
}

fn setup(shipped: &Shipped, issuer: &Issuer, upstream: &Upstream) -> Setup {
    let mut setup = Setup::with(Value::Null)
        .model(upstream.address())
        .cluster(shipped.cluster, issuer.address())
        .secret(shipped.secret, "the-key-of-the-provider");
    setup.filter = Some(shipped.filter.clone());
    setup
}

/// A token that these files let in.
fn token(issuer: &Issuer) -> String {
    let claims = issuer.claims("acme");
    issuer.sign(&with(
        claims,
        json!({ "tenant": "acme", "scope": "models.use" }),
    ))
}

/// Asks with a token until the issuer's keys are there.
fn admitted(envoy: &Envoy, host: &str, token: &str) {
    let deadline = Instant::now() + Duration::from_secs(45);
    loop {
        let ask = envoy.post(CHAT, &json!({})).header("host", host);
        let answer = ask.bearer(token).send();
        if answer.status == 200 {
            return;
        }
        assert_eq!(answer.reason(), "keys_unavailable", "{}", answer.text());
        assert!(Instant::now() < deadline, "no keys\n{}", envoy.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_istio_and_envoy_gateway_make_of_the_shipped_resources_runs_in_envoy() {
    for shipped in all() {
        let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
        let envoy = Envoy::start(setup(&shipped, &issuer, &upstream));
        let chat = || {
            let ask = envoy.post(CHAT, &json!({}));
            ask.header("host", "models.example.com")
        };
        admitted(&envoy, "models.example.com", &token(&issuer));
        let seen = upstream.last();
        assert_eq!(
            seen.header("x-tenant-id").as_deref(),
            Some("acme"),
            "{}",
            shipped.file
        );
        let lent = Some("Bearer the-key-of-the-provider");
        assert_eq!(
            seen.header("authorization").as_deref(),
            lent,
            "{}",
            shipped.file
        );
        chat().send().refused(401, "missing_credential");
        chat()
            .bearer("not-a-key")
            .send()
            .refused(401, "invalid_credential");
        let elsewhere = envoy
            .get("/admin")
            .header("host", "login-of-the-filter.example.com");
        elsewhere.send().refused(404, "unknown_endpoint");
        // The sidecar's own takes tokens only.
        if !shipped.file.ends_with("sidecar.yaml") {
            chat().bearer(KEY).send().admitted();
            let other = envoy
                .post(CHAT, &json!({}))
                .header("host", "other.example.com");
            other.bearer(KEY).send().refused(404, "unknown_endpoint");
        }
        assert_eq!(issuer.discovery_hits(), 1, "{}", shipped.file);
    }
}

#[test]
fn without_the_provider_s_key_in_the_proxy_s_environment_the_filter_is_refused() {
    for shipped in all() {
        let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
        let mut setup = setup(&shipped, &issuer, &upstream);
        setup.environment.clear();
        let log = Envoy::validate(&setup).expect_err("a variable that is missing");
        let message = format!("{} is not set", shipped.secret);
        assert!(log.contains(&message), "{}: {log}", shipped.file);
    }
}

#[test]
fn an_edit_of_the_plugin_configuration_takes_effect_as_istio_brings_it() {
    let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
    let mut resource = resource("envoy/istio/ingress-gateway.yaml", "WasmPlugin");
    let shipped = all().remove(0);
    let mut envoy = Envoy::start(setup(&shipped, &issuer, &upstream).live());
    let chat = |envoy: &Envoy| {
        let ask = envoy.post(CHAT, &json!({}));
        ask.header("host", "models.example.com").bearer(KEY).send()
    };
    chat(&envoy).admitted();
    resource["spec"]["pluginConfig"]["endpoints"][0]["path"] = json!("/v2/chat");
    assert_eq!(
        envoy.replace(by_istio(&resource, &resource["spec"])),
        Edit::Applied
    );
    chat(&envoy).refused(404, "unknown_endpoint");
    resource["spec"]["pluginConfig"]["endpoints"][0]["path"] = json!("v1/chat/completions");
    assert_eq!(
        envoy.replace(by_istio(&resource, &resource["spec"])),
        Edit::Rejected
    );
    chat(&envoy).refused(404, "unknown_endpoint");
}

#[test]
fn what_istio_s_gateway_should_refuse_by_itself_it_does() {
    let filter = &resource("envoy/istio/hardening.yaml", "EnvoyFilter")["spec"]["configPatches"][0];
    let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
    let shipped = all().remove(0);
    let raw = setup(&shipped, &issuer, &upstream).listener(Listener::RAW);
    let mut hardened = raw.clone();
    hardened.merged = Some(filter["patch"]["value"]["typed_config"].clone());

    let ask = |setup: Setup, path: &str, header: &str| {
        let envoy = Envoy::start(setup);
        let ask = envoy.ask("POST", path).header("host", "models.example.com");
        ask.bearer(KEY).header(header, "globex").send()
    };
    ask(raw.clone(), CHAT, "x_other").admitted();
    assert_eq!(ask(hardened.clone(), CHAT, "x-other").status, 200);
    for (path, header) in [(CHAT, "x_other"), ("/v1/chat%2fcompletions", "x-other")] {
        let answer = ask(hardened.clone(), path, header);
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (400, ""),
            "{path} {header}"
        );
    }
}

/// The loggers that Istio and Envoy Gateway make of their files, which are alike.
fn loggers() -> [(&'static str, Value); 2] {
    let logger = |format: &Value, expression: &Value| {
        json!({
            "name": "envoy.access_loggers.file",
            "filter": { "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": expression,
                },
            } },
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": "/dev/stdout",
                "log_format": format,
            },
        })
    };
    let line = |text: &Value| json!({ "text_format_source": { "inline_string": text } });
    let fields = |fields: &Value| json!({ "json_format": fields });

    let providers = &shipped("envoy/istio/mesh-config.yaml")["meshConfig"]["extensionProviders"];
    let telemetry = resource("envoy/istio/telemetry.yaml", "Telemetry");
    let entries = telemetry["spec"]["accessLogging"]
        .as_array()
        .expect("loggers")
        .clone();
    let istio = entries.iter().map(|entry| {
        let named = |it: &&Value| it["name"] == entry["providers"][0]["name"];
        let provider = providers
            .as_array()
            .expect("providers")
            .iter()
            .find(named)
            .expect("a provider");
        let format = &provider["envoyFileAccessLog"]["logFormat"];
        let format = if format["text"].is_string() {
            line(&format["text"])
        } else {
            fields(&format["labels"])
        };
        logger(&format, &entry["filter"]["expression"])
    });

    let proxy = resource("envoy/gateway/policy.yaml", "EnvoyProxy");
    let settings = proxy["spec"]["telemetry"]["accessLog"]["settings"]
        .as_array()
        .expect("settings")
        .clone();
    let gateway = settings.iter().map(|setting| {
        let format = &setting["format"];
        let format = if format["type"] == "Text" {
            line(&format["text"])
        } else {
            fields(&format["json"])
        };
        logger(&format, &setting["matches"][0])
    });
    [
        ("Istio", istio.collect()),
        ("Envoy Gateway", gateway.collect()),
    ]
}

#[test]
fn the_access_log_that_the_mesh_writes_has_the_line() {
    for (whose, loggers) in loggers() {
        let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
        let mut setup = setup(&all().remove(0), &issuer, &upstream);
        setup.access_log = loggers.as_array().expect("loggers").clone();
        let envoy = Envoy::start(setup);
        let chat = envoy
            .post(CHAT, &json!({}))
            .header("host", "models.example.com");
        chat.bearer(KEY).send().admitted();
        let told = envoy.told(1);
        assert_eq!(told.len(), 1, "{whose}: one line for a request");
        assert_eq!(
            (&told[0]["tenant_id"], &told[0]["decision"]),
            (&json!("acme"), &json!("allow")),
            "{whose}"
        );
    }
}
