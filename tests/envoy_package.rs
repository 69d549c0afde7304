//! What `scripts/package` makes: the same bytes in another folder, read back by tools that know nothing of it, and the
//! module in it runs in Envoy.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod harness;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::process::repository;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Some time. Without it the script asks git, which the copy has not.
const EPOCH: &str = "1700000000";

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Packages what lies in a folder; what the script printed.
fn package(repository: &Path, out: &Path) -> String {
    run(Command::new(repository.join("scripts/package"))
        .arg(out)
        .env("SOURCE_DATE_EPOCH", EPOCH))
}

/// The files of the repository, as they are now, somewhere else.
fn copy(to: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository());
    for name in run(&mut git).lines() {
        let (from, to) = (repository().join(name), to.join(name));
        if from.is_file() {
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(from, to).expect("a copy");
        }
    }
    // The tool that lists what the module is made of is the same.
    fs::create_dir_all(to.join(".tools/bin")).expect("a folder");
    let tool = ".tools/bin/cargo-cyclonedx";
    fs::copy(repository().join(tool), to.join(tool)).expect("the tool");
}

fn sha256(file: &Path) -> String {
    run(Command::new("sha256sum").arg(file))
        .split(' ')
        .next()
        .expect("a digest")
        .to_owned()
}

fn json_in(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON")
}

/// A layout as skopeo reads and unpacks it: the folder with its manifest and blobs.
fn unpacked(source: &str, to: &Path) -> Value {
    run(Command::new("skopeo")
        .args(["copy", "--quiet", source])
        .arg(format!("dir:{}", to.display())));
    json_in(&to.join("manifest.json"))
}

/// The file in an image's only layer.
fn module_of(manifest: &Value, folder: &Path) -> PathBuf {
    let layers = manifest["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 1, "{manifest:#}");
    let digest = layers[0]["digest"].as_str().expect("a digest");
    let blob = folder.join(digest.trim_start_matches("sha256:"));
    let mut tar = Command::new("tar");
    assert_eq!(run(tar.arg("-tf").arg(&blob)), "plugin.wasm\n");
    run(Command::new("tar")
        .arg("-C")
        .arg(folder)
        .arg("-xf")
        .arg(&blob));
    folder.join("plugin.wasm")
}

#[test]
fn sup_03_a_package_is_the_same_bytes_in_another_folder_and_holds_a_module_that_envoy_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let said = package(repository(), &first);
    let elsewhere = folder.path().join("some/where/else");
    copy(&elsewhere);
    assert_eq!(package(&elsewhere, &second), said);
    let sums = fs::read_to_string(first.join("SHA256SUMS")).expect("the sums");
    assert_eq!(
        fs::read_to_string(second.join("SHA256SUMS")).expect("the sums"),
        sums
    );
    run(Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&first));

    // Nothing tells on which machine it was built.
    let module = fs::read(first.join("plugin.wasm")).expect("the module");
    let home = std::env::var("HOME").expect("whose machine this is") + "/";
    for private in [
        repository(),
        Path::new(&home),
        Path::new("/home/"),
        Path::new("/.cargo"),
    ] {
        let private = private.to_str().expect("a name").as_bytes();
        assert!(
            !module.windows(private.len()).any(|it| it == private),
            "{}",
            private.escape_ascii()
        );
    }

    // The image, to somebody who fetches it by its digest.
    let layout = format!("oci:{}/tenantgate-{VERSION}.oci:{VERSION}", first.display());
    let seen: Value = serde_json::from_str(&run(Command::new("skopeo").args(["inspect", &layout])))
        .expect("JSON");
    let digest = seen["Digest"]
        .as_str()
        .expect("a digest")
        .trim_start_matches("sha256:")
        .to_owned();
    assert!(
        said.contains(&format!("sha256 of oci://…:{VERSION}   {digest}\n")),
        "{said}{digest}"
    );
    assert_eq!(seen["Labels"]["org.opencontainers.image.version"], VERSION);
    assert_eq!(seen["Created"], "2023-11-14T22:13:20Z");
    let manifest = unpacked(&layout, &folder.path().join("oci"));
    assert_eq!(
        manifest["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(
        manifest["layers"][0]["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    let from_layout = module_of(&manifest, &folder.path().join("oci"));
    assert!(
        said.contains(&format!(
            "sha256 of plugin.wasm  {}\n",
            sha256(&from_layout)
        )),
        "{said}"
    );

    // And to Docker, which loads the archive.
    let archive = format!(
        "docker-archive:{}/tenantgate-{VERSION}.oci.tar",
        first.display()
    );
    let manifest = unpacked(&archive, &folder.path().join("docker"));
    assert_eq!(
        fs::read(module_of(&manifest, &folder.path().join("docker"))).expect("a file"),
        module
    );

    let upstream = Upstream::start();
    let plugin = json!({ "endpoints": [{ "name": "chat", "path": "/chat", "authorizer": {
        "type": "api_key", "keys": [{ "client_id": "acme", "key": "the-key-of-acme" }] } }] });
    let envoy = Envoy::start(
        Setup::with(plugin)
            .model(upstream.address())
            .running(from_layout),
    );
    envoy
        .get("/chat")
        .bearer("the-key-of-acme")
        .send()
        .admitted();
    assert_eq!(
        upstream.last().header("x-tenant-id").as_deref(),
        Some("acme")
    );
    envoy.get("/chat").send().refused(401, "missing_credential");

    contents(&json_in(
        &first.join(format!("tenantgate-{VERSION}.cdx.json")),
    ));
}

/// What the module is linked with, and neither what the command nor what the tests have beside that.
fn contents(sbom: &Value) {
    assert_eq!(
        (&sbom["bomFormat"], &sbom["specVersion"]),
        (&json!("CycloneDX"), &json!("1.5"))
    );
    assert_eq!(sbom["metadata"]["component"]["name"], "tenantgate");
    let tree = [
        "tree",
        "--locked",
        "--target",
        "wasm32-wasip1",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = run(Command::new(cargo)
        .args(tree)
        .args(["--format", "{p}"])
        .current_dir(repository()));
    let named = |line: &str| {
        let mut words = line.split(' ');
        Some((
            words.next()?.to_owned(),
            words.next()?.trim_start_matches('v').to_owned(),
        ))
    };
    let expected: BTreeSet<(String, String)> = tree
        .lines()
        .filter_map(named)
        .filter(|(name, _)| name != "tenantgate")
        .collect();
    let component = |it: &Value| {
        Some((
            it["name"].as_str()?.to_owned(),
            it["version"].as_str()?.to_owned(),
        ))
    };
    let listed: BTreeSet<(String, String)> = sbom["components"]
        .as_array()
        .expect("components")
        .iter()
        .filter_map(component)
        .collect();
    // The tool counts in some that only features which are off would need; it leaves none out.
    let missing: Vec<_> = expected.difference(&listed).collect();
    assert!(!expected.is_empty() && missing.is_empty(), "{missing:?}");
    assert!(
        listed.iter().any(|(name, _)| name == "proxy-wasm")
            && !listed.iter().any(|(name, _)| name == "clap")
    );
    assert!(
        !sbom
            .to_string()
            .contains(repository().to_str().expect("a name"))
    );
}
