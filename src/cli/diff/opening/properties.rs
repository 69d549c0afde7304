//! Two configurations and a request, all at random: the gate itself is asked what became of the request.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::{Opening, openings};
use crate::authorizer::cache::TokenCache;
use crate::cli::find::Configuration;
use crate::cli::read::{Plugin, StandIns, plugin};
use crate::endpoint::Sample;
use crate::fetch::fake::Held;
use crate::gate::{Request, Step};
use crate::request::RequestHead;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Let in without a credential.
    Open,
    /// Refused by the endpoint that it addresses.
    Guarded,
    /// Refused, without an endpoint to be guarded by.
    Refused,
}

fn fate(plugin: &Plugin, head: &RequestHead, from: fn() -> Option<Vec<u8>>) -> Fate {
    let request = Request {
        head,
        source_address: from,
        has_body: false,
    };
    // Whoever brings no credential needs nothing fetched.
    let (mut nothing, mut cache) = (Held::default(), TokenCache::new(0));
    let decision = plugin
        .policy
        .decide(&request, &mut nothing, &mut cache, NOW);
    match (&decision.step, decision.endpoint) {
        (Step::Forward(_), _) => Fate::Open,
        (_, Some(_)) => Fate::Guarded,
        (_, None) => Fate::Refused,
    }
}

/// Addresses inside and outside of what lists have.
const SOURCES: [fn() -> Option<Vec<u8>>; 3] = [
    || Some(b"10.1.2.3:1".to_vec()),
    || Some(b"10.200.2.3:1".to_vec()),
    || Some(b"192.0.2.1:0".to_vec()),
];

fn authorizer() -> impl Strategy<Value = Value> {
    let guarded = json!({ "type": "api_key", "keys": [{ "client_id": "c", "key": "a-good-key" }] });
    select(vec![guarded, json!({ "type": "none" })])
}

fn path() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "a", "b", "ab", "abc", "*", "{N}", "a*", "*b", "ab*", "*bc", "a*bc", "*:go",
    ]);
    let last = select(vec!["", "", "/", "/**"]);
    (prop::collection::vec(segment, 0..3), last).prop_map(|(segments, last)| {
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

fn endpoint() -> impl Strategy<Value = Value> {
    let hosts = select(vec![
        json!(null),
        json!(null),
        json!(["a.test"]),
        json!(["*.test"]),
        json!(["*.a.test", "b.test"]),
    ]);
    let methods = select(vec![
        json!(null),
        json!(null),
        json!(["GET"]),
        json!(["POST", "OPTIONS"]),
    ]);
    let allow_from = select(vec![
        json!(null),
        json!(null),
        json!(null),
        json!([]),
        json!(["10.0.0.0/8"]),
        json!(["10.0.0.0/9", "192.0.2.1"]),
    ]);
    let preflight = select(vec![json!(null), json!(null), json!("allow")]);
    (path(), authorizer(), hosts, methods, allow_from, preflight).prop_map(
        |(path, authorizer, hosts, methods, allow_from, preflight)| {
            let mut endpoint = json!({
                "path": path, "authorizer": authorizer, "hosts": hosts, "methods": methods,
                "allow_from": allow_from, "preflight": preflight,
            });
            if let Some(members) = endpoint.as_object_mut() {
                members.retain(|_, value| !value.is_null());
            }
            endpoint
        },
    )
}

/// As many of the endpoints as do not clash.
fn configuration(endpoints: &[Value], unmatched: &str, source_address: &str) -> Option<Plugin> {
    let mut kept: Vec<Value> = Vec::new();
    let document = |endpoints: &[Value]| json!({ "endpoints": endpoints, "unmatched": unmatched, "source_address": source_address });
    let mut made = None;
    for (number, endpoint) in endpoints.iter().enumerate() {
        let mut endpoint = endpoint.clone();
        endpoint["name"] = json!(format!("e{number}"));
        kept.push(endpoint);
        match plugin(
            &Configuration::Document(document(&kept)),
            &StandIns::default(),
        ) {
            Ok(plugin) => made = Some(plugin),
            Err(_) => drop(kept.pop()),
        }
    }
    made
}

fn whole() -> impl Strategy<Value = (Vec<Value>, &'static str, &'static str)> {
    (
        prop::collection::vec(endpoint(), 1..6),
        select(vec!["deny", "deny", "pass"]),
        select(vec!["peer", "peer", "forwarded"]),
    )
}

/// A configuration and what an edit made of it: some endpoints are others now.
fn edit() -> impl Strategy<Value = (Plugin, Plugin)> {
    let changes = prop::collection::vec((any::<Index>(), prop::option::of(endpoint())), 0..4);
    let authorizers = prop::collection::vec((any::<Index>(), authorizer()), 0..2);
    let tops = prop::option::of((
        select(vec!["deny", "pass"]),
        select(vec!["peer", "forwarded"]),
    ));
    (whole(), changes, authorizers, tops).prop_filter_map(
        "no configuration",
        |((old, unmatched, mode), changes, authorizers, tops)| {
            let mut new = old.clone();
            for (index, authorizer) in authorizers {
                let place = index.index(new.len());
                new[place]["authorizer"] = authorizer;
            }
            for (index, change) in changes {
                let place = index.index(new.len());
                match change {
                    Some(endpoint) => new.insert(place, endpoint),
                    None if new.len() > 1 => drop(new.remove(place)),
                    None => {}
                }
            }
            let (other, other_mode) = tops.unwrap_or((unmatched, mode));
            Some((
                configuration(&old, unmatched, mode)?,
                configuration(&new, other, other_mode)?,
            ))
        },
    )
}

fn sample() -> impl Strategy<Value = Sample> {
    let segment = select(vec![
        "a", "b", "ab", "abc", "abbc", "axb", "axbc", "x", "x:go", "a:go", "bc", "a%2Fb",
    ]);
    let path = (
        prop::collection::vec(segment, 0..4),
        select(vec!["", "", "/"]),
    )
        .prop_map(|(segments, slash)| format!("/{}{slash}", segments.join("/")));
    let host = select(vec!["a.test", "b.test", "x.a.test", "test", "other"]);
    let method = select(vec!["GET", "POST", "OPTIONS", "PUT"]);
    (path, host, method, any::<bool>()).prop_map(|(path, host, method, preflight)| Sample {
        host: host.to_owned(),
        path,
        method: method.to_owned(),
        preflight,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_request_that_was_guarded_is_open_after_an_edit_that_opens_nothing(
        (old, new) in edit(),
        requests in prop::collection::vec(sample(), 40),
    ) {
        let opened = openings(&old, &new);
        for request in &requests {
            let head = request.head();
            for from in SOURCES {
                let fates = (fate(&old, &head, from), fate(&new, &head, from));
                prop_assert!(
                    fates != (Fate::Guarded, Fate::Open) || !opened.is_empty(),
                    "{request:?} from {:?}\n{:#}\n{:#}", from(), old.document, new.document
                );
            }
        }
    }

    #[test]
    fn every_opening_is_shown_by_its_example((old, new) in edit()) {
        for opening in openings(&old, &new) {
            let Opening::Of { example, .. } = &opening else {
                prop_assert!(matches!(opening, Opening::Unmatched));
                continue;
            };
            let head = example.head();
            // A list may open to addresses that are not among these, or be judged another way.
            let fates = SOURCES.map(|from| (fate(&old, &head, from), fate(&new, &head, from)));
            prop_assert!(
                fates.iter().any(|(_, after)| *after == Fate::Open),
                "{opening}\n{:#}\n{:#}", old.document, new.document
            );
            let same_judge = old.policy.source_address == new.policy.source_address;
            prop_assert!(
                !same_judge || fates.iter().any(|(before, _)| *before != Fate::Open),
                "{opening}\n{:#}\n{:#}", old.document, new.document
            );
        }
    }
}
