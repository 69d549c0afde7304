//! Reads the access log while it grows, and writes each line into the ledger. A file that has grown large is put aside and
//! deleted when it has been read, so that a soak of a day fills no disk.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Envoy;
use crate::harness::envoy_config::FILTER;
use crate::ledger::{Ledger, Logged};
use crate::shot::{CANARY, ID};

/// A file is put aside when it is larger.
const LARGE_BYTES: u64 = 64 << 20;
/// How every token begins: `{"` in base64.
const TOKEN: &str = "eyJ";

/// The logger: what Envoy knows of a request, and the filter's own line.
pub fn logger(file: &Path) -> Value {
    let format = format!(
        "%REQ({ID})% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %FILTER_STATE(wasm.{FILTER}.log:PLAIN)%\n"
    );
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": file,
            "log_format": { "text_format_source": { "inline_string": format } },
        },
    })
}

/// A log that is read while it is written.
pub struct Tail<'a> {
    path: PathBuf,
    file: File,
    read: u64,
    /// The beginning of a line whose end has not been written.
    rest: Vec<u8>,
    envoy: &'a Envoy,
    ledger: &'a Ledger,
}

impl<'a> Tail<'a> {
    pub fn of(path: &Path, envoy: &'a Envoy, ledger: &'a Ledger) -> Self {
        Self {
            path: path.to_owned(),
            file: File::open(path).expect("the access log"),
            read: 0,
            rest: Vec::new(),
            envoy,
            ledger,
        }
    }

    /// Takes in what is there.
    pub fn reads(&mut self) {
        self.drain();
        if self.read > LARGE_BYTES {
            self.turns_the_page();
        }
    }

    fn drain(&mut self) {
        let mut bytes = std::mem::take(&mut self.rest);
        self.read += self.file.read_to_end(&mut bytes).expect("the log") as u64;
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() && !line.ends_with(b"\n") {
                self.rest = line.to_vec();
                break;
            }
            take_in(&String::from_utf8_lossy(line), self.ledger);
        }
    }

    /// Envoy opens the path anew when it is asked to, and writes the old file to its end before.
    fn turns_the_page(&mut self) {
        let aside = self.path.with_extension("old");
        fs::rename(&self.path, &aside).expect("a rename");
        let reopen = format!("{}/reopen_logs", self.envoy.admin_url());
        ureq::post(&reopen)
            .send_empty()
            .expect("the admin interface");
        let mut patience = 500;
        while !self.path.exists() {
            patience -= 1;
            assert!(patience > 0, "Envoy opens no new access log");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.drain();
        self.file = File::open(&self.path).expect("the access log");
        self.read = 0;
        fs::remove_file(&aside).expect("the old log");
    }
}

fn take_in(text: &str, ledger: &Ledger) {
    if text.contains(CANARY) || text.contains(TOKEN) {
        ledger.finds(format!("a secret in the access log: {text}"));
    }
    let mut words = text.trim_end().splitn(5, ' ');
    let mut word = || words.next().unwrap_or_default();
    let id = word().parse().ok();
    let status = word().parse().unwrap_or(0);
    let (details, flags) = (word().to_owned(), word().to_owned());
    let line = match word() {
        "-" => None,
        line => match serde_json::from_str(line) {
            Ok(line) => Some(line),
            Err(error) => return ledger.finds(format!("{error} in the access log: {text}")),
        },
    };
    let logged = Logged {
        status,
        details,
        flags,
        line,
    };
    ledger.logged(id, logged);
}

/// Reads and settles until it is told to stop.
pub fn reads_until(stop: &AtomicBool, tail: &mut Tail<'_>, mut settle: impl FnMut()) {
    while !stop.load(Ordering::Relaxed) {
        tail.reads();
        settle();
        std::thread::sleep(Duration::from_millis(100));
    }
}
