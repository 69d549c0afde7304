//! The modules that tests run, built by cargo so that no test runs against a stale one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The filter. `TENANTGATE_WASM` names one that is built already.
pub fn filter() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match env::var_os("TENANTGATE_WASM") {
        Some(path) => path.into(),
        None => build("tenantgate.wasm", &["--lib"]),
    })
}

/// `examples/verify_probe.rs`.
pub fn probe() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| without_entry_point("verify_probe"))
}

/// `examples/trapping_filter.rs`.
pub fn trapping() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| without_entry_point("trapping_filter"))
}

/// A module has one entry point, so the filter's own is left out of an example's, in a folder of its own.
fn without_entry_point(name: &str) -> PathBuf {
    let example = ["--example", name, "--no-default-features"];
    build(
        &format!("{name}.wasm"),
        &[&example[..], &["--target-dir", "target/probe"]].concat(),
    )
}

/// A program of `examples/`, for containers and the like.
pub fn example(name: &str) -> PathBuf {
    artefact(name, &["--example", name])
}

fn build(file: &str, what: &[&str]) -> PathBuf {
    artefact(
        file,
        &[&["--release", "--target", "wasm32-wasip1"], what].concat(),
    )
}

fn artefact(file: &str, what: &[&str]) -> PathBuf {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(what)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What instruments the tests must not instrument the filter.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("LLVM_PROFILE_FILE")
        .stderr(Stdio::piped())
        .output()
        .expect("cargo runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{file} does not build:\n{complaints}"
    );
    // Cargo says where the module is, wherever its target directory may be.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.file_name().is_some_and(|name| name == file))
        .expect("cargo names the module that it built")
}
