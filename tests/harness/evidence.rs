//! `tenantgate evidence` as an operator calls it, and a folder for its packs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the command said.
pub struct Answer {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `tenantgate evidence` with these arguments.
pub fn evidence(arguments: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantgate"))
        .arg("evidence")
        .args(arguments)
        .output()
        .expect("the command");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Answer {
        status: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Answer {
    /// All went well, and nothing was complained of.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// It ended with that status, and said so.
    #[track_caller]
    pub fn ended(self, status: i32, said: &str) {
        assert_eq!(self.status, Some(status), "{}{}", self.stdout, self.stderr);
        assert!(
            self.stderr.contains(said),
            "{said:?} not in {:?}",
            self.stderr
        );
    }
}

/// A folder for packs and for what they are made of.
pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.at(name).to_str().expect("a plain path").to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.at(name), text).expect("a file");
        self.path(name)
    }

    /// A pack of that configuration.
    pub fn pack(&self, name: &str, configuration: &str, date: &str) -> String {
        let config = self.write(&format!("{name}.yaml"), configuration);
        let out = self.path(name);
        evidence(&["--config", &config, "--out", &out, "--date", date]).good();
        out
    }
}

/// All files of a folder, by name.
pub fn files(folder: impl AsRef<Path>) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a plain name");
            (name, fs::read_to_string(entry.path()).expect("text"))
        })
        .collect();
    files.sort();
    files
}
