//! Bad input: each is told with its place and its mend, and nothing is written.

use super::GATE;
use super::command::{Desk, evidence};

#[test]
fn what_cannot_be_used_is_told_and_nothing_is_written() {
    let desk = Desk::new();
    let good = desk.write("good.yaml", GATE);
    let bad = desk.write(
        "bad.yaml",
        &GATE
            .replace("type: oidc", "type: odic")
            .replace("/v1/chat", "v1/chat"),
    );
    let none = desk.write("none.yaml", "static_resources: { listeners: [] }");
    let not_pem = desk.write("not.pem", "no certificate");
    let down = "http://127.0.0.1:9";
    for (what, arguments, status, said) in [
        (
            "no such file",
            &["--config", "/nowhere.yaml"][..],
            2,
            "/nowhere.yaml: No such file",
        ),
        (
            "a mistake",
            &["--config", &bad],
            1,
            "endpoints[2].authorizer.type: must be `none`, `api_key`, `oidc` or `any_of`; did you mean `oidc`?",
        ),
        (
            "two mistakes",
            &["--config", &bad],
            1,
            "endpoints[1].path: must begin with `/`",
        ),
        (
            "nothing of ours",
            &["--config", &none],
            1,
            "no plugin configuration",
        ),
        (
            "a gate that is down",
            &["--config", &good, "--url", down],
            2,
            "is the gate up, and is this its URL? Nothing was written",
        ),
        (
            "an Envoy that is down",
            &["--admin", down],
            2,
            "is this Envoy's admin interface, and is it up?",
        ),
        (
            "no URL",
            &["--config", &good, "--url", "gate"],
            2,
            "must begin with http:// or https:// and name a host",
        ),
        (
            "a path",
            &["--config", &good, "--url", "http://gate/v1"],
            2,
            "without path and query: endpoints have their own",
        ),
        (
            "a password",
            &["--config", &good, "--url", "http://a:b@gate"],
            2,
            "must not hold a user name or password",
        ),
        (
            "no date",
            &["--config", &good, "--date", "2026-02-30"],
            2,
            "2026-02-30",
        ),
        (
            "no time",
            &["--config", &good, "--timeout", "0"],
            2,
            "0 is not in 1..=300",
        ),
        (
            "no log",
            &["--config", &good, "--access-log", "/nowhere.log"],
            2,
            "--access-log /nowhere.log: No such file",
        ),
        (
            "no module",
            &["--config", &good, "--module", "/nowhere.wasm"],
            2,
            "--module /nowhere.wasm: No such file",
        ),
        (
            "no certificates",
            &["--config", &good, "--cacert", &not_pem],
            2,
            "holds no certificate in PEM form",
        ),
        (
            "no earlier pack",
            &["--config", &good, "--previous", "/nowhere"],
            2,
            "/nowhere: No such file",
        ),
        ("nothing at all", &[], 2, "--config <FILE>"),
    ] {
        let out = desk.path("pack");
        let answer = evidence(&[arguments, &["--out", &out]].concat());
        assert!(!desk.at("pack").exists(), "{what}");
        assert!(
            answer.stderr.contains(said),
            "{what}: {said:?} not in {:?}",
            answer.stderr
        );
        assert_eq!(answer.status, Some(status), "{what}");
    }
    evidence(&["--config", &good]).ended(2, "--out <DIR>");
}

#[test]
fn of_several_filters_the_one_that_is_meant_must_be_named() {
    let plugin = |name: &str, path: &str| {
        format!(
            "---\napiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: tenantgate-{name}, namespace: models }}\n\
         spec:\n  url: oci://registry.example.com/tenantgate:1\n  pluginConfig:\n    endpoints:\n    - {{ name: e, path: {path}, authorizer: {{ type: api_key, keys: [{{ client_id: a, key: k-{name} }}] }} }}\n"
        )
    };
    let desk = Desk::new();
    let config = desk.write(
        "istio.yaml",
        &(plugin("one", "/one") + &plugin("two", "/two")),
    );
    let out = desk.path("pack");
    evidence(&["--config", &config, "--out", &out]).ended(1, "name one with --filter PLACE, and make a pack of each:\n  WasmPlugin models/tenantgate-one");
    evidence(&["--config", &config, "--out", &out, "--filter", "three"])
        .ended(1, "no wasm filter is called \"three\"");
    evidence(&[
        "--config",
        &config,
        "--out",
        &out,
        "--filter",
        "tenantgate-two",
    ])
    .good();
    let pages = super::command::files(&out);
    let (_, inventory) = pages
        .iter()
        .find(|(name, _)| name.starts_with("endpoint"))
        .unwrap();
    assert!(
        inventory.contains("`/two`") && !inventory.contains("`/one`"),
        "{inventory}"
    );
    assert!(
        inventory.contains("Not known: which routes Envoy serves"),
        "{inventory}"
    );
}
