//! Filters before and behind ours, HDR-12 and PTH-13: what stands before the gate is judged by it, what stands behind it has
//! the last word. So what is shipped has nothing behind it.

use serde_json::{Value, json};

use crate::harness::envoy_config::FILTER;
use crate::harness::shipped::shipped;
use crate::harness::wire::{lines, word};
use crate::harness::{Envoy, Setup, Upstream};
use crate::{bearer, chat_and_health, raw, stands};

/// Which way round another filter stands.
#[derive(Clone, Copy)]
enum Place {
    Before,
    Behind,
}

fn gate(place: Place, other: &Value) -> (Upstream, Envoy) {
    let upstream = Upstream::start();
    let mut setup = Setup::with(chat_and_health()).model(upstream.address());
    let ours = json!({ "name": FILTER, "typed_config": setup.filter() });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters = match place {
        Place::Before => json!([other, ours, router]),
        Place::Behind => json!([ours, other, router]),
    };
    setup.merged = Some(json!({ "http_filters": filters }));
    (upstream, Envoy::start(setup))
}

/// It says who calls, whoever calls.
fn impostor() -> Value {
    let header = json!({ "header": { "key": "x-tenant-id", "value": "t9" }, "append_action": "APPEND_IF_EXISTS_OR_ADD" });
    json!({
        "name": "impostor",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": { "request_mutations": [{ "append": header }] },
        },
    })
}

/// It sends what asks for `/health` to `/v1/chat`, by a route that is chosen anew.
fn detour() -> Value {
    let code = "function envoy_on_request(handle)
      if handle:headers():get(':path') == '/health' then
        handle:headers():replace(':path', '/v1/chat')
        handle:clearRouteCache()
      end
    end";
    json!({
        "name": "detour",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": code },
        },
    })
}

fn ask(envoy: &Envoy, target: &str, fields: &[&str]) -> String {
    let answer = raw(envoy, &lines(&format!("GET {target}"), fields));
    answer.map_or_else(|| "closed".to_owned(), |answer| word(&answer))
}

#[test]
fn hdr_12_a_filter_before_ours_names_nobody_and_one_behind_ours_does() {
    for (place, with_a_key, without) in [
        (Place::Before, &["t2"][..], &[][..]),
        (Place::Behind, &["t2", "t9"], &["t9"]),
    ] {
        let (upstream, mut envoy) = gate(place, &impostor());
        let told = |target: &str, fields: &[&str]| {
            assert_eq!(ask(&envoy, target, fields), "200");
            upstream.last().all("x-tenant-id")
        };
        assert_eq!(told("/v1/chat", &[&bearer()]), with_a_key);
        assert_eq!(told("/health", &[]), without);
        upstream.forget();
        assert_eq!(ask(&envoy, "/v1/chat", &[]), "401 missing_credential");
        upstream.saw_nothing();
        stands(&mut envoy);
    }
}

#[test]
fn pth_13_a_path_is_judged_as_it_comes_and_what_changes_it_behind_ours_brings_nobody_along() {
    let (upstream, mut envoy) = gate(Place::Before, &detour());
    assert_eq!(ask(&envoy, "/health", &[]), "401 missing_credential");
    assert_eq!(
        ask(&envoy, "/health", &["x-api-key: wrong"]),
        "401 invalid_credential"
    );
    upstream.saw_nothing();
    assert_eq!(ask(&envoy, "/health", &[&bearer()]), "200");
    assert_eq!(upstream.last().target, "/v1/chat");
    assert_eq!(upstream.last().all("x-tenant-id"), ["t2"]);
    stands(&mut envoy);

    // Behind ours it leads past the gate: the decision was about the open endpoint. It is told as what it was made for,
    // with no tenant and without the caller's key.
    let (upstream, mut envoy) = gate(Place::Behind, &detour());
    assert_eq!(ask(&envoy, "/health", &["x-tenant-id: t9"]), "200");
    assert_eq!(upstream.last().target, "/v1/chat");
    assert!(upstream.last().all("x-tenant-id").is_empty());
    assert_eq!(ask(&envoy, "/v1/chat", &[]), "401 missing_credential");
    stands(&mut envoy);
}

#[test]
fn hdr_12_and_pth_13_nothing_stands_behind_the_filter_in_what_is_shipped() {
    let names = |filters: &Value| -> Vec<String> {
        let filters = filters.as_array().unwrap();
        filters
            .iter()
            .map(|filter| filter["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for file in [
        "envoy/envoy.yaml",
        "envoy/compose/envoy.yaml",
        "envoy/ecds/envoy.yaml",
    ] {
        let filters = shipped(file)
            .pointer(
                "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters",
            )
            .cloned()
            .unwrap();
        assert_eq!(
            names(&filters),
            [FILTER, "envoy.filters.http.router"],
            "{file}"
        );
    }
}
