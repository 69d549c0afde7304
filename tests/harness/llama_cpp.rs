//! A model server that somebody else wrote, with a model in it: llama.cpp's own, which counts the tokens that it reads and
//! makes. The model is made up by `tests/llama_cpp/make_model.py`: its weights are random, its tokens are not.

use std::net::SocketAddr;
use std::process::Command;

use super::process::{Process, repository};

/// A running model server.
pub struct LlamaCpp {
    process: Process,
    address: SocketAddr,
}

impl LlamaCpp {
    /// Makes a model and serves it. The server takes a free port and tells which.
    pub fn start() -> Self {
        let home = repository().join("tests/llama_cpp");
        let python = repository().join(".tools/venv/bin/python");
        let folder = tempfile::tempdir().expect("a folder");
        let model = folder.path().join("model.gguf");
        let made = Command::new(&python)
            .arg(home.join("make_model.py"))
            .arg(&model)
            .output()
            .expect("python: run scripts/setup");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "no model: {said}; run scripts/setup");
        let mut command = Command::new(&python);
        command.arg(home.join("serve.py")).arg(&model);
        let mut process = Process::start("llama.cpp", folder, &mut command);
        let address = process.wait_for("its port", |process| {
            process
                .read("stdout")
                .lines()
                .find_map(|line| line.strip_prefix("ready http://")?.parse().ok())
        });
        Self { process, address }
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
