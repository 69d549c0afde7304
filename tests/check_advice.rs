//! `tenantgate check` on whole files: what is no error and should not be shipped, each with its place and its mend. That
//! the files themselves pass is told by `shipped_files`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ENVOY: &str = "envoy/envoy.yaml";
const PROVIDERS: &str = "envoy/providers.yaml";
const INGRESS: &str = "envoy/istio/ingress-gateway.yaml";
const EXTENSION: &str = "envoy/istio/traffic-extension.yaml";
const GATEWAY: &str = "envoy/gateway/policy.yaml";
const SIDECAR: &str = "envoy/kubernetes/base/filter.yaml";

/// A shipped file, what is changed in it, and what is then said: where, and what to do.
struct Row {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    place: &'static str,
    says: &'static str,
}

const ROWS: [Row; 34] = [
    // No vm_id.
    row(
        ENVOY,
        "vm_id: tenantgate",
        "allow_precompiled: true",
        "config: vm_config.vm_id",
        "write `vm_id: tenantgate`",
    ),
    row(
        SIDECAR,
        "vm_id: tenantgate",
        "vm_id: ''",
        "config: vm_config.vm_id",
        "write `vm_id: tenantgate`",
    ),
    // Fail-open, however it is written.
    row(
        ENVOY,
        "failure_policy: FAIL_RELOAD",
        "failure_policy: FAIL_OPEN",
        "config: failure_policy",
        "write FAIL_RELOAD",
    ),
    row(
        ENVOY,
        "failure_policy: FAIL_RELOAD",
        "failurePolicy: 3",
        "config: failurePolicy",
        "write FAIL_RELOAD",
    ),
    row(
        ENVOY,
        "failure_policy: FAIL_RELOAD",
        "fail_open: true",
        "config: fail_open",
        "write `failure_policy: FAIL_RELOAD`",
    ),
    row(
        INGRESS,
        "failStrategy: FAIL_RELOAD",
        "failStrategy: FAIL_OPEN",
        "spec: failStrategy",
        "write FAIL_RELOAD",
    ),
    row(
        EXTENSION,
        "failStrategy: FAIL_RELOAD",
        "failStrategy: FAIL_OPEN",
        "spec.wasm: failStrategy",
        "write FAIL_RELOAD",
    ),
    row(
        GATEWAY,
        "failOpen: false",
        "failOpen: true",
        "spec.wasm[0]: failOpen",
        "leave it out",
    ),
    // The body of a waiting request goes ahead of it.
    row(
        ENVOY,
        "failure_policy:",
        "allow_on_headers_stop_iteration: true\n                failure_policy:",
        "config: allow_on_headers_stop_iteration",
        "leave it out",
    ),
    // Envoy routes by another host than the gate judges.
    row(
        PROVIDERS,
        "          strip_trailing_host_dot: true\n",
        "",
        "typed_config: strip_trailing_host_dot",
        "write `strip_trailing_host_dot: true`",
    ),
    row(
        PROVIDERS,
        "ignore_port_in_host_matching: true",
        "ignorePortInHostMatching: false",
        "typed_config: route_config.ignore_port_in_host_matching",
        "write `ignore_port_in_host_matching: true`",
    ),
    // Clusters that are not there.
    row(
        ENVOY,
        "issuer.example.com: issuer",
        "issuer.example.com: isuer",
        r#"configuration: clusters["issuer.example.com"]"#,
        "no cluster of this file is called `isuer`; did you mean `issuer`?",
    ),
    row(
        ENVOY,
        "issuer.example.com: issuer",
        "issuer.example.com: azure",
        r#"configuration: clusters["issuer.example.com"]"#,
        "no cluster of this file is called `azure`; there are `model_server`, `issuer`",
    ),
    row(
        ENVOY,
        "issuer.example.com: issuer",
        "isuer.example.com: issuer",
        "configuration: clusters",
        "has no entry for `issuer.example.com`, which the filter calls (is `isuer.example.com` meant to be it?)",
    ),
    row(
        PROVIDERS,
        "dbc-12345678-9abc.cloud.databricks.com: databricks",
        "other.example.com: databricks",
        "configuration: clusters",
        "has no entry for `dbc-12345678-9abc.cloud.databricks.com`",
    ),
    row(
        INGRESS,
        "login.example.com: outbound|443||login.example.com",
        "login.example.com: login",
        r#"spec.pluginConfig: clusters["login.example.com"]"#,
        "Istio makes no cluster called `login`; write `outbound|443||HOST`",
    ),
    row(
        INGRESS,
        "login.example.com: outbound|443||login.example.com",
        "login.example.com: outbound|80||login.example.com",
        r#"spec.pluginConfig: clusters["login.example.com"]"#,
        "no ServiceEntry of this file makes `outbound|80||login.example.com`",
    ),
    row(
        INGRESS,
        "login.example.com: outbound|443||login.example.com",
        "login.example.com: outbound|443||logn.example.com",
        r#"spec.pluginConfig: clusters["login.example.com"]"#,
        "did you mean `outbound|443||login.example.com`?",
    ),
    row(
        EXTENSION,
        "login.example.com: outbound|443||login.example.com",
        "other.example.com: outbound|443||other.example.com",
        "spec.wasm.pluginConfig: clusters",
        "has no entry for `login.example.com`",
    ),
    row(
        GATEWAY,
        "login.example.com: httproute/models/login/rule/0",
        "login.example.com: login",
        r#"spec.wasm[0].config: clusters["login.example.com"]"#,
        "write `httproute/NAMESPACE/NAME/rule/NUMBER`",
    ),
    row(
        GATEWAY,
        "login.example.com: httproute/models/login/rule/0",
        "login.example.com: httproute/models/login/rule/1",
        r#"spec.wasm[0].config: clusters["login.example.com"]"#,
        "did you mean `httproute/models/login/rule/0`?",
    ),
    // Secrets in clear.
    row(
        ENVOY,
        "key_sha256: \"dc81b088d47dee432ace4a498915448892259b74b2c58b812bbdd356badfb103\"",
        "key: canary-of-acme",
        "configuration: endpoints[1].authorizer.keys[0].key",
        "write `key_sha256`",
    ),
    row(
        INGRESS,
        "key_sha256: dc81b088d47dee432ace4a498915448892259b74b2c58b812bbdd356badfb103",
        "key: canary-of-acme",
        "pluginConfig: endpoints[0].authorizer.any_of[0].keys[0].key",
        "or `key: {env: NAME}`",
    ),
    row(
        PROVIDERS,
        "token: { env: OPENAI_API_KEY }",
        "token: canary-of-acme",
        "configuration: endpoints[0].upstream_auth.token",
        "write `{env: NAME}`",
    ),
    row(
        PROVIDERS,
        "value: { env: ANTHROPIC_API_KEY_OF_GLOBEX }",
        "value: canary-of-acme",
        "configuration: endpoints[2].upstream_auth.by_tenant.globex.value",
        "write `{env: NAME}`",
    ),
    row(
        PROVIDERS,
        "client_secret: { env: DATABRICKS_CLIENT_SECRET }",
        "client_secret: canary-of-acme",
        "configuration: endpoints[3].upstream_auth.client_secret",
        "write `{env: NAME}`",
    ),
    row(
        SIDECAR,
        "host_env_keys: [VLLM_API_KEY]",
        "key_values: {VLLM_API_KEY: canary-of-acme}",
        "config: vm_config.environment_variables.key_values.VLLM_API_KEY",
        "list its name under `host_env_keys`",
    ),
    row(
        INGRESS,
        "name: OPENAI_API_KEY, valueFrom: HOST",
        "name: OPENAI_API_KEY, value: canary-of-acme",
        "spec: vmConfig.env[0]",
        "write `valueFrom: HOST`",
    ),
    // FLO-05: copies that carry the credential.
    row(
        PROVIDERS,
        "route: { cluster: openai,",
        "route: { request_mirror_policies: [{ cluster: model }], cluster: openai,",
        "configuration: endpoints[0].upstream_auth",
        "mirror before the gate",
    ),
    row(
        INGRESS,
        "rewrite: { authority: api.openai.com }",
        "mirrors: [{ destination: { host: shadow } }]",
        "spec.pluginConfig: endpoints[0].upstream_auth",
        "(`mirror`)",
    ),
    row(
        GATEWAY,
        "rules:\n  - backendRefs:",
        "rules:\n  - filters: [{ type: RequestMirror }]\n    backendRefs:",
        "spec.wasm[0].config: endpoints[0].upstream_auth",
        "(`RequestMirror`)",
    ),
    // Variables that the VM is not handed, so that the filter would refuse its configuration.
    row(
        SIDECAR,
        "host_env_keys: [VLLM_API_KEY]",
        "host_env_keys: [VLM_API_KEY]",
        "config: vm_config.environment_variables.host_env_keys",
        "does not list `VLLM_API_KEY`, which the configuration takes",
    ),
    row(
        INGRESS,
        "{ name: OPENAI_API_KEY, valueFrom: HOST }",
        "{ name: OPENAI_KEY, valueFrom: HOST }",
        "spec: vmConfig.env",
        "does not list `OPENAI_API_KEY`",
    ),
    row(
        GATEWAY,
        "hostKeys: [OPENAI_API_KEY]",
        "hostKeys: [OPENAI_API_KEYS]",
        "spec.wasm[0]: env.hostKeys",
        "is `OPENAI_API_KEYS` meant to be it?",
    ),
];

const fn row(
    file: &'static str,
    from: &'static str,
    to: &'static str,
    place: &'static str,
    says: &'static str,
) -> Row {
    Row {
        file,
        from,
        to,
        place,
        says,
    }
}

fn check(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenantgate"))
        .arg("check")
        .args(arguments)
        .arg(file)
        .output()
        .expect("the command runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shipped(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn obs_02_and_flo_05_each_mistake_is_warned_of_at_its_place_with_its_mend_and_fails_a_strict_check()
{
    let folder = tempfile::tempdir().expect("a folder");
    for (index, row) in ROWS.iter().enumerate() {
        let text = fs::read_to_string(shipped(row.file)).expect("a shipped file");
        assert!(text.contains(row.from), "{} has no {}", row.file, row.from);
        let file = folder.path().join(format!("{index}.yaml"));
        fs::write(&file, text.replacen(row.from, row.to, 1)).expect("a file");

        let output = check(&[], &file);
        let stderr = said(&output);
        let place = format!("{}: warning: ", row.place);
        let warnings: Vec<&str> = stderr.lines().collect();
        assert!(
            warnings
                .iter()
                .any(|line| line.contains(&place) && line.contains(row.says)),
            "{} with {}: {stderr}",
            row.file,
            row.to
        );
        assert!(!stderr.contains("canary-of-acme"), "{stderr}");
        assert_eq!(output.status.code(), Some(0), "{}: {stderr}", row.to);
        let strict = check(&["--strict"], &file);
        assert_eq!(strict.status.code(), Some(1), "{}", row.to);
        assert_eq!(said(&strict), stderr, "{}", row.to);
    }
}

#[test]
fn where_nothing_is_told_apart_by_hosts_envoy_may_compare_them_as_it_likes() {
    let folder = tempfile::tempdir().expect("a folder");
    let ignore_port = "            ignore_port_in_host_matching: true\n";
    let strip_dot = "          strip_trailing_host_dot: true\n";
    let two = "            virtual_hosts:\n            - { name: open, domains: [open.test] }\n";
    let of_a_host = "path: /healthz\n                      hosts: [open.test]\n";
    let as_is = ("", "");
    let (another, judged) = (
        ("            virtual_hosts:\n", two),
        ("path: /healthz\n", of_a_host),
    );
    for (what, edits, warnings) in [
        ("one virtual host", [as_is, judged], 0),
        ("endpoints of every host", [another, as_is], 0),
        ("both", [another, judged], 2),
    ] {
        let mut text = fs::read_to_string(shipped(ENVOY)).expect("a shipped file");
        for (from, to) in [(ignore_port, ""), (strip_dot, "")]
            .into_iter()
            .chain(edits)
        {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        let file = folder.path().join("hosts.yaml");
        fs::write(&file, text).expect("a file");
        let output = check(&["--strict"], &file);
        let stderr = said(&output);
        assert_eq!(stderr.lines().count(), warnings, "{what}: {stderr}");
        assert_eq!(
            output.status.code(),
            Some(i32::from(warnings > 0)),
            "{what}: {stderr}"
        );
    }
}

#[test]
fn clusters_that_come_from_elsewhere_are_not_said_to_be_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(shipped(ENVOY)).expect("a shipped file");
    let file = folder.path().join("cds.yaml");
    let dynamic = "dynamic_resources: { cds_config: { path_config_source: { path: /etc/envoy/cds.yaml } } }\n\nstatic_resources:";
    let text = text
        .replacen(
            "issuer.example.com: issuer",
            "issuer.example.com: elsewhere",
            1,
        )
        .replacen("static_resources:", dynamic, 1);
    fs::write(&file, text).expect("a file");
    let output = check(&["--strict"], &file);
    assert_eq!(
        (output.status.code(), said(&output).as_str()),
        (Some(0), "")
    );
}
