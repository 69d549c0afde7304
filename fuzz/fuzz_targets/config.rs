//! Plugin configuration: any bytes are a policy or a list of complaints, each with its place, and one meaning has one id.
//!
//! The input is what the proxy hands over (JSON text, or a serialized `Struct`); behind an `@` it is a list of edits of the
//! documented configuration, each a line: the number of a value, and the JSON that stands in its place (none takes it out);
//! behind a `#` it is YAML, as the command reads it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use prost_types::value::Kind;
use serde_json::Value;
use tenantgate::config;
use tenantgate_fuzz::input::lines;

/// What the one variable of the environment holds. It is in no message.
const SECRET: &str = "sk-canary-9f86d081884c7d65";

/// The most edits of one run: with more of them all are complained of.
const EDITS: usize = 4;

static DOCUMENTED: LazyLock<Value> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../tests/configs/documented.yaml")).expect("YAML")
});

fuzz_target!(|input: &[u8]| {
    match input {
        [b'@', edits @ ..] => {
            let mut document = DOCUMENTED.clone();
            for edit in lines(edits).take(EDITS) {
                let text = String::from_utf8_lossy(edit);
                let (place, part) = text.split_once(' ').unwrap_or((&text, ""));
                if let Ok(place) = place.parse::<usize>() {
                    replace(
                        &mut document,
                        &mut (place % 200),
                        &serde_json::from_str(part).ok(),
                    );
                }
            }
            judge(document.to_string().as_bytes());
        }
        [b'#', yaml @ ..] => {
            let document = std::str::from_utf8(yaml).ok();
            if let Some(document) =
                document.and_then(|text| serde_saphyr::from_str::<Value>(text).ok())
            {
                let _ = config::compile(document, &environment);
            }
        }
        bytes => judge(bytes),
    }
});

fn environment(name: &str) -> Option<String> {
    (name != "ABSENT").then(|| SECRET.to_owned())
}

fn judge(bytes: &[u8]) {
    let document = config::read(bytes);
    let policy = match config::load(bytes, &environment) {
        Ok(policy) => policy,
        Err(problems) => {
            assert!(!problems.0.is_empty());
            let said = problems.to_string();
            assert_eq!(
                said.lines().count(),
                problems.0.len(),
                "one line each: {said}"
            );
            assert!(!said.contains(SECRET), "{said}");
            if let Ok(document) = document {
                for problem in problems.iter() {
                    assert!(leads_somewhere(&problem.path, &document), "{problem}");
                }
            }
            return;
        }
    };
    // The same document in other clothes.
    let document = document.expect("it is a policy");
    let pretty = serde_json::to_vec_pretty(&document).expect("JSON");
    let again = config::load(&pretty, &environment).expect("the same document");
    assert_eq!(again.config_id, policy.config_id);
    if let Some(Kind::StructValue(message)) = as_struct(&document).kind
        && !has_great_integers(&document)
    {
        let again =
            config::load(&message.encode_to_vec(), &environment).expect("the same document");
        assert_eq!(again.config_id, policy.config_id);
    }
}

/// Puts a part in the place of the n-th value of a document, or takes that out.
fn replace(value: &mut Value, countdown: &mut usize, part: &Option<Value>) {
    let found = |countdown: &mut usize| {
        let found = *countdown == 0;
        *countdown = countdown.wrapping_sub(1);
        found
    };
    match value {
        Value::Array(elements) => {
            let mut index = 0;
            while index < elements.len() {
                if found(countdown) {
                    match part {
                        Some(part) => elements[index] = part.clone(),
                        None => drop(elements.remove(index)),
                    }
                    return;
                }
                replace(&mut elements[index], countdown, part);
                index += 1;
            }
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if found(countdown) {
                    match part {
                        Some(part) => members.insert(name, part.clone()),
                        None => members.remove(&name),
                    };
                    return;
                }
                replace(&mut members[&name], countdown, part);
            }
        }
        _ => {}
    }
}

/// Whether all but the last step of a place are there: what is missing is complained of where it should be.
fn leads_somewhere(path: &str, document: &Value) -> bool {
    let (mut value, mut rest) = (document, path);
    while !rest.is_empty() {
        let (step, after) = if let Some(inner) = rest.strip_prefix("[\"") {
            // A name that is not plain, as Rust writes it, and perhaps shortened.
            let Some(end) = inner.rfind("\"]") else {
                return false;
            };
            (None, inner.get(end + 2..).unwrap_or_default())
        } else if let Some(inner) = rest.strip_prefix('[') {
            let Some((index, after)) = inner.split_once(']') else {
                return false;
            };
            (
                index.parse().ok().and_then(|index: usize| value.get(index)),
                after,
            )
        } else {
            let inner = rest.strip_prefix('.').unwrap_or(rest);
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            (value.get(&inner[..end]), &inner[end..])
        };
        match step {
            Some(step) => (value, rest) = (step, after),
            None => return after.is_empty() || rest.starts_with("[\""),
        }
    }
    true
}

/// As Envoy hands it over.
fn as_struct(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().expect("a double")),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => Kind::ListValue(prost_types::ListValue {
            values: elements.iter().map(as_struct).collect(),
        }),
        Value::Object(members) => Kind::StructValue(prost_types::Struct {
            fields: members
                .iter()
                .map(|(name, value)| (name.clone(), as_struct(value)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Integers that are no doubles are others in a `Struct`.
fn has_great_integers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number
            .as_f64()
            .is_none_or(|double| double.abs() >= 9_007_199_254_740_992.0),
        Value::Array(elements) => elements.iter().any(has_great_integers),
        Value::Object(members) => members.values().any(has_great_integers),
        _ => false,
    }
}
