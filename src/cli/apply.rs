//! `tenantgate apply`: a configuration into the file that Envoy watches, checked, and all at once.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::check::{NONE_IS_OURS, NOTHING_FOUND};
use super::diff::{Changes, changes, is_open_somewhere};
use super::find::{find, wasm_filters_mut};
use super::read::{Plugin, StandIns, Where, documents, has_extension, ours, plugin, read};
use super::replace::Replacement;
use super::{Outcome, Status};

const STRING_VALUE: &str = "google.protobuf.StringValue";

/// Up to here every integer is a double (2^53).
const EXACT: u64 = 1 << 53;

/// What to put into the file.
enum New {
    /// Another plugin configuration; the rest of the file stays.
    Plugin(Value),
    /// Another file.
    Resources(Value),
}

/// What was in force.
enum Before {
    Nothing,
    Known(Box<Plugin>),
    /// What stands in the file is none that Envoy takes, and what it took before that, nobody knows.
    Unknown,
}

/// Why nothing is applied.
struct Refusal(Status, Vec<String>);

pub(super) fn apply(config: &Path, to: &Path, allow_opening: bool) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(Refusal(status, messages)) = try_to(config, to, allow_opening, &mut outcome) {
        for message in messages {
            outcome.complain(status, message);
        }
    }
    outcome
}

fn try_to(
    config: &Path,
    to: &Path,
    allow_opening: bool,
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    let text = read(config).map_err(|error| unusable(config, error))?;
    let new = new(&text, config)?;
    let replacement = Replacement::of(to).map_err(|error| unusable(to, error))?;
    let old = replacement
        .old
        .as_deref()
        .map(|text| resources(text, to))
        .transpose();
    let mut document = match (&new, &old) {
        (New::Resources(document), _) => document.clone(),
        (New::Plugin(plugin), Ok(Some(old))) => with_plugin(old.clone(), plugin, to)?,
        (New::Plugin(_), Ok(None)) => {
            let message = "there is no such file, and the configuration of a plugin alone does not make one; \
                           begin with a whole resource file, such as envoy/ecds/tenantgate.yaml";
            return Err(unusable(to, message));
        }
        (New::Plugin(_), Err(message)) => return Err(wrong(to, message)),
    };
    if let Ok(Some(old)) = &old {
        same_names(old, &document, to)?;
    }
    let after = only_plugin(&document, to)?;
    let id = after.policy.config_id.to_string();
    set_version(&mut document, &id);
    let before = match &old {
        Ok(None) => Before::Nothing,
        Ok(Some(old)) if without_version(old) == without_version(&document) => {
            outcome.say(format_args!("{}: no change, config_id {id}", to.display()));
            return Ok(());
        }
        Ok(Some(old)) => {
            only_plugin(old, to).map_or(Before::Unknown, |plugin| Before::Known(plugin.into()))
        }
        Err(_) => Before::Unknown,
    };

    let (was, Changes { lines, openings }) = before.compared_with(&after);
    if !openings.is_empty() && !allow_opening {
        let mut messages: Vec<_> = openings
            .iter()
            .map(|line| format!("{}: {line}", config.display()))
            .collect();
        messages.push(format!(
            "{}: left as it was; if that is meant, say --allow-opening",
            to.display()
        ));
        return Err(Refusal(Status::Wrong, messages));
    }

    let text = written(&document, to, replacement.old.as_deref())?;
    replacement
        .with(&text)
        .map_err(|error| unusable(to, error))?;
    outcome.say(format_args!("{}: config_id: {was} → {id}", to.display()));
    for line in lines.iter().chain(&openings) {
        outcome.say(format_args!("  {line}"));
    }
    if !after.variables.is_empty() {
        outcome.say(format_args!(
            "  needs in the VM's environment: {}",
            after.variables.join(", ")
        ));
    }
    Ok(())
}

impl Before {
    /// What it was called, and what changes.
    fn compared_with(&self, after: &Plugin) -> (String, Changes) {
        let mut none = Changes::default();
        match self {
            Self::Known(before) => {
                return (before.policy.config_id.to_string(), changes(before, after));
            }
            Self::Unknown if is_open_somewhere(after) => none.openings.push(
                "OPENS something, maybe: what stands there is refused by Envoy or the filter, so it cannot be compared"
                    .to_owned(),
            ),
            Self::Unknown | Self::Nothing => {}
        }
        ("none".to_owned(), none)
    }
}

fn unusable(file: &Path, message: impl std::fmt::Display) -> Refusal {
    Refusal(
        Status::Unusable,
        vec![format!("{}: {message}", file.display())],
    )
}

fn wrong(file: &Path, message: impl std::fmt::Display) -> Refusal {
    Refusal(
        Status::Wrong,
        vec![format!("{}: {message}", file.display())],
    )
}

/// What CONFIG asks for, checked.
fn new(text: &str, config: &Path) -> Result<New, Refusal> {
    let documents = documents(text, config).map_err(|message| wrong(config, message))?;
    match <[Value; 1]>::try_from(documents) {
        Ok([document]) if document.get("resources").is_some() => {
            only_plugin(&document, config)?;
            Ok(New::Resources(document))
        }
        Ok([document]) => only_plugin(&document, config).map(|plugin| New::Plugin(plugin.document)),
        Err(_) => Err(wrong(config, "must be one document")),
    }
}

/// The resources in a file that Envoy watches.
fn resources(text: &str, file: &Path) -> Result<Value, String> {
    match <[Value; 1]>::try_from(documents(text, file)?) {
        Ok([document]) if document.get("resources").is_some() => Ok(document),
        _ => Err(
            "is not a file of Envoy resources (one document with `resources`), and Envoy watches no other; \
             apply a whole resource file to replace it"
                .to_owned(),
        ),
    }
}

/// The only plugin configuration that is ours, checked.
fn only_plugin(document: &Value, file: &Path) -> Result<Plugin, Refusal> {
    let found = find(std::slice::from_ref(document));
    let none = if found.is_empty() {
        NOTHING_FOUND
    } else {
        NONE_IS_OURS
    };
    let mut ours = ours(found).0;
    let Some(only) = ours.pop() else {
        return Err(wrong(file, none));
    };
    if !ours.is_empty() {
        return Err(wrong(
            file,
            "several filters are ours; give each a file of its own",
        ));
    }
    let place = Where {
        file,
        place: &only.place,
    };
    plugin(&only.configuration, &StandIns::default()).map_err(|problems| {
        let messages = problems.iter().map(|problem| format!("{place}: {problem}"));
        Refusal(Status::Wrong, messages.collect())
    })
}

/// The same resources with another plugin configuration in the filter that is ours.
fn with_plugin(mut document: Value, plugin: &Value, file: &Path) -> Result<Value, Refusal> {
    let found = find(std::slice::from_ref(&document));
    let alone = found.len() == 1;
    let ours: Vec<bool> = found.iter().map(|found| alone || found.is_ours()).collect();
    let filters = wasm_filters_mut(&mut document);
    let mut filters = filters.into_iter().zip(ours).filter(|(_, ours)| *ours);
    match (filters.next(), filters.next()) {
        (Some((filter, _)), None) => put(filter, plugin).map_err(|message| wrong(file, message))?,
        (None, _) => {
            return Err(wrong(
                file,
                "no wasm filter in it is ours; apply a whole resource file",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(wrong(
                file,
                "several filters are ours; give each a file of its own",
            ));
        }
    }
    drop(filters);
    Ok(document)
}

/// In the form in which the configuration was there before.
fn put(filter: &mut Map<String, Value>, plugin: &Value) -> Result<(), String> {
    let kind = filter
        .get("configuration")
        .and_then(|any| any.get("@type"))
        .and_then(Value::as_str);
    let configuration = if kind.is_some_and(|kind| kind.ends_with(STRING_VALUE)) {
        json!({ "@type": kind, "value": plugin.to_string() })
    } else {
        survives(plugin)?;
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": plugin })
    };
    filter.insert("configuration".to_owned(), configuration);
    Ok(())
}

/// Whether a `Struct` gives back what is put into it: all its numbers are doubles, and from YAML Envoy makes text of those
/// that have a fraction.
fn survives(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(elements) => elements.iter().try_for_each(survives),
        Value::Object(members) => members.values().try_for_each(survives),
        Value::Number(number) if number.as_i64().is_none_or(|n| n.unsigned_abs() > EXACT) => {
            Err(format!(
                "the number {number} would be another in a google.protobuf.Struct; write it as a string, or carry the \
                 configuration as JSON text in a google.protobuf.StringValue"
            ))
        }
        _ => Ok(()),
    }
}

/// Envoy takes only a resource that has the name it asks for.
fn same_names(old: &Value, new: &Value, file: &Path) -> Result<(), Refusal> {
    let names = |document: &Value| -> Vec<String> {
        let resources = document.get("resources").and_then(Value::as_array);
        let names = resources
            .into_iter()
            .flatten()
            .map(|resource| &resource["name"]);
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (before, after) = (names(old), names(new));
    if before == after || before.is_empty() {
        return Ok(());
    }
    let message = format!(
        "has the resources {before:?}, and Envoy would refuse {after:?} in their place; keep the names"
    );
    Err(wrong(file, message))
}

fn set_version(document: &mut Value, version: &str) {
    if let Some(members) = document.as_object_mut() {
        members.remove("versionInfo");
        members.insert("version_info".to_owned(), version.into());
    }
}

fn without_version(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("versionInfo");
        members.remove("version_info");
    }
    document
}

/// The document as Envoy reads a file of that name: YAML where it is called so, else JSON.
fn written(document: &Value, file: &Path, old: Option<&str>) -> Result<String, Refusal> {
    if !has_extension(file, &["yaml", "yml"]) {
        return Ok(format!("{document:#}\n"));
    }
    // All texts quoted, so that no reader takes one for a number or a truth value.
    let options = serde_saphyr::ser_options! { quote_all: true };
    let yaml = serde_saphyr::to_string_with_options(document, options)
        .map_err(|error| unusable(file, error))?;
    // What introduces the file is kept; it cannot be known where else a comment would belong.
    let introduction: String = old
        .unwrap_or_default()
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('#') || line.trim().is_empty())
        .collect();
    let text = introduction + &yaml;
    match documents(&text, file) {
        Ok(read) if read == [document.clone()] => Ok(text),
        _ => Err(unusable(file, "cannot be written as YAML; call it .json")),
    }
}
