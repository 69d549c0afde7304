//! The command, as an operator calls it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test may panic"
)]

#[path = "harness/command.rs"]
mod command;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command::{Said, tenantgate};
use serde_json::Value;
use tenantgate::config;

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/configs")
        .join(name);
    path.to_str().unwrap().to_owned()
}

fn check(name: &str) -> Said {
    let file = example(name);
    let mut answer = tenantgate(&["check", &file], "");
    answer.stdout = answer.stdout.replace(&file, "FILE");
    answer.stderr = answer.stderr.replace(&file, "FILE");
    answer
}

fn temporary(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn without_ids(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.contains("config_id: ") {
            "  config_id: …"
        } else {
            line
        }
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_good_file_is_ok_and_says_what_is_in_it() {
    let answer = check("documented.yaml");
    assert_eq!((answer.status, answer.stderr.as_str()), (Some(0), ""));
    let document = serde_saphyr::from_str(include_str!("configs/documented.yaml")).unwrap();
    let id = config::compile(document, &|_: &str| None)
        .unwrap()
        .config_id;
    assert_eq!(
        answer.stdout,
        format!("FILE: ok\n  config_id: {id}\n  endpoints: 2\n")
    );
}

#[test]
fn an_open_endpoint_that_lends_a_credential_is_warned_of_all_the_more() {
    let file = "endpoints: [{name: e, path: /e, authorizer: {type: none}, upstream_auth: {type: bearer, token: a}}]";
    let answer = tenantgate(&["check", "-"], file);
    let warning = "`e` is open, anyone may call it with the provider's credential\n";
    assert!(answer.stdout.ends_with(warning), "{}", answer.stdout);
}

#[test]
fn a_key_set_is_read_as_the_filter_reads_it() {
    let good = r#"{"version": 1, "keys": [{"client_id": "c", "key": "k-1"}]}"#;
    let answer = tenantgate(&["check", "-"], good);
    let version = tenantgate::policy::ShortDigest::of(good.as_bytes());
    assert_eq!(
        (answer.status, answer.stdout),
        (
            Some(0),
            format!("-: ok, a key set\n  version: {version}\n  keys: 1\n")
        )
    );
    let bad = good.replace("k-1", "sk-CANARY key");
    let answer = tenantgate(&["check", "-"], &bad);
    assert_eq!(answer.status, Some(1));
    assert!(
        answer
            .stderr
            .starts_with("-: as a key set: keys[0].key: must be visible ASCII"),
        "{}",
        answer.stderr
    );
    assert!(!answer.stderr.contains("CANARY"), "{}", answer.stderr);
}

#[test]
fn a_bad_file_is_told_all_that_the_filter_would_say() {
    let answer = check("all_wrong.yaml");
    assert_eq!((answer.status, answer.stdout.as_str()), (Some(1), ""));
    let said: Vec<&str> = answer.stderr.lines().collect();
    // Variables are not at hand where files are checked.
    let expected = include_str!("configs/all_wrong.txt")
        .lines()
        .filter(|line| !line.contains("NOT_SET"));
    assert_eq!(
        said,
        expected
            .map(|line| format!("FILE: {line}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_filter_is_found_in_a_whole_envoy_configuration() {
    const FILTERS: &str =
        "FILE: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters";
    let answer = check("envoy.yaml");
    assert_eq!(answer.status, Some(1));
    let expected = format!(
        "{FILTERS}[0].typed_config.config.configuration: left out; nothing in it is called tenantgate (another)\n\
         {FILTERS}[1].typed_config.config.configuration: ok\n  config_id: …\n  endpoints: 2\n  \
         needs in the VM's environment: CHAT_KEY\n  warning: endpoint `health` is open, anyone may call it\n"
    );
    assert_eq!(without_ids(&answer.stdout), expected);
    let message = "endpoints[0].authorizer.type: must be `none`, `api_key`, `oidc` or `any_of`";
    assert_eq!(
        answer.stderr,
        format!("{FILTERS}[2].typed_config.config.configuration: {message}\n")
    );
}

#[test]
fn a_filter_that_is_alone_need_not_be_called_tenantgate() {
    let answer = check("ecds.yaml");
    assert_eq!((answer.status, answer.stderr.as_str()), (Some(0), ""));
    assert!(
        answer
            .stdout
            .starts_with("FILE: resources[0].typed_config.config.configuration: ok\n"),
        "{}",
        answer.stdout
    );
}

#[test]
fn the_filter_is_found_in_every_kubernetes_resource_that_carries_one() {
    let answer = check("kubernetes.yaml");
    assert_eq!(answer.status, Some(1));
    let good: Vec<&str> = answer
        .stdout
        .lines()
        .filter(|line| line.ends_with(": ok"))
        .collect();
    assert_eq!(
        good,
        [
            "FILE: WasmPlugin models/tenantgate: spec.pluginConfig: ok",
            "FILE: EnvoyExtensionPolicy gate: spec.wasm[0].config: ok",
        ]
    );
    let filter = "FILE: EnvoyFilter models/gate: spec.configPatches[0].patch.value.typed_config.config.configuration";
    assert_eq!(
        answer.stderr.lines().collect::<Vec<_>>(),
        [
            "FILE: TrafficExtension models/gate: spec.wasm.pluginConfig: endpoints[0].path: must begin with `/`",
            &format!("{filter}: endpoint: unknown field; did you mean `endpoints`?"),
            &format!("{filter}: endpoints: is required"),
            "FILE: EnvoyExtensionPolicy gate: spec.wasm[1].config: there is no configuration: set the plugin's \
             `configuration` (Istio: `pluginConfig`)",
        ]
    );
}

#[test]
fn what_is_no_configuration_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, message) in [
        (
            "service.yaml",
            "kind: Service\napiVersion: v1\n",
            "no plugin configuration",
        ),
        ("empty.yaml", "", "no plugin configuration"),
        ("broken.yaml", "endpoints: [\n", "not YAML: "),
        (
            "broken.json",
            "{\"endpoints\": [}",
            "not JSON (line 1, column 16)",
        ),
        (
            "twice.json",
            "{\"endpoints\": [], \"endpoints\": []}",
            "a member is named twice",
        ),
        ("twice.yaml", "endpoints: []\nendpoints: []\n", "not YAML: "),
        ("other.yaml", "services: {}\n", "services: unknown field"),
    ] {
        let file = temporary(&directory, name, text);
        let answer = tenantgate(&["check", file.to_str().unwrap()], "");
        assert_eq!(
            (answer.status, answer.stdout.as_str()),
            (Some(1), ""),
            "{name}"
        );
        assert!(answer.stderr.contains(message), "{name}: {}", answer.stderr);
    }
}

#[test]
fn no_key_is_shown_by_a_check() {
    const CANARY: &str = "canary-9f86d081884c7d65";
    let directory = tempfile::tempdir().unwrap();
    let whole = |key: &str| {
        format!(
            "endpoints: [{{name: e, path: /e, authorizer: {{type: api_key, keys: [{{client_id: c, {key}}}]}}}}]\n"
        )
    };
    for (index, text) in [
        whole(&format!("key: {CANARY}")),
        whole(&format!("key: [{CANARY}]")),
        whole(&format!("key: {CANARY}, key: {CANARY}")),
        whole(&format!("key: '{CANARY}")),
        whole(&format!("key: *{CANARY}")),
        whole(&format!("key_sha256: {CANARY}")),
        whole(&format!("key: !!binary {CANARY}")),
        format!("{{\"endpoints\": \"{CANARY}}}"),
    ]
    .iter()
    .enumerate()
    {
        let file = temporary(&directory, &format!("{index}.yaml"), text);
        let answer = tenantgate(&["check", file.to_str().unwrap()], "");
        assert!(
            !answer.stdout.contains(CANARY) && !answer.stderr.contains(CANARY),
            "{text}: {}",
            answer.stderr
        );
    }
}

#[test]
fn several_files_are_all_checked_and_the_worst_decides() {
    let (good, bad, none) = (
        example("documented.yaml"),
        example("all_wrong.yaml"),
        example("none.yaml"),
    );
    for (files, status) in [
        (vec![&good], 0),
        (vec![&bad, &good], 1),
        (vec![&none, &bad, &good], 2),
    ] {
        let arguments: Vec<&str> = ["check"]
            .into_iter()
            .chain(files.iter().map(|file| file.as_str()))
            .collect();
        let answer = tenantgate(&arguments, "");
        assert_eq!(answer.status, Some(status), "{arguments:?}");
        assert!(
            answer.stdout.contains(&format!("{good}: ok")),
            "{arguments:?}"
        );
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let answer = tenantgate(&["check", "-"], include_str!("configs/documented.yaml"));
    assert_eq!(answer.status, Some(0), "{}", answer.stderr);
    assert!(answer.stdout.starts_with("-: ok\n"), "{}", answer.stdout);
}

#[test]
fn the_schema_is_json() {
    let answer = tenantgate(&["schema"], "");
    assert_eq!(answer.status, Some(0));
    assert_eq!(
        serde_json::from_str::<Value>(&answer.stdout).unwrap(),
        config::schema()
    );
}

#[test]
fn a_new_key_is_admitted_by_the_entry_beside_it() {
    let answer = tenantgate(
        &["key", "new", "--client", "batch \"1\"", "--prefix", "acme"],
        "",
    );
    assert_eq!(answer.status, Some(0), "{}", answer.stderr);
    let lines: Vec<&str> = answer
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let [key, entry] = lines.as_slice() else {
        panic!("{}", answer.stdout)
    };
    let random = key.strip_prefix("acme_").unwrap();
    assert_eq!(random.len(), 43);
    let digest = tenantgate::authorizer::api_key::digest_of_key(key).unwrap();
    assert_eq!(
        *entry,
        format!(r#"- {{client_id: "batch \"1\"", key_sha256: "{digest}"}}"#)
    );
    let entry: Value = serde_saphyr::from_str(entry).unwrap();
    assert_eq!(
        entry.pointer("/0/client_id"),
        Some(&Value::from("batch \"1\""))
    );

    let another = tenantgate(&["key", "new"], "");
    assert!(another.stdout.contains("\ntg_") && !another.stdout.contains(random));
}

#[test]
fn a_key_is_hashed_without_being_shown() {
    let digest = tenantgate::authorizer::api_key::digest_of_key("secret-key-value").unwrap();
    for input in [
        "secret-key-value",
        "secret-key-value\n",
        "secret-key-value\r\n",
    ] {
        let answer = tenantgate(&["key", "hash", "--client", "a"], input);
        assert_eq!(
            answer.stdout,
            format!("- {{client_id: \"a\", key_sha256: \"{digest}\"}}\n"),
            "{input:?}"
        );
        assert_eq!(
            (answer.status, answer.stderr.as_str()),
            (Some(0), ""),
            "{input:?}"
        );
    }
    for (input, message) in [
        ("", "must not be empty"),
        ("\n", "must not be empty"),
        (
            "one\ntwo\n",
            "must be visible ASCII characters without white space and comma",
        ),
        (
            " secret-key-value",
            "must be visible ASCII characters without white space and comma",
        ),
        (
            "changeme\n",
            "is a placeholder, not a key; `tenantgate key new` makes one",
        ),
    ] {
        let answer = tenantgate(&["key", "hash"], input);
        assert_eq!(
            answer.stderr,
            format!("the key on standard input {message}\n"),
            "{input:?}"
        );
        assert_eq!(
            (answer.status, answer.stdout.as_str()),
            (Some(1), ""),
            "{input:?}"
        );
    }
}

#[test]
fn wrong_usage_is_status_2_and_help_is_status_0() {
    for (arguments, status) in [
        (&["check"][..], 2),
        (&["chek"], 2),
        (&[], 2),
        (&["apply", "new.yaml"], 2),
        (&["diff", "old.yaml"], 2),
        (&["key", "new", "--prefix", "a b"], 2),
        (&["key", "new", "--client", "a,b"], 2),
        (&["--help"], 0),
        (&["check", "--help"], 0),
        (&["apply", "--help"], 0),
        (&["diff", "--help"], 0),
        (&["key", "new", "--help"], 0),
        (&["--version"], 0),
    ] {
        assert_eq!(
            tenantgate(arguments, "").status,
            Some(status),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantgate"))
        .arg("schema")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
