//! Where a configuration may stand.

use serde_json::{Value, json};

use crate::command::tenantgate;
use crate::{Files, guarded, of, open};

#[test]
fn the_filter_is_found_in_a_config_map() {
    let inside = include_str!("../configs/ecds.yaml");
    let map = |text: &str| {
        let data = json!({ "gate.yaml": text, "notes.txt": ": no YAML [" });
        json!({ "kind": "ConfigMap", "metadata": { "name": "gate" }, "data": data }).to_string()
    };
    let said = tenantgate(&["check", "-"], &map(inside));
    let place = "ConfigMap gate: data[gate.yaml]";
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    assert!(
        said.stdout
            .starts_with(&format!("-: {place}.resources[0].")),
        "{}",
        said.stdout
    );
    let said = tenantgate(&["check", "-"], &map("resources: ["));
    assert_eq!(said.status, Some(1));
    assert!(
        said.stderr.starts_with(&format!("-: {place}: not YAML: ")),
        "{}",
        said.stderr
    );
}

#[test]
fn files_of_all_kinds_are_compared() {
    let files = Files::new();
    let plugin = files.write("plugin.json", &of(&[guarded("e", "/e")]).to_string());
    let resource = |endpoint: &Value| json!({ "kind": "WasmPlugin", "metadata": { "name": "gate" }, "spec": { "pluginConfig": of(std::slice::from_ref(endpoint)) } });
    let same = files.write("same.yaml", &resource(&guarded("e", "/e")).to_string());
    let opened = resource(&open("e", "/e")).to_string();

    let said = tenantgate(&["diff", &plugin, &same], "");
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.stdout.starts_with("no change, config_id "), "{said:?}");
    let said = tenantgate(&["diff", &plugin, "-"], &opened);
    assert_eq!(said.status, Some(1), "{said:?}");

    // Several in each: those in the same places belong together.
    let both =
        |one: &str, two: &str| format!("{one}\n---\n{}", two.replace("gate", "tenantgate-2"));
    let (good, bad) = (resource(&guarded("e", "/e")).to_string(), opened);
    let named = |text: &str| text.replace("\"gate\"", "\"tenantgate-1\"");
    let old = files.write("old.yaml", &both(&named(&good), &good));
    let new = files.write("new.yaml", &both(&named(&good), &bad));
    let said = tenantgate(&["diff", &old, &new], "");
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(
        said.stdout
            .contains("WasmPlugin tenantgate-2: spec.pluginConfig: OPENS "),
        "{said:?}"
    );
    assert!(
        said.stdout
            .contains("WasmPlugin tenantgate-1: spec.pluginConfig: no change"),
        "{said:?}"
    );
    let said = tenantgate(&["diff", &old, &plugin], "");
    assert_eq!(said.status, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("Compare them one at a time"),
        "{said:?}"
    );
}
