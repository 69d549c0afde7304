//! What a client presents: a credential is read exactly where nothing contradicts it, and taken off it is gone.
//!
//! The input: a byte that says where credentials are looked for, then lines `NAME:VALUE`, of any bytes but a line's end.

#![no_main]

#[path = "../../tests/properties/reference/credential.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::{alone, decoded, in_query, second_opinion};
use tenantgate::credential::{Place, Places, Presented};
use tenantgate::request::{Edits, RequestHead};
use tenantgate_fuzz::input::lines;

type Fields = Vec<(String, Vec<u8>)>;

/// The query parameter that is looked at.
const PARAMETER: &str = "key";

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let fields: Fields = lines(rest).filter_map(field).collect();
    let mut places = Places::default();
    let by_header = which % 2 == 0;
    places
        .add(if by_header {
            Place::well_known()
        } else {
            query_and_header()
        })
        .expect("few places");

    let head = RequestHead::new(fields.clone());
    let expected = if by_header {
        second_opinion(&fields)
    } else {
        second_opinion_with_query(&fields)
    };
    let presented = places.read(&head);
    match &presented {
        Presented::One(credential) => assert_eq!(Some(credential.value()), expected.as_deref()),
        _ => assert_eq!(expected, None, "{presented:?}"),
    }
    assert!(
        !format!("{presented:?}").contains(|c: char| c.is_ascii_digit()),
        "it prints"
    );

    let left = without(&places, &fields);
    assert_eq!(
        places.read(&RequestHead::new(left.clone())),
        Presented::Nothing,
        "{left:?}"
    );
    let others = |fields: &Fields| -> Fields {
        let stays = |name: &str| name != ":path" && !places.header_names().any(|read| read == name);
        fields
            .iter()
            .filter(|(name, _)| stays(name))
            .cloned()
            .collect()
    };
    assert_eq!(others(&left), others(&fields), "nothing else is touched");
});

/// Names are lower case, as Envoy hands them over, and pseudo-headers come once.
fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    Some((name.to_ascii_lowercase(), line[colon + 1..].to_vec()))
}

fn query_and_header() -> Vec<Place> {
    let name = "x-api-key".to_owned();
    vec![
        Place::Query {
            name: PARAMETER.to_owned(),
        },
        Place::Header { name, scheme: None },
    ]
}

/// The one credential that the query and a header agree on.
fn second_opinion_with_query(fields: &Fields) -> Option<Vec<u8>> {
    let headers: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name == "x-api-key")
        .collect();
    let mut presented: Vec<Vec<u8>> = headers.iter().map(|(_, value)| value.clone()).collect();
    if let Some(query) = query(fields) {
        presented.extend(in_query(query, PARAMETER).map(String::into_bytes));
    }
    let first = presented
        .first()
        .filter(|first| alone("x-api-key", first).is_some())?;
    let agree = presented.iter().all(|other| other == first);
    (agree && headers.len() < 2).then(|| first.clone())
}

fn query(fields: &Fields) -> Option<&str> {
    let (_, path) = fields.iter().find(|(name, _)| name == ":path")?;
    Some(std::str::from_utf8(path).ok()?.split_once('?')?.1)
}

/// The request as it goes on.
fn without(places: &Places, fields: &Fields) -> Fields {
    let head = RequestHead::new(fields.clone());
    let mut edits = Edits::default();
    places.remove(&head, &mut edits);
    edits.leave_out_parameters(&head);
    let mut left = fields.clone();
    left.retain(|(name, _)| !edits.remove.contains(&name.as_str()));
    for (name, value) in &edits.set {
        let before = query(fields).unwrap_or_default();
        left.retain(|(field, _)| field != name);
        left.push(((*name).to_owned(), value.to_vec()));
        let after = query(&left).unwrap_or_default();
        let is_other =
            |pair: &&str| decoded(pair.split('=').next().unwrap_or_default()) != PARAMETER;
        assert!(after.split('&').all(|pair| is_other(&pair)), "{after}");
        let kept: Vec<_> = before.split('&').filter(is_other).collect();
        assert_eq!(
            after,
            kept.join("&"),
            "other parameters stay as they were written"
        );
    }
    left
}
