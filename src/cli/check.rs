//! `tenantgate check`: what the filter would say to the configurations in a file.

use std::path::{Path, PathBuf};

use super::find::find;
use super::read::{Plugin, Where, documents, ours, plugin, read};
use super::{Outcome, Status};
use crate::authorizer::Authorizer;

/// What a file is told that has no plugin configuration.
pub(super) const NOTHING_FOUND: &str =
    "no plugin configuration: neither on its own, nor a wasm filter that has one";
/// What a file is told that has wasm filters, none of them ours.
pub(super) const NONE_IS_OURS: &str =
    "several wasm filters, and none has `tenantgate` in its name, root_id, vm_id or code";

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

fn check_text(text: &str, file: &Path, outcome: &mut Outcome) {
    let documents = match documents(text, file) {
        Ok(documents) => documents,
        Err(message) => {
            return outcome.complain(Status::Wrong, format_args!("{}: {message}", file.display()));
        }
    };
    let found = find(documents);
    if found.is_empty() {
        return outcome.complain(
            Status::Wrong,
            format_args!("{}: {NOTHING_FOUND}", file.display()),
        );
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
        outcome.complain(
            Status::Wrong,
            format_args!("{}: {NONE_IS_OURS}", file.display()),
        );
    }
    for found in ours {
        let place = Where {
            file,
            place: &found.place,
        };
        match plugin(found.configuration) {
            Ok(plugin) => tell(&plugin, &place, outcome),
            Err(problems) => {
                for problem in problems {
                    outcome.complain(Status::Wrong, format_args!("{place}: {problem}"));
                }
            }
        }
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
