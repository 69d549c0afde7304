//! Hosts, paths and methods: the router finds what a matcher finds that asks every endpoint.

use proptest::prelude::*;
use proptest::sample::select;
use tenantgate::authorizer::Authorizer;
use tenantgate::denial::Denial;
use tenantgate::endpoint::{Endpoint, Endpoints, HostPattern, Methods, PathPattern};

use crate::reference::routing::{self as reference, Outcome, Written};
use crate::{cases, head};

const HOSTS: [&str; 6] = [
    "*",
    "a.test",
    "*.test",
    "*.a.test",
    "b.a.test",
    "*.b.a.test",
];

fn segment() -> impl Strategy<Value = &'static str> {
    select(vec![
        "a", "b", "ab", "\u{e9}", "*", "{N}", "{N=*}", "a{N}", "{N}b", "a{N}b", "a*", "*:go",
        "{N}:go", "aa{N}",
    ])
}

fn pattern() -> impl Strategy<Value = String> {
    let last = select(vec!["", "/", "/**", "/{N=**}"]);
    (prop::collection::vec(segment(), 0..4), last).prop_map(|(segments, last)| {
        // Each capture has a name of its own.
        let named = segments
            .iter()
            .enumerate()
            .map(|(index, text)| format!("/{}", text.replace('N', &format!("n{index}"))));
        let path = named.collect::<String>() + last;
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    })
}

fn written() -> impl Strategy<Value = Written<'static>> {
    let methods = select(vec![
        vec![],
        vec![],
        vec!["GET"],
        vec!["POST"],
        vec!["GET", "POST"],
    ]);
    (select(HOSTS.to_vec()), pattern(), methods, any::<bool>()).prop_map(
        |(host, path, methods, allow_encoded_slash)| Written {
            host,
            path,
            methods,
            allow_encoded_slash,
        },
    )
}

/// Paths made of what patterns are made of, and of what attackers put between.
fn path() -> impl Strategy<Value = String> {
    let plain = select(vec![
        "a", "b", "ab", "aab", "acb", "a:go", "c", "%61", "%C3%A9", "a%62",
    ]);
    let odd = select(vec![
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "a%2Fb",
        "a%2f",
        "%2Fa",
        "a%2f..",
        "a%5cb",
        "a\\b",
        "a;x",
        "%3b",
        "a#b",
        "%23",
        "%00",
        "%25",
        "%252e",
        "%",
        "%zz",
        "%c0%af",
        "\u{e9}",
        " ",
        "%20",
        "...",
        "a%2Fc%2Fb",
        "A",
    ]);
    let piece = prop_oneof![9 => plain, 1 => odd];
    let query = select(vec!["", "", "?", "?/../x", "?a=%zz;#"]);
    (
        prop::collection::vec(piece, 0..5),
        select(vec!["", "", "/"]),
        query,
    )
        .prop_map(|(pieces, slash, query)| format!("/{}{slash}{query}", pieces.join("/")))
}

fn authority() -> impl Strategy<Value = String> {
    let host = select(vec![
        "a.test",
        "A.Test",
        "b.a.test",
        "c.b.a.test",
        "test",
        "eviltest",
        "x.test",
        "other",
        "a-_1.test",
    ]);
    let tail = select(vec!["", "", "", ".", ":443", ".:00443", ":"]);
    let odd = select(vec![
        "",
        ".",
        ":1",
        "a..test",
        "u@a.test",
        "a.test:1:1",
        "a.test/",
        "a%2etest",
        "a.test:x",
        "a test",
        "*.test",
        "[",
        "::1",
    ]);
    prop_oneof![9 => (host, tail).prop_map(|(host, tail)| format!("{host}{tail}")), 1 => odd.prop_map(str::to_owned)]
}

fn add(endpoints: &mut Endpoints, index: usize, written: &Written<'_>) -> Result<(), String> {
    let endpoint = Endpoint {
        place: 0,
        name: index.to_string(),
        path: PathPattern::parse(&written.path)
            .unwrap_or_else(|error| panic!("{}: {error}", written.path)),
        allow_from: None,
        authorizer: Authorizer::Open,
        preflight: false,
        allow_encoded_slash: written.allow_encoded_slash,
        forward_credential: None,
        usage: tenantgate::usage::Metering::default(),
        upstream_auth: None,
    };
    let methods = Methods::new(
        written
            .methods
            .iter()
            .map(|method| (*method).to_owned())
            .collect(),
    );
    endpoints.add(
        endpoint,
        &[HostPattern::parse(written.host).unwrap()],
        &methods,
    )
}

fn found(endpoints: &Endpoints, authority: &str, path: &str, method: &str) -> Outcome {
    let fields = [
        (":authority", authority),
        (":path", path),
        (":method", method),
    ];
    let head = head(&fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
    match endpoints.find(&head) {
        Ok(Some(addressed)) => Outcome::Endpoint(addressed.endpoint.name.parse().unwrap()),
        Ok(None) => Outcome::Unknown,
        Err(Denial::AmbiguousPath) => Outcome::AmbiguousPath,
        Err(Denial::AmbiguousHost) => Outcome::AmbiguousHost,
        Err(other) => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn the_router_finds_what_asking_every_endpoint_finds(
        all in prop::collection::vec(written(), 0..12),
        requests in prop::collection::vec((authority(), path(), select(vec!["GET", "POST", "get", "PUT"])), 1..8),
    ) {
        let (mut endpoints, mut kept) = (Endpoints::default(), Vec::<Written<'_>>::new());
        for written in all {
            let expected = kept.iter().any(|other| reference::conflict(other, &written));
            let added = add(&mut endpoints, kept.len(), &written);
            prop_assert_eq!(added.is_err(), expected, "{:?} beside {:?}", written, kept);
            if added.is_ok() {
                kept.push(written);
            }
        }
        for (authority, path, method) in &requests {
            let expected = reference::find(&kept, authority, path, method);
            prop_assert_eq!(found(&endpoints, authority, path, method), expected, "{} {}{} among {:#?}", method, authority, path, kept);
        }
    }

    #[test]
    fn every_path_of_one_spelling_too_many_is_refused(bytes in "[/a.%2eEfF5cC;#\\\\0]{0,10}") {
        let mut endpoints = Endpoints::default();
        let everything = Written { host: "*", path: "/**".to_owned(), methods: vec![], allow_encoded_slash: false };
        add(&mut endpoints, 0, &everything).unwrap();
        let path = format!("/{bytes}");
        let expected = reference::find(&[everything], "a.test", &path, "GET");
        prop_assert_eq!(found(&endpoints, "a.test", &path, "GET"), expected);
    }

    #[test]
    fn a_host_is_one_host_or_none(authority in "[aA.:0@/% _*-]{0,8}") {
        let all = ["a", "*.a", "a.a", "*"].map(|host| Written { host, path: "/".to_owned(), methods: vec![], allow_encoded_slash: false });
        let mut endpoints = Endpoints::default();
        all.iter().enumerate().for_each(|(index, written)| add(&mut endpoints, index, written).unwrap());
        prop_assert_eq!(found(&endpoints, &authority, "/", "GET"), reference::find(&all, &authority, "/", "GET"));
    }

    #[test]
    fn no_head_makes_the_search_panic(fields in prop::collection::vec((select(vec![":path", ":authority", ":method", "origin"]), prop::collection::vec(any::<u8>(), 0..24)), 0..5)) {
        let mut endpoints = Endpoints::default();
        add(&mut endpoints, 0, &Written { host: "*", path: "/{a}:go/{b=**}".to_owned(), methods: vec![], allow_encoded_slash: true }).unwrap();
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let _ = endpoints.find(&head(&fields));
    }
}
