//! A request yields a credential only if that very one stands in each place that is looked at.

use proptest::prelude::*;
use tenantgate::credential::{Place, Places, Presented};

use crate::{cases, head};

const HEADERS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    // Never looked at.
    "proxy-authorization",
    "x_api_key",
    "cookie",
];

fn well_known() -> Places {
    let mut places = Places::default();
    places.add(Place::well_known()).unwrap();
    places
}

/// Values that are nearly the same, so that they meet, and nearly well formed.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::sample::select(vec![
            "a", "b", "Bearer a", "bearer a", "BEARER  a", "Bearer b", "Basic a", "Bearer", "", "a,b", "Bearer a,Bearer a",
            "Bearer a b", "Bearer \ta", "Bearera", "Bearer=a",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => "[Bbearer ,=\t-]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let field = (proptest::sample::select(HEADERS.to_vec()), value());
    prop::collection::vec(
        field.prop_map(|(name, value)| (name.to_owned(), value)),
        0..4,
    )
}

/// The one credential that a field would carry by itself.
fn alone(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let credential = if name == "authorization" {
        let text = value.to_vec();
        let scheme = text.get(..6)?;
        if !scheme.eq_ignore_ascii_case(b"bearer") || text.get(6) != Some(&b' ') {
            return None;
        }
        let spaces = text[6..].iter().take_while(|byte| **byte == b' ').count();
        text[6 + spaces..].to_vec()
    } else {
        value.to_vec()
    };
    let one_word = !credential.is_empty()
        && credential
            .iter()
            .all(|byte| (0x21..=0x7e).contains(byte) && *byte != b',');
    one_word.then_some(credential)
}

/// The credential, if each field that is looked at carries it and none comes twice.
fn second_opinion(fields: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let looked_at: Vec<_> = fields
        .iter()
        .filter(|(name, _)| HEADERS[..4].contains(&name.as_str()))
        .collect();
    let twice = looked_at
        .iter()
        .enumerate()
        .any(|(index, (name, _))| looked_at[..index].iter().any(|(other, _)| other == name));
    let (name, value) = looked_at.first()?;
    let credential = alone(name, value)?;
    let everywhere = looked_at
        .iter()
        .all(|(name, value)| alone(name, value).as_ref() == Some(&credential));
    (everywhere && !twice).then_some(credential)
}

fn read(places: &Places, fields: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    match places.read(&head(fields)) {
        Presented::One(credential) => Some(credential.value().to_vec()),
        Presented::Nothing | Presented::Malformed | Presented::Several => None,
    }
}

/// As `application/x-www-form-urlencoded` is decoded, a byte at a time.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (bytes[at], hex) {
            (b'%', Some(hex)) => {
                out.push(u8::from_str_radix(hex, 16).unwrap());
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn a_credential_is_read_exactly_where_nothing_contradicts_it(fields in fields()) {
        prop_assert_eq!(read(&well_known(), &fields), second_opinion(&fields));
    }

    #[test]
    fn two_different_credentials_are_never_one(first in "[!-+--~]{1,8}", second in "[!-+--~]{1,8}", at in (0_usize..4, 0_usize..4)) {
        prop_assume!(first != second);
        let field = |place: usize, key: &str| {
            let scheme = if place == 0 { "Bearer " } else { "" };
            (HEADERS[place].to_owned(), format!("{scheme}{key}").into_bytes())
        };
        let (one, other) = (field(at.0, &first), field(at.1, &second));
        prop_assert_eq!(read(&well_known(), std::slice::from_ref(&one)), Some(first.into_bytes()));
        for fields in [[one.clone(), other.clone()], [other, one]] {
            prop_assert_eq!(well_known().read(&head(&fields)), Presented::Several);
        }
    }

    #[test]
    fn a_query_parameter_is_read_however_it_is_spelled_and_taken_off_again(
        query in "(key|k%65y|KEY|other|key2)?=?(a|b|%61)?(&(key|%6bey|other)(=(a|b|%61|%2c)?)?){0,3}",
        key in proptest::option::of(proptest::sample::select(vec!["a", "b"])),
    ) {
        let mut places = Places::default();
        places.add(vec![Place::Query { name: "key".to_owned() }, Place::Header { name: "x-api-key".to_owned(), scheme: None }]).unwrap();
        let mut fields = vec![(":path".to_owned(), format!("/v1?{query}").into_bytes())];
        fields.extend(key.map(|key| ("x-api-key".to_owned(), key.as_bytes().to_vec())));

        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let in_query = pairs.filter(|(name, _)| decoded(name) == "key").map(|(_, value)| decoded(value));
        let presented: Vec<_> = in_query.chain(key.map(str::to_owned)).collect();
        let first = presented.first().filter(|first| alone("x-api-key", first.as_bytes()).is_some());
        let one = first.filter(|first| presented.iter().all(|other| other == *first));
        prop_assert_eq!(read(&places, &fields), one.map(|one| one.clone().into_bytes()));

        let mut edits = tenantgate::request::Edits::default();
        let head = head(&fields);
        places.remove(&head, &mut edits);
        edits.leave_out_parameters(&head);
        let left = edits.set.first().map_or(fields[0].1.as_slice(), |(_, path)| path);
        let left = String::from_utf8(left.to_vec()).unwrap();
        let names = left.split_once('?').map(|(_, query)| query).unwrap_or_default().split('&');
        prop_assert!(names.map(|pair| decoded(pair.split('=').next().unwrap())).all(|name| name != "key"), "left: {}", left);
        prop_assert_eq!(edits.remove.contains(&"x-api-key"), key.is_some());
    }
}
