//! `tenantgate diff`: what an edit changes, and whether it opens what was guarded.

mod keys;
mod opening;
mod words;

use std::path::Path;

use super::check::{NONE_IS_OURS, NOTHING_FOUND};
use super::find::find;
use super::read::{Plugin, StandIns, Where, documents, ours, plugin, read};
use super::{Outcome, Status};
pub(super) use opening::is_open_somewhere;

/// What an edit does.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// In words, a line each.
    pub lines: Vec<String>,
    /// What it opens that was guarded, a line each.
    pub openings: Vec<String>,
}

/// Compares two configurations.
pub(super) fn changes(old: &Plugin, new: &Plugin) -> Changes {
    Changes {
        lines: words::differences(&old.document, &new.document),
        openings: opening::openings(old, new)
            .iter()
            .map(|opening| format!("OPENS {opening}"))
            .collect(),
    }
}

pub(super) fn diff(old: &Path, new: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    let both = (plugins(old, &mut outcome), plugins(new, &mut outcome));
    let (Some(before), Some(after)) = both else {
        return outcome;
    };
    match pairs(before, after) {
        Some(pairs) => {
            let several = pairs.len() > 1;
            for (place, old, new) in pairs {
                let place = if several { format!("{place}: ") } else { String::new() };
                tell(&place, &old, &new, &mut outcome);
            }
        }
        None => outcome.complain(
            Status::Unusable,
            "there are several filters, and not in the same places: nobody can tell which became which. \
             Compare them one at a time",
        ),
    }
    outcome
}

fn tell(place: &str, old: &Plugin, new: &Plugin, outcome: &mut Outcome) {
    let (before, after) = (&old.policy.config_id, &new.policy.config_id);
    if before == after {
        return outcome.say(format_args!("{place}no change, config_id {after}"));
    }
    outcome.say(format_args!("{place}config_id: {before} → {after}"));
    let changes = changes(old, new);
    for line in &changes.lines {
        outcome.say(format_args!("{place}{line}"));
    }
    for line in &changes.openings {
        outcome.say(format_args!("{place}{line}"));
        outcome.status = outcome.status.max(Status::Wrong);
    }
}

/// The plugin configurations of a file, with their places. Says what is wrong with it, if anything is.
fn plugins(file: &Path, outcome: &mut Outcome) -> Option<Vec<(String, Plugin)>> {
    let text = match read(file) {
        Ok(text) => documents(&text, file),
        Err(error) => Err(error.to_string()),
    };
    let found = text.map(|documents| find(&documents)).and_then(|found| {
        let any = !found.is_empty();
        match ours(found).0 {
            ours if !ours.is_empty() => Ok(ours),
            _ if any => Err(NONE_IS_OURS.to_owned()),
            _ => Err(NOTHING_FOUND.to_owned()),
        }
    });
    let found = match found {
        Ok(found) => found,
        Err(message) => {
            outcome.complain(
                Status::Unusable,
                format_args!("{}: {message}", file.display()),
            );
            return None;
        }
    };
    let mut plugins = Vec::new();
    let all = found.len();
    for found in found {
        match plugin(&found.configuration, &StandIns::default()) {
            Ok(plugin) => plugins.push((found.place, plugin)),
            Err(problems) => {
                let place = Where {
                    file,
                    place: &found.place,
                };
                for problem in problems {
                    outcome.complain(Status::Unusable, format_args!("{place}: {problem}"));
                }
            }
        }
    }
    (plugins.len() == all).then_some(plugins)
}

/// Which configuration became which: one became the other, or those in the same places did.
fn pairs(
    old: Vec<(String, Plugin)>,
    new: Vec<(String, Plugin)>,
) -> Option<Vec<(String, Plugin, Plugin)>> {
    let alone = old.len() == 1 && new.len() == 1;
    let places = |plugins: &[(String, Plugin)]| -> Vec<String> {
        plugins.iter().map(|(place, _)| place.clone()).collect()
    };
    (alone || places(&old) == places(&new)).then(|| {
        let pairs = old.into_iter().zip(new);
        pairs
            .map(|((_, old), (place, new))| (place, old, new))
            .collect()
    })
}
