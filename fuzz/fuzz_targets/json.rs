//! JSON from outside, against a reader of RFC 8259 that goes a character at a time: the same texts, the same values.
//!
//! The input is the text.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tenantgate::json;
use tenantgate_fuzz::slow_json;

fuzz_target!(|text: &[u8]| {
    let expected = slow_json::read(text);
    if expected.as_ref().is_some_and(is_at_the_edge) {
        return;
    }
    let read = json::parse(text);
    assert!(
        same(read.as_ref().ok(), expected.as_ref()),
        "{read:?}, not {expected:?}"
    );

    // A level deep, what is inside is only looked through: one bad part must not spoil the others.
    let members = json::parse_members(text);
    if let Some(Value::Object(expected)) = &expected {
        let members = members.expect("an object");
        let read: BTreeMap<_, _> = members
            .iter()
            .map(|(name, text)| {
                (
                    name.clone(),
                    json::parse(text.get().as_bytes()).expect("a part of it"),
                )
            })
            .collect();
        assert!(same(
            Some(&Value::Object(read.into_iter().collect())),
            Some(&Value::Object(expected.clone()))
        ));
        for text in members.values() {
            elements(text, slow_json::read(text.get().as_bytes()).as_ref());
        }
    } else if expected.is_some() {
        assert_eq!(members.unwrap_err(), json::NotStrictJson::NotAnObject);
    } else if let Ok(members) = members {
        // Something below the first level is wrong: a member twice, or nested too deep by one.
        assert!(
            members
                .values()
                .any(|text| slow_json::read(text.get().as_bytes()).is_none())
                || text.len() > 127
        );
    }
});

/// The elements come one by one, and no further one after the first that is not taken.
fn elements(text: &serde_json::value::RawValue, expected: Option<&Value>) {
    let mut all = Vec::new();
    let read = json::each_element(text, &mut |element| {
        all.push(element);
        true
    });
    match expected {
        Some(Value::Array(_)) => {
            read.expect("a list");
            assert!(same(Some(&Value::Array(all)), expected));
            let mut taken = 0;
            json::each_element(text, &mut |_| {
                taken += 1;
                false
            })
            .expect("a list");
            assert!(taken <= 1);
        }
        _ => assert_eq!(read, Err(json::NotStrictJson::NotAList)),
    }
}

/// Whether there is a number in it that is nearly none, as an error in its last digit makes it.
fn is_at_the_edge(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(is_at_the_edge),
        Value::Object(members) => members.values().any(is_at_the_edge),
        _ => value.as_f64().is_some_and(|double| double.abs() > 1e308),
    }
}

fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => slow_json::same(one, other),
        (one, other) => one == other,
    }
}
