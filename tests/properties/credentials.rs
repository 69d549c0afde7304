//! A request yields a credential only if that very one stands in each place that is looked at.

use proptest::prelude::*;
use tenantgate::credential::{Place, Places, Presented};

use crate::reference::credential::{HEADERS, alone, decoded, in_query, second_opinion};
use crate::{cases, head};

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

fn read(places: &Places, fields: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    match places.read(&head(fields)) {
        Presented::One(credential) => Some(credential.value().to_vec()),
        Presented::Nothing | Presented::Malformed | Presented::Several => None,
    }
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

        let presented: Vec<_> = in_query(&query, "key").chain(key.map(str::to_owned)).collect();
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
