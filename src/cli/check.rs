//! `tenantgate check`: what the filter would say to the configurations in a file.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::find::{Configuration, Found, find};
use super::{Outcome, Status};
use crate::authorizer::Authorizer;
use crate::authorizer::api_key::KeyDigest;
use crate::config::{self, Environment};
use crate::json;
use crate::policy::Policy;

pub(super) fn check(files: &[PathBuf]) -> Outcome {
    let mut outcome = Outcome::default();
    for file in files {
        match read(file) {
            Ok(text) => check_text(&text, file, &mut outcome),
            Err(error) => outcome.complain(
                Status::Unusable,
                format_args!("{}: {error}", file.display()),
            ),
        }
    }
    outcome
}

pub(super) fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return io::stdin().lock().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

fn check_text(text: &str, file: &Path, outcome: &mut Outcome) {
    let documents = match documents(text, file) {
        Ok(documents) => documents,
        Err(message) => {
            return outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
        }
    };
    let found = find(documents);
    if found.is_empty() {
        let message = "no plugin configuration: neither on its own, nor a wasm filter that has one";
        return outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
    }
    // A filter that is alone is meant, whatever it is called.
    let alone = found.len() == 1;
    let (ours, others): (Vec<Found>, Vec<Found>) = found
        .into_iter()
        .partition(|found| alone || found.is_ours());
    for other in &others {
        let place = Where {
            file,
            place: &other.place,
        };
        outcome.say(format_args!(
            "{place}: left out; nothing in it is called tenantgate ({})",
            other.name()
        ));
    }
    if ours.is_empty() {
        let message =
            "several wasm filters, and none has `tenantgate` in its name, root_id, vm_id or code";
        outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
    }
    for found in ours {
        check_found(
            found.configuration,
            &Where {
                file,
                place: &found.place,
            },
            outcome,
        );
    }
}

/// The documents of a file. JSON is read as the filter reads it, which is stricter than YAML.
pub(super) fn documents(text: &str, file: &Path) -> Result<Vec<Value>, String> {
    let named_json = file
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
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

fn check_found(configuration: Configuration, place: &Where<'_>, outcome: &mut Outcome) {
    let environment = StandIns::default();
    let policy = match configuration {
        Configuration::Document(document) => config::compile(document, &environment),
        Configuration::Bytes(bytes) => config::load(&bytes, &environment),
        Configuration::Unusable(message) => {
            return outcome.complain(Status::Wrong, format_args!("{place}: {message}"));
        }
    };
    match policy {
        Ok(policy) => tell(&policy, environment, place, outcome),
        Err(problems) => {
            for problem in problems.iter() {
                outcome.complain(Status::Wrong, format_args!("{place}: {problem}"));
            }
        }
    }
}

fn tell(policy: &Policy, environment: StandIns, place: &Where<'_>, outcome: &mut Outcome) {
    outcome.say(format_args!("{place}: ok"));
    outcome.say(format_args!("  config_id: {}", policy.config_id));
    outcome.say(format_args!(
        "  endpoints: {}",
        policy.endpoints.iter().count()
    ));
    let variables: Vec<String> = environment.asked.into_inner().into_iter().collect();
    if !variables.is_empty() {
        outcome.say(format_args!(
            "  needs in the VM's environment: {}",
            variables.join(", ")
        ));
    }
    for endpoint in policy
        .endpoints
        .iter()
        .filter(|endpoint| matches!(endpoint.authorizer, Authorizer::Open))
    {
        let lends = match endpoint.upstream_auth {
            Some(_) => " with the provider's credential",
            None => "",
        };
        outcome.say(format_args!(
            "  warning: endpoint `{}` is open, anyone may call it{lends}",
            endpoint.name
        ));
    }
}

/// Where a message belongs.
struct Where<'a> {
    file: &'a Path,
    place: &'a str,
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
    asked: RefCell<BTreeSet<String>>,
}

impl Environment for StandIns {
    fn var(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        Some(format!("stand-in-{}", KeyDigest::of(name.as_bytes())))
    }
}
