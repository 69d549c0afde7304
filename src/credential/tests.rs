use std::rc::Rc;

use super::*;

fn head(fields: &[(&str, &str)]) -> RequestHead {
    RequestHead::new(
        fields
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
            .collect(),
    )
}

fn well_known() -> Places {
    let mut places = Places::default();
    places.add(Place::well_known()).unwrap();
    places
}

/// The outcome in short: the credential itself, or why there is none.
fn read(places: &Places, fields: &[(&str, &str)]) -> String {
    match places.read(&head(fields)) {
        Presented::Nothing => "nothing".to_owned(),
        Presented::Malformed => "malformed".to_owned(),
        Presented::Several => "several".to_owned(),
        Presented::One(credential) => format!("={}", String::from_utf8_lossy(credential.value())),
    }
}

#[test]
fn a_credential_is_read_from_each_place_where_sdks_put_it() {
    for (field, value, expected) in [
        ("authorization", "Bearer k", "=k"),
        ("authorization", "bearer k", "=k"),
        ("authorization", "BEARER   k", "=k"),
        ("x-api-key", "k", "=k"),
        ("api-key", "k", "=k"),
        ("x-goog-api-key", "k", "=k"),
        ("x-api-key", "Bearer k", "malformed"),
        ("proxy-authorization", "Bearer k", "nothing"),
        ("x-forwarded-authorization", "Bearer k", "nothing"),
        ("authorization_", "Bearer k", "nothing"),
        ("x_api_key", "k", "nothing"),
        ("cookie", "access_token=k", "nothing"),
        ("sec-websocket-protocol", "bearer, k", "nothing"),
    ] {
        assert_eq!(
            read(&well_known(), &[(field, value)]),
            expected,
            "{field}: {value}"
        );
    }
}

#[test]
fn an_authorization_that_is_no_bearer_token_is_told_apart() {
    for (value, expected) in [
        ("", "malformed"),
        ("Bearer", "malformed"),
        ("Bearer ", "malformed"),
        ("Bearer\tk", "malformed"),
        ("Bearer \tk", "malformed"),
        ("Bearer=k", "malformed"),
        ("Bearer k k", "malformed"),
        ("Bearer k\u{e9}", "malformed"),
        ("BearerT", "nothing"),
        ("Basic dTpw", "nothing"),
        ("Bearer a,Bearer b", "several"),
        ("Basic dTpw,Bearer b", "several"),
    ] {
        assert_eq!(
            read(&well_known(), &[("authorization", value)]),
            expected,
            "{value}"
        );
    }
}

#[test]
fn two_credentials_are_never_one() {
    for fields in [
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")][..],
        &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
        &[
            ("authorization", "Bearer a"),
            ("authorization", "Basic dTpw"),
        ],
        &[
            ("authorization", "Basic dTpw"),
            ("authorization", "Bearer a"),
        ],
        &[("authorization", "Bearer a"), ("x-api-key", "b")],
        &[("authorization", "Basic dTpw"), ("x-api-key", "b")],
        &[("authorization", ""), ("x-api-key", "b")],
        &[("x-api-key", "a"), ("x-api-key", "b")],
        &[("x-api-key", "a"), ("x-api-key", "a")],
        &[("x-api-key", "a,b")],
        &[("x-api-key", "a"), ("api-key", "b")],
    ] {
        assert_eq!(read(&well_known(), fields), "several", "{fields:?}");
    }
    assert_eq!(
        read(
            &well_known(),
            &[("authorization", "Bearer a"), ("api-key", "a")]
        ),
        "=a"
    );
}

#[test]
fn the_operator_may_name_other_places() {
    let mut places = Places::default();
    let header = |name: &str, scheme: Option<&str>| Place::Header {
        name: name.to_owned(),
        scheme: scheme.map(str::to_owned),
    };
    let key = places
        .add(vec![
            header("x-gate-key", None),
            Place::Query {
                name: "key".to_owned(),
            },
        ])
        .unwrap();
    let token = places
        .add(vec![header("authorization", Some("token"))])
        .unwrap();
    for (fields, expected) in [
        (&[("x-gate-key", "k"), ("x-api-key", "other")][..], "=k"),
        (&[("authorization", "Token k")], "=k"),
        (&[("authorization", "Bearer k")], "nothing"),
        (&[(":path", "/v1?a=b&key=k")], "=k"),
        (&[(":path", "/v1?k%65y=%6b")], "=k"),
        (&[(":path", "/v1?key=k&key=k2")], "several"),
        (&[(":path", "/v1?key=")], "malformed"),
        (&[(":path", "/v1?key=k"), ("x-gate-key", "k")], "=k"),
        (
            &[(":path", "/v1?key=k"), ("x-gate-key", "other")],
            "several",
        ),
    ] {
        assert_eq!(read(&places, fields), expected, "{fields:?}");
    }
    let Presented::One(credential) = places.read(&head(&[(":path", "/v1?key=k")])) else {
        panic!("one credential")
    };
    assert!(credential.places().meets(key) && !credential.places().meets(token));
}

#[test]
fn a_field_that_is_read_with_and_without_a_scheme_holds_one_credential() {
    let authorization = |scheme: Option<&str>| Place::Header {
        name: "authorization".to_owned(),
        scheme: scheme.map(str::to_owned),
    };
    for whole_first in [true, false] {
        let mut places = Places::default();
        let (first, second) = if whole_first {
            (None, Some("bearer"))
        } else {
            (Some("bearer"), None)
        };
        places.add(vec![authorization(first)]).unwrap();
        places.add(vec![authorization(second)]).unwrap();
        for (value, expected) in [
            ("Bearer k", "=k"),
            ("k", "=k"),
            ("Bearer", "malformed"),
            ("Basic k", "malformed"),
            ("k,k", "several"),
            ("Bearer k,Bearer k", "several"),
        ] {
            let fields = [("authorization", value)];
            assert_eq!(read(&places, &fields), expected, "{value}, {first:?} first");
            let twice = [("authorization", value), ("authorization", value)];
            assert_eq!(read(&places, &twice), "several", "{value} twice");
        }
    }
}

#[test]
fn a_credential_is_taken_off_wherever_it_stood() {
    let mut places = well_known();
    places
        .add(vec![Place::Query {
            name: "key".to_owned(),
        }])
        .unwrap();
    for (fields, remove, path) in [
        (
            &[(":path", "/v1"), ("x-api-key", "k")][..],
            &["x-api-key"][..],
            None,
        ),
        (&[(":path", "/v1?key=k")], &[], Some("/v1")),
        (
            &[(":path", "/v1?a=%20b&k%65y=k&c")],
            &[],
            Some("/v1?a=%20b&c"),
        ),
        (
            &[
                (":path", "/v1?keys=k"),
                ("authorization", "Bearer k"),
                ("api-key", "k"),
            ],
            &["authorization", "api-key"],
            None,
        ),
    ] {
        let mut edits = Edits::default();
        let head = head(fields);
        places.remove(&head, &mut edits);
        edits.leave_out_parameters(&head);
        assert_eq!(edits.remove, remove, "{fields:?}");
        assert_eq!(
            edits.set,
            path.map(|p| (":path", Rc::from(p.as_bytes())))
                .into_iter()
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_credential_does_not_print() {
    let presented = well_known().read(&head(&[("x-api-key", "secret-canary")]));
    assert!(!format!("{presented:?}").contains("canary"));
}
