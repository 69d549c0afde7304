//! Programs that a test starts, and where they are found. Knows nothing of what they do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The repository's own folder.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Envoy binary: `$ENVOY`, or the one that `scripts/setup` installed.
pub fn envoy_binary() -> PathBuf {
    std::env::var_os("ENVOY").map_or_else(|| repository().join(".tools/bin/envoy"), PathBuf::from)
}

/// A running program with a folder of its own. Dropping it ends the process, by its id, and shows what it
/// said if the test is failing.
pub struct Process {
    name: &'static str,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts `command` in a fresh folder; standard output and error go to files there.
    pub fn start(name: &'static str, folder: TempDir, command: &mut Command) -> Self {
        let log = |file: &str| File::create(folder.path().join(file)).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} does not start ({command:?}): {error}; run scripts/setup")
            });
        Self {
            name,
            child,
            folder,
        }
    }

    /// The folder that goes when the process goes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What stands in a file of the folder by now.
    pub fn read(&self, file: &str) -> String {
        let bytes = fs::read(self.folder.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until `ready` has something to say, or panics with the logs.
    pub fn wait_for<T>(&mut self, what: &str, ready: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(value) = ready(self) {
                return value;
            }
            let ended = self.child.try_wait().expect("a child's state");
            assert!(
                ended.is_none(),
                "{} ended ({ended:?}) before {what}\n{}",
                self.name,
                self.logs()
            );
            assert!(
                Instant::now() < deadline,
                "{}: no {what} in 60 s\n{}",
                self.name,
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still alive: a proxy that crashed refuses requests, too.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child's state").is_none()
    }

    /// Waits for a program that ends by itself.
    pub fn finish(&mut self) -> ExitStatus {
        self.child.wait().expect("a child's end")
    }

    /// Everything it said.
    pub fn logs(&self) -> String {
        format!(
            "--- {} stdout\n{}--- {} stderr\n{}",
            self.name,
            self.read("stdout"),
            self.name,
            self.read("stderr")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
