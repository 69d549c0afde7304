//! The access log's lines: whether they have the shape that the filter writes (`account`), and what they add up to.
//!
//! A line that is something else is told by its number, never shown; of one that is a line, nothing but the documented
//! members gets further.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::inventory::Inventory;
use crate::json;

/// Members in their order, and what each may be beside `null`.
const MEMBERS: [(&str, Kind); 18] = [
    ("ts", Kind::Time),
    ("tenant_id", Kind::Text),
    ("user_id", Kind::Text),
    ("endpoint", Kind::Text),
    ("model", Kind::Text),
    ("input_tokens", Kind::Count),
    ("output_tokens", Kind::Count),
    ("request_id", Kind::Text),
    ("endpoint_name", Kind::Text),
    ("client_id", Kind::Text),
    ("decision", Kind::Text),
    ("reason", Kind::Text),
    ("status", Kind::Count),
    ("served_model", Kind::Text),
    ("cached_input_tokens", Kind::Count),
    ("reasoning_tokens", Kind::Count),
    ("usage_source", Kind::Text),
    ("config_id", Kind::Text),
];
/// Far beyond what identifiers and models are let be.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// How many odd lines are told one by one.
const MAX_ODD: usize = 20;
/// How many lines are shown.
const MAX_ALLOWED: usize = 5;
const MAX_DENIED: usize = 2;

#[derive(Clone, Copy)]
enum Kind {
    /// RFC 3339; always there.
    Time,
    Text,
    Count,
}

/// What an access log says about who called what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attribution {
    /// The name of the file.
    pub file: String,
    pub lines: u64,
    pub odd_lines: u64,
    /// The first of those, by number, and what is odd about each.
    pub odd: Vec<(u64, String)>,
    /// By name of the endpoint and tenant; empty names where there was none.
    pub counts: BTreeMap<(String, String), Counts>,
    /// Lines as they stand, but for members that are not documented.
    pub samples: Vec<String>,
    /// Requests that endpoints which ask for a credential let through without a tenant: there must be none.
    pub untied: u64,
    /// Lines that were written under another configuration.
    pub of_other_configurations: u64,
}

/// What some lines add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub allowed: u64,
    pub denied: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// Reads an access log.
///
/// # Errors
/// That it cannot be read.
pub(super) fn read(file: &Path, inventory: &Inventory) -> Result<Attribution, String> {
    let told = |error: std::io::Error| format!("--access-log {}: {error}", file.display());
    let mut reader = BufReader::new(File::open(file).map_err(told)?);
    let name = file.file_name().unwrap_or(file.as_os_str());
    let mut attribution = Attribution {
        file: name.to_string_lossy().into_owned(),
        ..Attribution::default()
    };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let limit = MAX_LINE_BYTES.saturating_add(1);
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut bytes);
        if read.map_err(told)? == 0 {
            return Ok(attribution);
        }
        let cut = !bytes.ends_with(b"\n") && u64::try_from(bytes.len()).unwrap_or(limit) >= limit;
        if cut {
            reader.skip_until(b'\n').map_err(told)?;
        }
        let line = bytes.trim_ascii();
        if !line.is_empty() {
            attribution.take(line, cut, inventory);
        }
    }
}

impl Attribution {
    fn take(&mut self, line: &[u8], cut: bool, inventory: &Inventory) {
        self.lines = self.lines.saturating_add(1);
        let members = if cut {
            Err(format!("longer than {MAX_LINE_BYTES} bytes"))
        } else {
            members(line)
        };
        match members {
            Ok(members) => self.add(&members, inventory),
            Err(what) => {
                self.odd_lines = self.odd_lines.saturating_add(1);
                if self.odd.len() < MAX_ODD {
                    self.odd.push((self.lines, what));
                }
            }
        }
    }

    fn add(&mut self, members: &Map<String, Value>, inventory: &Inventory) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let count = |name: &str| members.get(name).and_then(Value::as_u64).unwrap_or(0);
        let name = text("endpoint_name").unwrap_or_default();
        let tenant = text("tenant_id");
        let allowed = text("decision") == Some("allow");
        let key = (name.to_owned(), tenant.unwrap_or_default().to_owned());
        let counts = self.counts.entry(key).or_default();
        counts.allowed = counts.allowed.saturating_add(u64::from(allowed));
        let denied = text("decision") == Some("deny");
        counts.denied = counts.denied.saturating_add(u64::from(denied));
        counts.input_tokens = counts.input_tokens.saturating_add(count("input_tokens"));
        counts.output_tokens = counts.output_tokens.saturating_add(count("output_tokens"));

        let other = text("config_id") != Some(inventory.config_id.as_str());
        self.of_other_configurations = self
            .of_other_configurations
            .saturating_add(u64::from(other));
        let endpoints = &inventory.configuration.endpoints;
        let guarded = endpoints
            .iter()
            .any(|endpoint| endpoint.name == name && !endpoint.is_open() && !endpoint.preflight);
        let untied = allowed && tenant.is_none() && guarded && !other;
        self.untied = self.untied.saturating_add(u64::from(untied));

        let shown = |deny: bool| {
            let word = if deny {
                r#""decision":"deny""#
            } else {
                r#""decision":"allow""#
            };
            self.samples
                .iter()
                .filter(|line| line.contains(word))
                .count()
        };
        let wanted = (allowed && tenant.is_some() && shown(false) < MAX_ALLOWED)
            || (denied && shown(true) < MAX_DENIED);
        if wanted {
            self.samples.push(documented(members));
        }
    }

    /// All lines that have the shape.
    pub fn in_shape(&self) -> u64 {
        self.lines.saturating_sub(self.odd_lines)
    }

    /// The sum over all endpoints and tenants.
    pub fn total(&self) -> Counts {
        self.counts
            .values()
            .fold(Counts::default(), |sum, counts| Counts {
                allowed: sum.allowed.saturating_add(counts.allowed),
                denied: sum.denied.saturating_add(counts.denied),
                input_tokens: sum.input_tokens.saturating_add(counts.input_tokens),
                output_tokens: sum.output_tokens.saturating_add(counts.output_tokens),
            })
    }
}

/// The members of a line that has the shape; else what is odd about it, which quotes nothing of it.
fn members(line: &[u8]) -> Result<Map<String, Value>, String> {
    let members = match json::parse(line) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return Err("not a JSON object".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    if members.contains_key("details") && !members.contains_key("endpoint_name") {
        return Err("Envoy's own word on a request that the filter could not tell of".to_owned());
    }
    for (name, kind) in MEMBERS {
        let fits = match (members.get(name), kind) {
            (None, _) => return Err(format!("no {name}")),
            (Some(Value::String(text)), Kind::Time) => text.parse::<Timestamp>().is_ok(),
            (Some(_), Kind::Time) => false,
            (Some(Value::Null), _) | (Some(Value::String(_)), Kind::Text) => true,
            (Some(value), Kind::Count) => value.is_u64(),
            (Some(_), Kind::Text) => false,
        };
        if !fits {
            return Err(format!("{name} is not what the filter writes"));
        }
    }
    Ok(members)
}

/// The line, without members that are not documented.
fn documented(members: &Map<String, Value>) -> String {
    let known = MEMBERS.iter().filter_map(|(name, _)| {
        let value = members.get(*name)?;
        Some(format!("{}:{value}", Value::from(*name)))
    });
    format!("{{{}}}", known.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the README shows it.
    const LINE: &str = r#"{"ts":"2026-05-15T14:00:00Z","tenant_id":"acme","user_id":"nightly","endpoint":"/v1/chat/completions","model":"gpt-4o-mini","input_tokens":1234,"output_tokens":567,"request_id":"3d9f","endpoint_name":"chat","client_id":"batch","decision":"allow","reason":null,"status":200,"served_model":"gpt-4o-mini-2024-07-18","cached_input_tokens":1024,"reasoning_tokens":null,"usage_source":"reported","config_id":"60feca4f3d98"}"#;

    #[test]
    fn a_line_of_the_filter_has_the_shape_and_others_have_not() {
        assert!(members(LINE.as_bytes()).is_ok());
        for (line, said) in [
            (
                LINE.replace("1234", "\"1234\""),
                "input_tokens is not what the filter writes",
            ),
            (
                LINE.replace("1234", "-1"),
                "input_tokens is not what the filter writes",
            ),
            (
                LINE.replace("2026-05-15T14:00:00Z", "today"),
                "ts is not what the filter writes",
            ),
            (
                LINE.replace("\"acme\"", "7"),
                "tenant_id is not what the filter writes",
            ),
            (LINE.replace("\"model\"", "\"modell\""), "no model"),
            (
                LINE.replace("\"user_id\"", "\"tenant_id\""),
                "a member is named twice (line 1, column 59)",
            ),
            ("[]".to_owned(), "not a JSON object"),
            (
                "[2026-05-15] GET / 200".to_owned(),
                "not JSON (line 1, column 6)",
            ),
            (
                r#"{"ts":"2026-05-15T14:00:00Z","details":"-"}"#.to_owned(),
                "Envoy's own word on a request that the filter could not tell of",
            ),
        ] {
            assert_eq!(members(line.as_bytes()).unwrap_err(), said);
        }
    }

    #[test]
    fn what_is_not_documented_is_not_shown() {
        let line = LINE.replacen('{', r#"{"authorization":"Bearer canary","#, 1);
        let shown = documented(&members(line.as_bytes()).unwrap());
        assert_eq!(shown, LINE);
    }
}
