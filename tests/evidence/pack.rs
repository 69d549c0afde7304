//! What is written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::GATE;
use super::command::{Desk, evidence, files};

const DATE: &str = "2026-05-15";

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/evidence"))
}

/// The pack of `gate.yaml`, with an access log of its configuration.
fn written(desk: &Desk) -> String {
    let config = folder().join("gate.yaml");
    let log = fs::read_to_string(folder().join("access.log")).unwrap();
    let checked = evidence(&[
        "--config",
        config.to_str().unwrap(),
        "--out",
        &desk.path("first"),
        "--json",
    ]);
    let first: Value = serde_json::from_str(&checked.stdout).unwrap();
    let log = log.replace("CONFIG_ID", first["config_id"].as_str().unwrap());
    let log = desk.write("access.log", &log);
    let out = desk.path("pack");
    let answer = evidence(&[
        "--config",
        config.to_str().unwrap(),
        "--access-log",
        &log,
        "--out",
        &out,
        "--date",
        DATE,
    ]);
    assert_eq!(answer.status, Some(0), "{}", answer.stderr);
    out
}

/// `UPDATE_GOLDEN=1 cargo test --test evidence` writes them anew; read them before they are believed.
#[test]
fn the_pages_of_a_fixed_date_are_as_they_were_reviewed() {
    let desk = Desk::new();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, text) in files(written(&desk)) {
        let text = match name.split_once("-2026").unwrap().0 {
            // The page for people is looked at in a browser.
            "report" => continue,
            "manifest" => timeless(&text),
            _ => text,
        };
        let golden = folder().join("golden").join(&name);
        if update {
            fs::write(&golden, &text).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text, expected, "{name}");
    }
}

/// A manifest without the time, and without the digest of the page for people.
fn timeless(text: &str) -> String {
    let mut manifest: Value = serde_json::from_str(text).unwrap();
    assert!(manifest["written_at"].as_str().unwrap().ends_with('Z'));
    manifest["written_at"] = Value::Null;
    manifest["files"]["report-2026-05-15.html"] = Value::Null;
    format!("{manifest:#}\n")
}

#[test]
fn no_secret_is_in_any_file_of_a_pack() {
    let desk = Desk::new();
    for (name, text) in files(written(&desk)) {
        assert!(!text.contains("CANARY"), "{name}: {text}");
    }
}

#[test]
fn every_field_of_the_schema_is_told() {
    // Members that a pack tells in other words: a digest for a key, one list for the places of a credential.
    const OTHERWISE: [&str; 8] = [
        "any_of",
        "authorizer",
        "env",
        "header",
        "key_sha256",
        "query",
        "scheme",
        "type",
    ];
    let schema = tenantgate::config::schema();
    let mut fields = BTreeSet::new();
    properties(&schema, &mut fields);
    assert!(
        fields.contains("endpoints") && fields.contains("client_secret"),
        "{fields:?}"
    );

    let desk = Desk::new();
    let out = written(&desk);
    let config = fs::read(Path::new(&out).join("gateway-auth-config-2026-05-15.json")).unwrap();
    let mut told = BTreeSet::new();
    members(&serde_json::from_slice(&config).unwrap(), &mut told);
    for field in fields
        .iter()
        .filter(|field| !OTHERWISE.contains(&field.as_str()))
    {
        assert!(
            told.contains(field),
            "`{field}` of the configuration is in no pack"
        );
    }
}

/// The names under `properties`, anywhere in a schema.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                if name == "properties" {
                    names.extend(member.as_object().unwrap().keys().cloned());
                }
                properties(member, names);
            }
        }
        Value::Array(elements) => elements
            .iter()
            .for_each(|element| properties(element, names)),
        _ => {}
    }
}

fn members(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                names.insert(name.clone());
                members(member, names);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| members(element, names)),
        _ => {}
    }
}

#[test]
fn a_pack_verifies_until_one_byte_of_it_is_changed() {
    let desk = Desk::new();
    let pack = desk.pack("pack", GATE, DATE);
    let said = evidence(&["verify", &pack]).good();
    assert!(said.contains("ok: 7 files of 2026-05-15"), "{said}");

    for (name, text) in files(&pack) {
        let path = Path::new(&pack).join(&name);
        let mut bytes = text.clone().into_bytes();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let answer = evidence(&["verify", &pack]);
        assert_ne!(answer.status, Some(0), "{name}: {}", answer.stdout);
        fs::write(&path, text).unwrap();
        evidence(&["verify", &pack]).good();
    }
}

#[test]
fn a_file_too_many_or_too_few_is_told_and_a_signature_of_the_manifest_may_lie_beside() {
    let desk = Desk::new();
    let pack = desk.pack("pack", GATE, DATE);
    let at = |name: &str| Path::new(&pack).join(name);
    fs::write(at("manifest-2026-05-15.json.sig"), "signature").unwrap();
    evidence(&["verify", &pack]).good();

    fs::write(at("more.md"), "").unwrap();
    evidence(&["verify", &pack]).ended(1, "more.md is not in the manifest");
    fs::remove_file(at("more.md")).unwrap();

    fs::remove_file(at("network-exposure-2026-05-15.md")).unwrap();
    evidence(&["verify", &pack]).ended(1, "network-exposure-2026-05-15.md cannot be read");
}

#[test]
fn a_manifest_that_leads_out_of_its_folder_is_not_followed() {
    let desk = Desk::new();
    let pack = desk.pack("pack", GATE, DATE);
    desk.write("outside", "secret");
    let manifest = Path::new(&pack).join("manifest-2026-05-15.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for name in ["../outside", "/etc/hostname", "..", "a/b"] {
        value["files"][name] = serde_json::json!({ "sha256": "00", "bytes": 6 });
    }
    fs::write(&manifest, value.to_string()).unwrap();
    let answer = evidence(&["verify", &pack]);
    assert_eq!(answer.status, Some(1));
    assert_eq!(
        answer
            .stderr
            .matches("is not the name of a file in the pack")
            .count(),
        4,
        "{}",
        answer.stderr
    );
}

#[test]
fn a_pack_gives_way_to_a_newer_one_and_nothing_else_does() {
    let desk = Desk::new();
    let pack = desk.pack("pack", GATE, DATE);
    fs::write(Path::new(&pack).join("notes.txt"), "mine").unwrap();
    let config = desk.path("pack.yaml");
    let again = |more: &[&str]| {
        let arguments = ["--config", &config, "--out", &pack, "--date", "2026-08-15"];
        evidence(&[&arguments, more].concat())
    };
    again(&[]).ended(2, "is there already; --force replaces the pack in it");
    again(&["--force"]).good();
    let names: Vec<String> = files(&pack).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"notes.txt".to_owned()));
    assert!(!names.iter().any(|name| name.contains(DATE)), "{names:?}");

    fs::create_dir(desk.at("other")).unwrap();
    desk.write("other/thesis.txt", "years of work");
    let other = desk.path("other");
    evidence(&["--config", &config, "--out", &other, "--force"])
        .ended(2, "is not empty and holds no pack");
    assert_eq!(
        files(&other),
        [("thesis.txt".to_owned(), "years of work".to_owned())]
    );
}

#[test]
fn machines_are_answered_in_json() {
    let desk = Desk::new();
    let config = desk.write("gate.yaml", GATE);
    let said = evidence(&[
        "--config",
        &config,
        "--out",
        &desk.path("pack"),
        "--date",
        DATE,
        "--json",
    ])
    .good();
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["endpoints"], 3);
    assert_eq!(answer["open"], serde_json::json!(["health"]));
    assert_eq!(answer["files"].as_array().unwrap().len(), 8);
    let said = evidence(&["verify", &desk.path("pack"), "--json"]).good();
    let verified: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&verified["verified"], &verified["config_id"]),
        (&true.into(), &answer["config_id"])
    );
}
