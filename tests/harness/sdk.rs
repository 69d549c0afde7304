//! Official clients: programs of `tests/sdk` that an application's author could have written, calling through the gate.

use std::process::Command;

use super::Envoy;
use super::process::repository;

/// What they would take from the environment of whoever runs the tests.
const FOREIGN: [&str; 10] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "OLLAMA_API_KEY",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
];

/// Runs a program against the gate, with these arguments after its URL, and hands out what it said. It must end well, and
/// say that all was as it expected.
///
/// `generation`: the folder of `.tools` that holds the clients, `None` for those of the virtual environment.
#[track_caller]
pub fn run(envoy: &Envoy, script: &str, arguments: &[&str], generation: Option<&str>) -> String {
    let mut python = Command::new(repository().join(".tools/venv/bin/python"));
    python
        .arg(repository().join("tests/sdk").join(script))
        .arg(envoy.url())
        .args(arguments);
    for name in FOREIGN {
        python.env_remove(name);
    }
    if let Some(folder) = generation {
        python.env("PYTHONPATH", repository().join(".tools").join(folder));
    }
    let output = python.output().expect("python: run scripts/setup");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("as expected"),
        "{script}: {said}{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        envoy.log()
    );
    said
}
