//! Files in, plugin configurations out, checked by the filter's own code: what `check`, `apply` and `diff` share.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::find::{Configuration, Found};
use crate::authorizer::api_key::KeyDigest;
use crate::config::{self, Environment};
use crate::json;
use crate::policy::Policy;

/// A plugin configuration that the filter takes.
#[derive(Debug)]
pub(super) struct Plugin {
    /// As it was written.
    pub document: Value,
    pub policy: Policy,
    /// What it takes from the VM's environment.
    pub variables: Vec<String>,
}

/// The text of a file; `-` is standard input.
pub(super) fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return io::stdin().lock().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

/// The documents of a file. JSON is read as the filter reads it, which is stricter than YAML.
pub(super) fn documents(text: &str, file: &Path) -> Result<Vec<Value>, String> {
    let named_json = has_extension(file, &["json"]);
    match json::parse(text.as_bytes()) {
        Ok(document) => Ok(vec![document]),
        Err(error)
            if named_json || matches!(error, json::NotStrictJson::DuplicateMember { .. }) =>
        {
            Err(error.to_string())
        }
        // A snippet of the file could show a key.
        Err(_) => serde_saphyr::from_multiple_with_options(
            text,
            serde_saphyr::options! { with_snippet: false },
        )
        .map_err(|error| format!("not YAML: {error}")),
    }
}

/// Whether a file is called so.
pub(super) fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    file.extension().is_some_and(|extension| {
        extensions
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Those that are ours, and the others. One that is alone is meant, whatever it is called.
pub(super) fn ours(found: Vec<Found>) -> (Vec<Found>, Vec<Found>) {
    let alone = found.len() == 1;
    found
        .into_iter()
        .partition(|found| alone || found.is_ours())
}

/// Makes a policy of a configuration, as the filter does.
///
/// # Errors
/// All that the filter would say to it.
pub(super) fn plugin(
    configuration: &Configuration,
    environment: &StandIns,
) -> Result<Plugin, Vec<String>> {
    let policy = match configuration {
        Configuration::Document(document) => config::compile(document.clone(), environment),
        Configuration::Bytes(bytes) => config::load(bytes, environment),
        Configuration::Unusable(message) => return Err(vec![message.clone()]),
    };
    match policy {
        Ok(policy) => Ok(Plugin {
            // What is not JSON is no policy either.
            document: configuration.document().unwrap_or_default().into_owned(),
            policy,
            variables: environment.asked.borrow().iter().cloned().collect(),
        }),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

/// Where a message belongs.
pub(super) struct Where<'a> {
    pub file: &'a Path,
    pub place: &'a str,
}

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.place.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}", self.file.display(), self.place)
    }
}

/// An environment in which every variable is set, each to something else, so that only one that is used twice is a key
/// that stands twice.
#[derive(Default)]
pub(super) struct StandIns {
    /// The variables that a configuration takes from the VM's environment.
    pub asked: RefCell<BTreeSet<String>>,
}

impl Environment for StandIns {
    fn var(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        Some(format!("stand-in-{}", KeyDigest::of(name.as_bytes())))
    }
}
