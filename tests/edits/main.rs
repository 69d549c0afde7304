//! Edits as an operator makes them: `tenantgate apply` puts them in force, `tenantgate diff` says what they change, and
//! `tenantgate key rotate` gives a client another key.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod apply;
#[path = "../harness/command.rs"]
mod command;
mod diff;
mod files;
mod rotate;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Writes a file, and says where it is.
    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).expect("a file");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = &self.0.path().join(name);
        path.to_str().expect("a path").to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).expect("a file")
    }

    /// Without the folder, which is another each time.
    fn shorten(&self, text: &str) -> String {
        let folder = self.0.path().to_str().expect("a path");
        text.replace(&format!("{folder}/"), "")
    }
}

/// An endpoint that anyone may call.
fn open(name: &str, path: &str) -> Value {
    json!({ "name": name, "path": path, "authorizer": { "type": "none" } })
}

/// An endpoint with a key.
fn guarded(name: &str, path: &str) -> Value {
    let keys = json!([{ "client_id": "c", "key": "a-good-key" }]);
    json!({ "name": name, "path": path, "authorizer": { "type": "api_key", "keys": keys } })
}

/// The same with more members, or others.
fn with(mut value: Value, more: Value) -> Value {
    let (Value::Object(members), Value::Object(more)) = (&mut value, more) else {
        panic!("objects")
    };
    members.extend(more);
    value
}

fn of(endpoints: &[Value]) -> Value {
    json!({ "endpoints": endpoints })
}
