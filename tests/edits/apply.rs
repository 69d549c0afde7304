//! What becomes of the file that Envoy watches.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use serde_json::{Value, json};
use tenantgate::config;

use crate::command::{Said, tenantgate};
use crate::{Files, guarded, of, open, with};

/// A file of resources as an operator writes it, around a configuration that is carried so.
fn resources(kind: &str, value: &str) -> String {
    format!(
        "# Watched by Envoy.\n\
         resources:\n\
         - \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  \
           name: gate\n  \
           typed_config:\n    \
             \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    \
             config:\n      \
               vm_config: {{vm_id: 'no', code: {{local: {{filename: /etc/envoy/gate.wasm}}}}}}\n      \
               configuration:\n        \
                 \"@type\": type.googleapis.com/google.protobuf.{kind}\n        \
                 value: {value}\n"
    )
}

fn as_struct(configuration: &Value) -> String {
    resources("Struct", &configuration.to_string())
}

fn apply(files: &Files, configuration: &Value, to: &str) -> Said {
    tenantgate(
        &["apply", "-", "--to", &files.path(to)],
        &configuration.to_string(),
    )
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn id(configuration: &Value) -> String {
    let policy = config::compile(configuration.clone(), &|_: &str| None);
    policy.expect("a policy").config_id.to_string()
}

const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration";

#[test]
fn the_configuration_is_replaced_and_all_else_is_kept() {
    let (old, new) = (
        of(&[guarded("e", "/e")]),
        of(&[guarded("e", "/e"), guarded("1e5", "/no")]),
    );
    for (kind, value) in [
        ("Struct", old.to_string()),
        ("StringValue", format!("'{old}'")),
    ] {
        let files = Files::new();
        files.write("live.yaml", &resources(kind, &value));
        let said = apply(&files, &new, "live.yaml");
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""), "{kind}");
        let ids = format!("live.yaml: config_id: {} → {}\n", id(&old), id(&new));
        assert!(files.shorten(&said.stdout).starts_with(&ids), "{said:?}");

        let text = files.read("live.yaml");
        assert!(text.starts_with("# Watched by Envoy.\n"), "{text}");
        let mut after = yaml(&text);
        assert_eq!(after["version_info"], json!(id(&new)));
        let carried = after
            .pointer(CONFIGURATION)
            .expect("a configuration")
            .clone();
        assert_eq!(
            carried["@type"],
            json!(format!("type.googleapis.com/google.protobuf.{kind}"))
        );
        let inside = match &carried["value"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON"),
            value => value.clone(),
        };
        assert_eq!(inside, new, "{kind}");
        // But for those two, it is what it was.
        after
            .as_object_mut()
            .expect("an object")
            .remove("version_info");
        let mut before = yaml(&resources(kind, &value));
        for file in [&mut before, &mut after] {
            *file.pointer_mut(CONFIGURATION).expect("a configuration") = Value::Null;
        }
        assert_eq!(after, before, "{kind}");
    }
}

#[test]
fn a_file_that_is_not_called_yaml_is_json_as_envoy_reads_it() {
    let files = Files::new();
    let old = yaml(&as_struct(&of(&[guarded("e", "/e")])));
    files.write("live.json", &old.to_string());
    let said = apply(&files, &of(&[guarded("f", "/f")]), "live.json");
    assert_eq!(said.status, Some(0), "{said:?}");
    let after: Value = serde_json::from_str(&files.read("live.json")).expect("JSON");
    assert_eq!(after["resources"][0]["name"], json!("gate"));
}

#[test]
fn what_is_there_already_is_not_touched() {
    let files = Files::new();
    let configuration = of(&[guarded("e", "/e")]);
    let path = files.write("live.yaml", &as_struct(&configuration));
    let before = fs::metadata(&path).expect("a file").ino();
    let said = apply(&files, &configuration, "live.yaml");
    let expected = format!("live.yaml: no change, config_id {}\n", id(&configuration));
    assert_eq!(
        (said.status, files.shorten(&said.stdout)),
        (Some(0), expected)
    );
    assert_eq!(fs::metadata(&path).expect("a file").ino(), before);
    assert_eq!(files.read("live.yaml"), as_struct(&configuration));
}

#[test]
fn a_whole_file_of_resources_replaces_the_other() {
    let files = Files::new();
    let (old, new) = (
        as_struct(&of(&[guarded("e", "/e")])),
        as_struct(&of(&[guarded("f", "/f")])).replace("gate.wasm", "gate-2.wasm"),
    );
    let source = files.write("new.yaml", &new);
    let to = |name: &str| tenantgate(&["apply", &source, "--to", &files.path(name)], "");
    files.write("live.yaml", &old);
    // It also mends a file that is broken, and makes one that is missing.
    files.write("broken.yaml", old.get(..old.len() / 2).expect("ASCII"));
    for name in ["live.yaml", "broken.yaml", "missing.yaml"] {
        let said = to(name);
        assert_eq!(said.status, Some(0), "{name}: {said:?}");
        let after = yaml(&files.read(name));
        assert_eq!(after["resources"], yaml(&new)["resources"], "{name}");
    }
    // Only under the name that Envoy asks for.
    files.write("other.yaml", &old.replace("name: gate", "name: other"));
    let said = to("other.yaml");
    assert_eq!(said.status, Some(1));
    assert!(said.stderr.contains("keep the names"), "{said:?}");
}

#[test]
fn what_is_wrong_is_told_and_the_file_is_left_as_it_was() {
    let good = of(&[guarded("e", "/e")]);
    let bad = of(&[
        with(guarded("e", "e"), json!({ "methods": ["post"] })),
        guarded("f", "/f"),
        guarded("f", "/g"),
    ]);
    let two = |id: &str| as_struct(&good).replace("vm_id: 'no'", &format!("vm_id: {id}"));
    let two = two("tenantgate-1")
        + two("tenantgate-2")
            .split_once("resources:\n")
            .expect("a list")
            .1;
    let bootstrap = "static_resources: {}\n".to_owned();
    let whole = as_struct(&good);
    for (what, configuration, file, status, messages) in [
        (
            "three mistakes",
            &bad,
            &whole,
            1,
            &[
                "-: endpoints[0].path: ",
                "-: endpoints[0].methods[0]: ",
                "-: endpoints[2].name: ",
            ][..],
        ),
        (
            "several filters",
            &good,
            &two,
            1,
            &["several filters are ours"],
        ),
        (
            "a bootstrap",
            &good,
            &bootstrap,
            1,
            &["is not a file of Envoy resources"],
        ),
        (
            "half a file",
            &good,
            &whole.get(..whole.len() / 2).expect("ASCII").to_owned(),
            1,
            &["live.yaml: "],
        ),
        (
            "nothing",
            &json!({}),
            &whole,
            1,
            &["-: endpoints: is required"],
        ),
    ] {
        let files = Files::new();
        files.write("live.yaml", file);
        let said = apply(&files, configuration, "live.yaml");
        assert_eq!(
            (said.status, said.stdout.as_str()),
            (Some(status), ""),
            "{what}: {said:?}"
        );
        for message in messages {
            assert!(said.stderr.contains(message), "{what}: {said:?}");
        }
        assert_eq!(&files.read("live.yaml"), file, "{what}");
    }
}

#[test]
fn a_number_that_a_struct_does_not_keep_is_refused_there_and_kept_in_a_text() {
    let wanting = |number: Value| {
        of(&[
            json!({ "name": "e", "path": "/e", "authorizer": { "type": "oidc", "oidc": {
            "issuer": "https://issuer.test", "audience": "a", "required_claims": { "n": number },
        } } }),
        ])
    };
    let old = of(&[guarded("e", "/e")]);
    for (number, status) in [
        (json!(9_007_199_254_740_992_u64), 0),
        (json!(9_007_199_254_740_993_u64), 1),
        (json!(1.5), 1),
    ] {
        let files = Files::new();
        files.write("struct.yaml", &as_struct(&old));
        files.write("text.yaml", &resources("StringValue", &format!("'{old}'")));
        let said = apply(&files, &wanting(number.clone()), "struct.yaml");
        assert_eq!(said.status, Some(status), "{number}: {said:?}");
        if status == 1 {
            assert!(
                said.stderr.contains("google.protobuf.StringValue"),
                "{said:?}"
            );
        }
        let said = apply(&files, &wanting(number.clone()), "text.yaml");
        assert_eq!(said.status, Some(0), "{number}: {said:?}");
        assert!(files.read("text.yaml").contains(&number.to_string()));
    }
}

#[test]
fn a_missing_file_and_a_link_are_refused_with_the_mend() {
    let files = Files::new();
    let configuration = of(&[guarded("e", "/e")]);
    let said = apply(&files, &configuration, "missing.yaml");
    assert_eq!(said.status, Some(2));
    assert!(
        said.stderr.contains("begin with a whole resource file"),
        "{said:?}"
    );

    let file = files.write("live.yaml", &as_struct(&configuration));
    symlink(&file, files.path("link.yaml")).expect("a link");
    let said = apply(&files, &of(&[guarded("f", "/f")]), "link.yaml");
    assert_eq!(said.status, Some(2));
    assert!(said.stderr.contains("mounted ConfigMap"), "{said:?}");
    assert_eq!(files.read("live.yaml"), as_struct(&configuration));

    let said = apply(&files, &configuration, "no/folder.yaml");
    assert_eq!(said.status, Some(2), "{said:?}");
}

#[test]
fn an_edit_that_opens_what_was_guarded_has_to_be_meant() {
    let files = Files::new();
    let old = as_struct(&of(&[guarded("e", "/e")]));
    files.write("live.yaml", &old);
    let opened = of(&[open("e", "/e")]);
    let said = apply(&files, &opened, "live.yaml");
    assert_eq!((said.status, said.stdout.as_str()), (Some(1), ""));
    assert!(
        said.stderr.contains("-: OPENS endpoint `e`: GET host/e"),
        "{said:?}"
    );
    assert!(said.stderr.contains("--allow-opening"), "{said:?}");
    assert_eq!(files.read("live.yaml"), old);

    let arguments = [
        "apply",
        "-",
        "--allow-opening",
        "--to",
        &files.path("live.yaml"),
    ];
    let said = tenantgate(&arguments, &opened.to_string());
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.stdout.contains("OPENS endpoint `e`"), "{said:?}");

    // What was refused cannot be compared: then nothing may be open, unless it is meant.
    files.write("live.yaml", &old.replace("\"/e\"", "\"e\""));
    let said = apply(&files, &opened, "live.yaml");
    assert_eq!(said.status, Some(1), "{said:?}");
    let said = apply(&files, &of(&[guarded("e", "/e")]), "live.yaml");
    assert_eq!(said.status, Some(0), "{said:?}");
    let half = files.write("half.yaml", old.get(..old.len() / 2).expect("ASCII"));
    let whole = files.write("whole.yaml", &as_struct(&opened));
    let said = tenantgate(&["apply", &whole, "--to", &half], "");
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.stderr.contains("OPENS something, maybe"), "{said:?}");
}

#[test]
fn no_key_is_shown_by_an_edit() {
    let files = Files::new();
    let key = |key: &str| {
        let keys = json!([{ "client_id": "c", "key": key }]);
        of(&[
            json!({ "name": "e", "path": "/e", "authorizer": { "type": "api_key", "keys": keys } }),
        ])
    };
    files.write("live.yaml", &as_struct(&key("canary-1")));
    let said = apply(&files, &key("canary-2"), "live.yaml");
    assert_eq!(said.status, Some(0));
    assert!(!said.stdout.contains("canary"), "{said:?}");
    assert!(
        said.stdout.contains("key added: client `c`, sha256:"),
        "{said:?}"
    );
    files.write("live.yaml", "resources: [canary-3: *canary-3]\n");
    let said = apply(&files, &key("canary-4"), "live.yaml");
    assert_eq!(said.status, Some(1));
    assert!(!said.stderr.contains("canary"), "{said:?}");
}
