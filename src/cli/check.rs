//! `tenantgate check`: what the filter would say to the configurations in a file, and to a set of keys.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::find::{Found, find};
use super::read::{Plugin, StandIns, Where, documents, ours, plugin, read};
use super::{Outcome, Status, advice};
use crate::authorizer::Authorizer;
use crate::authorizer::api_key::parse_key_set;
use crate::config::Problems;
use crate::policy::ShortDigest;

/// What a file is told that has no plugin configuration.
pub(super) const NOTHING_FOUND: &str =
    "no plugin configuration: neither on its own, nor a wasm filter that has one";
/// What a file is told that has wasm filters, none of them ours.
pub(super) const NONE_IS_OURS: &str =
    "several wasm filters, and none has `tenantgate` in its name, root_id, vm_id or code";

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

fn check_text(text: &str, file: &Path, warning: Status, outcome: &mut Outcome) {
    let wrong = |outcome: &mut Outcome, message: &str| {
        outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
    };
    let documents = match documents(text, file) {
        Ok(documents) => documents,
        Err(message) => return wrong(outcome, &message),
    };
    if let [document] = documents.as_slice()
        && is_key_set(document)
    {
        return check_key_set(text, file, outcome);
    }
    let found = find(&documents);
    if found.is_empty() {
        return wrong(outcome, NOTHING_FOUND);
    }
    let (ours, others) = ours(found);
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
        wrong(outcome, NONE_IS_OURS);
    }
    for found in ours {
        check_found(&found, &documents, file, warning, outcome);
    }
}

fn check_found(
    found: &Found,
    documents: &[Value],
    file: &Path,
    warning: Status,
    outcome: &mut Outcome,
) {
    let place = Where {
        file,
        place: &found.place,
    };
    let environment = StandIns::default();
    let plugin = plugin(&found.configuration, &environment);
    match &plugin {
        Ok(plugin) => tell(plugin, &place, outcome),
        Err(problems) => {
            for problem in problems {
                outcome.complain(Status::Wrong, format_args!("{place}: {problem}"));
            }
        }
    }
    let Some(carrier) = &found.carrier else {
        return;
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
    if let Ok(plugin) = plugin {
        let (document, policy) = (&plugin.document, &plugin.policy);
        let advice = advice::of_configuration(document, policy, carrier, documents);
        warn(&advice, &place, warning, outcome);
        if let Some(manager) = &carrier.manager {
            let around = Where {
                file,
                place: &manager.place,
            };
            let advice = advice::of_manager(document, manager);
            warn(&advice, &around, warning, outcome);
        }
    }
}

fn warn(advice: &Problems, place: &Where<'_>, status: Status, outcome: &mut Outcome) {
    for advice in advice.iter() {
        let (path, message) = (&advice.path, &advice.message);
        outcome.complain(status, format_args!("{place}: {path}: warning: {message}"));
    }
}

fn tell(plugin: &Plugin, place: &Where<'_>, outcome: &mut Outcome) {
    let policy = &plugin.policy;
    outcome.say(format_args!("{place}: ok"));
    outcome.say(format_args!("  config_id: {}", policy.config_id));
    outcome.say(format_args!(
        "  endpoints: {}",
        policy.endpoints.iter().count()
    ));
    if !plugin.variables.is_empty() {
        outcome.say(format_args!(
            "  needs in the VM's environment: {}",
            plugin.variables.join(", ")
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

/// A set of keys is known by what it is made of: no plugin configuration has keys at its top.
fn is_key_set(document: &Value) -> bool {
    document.get("keys").is_some() && document.get("endpoints").is_none()
}

fn check_key_set(text: &str, file: &Path, outcome: &mut Outcome) {
    match parse_key_set(text.as_bytes()) {
        Ok(keys) => {
            outcome.say(format_args!("{}: ok, a key set", file.display()));
            let version = ShortDigest::of(text.as_bytes());
            outcome.say(format_args!("  version: {version}"));
            outcome.say(format_args!("  keys: {}", keys.len()));
        }
        Err(error) => outcome.complain(
            Status::Wrong,
            format_args!("{}: as a key set: {error}", file.display()),
        ),
    }
}
