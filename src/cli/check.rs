//! `tenantgate check`: what the filter would say to the configurations in a file.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::find::{Configuration, Found, find};
use super::{Outcome, Status, advice};
use crate::authorizer::Authorizer;
use crate::authorizer::api_key::KeyDigest;
use crate::config::{self, Environment, Problems};
use crate::json;
use crate::policy::Policy;

/// All that is wrong with these files. A warning is as bad as an error only where one is `strict`.
pub(super) fn check(files: &[PathBuf], strict: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let warning = if strict { Status::Wrong } else { Status::Good };
    for file in files {
        match read(file) {
            Ok(text) => check_text(&text, file, warning, &mut outcome),
            Err(error) => outcome.complain(
                Status::Unusable,
                format_args!("{}: {error}", file.display()),
            ),
        }
    }
    outcome
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return io::stdin().lock().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

fn check_text(text: &str, file: &Path, warning: Status, outcome: &mut Outcome) {
    let documents = match documents(text, file) {
        Ok(documents) => documents,
        Err(message) => {
            return outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
        }
    };
    let found = find(&documents);
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
        let place = Where {
            file,
            place: &found.place,
        };
        let environment = StandIns::default();
        let policy = check_found(&found.configuration, &environment, &place, outcome);
        let Some(carrier) = &found.carrier else {
            continue;
        };
        let around = Where {
            file,
            place: &carrier.place,
        };
        let asked = environment.asked.borrow();
        warn(
            &advice::of_carrier(carrier, &asked),
            &around,
            warning,
            outcome,
        );
        if let (Some(policy), Some(document)) = (policy, found.configuration.document()) {
            let advice = advice::of_configuration(&document, &policy, carrier, &documents);
            warn(&advice, &place, warning, outcome);
        }
    }
}

fn warn(advice: &Problems, place: &Where<'_>, status: Status, outcome: &mut Outcome) {
    for advice in advice.iter() {
        let (path, message) = (&advice.path, &advice.message);
        outcome.complain(status, format_args!("{place}: {path}: warning: {message}"));
    }
}

/// The documents of a file. JSON is read as the filter reads it, which is stricter than YAML.
fn documents(text: &str, file: &Path) -> Result<Vec<Value>, String> {
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

fn check_found(
    configuration: &Configuration,
    environment: &StandIns,
    place: &Where<'_>,
    outcome: &mut Outcome,
) -> Option<Policy> {
    let policy = match configuration {
        Configuration::Document(document) => config::compile(document.clone(), environment),
        Configuration::Bytes(bytes) => config::load(bytes, environment),
        Configuration::Unusable(message) => {
            outcome.complain(Status::Wrong, format_args!("{place}: {message}"));
            return None;
        }
    };
    match policy {
        Ok(policy) => {
            tell(&policy, environment, place, outcome);
            Some(policy)
        }
        Err(problems) => {
            for problem in problems.iter() {
                outcome.complain(Status::Wrong, format_args!("{place}: {problem}"));
            }
            None
        }
    }
}

fn tell(policy: &Policy, environment: &StandIns, place: &Where<'_>, outcome: &mut Outcome) {
    outcome.say(format_args!("{place}: ok"));
    outcome.say(format_args!("  config_id: {}", policy.config_id));
    outcome.say(format_args!(
        "  endpoints: {}",
        policy.endpoints.iter().count()
    ));
    let variables: Vec<String> = environment.asked.borrow().iter().cloned().collect();
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
struct StandIns {
    asked: RefCell<BTreeSet<String>>,
}

impl Environment for StandIns {
    fn var(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        Some(format!("stand-in-{}", KeyDigest::of(name.as_bytes())))
    }
}
